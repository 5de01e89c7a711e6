/* engine_walk.c - the portable kernel: eight walks at a time, without branches, in plain C.
 *
 * A step is node = child(node) - (q[column(node)] > cut(node)): the cut is the lowest byte of a node and the child stands above
 * it, so that subtracting q borrows the one from the child. A leaf is its own child, so that all walks of a group make as many
 * steps as the deepest of them needs, and eight independent chains keep the processor busy. Trees deeper than STEADY are walked
 * alone, leaf by leaf.
 */
#include <string.h>

#include "model/engine_internal.h"

enum { TOGETHER = 8, STEADY = 48, BLOCK_ROWS = 128 };

static inline uint32_t step4(const uint32_t *nodes, uint32_t at, const uint8_t *q, size_t stride)
{
    uint32_t n = nodes[at];
    return (n - q[(n >> 24) * stride]) >> 8 & 65535u;
}

static inline uint32_t step8(const uint64_t *nodes, uint32_t at, const uint8_t *q, size_t stride)
{
    uint64_t n = nodes[at];
    return (uint32_t)((n - q[(n >> 40) * stride]) >> 8);
}

uint32_t gm_tree_engine_walk_tree(const gm_tree_engine *e, const gm_tree_engine_tree *t, const uint8_t *q, size_t stride)
{
    uint32_t i = 0;
    for (uint32_t last = UINT32_MAX; i != last;) {
        last = i;
        if (e->compact) i = step4(e->nodes4 + t->node, i, q, stride);
        else i = step8(e->nodes8 + t->node, i, q, stride);
    }
    return t->node + i;
}

/* ---- one row ----------------------------------------------------------------------------------------------- */

static int32_t deepest(const gm_tree_engine_tree *t, int32_t count)
{
    int32_t depth = 0;
    for (int32_t i = 0; i < count; i++) depth = t[i].depth > depth ? t[i].depth : depth;
    return depth;
}

/* leaf [TOGETHER]: nodes of the leaves that one row reaches in trees t[0 .. TOGETHER). */
static void walk_trees4(const gm_tree_engine *e, const gm_tree_engine_tree *t, int32_t depth, const uint8_t *q, uint32_t *leaf)
{
    const uint32_t *nodes[TOGETHER];
    uint32_t at[TOGETHER] = { 0 };
    for (int32_t k = 0; k < TOGETHER; k++) nodes[k] = e->nodes4 + t[k].node;
    for (int32_t d = 0; d < depth; d++) {
        UNROLL
        for (int32_t k = 0; k < TOGETHER; k++) at[k] = step4(nodes[k], at[k], q, 1);
    }
    UNROLL
    for (int32_t k = 0; k < TOGETHER; k++) leaf[k] = t[k].node + at[k];
}

static void walk_trees8(const gm_tree_engine *e, const gm_tree_engine_tree *t, int32_t depth, const uint8_t *q, uint32_t *leaf)
{
    const uint64_t *nodes[TOGETHER];
    uint32_t at[TOGETHER] = { 0 };
    for (int32_t k = 0; k < TOGETHER; k++) nodes[k] = e->nodes8 + t[k].node;
    for (int32_t d = 0; d < depth; d++) {
        UNROLL
        for (int32_t k = 0; k < TOGETHER; k++) at[k] = step8(nodes[k], at[k], q, 1);
    }
    UNROLL
    for (int32_t k = 0; k < TOGETHER; k++) leaf[k] = t[k].node + at[k];
}

/* The leaves of up to TOGETHER trees. */
static void walk_trees(const gm_tree_engine *e, const gm_tree_engine_tree *t, int32_t count, const uint8_t *q, uint32_t *leaf)
{
    int32_t depth = deepest(t, count);
    if (count < TOGETHER || depth > STEADY)
        for (int32_t k = 0; k < count; k++) leaf[k] = gm_tree_engine_walk_tree(e, &t[k], q, 1);
    else if (e->compact)
        walk_trees4(e, t, depth, q, leaf);
    else
        walk_trees8(e, t, depth, q, leaf);
}

