/* engine_pad.c - what the vector kernels read: trees filled up to whole levels, and the distinct comparisons that all of them
 * make.
 *
 * Of a tree of n levels, node p of level l is number 2^l - 1 + p, and its children are 2p and 2p + 1 of the next level; leaf p is
 * reached by the decisions p has as bits, the first decision being the highest. A leaf of the tree that stands above the last
 * level is repeated below itself, under comparisons that are never true.
 */
#include <stdlib.h>
#include <string.h>

#include "model/engine_internal.h"

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for preparing a model's trees");
}

typedef struct split {
    uint32_t child, column, cut; /* the left child, the right one before it; cut 255: a leaf */
} split;

static split split_at(const gm_tree_engine *e, const gm_tree_engine_tree *t, uint32_t node)
{
    if (e->compact) {
        uint32_t n = e->nodes4[t->node + node];
        return (split){ n >> 8 & 65535u, n >> 24, n & 255u };
    }
    uint64_t n = e->nodes8[t->node + node];
    return (split){ (uint32_t)(n >> 8), (uint32_t)(n >> 40), (uint32_t)(n & 255u) };
}

/* node [2^(levels + 1) - 1]: the tree's node at each place, leaves last. */
static void fill_levels(const gm_tree_engine *e, const gm_tree_engine_tree *t, int32_t levels, uint32_t *node)
{
    node[0] = 0;
    for (uint32_t i = 0; i < (1u << levels) - 1; i++) {
        split s = split_at(e, t, node[i]);
        node[2 * i + 1] = s.cut == 255 ? node[i] : s.child;
        node[2 * i + 2] = s.cut == 255 ? node[i] : s.child - 1;
    }
}

/* ---- predicates -------------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The distinct ones of keys (column << 8 | cut), ascending; returns their number. */
static size_t distinct(uint32_t *keys, size_t count)
{
    size_t kept = 0;
    qsort(keys, count, sizeof(*keys), by_key);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || keys[i] != keys[kept - 1]) keys[kept++] = keys[i];
    return kept;
}

static uint32_t number_of(const uint32_t *keys, size_t count, uint32_t key)
{
    const uint32_t *found = bsearch(&key, keys, count, sizeof(*keys), by_key);
    gm_assert(found);
    return (uint32_t)(found - keys) + 1;
}

/* Column of the base way for each column of another way: the same in clean rows. */
static uint32_t *clean_columns(const gm_tree_engine *e, gm_arena *scratch)
{
    uint32_t *to = GM_ARENA_ARRAY(scratch, uint32_t, e->columns);
    for (int32_t c = 0; to && c < e->columns; c++) to[c] = (uint32_t)c;
    for (int32_t i = 0; to && i < e->features_count; i++) {
        const gm_tree_engine_feature *f = &e->features[i];
        for (int32_t way = 0; way < WAYS; way++)
            for (uint32_t k = 0; f->column[way] >= 0 && k < f->chunks; k++)
                to[(uint32_t)f->column[way] + k] = (uint32_t)f->column[f->used[0]] + k;
    }
    return to;
}

/* to: what stands for a column; NULL: itself. */
static gm_rc make_program(gm_tree_engine *e, const uint32_t *to, size_t ids, gm_tree_engine_program *p, gm_arena *a,
                          gm_arena *scratch, gm_err *err)
{
    uint32_t *keys = GM_ARENA_ARRAY(scratch, uint32_t, e->nodes_count);
    uint32_t node[(2 << GM_TREE_ENGINE_DEPTH_MAX) - 1];
    size_t count = 0;
    if (!keys) return no_memory(err);
    for (int32_t i = 0; i < e->t->trees_count; i++) {
        const gm_tree_engine_tree *t = &e->trees[i];
        for (uint32_t k = 0; t->kind == TREE_PADDED && k < t->count; k++) {
            split s = split_at(e, t, k);
            if (s.cut != 255) keys[count++] = (to ? to[s.column] : s.column) << 8 | s.cut;
        }
    }
    count = distinct(keys, count);
    p->count = (uint32_t)count + 1;
    p->column = GM_ARENA_ARRAY(a, uint32_t, p->count);
    p->cut = GM_ARENA_ARRAY(a, uint8_t, p->count);
    p->ids = gm_tree_engine_alloc(a, ids, sizeof(*p->ids));
    if (!p->column || !p->cut || !p->ids) return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        p->column[i + 1] = keys[i] >> 8;
        p->cut[i + 1] = (uint8_t)(keys[i] & 255u);
    }
    for (int32_t i = 0; i < e->t->trees_count; i++) {
        const gm_tree_engine_tree *t = &e->trees[i];
        if (t->kind != TREE_PADDED) continue;
        fill_levels(e, t, t->levels, node);
        for (uint32_t k = 0; k < (1u << t->levels) - 1; k++) {
            split s = split_at(e, t, node[k]);
            p->ids[t->ids + k] = s.cut == 255 ? 0 : number_of(keys, count, (to ? to[s.column] : s.column) << 8 | s.cut);
        }
    }
    return GM_OK;
}

/* ---- leaves ------------------------------------------------------------------------------------------------ */

