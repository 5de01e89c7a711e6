/* score_cache.c - what score_cache.h promises. Counts are whole numbers in doubles: exact up to 2^53. */
#include "eval/score_cache.h"

#include <float.h>

static gm_rc no_memory(gm_err *err, const char *what, const gm_score_cache *c)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the %s of %lld rows", what, (long long)c->scores.rows);
}

static gm_rc check_truth(const gm_scores *s, gm_err *err)
{
    bool classes = s->task != GM_TASK_REGRESSION;
    double high = (double)s->classes;
    for (int64_t i = 0; i < s->rows; i++) {
        double t = s->truth[i];
        if (!isfinite(t))
            return gm_err_set(err, GM_EINVALID, "the truth of row %lld is %s", (long long)i, isnan(t) ? "missing" : "infinite");
        if (classes && !(t >= 0 && t < high && t == floor(t)))
            return gm_err_set(err, GM_EINVALID, "the truth of row %lld is %g, not one of the %lld classes", (long long)i, t,
                              (long long)s->classes);
    }
    return GM_OK;
}

static gm_rc check_predicted(const gm_scores *s, bool *out_probabilities, gm_err *err)
{
    int64_t width = s->task == GM_TASK_MULTICLASS ? s->classes : 1;
    bool inside = true;
    for (int64_t i = 0; i < s->rows * width; i++) {
        double p = s->predicted[i];
        if (!isfinite(p))
            return gm_err_set(err, GM_EINVALID, "the prediction of row %lld is %s", (long long)(i / width),
                              isnan(p) ? "not a number" : "infinite");
        inside &= p >= 0 && p <= 1;
    }
    *out_probabilities = inside;
    return GM_OK;
}

gm_rc gm_score_cache_make(const gm_scores *in, gm_arena *a, gm_score_cache **out, gm_err *err)
{
    if (in->rows <= 0) return gm_err_set(err, GM_EINVALID, "there are no rows to score");
    if (in->rows >= UINT32_MAX)
        return gm_err_set(err, GM_EINVALID, "cannot score %lld rows at once, the limit is %u", (long long)in->rows, UINT32_MAX);
    gm_scores own = *in;
    if (own.task == GM_TASK_BINARY) own.classes = 2;
    if (own.task == GM_TASK_MULTICLASS && own.classes < 2)
        return gm_err_set(err, GM_EINVALID, "scores of classes need two classes or more, got %lld", (long long)own.classes);

    bool probabilities = false;
    gm_rc rc = check_truth(&own, err);
    if (!rc) rc = check_predicted(&own, &probabilities, err);
    if (rc) return rc;

    size_t classes = own.task == GM_TASK_REGRESSION ? 1 : (size_t)own.classes;
    gm_score_cache *c = GM_ARENA_NEW(a, gm_score_cache);
    gm_score_order *orders = GM_ARENA_ARRAY(a, gm_score_order, classes);
    uint8_t **positive = GM_ARENA_ARRAY(a, uint8_t *, classes);
    if (!c || !orders || !positive) return gm_err_set(err, GM_ENOMEM, "not enough memory to score %lld rows", (long long)in->rows);
    *c = (gm_score_cache){ .scores = own, .a = a, .probabilities = probabilities, .weight_total = (double)in->rows,
                           .by_score = orders, .positive = positive, .sweep_class = -1 };
    c->scores.cache = c;
    *out = c;
    return GM_OK;
}

gm_rc gm_score_cache_of(const gm_scores *in, gm_arena *scratch, gm_score_cache **out, gm_err *err)
{
    if (!in->cache) return gm_score_cache_make(in, scratch, out, err);
    const gm_scores *own = &in->cache->scores;
    gm_assert(own->truth == in->truth && own->predicted == in->predicted && own->rows == in->rows && own->threshold == in->threshold);
    *out = in->cache;
    return GM_OK;
}

void gm_score_cache_reweigh(gm_score_cache *c, const uint8_t *weights)
{
    c->weights = weights;
    c->sweep_class = -1;
    c->confusion_fresh = false;
    c->weight_total = (double)c->scores.rows;
    if (!weights) return;
    int64_t total = 0;
    for (int64_t i = 0; i < c->scores.rows; i++) total += weights[i];
    c->weight_total = (double)total;
}

gm_rc gm_cached_order(gm_score_cache *c, int64_t class_index, const gm_score_order **out, gm_err *err)
{
    const gm_scores *s = &c->scores;
    gm_score_order *order = &c->by_score[class_index];
    if (!order->row) {
        bool wide = s->task == GM_TASK_MULTICLASS;
        gm_rc rc = gm_score_order_make(s->predicted + (wide ? class_index : 0), wide ? s->classes : 1, s->rows, c->a, order, err);
        if (rc) return rc;
    }
    *out = order;
    return GM_OK;
}

