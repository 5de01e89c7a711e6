/* lineage.h - what a model was made of, and what was made with it. */
#ifndef GM_GOVERN_LINEAGE_H
#define GM_GOVERN_LINEAGE_H

#include "base/node.h"
#include "store/store.h"

/* ref: a model reference (gm_model_resolve) or a digest. */
gm_rc gm_lineage_text(gm_store *store, const char *ref, gm_buf *out, gm_err *err);
gm_rc gm_lineage_json(gm_store *store, const char *ref, gm_json *j, gm_err *err);

#endif
