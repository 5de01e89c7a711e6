/* compare.c - is the candidate better than the champion on the same rows, or is it luck?
 *
 *   roc_auc     DeLong paired: z = delta / sqrt(Var a + Var b - 2 Cov), p two-sided
 *   accuracy    McNemar exact: of the m rows that one model alone gets right, k = the fewer; p = min(1, 2 P(Binomial(m, 1/2) <= k));
 *               interval of delta: delta +- 1.96 sqrt(b + c - (b - c)^2 / n) / n
 *   the others  paired bootstrap: the same weights for both models; p = min(1, 2 (1 + replicates on the far side of 0) / (R + 1))
 *   in blocks   paired bootstrap in which whole blocks of rows are drawn, whatever the metric (Field and Welsh (2007), the cluster
 *               bootstrap); rows of a block may depend on each other, blocks may not
 *
 * Source     DeLong et al. (1988); McNemar (1947), Psychometrika 12:153-157
 * Checked    expected.csv, table comparison; p to 1e-12
 */
#include <string.h>

#include "eval/delong.h"
#include "eval/intervals.h"

static gm_rc same_rows(const gm_scores *a, const gm_scores *b, gm_err *err)
{
    if (a->task != b->task || a->rows != b->rows || a->classes != b->classes)
        return gm_err_set(err, GM_EINVALID, "cannot compare scores of different rows or tasks (%lld and %lld rows)",
                          (long long)a->rows, (long long)b->rows);
    for (int64_t i = 0; i < a->rows; i++)
        if (a->truth[i] != b->truth[i])
            return gm_err_set(err, GM_EINVALID, "cannot compare scores of different rows: the truth of row %lld differs", (long long)i);
    return GM_OK;
}

/* 2 P(Binomial(m, 1/2) <= k), k <= m / 2; the terms relative to the last one, which is the largest. */
static double two_sided_half(int64_t k, int64_t m)
{
    double last = exp(lgamma((double)m + 1) - lgamma((double)k + 1) - lgamma((double)(m - k) + 1) - (double)m * log(2));
    double sum = 0, term = 1;
    for (int64_t i = k; i >= 0 && term > 1e-18; i--) {
        sum += term;
        term *= (double)i / (double)(m - i + 1);
    }
    return fmin(1, 2 * last * sum);
}

gm_rc gm_mcnemar(const gm_scores *a, const gm_scores *b, int64_t *out_only_a, int64_t *out_only_b, double *out_p, gm_err *err)
{
    if (a->task == GM_TASK_REGRESSION) return gm_err_set(err, GM_EINVALID, "McNemar's test is for classes");
    gm_rc rc = same_rows(a, b, err);
    if (rc) return rc;
    gm_arena *scratch = gm_arena_new(0);
    if (!scratch) return gm_err_set(err, GM_ENOMEM, "not enough memory for McNemar's test");
    gm_score_cache *ca = NULL, *cb = NULL;
    const uint32_t *pa = NULL, *pb = NULL;
    rc = gm_score_cache_of(a, scratch, &ca, err);
    if (!rc) rc = gm_score_cache_of(b, scratch, &cb, err);
    if (!rc) rc = gm_cached_classes(ca, &pa, err);
    if (!rc) rc = gm_cached_classes(cb, &pb, err);
    if (!rc) {
        int64_t only_a = 0, only_b = 0;
        for (int64_t i = 0; i < a->rows; i++) {
            bool right_a = (double)pa[i] == a->truth[i], right_b = (double)pb[i] == a->truth[i];
            only_a += right_a && !right_b;
            only_b += !right_a && right_b;
        }
        *out_only_a = only_a;
        *out_only_b = only_b;
        *out_p = two_sided_half(only_a < only_b ? only_a : only_b, only_a + only_b);
    }
    gm_arena_free(scratch);
    return rc;
}

static gm_rc by_mcnemar(const gm_scores *a, const gm_scores *b, gm_comparison *out, gm_err *err)
{
    int64_t only_a = 0, only_b = 0;
    double p = 1;
    gm_rc rc = gm_mcnemar(a, b, &only_a, &only_b, &p, err);
    if (rc) return rc;
    double n = (double)a->rows, difference = (double)(only_a - only_b), discordant = (double)(only_a + only_b);
    double half = GM_Z95 * sqrt(fmax(0, discordant - difference * difference / n)) / n;
    *out = (gm_comparison){ .delta = difference / n, .low = difference / n - half, .high = difference / n + half, .p_value = p,
                            .method = "McNemar exact" };
    return GM_OK;
}

