/* dle.c - performance of a regression before the values are there, from a model of its loss.
 *
 * DLE - direct loss estimation.
 *
 *   g = boosted trees (estimate_boost.h) fitted on the reference: features and prediction -> loss of the row
 *   estimate = mean over rows of max(0, g), and its square root for rmse and rmsle
 *   loss     mae |y - p|; mape |y - p| / max(2^-52, |y|); mse, rmse (y - p)^2; rmsle (ln(1 + y) - ln(1 + p))^2
 *
 * Missing    as the trees take them; texts that the reference has not are one text
 * Undefined  rmsle: a value or prediction of -1 or below
 * Spread     compat nannyml: sd of the loss (mape: of |y - p| / y, its sign left); rmse, rmsle: sd(loss) / (2 sqrt(mean loss))
 * Source     NannyML 0.13, DLE; the models are LightGBM's defaults there as here
 * Checked    test/conformance/watch/estimate_expected.csv, 14 chunks; to 1e-12. Trees that split otherwise would differ by far
 *            more: both take LightGBM's defaults, and its version 4.7 (one thread) grows here what 4.5 grew there
 */
#include <float.h>
#include <string.h>

#include "watch/estimate_boost.h"
#include "watch/estimate_columns.h"
#include "watch/estimate_internal.h"

enum { QUICK_ROUNDS = 30 };

struct gm_dle {
    gm_boost *loss;
    gm_coder coder;
};

typedef enum loss_kind { LOSS_NONE, LOSS_ABSOLUTE, LOSS_SHARE, LOSS_SQUARE, LOSS_LOG_SQUARE } loss_kind;

static loss_kind loss_of(const gm_metric *m, bool *out_root)
{
    static const struct {
        const char *name;
        loss_kind loss;
        bool root;
    } losses[] = {
        { "mae", LOSS_ABSOLUTE, false }, { "mape", LOSS_SHARE, false },      { "mse", LOSS_SQUARE, false },
        { "rmse", LOSS_SQUARE, true },   { "rmsle", LOSS_LOG_SQUARE, true },
    };
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        if (strcmp(losses[i].name, m->item.name) != 0) continue;
        *out_root = losses[i].root;
        return losses[i].loss;
    }
    return LOSS_NONE;
}

bool gm_dle_fits(const gm_metric *metric)
{
    bool root;
    return loss_of(metric, &root) != LOSS_NONE;
}

static double loss_at(loss_kind kind, double y, double p)
{
    switch (kind) {
    case LOSS_ABSOLUTE: return fabs(y - p);
    case LOSS_SHARE: return fabs(y - p) / fmax(DBL_EPSILON, fabs(y));
    case LOSS_SQUARE: return (y - p) * (y - p);
    case LOSS_LOG_SQUARE: return (log1p(y) - log1p(p)) * (log1p(y) - log1p(p));
    case LOSS_NONE: break;
    }
    return NAN;
}

static gm_rc no_memory(gm_err *err, int64_t rows)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to estimate losses of %lld rows", (long long)rows);
}

/* Features and, as the last column, the prediction. */
static gm_rc matrix_of(const gm_coder *coder, const gm_table *features, const double *predicted, int64_t rows, gm_arena *scratch,
                       double **out, gm_err *err)
{
    double *x = GM_ARENA_ARRAY(scratch, double, rows * ((int64_t)coder->count + 1));
    if (!x) return no_memory(err, rows);
    if (coder->count) {
        if (!features)
            return gm_err_set(err, GM_EINVALID, "the estimate was learned with %zu columns of features, there are none",
                              coder->count);
        if (features->rows != rows)
            return gm_err_set(err, GM_EINVALID, "there are %lld rows of features for %lld predictions", (long long)features->rows,
                              (long long)rows);
        gm_rc rc = gm_coder_apply(coder, features, NULL, rows, rows, x, scratch, err);
        if (rc) return rc;
    }
    memcpy(x + rows * (int64_t)coder->count, predicted, (size_t)rows * sizeof(double));
    *out = x;
    return GM_OK;
}

static gm_rc losses_of(loss_kind kind, const char *metric, const gm_scores *s, gm_arena *scratch, double **out, gm_err *err)
{
    double *loss = GM_ARENA_ARRAY(scratch, double, s->rows);
    if (!loss) return no_memory(err, s->rows);
    for (int64_t i = 0; i < s->rows; i++) {
        loss[i] = loss_at(kind, s->truth[i], s->predicted[i]);
        if (!isfinite(loss[i]))
            return gm_err_set(err, GM_EINVALID, "%s is not defined on reference row %lld: value %g, prediction %g", metric,
                              (long long)i, s->truth[i], s->predicted[i]);
    }
    *out = loss;
    return GM_OK;
}

