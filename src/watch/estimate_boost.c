/* estimate_boost.c - see estimate_boost.h. The parameters are those of LightGBM's LGBMRegressor and LGBMClassifier, which NannyML uses as they are. */
#include "watch/estimate_boost.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "train/boosting.h"
#include "train/lightgbm_api.h"

/* ---- columns as numbers ------------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static gm_rc no_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to code columns as numbers"); }

/* The texts that rows of c have, appended to out; returns the new count. used: [dict->count] zero. */
static int32_t texts_in_use(const gm_column *c, uint8_t *used, const char **out, int32_t count, bool *missing)
{
    for (int64_t i = 0; i < c->rows; i++) {
        if (c->code[i] < 0)
            *missing = true;
        else if (!used[c->code[i]]) {
            used[c->code[i]] = 1;
            out[count++] = c->dict->texts[c->code[i]];
        }
    }
    return count;
}

static gm_rc fit_texts(const gm_column *const sides[2], gm_arena *a, const char ***out, int32_t *out_count, bool *missing, gm_err *err)
{
    int32_t room = 0, count = 0, kept = 0;
    for (int s = 0; s < 2; s++)
        if (sides[s]) room += sides[s]->dict->count;
    const char **texts = GM_ARENA_ARRAY(a, const char *, room);
    if (!texts) return no_memory(err);
    for (int s = 0; s < 2; s++) {
        if (!sides[s]) continue;
        uint8_t *used = calloc((size_t)sides[s]->dict->count + 1, 1);
        if (!used) return no_memory(err);
        count = texts_in_use(sides[s], used, texts, count, missing);
        free(used);
    }
    qsort(texts, (size_t)count, sizeof(*texts), by_bytes);
    for (int32_t i = 0; i < count; i++)
        if (!kept || strcmp(texts[kept - 1], texts[i]) != 0) texts[kept++] = texts[i];
    for (int32_t i = 0; i < kept; i++)
        if (!(texts[i] = gm_arena_strdup(a, texts[i]))) return no_memory(err);
    *out = texts;
    *out_count = kept;
    return GM_OK;
}

static gm_rc changed_type(const gm_column *was_text, const char *name, gm_err *err)
{
    return gm_err_set(err, GM_EINVALID, "column \"%.100s\" is text in the %s rows and not in the others", name, was_text ? "reference" : "newer");
}

gm_rc gm_boost_coder_fit(const gm_table *t, const gm_table *also, const char *const *columns, size_t count, gm_arena *a, gm_boost_coder *out,
                         gm_err *err)
{
    gm_boost_coder c = { .columns = columns, .count = count, .text = GM_ARENA_ARRAY(a, bool, count), .texts = GM_ARENA_ARRAY(a, const char **, count),
                         .texts_count = GM_ARENA_ARRAY(a, int32_t, count), .missing = GM_ARENA_ARRAY(a, bool, count) };
    if (!c.text || !c.texts || !c.texts_count || !c.missing) return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const gm_column *sides[2] = { NULL, NULL };
        gm_rc rc = gm_table_column(t, columns[i], &sides[0], err);
        if (!rc && also) rc = gm_table_column(also, columns[i], &sides[1], err);
        if (rc) return rc;
        c.text[i] = sides[0]->type == GM_TYPE_STRING;
        if (sides[1] && (sides[1]->type == GM_TYPE_STRING) != c.text[i]) return changed_type(c.text[i] ? sides[0] : NULL, columns[i], err);
        if (c.text[i]) rc = fit_texts(sides, a, &c.texts[i], &c.texts_count[i], &c.missing[i], err);
        if (rc) return rc;
    }
    *out = c;
    return GM_OK;
}

/* Codes of the texts of c's dictionary by those of the fit; [dict->count] in scratch. */
static int32_t *translate(const gm_boost_coder *k, size_t column, const gm_column *c, gm_arena *scratch)
{
    int32_t *codes = GM_ARENA_ARRAY(scratch, int32_t, c->dict->count);
    for (int32_t i = 0; codes && i < c->dict->count; i++) {
        const char *text = c->dict->texts[i];
        const char **found = k->texts_count[column] ? bsearch(&text, k->texts[column], (size_t)k->texts_count[column], sizeof(text), by_bytes) : NULL;
        codes[i] = found ? (int32_t)(found - k->texts[column]) + 1 : 0;
    }
    return codes;
}

