/* card.h - the model card, written from one record of a run: as Markdown, and as one HTML page with drawings.
 *
 * The record is a JSON object; any part may be absent, and then the card says so. Members:
 *   model        {name, version, digest, alias, task, target, trainer, classes[]}
 *   data         [{name, source, version, digest, rows, columns, schema{columns[]: gm_schema_json}, personal[]}]
 *   checks       [{dataset, check, name, ok, severity, considered, broken, observed_text}]
 *   split        {by, train_rows, validation_rows, test_rows, without_label, left_out, train_from, train_to, test_from, test_to}
 *   features     [{name, kind, source, reason, transforms}]    dropped [{name, reason}]
 *   candidates   [{trainer, metric, validation, value, low, high, trials, rounds, params{}}]    winner: a trainer
 *   evaluation   gm_evaluation_json, or an object that has it as `test`
 *   gates, timing_gates  [{text, verdict, observed, wanted, detail}]
 *   comparison   {champion, delta, low, high, p_value, method}
 *   lineage      {run, file, code..., step: action key}        environment {name: text}
 *   govern       {owner, intended_use, out_of_scope, limitations, risks, contact, license}
 * What only a person can say and nobody said is a line `MISSING: <what to write>` with its key in gristmill.yaml.
 * Of personal columns only the names and kinds appear, never a value. Texts of the record are data: they are escaped wherever
 * they stand. Equal records give equal bytes.
 */
#ifndef GM_GOVERN_CARD_H
#define GM_GOVERN_CARD_H

#include "base/node.h"

enum { GM_CARD_HTML_MAX = 200 * 1024 };

/* Append to out. Errors: GM_EINVALID the record is not an object; GM_ENOMEM. On an error out holds what it held before. */
gm_rc gm_card_markdown(const gm_node *record, gm_buf *out, gm_err *err);
/* At most GM_CARD_HTML_MAX bytes: long tables are cut, and say how much is left out, until it fits. */
gm_rc gm_card_html(const gm_node *record, gm_buf *out, gm_err *err);

/* How many things only a person can say are still not said, of how many. */
void gm_card_missing(const gm_node *record, size_t *out_missing, size_t *out_all);

#endif
