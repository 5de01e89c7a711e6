/* evaluation.c - one candidate's evaluation: every metric of its task over one shared cache, and the tables charts are drawn from. */
#include "eval/evaluation.h"

#include <string.h>

#include "eval/calibration.h"
#include "eval/class_average.h"

static gm_rc no_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory for the evaluation"); }

const gm_metric_result *gm_evaluation_metric(const gm_evaluation *e, const char *name)
{
    for (size_t i = 0; i < e->metrics_count; i++)
        if (strcmp(e->metrics[i].metric->item.name, name) == 0) return &e->metrics[i];
    return NULL;
}

static gm_rc add_metrics(const gm_scores *s, uint64_t seed, gm_arena *a, gm_evaluation *e, gm_err *err)
{
    const gm_metric **chosen = GM_ARENA_ARRAY(a, const gm_metric *, gm_metrics.count);
    e->metrics = GM_ARENA_ARRAY(a, gm_metric_result, gm_metrics.count);
    if (!chosen || !e->metrics) return no_memory(err);
    size_t count = 0;
    for (size_t i = 0; i < gm_metrics.count; i++)
        if (gm_metric_fits((const gm_metric *)gm_metrics.items[i], s->task)) chosen[count++] = (const gm_metric *)gm_metrics.items[i];
    e->metrics_count = count;
    return gm_metric_results(chosen, count, s, seed, a, e->metrics, err);
}

static gm_rc add_confusion(gm_score_cache *c, gm_arena *a, gm_evaluation *e, gm_err *err)
{
    const gm_confusion *confusion = NULL;
    gm_rc rc = gm_cached_confusion(c, &confusion, err);
    if (rc) return rc;
    int64_t cells = confusion->classes * confusion->classes;
    e->confusion = GM_ARENA_ARRAY(a, int64_t, cells);
    if (!e->confusion) return no_memory(err);
    for (int64_t i = 0; i < cells; i++) e->confusion[i] = (int64_t)confusion->counts[i];
    return GM_OK;
}

/* At most GM_CURVE_POINTS_MAX points of the sweep, evenly spaced, the last always; the ROC also starts at (0, 0). */
static gm_rc add_curves(const gm_scores *s, const gm_sweep *sweep, gm_arena *a, gm_evaluation *e, gm_err *err)
{
    int64_t kept = sweep->points < GM_CURVE_POINTS_MAX - 1 ? sweep->points : GM_CURVE_POINTS_MAX - 1;
    e->roc = GM_ARENA_ARRAY(a, gm_curve_point, kept + 1);
    e->pr = GM_ARENA_ARRAY(a, gm_curve_point, kept);
    if (!e->roc || !e->pr) return no_memory(err);
    e->roc[e->roc_count++] = (gm_curve_point){ INFINITY, 0, 0 };
    for (int64_t i = 0; i < kept; i++) {
        int64_t p = (i + 1) * sweep->points / kept - 1;
        double t = gm_sweep_threshold(s, sweep, p), tp = sweep->tp[p], fp = sweep->fp[p];
        e->roc[e->roc_count++] = (gm_curve_point){ t, fp / sweep->negatives, tp / sweep->positives };
        e->pr[e->pr_count++] = (gm_curve_point){ t, tp / sweep->positives, tp / (tp + fp) };
    }
    return GM_OK;
}

static gm_rc add_thresholds(const gm_scores *s, const gm_sweep *sweep, gm_arena *a, gm_evaluation *e, gm_err *err)
{
    e->thresholds = GM_ARENA_ARRAY(a, gm_threshold_row, GM_THRESHOLD_ROWS);
    if (!e->thresholds) return no_memory(err);
    int64_t p = sweep->points; /* points below p have a score at or above the threshold */
    for (int row = 0; row < GM_THRESHOLD_ROWS; row++) {
        double t = 0.05 * (row + 1);
        while (p > 0 && gm_sweep_threshold(s, sweep, p - 1) < t) p--;
        double tp = p ? sweep->tp[p - 1] : 0, fp = p ? sweep->fp[p - 1] : 0;
        e->thresholds[row] = (gm_threshold_row){
            .threshold = t,
            .precision = gm_class_precision(tp, tp + fp, sweep->positives),
            .recall = gm_class_recall(tp, tp + fp, sweep->positives),
            .f1 = gm_class_f1(tp, tp + fp, sweep->positives),
            .specificity = gm_class_recall(sweep->negatives - fp, 0, sweep->negatives),
            .share_positive = (tp + fp) / (sweep->positives + sweep->negatives),
        };
    }
    e->thresholds_count = GM_THRESHOLD_ROWS;
    return GM_OK;
}

static gm_rc add_binary(gm_score_cache *c, gm_arena *a, gm_evaluation *e, gm_err *err)
{
    const gm_scores *s = &c->scores;
    const gm_sweep *sweep = NULL;
    gm_rc rc = GM_OK;
    if (c->probabilities) rc = gm_calibration_cached(c, e->calibration, &e->calibration_count, &e->ece, err);
    if (!rc) rc = gm_cached_sweep(c, 1, &sweep, err);
    if (rc || sweep->positives == 0 || sweep->negatives == 0) return rc; /* one class: no curves, the metrics say why */
    rc = add_curves(s, sweep, a, e, err);
    if (!rc) rc = add_thresholds(s, sweep, a, e, err);
    if (!rc) rc = gm_threshold_best_f1(s, a, &e->best_f1, err);
    return rc;
}

gm_rc gm_evaluate(const gm_scores *scores, const gm_evaluate_options *o, gm_arena *a, gm_evaluation *out, gm_err *err)
{
    gm_score_cache *c = NULL;
    const gm_metric *main = o->main ? o->main : gm_metric_default(scores->task), *found = NULL;
    gm_evaluation e = { .task = scores->task, .rows = scores->rows, .class_names = o->class_names,
                        .threshold = scores->threshold, .main = main, .ece = NAN, .best_f1 = { NAN, NAN } };
    gm_rc rc = gm_metric_find(main->item.name, scores->task, &found, err);
    if (!rc) rc = gm_score_cache_of(scores, a, &c, err);
    if (rc) return rc;
    e.classes = c->scores.classes;
    rc = add_metrics(&c->scores, o->seed, a, &e, err);
    if (!rc && e.task != GM_TASK_REGRESSION) rc = add_confusion(c, a, &e, err);
    if (!rc && e.task == GM_TASK_BINARY) rc = add_binary(c, a, &e, err);
    const gm_metric_result *decides = rc ? NULL : gm_evaluation_metric(&e, main->item.name);
    if (!rc && decides->undefined) rc = gm_err_set(err, GM_EINVALID, "%s", decides->undefined);
    if (!rc && o->slice_columns_count)
        rc = gm_slices(main, &c->scores, o->slice_columns, o->slice_columns_count, o->slice_min_rows ? o->slice_min_rows : 100, a, &e.slices,
                       &e.slices_count, err);
    if (!rc) *out = e;
    return rc;
}
