/* engine_check.c - before a kernel answers anybody it is compared with the plain walk on rows made from the model's own
 * thresholds.
 *
 * A wrong answer is worse than a slow one: a kernel that differs in a bit, on this processor and for these trees, is left out.
 * The rows are the same each time: for each feature a threshold of the model, or its neighbour below or above; in the second half
 * also NaN, infinities and values near zero, so that blocks with and without missing values are both seen. The rows are repeated
 * until they fill a block of the kernel.
 */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "model/engine_internal.h"
#include "model/trees_margin.h"

enum { HALF = 48, SINGLE_ROWS = 32, CELLS_MAX = 1 << 20 };

typedef struct checking {
    gm_tree_engine *e;
    gm_tree_engine_work *w;
    gm_matrix x[2];  /* without and with odd values; [rows, features], of which the first `distinct` are repeated */
    double *want[2]; /* [distinct, outputs] */
    double *got;     /* [rows, outputs] */
    int64_t distinct;
} checking;

static double odd_value(gm_random *r)
{
    static const double odds[] = { NAN, NAN, INFINITY, -INFINITY, 0.0, -0.0, 1e-36, -1e300 };
    return odds[gm_random_below(r, sizeof(odds) / sizeof(odds[0]))];
}

static double near_threshold(const gm_tree_engine *e, const gm_tree_engine_feature *f, gm_random *r)
{
    if (f->cuts_count == 0) return 0;
    int64_t cut = gm_random_below(r, f->cuts_count), side = gm_random_below(r, 3) - 1;
    double towards = side < 0 ? -INFINITY : INFINITY;
    if (e->t->float32) return side == 0 ? (double)f->cuts32[cut] : (double)nextafterf(f->cuts32[cut], (float)towards);
    return side == 0 ? f->cuts64[cut] : nextafter(f->cuts64[cut], towards);
}

static void fill(const gm_tree_engine *e, int64_t distinct, bool odd, gm_matrix *x)
{
    gm_random r;
    gm_random_init(&r, odd ? 2 : 1);
    for (int32_t i = 0; i < e->features_count; i++) {
        const gm_tree_engine_feature *f = &e->features[i];
        double *column = x->data + f->feature * x->rows;
        for (int64_t k = 0; k < distinct; k++)
            column[k] = odd && gm_random_below(&r, 4) == 0 ? odd_value(&r) : near_threshold(e, f, &r);
    }
    for (int32_t i = 0; i < e->categories_count; i++) {
        const gm_tree_engine_categories *c = &e->categories[i];
        double *column = x->data + c->feature * x->rows;
        for (int64_t k = 0; k < distinct; k++)
            column[k] = odd && gm_random_below(&r, 4) == 0 ? odd_value(&r) : (double)gm_random_below(&r, c->limit + 2);
    }
    for (int64_t c = 0; c < x->cols; c++)
        for (int64_t k = distinct; k < x->rows; k++) x->data[c * x->rows + k] = x->data[c * x->rows + k % distinct];
}

static bool same(const checking *c, int half, int64_t first, int64_t rows)
{
    size_t outputs = (size_t)c->e->t->outputs;
    for (int64_t r = 0; r < rows; r++) {
        const double *want = c->want[half] + (size_t)((first + r) % c->distinct) * outputs;
        if (memcmp(c->got + (size_t)r * outputs, want, outputs * sizeof(*want)) != 0) return false;
    }
    return true;
}

static bool agrees(const checking *c, const gm_tree_engine_kernel *k, int half)
{
    const gm_matrix *x = &c->x[half];
    size_t outputs = (size_t)c->e->t->outputs;
    memset(c->got, 0xff, (size_t)x->rows * outputs * sizeof(*c->got));
    if (k->block) {
        int32_t rows = x->rows < k->rows ? (int32_t)x->rows : k->rows;
        gm_tree_engine_run_block(c->e, k, c->w, x, 0, rows, c->got);
        if (!same(c, half, 0, rows)) return false;
    }
    if (!k->one) return true;
    int64_t singles =
        k->level > GM_TREE_ENGINE_SCALAR || c->distinct < SINGLE_ROWS ? c->distinct : SINGLE_ROWS; /* scalar: saves time */
    for (int64_t r = 0; r < singles; r++) gm_tree_engine_run_one(c->e, k, c->w, x, r, c->got + (size_t)r * outputs);
    return same(c, half, 0, singles);
}

static gm_rc prepare(checking *c, gm_arena *a, gm_err *err)
{
    const gm_trees *t = c->e->t;
    int64_t width = t->features > 0 ? t->features : 1, widest = width > t->outputs ? width : t->outputs;
    int64_t rows = CELLS_MAX / widest < 1                     ? 1
                   : CELLS_MAX / widest < GM_TREE_ENGINE_ROWS ? CELLS_MAX / widest
                                                              : GM_TREE_ENGINE_ROWS;
    c->distinct = rows < HALF ? rows : HALF;
    c->got = GM_ARENA_ARRAY(a, double, rows * t->outputs);
    double *plain = GM_ARENA_ARRAY(a, double, c->distinct *width);
    float *sums = GM_ARENA_ARRAY(a, float, c->distinct * t->outputs);
    bool good = c->got && plain && sums;
    for (int half = 0; half < 2 && good; half++) {
        c->x[half] = (gm_matrix){ .data = GM_ARENA_ARRAY(a, double, rows *width), .rows = rows, .cols = t->features };
        c->want[half] = GM_ARENA_ARRAY(a, double, c->distinct * t->outputs);
        good = c->x[half].data && c->want[half];
        if (!good) break;
        fill(c->e, c->distinct, half == 1, &c->x[half]);
        gm_trees_margin_rows(t, &c->x[half], 0, c->distinct, plain, sums, c->want[half]);
    }
    if (!good) return gm_err_set(err, GM_ENOMEM, "not enough memory for comparing kernels");
    return gm_tree_engine_work_new(c->e, a, &c->w, err);
}

gm_rc gm_tree_engine_check(gm_tree_engine *e, gm_err *err)
{
    if (e->plain) return GM_OK;
    gm_arena *a = gm_arena_new(0);
    checking c = { .e = e };
    gm_rc rc = a ? prepare(&c, a, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for comparing kernels");
    for (int32_t i = 0; !rc && i < gm_tree_engine_kernels_count; i++) {
        const gm_tree_engine_kernel *k = &gm_tree_engine_kernels[i];
        if (gm_tree_engine_usable(e, k) && !(agrees(&c, k, 0) && agrees(&c, k, 1))) e->left_out |= 1u << i;
    }
    gm_arena_free(a);
    return rc;
}
