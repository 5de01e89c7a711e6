/* intervals.h - 95 % intervals of several metrics at once, from the same bootstrap replicates. */
#ifndef GM_EVAL_INTERVALS_H
#define GM_EVAL_INTERVALS_H

#include "eval/evaluate.h"
#include "eval/score_cache.h"

typedef struct gm_metric_result {
    const gm_metric *metric;
    gm_interval interval;  /* value NaN when undefined                         */
    const char *undefined; /* why there is no value, in arena; NULL = there is */
} gm_metric_result;

/* Values and intervals of metrics [count], all fit for the task; an undefined one says so and the others go on.
 * Metrics without a closed form share Poisson bootstrap replicates: 200 up to 100,000 rows, 100 up to 400,000, then 50.
 * out [count]. Errors: GM_EINVALID scores that no metric can take (no rows, NaN); GM_ENOMEM. */
gm_rc gm_metric_results(const gm_metric *const *metrics, size_t count, const gm_scores *s, uint64_t seed, gm_arena *a,
                        gm_metric_result *out, gm_err *err);

/* Only the closed forms (DeLong, Wilson); NaN bounds and method "" for the rest. Errors: those of the metric. */
gm_rc gm_closed_interval(const gm_metric *m, const gm_scores *s, gm_arena *scratch, gm_interval *out, gm_err *err);

int64_t gm_bootstrap_replicates(int64_t rows);
const char *gm_bootstrap_name(int64_t rows, bool paired); /* "Poisson bootstrap, 200 replicates"; static */
/* How often each row counts in a replicate: Poisson(1) from a hash of seed, replicate and row, so that it depends neither on
 * order nor on threads. */
void gm_poisson_weights(uint64_t seed, int64_t replicate, int64_t rows, uint8_t *out);
/* The q-quantile of values [count], sorted here; linear between neighbours. */
double gm_quantile(double *values, size_t count, double q);

#endif
