/* estimate_boost.c - see estimate_boost.h. The parameters are those of LightGBM's LGBMRegressor and LGBMClassifier, which
 * NannyML uses as they are. */
#include "watch/estimate_boost.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "train/boosting.h"
#include "train/lightgbm_api.h"

struct gm_boost {
    gm_lightgbm api;
    void *booster;
    int64_t columns;
};

enum { ROUNDS = 100, GAIN_ROUNDS = 10 };

static gm_rc failed(const gm_lightgbm *api, const char *doing, gm_err *err)
{
    return gm_err_set(err, GM_EINTERNAL, "LightGBM failed %s: %.300s", doing, api->LGBM_GetLastError());
}

static void params_text(gm_buf *b, const gm_boost_data *d)
{
    gm_buf_printf(
        b,
        "verbosity=-1 objective=%s deterministic=true force_row_wise=true num_threads=1 seed=%d num_leaves=31 learning_rate=0.1 "
        "min_data_in_leaf=20 min_sum_hessian_in_leaf=0.001",
        d->classify ? "binary" : "regression", gm_library_seed(d->seed));
    const char *before = " categorical_feature=";
    for (int64_t c = 0; d->category && c < d->columns; c++) {
        if (!d->category[c]) continue;
        gm_buf_printf(b, "%s%lld", before, (long long)c);
        before = ",";
    }
}

static gm_rc boost(gm_boost *b, const gm_boost_data *d, const char *params, void **dataset, float *label, gm_err *err)
{
    const gm_lightgbm *api = &b->api;
    if (api->LGBM_DatasetCreateFromMat(d->x, GM_LIGHTGBM_FLOAT64, (int32_t)d->rows, (int32_t)d->columns, 0, params, NULL,
                                       dataset))
        return failed(api, "binning columns", err);
    for (int64_t i = 0; i < d->rows; i++) label[i] = (float)d->y[i];
    if (api->LGBM_DatasetSetField(*dataset, "label", label, (int)d->rows, GM_LIGHTGBM_FLOAT32))
        return failed(api, "taking the target", err);
    if (api->LGBM_BoosterCreate(*dataset, params, &b->booster)) return failed(api, "starting", err);
    int rounds = d->rounds ? d->rounds : ROUNDS;
    for (int round = 0, finished = 0; round < rounds && !finished; round++)
        if (api->LGBM_BoosterUpdateOneIter(b->booster, &finished)) return failed(api, "in a boosting round", err);
    return GM_OK;
}

gm_rc gm_boost_fit(const gm_boost_data *d, gm_boost **out, gm_err *err)
{
    if (d->rows > INT32_MAX || d->columns > INT32_MAX)
        return gm_err_set(err, GM_EUNSUPPORTED, "LightGBM takes at most %d rows", INT32_MAX);
    gm_buf params = { 0 };
    void *dataset = NULL;
    gm_boost *b = calloc(1, sizeof(*b));
    float *label = calloc((size_t)d->rows + 1, sizeof(*label));
    gm_rc rc = b && label ? gm_lightgbm_load(&b->api, err)
                          : gm_err_set(err, GM_ENOMEM, "not enough memory for trees over %lld rows", (long long)d->rows);
    params_text(&params, d);
    if (!rc && params.failed) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for parameters");
    if (!rc) {
        b->columns = d->columns;
        rc = boost(b, d, gm_buf_str(&params), &dataset, label, err);
    }
    if (dataset) (void)b->api.LGBM_DatasetFree(dataset); /* the trees no longer need it; nothing to do about a failure to free */
    gm_buf_clear(&params);
    free(label);
    if (rc)
        gm_boost_free(b);
    else
        *out = b;
    return rc;
}

void gm_boost_free(gm_boost *b)
{
    if (!b) return;
    if (b->booster) (void)b->api.LGBM_BoosterFree(b->booster); /* nothing to do about a failure to free */
    free(b);
}

gm_rc gm_boost_predict(const gm_boost *b, const double *x, int64_t rows, double *out, gm_err *err)
{
    int64_t count = 0;
    if (rows > INT32_MAX) return gm_err_set(err, GM_EUNSUPPORTED, "LightGBM takes at most %d rows", INT32_MAX);
    if (b->api.LGBM_BoosterPredictForMat(b->booster, x, GM_LIGHTGBM_FLOAT64, (int32_t)rows, (int32_t)b->columns, 0,
                                         GM_LIGHTGBM_PREDICT_NORMAL, 0, -1, "num_threads=1 verbosity=-1", &count, out))
        return failed(&b->api, "predicting", err);
    gm_assert(count == rows);
    return GM_OK;
}

gm_rc gm_boost_add_gain(const gm_boost *b, double *out, gm_err *err)
{
    double *gain = calloc((size_t)b->columns + 1, sizeof(*gain));
    if (!gain) return gm_err_set(err, GM_ENOMEM, "not enough memory for the gain of %lld columns", (long long)b->columns);
    int bad = b->api.LGBM_BoosterFeatureImportance(b->booster, GAIN_ROUNDS, GM_LIGHTGBM_IMPORTANCE_GAIN, gain);
    for (int64_t i = 0; !bad && i < b->columns; i++) out[i] += gain[i];
    free(gain);
    return bad ? failed(&b->api, "telling the gain of columns", err) : GM_OK;
}