gm_rc gm_boost_code(const gm_boost_coder *k, const gm_table *t, const int64_t *rows, int64_t rows_count, int64_t stride, double *out,
                    gm_arena *scratch, gm_err *err)
{
    for (size_t i = 0; i < k->count; i++) {
        const gm_column *c = NULL;
        gm_rc rc = gm_table_column(t, k->columns[i], &c, err);
        if (rc) return rc;
        if ((c->type == GM_TYPE_STRING) != k->text[i]) return changed_type(k->text[i] ? c : NULL, k->columns[i], err);
        double *to = out + (int64_t)i * stride;
        if (!k->text[i]) {
            for (int64_t r = 0; r < rows_count; r++) to[r] = gm_column_double(c, rows ? rows[r] : r);
            continue;
        }
        int32_t *codes = translate(k, i, c, scratch), missing = k->missing[i] ? k->texts_count[i] + 1 : 0;
        if (!codes) return no_memory(err);
        for (int64_t r = 0; r < rows_count; r++) {
            int32_t code = c->code[rows ? rows[r] : r];
            to[r] = code < 0 ? missing : codes[code];
        }
    }
    return GM_OK;
}

/* ---- trees -------------------------------------------------------------------------------------------------- */

struct gm_boost {
    gm_lightgbm api;
    void *booster;
    int64_t columns;
};

enum { ROUNDS = 100 };

static gm_rc failed(const gm_lightgbm *api, const char *doing, gm_err *err)
{
    return gm_err_set(err, GM_EINTERNAL, "LightGBM failed %s: %.300s", doing, api->LGBM_GetLastError());
}

static void params_text(gm_buf *b, const gm_boost_data *d)
{
    gm_buf_printf(b, "verbosity=-1 objective=%s deterministic=true force_row_wise=true num_threads=1 seed=%d num_leaves=31 learning_rate=0.1 "
                  "min_data_in_leaf=20 min_sum_hessian_in_leaf=0.001", d->classify ? "binary" : "regression", gm_library_seed(d->seed));
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
    if (api->LGBM_DatasetCreateFromMat(d->x, GM_LIGHTGBM_FLOAT64, (int32_t)d->rows, (int32_t)d->columns, 0, params, NULL, dataset))
        return failed(api, "binning columns", err);
    for (int64_t i = 0; i < d->rows; i++) label[i] = (float)d->y[i];
    if (api->LGBM_DatasetSetField(*dataset, "label", label, (int)d->rows, GM_LIGHTGBM_FLOAT32)) return failed(api, "taking the target", err);
    if (api->LGBM_BoosterCreate(*dataset, params, &b->booster)) return failed(api, "starting", err);
    for (int round = 0, finished = 0; round < ROUNDS && !finished; round++)
        if (api->LGBM_BoosterUpdateOneIter(b->booster, &finished)) return failed(api, "in a boosting round", err);
    return GM_OK;
}

gm_rc gm_boost_fit(const gm_boost_data *d, gm_boost **out, gm_err *err)
{
    if (d->rows > INT32_MAX || d->columns > INT32_MAX) return gm_err_set(err, GM_EUNSUPPORTED, "LightGBM takes at most %d rows", INT32_MAX);
    gm_buf params = { 0 };
    void *dataset = NULL;
    gm_boost *b = calloc(1, sizeof(*b));
    float *label = calloc((size_t)d->rows + 1, sizeof(*label));
    gm_rc rc = b && label ? gm_lightgbm_load(&b->api, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for trees over %lld rows", (long long)d->rows);
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
    if (b->api.LGBM_BoosterPredictForMat(b->booster, x, GM_LIGHTGBM_FLOAT64, (int32_t)rows, (int32_t)b->columns, 0, GM_LIGHTGBM_PREDICT_NORMAL, 0, -1,
                                         "num_threads=1 verbosity=-1", &count, out))
        return failed(&b->api, "predicting", err);
    gm_assert(count == rows);
    return GM_OK;
}

gm_rc gm_boost_add_gain(const gm_boost *b, double *out, gm_err *err)
{
    double *gain = calloc((size_t)b->columns + 1, sizeof(*gain));
    if (!gain) return gm_err_set(err, GM_ENOMEM, "not enough memory for the gain of %lld columns", (long long)b->columns);
    int bad = b->api.LGBM_BoosterFeatureImportance(b->booster, 0, GM_LIGHTGBM_IMPORTANCE_GAIN, gain);
    for (int64_t i = 0; !bad && i < b->columns; i++) out[i] += gain[i];
    free(gain);
    return bad ? failed(&b->api, "telling the gain of columns", err) : GM_OK;
}
