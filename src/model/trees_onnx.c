/* trees_onnx.c - a tree ensemble out of somebody else's ONNX graph.
 *
 * Read are TreeEnsembleClassifier and TreeEnsembleRegressor of ai.onnx.ml 1 to 3, between nodes that move values without changing them
 * (Identity, Cast to float or double, Reshape and its like, Concat of columns). Followed is one output, backwards; what other outputs need
 * does not matter. Every comparison becomes the one that gm_trees has:
 *
 *   float    x <= t  is  x < t', t' the next float above t;    x > t and x >= t  are these with the children swapped
 *   double   x <  t  is  x <= t', t' the next double below t
 *
 * Base values are a last tree of one leaf, because ONNX Runtime adds them last. A leaf with weights for several classes stands in one tree per
 * class. Of two classes only the second one's probability is read. The specification leaves the order of the sums and some cases of two
 * classes open: whoever uses the trees compares them with the runtime first.
 */
#include <stdlib.h>
#include <string.h>

#include "model/onnx_read.h"
#include "model/trees.h"
#include "model/trees_check.h"

enum { TRACE_MAX = 64, ALL_NODES_MAX = 1 << 23, FLOAT = 1, DOUBLE = 11 };

/* Of a file's list; which of the two is set says how precise it is. */
typedef struct numbers {
    const float *floats;
    const void *doubles; /* little-endian, not aligned */
    size_t count;
} numbers;

typedef struct key {
    int64_t tree, node;
    size_t index;
} key;

typedef struct reader {
    const Onnx__GraphProto *graph;
    const Onnx__NodeProto *op;
    gm_arena *a;
    gm_err *err;
    bool classifier, wide; /* wide: computed in double */
    /* the features as columns of graph inputs */
    const char **inputs;
    size_t features;
    bool matrix;
    /* nodes */
    const int64_t *tree, *node, *feature, *yes, *no, *missing; /* [nodes]; missing may be NULL */
    const ProtobufCBinaryData *mode;
    numbers value;
    size_t nodes;
    key *keys; /* sorted */
    /* weights of leaves */
    const int64_t *leaf_tree, *leaf_node, *leaf_id;
    numbers weight;
    size_t leaves, outputs_there; /* ids are below it */
    int64_t only;                 /* of two classes: the id whose weights are read; -1: all are */
    numbers base;
    double scale;
    int32_t *segment; /* [nodes] the tree that a node is in */
    size_t *begin;    /* [segments + 1] */
    size_t segments;
} reader;

static gm_rc no_memory(reader *r)
{
    return gm_err_set(r->err, GM_ENOMEM, "not enough memory for the trees of an ONNX model");
}

/* ---- the file ---------------------------------------------------------------------------------------------- */

static bool is(const char *text, const char *wanted)
{
    return text && strcmp(text, wanted) == 0;
}

static bool ai_onnx(const Onnx__NodeProto *n)
{
    return !n->domain || !*n->domain || is(n->domain, "ai.onnx");
}

static const Onnx__AttributeProto *find_attr(const Onnx__NodeProto *n, const char *name)
{
    for (size_t i = 0; i < n->n_attribute; i++)
        if (is(n->attribute[i]->name, name)) return n->attribute[i];
    return NULL;
}

static int64_t int_attr(const Onnx__NodeProto *n, const char *name, int64_t otherwise)
{
    const Onnx__AttributeProto *p = find_attr(n, name);
    return p && p->has_i ? p->i : otherwise;
}

static bool text_attr_is(const Onnx__NodeProto *n, const char *name, const char *otherwise, const char *wanted)
{
    const Onnx__AttributeProto *p = find_attr(n, name);
    if (!p || !p->has_s || !p->s.len) return strcmp(otherwise, wanted) == 0;
    return p->s.len == strlen(wanted) && memcmp(p->s.data, wanted, p->s.len) == 0;
}

static double number_at(const numbers *n, size_t i)
{
    if (n->floats) return (double)n->floats[i];
    double v;
    memcpy(&v, (const char *)n->doubles + i * sizeof(v), sizeof(v));
    return v;
}

