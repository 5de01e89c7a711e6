/* evaluation.h - all that is said about one candidate on its test rows, as one struct and as JSON, and what to try next. */
#ifndef GM_EVAL_EVALUATION_H
#define GM_EVAL_EVALUATION_H

#include "base/buf.h"
#include "eval/evaluate.h"
#include "eval/intervals.h"
#include "eval/threshold.h"

enum { GM_CURVE_POINTS_MAX = 200, GM_THRESHOLD_ROWS = 19 };

typedef struct gm_curve_point {
    double threshold, x, y;
} gm_curve_point;

/* What a threshold gives. */
typedef struct gm_threshold_row {
    double threshold, precision, recall, f1, specificity, share_positive;
} gm_threshold_row;

typedef struct gm_evaluation {
    gm_task task;
    int64_t rows, classes;
    const char *const *class_names;   /* [classes] or NULL; borrowed                     */
    double threshold;
    const gm_metric *main;            /* the metric that decides                         */
    gm_metric_result *metrics;        /* [metrics_count] all of the task, alphabetical   */
    size_t metrics_count;
    int64_t *confusion;               /* [classes, classes] truth by row; NULL for numbers */
    gm_slice *slices;                 /* by main, worst first                            */
    size_t slices_count;
    /* binary */
    gm_calibration_bin calibration[10];
    size_t calibration_count;         /* 0 = predictions are no probabilities            */
    double ece;
    gm_curve_point *roc, *pr;         /* x, y = FPR, TPR; recall, precision              */
    size_t roc_count, pr_count;
    gm_threshold_row *thresholds;     /* [thresholds_count] 0.05, 0.10 ... 0.95          */
    size_t thresholds_count;
    gm_threshold best_f1;
    /* set by the caller where wanted */
    gm_importance *importance;
    size_t importance_count;
    gm_leak *leaks;
    size_t leaks_count;
    struct gm_feedback *feedback;
    size_t feedback_count;
} gm_evaluation;

typedef struct gm_evaluate_options {
    const gm_metric *main;             /* NULL = of the task                           */
    const gm_column *slice_columns;    /* [slice_columns_count] of the test rows       */
    size_t slice_columns_count;
    int64_t slice_min_rows;            /* 0 = 100                                      */
    const char *const *class_names;
    uint64_t seed;                     /* of the bootstrap                             */
} gm_evaluate_options;

/* Errors: GM_EINVALID scores that no metric can take, a main metric of another task or undefined here; GM_ENOMEM. */
gm_rc gm_evaluate(const gm_scores *s, const gm_evaluate_options *o, gm_arena *a, gm_evaluation *out, gm_err *err);
/* One object. Keys: task rows classes class_names threshold metric metrics{name: value low high method | undefined} confusion
 * slices[] calibration{ece bins[]} roc[] pr[] thresholds[] best_f1 importance[] leaks[] feedback[]. Curves are arrays of
 * [x, y, threshold]. Absent parts are left out. */
void gm_evaluation_json(const gm_evaluation *e, gm_json *j);
const gm_metric_result *gm_evaluation_metric(const gm_evaluation *e, const char *name); /* NULL when there is none */

/* ---- what to try next ------------------------------------------------------------------------------------- */

typedef enum gm_feedback_level { GM_FEEDBACK_HINT, GM_FEEDBACK_WARNING, GM_FEEDBACK_SERIOUS } gm_feedback_level;
const char *gm_feedback_level_name(gm_feedback_level l); /* hint, warning, serious */

typedef struct gm_feedback {
    gm_feedback_level severity;
    const char *kind;   /* leak chance overfit shift slice drift calibration imbalance rows missing unused */
    const char *about;  /* a column, a slice, a metric; or NULL */
    const char *text;   /* a sentence or two, with the numbers */
    double observed, expected; /* what was seen and against what; NaN */
} gm_feedback;

typedef struct gm_feedback_facts {
    const gm_evaluation *evaluation;        /* with importance and leaks, where there are any     */
    double train_value, validation_value;   /* of the main metric; NaN = not known                */
    int64_t train_rows;                     /* 0 = not known                                      */
    const gm_table *train, *test;           /* the columns that the model reads; NULL = not known */
} gm_feedback_facts;

/* Most serious first. In arena. */
gm_rc gm_give_feedback(const gm_feedback_facts *f, gm_arena *a, gm_feedback **out, size_t *out_count, gm_err *err);

#endif
