/* engine.c - which kernel takes which rows. */
#include <stdlib.h>
#include <string.h>

#include "model/engine_internal.h"
#include "model/trees_margin.h"

/* Blocks pay from about so many rows on, until it is measured. */
enum { BLOCK_FROM = 24 };

const gm_tree_engine_kernel gm_tree_engine_kernels[] = {
    { "scalar", GM_TREE_ENGINE_SCALAR, gm_tree_engine_walk_one, gm_tree_engine_walk_block, 128 },
#if GM_TREE_ENGINE_X86
    { "avx2 bit slices", GM_TREE_ENGINE_AVX2, NULL, gm_tree_engine_avx2_block, 256 },
    { "avx512 64 trees", GM_TREE_ENGINE_AVX512, gm_tree_engine_avx512_one, NULL, 0 },
    { "avx512 bit slices", GM_TREE_ENGINE_AVX512, NULL, gm_tree_engine_avx512_block, 512 },
#endif
};
const int32_t gm_tree_engine_kernels_count = sizeof(gm_tree_engine_kernels) / sizeof(gm_tree_engine_kernels[0]);

static const char *const level_names[] = { "scalar", "avx2", "avx512" };

const char *gm_tree_engine_level_name(gm_tree_engine_level l)
{
    gm_assert((unsigned)l < sizeof(level_names) / sizeof(level_names[0]));
    return level_names[l];
}

static gm_tree_engine_level level_of_processor(void)
{
#if GM_TREE_ENGINE_X86
    __builtin_cpu_init();
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512vbmi");
    if (avx512) return GM_TREE_ENGINE_AVX512;
    if (__builtin_cpu_supports("avx2")) return GM_TREE_ENGINE_AVX2;
#endif
    return GM_TREE_ENGINE_SCALAR;
}

gm_tree_engine_level gm_tree_engine_level_here(void)
{
    gm_tree_engine_level here = level_of_processor();
    const char *wish = getenv("GRISTMILL_ENGINE");
    for (int l = 0; wish && l < (int)here; l++)
        if (strcmp(wish, level_names[l]) == 0) return (gm_tree_engine_level)l;
    return here;
}

/* ---- making ------------------------------------------------------------------------------------------------ */

bool gm_tree_engine_usable(const gm_tree_engine *e, const gm_tree_engine_kernel *k)
{
    if (k->level > e->level) return false;
    return k->level != GM_TREE_ENGINE_AVX512 || !k->one || e->columns <= 256;
}

void gm_tree_engine_choose(gm_tree_engine *e)
{
    if (e->left_out & 1u) e->plain = true; /* not even plain C agrees: the plain walk stays */
    e->one = e->block = NULL;
    for (int32_t i = 0; i < gm_tree_engine_kernels_count; i++) {
        if (!gm_tree_engine_usable(e, &gm_tree_engine_kernels[i]) || (e->left_out >> i & 1)) continue;
        if (gm_tree_engine_kernels[i].one) e->one = &gm_tree_engine_kernels[i];
        if (gm_tree_engine_kernels[i].block) e->block = &gm_tree_engine_kernels[i];
    }
    e->block_from = BLOCK_FROM;
}

gm_rc gm_tree_engine_new(const gm_trees *t, gm_tree_engine_level level, gm_arena *a, gm_tree_engine **out, gm_err *err)
{
    gm_tree_engine *e = GM_ARENA_NEW(a, gm_tree_engine);
    gm_arena *scratch = gm_arena_new(0);
    gm_rc rc = e && scratch ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for preparing a model's trees");
    if (!rc) {
        *e = (gm_tree_engine){ .t = t, .level = level };
        rc = gm_tree_engine_build(e, a, scratch, err);
    }
    if (!rc && !e->plain && level > GM_TREE_ENGINE_SCALAR) rc = gm_tree_engine_pad(e, a, scratch, err);
    gm_arena_free(scratch);
    if (!rc) gm_tree_engine_choose(e);
    if (!rc) rc = gm_tree_engine_check(e, err);
    if (rc) return gm_err_ctx(err, rc, "preparing %d trees", t->trees_count);
    if (e->left_out) gm_tree_engine_choose(e);
    *out = e;
    return GM_OK;
}

/* Rows that the plain walk takes at a time: what fits a few MB. */
static int64_t plain_rows(const gm_tree_engine *e)
{
    int64_t rows = (1 << 18) / (e->t->features > 0 ? e->t->features : 1);
    return rows < 1 ? 1 : rows > 128 ? 128 : rows;
}

