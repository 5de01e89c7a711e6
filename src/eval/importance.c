/* importance.c - permutation importance: how much the metric falls when the rows of one column are shuffled.
 *
 *   importance = mean over repeats of (metric as it is - metric with the column shuffled), turned so that a useful column is
 *                positive; std is the sample standard deviation over the repeats
 *
 * Columns are those the model reads. Correlated columns share their importance; a column that is alone in what it says has
 * it whole. At most max_rows rows, chosen by a hash of seed and row; a shuffle depends on seed, column name and repeat, so that
 * adding a column changes no other's number.
 * Source     Breiman (2001), Machine Learning 45:5-32; scikit-learn 1.9, permutation_importance
 */
#include "base/random.h"
#include "eval/evaluate.h"

#include <string.h>

typedef struct shuffler {
    const gm_metric *metric;
    gm_scores scores;   /* of the rows used                             */
    gm_table table;     /* the same rows; a copy whose columns may be swapped */
    double *predicted;
    int64_t *order;
    uint64_t seed;
    gm_predict_fn predict;
    void *ctx;
    gm_arena *scratch;  /* reset after each prediction */
} shuffler;

/* Rows in their order; all when they are few enough. Returns how many. */
static int64_t choose_rows(int64_t rows, int64_t max_rows, uint64_t seed, int64_t *out)
{
    int64_t count = 0, wanted = max_rows > 0 && max_rows < rows ? max_rows : rows;
    gm_random r;
    gm_random_init(&r, gm_hash_u64(seed, 1));
    for (int64_t i = 0; i < rows && count < wanted; i++) /* selection sampling: each set of rows is as likely as any other */
        if (gm_random_below(&r, rows - i) < wanted - count) out[count++] = i;
    return count;
}

static gm_rc metric_now(shuffler *w, double *out, gm_err *err)
{
    gm_rc rc = w->predict(w->ctx, &w->table, w->predicted, err);
    if (!rc) rc = gm_metric_value(w->metric, &w->scores, w->scratch, out, err);
    return rc;
}

static void shuffle(int64_t *order, int64_t rows, uint64_t seed)
{
    gm_random r;
    gm_random_init(&r, seed);
    for (int64_t i = 0; i < rows; i++) order[i] = i;
    for (int64_t i = rows - 1; i > 0; i--) {
        int64_t other = gm_random_below(&r, i + 1), swap = order[i];
        order[i] = order[other];
        order[other] = swap;
    }
}

static gm_rc shuffled_value(shuffler *w, size_t column, uint64_t seed, double *out, gm_err *err)
{
    gm_column kept = w->table.columns[column];
    gm_table one = { .rows = w->table.rows, .columns_count = 1, .columns = &kept }, shuffled;
    shuffle(w->order, w->table.rows, seed);
    gm_rc rc = gm_table_take(&one, w->order, w->table.rows, w->scratch, &shuffled, err);
    if (!rc) {
        w->table.columns[column] = shuffled.columns[0];
        rc = metric_now(w, out, err);
        w->table.columns[column] = kept;
    }
    gm_arena_reset(w->scratch);
    return rc;
}

static gm_rc one_feature(shuffler *w, const char *feature, double baseline, int64_t repeats, gm_importance *out, gm_err *err)
{
    const gm_column *found = NULL;
    gm_rc rc = gm_table_column(&w->table, feature, &found, err);
    if (rc) return rc;
    uint64_t own = gm_hash_bytes(w->seed, feature, strlen(feature));
    double sum = 0, squares = 0, sign = w->metric->higher_is_better ? 1 : -1;
    for (int64_t r = 0; r < repeats; r++) {
        double value = 0;
        rc = shuffled_value(w, (size_t)(found - w->table.columns), gm_hash_u64(own, (uint64_t)r), &value, err);
        if (rc) return gm_err_ctx(err, rc, "shuffling \"%.80s\"", feature);
        double drop = sign * (baseline - value);
        sum += drop;
        squares += drop * drop;
    }
    double n = (double)repeats, mean = sum / n;
    *out = (gm_importance){ .feature = feature, .mean = mean, .std = n > 1 ? sqrt(fmax(0, squares - n * mean * mean) / (n - 1)) : 0 };
    return GM_OK;
}

static gm_rc importance_of(const gm_metric *m, const gm_scores *s, const gm_table *raw, const char *const *features,
                           size_t features_count, int64_t repeats, int64_t max_rows, uint64_t seed, gm_predict_fn predict,
                           void *ctx, gm_arena *a, gm_importance *out, gm_err *err)
{
    if (raw->rows != s->rows)
        return gm_err_set(err, GM_EINVALID, "the table has %lld rows, the scores have %lld", (long long)raw->rows, (long long)s->rows);
    if (repeats < 1) return gm_err_set(err, GM_EINVALID, "importance needs one repeat or more, got %lld", (long long)repeats);

    gm_arena *work = gm_arena_new(0), *scratch = gm_arena_new(0);
    int64_t width = s->task == GM_TASK_MULTICLASS ? s->classes : 1;
    int64_t *rows = work ? GM_ARENA_ARRAY(work, int64_t, s->rows) : NULL;
    gm_rc rc = rows && scratch ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for importance");
    shuffler w = { .metric = m, .scores = *s, .seed = seed, .predict = predict, .ctx = ctx, .scratch = scratch };
    int64_t count = rc ? 0 : choose_rows(s->rows, max_rows, seed, rows);
    if (!rc) rc = gm_table_take(raw, rows, count, work, &w.table, err);
    double *truth = rc ? NULL : GM_ARENA_ARRAY(work, double, count);
    if (!rc) {
        w.predicted = GM_ARENA_ARRAY(work, double, count * width);
        w.order = GM_ARENA_ARRAY(work, int64_t, count);
        if (!truth || !w.predicted || !w.order) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for importance");
    }
    double baseline = 0;
    if (!rc) {
        for (int64_t i = 0; i < count; i++) truth[i] = s->truth[rows[i]];
        w.scores.rows = count;
        w.scores.truth = truth;
        w.scores.predicted = w.predicted;
        w.scores.cache = NULL;
        rc = metric_now(&w, &baseline, err);
        gm_arena_reset(scratch);
    }
    for (size_t f = 0; f < features_count && !rc; f++) {
        rc = one_feature(&w, features[f], baseline, repeats, &out[f], err);
        if (!rc && !(out[f].feature = gm_arena_strdup(a, features[f]))) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for importance");
    }
    gm_arena_free(scratch);
    gm_arena_free(work);
    return rc;
}

gm_rc gm_permutation_importance(const gm_metric *m, const gm_scores *s, const gm_table *raw, const char *const *features,
                                size_t features_count, int64_t repeats, int64_t max_rows, uint64_t seed, gm_predict_fn predict,
                                void *ctx, gm_arena *a, gm_importance *out, gm_err *err)
{
    gm_rc rc = importance_of(m, s, raw, features, features_count, repeats, max_rows, seed, predict, ctx, a, out, err);
    bool sampled = max_rows > 0 && max_rows < s->rows; /* the sample may have missed a rare class: then take all rows */
    if (rc == GM_EINVALID && sampled) rc = importance_of(m, s, raw, features, features_count, repeats, 0, seed, predict, ctx, a, out, err);
    return rc;
}