static void one32(const gm_tree_engine *e, const uint8_t *q, float *sums)
{
    uint32_t leaf[TOGETHER];
    float sum = sums[0]; /* of a single output: stays in a register */
    for (int32_t first = 0; first < e->t->trees_count; first += TOGETHER) {
        int32_t count = e->t->trees_count - first < TOGETHER ? e->t->trees_count - first : TOGETHER;
        walk_trees(e, e->trees + first, count, q, leaf);
        if (e->t->outputs == 1)
            for (int32_t k = 0; k < count; k++) sum += e->leaves32[leaf[k]];
        else
            for (int32_t k = 0; k < count; k++) sums[e->trees[first + k].output] += e->leaves32[leaf[k]];
    }
    if (e->t->outputs == 1) sums[0] = sum;
}

static void one64(const gm_tree_engine *e, const uint8_t *q, double *sums)
{
    uint32_t leaf[TOGETHER];
    double sum = sums[0]; /* of a single output: stays in a register */
    for (int32_t first = 0; first < e->t->trees_count; first += TOGETHER) {
        int32_t count = e->t->trees_count - first < TOGETHER ? e->t->trees_count - first : TOGETHER;
        walk_trees(e, e->trees + first, count, q, leaf);
        if (e->t->outputs == 1)
            for (int32_t k = 0; k < count; k++) sum += e->leaves64[leaf[k]];
        else
            for (int32_t k = 0; k < count; k++) sums[e->trees[first + k].output] += e->leaves64[leaf[k]];
    }
    if (e->t->outputs == 1) sums[0] = sum;
}

void gm_tree_engine_walk_one(const gm_tree_engine *e, gm_tree_engine_work *w, double *out)
{
    int32_t outputs = e->t->outputs;
    if (!e->t->float32) {
        memcpy(out, e->t->base, (size_t)outputs * sizeof(*out));
        one64(e, w->row, out);
        return;
    }
    float *sums = w->sums;
    for (int32_t k = 0; k < outputs; k++) sums[k] = (float)e->t->base[k];
    one32(e, w->row, sums);
    for (int32_t k = 0; k < outputs; k++) out[k] = (double)sums[k];
}

/* ---- blocks ------------------------------------------------------------------------------------------------ */

/* What a tree adds to the sums of TOGETHER rows that stand at place[]. Inlined, so that a constant stride and constant places
 * cost nothing. */
#define WALK_ROWS(name, node_type, step, value_type)                                                                             \
    static inline __attribute__((always_inline)) void name(const node_type *nodes, const value_type *leaves, int32_t depth,      \
                                                           const uint8_t *q, size_t stride, const uint16_t *place,               \
                                                           value_type *sums)                                                     \
    {                                                                                                                            \
        uint32_t at[TOGETHER] = { 0 };                                                                                           \
        for (int32_t d = 0; d < depth; d++) {                                                                                    \
            UNROLL                                                                                                               \
            for (int32_t k = 0; k < TOGETHER; k++) at[k] = step(nodes, at[k], q + place[k], stride);                             \
        }                                                                                                                        \
        UNROLL                                                                                                                   \
        for (int32_t k = 0; k < TOGETHER; k++) sums[k] += leaves[at[k]];                                                         \
    }
WALK_ROWS(rows4_32, uint32_t, step4, float)
WALK_ROWS(rows4_64, uint32_t, step4, double)
WALK_ROWS(rows8_32, uint64_t, step8, float)
WALK_ROWS(rows8_64, uint64_t, step8, double)

static const uint16_t natural[TOGETHER] = { 0, 1, 2, 3, 4, 5, 6, 7 };

/* One by one, leaf by leaf. */
static void add_deep(const gm_tree_engine *e, const gm_tree_engine_tree *t, const uint8_t *q, size_t stride,
                     const uint16_t *place, void *sums)
{
    for (int32_t k = 0; k < TOGETHER; k++) {
        uint32_t leaf = gm_tree_engine_walk_tree(e, t, q + place[k], stride);
        if (e->leaves32) ((float *)sums)[k] += e->leaves32[leaf];
        else ((double *)sums)[k] += e->leaves64[leaf];
    }
}

