/* estimate_record.c - how well did such estimates do on the reference itself, one part after the other?
 *
 *   The reference is cut into parts of neighbouring rows, in their order: ten for classes, five for values, where each costs
 *   trees. Each is estimated by what was learned from the others.
 *
 *   wobble^2 = (sum e_k^2 - sum s_k^2) / parts,  e_k = estimate less what the labels say, s_k its sampling error;
 *              0 unless sum e_k^2 / sum s_k^2 is beyond the 95 % point of chi-square / parts
 *
 * Rows of a day are late together, for reasons that are in no column: where the reference is in order of time, its parts tell
 * how far the link between inputs and labels moves within it, and no interval should be narrower. In another order there is
 * nothing to see, and the wobble is 0.
 *
 * Undefined  a part on which the metric is not defined (one class) is left out; with fewer than three parts the wobble is 0
 * Source     method of moments for a component of variance, as DerSimonian and Laird (1986), Controlled Clinical Trials 7
 * Checked    test_estimate_cbpe.c: none where there is none, coverage where there is one
 */
#include "watch/estimate_internal.h"

enum { PARTS_OF_CLASSES = 10, PARTS_OF_VALUES = 5, PARTS_MIN = 3 };

/* Rows [from, until) of the reference, or all others. */
typedef struct part {
    gm_scores scores;
    gm_table features;
} part;

static gm_rc take(const gm_estimator *e, const gm_scores *s, const gm_table *features, int64_t from, int64_t until, bool others,
                  gm_arena *a, part *out, gm_err *err)
{
    int64_t width = e->outputs, count = others ? s->rows - (until - from) : until - from;
    int64_t *index = GM_ARENA_ARRAY(a, int64_t, count);
    double *truth = GM_ARENA_ARRAY(a, double, count), *predicted = GM_ARENA_ARRAY(a, double, count * width);
    if (!index || !truth || !predicted)
        return gm_err_set(err, GM_ENOMEM, "not enough memory for parts of %lld rows", (long long)s->rows);
    for (int64_t i = 0; i < count; i++) {
        int64_t row = index[i] = !others ? from + i : i < from ? i : i + (until - from);
        truth[i] = s->truth[row];
        for (int64_t k = 0; k < width; k++) predicted[i * width + k] = s->predicted[row * width + k];
    }
    out->scores = *s;
    out->scores.rows = count;
    out->scores.truth = truth;
    out->scores.predicted = predicted;
    out->scores.cache = NULL;
    return features ? gm_table_take(features, index, count, a, &out->features, err) : GM_OK;
}

/* Not defined on these rows is no failure: *out_judged stays false. */
static gm_rc passed_over(gm_rc rc, const gm_err *why, gm_err *err)
{
    if (rc == GM_EINVALID) return GM_OK;
    if (rc && err) *err = *why;
    return rc;
}

static gm_rc judge(const gm_estimator *e, const gm_scores *labelled, const gm_table *features, int64_t from, int64_t until,
                   uint64_t seed, gm_arena *a, double *out_error, double *out_sampling, bool *out_judged, gm_err *err)
{
    part here = { 0 }, rest = { 0 };
    gm_err why = { 0 };
    gm_estimator other = {
        .task = e->task, .classes = e->classes, .outputs = e->outputs, .metric = e->metric, .compat = e->compat
    };
    double estimated = 0, realised = 0;
    gm_rc rc = take(e, labelled, features, from, until, false, a, &here, err);
    if (!rc) rc = take(e, labelled, features, from, until, true, a, &rest, err);
    if (rc) return rc;
    rc = gm_metric_value(e->metric, &here.scores, a, &realised, &why);
    if (!rc) rc = gm_estimator_learn(&other, &rest.scores, features ? &rest.features : NULL, e, seed, a, a, &why);
    if (!rc) rc = gm_estimator_value(&other, &here.scores, features ? &here.features : NULL, a, &estimated, &why);
    if (rc) return passed_over(rc, &why, err);
    *out_error = estimated - realised;
    *out_sampling = e->spread * sqrt(1 / (double)here.scores.rows + 1 / (double)rest.scores.rows);
    *out_judged = true;
    return GM_OK;
}

gm_rc gm_estimator_record(gm_estimator *e, const gm_scores *labelled, const gm_table *features, uint64_t seed, gm_err *err)
{
    static const double chi_square_95[PARTS_OF_CLASSES + 1] = { 0,      3.841,  5.991,  7.815,  9.488, 11.070,
                                                                12.592, 14.067, 15.507, 16.919, 18.307 };
    int parts = e->task == GM_TASK_REGRESSION ? PARTS_OF_VALUES : PARTS_OF_CLASSES, judged = 0;
    double errors = 0, sampling = 0;
    gm_arena *a = gm_arena_new(0);
    gm_rc rc = a ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for parts of the reference");
    for (int k = 0; !rc && k < parts; k++) {
        double error = 0, expected = 0;
        bool is_judged = false;
        rc = judge(e, labelled, features, labelled->rows * k / parts, labelled->rows * (k + 1) / parts, seed, a, &error,
                   &expected, &is_judged, err);
        if (!rc && is_judged) {
            errors += error * error;
            sampling += expected * expected;
            judged++;
        }
        gm_arena_rewind(a);
    }
    gm_arena_free(a);
    if (rc) return rc;
    e->wobble = 0;
    if (judged >= PARTS_MIN && errors / sampling > chi_square_95[judged] / judged) e->wobble = sqrt((errors - sampling) / judged);
    return GM_OK;
}
