/* engine_measure.c - which kernel is fastest here, for one row, few and many; and what was found, as JSON. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/engine_internal.h"

enum { SMALL_ROWS = 64, LARGE_ROWS = 4096, REPEATS_MIN = 3, HOPELESS = 2 };

/* CPU time of this thread: what a kernel takes, whoever else is running. */
static double now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The first `count` rows of x. */
static void run_rows(const gm_tree_engine *e, const gm_tree_engine_kernel *k, bool blocks, gm_tree_engine_work *w,
                     const gm_matrix *x, int64_t count, double *out)
{
    if (!blocks) {
        for (int64_t r = 0; r < count; r++) gm_tree_engine_run_one(e, k, w, x, r, out + r * e->t->outputs);
        return;
    }
    for (int64_t first = 0; first < count; first += k->rows) {
        int32_t rows = count - first < k->rows ? (int32_t)(count - first) : k->rows;
        gm_tree_engine_run_block(e, k, w, x, first, rows, out + first * e->t->outputs);
    }
}

typedef struct measure {
    gm_tree_engine *e;
    gm_tree_engine_work *w;
    gm_matrix small, large; /* copies: rows from 0           */
    int64_t distinct;       /* the rows of large are these, again and again */
    double *want, *got;     /* [distinct, outputs], [large.rows, outputs] */
    double share_us;
} measure;

/* The first `rows` rows of x, repeated as often as it takes. */
static gm_rc take_rows(const gm_matrix *x, int64_t rows, gm_arena *a, gm_matrix *out, gm_err *err)
{
    *out = (gm_matrix){ .data = GM_ARENA_ARRAY(a, double, rows * x->cols), .rows = rows, .cols = x->cols };
    if (!out->data) return gm_err_set(err, GM_ENOMEM, "not enough memory for measuring %lld rows", (long long)rows);
    for (int64_t c = 0; c < x->cols; c++)
        for (int64_t r = 0; r < rows; r++) out->data[c * rows + r] = x->data[c * x->rows + r % x->rows];
    return GM_OK;
}

/* Least microseconds a row over a few runs of the first `rows` rows, at most share_us of them together; after one run when it is hopeless
 * to be faster than beat_us. */
static double time_rows(const measure *m, const gm_tree_engine_kernel *k, bool blocks, int64_t rows, double beat_us)
{
    double least = 1e30, spent = 0;
    for (int run = 0; run < REPEATS_MIN || spent < m->share_us; run++) {
        double before = now_us();
        run_rows(m->e, k, blocks, m->w, blocks ? &m->large : &m->small, rows, m->got);
        double took = now_us() - before;
        if (took < least) least = took;
        spent += took + 0.1; /* ends even where the clock stands */
        if (spent > 4 * m->share_us || least > HOPELESS * beat_us * (double)rows) break;
    }
    return least / (double)rows;
}

/* A whole block, where there are so many rows. */
static int64_t block_rows(const measure *m, const gm_tree_engine_kernel *k)
{
    return k->rows < m->large.rows ? k->rows : m->large.rows;
}

/* Same bits as the plain walk on each row, singly or in blocks? */
static bool agrees(const measure *m, const gm_tree_engine_kernel *k, bool blocks)
{
    size_t outputs = (size_t)m->e->t->outputs;
    int64_t rows = !blocks ? m->small.rows : k->rows > m->distinct ? block_rows(m, k) : m->distinct;
    memset(m->got, 0xff, (size_t)rows * outputs * sizeof(*m->got));
    run_rows(m->e, k, blocks, m->w, blocks ? &m->large : &m->small, rows, m->got);
    for (int64_t r = 0; r < rows; r++)
        if (memcmp(m->got + (size_t)r * outputs, m->want + (size_t)(r % m->distinct) * outputs, outputs * sizeof(*m->want)) != 0) return false;
    return true;
}

static void choose_one(measure *m)
{
    gm_tree_engine *e = m->e;
    const gm_tree_engine_kernel *best = NULL;
    double least = 1e30;
    for (int32_t i = gm_tree_engine_kernels_count; i-- > 0;) { /* the fastest first, as a rule */
        const gm_tree_engine_kernel *k = &gm_tree_engine_kernels[i];
        if (!k->one || !gm_tree_engine_usable(e, k) || (e->left_out >> i & 1)) continue;
        double us = time_rows(m, k, false, m->small.rows, least);
        if (us >= least) continue;
        least = us;
        best = k;
    }
    if (!best) return;
    e->one = best;
    e->one_us = least;
}