/* TOGETHER rows. */
static inline __attribute__((always_inline)) void add_rows(const gm_tree_engine *e, const gm_tree_engine_tree *t,
                                                           const uint8_t *q, size_t stride, const uint16_t *place, void *sums)
{
    if (t->depth > STEADY) add_deep(e, t, q, stride, place, sums);
    else if (e->compact && e->leaves32) rows4_32(e->nodes4 + t->node, e->leaves32 + t->node, t->depth, q, stride, place, sums);
    else if (e->compact) rows4_64(e->nodes4 + t->node, e->leaves64 + t->node, t->depth, q, stride, place, sums);
    else if (e->leaves32) rows8_32(e->nodes8 + t->node, e->leaves32 + t->node, t->depth, q, stride, place, sums);
    else rows8_64(e->nodes8 + t->node, e->leaves64 + t->node, t->depth, q, stride, place, sums);
}

/* rows is a multiple of TOGETHER; the rows behind the last one of a block hold bytes of some kind and their sums are not read. */
void gm_tree_engine_walk_add(const gm_tree_engine *e, const gm_tree_engine_tree *t, const uint8_t *q, int32_t stride,
                             const uint16_t *place, int32_t rows, void *sums)
{
    size_t first = (size_t)t->output * GM_TREE_ENGINE_ROWS, size = e->leaves32 ? sizeof(float) : sizeof(double);
    for (int32_t r = 0; r < rows; r += TOGETHER)
        add_rows(e, t, q, (size_t)stride, place + r, (char *)sums + (first + (size_t)r) * size);
}

/* The block once more as [rows / 8][columns][8]: a node's byte is then one address away. */
static void pack(const gm_tree_engine *e, gm_tree_engine_work *w, int32_t slots)
{
    for (int32_t r = 0; r < slots; r += TOGETHER)
        for (int32_t c = 0; c < e->columns; c++)
            memcpy(w->packed + (size_t)r * (size_t)e->columns + (size_t)c * TOGETHER, w->q + (size_t)c * BLOCK_ROWS + r, TOGETHER);
}

static void add_packed(const gm_tree_engine *e, const gm_tree_engine_tree *t, const gm_tree_engine_work *w, int32_t slots)
{
    size_t first = (size_t)t->output * GM_TREE_ENGINE_ROWS, size = e->leaves32 ? sizeof(float) : sizeof(double);
    for (int32_t r = 0; r < slots; r += TOGETHER)
        add_rows(e, t, w->packed + (size_t)r * (size_t)e->columns, TOGETHER, natural, (char *)w->sums + (first + (size_t)r) * size);
}

void gm_tree_engine_sums_begin(const gm_tree_engine *e, gm_tree_engine_work *w)
{
    for (int32_t k = 0; k < e->t->outputs; k++)
        for (int32_t r = 0; r < GM_TREE_ENGINE_ROWS; r++) {
            if (e->t->float32) ((float *)w->sums)[k * GM_TREE_ENGINE_ROWS + r] = (float)e->t->base[k];
            else ((double *)w->sums)[k * GM_TREE_ENGINE_ROWS + r] = e->t->base[k];
        }
}

void gm_tree_engine_sums_end(const gm_tree_engine *e, const gm_tree_engine_work *w, const uint16_t *place, int32_t slots,
                             int32_t rows, double *out)
{
    int32_t outputs = e->t->outputs;
    for (int32_t k = 0; k < outputs; k++)
        for (int32_t s = 0; s < slots; s++) {
            int32_t r = place ? place[s] : s;
            if (r >= rows) continue;
            size_t at = (size_t)k * GM_TREE_ENGINE_ROWS + (size_t)s;
            out[(size_t)r * (size_t)outputs + (size_t)k] = e->t->float32 ? (double)((float *)w->sums)[at] : ((double *)w->sums)[at];
        }
}

void gm_tree_engine_walk_block(const gm_tree_engine *e, gm_tree_engine_work *w, int32_t rows, bool clean, double *out)
{
    (void)clean; /* the columns of all ways are filled */
    int32_t slots = (rows + TOGETHER - 1) / TOGETHER * TOGETHER;
    gm_tree_engine_sums_begin(e, w);
    pack(e, w, slots);
    for (int32_t i = 0; i < e->t->trees_count; i++) add_packed(e, &e->trees[i], w, slots);
    gm_tree_engine_sums_end(e, w, NULL, slots, rows, out);
}