/* A list `name` of floats or `name`_as_tensor of doubles or floats; count 0 when it is not there. */
static gm_rc read_numbers(reader *r, const char *name, numbers *out)
{
    const Onnx__AttributeProto *p = find_attr(r->op, name);
    if (p && p->n_floats) {
        *out = (numbers){ .floats = p->floats, .count = p->n_floats };
        return GM_OK;
    }
    const char *long_name = gm_arena_printf(r->a, "%s_as_tensor", name);
    if (!long_name) return no_memory(r);
    p = find_attr(r->op, long_name);
    const Onnx__TensorProto *t = p ? p->t : NULL;
    *out = (numbers){ .count = 0 };
    if (!t) return GM_OK;
    if (t->data_type == DOUBLE && t->n_double_data)
        *out = (numbers){ .doubles = t->double_data, .count = t->n_double_data };
    else if (t->data_type == DOUBLE && t->has_raw_data && t->raw_data.len % sizeof(double) == 0)
        *out = (numbers){ .doubles = t->raw_data.data, .count = t->raw_data.len / sizeof(double) };
    else
        return gm_err_set(r->err, GM_EUNSUPPORTED, "the tensor \"%s\" is not of doubles inside the file", long_name);
    if (!r->wide) return gm_err_set(r->err, GM_EUNSUPPORTED, "\"%s\" is double and the values are float", long_name);
    return GM_OK;
}

/* [count] of the operator's list. */
static gm_rc read_ints(reader *r, const char *name, size_t count, const int64_t **out)
{
    const Onnx__AttributeProto *p = find_attr(r->op, name);
    size_t there = p ? p->n_ints : 0;
    if (there != count)
        return gm_err_set(r->err, GM_EINVALID, "the list \"%s\" of the tree ensemble has %zu values, expected %zu", name, there, count);
    *out = p ? p->ints : NULL;
    return GM_OK;
}

/* ---- the graph --------------------------------------------------------------------------------------------- */

static const Onnx__NodeProto *producer(const reader *r, const char *name, size_t *out_index)
{
    for (size_t i = 0; i < r->graph->n_node; i++)
        for (size_t k = 0; k < r->graph->node[i]->n_output; k++)
            if (is(r->graph->node[i]->output[k], name)) {
                *out_index = k;
                return r->graph->node[i];
            }
    return NULL;
}

/* Values in the same order, in another shape. */
static bool only_shapes(const Onnx__NodeProto *n)
{
    return is(n->op_type, "Reshape") || is(n->op_type, "Flatten") || is(n->op_type, "Squeeze") || is(n->op_type, "Unsqueeze") ||
           is(n->op_type, "Identity");
}

static int64_t cast_to(const Onnx__NodeProto *n)
{
    int64_t to = is(n->op_type, "Cast") ? int_attr(n, "to", 0) : 0;
    return to == FLOAT || to == DOUBLE ? to : 0;
}

static gm_rc other_node(reader *r, const Onnx__NodeProto *n)
{
    return gm_err_set(r->err, GM_EUNSUPPORTED, "the graph has more than trees: its node \"%.60s\" is a %.40s", n->name ? n->name : "",
                      n->op_type ? n->op_type : "node without type");
}

/* From the output back to the ensemble. */
static gm_rc find_op(reader *r, const char *name)
{
    for (int step = 0; step < TRACE_MAX; step++) {
        size_t index = 0;
        const Onnx__NodeProto *n = producer(r, name, &index);
        if (!n) break;
        if (is(n->domain, "ai.onnx.ml") && (is(n->op_type, "TreeEnsembleClassifier") || is(n->op_type, "TreeEnsembleRegressor"))) {
            r->classifier = is(n->op_type, "TreeEnsembleClassifier");
            if (index != (r->classifier ? 1 : 0) || n->n_input != 1) break;
            r->op = n;
            return GM_OK;
        }
        if (!ai_onnx(n) || !(only_shapes(n) || cast_to(n)) || n->n_input < 1 || index != 0) return other_node(r, n);
        name = n->input[0];
    }
    return gm_err_set(r->err, GM_EUNSUPPORTED, "the graph's output does not come from a tree ensemble");
}

