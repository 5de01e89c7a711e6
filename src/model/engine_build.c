/* engine_build.c - from trees to byte columns and small nodes; see engine_internal.h for the idea.
 *
 * Why one byte per comparison is exact: let c_0 < c_1 < ... be the distinct thresholds of a feature and rank(v) the number of
 * them that send v to the right (c <= v for XGBoost, c < v for LightGBM). Then v goes left at threshold c_j exactly when rank(v)
 * <= j. A rank of up to 255 is a byte; a greater one is cut into columns of 255: column k holds clamp(rank - 255 k, 0, 255), and
 * rank <= 255 k + j, j <= 254, exactly when that column is <= j. NaN is above no threshold (rank 0) and stands as 0 or 255 where
 * a node sends it left or right.
 */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "model/engine_internal.h"
#include "model/trees_check.h"

enum { CATEGORIES_MAX = 1 << 24, TABLE_MAX = 1 << 26 };

void *gm_tree_engine_alloc(gm_arena *a, size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    return gm_arena_alloc(a, 1, bytes < 4096 ? 4096 : bytes);
}

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for preparing a model's trees");
}

/* What stands while the engine is built. */
typedef struct build {
    gm_tree_engine *e;
    gm_arena *a, *scratch;
    int32_t *slot, *category_slot; /* [t->features] into features and categories; -1 */
    int32_t *order;                /* nodes of one tree, breadth first */
    int32_t *sets_done;            /* [categories_count] */
    size_t *first;                 /* [features_count + 1] thresholds of a feature in `all` */
    double *all;
} build;

/* The nodes that a walk can reach, breadth first, the right child before the left one. */
static int32_t breadth_first(const gm_tree *t, int32_t *order)
{
    int32_t count = 1;
    order[0] = 0;
    for (int32_t i = 0; i < count; i++) {
        const gm_tree_node *n = &t->nodes[order[i]];
        if (n->feature < 0) continue;
        order[count++] = n->right;
        order[count++] = n->left;
    }
    return count;
}

static gm_tree_engine_way way_of(const gm_trees *t, const gm_tree_node *n)
{
    if (!t->float32 && n->missing == GM_MISSING_NONE) return WAY_NAN_ZERO;
    if (!t->float32 && n->missing == GM_MISSING_ZERO) return n->default_left ? WAY_ZERO_LEFT : WAY_ZERO_RIGHT;
    return n->default_left ? WAY_NAN_LEFT : WAY_NAN_RIGHT;
}

static bool is_set(const gm_trees *t, const gm_tree_node *n)
{
    return n->categorical && !t->float32;
}

static double threshold_of(const gm_trees *t, const gm_tree_node *n)
{
    return t->float32 ? (double)(float)n->threshold : n->threshold;
}

/* ---- which features, how many thresholds and sets ---------------------------------------------------------- */

static void count_node(build *b, const gm_tree_node *n, size_t *counts)
{
    gm_tree_engine *e = b->e;
    if (is_set(e->t, n)) {
        if (b->category_slot[n->feature] < 0) b->category_slot[n->feature] = e->categories_count++;
        return;
    }
    if (b->slot[n->feature] < 0) b->slot[n->feature] = e->features_count++;
    counts[b->slot[n->feature]]++;
}

static gm_rc count_all(build *b, gm_err *err)
{
    gm_tree_engine *e = b->e;
    const gm_trees *t = e->t;
    size_t features = (size_t)(t->features > 0 ? t->features : 1);
    b->slot = GM_ARENA_ARRAY(b->scratch, int32_t, features);
    b->category_slot = GM_ARENA_ARRAY(b->scratch, int32_t, features);
    size_t *counts = GM_ARENA_ARRAY(b->scratch, size_t, features);
    b->first = GM_ARENA_ARRAY(b->scratch, size_t, features + 1);
    if (!b->slot || !b->category_slot || !counts || !b->first) return no_memory(err);
    memset(b->slot, 0xff, features * sizeof(*b->slot));
    memset(b->category_slot, 0xff, features * sizeof(*b->category_slot));
    for (int32_t i = 0; i < t->trees_count; i++) {
        int32_t count = breadth_first(&t->trees[i], b->order);
        for (int32_t k = 0; k < count; k++) {
            const gm_tree_node *n = &t->trees[i].nodes[b->order[k]];
            if (n->feature >= 0) count_node(b, n, counts);
        }
        e->trees[i] =
            (gm_tree_engine_tree){ .node = (uint32_t)e->nodes_count, .count = (uint32_t)count, .output = t->trees[i].output };
        e->nodes_count += (size_t)count;
    }
    for (int32_t f = 0; f < e->features_count; f++) b->first[f + 1] = b->first[f] + counts[f];
    return e->nodes_count > UINT32_MAX / 2 ? gm_err_set(err, GM_EUNSUPPORTED, "a model of %zu nodes", e->nodes_count) : GM_OK;
}

