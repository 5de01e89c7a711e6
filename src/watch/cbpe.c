/* cbpe.c - performance of a classifier before the labels are there, from its own calibrated confidence.
 *
 * CBPE - confidence-based performance estimation.
 *
 *   p_ik    chance that row i is of class k: the score, by an isotonic curve fitted on the reference (one class against the
 *           rest; rows of several classes are divided by their sum, or 1 / classes when that is 0)
 *   C_kj    sum of p_ik over the rows that were predicted as j: the expected confusion, of which accuracy, precision, recall,
 *           f1, mcc, kappa are what they are of a counted one
 *   curve   after each distinct score, from the highest: sum of p against sum of (1 - p); roc_auc, gini and average_precision
 *           are its areas
 *   losses  log_loss: mean of sum over k of p_ik (-ln q_ik), q the model's own score; brier: mean of p (1 - q)^2 + (1 - p) q^2
 *
 * It holds as long as the link between scores and labels is that of the reference. It sees what the model sees: other inputs,
 * not other causes.
 * Ties       rows of equal score enter curves together (compat nannyml: row by row)
 * Undefined  as the metric itself, on expected counts
 * Source     Bialek, Kuberski, Perrakis and Bifet (2024), "Estimating model performance under covariate shift without labels",
 *            arXiv:2401.08348; NannyML 0.13
 * Checked    test/conformance/watch/estimate_expected.csv; docs/numerics/estimated-performance.md
 */
#include <float.h>
#include <string.h>

#include "eval/sweep_area.h"
#include "watch/estimate_internal.h"

/* What a metric is computed from. */
typedef enum source { FROM_NOTHING, FROM_CONFUSION, FROM_CURVE, FROM_CURVES, FROM_LOSSES, FROM_SQUARES } source;

static source source_of(const gm_metric *m)
{
    static const struct {
        const char *name;
        source from;
    } sources[] = {
        { "accuracy", FROM_CONFUSION },
        { "average_precision", FROM_CURVE },
        { "balanced_accuracy", FROM_CONFUSION },
        { "brier", FROM_SQUARES },
        { "cohen_kappa", FROM_CONFUSION },
        { "f1", FROM_CONFUSION },
        { "f1_macro", FROM_CONFUSION },
        { "f1_weighted", FROM_CONFUSION },
        { "gini", FROM_CURVE },
        { "log_loss", FROM_LOSSES },
        { "mcc", FROM_CONFUSION },
        { "precision", FROM_CONFUSION },
        { "precision_macro", FROM_CONFUSION },
        { "precision_weighted", FROM_CONFUSION },
        { "recall", FROM_CONFUSION },
        { "recall_macro", FROM_CONFUSION },
        { "recall_weighted", FROM_CONFUSION },
        { "roc_auc", FROM_CURVE },
        { "roc_auc_ovr", FROM_CURVES },
        { "specificity", FROM_CONFUSION },
    };
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
        if (strcmp(sources[i].name, m->item.name) == 0) return sources[i].from;
    return FROM_NOTHING;
}

bool gm_cbpe_fits(const gm_metric *metric)
{
    return source_of(metric) != FROM_NOTHING;
}

static gm_rc no_memory(gm_err *err, int64_t rows)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to estimate performance on %lld rows", (long long)rows);
}

double *gm_one_against_rest(const gm_scores *s, int64_t class_index, gm_arena *scratch)
{
    double *out = GM_ARENA_ARRAY(scratch, double, s->rows);
    for (int64_t i = 0; out && i < s->rows; i++) out[i] = s->truth[i] == (double)class_index;
    return out;
}

/* ---- fitting ------------------------------------------------------------------------------------------------ */

/* The class that a column of scores is about. */
static int64_t class_of_output(const gm_estimator *e, int64_t output)
{
    return e->outputs == 1 ? 1 : output;
}

static gm_rc fit_calibrator(gm_estimator *e, gm_score_cache *c, int64_t output, const gm_estimator *like, uint64_t seed,
                            gm_arena *a, gm_arena *scratch, gm_err *err)
{
    const gm_scores *s = &c->scores;
    const gm_score_order *order = NULL;
    gm_rc rc = gm_cached_order(c, output, &order, err);
    if (rc) return rc;
    double *positives = gm_one_against_rest(s, class_of_output(e, output), scratch);
    if (!positives) return no_memory(err, s->rows);
    int64_t ones = 0;
    for (int64_t i = 0; i < s->rows; i++) ones += positives[i] == 1;
    if (ones == 0 || ones == s->rows) {
        /* A class that never or always was: NannyML takes its scores as they are, we what the reference says. */
        return e->compat == GM_COMPAT_NANNYML ? GM_OK
                                              : gm_isotonic_fit_order(order, s->predicted + output, e->outputs, positives, NULL,
                                                                      0, a, &e->calibrators[output], err);
    }
    bool helps = like && like->calibrators[output].count;
    if (!like) rc = gm_calibration_helps(order, s->predicted + output, e->outputs, positives, e->compat, seed, &helps, err);
    if (rc || !helps) return rc;
    return gm_isotonic_fit_order(order, s->predicted + output, e->outputs, positives, NULL, 0, a, &e->calibrators[output], err);
}

