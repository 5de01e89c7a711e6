/* reports.h - what a run leaves for people: the model card and the predictions, written from the records. */
#ifndef GM_PIPE_REPORTS_H
#define GM_PIPE_REPORTS_H

#include "pipe/run.h"

/* The JSON of one output of a step of this run; NULL when the step or output is not there. In the graph's arena. */
const gm_node *gm_report_read(gm_store *store, const gm_graph *g, const char *step, const char *output);

/* Write reports/model_card.md, reports/model_card.html and reports/predictions.parquet beside the pipeline file, where the run
 * has what they need; files whose content would not change are left alone. out_dir: "reports", or NULL when nothing was written.
 */
gm_rc gm_reports_write(gm_store *store, const gm_run_result *r, const char **out_dir, gm_err *err);

/* The record that a model card is made from (see govern/card.h). timings: with what was measured in this attempt; an artifact has none, so that
 * equal runs give equal bytes. */
gm_rc gm_card_record(gm_store *store, const gm_run_result *r, bool timings, gm_buf *out, gm_err *err);

#endif