static gm_rc gather(build *b, gm_err *err)
{
    gm_tree_engine *e = b->e;
    const gm_trees *t = e->t;
    size_t *at = GM_ARENA_ARRAY(b->scratch, size_t, e->features_count);
    b->all = GM_ARENA_ARRAY(b->scratch, double, b->first[e->features_count]);
    if (!at || !b->all) return no_memory(err);
    for (int32_t f = 0; f < e->features_count; f++) at[f] = b->first[f];
    for (int32_t i = 0; i < t->trees_count; i++) {
        int32_t count = breadth_first(&t->trees[i], b->order);
        for (int32_t k = 0; k < count; k++) {
            const gm_tree_node *n = &t->trees[i].nodes[b->order[k]];
            if (n->feature < 0) continue;
            if (is_set(t, n)) {
                gm_tree_engine_categories *c = &e->categories[b->category_slot[n->feature]];
                int64_t limit = (int64_t)(n->cat_end - n->cat_begin) * 32;
                c->feature = n->feature;
                c->sets_count++;
                if (limit > c->limit) c->limit = limit;
                continue;
            }
            int32_t f = b->slot[n->feature];
            b->all[at[f]++] = threshold_of(t, n);
            e->features[f].feature = n->feature;
            e->features[f].column[way_of(t, n)] = 0; /* in use; its place follows */
        }
    }
    return GM_OK;
}

/* ---- one feature ------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Evenly spaced buckets over the cuts, where none holds more than a few. */
static bool make_buckets(gm_tree_engine_feature *f, const double *cuts, gm_arena *a)
{
    uint32_t low = 0, high = f->cuts_count;
    while (low < high && !isfinite(cuts[low])) low++;
    while (high > low && !isfinite(cuts[high - 1])) high--;
    f->low = low < high ? cuts[low] : 0;
    double width = low < high ? cuts[high - 1] - cuts[low] : 0;
    f->scale = (GM_TREE_ENGINE_BUCKETS - 2) / width;
    f->start = gm_tree_engine_alloc(a, GM_TREE_ENGINE_BUCKETS, sizeof(*f->start));
    if (!f->start) return false;
    if (f->cuts_count > UINT16_MAX || !(width > 0) || !isfinite(f->scale) || !isfinite((float)f->scale) ||
        (float)f->scale < FLT_MIN)
        return true;
    uint32_t held[GM_TREE_ENGINE_BUCKETS] = { 0 }, most = 0, before = 0;
    for (uint32_t i = 0; i < f->cuts_count; i++) {
        uint32_t k = f->cuts32 ? gm_tree_engine_bucket32(f, (float)cuts[i]) : gm_tree_engine_bucket64(f, cuts[i]);
        if (++held[k] > most) most = held[k];
    }
    for (uint32_t k = 0; k < GM_TREE_ENGINE_BUCKETS; k++) {
        f->start[k] = (uint16_t)before;
        before += held[k];
    }
    f->steps = most <= GM_TREE_ENGINE_STEPS_MAX ? most : 0;
    return true;
}