static gm_rc add_columns(reader *r, const Onnx__ValueInfoProto *in, int64_t *out_type, bool *out_narrow)
{
    bool tensor = in->type && in->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    const Onnx__TypeProto__Tensor *t = tensor ? in->type->tensor_type : NULL;
    size_t rank = t && t->shape ? t->shape->n_dim : 0;
    int64_t width = 1;
    if (!t || (t->elem_type != FLOAT && t->elem_type != DOUBLE) || rank < 1 || rank > 2)
        return gm_err_set(r->err, GM_EUNSUPPORTED, "the input \"%.60s\" is no column or matrix of float or double", in->name);
    if (rank == 2) {
        const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[1];
        width = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE ? d->dim_value : -1;
        if (width < 1 || width > GM_TREES_FEATURES_MAX)
            return gm_err_set(r->err, GM_EUNSUPPORTED, "the input \"%.60s\" does not say how many columns it has", in->name);
    }
    if (r->features + (size_t)width > GM_TREES_FEATURES_MAX)
        return gm_err_set(r->err, GM_EUNSUPPORTED, "the graph reads more than %d columns", GM_TREES_FEATURES_MAX);
    const char **all = GM_ARENA_ARRAY(r->a, const char *, r->features + (size_t)width);
    const char *name = gm_arena_strdup(r->a, in->name);
    if (!all || !name) return no_memory(r);
    if (r->features) memcpy(all, r->inputs, r->features * sizeof(*all));
    for (int64_t k = 0; k < width; k++) all[r->features + (size_t)k] = name;
    r->inputs = all;
    r->features += (size_t)width;
    r->matrix = r->matrix || width > 1;
    *out_type = t->elem_type;
    *out_narrow = t->elem_type == FLOAT;
    return GM_OK;
}

/* From the ensemble's input back to the graph's: the columns, their type, and whether a double became float on the way. */
static gm_rc find_columns(reader *r, const char *name, int depth, int64_t *out_type, bool *out_narrow)
{
    size_t index = 0;
    for (size_t i = 0; i < r->graph->n_input; i++)
        if (is(r->graph->input[i]->name, name)) return add_columns(r, r->graph->input[i], out_type, out_narrow);
    const Onnx__NodeProto *n = producer(r, name, &index);
    if (!n || n->n_input < 1 || depth == TRACE_MAX)
        return gm_err_set(r->err, GM_EUNSUPPORTED, "the tree ensemble does not read the graph's inputs");
    if (!ai_onnx(n) || index != 0) return other_node(r, n);
    if (is(n->op_type, "Concat")) {
        int64_t axis = int_attr(n, "axis", 0);
        if (axis != 1 && axis != -1) return other_node(r, n);
        *out_narrow = false;
        for (size_t i = 0; i < n->n_input; i++) {
            bool narrow = false;
            gm_rc rc = find_columns(r, n->input[i], depth + 1, out_type, &narrow);
            if (rc) return rc;
            *out_narrow = *out_narrow || narrow;
        }
        return GM_OK;
    }
    int64_t to = cast_to(n);
    if (!to && !only_shapes(n)) return other_node(r, n);
    gm_rc rc = find_columns(r, n->input[0], depth + 1, out_type, out_narrow);
    if (rc || !to) return rc;
    *out_narrow = *out_narrow || to == FLOAT;
    *out_type = to;
    return GM_OK;
}

/* ---- lists ------------------------------------------------------------------------------------------------- */

static int by_key(const void *x, const void *y)
{
    const key *a = x, *b = y;
    if (a->tree != b->tree) return a->tree < b->tree ? -1 : 1;
    return (a->node > b->node) - (a->node < b->node);
}

/* SIZE_MAX when there is no such node. */
static size_t find_node(const reader *r, int64_t tree, int64_t node)
{
    const key wanted = { .tree = tree, .node = node };
    const key *k = bsearch(&wanted, r->keys, r->nodes, sizeof(*k), by_key);
    return k ? k->index : SIZE_MAX;
}

static gm_rc bad_node(reader *r, size_t i, gm_rc rc, const char *what)
{
    return gm_err_set(r->err, rc, "tree %lld, node %lld: %s", (long long)r->tree[i], (long long)r->node[i], what);
}