/* signs [rows]: losses take the sign of these; NULL = none. */
static double nannyml_spread(const double *loss, const double *signs, int64_t rows, bool root)
{
    gm_sum sum = { 0 }, squares = { 0 };
    for (int64_t i = 0; i < rows; i++) gm_sum_add(&sum, signs ? copysign(loss[i], signs[i]) : loss[i]);
    double mean = gm_sum_value(&sum) / (double)rows;
    for (int64_t i = 0; i < rows; i++) {
        double away = (signs ? copysign(loss[i], signs[i]) : loss[i]) - mean;
        gm_sum_add(&squares, away * away);
    }
    double sd = sqrt(gm_sum_value(&squares) / (double)rows);
    return root ? sd / (2 * sqrt(mean)) : sd;
}

static gm_rc fit_coder(gm_coder *out, const gm_table *features, gm_arena *a, gm_arena *scratch, gm_err *err)
{
    size_t count = features ? features->columns_count : 0;
    const char **names = GM_ARENA_ARRAY(scratch, const char *, count);
    if (!names) return no_memory(err, features ? features->rows : 0);
    for (size_t i = 0; i < count; i++) names[i] = features->columns[i].name;
    return gm_coder_fit(features, NULL, names, count, a, out, err);
}

static void free_trees(void *trees)
{
    gm_boost_free(trees);
}

gm_rc gm_dle_fit(gm_estimator *e, const gm_scores *reference, const gm_table *features, bool quick, uint64_t seed, gm_arena *a,
                 gm_arena *scratch, gm_err *err)
{
    bool root = false;
    loss_kind kind = loss_of(e->metric, &root);
    double *x = NULL, *loss = NULL;
    gm_score_cache *checked = NULL;
    gm_dle *d = e->dle = GM_ARENA_NEW(a, gm_dle);
    gm_rc rc = d ? gm_score_cache_make(reference, scratch, &checked, err) : no_memory(err, reference->rows);
    if (!rc) rc = fit_coder(&d->coder, features, a, scratch, err);
    if (!rc) rc = losses_of(kind, e->metric->item.name, reference, scratch, &loss, err);
    if (!rc) rc = matrix_of(&d->coder, features, reference->predicted, reference->rows, scratch, &x, err);
    bool *category = GM_ARENA_ARRAY(scratch, bool, d ? d->coder.count + 1 : 1);
    if (!rc && !category) rc = no_memory(err, reference->rows);
    if (rc) return rc;
    for (size_t i = 0; i < d->coder.count; i++) category[i] = d->coder.text[i];
    rc = gm_boost_fit(&(gm_boost_data){ .x = x,
                                        .y = loss,
                                        .rows = reference->rows,
                                        .columns = (int64_t)d->coder.count + 1,
                                        .category = category,
                                        .rounds = quick ? QUICK_ROUNDS : 0,
                                        .seed = seed },
                      &d->loss, err);
    if (rc) return rc;
    if (!gm_arena_defer(a, free_trees, d->loss)) {
        gm_boost_free(d->loss);
        return no_memory(err, reference->rows);
    }
    if (e->compat == GM_COMPAT_NANNYML)
        e->spread = nannyml_spread(loss, kind == LOSS_SHARE ? reference->truth : NULL, reference->rows, root);
    return GM_OK;
}

gm_rc gm_dle_value(const gm_estimator *e, const gm_scores *current, const gm_table *features, gm_arena *scratch, double *out,
                   gm_err *err)
{
    bool root = false;
    double *x = NULL, *loss = GM_ARENA_ARRAY(scratch, double, current->rows);
    if (!loss) return no_memory(err, current->rows);
    (void)loss_of(e->metric, &root); /* only whether it is a root */
    for (int64_t i = 0; i < current->rows; i++)
        if (!isfinite(current->predicted[i]))
            return gm_err_set(err, GM_EINVALID, "the prediction of row %lld is not finite", (long long)i);
    gm_rc rc = matrix_of(&e->dle->coder, features, current->predicted, current->rows, scratch, &x, err);
    if (!rc) rc = gm_boost_predict(e->dle->loss, x, current->rows, loss, err);
    if (rc) return rc;
    gm_sum sum = { 0 };
    for (int64_t i = 0; i < current->rows; i++) gm_sum_add(&sum, fmax(0, loss[i]));
    double mean = gm_sum_value(&sum) / (double)current->rows;
    *out = root ? sqrt(mean) : mean;
    return GM_OK;
}