static gm_rc work_new(const gm_tree_engine *e, bool blocks, gm_arena *a, gm_tree_engine_work **out, gm_err *err)
{
    gm_tree_engine_work *w = GM_ARENA_NEW(a, gm_tree_engine_work);
    size_t columns = e->columns > 256 ? (size_t)e->columns : 256, outputs = (size_t)e->t->outputs;
    bool good = w != NULL;
    if (good) *w = (gm_tree_engine_work){ 0 };
    if (good && e->plain) {
        size_t rows = (size_t)plain_rows(e);
        w->plain = gm_tree_engine_alloc(a, rows * (size_t)(e->t->features > 0 ? e->t->features : 1), sizeof(double));
        w->sums = gm_tree_engine_alloc(a, rows * outputs, sizeof(float));
        good = w->plain && w->sums;
    } else if (good) {
        w->row = gm_tree_engine_alloc(a, columns, 1);
        w->sums = gm_tree_engine_alloc(a, blocks ? outputs * GM_TREE_ENGINE_ROWS : outputs, sizeof(double));
        good = w->row && w->sums;
    }
    if (good && blocks && !e->plain) {
        uint32_t masks = e->full.count > e->clean.count ? e->full.count : e->clean.count;
        w->q = gm_tree_engine_alloc(a, (size_t)(e->columns > 0 ? e->columns : 1) * GM_TREE_ENGINE_ROWS, 1);
        w->packed = gm_tree_engine_alloc(a, (size_t)(e->columns > 0 ? e->columns : 1), 128);
        w->masks = gm_tree_engine_alloc(a, masks, GM_TREE_ENGINE_ROWS / 8);
        w->values = gm_tree_engine_alloc(a, GM_TREE_ENGINE_ROWS, sizeof(float));
        w->wide = gm_tree_engine_alloc(a, GM_TREE_ENGINE_ROWS, sizeof(double));
        w->ranks = gm_tree_engine_alloc(a, GM_TREE_ENGINE_ROWS, sizeof(uint32_t));
        good = w->q && w->packed && w->masks && w->values && w->wide && w->ranks;
    }
    if (!good) return gm_err_set(err, GM_ENOMEM, "not enough memory to work with a model's trees");
    *out = w;
    return GM_OK;
}

gm_rc gm_tree_engine_work_new(const gm_tree_engine *e, gm_arena *a, gm_tree_engine_work **out, gm_err *err)
{
    return work_new(e, true, a, out, err);
}

gm_rc gm_tree_engine_work_for(const gm_tree_engine *e, int64_t rows, gm_arena *a, gm_tree_engine_work **out, gm_err *err)
{
    return work_new(e, rows >= e->block_from, a, out, err);
}

/* ---- running ----------------------------------------------------------------------------------------------- */

void gm_tree_engine_run_one(const gm_tree_engine *e, const gm_tree_engine_kernel *k, gm_tree_engine_work *w, const gm_matrix *x,
                            int64_t first, double *out)
{
    gm_tree_engine_quantize_row(e, w, x, first);
    k->one(e, w, out);
}

void gm_tree_engine_run_block(const gm_tree_engine *e, const gm_tree_engine_kernel *k, gm_tree_engine_work *w, const gm_matrix *x,
                              int64_t first, int32_t rows, double *out)
{
    bool clean = gm_tree_engine_quantize_block(e, w, x, first, rows, k->rows);
    k->block(e, w, rows, clean, out);
}

static void run_plain(const gm_tree_engine *e, gm_tree_engine_work *w, const gm_matrix *x, double *out)
{
    int64_t most = plain_rows(e);
    for (int64_t first = 0; first < x->rows; first += most) {
        int64_t rows = x->rows - first < most ? x->rows - first : most;
        gm_trees_margin_rows(e->t, x, first, rows, w->plain, w->sums, out + first * e->t->outputs);
    }
}

void gm_tree_engine_margin(const gm_tree_engine *e, gm_tree_engine_work *w, const gm_matrix *x, double *out)
{
    gm_assert(x->cols == e->t->features);
    if (e->plain) {
        run_plain(e, w, x, out);
        return;
    }
    for (int64_t first = 0; first < x->rows;) {
        int64_t left = x->rows - first;
        int32_t rows = left < e->block->rows ? (int32_t)left : e->block->rows;
        if (rows < e->block_from)
            for (int32_t r = 0; r < rows; r++)
                gm_tree_engine_run_one(e, e->one, w, x, first + r, out + (first + r) * e->t->outputs);
        else
            gm_tree_engine_run_block(e, e->block, w, x, first, rows, out + first * e->t->outputs);
        first += rows;
    }
}
