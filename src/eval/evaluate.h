/* evaluate.h - everything `evaluate` says about a candidate: metrics with intervals, slices, calibration, comparison, importance, feedback. */
#ifndef GM_EVAL_EVALUATE_H
#define GM_EVAL_EVALUATE_H

#include "base/expr.h"
#include "eval/interval.h"
#include "eval/metric.h"

/* DeLong for roc_auc, Wilson for proportions, else a Poisson bootstrap with weights from a hash of (seed, row, replicate). */
gm_rc gm_metric_interval(const gm_metric *m, const gm_scores *s, uint64_t seed, gm_arena *scratch, gm_interval *out, gm_err *err);

typedef struct gm_slice {
    const char *column, *value;  /* numbers are cut at quartiles: "[3, 7)" */
    int64_t rows, positives;
    bool judged;                 /* false: too few rows or one class */
    gm_interval metric;
} gm_slice;
/* All single-column slices of the given columns; not judged below min_rows. In arena, worst first. */
gm_rc gm_slices(const gm_metric *m, const gm_scores *s, const gm_column *columns, size_t columns_count, int64_t min_rows,
                gm_arena *a, gm_slice **out, size_t *out_count, gm_err *err);

typedef struct gm_calibration_bin { double mean_predicted, share_positive; int64_t rows; } gm_calibration_bin;
/* Ten equal-width bins (empty ones dropped), ECE = sum share * |gap|. */
gm_rc gm_calibration(const gm_scores *s, gm_calibration_bin out_bins[10], size_t *out_count, double *out_ece, gm_err *err);

typedef struct gm_comparison {
    double delta;        /* candidate - champion                     */
    double low, high;    /* 95 % interval of delta                   */
    double p_value;
    const char *method;  /* "DeLong paired", "McNemar exact", "paired bootstrap" */
} gm_comparison;
/* Both scored on the same rows. */
gm_rc gm_compare(const gm_metric *m, const gm_scores *candidate, const gm_scores *champion, uint64_t seed, gm_arena *scratch,
                 gm_comparison *out, gm_err *err);
/* The same where rows are not independent but come in blocks, days say: whole blocks are drawn. block: [rows] 0 .. blocks - 1. With fewer
 * than GM_BLOCKS_MIN blocks there is no interval (NaN). */
#define GM_BLOCKS_MIN 10
gm_rc gm_compare_blocks(const gm_metric *m, const gm_scores *candidate, const gm_scores *champion, const int32_t *block, int64_t blocks,
                        uint64_t seed, gm_arena *scratch, gm_comparison *out, gm_err *err);
gm_rc gm_mcnemar(const gm_scores *a, const gm_scores *b, int64_t *out_only_a, int64_t *out_only_b, double *out_p, gm_err *err);

/* Permutation importance: how much the metric falls when one feature's rows are shuffled. predict is called with the table changed in one column. */
typedef gm_rc (*gm_predict_fn)(void *ctx, const gm_table *t, double *out, gm_err *err);
typedef struct gm_importance { const char *feature; double mean, std; } gm_importance;
gm_rc gm_permutation_importance(const gm_metric *m, const gm_scores *s, const gm_table *raw, const char *const *features,
                                size_t features_count, int64_t repeats, int64_t max_rows, uint64_t seed, gm_predict_fn predict,
                                void *ctx, gm_arena *a, gm_importance *out, gm_err *err);

/* Leakage suspects: a single column that alone predicts the target too well. */
typedef struct gm_leak { const char *column; double score; const char *evidence; } gm_leak;
gm_rc gm_find_leaks(const gm_table *t, const double *target, gm_task task, gm_arena *a, gm_leak **out, size_t *out_count, gm_err *err);

/* ---- gates ----------------------------------------------------------------------------------------------- */

typedef enum gm_verdict { GM_VERDICT_PASS, GM_VERDICT_FAIL, GM_VERDICT_NOT_JUDGED, GM_VERDICT_FIRST, GM_VERDICT_SAME } gm_verdict;

typedef struct gm_gate_spec { const char *text; gm_expr *expr; gm_pos pos; bool uses_champion, uses_latency; } gm_gate_spec;
typedef struct gm_gate_result {
    const gm_gate_spec *spec;
    gm_verdict verdict;
    double observed, wanted;   /* both sides where it is a comparison; NaN */
    const char *detail;        /* "worst of 14 carriers: HA 0.58 (342 rows); not judged: OO (4 rows)" */
} gm_gate_result;
/* What gates may name: metrics by name, `champion` (the same metric of the champion), `champion.<metric>`, min/max/mean(metric by column, rows >= n),
 * latency_us.p50/p90/p99, size_bytes, rows. */
typedef struct gm_gate_context {
    const gm_scores *scores;           /* of the candidate on the test rows        */
    const gm_scores *champion;         /* same rows; NULL = none                    */
    bool champion_is_candidate;
    const gm_table *columns;           /* test rows, for slices                    */
    double latency_us_p50, latency_us_p90, latency_us_p99; /* NaN = not measured   */
    double size_bytes;
} gm_gate_context;
/* Parse and check names: a gate that names no metric is an error with place and hint. columns: a table (0 rows will do) that has the names. */
gm_rc gm_gates_read(const gm_node *list, gm_task task, const gm_table *columns, gm_arena *a, gm_gate_spec **out,
                    size_t *out_count, gm_errs *errs);
gm_rc gm_gates_run(const gm_gate_spec *specs, size_t count, const gm_gate_context *ctx, gm_arena *a, gm_gate_result *out,
                   gm_err *err);
const char *gm_verdict_name(gm_verdict v); /* pass, fail, not judged, first, same model */

#endif