static void choose_block(measure *m)
{
    gm_tree_engine *e = m->e;
    const gm_tree_engine_kernel *best = NULL;
    double least = 1e30, small = 0;
    for (int32_t i = gm_tree_engine_kernels_count; i-- > 0;) {
        const gm_tree_engine_kernel *k = &gm_tree_engine_kernels[i];
        if (!k->block || !gm_tree_engine_usable(e, k) || (e->left_out >> i & 1)) continue;
        double us = time_rows(m, k, true, block_rows(m, k), least);
        if (us >= least) continue;
        least = us;
        best = k;
    }
    if (!best) return;
    e->block = best;
    e->large_us = least;
    small = time_rows(m, best, true, SMALL_ROWS, 1e30) * SMALL_ROWS;
    /* One block of up to SMALL_ROWS takes about as long whatever their number: blocks pay where single rows take longer. */
    double from = e->one_us > 0 ? small / e->one_us : 1;
    e->block_from = from < 2 ? 2 : from > SMALL_ROWS ? SMALL_ROWS + 1 : (int32_t)from;
    double singly = e->one_us * SMALL_ROWS;
    e->small_us = (small < singly ? small : singly) / SMALL_ROWS;
}

gm_rc gm_tree_engine_measure(gm_tree_engine *e, const gm_matrix *rows, int64_t budget_ms, gm_err *err)
{
    if (rows->cols != e->t->features || rows->rows < 1)
        return gm_err_set(err, GM_EINVALID, "%lld rows of %lld features cannot measure a model of %d", (long long)rows->rows,
                          (long long)rows->cols, e->t->features);
    if (e->plain) return GM_OK;
    gm_arena *a = gm_arena_new(0);
    measure m = { .e = e, .share_us = (double)budget_ms * 1000 / (2 * gm_tree_engine_kernels_count + 2) };
    gm_rc rc = a ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for measuring a model");
    if (!rc) rc = gm_tree_engine_work_new(e, a, &m.w, err);
    if (!rc) rc = take_rows(rows, SMALL_ROWS, a, &m.small, err);
    if (!rc) rc = take_rows(rows, rows->rows < 512 ? 512 : rows->rows < LARGE_ROWS ? rows->rows : LARGE_ROWS, a, &m.large, err);
    if (!rc) {
        m.distinct = rows->rows < m.large.rows ? rows->rows : m.large.rows;
        m.want = GM_ARENA_ARRAY(a, double, m.distinct * e->t->outputs);
        m.got = GM_ARENA_ARRAY(a, double, m.large.rows * e->t->outputs);
        if (!m.want || !m.got) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for measuring a model");
    }
    gm_matrix distinct = { 0 };
    if (!rc) rc = take_rows(rows, m.distinct, a, &distinct, err);
    if (!rc) rc = gm_trees_margin(e->t, &distinct, m.want, err);
    if (!rc) {
        for (int32_t i = 0; i < gm_tree_engine_kernels_count; i++) {
            const gm_tree_engine_kernel *k = &gm_tree_engine_kernels[i];
            if (!gm_tree_engine_usable(e, k) || (e->left_out >> i & 1)) continue;
            if ((k->one && !agrees(&m, k, false)) || (k->block && !agrees(&m, k, true))) e->left_out |= 1u << i;
        }
        gm_tree_engine_choose(e);
        choose_one(&m);
        choose_block(&m);
    }
    gm_arena_free(a);
    return rc;
}

/* ---- what was found ---------------------------------------------------------------------------------------- */

static void json_size(gm_json *j, const char *key, const char *kernel, double us)
{
    gm_json_key(j, key);
    gm_json_object(j);
    gm_json_kstr(j, "kernel", kernel);
    if (us > 0) {
        gm_json_kdouble(j, "us", us);
        gm_json_kdouble(j, "rows_per_s", 1e6 / us);
    }
    gm_json_object_end(j);
}

void gm_tree_engine_json(const gm_tree_engine *e, gm_json *j)
{
    const char *plain = "plain walk";
    int32_t padded = 0;
    for (int32_t i = 0; i < e->t->trees_count; i++) padded += !e->plain && e->trees[i].kind == TREE_PADDED;
    gm_json_object(j);
    gm_json_kstr(j, "level", gm_tree_engine_level_name(e->level));
    json_size(j, "one_row", e->plain ? plain : e->one->name, e->one_us);
    json_size(j, "small", e->plain ? plain : e->block_from <= SMALL_ROWS ? e->block->name : e->one->name, e->small_us);
    json_size(j, "large", e->plain ? plain : e->block->name, e->large_us);
    gm_json_kint(j, "blocks_from_rows", e->block_from);
    gm_json_kint(j, "cuts", e->wide_ranks ? 16 : 8);
    gm_json_kint(j, "columns", e->columns);
    gm_json_kint(j, "trees", e->t->trees_count);
    gm_json_kint(j, "trees_walked", e->level > GM_TREE_ENGINE_SCALAR ? e->t->trees_count - padded : e->t->trees_count);
    gm_json_key(j, "left_out");
    gm_json_array(j);
    for (int32_t i = 0; i < gm_tree_engine_kernels_count; i++) {
        if (!(e->left_out >> i & 1)) continue;
        gm_json_object(j);
        gm_json_kstr(j, "kernel", gm_tree_engine_kernels[i].name);
        gm_json_kstr(j, "reason", "its margins were not those of the plain walk, bit for bit");
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_object_end(j);
}
