/* foreign_trees.c - somebody else's tree ensemble in our own engine, where its answers are ONNX Runtime's.
 *
 * The graph stays the definition. Its trees are used when, on rows made around the model's own thresholds (and missing values and
 * infinities), every answer is within 1e-6, of its size where it is above 1, and no row changes its class; else ONNX Runtime predicts.
 */
#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "base/random.h"
#include "pipe/foreign.h"

enum { ROWS = 256, FEATURES_MAX = 4096 };
static const double tolerance = 1e-6;

static double odd_value(gm_random *r)
{
    static const double odds[] = { NAN, NAN, INFINITY, -INFINITY, 0.0, 1e30 };
    return odds[gm_random_below(r, sizeof(odds) / sizeof(odds[0]))];
}

/* A threshold of some split, or its neighbour below or above, to its feature's place in the row. */
static void put_threshold(const gm_trees *t, gm_random *r, int64_t row, double *const *columns)
{
    const gm_tree *tree = &t->trees[gm_random_below(r, t->trees_count)];
    const gm_tree_node *n = &tree->nodes[gm_random_below(r, tree->count)];
    if (n->feature < 0) return;
    int64_t side = gm_random_below(r, 3) - 1;
    double towards = side < 0 ? -INFINITY : INFINITY, v = n->threshold;
    if (side != 0) v = t->float32 ? (double)nextafterf((float)v, (float)towards) : nextafter(v, towards);
    columns[n->feature][row] = v;
}

/* values [ROWS] of each of the scorer's inputs; of_feature[f]: those of feature f */
static void make_rows(const gm_trees *t, double *const *values, size_t inputs, double *const *of_feature)
{
    gm_random r;
    gm_random_init(&r, 1);
    for (int64_t row = 0; row < ROWS; row++) {
        for (size_t i = 0; i < inputs; i++) values[i][row] = gm_random_normal(&r);
        for (int64_t k = 0; k < 4 * (int64_t)inputs && t->trees_count > 0; k++) put_threshold(t, &r, row, of_feature);
        for (size_t i = 0; row % 2 && i < inputs; i++)
            if (gm_random_below(&r, 6) == 0) values[i][row] = odd_value(&r);
    }
}

static int64_t class_of(const gm_scorer *s, const double *p)
{
    int64_t best = 0;
    if (s->task == GM_TASK_BINARY) return p[0] >= 0.5;
    for (int64_t k = 1; k < s->outputs && s->task == GM_TASK_MULTICLASS; k++)
        if (p[k] > p[best]) best = k;
    return best;
}

static bool same_answer(const gm_scorer *s, const double *ours, const double *theirs)
{
    for (int64_t k = 0; k < s->outputs; k++) {
        double scale = fabs(theirs[k]) > 1 ? fabs(theirs[k]) : 1;
        if (!(fabs(ours[k] - theirs[k]) <= tolerance * scale)) return false;
    }
    return class_of(s, ours) == class_of(s, theirs);
}

static bool same_answers(const gm_scorer *s, gm_arena *scratch)
{
    gm_table t = { .rows = ROWS, .columns_count = s->inputs_count, .columns = GM_ARENA_ARRAY(scratch, gm_column, s->inputs_count) };
    const gm_trees *trees = gm_model_trees(s->trees);
    double **values = GM_ARENA_ARRAY(scratch, double *, s->inputs_count), *theirs = NULL;
    double **of_feature = GM_ARENA_ARRAY(scratch, double *, trees->features);
    gm_matrix x = { .data = GM_ARENA_ARRAY(scratch, double, ROWS * (int64_t)trees->features), .rows = ROWS, .cols = trees->features };
    double *ours = GM_ARENA_ARRAY(scratch, double, ROWS * s->outputs);
    int64_t width = 0;
    if (!t.columns || !values || !of_feature || !x.data || !ours) return false;
    for (size_t i = 0; i < s->inputs_count; i++) {
        if (!(values[i] = GM_ARENA_ARRAY(scratch, double, ROWS))) return false;
        t.columns[i] = (gm_column){ .name = s->inputs[i], .type = GM_TYPE_FLOAT, .rows = ROWS, .f64 = values[i] };
    }
    for (int32_t f = 0; f < trees->features; f++) of_feature[f] = values[s->trees_inputs[f]];
    make_rows(trees, values, s->inputs_count, of_feature);
    for (int32_t f = 0; f < trees->features; f++) memcpy(x.data + (int64_t)f * ROWS, of_feature[f], ROWS * sizeof(double));
    if (gm_ort_predict(s->ort, &t, s->ort_output, scratch, &theirs, &width, NULL) || gm_model_predict(s->trees, &x, ours, NULL)) return false;
    int64_t skip = s->task == GM_TASK_BINARY && width == 2 ? 1 : 0;
    if (width != s->outputs && !skip) return false;
    for (int64_t i = 0; i < ROWS; i++)
        if (!same_answer(s, ours + i * s->outputs, theirs + i * width + skip)) return false;
    return true;
}

/* Which of the scorer's inputs each feature is. */
static bool find_inputs(gm_scorer *s, const gm_onnx_trees *o, gm_arena *a)
{
    size_t features = (size_t)o->trees->features;
    if (!(s->trees_inputs = GM_ARENA_ARRAY(a, size_t, features))) return false;
    for (size_t f = 0; f < features; f++) {
        size_t i = 0;
        while (i < s->inputs_count && strcmp(s->inputs[i], o->inputs[f]) != 0) i++;
        if (i == s->inputs_count) return false;
        s->trees_inputs[f] = i;
    }
    return true;
}

void gm_foreign_trees(gm_scorer *s, const char *path, gm_arena *a)
{
    gm_buf file = { 0 };
    gm_onnx_trees o = { 0 };
    gm_arena *scratch = gm_arena_new(0);
    bool good = scratch && gm_fs_read(path, 0, &file, NULL) == GM_OK &&
                gm_trees_read_onnx(gm_buf_str(&file), file.len, s->ort_output, a, &o, NULL) == GM_OK;
    gm_buf_clear(&file);
    good = good && !o.matrix && o.trees->features <= FEATURES_MAX && o.trees->outputs == s->outputs && find_inputs(s, &o, a);
    s->trees = good ? gm_model_of_trees(o.trees, a) : NULL;
    if (s->trees && !same_answers(s, scratch)) s->trees = NULL;
    gm_arena_free(scratch);
}
