/* edge_model.c - trees and linear models as C tables and the loops over them.
 *
 * A tree lies in preorder: the left child of a node follows it, `skip` is the way to the right one, and a leaf has none. Nodes
 * are 8 bytes for XGBoost (12 beyond 32,767 features or 65,535 nodes to skip) and 16 for LightGBM. Sums are taken in the order of
 * the trees, in float32 for XGBoost and in double for LightGBM, as trees_margin.c does.
 */
#include <inttypes.h>
#include <string.h>

#include "serve/targets/edge.h"

typedef struct flat_node {
    double v;
    int64_t f, skip;
} flat_node;

typedef struct flat {
    flat_node *nodes; /* [count] */
    int64_t count;
    int64_t *roots, *outputs;       /* [trees_count] */
    bool wide, in_turn;             /* in_turn: tree i adds to output i mod outputs */
    int64_t *cat_begin, *cat_words; /* [cats_count] for each categorical split */
    int64_t cats_count, cats_words_count;
} flat;

typedef struct waiting {
    int32_t node;
    int64_t parent; /* place of the node whose right child it is, or -1 */
} waiting;

/* ---- the arrays ------------------------------------------------------------------------------------------------ */

static int64_t packed_feature(const gm_trees *t, const gm_tree_node *n)
{
    if (t->float32) return (int64_t)n->feature << 1 | (n->default_left ? 1 : 0);
    return (int64_t)n->feature << 4 | (n->categorical ? 8 : 0) | (int64_t)n->missing << 1 | (n->default_left ? 1 : 0);
}

static double split_value(const gm_tree_node *n, flat *f)
{
    if (!n->categorical) return n->threshold;
    int64_t at = f->cats_count++;
    f->cat_begin[at] = n->cat_begin;
    f->cat_words[at] = n->cat_end - n->cat_begin;
    f->cats_words_count = n->cat_end > f->cats_words_count ? n->cat_end : f->cats_words_count;
    return (double)at;
}

/* stack [nodes of the tree] */
static void flatten_tree(const gm_trees *t, const gm_tree *tree, waiting *stack, flat *f)
{
    int64_t waits = 0;
    stack[waits++] = (waiting){ 0, -1 };
    while (waits) {
        waiting w = stack[--waits];
        const gm_tree_node *n = &tree->nodes[w.node];
        int64_t at = f->count++;
        if (w.parent >= 0) {
            f->nodes[w.parent].skip = at - w.parent;
            f->wide = f->wide || at - w.parent > UINT16_MAX;
        }
        if (n->feature < 0) {
            f->nodes[at] = (flat_node){ .v = n->value };
            continue;
        }
        f->nodes[at] = (flat_node){ .v = split_value(n, f), .f = packed_feature(t, n) };
        stack[waits++] = (waiting){ n->right, at };
        stack[waits++] = (waiting){ n->left, -1 };
    }
}

static bool flatten(const gm_trees *t, gm_arena *a, flat *f)
{
    int64_t all = 0, largest = 1;
    for (int32_t i = 0; i < t->trees_count; i++) {
        all += t->trees[i].count;
        largest = t->trees[i].count > largest ? t->trees[i].count : largest;
    }
    *f = (flat){ .nodes = GM_ARENA_ARRAY(a, flat_node, all),
                 .roots = GM_ARENA_ARRAY(a, int64_t, t->trees_count),
                 .outputs = GM_ARENA_ARRAY(a, int64_t, t->trees_count),
                 .wide = t->features > INT16_MAX,
                 .in_turn = true,
                 .cat_begin = GM_ARENA_ARRAY(a, int64_t, all),
                 .cat_words = GM_ARENA_ARRAY(a, int64_t, all) };
    waiting *stack = GM_ARENA_ARRAY(a, waiting, largest + 1);
    if (!f->nodes || !f->roots || !f->outputs || !f->cat_begin || !f->cat_words || !stack) return false;
    for (int32_t i = 0; i < t->trees_count; i++) {
        f->roots[i] = f->count;
        f->outputs[i] = t->trees[i].output;
        f->in_turn = f->in_turn && t->trees[i].output == i % t->outputs;
        flatten_tree(t, &t->trees[i], stack, f);
    }
    return true;
}

/* ---- trees ----------------------------------------------------------------------------------------------------- */