static void put_planes(const gm_tree_engine *e, const gm_tree_engine_tree *t)
{
    uint32_t node[(2 << GM_TREE_ENGINE_DEPTH_MAX) - 1];
    size_t size = e->t->float32 ? sizeof(float) : sizeof(double);
    fill_levels(e, t, t->levels, node);
    for (uint32_t p = 0; p < 1u << t->levels; p++) {
        size_t at = t->node + node[(1u << t->levels) - 1 + p];
        uint64_t bits = 0;
        if (e->leaves32) {
            uint32_t bits32 = 0;
            memcpy(&bits32, &e->leaves32[at], sizeof(bits32));
            bits = bits32;
        } else {
            memcpy(&bits, &e->leaves64[at], sizeof(bits));
        }
        for (size_t b = 0; b < size; b++) e->planes[t->planes + b * (size_t)t->leaf_slots + p] = (uint8_t)(bits >> (8 * b));
    }
}

/* Which trees are filled up, and where their parts lie. */
static void lay_out(gm_tree_engine *e, size_t *ids, size_t *planes)
{
    size_t size = e->t->float32 ? sizeof(float) : sizeof(double);
    for (int32_t i = 0; i < e->t->trees_count; i++) {
        gm_tree_engine_tree *t = &e->trees[i];
        t->kind = t->depth <= GM_TREE_ENGINE_DEPTH_MAX ? TREE_PADDED : TREE_WALK;
        if (t->kind == TREE_WALK) continue;
        t->levels = t->depth < GM_TREE_ENGINE_DEPTH_MIN ? GM_TREE_ENGINE_DEPTH_MIN : t->depth;
        t->leaf_slots = t->levels < 6 ? 64 : 1 << t->levels;
        t->ids = *ids;
        t->planes = *planes;
        *ids += ((size_t)1 << t->levels) - 1;
        *planes += size * (size_t)t->leaf_slots;
    }
}

/* ---- groups of 64 ------------------------------------------------------------------------------------------ */

static void put_in_group(const gm_tree_engine *e, const gm_tree_engine_tree *t, int32_t lane, gm_tree_engine_group *g)
{
    uint32_t node[(2 << GM_TREE_ENGINE_DEPTH_MAX) - 1];
    uint32_t splits = (1u << g->levels) - 1;
    fill_levels(e, t, g->levels, node);
    for (uint32_t k = 0; k < splits; k++) {
        split s = split_at(e, t, node[k]);
        g->columns[k * GM_TREE_ENGINE_GROUP + (uint32_t)lane] = (uint8_t)s.column;
        g->cuts[k * GM_TREE_ENGINE_GROUP + (uint32_t)lane] = (uint8_t)s.cut;
    }
    for (uint32_t p = 0; p <= splits; p++) {
        size_t from = t->node + node[splits + p], at = ((size_t)lane << g->levels) + p;
        if (g->leaves32) g->leaves32[at] = e->leaves32[from];
        else g->leaves64[at] = e->leaves64[from];
    }
}

static gm_rc make_group(gm_tree_engine *e, int32_t number, gm_arena *a, gm_err *err)
{
    gm_tree_engine_group *g = &e->groups[number];
    const gm_tree_engine_tree *t = e->trees + number * GM_TREE_ENGINE_GROUP;
    int32_t left = e->t->trees_count - number * GM_TREE_ENGINE_GROUP,
            count = left < GM_TREE_ENGINE_GROUP ? left : GM_TREE_ENGINE_GROUP;
    g->levels = 1;
    for (int32_t i = 0; i < count; i++) {
        if (t[i].kind != TREE_PADDED) g->walked |= (uint64_t)1 << i;
        else if (t[i].depth > g->levels) g->levels = t[i].depth;
    }
    size_t splits = ((size_t)1 << g->levels) - 1, leaves = (size_t)GM_TREE_ENGINE_GROUP << g->levels;
    g->columns = gm_tree_engine_alloc(a, splits, GM_TREE_ENGINE_GROUP);
    g->cuts = gm_tree_engine_alloc(a, splits, GM_TREE_ENGINE_GROUP);
    g->leaves32 = e->t->float32 ? gm_tree_engine_alloc(a, leaves, sizeof(float)) : NULL;
    g->leaves64 = e->t->float32 ? NULL : gm_tree_engine_alloc(a, leaves, sizeof(double));
    if (!g->columns || !g->cuts || (!g->leaves32 && !g->leaves64)) return no_memory(err);
    memset(g->cuts, 255, splits * GM_TREE_ENGINE_GROUP);
    for (int32_t i = 0; i < count; i++)
        if (t[i].kind == TREE_PADDED) put_in_group(e, &t[i], i, g);
    return GM_OK;
}

gm_rc gm_tree_engine_pad(gm_tree_engine *e, gm_arena *a, gm_arena *scratch, gm_err *err)
{
    size_t ids = 0, planes = 0;
    lay_out(e, &ids, &planes);
    uint32_t *to = clean_columns(e, scratch);
    e->planes = gm_tree_engine_alloc(a, planes, 1);
    if (!to || !e->planes) return no_memory(err);
    gm_rc rc = make_program(e, NULL, ids, &e->full, a, scratch, err);
    if (!rc) rc = make_program(e, to, ids, &e->clean, a, scratch, err);
    if (rc) return rc;
    for (int32_t i = 0; i < e->t->trees_count; i++)
        if (e->trees[i].kind == TREE_PADDED) put_planes(e, &e->trees[i]);
    if (e->level < GM_TREE_ENGINE_AVX512 || e->columns > 256) return GM_OK;
    e->groups_count = (e->t->trees_count + GM_TREE_ENGINE_GROUP - 1) / GM_TREE_ENGINE_GROUP;
    e->groups = GM_ARENA_ARRAY(a, gm_tree_engine_group, e->groups_count);
    if (!e->groups) return no_memory(err);
    for (int32_t g = 0; g < e->groups_count && !rc; g++) rc = make_group(e, g, a, err);
    return rc;
}
