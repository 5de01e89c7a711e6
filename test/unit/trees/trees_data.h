/* trees_data.h - for the tests of this folder and of unit/train: made-up tables with the same bits every time. */
#ifndef GM_TEST_TREES_DATA_H
#define GM_TEST_TREES_DATA_H

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/engine.h"
#include "train/trainer.h"

typedef struct made {
    gm_matrix x;
    double *y;
} made;

/* rows x cols of normal values; a share `missing` of them NaN, `infinite` of them +-inf, every third column whole numbers 0..9 with zeros. The target
 * follows from the first columns with noise: a class 0 .. classes-1, or a value when classes is 0. */
static inline made make_data(gm_arena *a, uint64_t seed, int64_t rows, int64_t cols, double missing, double infinite, int64_t classes)
{
    gm_random r;
    gm_random_init(&r, seed);
    made m = { .x = { .rows = rows, .cols = cols } };
    m.x.data = GM_ARENA_ARRAY(a, double, rows * cols);
    m.y = GM_ARENA_ARRAY(a, double, rows);
    for (int64_t c = 0; c < cols; c++)
        for (int64_t i = 0; i < rows; i++) m.x.data[c * rows + i] = c % 3 == 2 ? (double)gm_random_below(&r, 10) : gm_random_normal(&r);
    for (int64_t i = 0; i < rows; i++) {
        double s = m.x.data[i] + 0.7 * m.x.data[(1 % cols) * rows + i] * m.x.data[i] + 0.2 * m.x.data[(2 % cols) * rows + i] - 0.9 + 0.8 * gm_random_normal(&r);
        m.y[i] = classes == 0 ? s : s < 0 ? 0 : classes == 2 || s < 1 ? 1 : 2;
    }
    for (int64_t i = 0; i < rows * cols; i++) {
        double u = gm_random_double(&r);
        if (u < missing) m.x.data[i] = NAN;
        else if (u < missing + infinite) m.x.data[i] = gm_random_u64(&r) & 1 ? INFINITY : -INFINITY;
    }
    return m;
}

/* The tree engine gives these margins, bit for bit: at every level that this processor has, all rows at once and 300 of them singly. */
static inline bool engine_agrees(const gm_trees *t, const gm_matrix *x, const double *want, gm_arena *a)
{
    size_t outputs = (size_t)t->outputs, values = (size_t)x->rows * outputs;
    double *got = GM_ARENA_ARRAY(a, double, values), *row = GM_ARENA_ARRAY(a, double, x->cols);
    bool same = got && row;
    for (gm_tree_engine_level l = GM_TREE_ENGINE_SCALAR; same && l <= gm_tree_engine_level_here(); l++) {
        gm_tree_engine *e = NULL;
        gm_tree_engine_work *w = NULL;
        same = !gm_tree_engine_new(t, l, a, &e, NULL) && !gm_tree_engine_work_new(e, a, &w, NULL);
        if (!same) break;
        gm_tree_engine_margin(e, w, x, got);
        same = memcmp(got, want, values * sizeof(*got)) == 0;
        for (int64_t r = 0; same && r < 300; r++) {
            for (int64_t c = 0; c < x->cols; c++) row[c] = x->data[c * x->rows + r];
            gm_tree_engine_margin(e, w, &(gm_matrix){ .data = row, .rows = 1, .cols = x->cols }, got);
            same = memcmp(got, want + (size_t)r * outputs, outputs * sizeof(*got)) == 0;
        }
    }
    return same;
}

static inline gm_train_data train_data(const made *m, const made *valid, int64_t classes)
{
    return (gm_train_data){ .x = &m->x, .y = m->y, .valid_x = valid ? &valid->x : NULL, .valid_y = valid ? valid->y : NULL, .classes = classes,
                            .task = classes == 0 ? GM_TASK_REGRESSION : classes == 2 ? GM_TASK_BINARY : GM_TASK_MULTICLASS };
}

/* The trainer and a conf of its defaults, changed by "name", "value" pairs up to NULL. In arena. */
static inline void *make_conf(const gm_trainer *t, gm_arena *a, const char *const *changes)
{
    gm_errs errs = { .arena = a };
    void *conf = gm_arena_alloc(a, 1, t->item.conf_size);
    if (gm_params_read(t->item.params, NULL, NULL, a, conf, &errs)) abort();
    for (; changes && *changes; changes += 2) {
        const gm_param *p = t->item.params;
        while (p->type != GM_PARAM_END && strcmp(p->name, changes[0]) != 0) p++;
        if (p->type == GM_PARAM_END || gm_param_parse(p, changes[1], a, conf, NULL)) abort();
    }
    return conf;
}

static inline const gm_trainer *trainer_named(const char *name)
{
    const gm_item *item = NULL;
    if (gm_registry_find(&gm_trainers, name, &item, NULL)) abort();
    return (const gm_trainer *)item;
}

#endif