/* The nodes of a tree stand together, the root first. */
static gm_rc cut_trees(reader *r)
{
    size_t different = 0;
    r->keys = GM_ARENA_ARRAY(r->a, key, r->nodes);
    r->segment = GM_ARENA_ARRAY(r->a, int32_t, r->nodes);
    r->begin = GM_ARENA_ARRAY(r->a, size_t, r->nodes + 1);
    if (!r->keys || !r->segment || !r->begin) return no_memory(r);
    for (size_t i = 0; i < r->nodes; i++) {
        if (i == 0 || r->tree[i] != r->tree[i - 1]) r->begin[r->segments++] = i;
        r->segment[i] = (int32_t)(r->segments - 1);
        r->keys[i] = (key){ .tree = r->tree[i], .node = r->node[i], .index = i };
    }
    r->begin[r->segments] = r->nodes;
    qsort(r->keys, r->nodes, sizeof(*r->keys), by_key);
    for (size_t i = 0; i < r->nodes; i++) {
        if (i > 0 && by_key(&r->keys[i - 1], &r->keys[i]) == 0) return bad_node(r, r->keys[i].index, GM_EINVALID, "it is there twice");
        different += i == 0 || r->keys[i].tree != r->keys[i - 1].tree;
    }
    if (different != r->segments) return gm_err_set(r->err, GM_EUNSUPPORTED, "the nodes of a tree do not stand together");
    return GM_OK;
}

static gm_rc read_lists(reader *r)
{
    const Onnx__AttributeProto *modes = find_attr(r->op, "nodes_modes"), *missing = find_attr(r->op, "nodes_missing_value_tracks_true");
    r->nodes = modes ? modes->n_strings : 0;
    if (r->nodes < 1 || r->nodes > ALL_NODES_MAX)
        return gm_err_set(r->err, r->nodes ? GM_EUNSUPPORTED : GM_EINVALID, "the tree ensemble has %zu nodes", r->nodes);
    r->mode = modes->strings;
    gm_rc rc = read_ints(r, "nodes_treeids", r->nodes, &r->tree);
    if (!rc) rc = read_ints(r, "nodes_nodeids", r->nodes, &r->node);
    if (!rc) rc = read_ints(r, "nodes_featureids", r->nodes, &r->feature);
    if (!rc) rc = read_ints(r, "nodes_truenodeids", r->nodes, &r->yes);
    if (!rc) rc = read_ints(r, "nodes_falsenodeids", r->nodes, &r->no);
    if (!rc && missing && missing->n_ints) rc = read_ints(r, "nodes_missing_value_tracks_true", r->nodes, &r->missing);
    if (!rc) rc = read_numbers(r, "nodes_values", &r->value);
    if (!rc && r->value.count != r->nodes)
        rc = gm_err_set(r->err, GM_EINVALID, "the list \"nodes_values\" of the tree ensemble has %zu values, expected %zu", r->value.count, r->nodes);
    return rc;
}

static gm_rc read_weights(reader *r)
{
    gm_rc rc = read_numbers(r, r->classifier ? "class_weights" : "target_weights", &r->weight);
    r->leaves = r->weight.count;
    if (!rc) rc = read_ints(r, r->classifier ? "class_treeids" : "target_treeids", r->leaves, &r->leaf_tree);
    if (!rc) rc = read_ints(r, r->classifier ? "class_nodeids" : "target_nodeids", r->leaves, &r->leaf_node);
    if (!rc) rc = read_ints(r, r->classifier ? "class_ids" : "target_ids", r->leaves, &r->leaf_id);
    return rc ? rc : read_numbers(r, "base_values", &r->base);
}

static gm_rc unsupported(reader *r, const char *what)
{
    return gm_err_set(r->err, GM_EUNSUPPORTED, "the tree ensemble has %s", what);
}

