/* evaluation_json.c - an evaluation as the JSON that cards, `show` and later runs read; evaluation.h lists the keys. */
#include "eval/evaluation.h"

static void interval(const gm_interval *i, gm_json *j)
{
    gm_json_kdouble(j, "value", i->value);
    gm_json_kdouble(j, "low", i->low);
    gm_json_kdouble(j, "high", i->high);
    gm_json_kstr(j, "method", i->method);
}

static void begin_list(gm_json *j, const char *key)
{
    gm_json_key(j, key);
    gm_json_array(j);
}

static void metrics(const gm_evaluation *e, gm_json *j)
{
    gm_json_key(j, "metrics");
    gm_json_object(j);
    for (size_t i = 0; i < e->metrics_count; i++) {
        const gm_metric_result *m = &e->metrics[i];
        gm_json_key(j, m->metric->item.name);
        gm_json_object(j);
        if (m->undefined)
            gm_json_kstr(j, "undefined", m->undefined);
        else
            interval(&m->interval, j);
        gm_json_kbool(j, "higher_is_better", m->metric->higher_is_better);
        gm_json_object_end(j);
    }
    gm_json_object_end(j);
}

static void confusion(const gm_evaluation *e, gm_json *j)
{
    begin_list(j, "confusion");
    for (int64_t t = 0; t < e->classes; t++) {
        gm_json_array(j);
        for (int64_t p = 0; p < e->classes; p++) gm_json_int(j, e->confusion[t * e->classes + p]);
        gm_json_array_end(j);
    }
    gm_json_array_end(j);
}

static void slices(const gm_evaluation *e, gm_json *j)
{
    begin_list(j, "slices");
    for (size_t i = 0; i < e->slices_count; i++) {
        const gm_slice *s = &e->slices[i];
        gm_json_object(j);
        gm_json_kstr(j, "column", s->column);
        gm_json_kstr(j, "slice", s->value);
        gm_json_kint(j, "rows", s->rows);
        if (e->task == GM_TASK_BINARY) gm_json_kint(j, "positives", s->positives);
        gm_json_kbool(j, "judged", s->judged);
        interval(&s->metric, j);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void calibration(const gm_evaluation *e, gm_json *j)
{
    gm_json_key(j, "calibration");
    gm_json_object(j);
    gm_json_kdouble(j, "ece", e->ece);
    begin_list(j, "bins");
    for (size_t i = 0; i < e->calibration_count; i++) {
        gm_json_object(j);
        gm_json_kdouble(j, "mean_predicted", e->calibration[i].mean_predicted);
        gm_json_kdouble(j, "share_positive", e->calibration[i].share_positive);
        gm_json_kint(j, "rows", e->calibration[i].rows);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_object_end(j);
}

static void curve(const char *key, const gm_curve_point *points, size_t count, gm_json *j)
{
    begin_list(j, key);
    for (size_t i = 0; i < count; i++) {
        gm_json_array(j);
        gm_json_double(j, points[i].x);
        gm_json_double(j, points[i].y);
        gm_json_double(j, points[i].threshold);
        gm_json_array_end(j);
    }
    gm_json_array_end(j);
}

static void thresholds(const gm_evaluation *e, gm_json *j)
{
    begin_list(j, "thresholds");
    for (size_t i = 0; i < e->thresholds_count; i++) {
        const gm_threshold_row *t = &e->thresholds[i];
        gm_json_object(j);
        gm_json_kdouble(j, "threshold", t->threshold);
        gm_json_kdouble(j, "precision", t->precision);
        gm_json_kdouble(j, "recall", t->recall);
        gm_json_kdouble(j, "f1", t->f1);
        gm_json_kdouble(j, "specificity", t->specificity);
        gm_json_kdouble(j, "share_positive", t->share_positive);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_key(j, "best_f1");
    gm_json_object(j);
    gm_json_kdouble(j, "threshold", e->best_f1.threshold);
    gm_json_kdouble(j, "f1", e->best_f1.value);
    gm_json_object_end(j);
}

static void importance(const gm_evaluation *e, gm_json *j)
{
    begin_list(j, "importance");
    for (size_t i = 0; i < e->importance_count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "feature", e->importance[i].feature);
        gm_json_kdouble(j, "mean", e->importance[i].mean);
        gm_json_kdouble(j, "std", e->importance[i].std);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void leaks(const gm_evaluation *e, gm_json *j)
{
    begin_list(j, "leaks");
    for (size_t i = 0; i < e->leaks_count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "column", e->leaks[i].column);
        gm_json_kdouble(j, "score", e->leaks[i].score);
        gm_json_kstr(j, "evidence", e->leaks[i].evidence);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void feedback(const gm_evaluation *e, gm_json *j)
{
    begin_list(j, "feedback");
    for (size_t i = 0; i < e->feedback_count; i++) {
        const gm_feedback *f = &e->feedback[i];
        gm_json_object(j);
        gm_json_kstr(j, "severity", gm_feedback_level_name(f->severity));
        gm_json_kstr(j, "kind", f->kind);
        gm_json_kstr(j, "about", f->about);
        gm_json_kstr(j, "text", f->text);
        gm_json_kdouble(j, "observed", f->observed);
        gm_json_kdouble(j, "expected", f->expected);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

void gm_evaluation_json(const gm_evaluation *e, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "task", gm_task_name(e->task));
    gm_json_kint(j, "rows", e->rows);
    if (e->task != GM_TASK_REGRESSION) gm_json_kint(j, "classes", e->classes);
    if (e->class_names && e->task != GM_TASK_REGRESSION) {
        begin_list(j, "class_names");
        for (int64_t k = 0; k < e->classes; k++) gm_json_str(j, e->class_names[k]);
        gm_json_array_end(j);
    }
    if (e->task == GM_TASK_BINARY) gm_json_kdouble(j, "threshold", e->threshold);
    gm_json_kstr(j, "metric", e->main->item.name);
    metrics(e, j);
    if (e->confusion) confusion(e, j);
    if (e->slices_count) slices(e, j);
    if (e->calibration_count) calibration(e, j);
    if (e->roc_count) curve("roc", e->roc, e->roc_count, j);
    if (e->pr_count) curve("pr", e->pr, e->pr_count, j);
    if (e->thresholds_count) thresholds(e, j);
    if (e->importance_count) importance(e, j);
    if (e->leaks_count) leaks(e, j);
    if (e->feedback_count) feedback(e, j);
    gm_json_object_end(j);
}