static gm_rc check_classes(const gm_scores *s, const gm_metric *metric, gm_err *err)
{
    for (int64_t i = 1; i < s->rows; i++)
        if (s->truth[i] != s->truth[0]) return GM_OK;
    return gm_err_set(err, GM_EINVALID, "estimating %s needs reference rows of two classes, all %lld are of class %lld",
                      metric->item.name, (long long)s->rows, (long long)s->truth[0]);
}

gm_rc gm_cbpe_fit(gm_estimator *e, const gm_scores *reference, const gm_estimator *like, uint64_t seed, gm_arena *a,
                  gm_arena *scratch, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_make(reference, scratch, &c, err);
    if (!rc) rc = check_classes(reference, e->metric, err);
    if (rc) return rc;
    e->calibrators = GM_ARENA_ARRAY(a, gm_isotonic, e->outputs);
    if (!e->calibrators) return no_memory(err, reference->rows);
    for (int64_t k = 0; !rc && k < e->outputs; k++) rc = fit_calibrator(e, c, k, like, seed, a, scratch, err);
    if (!rc && e->compat == GM_COMPAT_NANNYML) rc = gm_nannyml_spread(e->metric, &c->scores, scratch, &e->spread, err);
    return rc;
}

/* ---- estimating --------------------------------------------------------------------------------------------- */

gm_rc gm_cbpe_chances(const gm_estimator *e, const gm_scores *current, gm_arena *scratch, double **out, gm_err *err)
{
    int64_t width = e->outputs;
    double *p = GM_ARENA_ARRAY(scratch, double, current->rows * width);
    if (!p) return no_memory(err, current->rows);
    for (int64_t k = 0; k < width; k++) {
        const gm_isotonic *c = &e->calibrators[k];
        for (int64_t i = k; i < current->rows * width; i += width)
            p[i] = c->count ? gm_isotonic_at(c, current->predicted[i]) : current->predicted[i];
    }
    for (int64_t i = 0; width > 1 && i < current->rows; i++) {
        double sum = 0, *row = p + i * width;
        for (int64_t k = 0; k < width; k++) sum += row[k];
        for (int64_t k = 0; k < width; k++) row[k] = sum != 0 ? row[k] / sum : 1.0 / (double)width;
    }
    *out = p;
    return GM_OK;
}

static gm_rc expect_confusion(gm_score_cache *c, const double *p, gm_err *err)
{
    const uint32_t *predicted = NULL;
    gm_rc rc = gm_cached_classes(c, &predicted, err);
    int64_t k = c->scores.classes, cells = k * k;
    gm_sum *sums = GM_ARENA_ARRAY(c->a, gm_sum, cells);
    double *counts = GM_ARENA_ARRAY(c->a, double, cells + 2 * k);
    if (rc || !sums || !counts) return rc ? rc : no_memory(err, c->scores.rows);
    double *truth_totals = counts + cells, *predicted_totals = truth_totals + k;
    for (int64_t i = 0; i < c->scores.rows; i++)
        for (int64_t t = 0; t < k; t++) {
            double chance = c->scores.task == GM_TASK_MULTICLASS ? p[i * k + t] : t == 1 ? p[i] : 1 - p[i];
            gm_sum_add(&sums[t * k + predicted[i]], chance);
        }
    double total = 0, correct = 0;
    for (int64_t t = 0; t < k; t++) {
        for (int64_t j = 0; j < k; j++) {
            double n = counts[t * k + j] = gm_sum_value(&sums[t * k + j]);
            truth_totals[t] += n;
            predicted_totals[j] += n;
            total += n;
        }
        correct += counts[t * k + t];
    }
    c->confusion = (gm_confusion){ .classes = k,
                                   .counts = counts,
                                   .truth_totals = truth_totals,
                                   .predicted_totals = predicted_totals,
                                   .total = total,
                                   .correct = correct };
    c->confusion_fresh = true;
    return GM_OK;
}