/* How many outputs the operator has, and of two classes whose weights count. */
static gm_rc read_outputs(reader *r, gm_trees *t)
{
    const Onnx__AttributeProto *ints = find_attr(r->op, "classlabels_int64s"), *texts = find_attr(r->op, "classlabels_strings");
    int64_t count = !r->classifier ? int_attr(r->op, "n_targets", 1) : ints && ints->n_ints ? (int64_t)ints->n_ints : texts ? (int64_t)texts->n_strings : 0;
    if (count < 1 || count > GM_TREES_OUTPUTS_MAX)
        return gm_err_set(r->err, GM_EINVALID, "the tree ensemble has %lld outputs", (long long)count);
    r->outputs_there = (size_t)count;
    r->only = -1;
    bool same = true;
    for (size_t i = 0; i < r->leaves; i++) {
        if (r->leaf_id[i] < 0 || r->leaf_id[i] >= count)
            return gm_err_set(r->err, GM_EINVALID, "tree %lld, node %lld: a weight for output %lld of %lld", (long long)r->leaf_tree[i],
                              (long long)r->leaf_node[i], (long long)r->leaf_id[i], (long long)count);
        same = same && r->leaf_id[i] == r->leaf_id[0];
    }
    if (r->classifier && count == 1) return unsupported(r, "a single class");
    if (r->base.count && r->base.count != r->outputs_there && !(r->classifier && count == 2 && r->base.count == 1))
        return gm_err_set(r->err, GM_EINVALID, "the tree ensemble has %zu base values for %lld outputs", r->base.count, (long long)count);
    if (r->classifier && count == 2) r->only = same && r->leaves ? r->leaf_id[0] : 1;
    if (r->only == 1 && r->base.count == 1) return unsupported(r, "one base value for two classes"); /* which of them has it? */
    t->outputs = r->only >= 0 ? 1 : (int32_t)count;
    if (text_attr_is(r->op, "post_transform", "NONE", "NONE")) t->link = GM_LINK_IDENTITY;
    else if (text_attr_is(r->op, "post_transform", "NONE", "LOGISTIC")) t->link = GM_LINK_SIGMOID;
    else if (text_attr_is(r->op, "post_transform", "NONE", "SOFTMAX") && t->outputs > 1) t->link = GM_LINK_SOFTMAX;
    else return unsupported(r, "a transform of its sums that is not NONE, LOGISTIC or SOFTMAX of several outputs");
    size_t trees = r->segments;
    r->scale = 1;
    if (r->classifier || text_attr_is(r->op, "aggregate_function", "SUM", "SUM")) return GM_OK;
    if (!text_attr_is(r->op, "aggregate_function", "SUM", "AVERAGE") || (trees & (trees - 1)))
        return unsupported(r, "an aggregate that is not a sum"); /* halving is exact, and so are its repetitions */
    r->scale = 1 / (double)trees;
    return GM_OK;
}

/* ---- trees ------------------------------------------------------------------------------------------------- */

static bool mode_is(const reader *r, size_t i, const char *mode)
{
    return r->mode[i].len == strlen(mode) && memcmp(r->mode[i].data, mode, r->mode[i].len) == 0;
}

/* The threshold as gm_trees compares, for `x < t` (strict) or `x <= t`. */
static gm_rc threshold(reader *r, size_t i, bool strict, double *out)
{
    double t = number_at(&r->value, i);
    if (isnan(t)) return bad_node(r, i, GM_EINVALID, "the threshold is not a number");
    if (!strict == r->wide) {
        *out = t;
    } else if (r->wide) {
        if (t == -INFINITY) return bad_node(r, i, GM_EUNSUPPORTED, "an infinite threshold");
        *out = nextafter(t, -INFINITY);
    } else {
        if (t == INFINITY) return bad_node(r, i, GM_EUNSUPPORTED, "an infinite threshold");
        *out = (double)nextafterf((float)t, INFINITY);
    }
    /* gm_trees reads doubles of at most 1e-35 as 0. */
    if (r->wide && fabs(*out) <= 2e-35) return bad_node(r, i, GM_EUNSUPPORTED, "a threshold at zero, compared in double");
    return GM_OK;
}

