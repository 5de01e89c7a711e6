/* fairness.c - rates by group and how far apart they are.
 *
 *   selection rate = predicted positive / rows;  TPR = TP / (TP + FN);  FPR = FP / (FP + TN)
 *   difference = largest - smallest over groups;  ratio = smallest / largest
 *   equalized odds: the larger difference, the smaller ratio, of TPR and FPR
 *
 * Ties, NaN  a rate that cannot be divided is NaN and left out
 * Source     Hardt et al. (2016), NeurIPS; names of Fairlearn 0.15 (MetricFrame, demographic_parity_difference, ...)
 * Checked    test_fairness.c, from Fairlearn 0.15 on binary.csv by group; to 1e-12
 */
#include "eval/fairness.h"

#include "eval/score_cache.h"
#include "eval/slices.h"

typedef struct spread {
    double low, high;
    int64_t count;
} spread;

static void widen(spread *s, double v)
{
    if (isnan(v)) return;
    s->low = s->count ? fmin(s->low, v) : v;
    s->high = s->count ? fmax(s->high, v) : v;
    s->count++;
}

static double difference(const spread *s) { return s->count > 1 ? s->high - s->low : NAN; }
static double ratio(const spread *s) { return s->count > 1 && s->high > 0 ? s->low / s->high : NAN; }

static double share(double part, double whole) { return whole > 0 ? part / whole : NAN; }

static void compare_groups(gm_fairness *f)
{
    spread selection = { 0 }, tpr = { 0 }, fpr = { 0 };
    for (size_t g = 0; g < f->groups_count; g++) {
        if (!f->groups[g].judged) continue;
        f->judged_count++;
        widen(&selection, f->groups[g].selection_rate);
        widen(&tpr, f->groups[g].true_positive_rate);
        widen(&fpr, f->groups[g].false_positive_rate);
    }
    f->demographic_parity_difference = difference(&selection);
    f->demographic_parity_ratio = ratio(&selection);
    f->equalized_odds_difference = fmax(difference(&tpr), difference(&fpr));
    f->equalized_odds_ratio = fmin(ratio(&tpr), ratio(&fpr));
    f->equal_opportunity_difference = difference(&tpr);
    f->four_fifths = f->demographic_parity_ratio >= 0.8;
}

gm_rc gm_fairness_by(const gm_scores *s, const gm_column *column, int64_t min_rows, gm_arena *a, gm_fairness *out, gm_err *err)
{
    if (s->task != GM_TASK_BINARY) return gm_err_set(err, GM_EINVALID, "fairness is for binary targets");
    if (column->rows != s->rows)
        return gm_err_set(err, GM_EINVALID, "column \"%s\" has %lld rows, the scores have %lld", column->name, (long long)column->rows, (long long)s->rows);
    gm_score_cache *c = NULL;
    const uint32_t *predicted = NULL;
    gm_slicing slicing;
    gm_rc rc = gm_score_cache_of(s, a, &c, err);
    if (!rc) rc = gm_cached_classes(c, &predicted, err);
    if (!rc) rc = gm_slicing_make(column, a, &slicing, err);
    if (rc) return rc;

    double (*counts)[4] = gm_arena_alloc(a, (size_t)slicing.count, sizeof(*counts)); /* tn, fp, fn, tp */
    gm_fairness f = { .column = column->name, .groups = GM_ARENA_ARRAY(a, gm_group_rates, slicing.count), .groups_count = (size_t)slicing.count };
    if (!counts || !f.groups) return gm_err_set(err, GM_ENOMEM, "not enough memory for the groups of \"%s\"", column->name);
    for (int64_t i = 0; i < s->rows; i++) counts[slicing.slice[i]][2 * (s->truth[i] == 1) + (predicted[i] == 1)]++;
    for (size_t g = 0; g < f.groups_count; g++) {
        double tn = counts[g][0], fp = counts[g][1], fn = counts[g][2], tp = counts[g][3], n = tn + fp + fn + tp;
        f.groups[g] = (gm_group_rates){ .group = slicing.names[g], .rows = slicing.rows[g], .selection_rate = share(tp + fp, n),
                                        .true_positive_rate = share(tp, tp + fn), .false_positive_rate = share(fp, fp + tn),
                                        .accuracy = share(tp + tn, n), .judged = slicing.rows[g] >= min_rows };
    }
    compare_groups(&f);
    *out = f;
    return GM_OK;
}