/* The cuts as a search tree of 8 levels, level l from index 2^l. */
static bool make_levels(gm_tree_engine_feature *f, gm_arena *a)
{
    if (f->cuts_count > GM_TREE_ENGINE_CHUNK) return true;
    f->levels32 = gm_tree_engine_alloc(a, 256, sizeof(float));
    if (!f->levels32) return false;
    for (uint32_t l = 0; l < 8; l++)
        for (uint32_t i = 0; i < 1u << l; i++) {
            uint32_t at = (i << (8 - l)) + (1u << (7 - l)) - 1;
            f->levels32[(1u << l) + i] = at < f->cuts_count ? f->cuts32[at] : NAN;
        }
    return true;
}

static bool make_cuts(gm_tree_engine_feature *f, double *all, size_t count, bool float32, gm_arena *a)
{
    qsort(all, count, sizeof(*all), ascending);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || all[i] != all[f->cuts_count - 1]) all[f->cuts_count++] = all[i];
    while ((1u << f->levels) - 1 < f->cuts_count) f->levels++;
    size_t padded = (1u << f->levels) + GM_TREE_ENGINE_STEPS_MAX;
    f->cuts32 = float32 ? gm_tree_engine_alloc(a, padded, sizeof(float)) : NULL;
    f->cuts64 = float32 ? NULL : gm_tree_engine_alloc(a, padded, sizeof(double));
    if (!f->cuts32 && !f->cuts64) return false;
    for (size_t i = 0; i < padded; i++) {
        double cut = i < f->cuts_count ? all[i] : NAN;
        if (float32) f->cuts32[i] = (float)cut;
        else f->cuts64[i] = cut;
        f->zero_rank += cut < 0; /* NAN_ZERO is LightGBM's: thresholds below 0 send 0 to the right */
    }
    f->chunks = f->cuts_count ? (f->cuts_count + GM_TREE_ENGINE_CHUNK - 1) / GM_TREE_ENGINE_CHUNK : 1;
    return make_buckets(f, all, a) && (!float32 || make_levels(f, a));
}

/* Columns of its ways; false when there are too many. */
static bool place_columns(gm_tree_engine *e, gm_tree_engine_feature *f)
{
    int64_t columns = e->columns;
    for (int32_t w = 0; w < WAYS; w++) {
        if (f->column[w] < 0) continue;
        f->used[f->used_count++] = w;
        f->pair[f->used_count > 1] = (int32_t)columns;
        if (f->used_count == 1) f->pair[1] = (int32_t)columns;
        f->column[w] = (int32_t)columns;
        columns += f->chunks;
    }
    f->more = f->used_count > 2 || f->chunks > 1;
    if (f->steps > e->steps) e->steps = f->steps;
    if (columns > GM_TREE_ENGINE_COLUMNS_MAX) return false;
    e->columns = (int32_t)columns;
    e->wide_ranks = e->wide_ranks || f->cuts_count > GM_TREE_ENGINE_CHUNK;
    return true;
}

/* ---- categorical splits ------------------------------------------------------------------------------------ */

static bool member(const gm_trees *t, const gm_tree_node *n, int64_t category)
{
    return category / 32 < n->cat_end - n->cat_begin && (t->cats[n->cat_begin + category / 32] >> (category % 32) & 1u);
}

/* Calls once per set node, in the order of the trees; the first pass numbers the categories, the second fills the table. */
static void each_set(build *b, bool fill, uint32_t *ids)
{
    const gm_trees *t = b->e->t;
    memset(b->sets_done, 0, (size_t)b->e->categories_count * sizeof(*b->sets_done));
    for (int32_t i = 0; i < t->trees_count; i++) {
        int32_t count = breadth_first(&t->trees[i], b->order);
        for (int32_t k = 0; k < count; k++) {
            const gm_tree_node *n = &t->trees[i].nodes[b->order[k]];
            if (n->feature < 0 || !is_set(t, n)) continue;
            int32_t s = b->category_slot[n->feature];
            gm_tree_engine_categories *c = &b->e->categories[s];
            int32_t set = b->sets_done[s]++;
            for (int64_t v = 0; v < c->limit; v++) {
                if (!member(t, n, v)) continue;
                if (!c->id[v]) c->id[v] = ++ids[s];
                if (fill) c->table[(size_t)c->id[v] * (size_t)c->sets_count + (size_t)set] = 0;
            }
        }
    }
}