static gm_rc read_node(reader *r, size_t i, gm_tree_node *out)
{
    *out = (gm_tree_node){ .feature = -1 };
    if (mode_is(r, i, "LEAF")) return GM_OK;
    bool lt = mode_is(r, i, "BRANCH_LT"), leq = mode_is(r, i, "BRANCH_LEQ"), gt = mode_is(r, i, "BRANCH_GT"), gte = mode_is(r, i, "BRANCH_GTE");
    if (mode_is(r, i, "BRANCH_EQ") || mode_is(r, i, "BRANCH_NEQ")) return bad_node(r, i, GM_EUNSUPPORTED, "a test of equality");
    if (!lt && !leq && !gt && !gte) return bad_node(r, i, GM_EINVALID, "an unrecognized mode");
    if (r->feature[i] < 0 || (uint64_t)r->feature[i] >= r->features) return bad_node(r, i, GM_EINVALID, "a feature that the graph does not have");
    size_t yes = find_node(r, r->tree[i], r->yes[i]), no = find_node(r, r->tree[i], r->no[i]), first = r->begin[r->segment[i]];
    if (yes == SIZE_MAX || no == SIZE_MAX) return bad_node(r, i, GM_EINVALID, "a child that is not there");
    bool swapped = gt || gte, missing_yes = r->missing && r->missing[i];
    out->feature = (int32_t)r->feature[i];
    out->left = (int32_t)((swapped ? no : yes) - first);
    out->right = (int32_t)((swapped ? yes : no) - first);
    out->default_left = swapped ? !missing_yes : missing_yes;
    return threshold(r, i, lt || gte, &out->threshold);
}

/* Does this weight count, and for which of our outputs? */
static bool counts(const reader *r, size_t leaf, int32_t *out)
{
    if (r->only >= 0 && r->leaf_id[leaf] != r->only) return false;
    *out = r->only >= 0 ? 0 : (int32_t)r->leaf_id[leaf];
    return true;
}

typedef struct weights {
    size_t *at;       /* [leaves] the node of each, sorted by tree */
    size_t *of_tree;  /* [segments + 1] where a tree's begin in order */
    size_t *order;    /* [leaves] */
} weights;

static gm_rc sort_weights(reader *r, weights *w)
{
    w->at = GM_ARENA_ARRAY(r->a, size_t, r->leaves);
    w->order = GM_ARENA_ARRAY(r->a, size_t, r->leaves);
    w->of_tree = GM_ARENA_ARRAY(r->a, size_t, r->segments + 2);
    if (!w->at || !w->order || !w->of_tree) return no_memory(r);
    for (size_t i = 0; i < r->leaves; i++) {
        w->at[i] = find_node(r, r->leaf_tree[i], r->leaf_node[i]);
        if (w->at[i] == SIZE_MAX || !mode_is(r, w->at[i], "LEAF"))
            return gm_err_set(r->err, GM_EINVALID, "tree %lld, node %lld: a weight for a leaf that is not there", (long long)r->leaf_tree[i],
                              (long long)r->leaf_node[i]);
        w->of_tree[r->segment[w->at[i]] + 2]++;
    }
    for (size_t s = 0; s < r->segments; s++) w->of_tree[s + 2] += w->of_tree[s + 1];
    for (size_t i = 0; i < r->leaves; i++) w->order[w->of_tree[r->segment[w->at[i]] + 1]++] = i;
    return GM_OK;
}

/* Tree s, once for each output that it has weights for. copy [outputs] NULL before and after. */
static gm_rc make_tree(reader *r, const weights *w, size_t s, gm_tree_node **copy, gm_trees *t, size_t *total)
{
    size_t first = r->begin[s], count = r->begin[s + 1] - first;
    gm_tree_node *nodes = GM_ARENA_ARRAY(r->a, gm_tree_node, count);
    if (!nodes) return no_memory(r);
    for (size_t i = 0; i < count; i++) {
        gm_rc rc = read_node(r, first + i, &nodes[i]);
        if (rc) return rc;
    }
    int32_t before = t->trees_count;
    for (size_t i = w->of_tree[s]; i < w->of_tree[s + 1]; i++) {
        int32_t k = 0;
        size_t leaf = w->order[i], node = w->at[leaf] - first;
        if (!counts(r, leaf, &k)) continue;
        if (!copy[k]) {
            *total += count;
            if (*total > ALL_NODES_MAX || t->trees_count == GM_TREES_MAX) return unsupported(r, "too many weights");
            copy[k] = t->trees_count == before ? nodes : GM_ARENA_ARRAY(r->a, gm_tree_node, count);
            if (!copy[k]) return no_memory(r);
            if (copy[k] != nodes)
                for (size_t n = 0; n < count; n++) {
                    copy[k][n] = nodes[n];
                    if (nodes[n].feature < 0) copy[k][n].value = copy[k][n].cover = 0;
                }
            t->trees[t->trees_count++] = (gm_tree){ .nodes = copy[k], .count = (int32_t)count, .output = k };
        }
        if (copy[k][node].cover != 0) return bad_node(r, w->at[leaf], GM_EUNSUPPORTED, "two weights for one output");
        copy[k][node].value = number_at(&r->weight, leaf) * r->scale;
        copy[k][node].cover = 1; /* it has its weight */
    }
    for (int32_t i = before; i < t->trees_count; i++) {
        copy[t->trees[i].output] = NULL;
        for (size_t n = 0; n < count; n++) t->trees[i].nodes[n].cover = 0;
    }
    return GM_OK;
}