/* Truth in the order of the scores, so that sweeps read memory straight on. */
static gm_rc order_positives(gm_score_cache *c, int64_t class_index, const gm_score_order *order, gm_err *err)
{
    if (c->positive[class_index]) return GM_OK;
    uint8_t *positive = GM_ARENA_ARRAY(c->a, uint8_t, c->scores.rows);
    if (!positive) return no_memory(err, "order", c);
    for (int64_t i = 0; i < order->rows; i++) positive[i] = c->scores.truth[order->row[i]] == (double)class_index;
    c->positive[class_index] = positive;
    return GM_OK;
}

static void sweep_down(gm_score_cache *c, const gm_score_order *order, const uint8_t *positive)
{
    int64_t tp = 0, fp = 0, i = order->rows - 1;
    for (int64_t p = 0; p < order->groups; p++) {
        int64_t start = p + 1 < order->groups ? order->group_end[order->groups - 2 - p] : 0;
        for (; i >= start; i--) {
            int64_t w = c->weights ? c->weights[order->row[i]] : 1;
            tp += positive[i] ? w : 0;
            fp += positive[i] ? 0 : w;
        }
        c->sweep_tp[p] = (double)tp;
        c->sweep_fp[p] = (double)fp;
    }
    c->sweep = (gm_sweep){ .points = order->groups, .tp = c->sweep_tp, .fp = c->sweep_fp, .positives = (double)tp,
                           .negatives = (double)fp, .order = order };
}

gm_rc gm_cached_sweep(gm_score_cache *c, int64_t class_index, const gm_sweep **out, gm_err *err)
{
    if (c->sweep_class != class_index) {
        const gm_score_order *order = NULL;
        gm_rc rc = gm_cached_order(c, class_index, &order, err);
        if (!rc) rc = order_positives(c, class_index, order, err);
        if (rc) return rc;
        if (!c->sweep_tp) c->sweep_tp = GM_ARENA_ARRAY(c->a, double, c->scores.rows);
        if (!c->sweep_fp) c->sweep_fp = GM_ARENA_ARRAY(c->a, double, c->scores.rows);
        if (!c->sweep_tp || !c->sweep_fp) return no_memory(err, "thresholds", c);
        sweep_down(c, order, c->positive[class_index]);
        c->sweep_class = class_index;
    }
    *out = &c->sweep;
    return GM_OK;
}

gm_rc gm_binary_sweep(const gm_scores *in, gm_arena *scratch, const char *metric, const gm_sweep **out, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    const gm_sweep *sweep = NULL;
    if (!rc) rc = gm_cached_sweep(c, 1, &sweep, err);
    if (rc) return rc;
    if (sweep->positives == 0 || sweep->negatives == 0)
        return gm_err_set(err, GM_EINVALID, "%s needs rows of both classes, all %lld are of class %d", metric,
                          (long long)in->rows, sweep->positives == 0 ? 0 : 1);
    *out = sweep;
    return GM_OK;
}

gm_rc gm_cached_classes(gm_score_cache *c, const uint32_t **out, gm_err *err)
{
    const gm_scores *s = &c->scores;
    if (!c->predicted) {
        uint32_t *predicted = GM_ARENA_ARRAY(c->a, uint32_t, s->rows);
        if (!predicted) return no_memory(err, "classes", c);
        for (int64_t i = 0; i < s->rows; i++) {
            if (s->task == GM_TASK_BINARY) {
                predicted[i] = s->predicted[i] >= s->threshold;
                continue;
            }
            const double *p = s->predicted + i * s->classes;
            uint32_t best = 0; /* the first of equals, as in numpy.argmax */
            for (uint32_t k = 1; k < (uint32_t)s->classes; k++)
                if (p[k] > p[best]) best = k;
            predicted[i] = best;
        }
        c->predicted = predicted;
    }
    *out = c->predicted;
    return GM_OK;
}

static void count_confusion(gm_score_cache *c, const uint32_t *predicted)
{
    int64_t k = c->scores.classes;
    double *counts = c->confusion_counts, *truth_totals = counts + k * k, *predicted_totals = truth_totals + k;
    for (int64_t i = 0; i < k * k + 2 * k; i++) counts[i] = 0;
    for (int64_t i = 0; i < c->scores.rows; i++) counts[(int64_t)c->scores.truth[i] * k + predicted[i]] += gm_row_weight(c, i);

    double total = 0, correct = 0;
    for (int64_t t = 0; t < k; t++) {
        for (int64_t p = 0; p < k; p++) {
            double n = counts[t * k + p];
            truth_totals[t] += n;
            predicted_totals[p] += n;
            total += n;
        }
        correct += counts[t * k + t];
    }
    c->confusion = (gm_confusion){ .classes = k, .counts = counts, .truth_totals = truth_totals,
                                   .predicted_totals = predicted_totals, .total = total, .correct = correct };
}