/* The curve of one class; chances [i * stride]. */
static gm_rc expect_sweep(gm_score_cache *c, int64_t class_index, const double *chance, int64_t stride, gm_err *err)
{
    const gm_score_order *order = NULL;
    gm_rc rc = gm_cached_order(c, c->scores.task == GM_TASK_MULTICLASS ? class_index : 0, &order, err);
    if (rc) return rc;
    if (!c->sweep_tp) c->sweep_tp = GM_ARENA_ARRAY(c->a, double, c->scores.rows);
    if (!c->sweep_fp) c->sweep_fp = GM_ARENA_ARRAY(c->a, double, c->scores.rows);
    if (!c->sweep_tp || !c->sweep_fp) return no_memory(err, c->scores.rows);
    gm_sum tp = { 0 }, fp = { 0 };
    for (int64_t p = 0, i = order->rows - 1; p < order->groups; p++) {
        int64_t start = p + 1 < order->groups ? order->group_end[order->groups - 2 - p] : 0;
        for (; i >= start; i--) {
            gm_sum_add(&tp, chance[order->row[i] * stride]);
            gm_sum_add(&fp, 1 - chance[order->row[i] * stride]);
        }
        c->sweep_tp[p] = gm_sum_value(&tp);
        c->sweep_fp[p] = gm_sum_value(&fp);
    }
    c->sweep = (gm_sweep){ .points = order->groups,
                           .tp = c->sweep_tp,
                           .fp = c->sweep_fp,
                           .positives = gm_sum_value(&tp),
                           .negatives = gm_sum_value(&fp),
                           .order = order };
    c->sweep_class = class_index;
    return GM_OK;
}

static double surprise(double q)
{
    return -log(fmin(fmax(q, DBL_EPSILON), 1 - DBL_EPSILON));
}

static gm_rc expect_losses(gm_score_cache *c, const double *p, gm_err *err)
{
    const gm_scores *s = &c->scores;
    int64_t k = s->classes;
    double *losses = GM_ARENA_ARRAY(c->a, double, s->rows);
    if (!losses) return no_memory(err, s->rows);
    for (int64_t i = 0; i < s->rows; i++) {
        if (s->task == GM_TASK_BINARY)
            losses[i] = p[i] * surprise(s->predicted[i]) + (1 - p[i]) * surprise(1 - s->predicted[i]);
        else
            for (int64_t t = 0; t < k; t++) losses[i] += p[i * k + t] * surprise(s->predicted[i * k + t]);
    }
    c->losses = losses;
    return GM_OK;
}

static double expected_squares(const gm_scores *s, const double *p)
{
    gm_sum sum = { 0 };
    for (int64_t i = 0; i < s->rows; i++) {
        double q = s->predicted[i];
        gm_sum_add(&sum, p[i] * (1 - q) * (1 - q) + (1 - p[i]) * q * q);
    }
    return gm_sum_value(&sum) / (double)s->rows;
}

static gm_rc mean_area(const gm_estimator *e, gm_score_cache *c, const double *p, double *out, gm_err *err)
{
    double sum = 0;
    int64_t width = e->outputs;
    for (int64_t k = 0; k < width; k++) {
        gm_rc rc = expect_sweep(c, k, p + k, width, err);
        if (rc) return rc;
        if (!(c->sweep.positives > 0 && c->sweep.negatives > 0))
            return gm_err_set(err, GM_EINVALID, "%s needs chances of every class, class %lld has %s in these rows",
                              e->metric->item.name, (long long)k, c->sweep.positives > 0 ? "all" : "none");
        sum += e->compat == GM_COMPAT_NANNYML ? gm_nannyml_roc_auc(c->sweep.order, p + k, width) : gm_sweep_area(&c->sweep);
    }
    *out = sum / (double)width;
    return GM_OK;
}

gm_rc gm_cbpe_value(const gm_estimator *e, const gm_scores *current, gm_arena *scratch, double *out, gm_err *err)
{
    gm_scores own = *current;
    own.truth = GM_ARENA_ARRAY(scratch, double, own.rows); /* zeros: nobody looks, all that depends on them is laid in below */
    own.cache = NULL;
    if (!own.truth) return no_memory(err, own.rows);
    gm_score_cache *c = NULL;
    double *p = NULL;
    gm_rc rc = gm_score_cache_make(&own, scratch, &c, err);
    if (!rc) rc = gm_cbpe_chances(e, &own, scratch, &p, err);
    if (rc) return rc;
    source from = source_of(e->metric);
    if ((from == FROM_LOSSES || from == FROM_SQUARES) && !c->probabilities)
        return gm_err_set(err, GM_EINVALID, "%s needs probabilities, some predictions are outside 0 to 1", e->metric->item.name);
    if (from == FROM_CURVES) return mean_area(e, c, p, out, err);
    if (from == FROM_SQUARES) {
        *out = expected_squares(&c->scores, p);
        return GM_OK;
    }
    if (from == FROM_CONFUSION) rc = expect_confusion(c, p, err);
    if (from == FROM_CURVE) rc = expect_sweep(c, 1, p, 1, err);
    if (from == FROM_LOSSES) rc = expect_losses(c, p, err);
    double value = NAN;
    if (!rc) rc = gm_metric_value(e->metric, &c->scores, scratch, &value, err);
    if (rc) return rc;
    if (e->compat == GM_COMPAT_NANNYML && strcmp(e->metric->item.name, "roc_auc") == 0)
        value = gm_nannyml_roc_auc(c->sweep.order, p, 1);
    if (e->compat == GM_COMPAT_NANNYML && strcmp(e->metric->item.name, "average_precision") == 0)
        value = gm_nannyml_average_precision(c->sweep.order, p);
    *out = value;
    return GM_OK;
}