static gm_rc add_bases(reader *r, gm_trees *t)
{
    for (int32_t k = 0; k < t->outputs && r->base.count; k++) {
        bool second = r->only >= 0 && r->base.count == 2;
        double v = number_at(&r->base, r->only < 0 ? (size_t)k : second ? 1 : 0);
        gm_tree_node *leaf = GM_ARENA_NEW(r->a, gm_tree_node);
        if (!leaf) return no_memory(r);
        *leaf = (gm_tree_node){ .feature = -1, .value = v };
        t->trees[t->trees_count++] = (gm_tree){ .nodes = leaf, .count = 1, .output = k };
    }
    return GM_OK;
}

static gm_rc check_trees(reader *r, const gm_trees *t)
{
    gm_arena *scratch = gm_arena_new(0);
    gm_rc rc = scratch ? GM_OK : no_memory(r);
    for (int32_t i = 0; !rc && i < t->trees_count; i++) {
        rc = gm_tree_check(&t->trees[i], i, t->features, scratch, r->err);
        gm_arena_rewind(scratch);
    }
    gm_arena_free(scratch);
    if (rc != GM_ECORRUPT) return rc;
    if (r->err) r->err->rc = GM_EINVALID;
    return GM_EINVALID;
}

static gm_rc make_trees(reader *r, gm_trees *t)
{
    weights w = { 0 };
    size_t total = 0, most = (r->leaves < r->segments * r->outputs_there ? r->leaves : r->segments * r->outputs_there) + (size_t)t->outputs;
    t->trees = GM_ARENA_ARRAY(r->a, gm_tree, most);
    t->base = GM_ARENA_ARRAY(r->a, double, t->outputs);
    gm_tree_node **copy = GM_ARENA_ARRAY(r->a, gm_tree_node *, t->outputs);
    gm_rc rc = t->trees && t->base && copy ? sort_weights(r, &w) : no_memory(r);
    for (size_t s = 0; !rc && s < r->segments; s++) rc = make_tree(r, &w, s, copy, t, &total);
    if (!rc) rc = add_bases(r, t);
    return rc ? rc : check_trees(r, t);
}

static gm_rc read_graph(reader *r, const char *output, gm_trees *t)
{
    int64_t type = 0;
    bool narrow = false;
    gm_rc rc = find_op(r, output);
    if (!rc) rc = find_columns(r, r->op->input[0], 0, &type, &narrow);
    if (rc) return rc;
    r->wide = type == DOUBLE;
    if (r->wide && narrow) return unsupported(r, "doubles that were floats before");
    rc = read_lists(r);
    if (!rc) rc = cut_trees(r);
    if (!rc) rc = read_weights(r);
    if (!rc) rc = read_outputs(r, t);
    if (rc) return rc;
    t->features = (int32_t)r->features;
    t->float32 = !r->wide;
    t->less_or_equal = r->wide;
    t->sigmoid_scale = 1;
    return make_trees(r, t);
}

gm_rc gm_trees_read_onnx(const void *bytes, size_t len, const char *output, gm_arena *a, gm_onnx_trees *out, gm_err *err)
{
    gm_trees *t = GM_ARENA_NEW(a, gm_trees);
    if (!t) return gm_err_set(err, GM_ENOMEM, "not enough memory for the trees of an ONNX model");
    Onnx__ModelProto *m = NULL;
    gm_rc rc = gm_onnx_unpack(bytes, len, &m, err);
    if (rc) return rc;
    reader r = { .graph = m->graph, .a = a, .err = err };
    rc = read_graph(&r, output, t);
    onnx__model_proto__free_unpacked(m, NULL);
    if (!rc) *out = (gm_onnx_trees){ .trees = t, .inputs = r.inputs, .matrix = r.matrix };
    return rc;
}