static void write_nodes(const gm_trees *t, const flat *f, gm_c *c)
{
    bool narrow = t->float32 && !f->wide;
    const char *count = narrow ? "uint16_t" : "uint32_t";
    gm_buf_printf(&c->tables, "typedef struct gm_node {\n    %s v;\n    %s f, skip;\n} gm_node;\n",
                  t->float32 ? "float" : "double", count);
    gm_buf_text(&c->tables, "static const gm_node gm_nodes[] = {");
    for (int64_t i = 0; i < f->count; i++) {
        char text[40];
        const flat_node *n = &f->nodes[i];
        const char *v = t->float32 ? gm_c_float((float)n->v, text) : gm_c_double(n->v, text);
        gm_buf_printf(&c->tables, "%s%s{ %s, %" PRId64 ", %" PRId64 " }", i ? "," : "", i % 5 ? " " : "\n    ", v, n->f, n->skip);
    }
    gm_buf_text(&c->tables, f->count ? "\n};\n" : " { 0, 0, 0 }\n};\n");
    c->table_bytes += (f->count ? f->count : 1) * (narrow ? 8 : t->float32 ? 12 : 16);
}

static const char walk32[] = "static float gm_walk(const float *x, uint32_t root)\n"
                             "{\n"
                             "    const gm_node *n = gm_nodes + root;\n"
                             "    while (n->skip) {\n"
                             "        float v = x[n->f >> 1];\n"
                             "        int left = isnan(v) ? n->f & 1 : v < n->v;\n"
                             "        n += left ? 1 : n->skip;\n"
                             "    }\n"
                             "    return n->v;\n"
                             "}\n\n";

/* %s: the case of a categorical split. */
static const char walk64[] = "static double gm_walk(const double *x, uint32_t root)\n"
                             "{\n"
                             "    const gm_node *n = gm_nodes + root;\n"
                             "    while (n->skip) {\n"
                             "        double v = x[n->f >> 4];\n"
                             "        int left, missing = n->f >> 1 & 3; /* 0: NaN, 1: zero, 2: there is none */\n"
                             "%s"
                             "        if (isnan(v) && missing == 0) {\n"
                             "            left = n->f & 1;\n"
                             "        } else {\n"
                             "            if (isnan(v)) v = 0;\n"
                             "            left = missing == 1 && fabs(v) <= (double)1e-35f ? (int)(n->f & 1) : v <= n->v;\n"
                             "        }\n"
                             "        n += left ? 1 : n->skip;\n"
                             "    }\n"
                             "    return n->v;\n"
                             "}\n\n";

/* Is trunc(v) a member of set `set`? NaN, negative and unknown categories are not. */
static void write_sets(const gm_trees *t, const flat *f, gm_c *c, gm_buf *out)
{
    int64_t *words = GM_ARENA_ARRAY(c->a, int64_t, f->cats_words_count);
    if (!words) {
        gm_c_fail(c, GM_ENOMEM, "not enough memory to write a model as C");
        return;
    }
    for (int64_t i = 0; i < f->cats_words_count; i++) words[i] = t->cats[i];
    const char *table = gm_c_wholes(c, words, f->cats_words_count), *begin = gm_c_wholes(c, f->cat_begin, f->cats_count);
    const char *count = gm_c_wholes(c, f->cat_words, f->cats_count);
    gm_buf_printf(out,
                  "static int gm_in_set(int32_t set, double v)\n"
                  "{\n"
                  "    if (!(v > -1.0 && v < 2147483648.0)) return 0;\n"
                  "    int32_t category = (int32_t)v, word = category / 32;\n"
                  "    if (word >= %s[set]) return 0;\n"
                  "    return (int)((uint32_t)%s[%s[set] + word] >> (category %% 32) & 1u);\n"
                  "}\n\n",
                  count, table, begin);
}

