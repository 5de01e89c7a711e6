/* cbpe_nannyml.c - NannyML's own curves and sampling errors, for compat: nannyml.
 *
 * The sampling error of a metric on n rows is spread / sqrt(n), and spread comes from the reference:
 *
 *   accuracy                sd of (truth = prediction)
 *   precision, recall,      sd of a hit among the rows that count / sqrt(their share); they count when predicted 1 (precision),
 *                           of class 1
 *   specificity             (recall), of class 0 (specificity: true negatives and false positives)
 *   f1                      as above over TP, FP, FN, with a hit worth (TP + FP + FN) / (TP + (FP + FN) / 2); of several
 *                           classes: worth 1
 *   roc_auc                 sd over the rows of the rarer class of (rows of the other class below) / (all of them) / sqrt(its
 *                           share); the row of lowest rank is left out when it is one of them. Ties count in the order of rows
 *   several classes         sqrt(sum of spread_k^2) / classes; roc_auc 1.2 times that; accuracy as with two
 *
 * average_precision has a bootstrap from an unseeded generator there: no number to be equal to, ours is taken.
 * Curves are walked row by row from the highest score, cumulated chances rounded to five digits. Rows of equal score have equal
 * chances with two classes, so that their order moves nothing; with several it does, and there ties go by row, last row first.
 * Source     NannyML 0.13, sampling_error/, performance_estimation/confidence_based/metrics.py
 * Checked    test/conformance/watch/estimate_expected.csv
 */
#include <string.h>

#include "watch/estimate_internal.h"

static double five_digits(double x)
{
    return nearbyint(x * 1e5) / 1e5;
}

double gm_nannyml_roc_auc(const gm_score_order *order, const double *chance, int64_t stride)
{
    double positives = 0, tp = 0, fp = 0, area = 0;
    for (int64_t i = order->rows - 1; i >= 0; i--) positives += chance[order->row[i] * stride];
    double all_tp = five_digits(positives), all_fp = five_digits((double)order->rows - positives), sum = 0;
    for (int64_t i = order->rows - 1, seen = 1; i >= 0; i--, seen++) {
        sum += chance[order->row[i] * stride];
        double next_tp = five_digits(sum), next_fp = five_digits((double)seen - sum);
        area += (next_fp / all_fp - fp / all_fp) * (next_tp / all_tp + tp / all_tp) / 2;
        tp = next_tp;
        fp = next_fp;
    }
    return area;
}

double gm_nannyml_average_precision(const gm_score_order *order, const double *chance)
{
    double positives = 0, sum = 0, before = 0, area = 0;
    for (int64_t i = order->rows - 1; i >= 0; i--) positives += chance[order->row[i]];
    double all = five_digits(positives);
    for (int64_t i = order->rows - 1, seen = 1; i >= 0; i--, seen++) {
        sum += chance[order->row[i]];
        double tp = five_digits(sum);
        area += (tp / all - before / all) * (tp / (double)seen);
        before = tp;
    }
    return area;
}

/* sd of `hits` ones among `rows`, over the root of their share in all. */
static double spread_of_hits(double hits, double rows, double all)
{
    double share = hits / rows;
    return sqrt(share * (1 - share)) / sqrt(rows / all);
}

static gm_rc roc_auc_spread(const gm_scores *s, int64_t class_index, gm_arena *scratch, double *out, gm_err *err)
{
    bool wide = s->task == GM_TASK_MULTICLASS;
    int64_t n = s->rows, k = wide ? class_index : 0, stride = wide ? s->classes : 1, positives = 0;
    double *score = GM_ARENA_ARRAY(scratch, double, n), *below = GM_ARENA_ARRAY(scratch, double, n);
    if (!score || !below)
        return gm_err_set(err, GM_ENOMEM, "not enough memory for the sampling error of %lld rows", (long long)n);
    for (int64_t i = 0; i < n; i++) positives += s->truth[i] == (double)class_index;
    bool turned = positives * 2 > n;
    for (int64_t i = 0; i < n; i++) score[i] = turned ? 1 - s->predicted[i * stride + k] : s->predicted[i * stride + k];
    gm_score_order order;
    gm_rc rc = gm_score_order_make(score, 1, n, scratch, &order, err);
    if (rc) return rc;

    if (turned) positives = n - positives;
    double negatives = (double)(n - positives);
    int64_t count = 0;
    for (int64_t rank = 1; rank < n; rank++)
        if ((s->truth[order.row[rank]] == (double)class_index) != turned) {
            below[count] = (double)(rank - count) / negatives;
            count++;
        }
    gm_sum sum = { 0 }, squares = { 0 };
    for (int64_t i = 0; i < count; i++) gm_sum_add(&sum, below[i]);
    double mean = gm_sum_value(&sum) / (double)count;
    for (int64_t i = 0; i < count; i++) gm_sum_add(&squares, (below[i] - mean) * (below[i] - mean));
    *out = sqrt(gm_sum_value(&squares) / (double)count) / sqrt((double)positives / (double)n);
    return GM_OK;
}

/* One class against the rest. */
static double confusion_spread(const char *name, const gm_confusion *c, int64_t k)
{
    double tp = c->counts[k * c->classes + k], fp = c->predicted_totals[k] - tp, fn = c->truth_totals[k] - tp,
           tn = c->total - tp - fp - fn;
    if (strncmp(name, "precision", 9) == 0) return spread_of_hits(tp, tp + fp, c->total);
    if (strncmp(name, "recall", 6) == 0) return spread_of_hits(tp, tp + fn, c->total);
    if (strcmp(name, "specificity") == 0) return spread_of_hits(tn, tn + fp, c->total);
    if (strcmp(name, "f1_macro") == 0) return spread_of_hits(tp, tp + fp + fn, c->total);
    if (strcmp(name, "f1") == 0) return spread_of_hits(tp, tp + fp + fn, c->total) * (tp + fp + fn) / (tp + (fp + fn) / 2);
    return NAN;
}

gm_rc gm_nannyml_spread(const gm_metric *metric, const gm_scores *reference, gm_arena *scratch, double *out, gm_err *err)
{
    const char *name = metric->item.name;
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(reference, scratch, &c, err);
    if (rc) return rc;
    if (strcmp(name, "roc_auc") == 0) return roc_auc_spread(reference, 1, scratch, out, err);
    if (strcmp(name, "accuracy") == 0) {
        *out = spread_of_hits(c->correct, c->total, c->total);
        return GM_OK;
    }
    if (reference->task == GM_TASK_BINARY) {
        *out = confusion_spread(name, c, 1);
        return GM_OK;
    }
    bool area = strcmp(name, "roc_auc_ovr") == 0;
    double squares = 0;
    for (int64_t k = 0; k < c->classes; k++) {
        double spread = NAN;
        if (area)
            rc = roc_auc_spread(reference, k, scratch, &spread, err);
        else
            spread = confusion_spread(name, c, k);
        if (rc) return rc;
        squares += spread * spread;
    }
    *out = sqrt(squares) / (double)c->classes * (area ? 1.2 : 1);
    return GM_OK;
}