gm_rc gm_cached_confusion(gm_score_cache *c, const gm_confusion **out, gm_err *err)
{
    if (!c->confusion_fresh) {
        const uint32_t *predicted = NULL;
        gm_rc rc = gm_cached_classes(c, &predicted, err);
        if (rc) return rc;
        int64_t k = c->scores.classes;
        if (!c->confusion_counts) c->confusion_counts = GM_ARENA_ARRAY(c->a, double, k * k + 2 * k);
        if (!c->confusion_counts) return no_memory(err, "confusion", c);
        count_confusion(c, predicted);
        c->confusion_fresh = true;
    }
    if (c->confusion.total == 0) return gm_err_set(err, GM_EINVALID, "no row counts: all weights are 0");
    *out = &c->confusion;
    return GM_OK;
}

gm_rc gm_confusion_of(const gm_scores *in, gm_arena *scratch, const gm_confusion **out, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    return rc ? rc : gm_cached_confusion(c, out, err);
}

gm_rc gm_cached_losses(gm_score_cache *c, const double **out, gm_err *err)
{
    const gm_scores *s = &c->scores;
    if (!c->losses) {
        double *losses = GM_ARENA_ARRAY(c->a, double, s->rows);
        if (!losses) return no_memory(err, "losses", c);
        for (int64_t i = 0; i < s->rows; i++) {
            double p = s->task == GM_TASK_MULTICLASS ? s->predicted[i * s->classes + (int64_t)s->truth[i]]
                       : s->truth[i] == 1            ? s->predicted[i]
                                                     : 1 - s->predicted[i];
            losses[i] = -log(fmin(fmax(p, DBL_EPSILON), 1 - DBL_EPSILON));
        }
        c->losses = losses;
    }
    *out = c->losses;
    return GM_OK;
}

gm_rc gm_cached_ranks(gm_score_cache *c, const double **out_truth, const double **out_predicted, gm_err *err)
{
    gm_assert(c->scores.task == GM_TASK_REGRESSION);
    const gm_score_order *predicted = NULL;
    gm_rc rc = gm_cached_order(c, 0, &predicted, err);
    if (!rc && !c->by_truth.row) rc = gm_score_order_make(c->scores.truth, 1, c->scores.rows, c->a, &c->by_truth, err);
    if (rc) return rc;
    for (int i = 0; i < 2; i++)
        if (!c->ranks[i] && !(c->ranks[i] = GM_ARENA_ARRAY(c->a, double, c->scores.rows))) return no_memory(err, "ranks", c);
    gm_midranks(&c->by_truth, c->weights, c->ranks[0]);
    gm_midranks(predicted, c->weights, c->ranks[1]);
    *out_truth = c->ranks[0];
    *out_predicted = c->ranks[1];
    return GM_OK;
}

gm_rc gm_cached_errors(gm_score_cache *c, const double **out_errors, const gm_score_order **out_order, gm_err *err)
{
    const gm_scores *s = &c->scores;
    if (!c->errors) {
        double *errors = GM_ARENA_ARRAY(c->a, double, s->rows);
        if (!errors) return no_memory(err, "errors", c);
        for (int64_t i = 0; i < s->rows; i++) errors[i] = fabs(s->truth[i] - s->predicted[i]);
        gm_rc rc = gm_score_order_make(errors, 1, s->rows, c->a, &c->by_error, err);
        if (rc) return rc;
        c->errors = errors;
    }
    *out_errors = c->errors;
    *out_order = &c->by_error;
    return GM_OK;
}

gm_rc gm_mean_of(const gm_scores *in, gm_arena *scratch, double (*term)(double truth, double predicted), double *out, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    if (rc) return rc;
    if (c->weight_total == 0) return gm_err_set(err, GM_EINVALID, "no row counts: all weights are 0");
    gm_sum sum = { 0 };
    for (int64_t i = 0; i < in->rows; i++) gm_sum_add(&sum, gm_row_weight(c, i) * term(in->truth[i], in->predicted[i]));
    *out = gm_sum_value(&sum) / c->weight_total;
    return GM_OK;
}

double gm_weighted_mean(const gm_score_cache *c, const double *values)
{
    gm_sum sum = { 0 };
    for (int64_t i = 0; i < c->scores.rows; i++) gm_sum_add(&sum, gm_row_weight(c, i) * values[i]);
    return gm_sum_value(&sum) / c->weight_total;
}

void gm_weighted_moments(const gm_score_cache *c, const double *x, const double *y, gm_moments *out)
{
    double mean_x = gm_weighted_mean(c, x), mean_y = gm_weighted_mean(c, y);
    gm_sum xx = { 0 }, yy = { 0 }, xy = { 0 };
    for (int64_t i = 0; i < c->scores.rows; i++) {
        double w = gm_row_weight(c, i), dx = x[i] - mean_x, dy = y[i] - mean_y;
        gm_sum_add(&xx, w * dx * dx);
        gm_sum_add(&yy, w * dy * dy);
        gm_sum_add(&xy, w * dx * dy);
    }
    double n = c->weight_total;
    *out = (gm_moments){ mean_x, mean_y, gm_sum_value(&xx) / n, gm_sum_value(&yy) / n, gm_sum_value(&xy) / n };
}