static void write_trees(const gm_edge_in *in, gm_c *c, gm_buf *out)
{
    const gm_trees *t = in->trees;
    const char *real = t->float32 ? "float" : "double";
    flat f;
    if (!flatten(t, c->a, &f)) {
        gm_c_fail(c, GM_ENOMEM, "not enough memory to write a model as C");
        return;
    }
    write_nodes(t, &f, c);
    const char *roots = gm_c_wholes(c, f.roots, t->trees_count), *outputs = NULL;
    if (t->outputs > 1 && !f.in_turn) outputs = gm_c_wholes(c, f.outputs, t->trees_count);
    if (f.cats_count) write_sets(t, &f, c, out);
    if (t->float32)
        gm_buf_text(out, walk32);
    else
        gm_buf_printf(out, walk64,
                      f.cats_count ? "        if (n->f & 8) {\n"
                                     "            n += gm_in_set((int32_t)n->v, v) ? 1 : n->skip;\n"
                                     "            continue;\n"
                                     "        }\n"
                                   : "");
    gm_buf_printf(out, "static void gm_margins(%sdouble *x, double *out)\n{\n    %s sum[%d] = {", t->float32 ? "const " : "",
                  real, t->outputs);
    for (int32_t k = 0; k < t->outputs; k++) {
        char text[40];
        gm_buf_printf(out, "%s %s", k ? "," : "",
                      t->float32 ? gm_c_float((float)t->base[k], text) : gm_c_double(t->base[k], text));
    }
    gm_buf_text(out, " };\n");
    if (t->float32)
        gm_buf_printf(out,
                      "    float y[%d]; /* once, and not at each node: doubles are slow where only floats have a unit */\n"
                      "    for (int32_t i = 0; i < %d; i++) y[i] = (float)x[i];\n",
                      t->features, t->features);
    else
        gm_buf_printf(out, "    for (int32_t i = 0; i < %d; i++) x[i] = fabs(x[i]) <= (double)1e-35f ? 0 : x[i];\n", t->features);
    const char *to = t->outputs == 1 ? "0" : outputs ? gm_c_text(c, "%s[i]", outputs) : gm_c_text(c, "i %% %d", t->outputs);
    if (t->trees_count)
        gm_buf_printf(out, "    for (int32_t i = 0; i < %d; i++) sum[%s] += gm_walk(%c, (uint32_t)%s[i]);\n", t->trees_count, to,
                      t->float32 ? 'y' : 'x', roots);
    gm_buf_printf(out, "    for (int32_t i = 0; i < %d; i++) out[i] = sum[i];\n}\n\n", t->outputs);
    c->stack_bytes += t->float32 ? 4 * (t->outputs + t->features) : 8 * t->outputs;
}

/* ---- linear ---------------------------------------------------------------------------------------------------- */

static void write_linear(const gm_edge_in *in, gm_c *c, gm_buf *out)
{
    const gm_linear *m = in->linear;
    const char *weights = gm_c_doubles(c, m->weights, m->outputs * m->features),
               *intercept = gm_c_doubles(c, m->intercept, m->outputs);
    gm_buf_printf(out,
                  "static void gm_margins(const double *x, double *out)\n"
                  "{\n"
                  "    for (int32_t k = 0; k < %" PRId64 "; k++) {\n"
                  "        const double *w = %s + (size_t)k * %" PRId64 ";\n"
                  "        double sum = 0;\n"
                  "        for (int32_t i = 0; i < %" PRId64 "; i++) sum += x[i] * w[i];\n"
                  "        out[k] = sum + %s[k];\n"
                  "    }\n"
                  "}\n\n",
                  m->outputs, weights, m->features, m->features, intercept);
}

/* ---- links ----------------------------------------------------------------------------------------------------- */

static void write_link(gm_link link, double scale, int64_t outputs, gm_buf *out)
{
    char text[40];
    if (link == GM_LINK_IDENTITY) return;
    gm_buf_text(out, "static void gm_link(double *v)\n{\n");
    if (link == GM_LINK_SOFTMAX) {
        gm_buf_printf(out,
                      "    double max = v[0], sum = 0;\n"
                      "    for (int32_t i = 1; i < %" PRId64 "; i++) max = v[i] > max ? v[i] : max;\n"
                      "    for (int32_t i = 0; i < %" PRId64 "; i++) sum += v[i] = exp(v[i] - max);\n"
                      "    for (int32_t i = 0; i < %" PRId64 "; i++) v[i] /= sum;\n}\n\n",
                      outputs, outputs, outputs);
        return;
    }
    gm_buf_printf(out, "    for (int32_t i = 0; i < %" PRId64 "; i++) {\n", outputs);
    if (link == GM_LINK_EXP)
        gm_buf_text(out, "        v[i] = exp(v[i]);\n");
    else
        gm_buf_printf(out,
                      "        double margin = %s * v[i];\n"
                      "        double e = exp(margin >= 0 ? -margin : margin);\n"
                      "        v[i] = margin >= 0 ? 1 / (1 + e) : e / (1 + e);\n",
                      gm_c_double(scale, text));
    gm_buf_text(out, "    }\n}\n\n");
}

void gm_edge_model(const gm_edge_in *in, gm_c *c, gm_buf *out)
{
    if (in->trees) {
        write_trees(in, c, out);
        write_link(in->trees->link, in->trees->sigmoid_scale, in->trees->outputs, out);
    } else {
        write_linear(in, c, out);
        write_link(in->linear->link, 1, in->linear->outputs, out);
    }
}
