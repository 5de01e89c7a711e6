/* predictions.h - predictions as a table that people read. */
#ifndef GM_PIPE_PREDICTIONS_H
#define GM_PIPE_PREDICTIONS_H

#include "data/engine.h"
#include "pipe/scorer.h"

/* Columns of raw named in keep (those that exist), then: binary `probability` and `label`; multiclass `label` and
 * `probability_<class>`; regression `prediction`; then `truth` when truth is given (class label or value; may be NULL). A name
 * that the rows have already gets a _ behind it. In a. */
gm_rc gm_predictions(const gm_scorer *s, const gm_table *raw, const char *const *keep, size_t keep_count, const double *truth,
                     gm_arena *a, gm_table *out, gm_err *err);

/* All columns of a source and the predictions of its rows, as above, into out_path (.csv, else Parquet): block after block, so that memory does
 * not grow with the source; whole or not at all. Errors: those of gm_data_map, gm_conform and gm_scorer_predict. */
gm_rc gm_predict_source(const gm_scorer *s, gm_engine *e, const gm_source *source, const char *out_path, int64_t *out_rows, gm_err *err);

#endif