static gm_rc by_delong(const gm_scores *a, const gm_scores *b, gm_arena *scratch, gm_comparison *out, gm_err *err)
{
    double *u = GM_ARENA_ARRAY(scratch, double, a->rows), *v = GM_ARENA_ARRAY(scratch, double, a->rows), auc_a = 0, auc_b = 0;
    if (!u || !v) return gm_err_set(err, GM_ENOMEM, "not enough memory to compare %lld rows", (long long)a->rows);
    gm_rc rc = gm_delong_placements(a, scratch, u, &auc_a, err);
    if (!rc) rc = gm_delong_placements(b, scratch, v, &auc_b, err);
    if (rc) return rc;
    for (int64_t i = 0; i < a->rows; i++) u[i] -= v[i]; /* the variance of the difference, without cancellation */
    double sd = sqrt(gm_delong_covariance(a->truth, a->rows, u, u)), delta = auc_a - auc_b;
    *out = (gm_comparison){ .delta = delta, .low = delta - GM_Z95 * sd, .high = delta + GM_Z95 * sd,
                            .p_value = sd > 0 ? gm_two_sided_p(delta / sd) : isnan(sd) ? NAN : delta == 0 ? 1 : 0,
                            .method = "DeLong paired" };
    return GM_OK;
}

/* Weights of a replicate; block NULL: rows are drawn, else blocks. drawn: [blocks] room. */
static void draw(uint64_t seed, int64_t replicate, const int32_t *block, int64_t blocks, int64_t rows, uint8_t *drawn, uint8_t *weights)
{
    if (!block) {
        gm_poisson_weights(seed, replicate, rows, weights);
        return;
    }
    gm_poisson_weights(seed, replicate, blocks, drawn);
    for (int64_t i = 0; i < rows; i++) weights[i] = drawn[block[i]];
}

static gm_rc by_bootstrap(const gm_metric *m, const gm_scores *a, const gm_scores *b, const int32_t *block, int64_t blocks, uint64_t seed,
                          gm_arena *scratch, gm_comparison *out, gm_err *err)
{
    gm_score_cache *ca = NULL, *cb = NULL;
    int64_t replicates = gm_bootstrap_replicates(a->rows);
    uint8_t *weights = GM_ARENA_ARRAY(scratch, uint8_t, a->rows), *drawn = GM_ARENA_ARRAY(scratch, uint8_t, block ? blocks : 1);
    double *deltas = GM_ARENA_ARRAY(scratch, double, replicates), value_a = 0, value_b = 0;
    if (!weights || !drawn || !deltas) return gm_err_set(err, GM_ENOMEM, "not enough memory to compare %lld rows", (long long)a->rows);
    gm_rc rc = gm_score_cache_of(a, scratch, &ca, err);
    if (!rc) rc = gm_score_cache_of(b, scratch, &cb, err);
    if (!rc) rc = m->compute(&ca->scores, scratch, &value_a, err);
    if (!rc) rc = m->compute(&cb->scores, scratch, &value_b, err);
    if (rc) return rc;

    size_t used = 0, above = 0, below = 0;
    for (int64_t r = 0; r < replicates; r++) {
        gm_err ignored; /* a replicate may lack a class */
        double x = 0, y = 0;
        draw(seed, r, block, blocks, a->rows, drawn, weights);
        gm_score_cache_reweigh(ca, weights);
        gm_score_cache_reweigh(cb, weights);
        if (m->compute(&ca->scores, scratch, &x, &ignored) || m->compute(&cb->scores, scratch, &y, &ignored)) continue;
        deltas[used++] = x - y;
        above += x - y >= 0;
        below += x - y <= 0;
    }
    gm_score_cache_reweigh(ca, NULL);
    gm_score_cache_reweigh(cb, NULL);
    size_t far = above < below ? above : below;
    bool enough = used * 2 >= (size_t)replicates;
    *out = (gm_comparison){ .delta = value_a - value_b,
                            .low = enough ? gm_quantile(deltas, used, 0.025) : NAN,
                            .high = enough ? gm_quantile(deltas, used, 0.975) : NAN,
                            .p_value = enough ? fmin(1, 2 * (1 + (double)far) / ((double)used + 1)) : NAN,
                            .method = gm_bootstrap_name(a->rows, true) };
    return GM_OK;
}

gm_rc gm_compare(const gm_metric *m, const gm_scores *candidate, const gm_scores *champion, uint64_t seed, gm_arena *scratch,
                 gm_comparison *out, gm_err *err)
{
    gm_rc rc = same_rows(candidate, champion, err);
    double value = 0;
    if (!rc) rc = gm_metric_value(m, candidate, scratch, &value, err); /* fits the task, and defined on these rows */
    if (rc) return rc;
    if (m->interval == GM_INTERVAL_DELONG) return by_delong(candidate, champion, scratch, out, err);
    if (strcmp(m->item.name, "accuracy") == 0) return by_mcnemar(candidate, champion, out, err);
    return by_bootstrap(m, candidate, champion, NULL, 0, seed, scratch, out, err);
}

gm_rc gm_compare_blocks(const gm_metric *m, const gm_scores *candidate, const gm_scores *champion, const int32_t *block, int64_t blocks,
                        uint64_t seed, gm_arena *scratch, gm_comparison *out, gm_err *err)
{
    gm_rc rc = same_rows(candidate, champion, err);
    double value = 0;
    if (!rc) rc = gm_metric_value(m, candidate, scratch, &value, err);
    if (!rc) rc = by_bootstrap(m, candidate, champion, block, blocks, seed, scratch, out, err);
    if (rc) return rc;
    out->method = "paired block bootstrap";
    if (blocks < GM_BLOCKS_MIN) out->low = out->high = out->p_value = NAN;
    return GM_OK;
}
