/* cbpe_choice.c - are the scores nearer to the truth with a calibrator, or as they are?
 *
 * Each row is calibrated by a curve that was fitted without it; then
 *
 *   ECE = sum over ten bins of (rows in bin / rows) |mean truth - mean score|
 *
 * is compared with and without. Bins hold a tenth of the rows each, by ascending score.
 *
 *   ours     ten folds by a hash of (seed, row); rows of equal score stay in one bin
 *   NannyML  ten stratified draws of a tenth (cbpe_shuffle.c), whose rows are judged together; ties are cut where they fall,
 *            in the order of an unstable sort there, of rows here: of 200 sets whose scores were near their truth 187 are
 *            chosen alike, and all 200 when its sort is made stable
 *
 * Scores outside [0, 1] are no chances: they are always calibrated. NannyML leaves scores alone whose ROC AUC is above 0.999.
 * Source     Naeini et al. (2015), AAAI; NannyML 0.13, needs_calibration
 * Checked    test/conformance/watch/estimate_expected.csv: the same choices
 */
#include "base/random.h"
#include "watch/estimate_internal.h"

enum { FOLDS = 10, BINS = 10 };

/* Rows as they are judged: truth, score as it is, score calibrated. */
typedef struct judged {
    double *truth, *plain, *calibrated;
    int64_t rows;
} judged;

/* grouped: rows of equal score fall into the bin of the first of them. */
static gm_rc calibration_error(const judged *j, const double *score, bool grouped, double *out, gm_err *err)
{
    gm_arena *own = gm_arena_new(0);
    gm_score_order order;
    gm_rc rc = own ? gm_score_order_make(score, 1, j->rows, own, &order, err)
                   : gm_err_set(err, GM_ENOMEM, "not enough memory to calibrate");
    if (rc) {
        gm_arena_free(own);
        return rc;
    }
    int64_t bins = j->rows <= 2 * BINS ? j->rows / 2 : BINS, width = j->rows / (bins > 0 ? bins : 1);
    double total = 0;
    for (int64_t start = 0, bin = 1; start < j->rows; bin++) {
        int64_t end = bin >= bins ? j->rows : bin * width;
        if (end <= start) continue; /* a large group of ties took it */
        while (grouped && end < j->rows && score[order.row[end]] == score[order.row[end - 1]]) end++;
        gm_sum truth = { 0 }, mean = { 0 };
        for (int64_t i = start; i < end; i++) {
            gm_sum_add(&truth, j->truth[order.row[i]]);
            gm_sum_add(&mean, score[order.row[i]]);
        }
        total += fabs(gm_sum_value(&mean) - gm_sum_value(&truth)) / (double)j->rows;
        start = end;
    }
    gm_arena_free(own);
    *out = total;
    return GM_OK;
}

static void judge_row(judged *j, uint32_t row, const double *score, int64_t stride, const double *positives, const gm_isotonic *c)
{
    double s = score[row * stride];
    j->truth[j->rows] = positives[row];
    j->plain[j->rows] = s;
    j->calibrated[j->rows++] = gm_isotonic_at(c, s);
}

static gm_rc no_memory(gm_err *err, int64_t rows)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to calibrate %lld rows", (long long)rows);
}

static gm_rc judge_folds(const gm_score_order *order, const double *score, int64_t stride, const double *positives, uint64_t seed,
                         gm_arena *own, judged *j, gm_err *err)
{
    uint8_t *fold = GM_ARENA_ARRAY(own, uint8_t, order->rows);
    if (!fold) return no_memory(err, order->rows);
    for (int64_t i = 0; i < order->rows; i++) fold[i] = (uint8_t)(gm_hash_u64(seed, (uint64_t)i) % FOLDS);
    for (int f = 0; f < FOLDS; f++) {
        gm_isotonic c;
        gm_rc rc = gm_isotonic_fit_order(order, score, stride, positives, fold, f, own, &c, err);
        if (rc) return rc;
        for (int64_t i = 0; i < order->rows && c.count; i++)
            if (fold[i] == f) judge_row(j, (uint32_t)i, score, stride, positives, &c);
    }
    return GM_OK;
}

static gm_rc judge_draws(const gm_score_order *order, const double *score, int64_t stride, const double *positives, gm_arena *own,
                         judged *j, gm_err *err)
{
    gm_numpy_random r;
    gm_numpy_random_init(&r, 42);
    uint8_t *drawn = GM_ARENA_ARRAY(own, uint8_t, order->rows);
    uint32_t *test = GM_ARENA_ARRAY(own, uint32_t, order->rows);
    if (!drawn || !test) return no_memory(err, order->rows);
    for (int draw = 0; draw < FOLDS; draw++) {
        int64_t count = 0;
        gm_isotonic c;
        gm_rc rc = gm_stratified_draw(&r, positives, order->rows, 0.1, own, test, &count, err);
        if (rc) return rc;
        for (int64_t i = 0; i < order->rows; i++) drawn[i] = 0;
        for (int64_t i = 0; i < count; i++) drawn[test[i]] = 1;
        rc = gm_isotonic_fit_order(order, score, stride, positives, drawn, 1, own, &c, err);
        if (rc) return rc;
        for (int64_t i = 0; i < count && c.count; i++) judge_row(j, test[i], score, stride, positives, &c);
    }
    return GM_OK;
}

/* ROC AUC: the share of pairs of a positive and a negative row in which the positive has the higher score, ties one half. */
static double pairs_in_order(const gm_score_order *order, const double *positives)
{
    double negatives_below = 0, positives_all = 0, pairs = 0;
    for (int64_t g = 0, i = 0; g < order->groups; g++) {
        double ones = 0, zeros = 0;
        for (; i < order->group_end[g]; i++) *(positives[order->row[i]] == 1 ? &ones : &zeros) += 1;
        pairs += ones * (negatives_below + zeros / 2);
        negatives_below += zeros;
        positives_all += ones;
    }
    return pairs / (positives_all * negatives_below);
}

gm_rc gm_calibration_helps(const gm_score_order *order, const double *score, int64_t stride, const double *positives,
                           gm_compat compat, uint64_t seed, bool *out, gm_err *err)
{
    int64_t rows = order->rows;
    bool nannyml = compat == GM_COMPAT_NANNYML;
    for (int64_t i = 0; i < rows; i++) {
        if (score[i * stride] >= 0 && score[i * stride] <= 1) continue;
        *out = true;
        return GM_OK;
    }
    if (nannyml && pairs_in_order(order, positives) > 0.999) {
        *out = false;
        return GM_OK;
    }
    gm_arena *own = gm_arena_new(0);
    int64_t room = nannyml ? rows * 2 : rows; /* ten draws of a tenth, each rounded up */
    judged j = { 0 };
    if (own)
        j = (judged){ GM_ARENA_ARRAY(own, double, room), GM_ARENA_ARRAY(own, double, room), GM_ARENA_ARRAY(own, double, room),
                      0 };
    gm_rc rc = own && j.truth && j.plain && j.calibrated ? GM_OK : no_memory(err, rows);
    if (!rc && nannyml) rc = judge_draws(order, score, stride, positives, own, &j, err);
    if (!rc && !nannyml) rc = judge_folds(order, score, stride, positives, seed, own, &j, err);
    double plain = 0, calibrated = 0;
    if (!rc) rc = calibration_error(&j, j.plain, !nannyml, &plain, err);
    if (!rc) rc = calibration_error(&j, j.calibrated, !nannyml, &calibrated, err);
    gm_arena_free(own);
    if (!rc) *out = plain > calibrated;
    return rc;
}
