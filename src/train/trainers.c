/* trainers.c - the table of trainers (see trainer_list.h), and the checks before any of them runs. */
#include <inttypes.h>

#include "base/clock.h"
#include "train/trainer.h"
#include "train/trainer_list.h"

#define X(trainer) extern const gm_trainer trainer;
GM_TRAINER_LIST(X)
#undef X

#define X(trainer) &trainer.item,
static const gm_item *const items[] = { GM_TRAINER_LIST(X) };
#undef X

const gm_registry gm_trainers = { .kind = "trainer", .items = items, .count = sizeof(items) / sizeof(items[0]) };

/* Class indices below `classes`, each training class present at least once for binary; regression: finite values. */
static gm_rc check_target(const gm_train_data *d, const double *y, int64_t rows, const char *what, gm_err *err)
{
    for (int64_t i = 0; i < rows; i++) {
        if (!isfinite(y[i])) return gm_err_set(err, GM_EINVALID, "the target of %s row %" PRId64 " is not a finite number", what, i);
        if (d->task != GM_TASK_REGRESSION && !(y[i] >= 0 && y[i] < (double)d->classes && y[i] == floor(y[i])))
            return gm_err_set(err, GM_EINVALID, "the target of %s row %" PRId64 " is %g, not a class below %" PRId64, what, i, y[i], d->classes);
    }
    return GM_OK;
}

static gm_rc check_two_classes(const gm_train_data *d, gm_err *err)
{
    if (d->task == GM_TASK_REGRESSION) return GM_OK;
    for (int64_t i = 1; i < d->x->rows; i++)
        if (d->y[i] != d->y[0]) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "all %" PRId64 " training rows have the same class", d->x->rows);
    gm_err_hint(err, "Check the target and the split: a model needs rows of at least two classes.");
    return rc;
}

static gm_rc check_complete(const gm_matrix *x, const char *what, gm_err *err)
{
    for (int64_t c = 0; c < x->cols; c++)
        for (int64_t r = 0; r < x->rows; r++) {
            if (isfinite(x->data[c * x->rows + r])) continue;
            gm_rc rc = gm_err_set(err, GM_EINVALID, "feature \"%s\" of %s row %" PRId64 " is missing or infinite", x->names ? x->names[c] : "?", what, r);
            gm_err_hint(err, "Linear trainers need every value: impute the feature, and clip it if it can be infinite.");
            return rc;
        }
    return GM_OK;
}

gm_rc gm_train_check(const gm_trainer *t, const gm_train_data *d, gm_err *err)
{
    gm_assert(d->x && d->y && d->task != GM_TASK_UNKNOWN);
    gm_assert(!d->valid_x == !d->valid_y);
    if (!(t->tasks & 1u << d->task)) {
        gm_rc rc = gm_err_set(err, GM_EINVALID, "trainer \"%s\" cannot do %s", t->item.name,
                              d->task == GM_TASK_REGRESSION ? "regression" : d->task == GM_TASK_BINARY ? "binary classification" : "multiclass classification");
        gm_err_hint(err, "lightgbm and xgboost do every task; logistic classifies, linear does regression.");
        return rc;
    }
    if (d->x->rows < 1 || d->x->cols < 1)
        return gm_err_set(err, GM_EINVALID, "nothing to train on: %" PRId64 " rows, %" PRId64 " features", d->x->rows, d->x->cols);
    if (d->task != GM_TASK_REGRESSION && d->classes < 2) return gm_err_set(err, GM_EINVALID, "%" PRId64 " classes: at least two are needed", d->classes);
    if (d->valid_x && d->valid_x->cols != d->x->cols)
        return gm_err_set(err, GM_EINVALID, "%" PRId64 " validation features, %" PRId64 " in training", d->valid_x->cols, d->x->cols);
    gm_rc rc = check_target(d, d->y, d->x->rows, "training", err);
    if (!rc && d->valid_x) rc = check_target(d, d->valid_y, d->valid_x->rows, "validation", err);
    if (!rc) rc = check_two_classes(d, err);
    if (!rc && t->wants_scaled) rc = check_complete(d->x, "training", err);
    return rc;
}

gm_rc gm_train(const gm_trainer *t, const void *conf, const gm_train_data *d, const gm_train_options *o, gm_arena *a,
               gm_train_result *out, gm_err *err)
{
    gm_train_result result = { 0 };
    int64_t start_us = gm_monotonic_us();
    gm_rc rc = gm_train_check(t, d, err);
    if (!rc) rc = t->train(conf, d, o, a, &result, err);
    if (rc) return gm_err_ctx(err, rc, "training with %s", t->item.name);
    result.seconds = (double)(gm_monotonic_us() - start_us) * 1e-6;
    *out = result;
    return GM_OK;
}
