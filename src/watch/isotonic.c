/* isotonic.c - the rising curve nearest to the truth.
 *
 *   minimise sum over rows (truth_i - f(score_i))^2, f never falling; between the scores that were seen f is linear,
 *   beyond them it stays at its ends
 *
 * Ties       rows of equal score (nearer than 1e-15) count as one, with their mean truth
 * Source     Barlow et al. (1972): pool adjacent violators; scikit-learn 1.9, IsotonicRegression(out_of_bounds="clip")
 * Checked    test/conformance/watch/isotonic.csv, from scikit-learn; to 1e-14: means are divided once, not pooled step by step
 */
#include "watch/estimate_internal.h"

/* Neighbouring scores that share a value: from the first to the last of them. */
typedef struct block {
    double first, last, sum, weight;
} block;

static bool falls(const block *left, const block *right)
{
    return left->sum / left->weight >= right->sum / right->weight;
}

/* One block for each score; returns their count. */
static size_t collect(const gm_score_order *order, const double *score, int64_t stride, const double *truth, const uint8_t *fold,
                      int held_out, block *out)
{
    const double same = 1e-15;
    size_t count = 0;
    for (int64_t i = 0; i < order->rows; i++) {
        uint32_t row = order->row[i];
        if (fold && fold[row] == held_out) continue;
        double x = score[row * stride];
        if (count && x - out[count - 1].first < same) {
            out[count - 1].sum += truth[row];
            out[count - 1].weight += 1;
        } else {
            out[count++] = (block){ .first = x, .last = x, .sum = truth[row], .weight = 1 };
        }
    }
    return count;
}

/* Merge neighbours until all means rise, in place; returns how many are left. */
static size_t pool(block *b, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        b[kept++] = b[i];
        while (kept > 1 && falls(&b[kept - 2], &b[kept - 1])) {
            kept--;
            b[kept - 1].last = b[kept].last;
            b[kept - 1].sum += b[kept].sum;
            b[kept - 1].weight += b[kept].weight;
        }
    }
    return kept;
}

gm_rc gm_isotonic_fit_order(const gm_score_order *order, const double *score, int64_t stride, const double *truth,
                            const uint8_t *fold, int held_out, gm_arena *a, gm_isotonic *out, gm_err *err)
{
    gm_arena *own = gm_arena_new(0);
    block *blocks = own ? GM_ARENA_ARRAY(own, block, order->rows) : NULL;
    size_t count = blocks ? pool(blocks, collect(order, score, stride, truth, fold, held_out, blocks)) : 0;
    double *x = GM_ARENA_ARRAY(a, double, 2 * count), *y = GM_ARENA_ARRAY(a, double, 2 * count);
    size_t points = 0;
    for (size_t i = 0; x && y && i < count; i++) {
        double value = blocks[i].sum / blocks[i].weight;
        x[points] = blocks[i].first;
        y[points++] = value;
        if (blocks[i].last == blocks[i].first) continue;
        x[points] = blocks[i].last;
        y[points++] = value;
    }
    gm_rc rc =
        blocks && x && y ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to calibrate %lld rows", (long long)order->rows);
    gm_arena_free(own);
    if (!rc) *out = (gm_isotonic){ .x = x, .y = y, .count = points };
    return rc;
}

gm_rc gm_isotonic_fit(const double *score, const double *truth, int64_t rows, gm_arena *a, gm_isotonic *out, gm_err *err)
{
    if (rows < 1) return gm_err_set(err, GM_EINVALID, "calibration needs rows, there are none");
    if (rows >= UINT32_MAX)
        return gm_err_set(err, GM_EINVALID, "cannot calibrate %lld rows at once, the limit is %u", (long long)rows, UINT32_MAX);
    for (int64_t i = 0; i < rows; i++)
        if (!isfinite(score[i]) || !isfinite(truth[i]))
            return gm_err_set(err, GM_EINVALID, "calibration needs numbers, the %s of row %lld is %g",
                              isfinite(score[i]) ? "truth" : "score", (long long)i, isfinite(score[i]) ? truth[i] : score[i]);
    gm_arena *own = gm_arena_new(0);
    if (!own) return gm_err_set(err, GM_ENOMEM, "not enough memory to calibrate %lld rows", (long long)rows);
    gm_score_order order;
    gm_rc rc = gm_score_order_make(score, 1, rows, own, &order, err);
    if (!rc) rc = gm_isotonic_fit_order(&order, score, 1, truth, NULL, 0, a, out, err);
    gm_arena_free(own);
    return rc;
}

double gm_isotonic_at(const gm_isotonic *c, double score)
{
    gm_assert(c->count > 0);
    if (isnan(score)) return NAN;
    if (score <= c->x[0]) return c->y[0];
    size_t low = 0, high = c->count; /* x[low] <= score < x[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (c->x[middle] <= score)
            low = middle;
        else
            high = middle;
    }
    if (low + 1 == c->count || c->x[low] == score) return c->y[low];
    return (c->y[low + 1] - c->y[low]) / (c->x[low + 1] - c->x[low]) * (score - c->x[low]) + c->y[low];
}
