/* card.h - the model card, written from one record of a run. */
#ifndef GM_GOVERN_CARD_H
#define GM_GOVERN_CARD_H

#include "base/node.h"

gm_rc gm_card_markdown(const gm_node *record, gm_buf *out, gm_err *err);
gm_rc gm_card_html(const gm_node *record, gm_buf *out, gm_err *err);

#endif
