/* class_average.c - scikit-learn's rules: zero_division 0, labels are those of truth and prediction together. */
#include "eval/class_average.h"

double gm_class_precision(double hits, double predicted, double truth)
{
    (void)truth;
    return predicted > 0 ? hits / predicted : 0;
}

double gm_class_recall(double hits, double predicted, double truth)
{
    (void)predicted;
    return truth > 0 ? hits / truth : 0;
}

double gm_class_f1(double hits, double predicted, double truth)
{
    return predicted + truth > 0 ? 2 * hits / (predicted + truth) : 0;
}

double gm_class_score_at(const gm_confusion *c, int64_t class_index, gm_class_score score)
{
    return score(c->counts[class_index * c->classes + class_index], c->predicted_totals[class_index],
                 c->truth_totals[class_index]);
}

gm_rc gm_class_macro(const gm_scores *in, gm_arena *scratch, gm_class_score score, double *out, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (rc) return rc;
    double sum = 0;
    int64_t labels = 0;
    for (int64_t k = 0; k < c->classes; k++) {
        if (c->truth_totals[k] + c->predicted_totals[k] == 0) continue;
        sum += gm_class_score_at(c, k, score);
        labels++;
    }
    *out = sum / (double)labels;
    return GM_OK;
}

gm_rc gm_class_weighted(const gm_scores *in, gm_arena *scratch, gm_class_score score, double *out, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (rc) return rc;
    double sum = 0;
    for (int64_t k = 0; k < c->classes; k++) sum += c->truth_totals[k] * gm_class_score_at(c, k, score);
    *out = sum / c->total;
    return GM_OK;
}