/* *fits false when the tables would be too large. */
static gm_rc make_categories(build *b, bool *fits, gm_err *err)
{
    gm_tree_engine *e = b->e;
    b->sets_done = GM_ARENA_ARRAY(b->scratch, int32_t, e->categories_count);
    uint32_t *ids = GM_ARENA_ARRAY(b->scratch, uint32_t, e->categories_count);
    if (!b->sets_done || !ids) return no_memory(err);
    for (int32_t s = 0; s < e->categories_count; s++) {
        gm_tree_engine_categories *c = &e->categories[s];
        *fits = *fits && c->limit <= CATEGORIES_MAX && e->columns + c->sets_count <= GM_TREE_ENGINE_COLUMNS_MAX;
        if (!*fits) return GM_OK;
        c->column = e->columns;
        e->columns += c->sets_count;
        c->id = GM_ARENA_ARRAY(b->a, uint32_t, c->limit);
        if (!c->id) return no_memory(err);
    }
    each_set(b, false, ids);
    for (int32_t s = 0; s < e->categories_count; s++) {
        gm_tree_engine_categories *c = &e->categories[s];
        size_t size = ((size_t)ids[s] + 1) * (size_t)c->sets_count;
        *fits = *fits && size <= TABLE_MAX;
        if (!*fits) return GM_OK;
        c->table = GM_ARENA_ARRAY(b->a, uint8_t, size);
        if (!c->table) return no_memory(err);
        memset(c->table, 255, size);
    }
    each_set(b, true, ids);
    return GM_OK;
}

/* ---- nodes ------------------------------------------------------------------------------------------------- */

static uint32_t rank_of(const gm_tree_engine_feature *f, double threshold)
{
    uint32_t low = 0, high = f->cuts_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        double cut = f->cuts32 ? (double)f->cuts32[middle] : f->cuts64[middle];
        if (cut < threshold) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void split_of(build *b, const gm_tree_node *n, uint32_t *column, uint32_t *cut)
{
    gm_tree_engine *e = b->e;
    if (is_set(e->t, n)) {
        int32_t s = b->category_slot[n->feature];
        *column = (uint32_t)(e->categories[s].column + b->sets_done[s]++);
        *cut = 0;
        return;
    }
    const gm_tree_engine_feature *f = &e->features[b->slot[n->feature]];
    uint32_t rank = rank_of(f, threshold_of(e->t, n));
    *column = (uint32_t)f->column[way_of(e->t, n)] + rank / GM_TREE_ENGINE_CHUNK;
    *cut = rank % GM_TREE_ENGINE_CHUNK;
}

/* A leaf is its own child, and no byte is above its cut. */
static void put_node(gm_tree_engine *e, size_t at, uint32_t child, uint32_t column, uint32_t cut)
{
    if (e->compact) e->nodes4[at] = column << 24 | child << 8 | cut;
    else e->nodes8[at] = (uint64_t)column << 40 | (uint64_t)child << 8 | cut;
}

static void make_nodes(build *b, gm_tree_engine_tree *et, const gm_tree *t, int32_t *depth)
{
    gm_tree_engine *e = b->e;
    int32_t count = breadth_first(t, b->order);
    uint32_t child = 2; /* the left one */
    depth[0] = 0;
    for (int32_t i = 0; i < count; i++) {
        const gm_tree_node *n = &t->nodes[b->order[i]];
        size_t at = et->node + (size_t)i;
        if (n->feature < 0) {
            put_node(e, at, (uint32_t)i, 0, 255);
            if (e->leaves32) e->leaves32[at] = (float)n->value;
            else e->leaves64[at] = n->value;
            continue;
        }
        uint32_t column = 0, cut = 0;
        split_of(b, n, &column, &cut);
        put_node(e, at, child, column, cut);
        depth[child] = depth[child - 1] = depth[i] + 1;
        if (depth[i] + 1 > et->depth) et->depth = depth[i] + 1;
        child += 2;
    }
}

static gm_rc make_trees(build *b, gm_err *err)
{
    gm_tree_engine *e = b->e;
    uint32_t largest = 1;
    for (int32_t i = 0; i < e->t->trees_count; i++)
        if (e->trees[i].count > largest) largest = e->trees[i].count;
    e->compact = e->columns <= 256 && largest <= 65536;
    e->nodes4 = e->compact ? gm_tree_engine_alloc(b->a, e->nodes_count, sizeof(*e->nodes4)) : NULL;
    e->nodes8 = e->compact ? NULL : gm_tree_engine_alloc(b->a, e->nodes_count, sizeof(*e->nodes8));
    e->leaves32 = e->t->float32 ? gm_tree_engine_alloc(b->a, e->nodes_count, sizeof(float)) : NULL;
    e->leaves64 = e->t->float32 ? NULL : gm_tree_engine_alloc(b->a, e->nodes_count, sizeof(double));
    int32_t *depth = GM_ARENA_ARRAY(b->scratch, int32_t, largest);
    if ((!e->nodes4 && !e->nodes8) || (!e->leaves32 && !e->leaves64) || !depth) return no_memory(err);
    if (e->categories_count) memset(b->sets_done, 0, (size_t)e->categories_count * sizeof(*b->sets_done));
    for (int32_t i = 0; i < e->t->trees_count; i++) make_nodes(b, &e->trees[i], &e->t->trees[i], depth);
    return GM_OK;
}

/* ---- all --------------------------------------------------------------------------------------------------- */

static gm_rc check(const gm_trees *t, gm_arena *scratch, gm_err *err)
{
    for (int32_t i = 0; i < t->trees_count; i++) {
        gm_rc rc = gm_tree_check(&t->trees[i], i, t->features, scratch, err);
        if (!rc && (t->trees[i].output < 0 || t->trees[i].output >= t->outputs))
            rc = gm_err_set(err, GM_ECORRUPT, "tree %d adds to output %d of %d", i, t->trees[i].output, t->outputs);
        if (rc) return rc;
        gm_arena_rewind(scratch);
    }
    return GM_OK;
}

static gm_rc begin(build *b, gm_err *err)
{
    const gm_trees *t = b->e->t;
    int32_t largest = 1;
    for (int32_t i = 0; i < t->trees_count; i++)
        if (t->trees[i].count > largest) largest = t->trees[i].count;
    b->order = GM_ARENA_ARRAY(b->scratch, int32_t, largest);
    b->e->trees = GM_ARENA_ARRAY(b->a, gm_tree_engine_tree, t->trees_count);
    return b->order && b->e->trees ? GM_OK : no_memory(err);
}

static gm_rc make_features(build *b, gm_err *err)
{
    gm_tree_engine *e = b->e;
    e->features = GM_ARENA_ARRAY(b->a, gm_tree_engine_feature, e->features_count);
    e->categories = GM_ARENA_ARRAY(b->a, gm_tree_engine_categories, e->categories_count);
    if (!e->features || !e->categories) return no_memory(err);
    for (int32_t f = 0; f < e->features_count; f++) memset(e->features[f].column, 0xff, sizeof(e->features[f].column));
    gm_rc rc = gather(b, err);
    bool fits = true;
    for (int32_t f = 0; f < e->features_count && !rc && fits; f++) {
        gm_tree_engine_feature *it = &e->features[f];
        if (!make_cuts(it, b->all + b->first[f], b->first[f + 1] - b->first[f], e->t->float32, b->a)) return no_memory(err);
        fits = place_columns(e, it);
    }
    if (!rc && fits) rc = make_categories(b, &fits, err);
    e->plain = !fits;
    return rc;
}

gm_rc gm_tree_engine_build(gm_tree_engine *e, gm_arena *a, gm_arena *scratch, gm_err *err)
{
    gm_rc rc = check(e->t, scratch, err);
    if (rc) return rc;
    build b = { .e = e, .a = a, .scratch = scratch };
    rc = begin(&b, err);
    if (!rc) rc = count_all(&b, err);
    if (!rc) rc = make_features(&b, err);
    if (!rc && !e->plain) rc = make_trees(&b, err);
    return rc;
}
