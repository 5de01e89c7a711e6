/* trees_xgboost.c - a tree ensemble from XGBoost's own JSON (format of 1.0 to 3.x, booster gbtree).
 *
 * Numbers are float32 in that library; they are kept here as doubles with float32 values, and margins are summed in float32.
 * The base score is stored as the user sees it (a probability, a mean) and is turned into a margin as the library does, in float32.
 */
#include <stdlib.h>
#include <string.h>

#include "model/number_list.h"
#include "model/trees_check.h"

/* What an objective's score means. scale: how its base score becomes a margin. */
typedef enum base_scale { BASE_PLAIN, BASE_LOGIT, BASE_LOG } base_scale;
typedef struct objective {
    const char *name;
    base_scale base;
    gm_link link;
} objective;

static const objective objectives[] = {
    { "binary:logistic", BASE_LOGIT, GM_LINK_SIGMOID },
    { "binary:logitraw", BASE_PLAIN, GM_LINK_IDENTITY },
    { "count:poisson", BASE_LOG, GM_LINK_EXP },
    { "multi:softmax", BASE_PLAIN, GM_LINK_SOFTMAX },
    { "multi:softprob", BASE_PLAIN, GM_LINK_SOFTMAX },
    { "reg:absoluteerror", BASE_PLAIN, GM_LINK_IDENTITY },
    { "reg:gamma", BASE_LOG, GM_LINK_EXP },
    { "reg:logistic", BASE_LOGIT, GM_LINK_SIGMOID },
    { "reg:pseudohubererror", BASE_PLAIN, GM_LINK_IDENTITY },
    { "reg:quantileerror", BASE_PLAIN, GM_LINK_IDENTITY },
    { "reg:squarederror", BASE_PLAIN, GM_LINK_IDENTITY },
    { "reg:squaredlogerror", BASE_PLAIN, GM_LINK_IDENTITY },
    { "reg:tweedie", BASE_LOG, GM_LINK_EXP },
};

static gm_rc corrupt(gm_err *err, const char *what) { return gm_err_set(err, GM_ECORRUPT, "not an XGBoost model: %s", what); }

/* A whole number between low and high, written as a number or as text ("3"). */
static gm_rc read_int(const gm_node *map, const char *key, int64_t low, int64_t high, int64_t *out, gm_err *err)
{
    const gm_node *n = gm_node_get(map, key);
    char *end = NULL;
    long long v = n && n->kind == GM_NODE_SCALAR ? strtoll(n->text, &end, 10) : 0;
    if (!end || end == n->text || *end || v < low || v > high)
        return gm_err_set(err, GM_ECORRUPT, "not an XGBoost model: \"%s\" is missing or out of range", key);
    *out = v;
    return GM_OK;
}

/* The list `key` of map, `count` long (-1: any). */
static gm_rc read_list(const gm_node *map, const char *key, int64_t count, const gm_node **out, gm_err *err)
{
    const gm_node *n = gm_node_get(map, key);
    if (!n || n->kind != GM_NODE_SEQ || (count >= 0 && (int64_t)n->count != count))
        return gm_err_set(err, GM_ECORRUPT, "not an XGBoost model: the list \"%s\" is missing or has a wrong length", key);
    *out = n;
    return GM_OK;
}

typedef struct tree_lists {
    gm_number_list left, right, feature, condition, default_left, split_type, cover; /* the last two may have no list */
} tree_lists;

static gm_rc read_numbers(const gm_node *json, const char *key, int64_t count, gm_number_list *out, gm_err *err)
{
    const gm_node *n = NULL;
    gm_rc rc = read_list(json, key, count, &n, err);
    if (!rc) *out = gm_number_list_of(n);
    return rc;
}

static gm_rc read_lists(const gm_node *json, int64_t count, tree_lists *l, gm_err *err)
{
    gm_rc rc = read_numbers(json, "left_children", count, &l->left, err);
    if (!rc) rc = read_numbers(json, "right_children", count, &l->right, err);
    if (!rc) rc = read_numbers(json, "split_indices", count, &l->feature, err);
    if (!rc) rc = read_numbers(json, "split_conditions", count, &l->condition, err);
    if (!rc) rc = read_numbers(json, "default_left", count, &l->default_left, err);
    if (!rc && gm_node_get(json, "split_type")) rc = read_numbers(json, "split_type", count, &l->split_type, err); /* absent before 1.3 */
    if (!rc && gm_node_get(json, "sum_hessian")) rc = read_numbers(json, "sum_hessian", count, &l->cover, err);
    return rc;
}

/* A leaf has no left child and keeps its value in the place of the condition. */
static gm_rc read_node(tree_lists *l, int32_t i, gm_tree_node *n, gm_err *err)
{
    int32_t feature = 0, default_left = 0, split_type = 0;
    float condition = 0, cover = 0;
    if (!gm_number_list_int(&l->left, &n->left) || !gm_number_list_int(&l->right, &n->right) || !gm_number_list_int(&l->feature, &feature) ||
        !gm_number_list_int(&l->default_left, &default_left) || !gm_number_list_float(&l->condition, &condition) ||
        (l->split_type.list && !gm_number_list_int(&l->split_type, &split_type)) || (l->cover.list && !gm_number_list_float(&l->cover, &cover)))
        return gm_err_set(err, GM_ECORRUPT, "node %d holds something that is not a number", i);
    n->cover = (double)cover;
    if (n->left == -1) {
        n->feature = -1;
        n->value = (double)condition;
        return GM_OK;
    }
    if (split_type != 0) return gm_err_set(err, GM_EUNSUPPORTED, "node %d is a categorical split of XGBoost", i);
    if (feature < 0) return gm_err_set(err, GM_ECORRUPT, "node %d: feature %d", i, feature);
    n->feature = feature;
    n->threshold = (double)condition;
    n->default_left = default_left != 0;
    return GM_OK;
}

static gm_rc read_tree(const gm_node *json, int32_t number, int32_t features, gm_arena *a, gm_arena *scratch, gm_tree *t,
                       gm_err *err)
{
    int64_t count = 0;
    tree_lists lists = { 0 };
    const gm_node *param = gm_node_get(json, "tree_param");
    if (gm_node_int_or(param, "size_leaf_vector", 1) > 1)
        return gm_err_set(err, GM_EUNSUPPORTED, "tree %d has leaves of several values", number);
    gm_rc rc = read_int(param, "num_nodes", 1, GM_TREE_NODES_MAX, &count, err);
    if (!rc) rc = read_lists(json, count, &lists, err);
    if (rc) return gm_err_ctx(err, rc, "reading tree %d", number);

    t->count = (int32_t)count;
    t->nodes = GM_ARENA_ARRAY(a, gm_tree_node, count);
    if (!t->nodes) return gm_err_set(err, GM_ENOMEM, "not enough memory for tree %d", number);
    for (int32_t i = 0; i < t->count; i++) {
        rc = read_node(&lists, i, &t->nodes[i], err);
        if (rc) return gm_err_ctx(err, rc, "reading tree %d", number);
    }
    return gm_tree_check(t, number, features, scratch, err);
}

static gm_rc read_trees(const gm_node *model, gm_arena *a, gm_trees *t, gm_err *err)
{
    const gm_node *trees = NULL;
    gm_number_list outputs = { 0 };
    gm_rc rc = read_list(model, "trees", -1, &trees, err);
    if (!rc) rc = read_numbers(model, "tree_info", (int64_t)trees->count, &outputs, err);
    if (rc) return rc;
    if (trees->count && !trees->items) return corrupt(err, "the list \"trees\" holds numbers");
    if (trees->count > GM_TREES_MAX) return corrupt(err, "too many trees");
    t->trees_count = (int32_t)trees->count;
    t->trees = GM_ARENA_ARRAY(a, gm_tree, trees->count);
    gm_arena *scratch = gm_arena_new(0);
    if (!t->trees || !scratch) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for %zu trees", trees->count);
    for (int32_t i = 0; !rc && i < t->trees_count; i++) {
        gm_tree *tree = &t->trees[i];
        if (!gm_number_list_int(&outputs, &tree->output) || tree->output < 0 || tree->output >= t->outputs)
            rc = corrupt(err, "a tree belongs to no class");
        else
            rc = read_tree(trees->items[i], i, t->features, a, scratch, tree, err);
        gm_arena_reset(scratch);
    }
    gm_arena_free(scratch);
    return rc;
}

/* base score -> margin, in float32 as the library computes it.
 *
 *   logit: -log(1/p - 1);  log: log(m);  else itself
 *
 * Range    p in (0, 1), m > 0; otherwise GM_ECORRUPT
 * Source   XGBoost 3.2, objectives' ProbToMargin
 * Checked  test_trees_xgboost: margins of 10,000 rows equal the library's bit for bit, each objective */
static gm_rc base_margin(base_scale scale, float score, double *out, gm_err *err)
{
    float margin = score;
    if (scale == BASE_LOGIT) margin = -logf(1.0f / score - 1.0f);
    if (scale == BASE_LOG) margin = logf(score);
    if (!isfinite(margin)) return corrupt(err, "the base score is out of range");
    *out = (double)margin;
    return GM_OK;
}

/* "5E-1" (before 3.1), "[5E-1]", "[1.5E-1,5.7E-1,-7.2E-1]": one for all outputs or one for each. */
static gm_rc read_base(const gm_node *learner_param, base_scale scale, gm_arena *a, gm_trees *t, gm_err *err)
{
    t->base = GM_ARENA_ARRAY(a, double, t->outputs);
    if (!t->base) return gm_err_set(err, GM_ENOMEM, "not enough memory for %d classes", t->outputs);
    const char *at = gm_node_str_or(learner_param, "base_score", "");
    bool listed = *at == '[';
    if (listed) at++;
    int32_t count = 0;
    for (; count < t->outputs; count++) {
        char *end = NULL;
        float score = strtof(at, &end);
        if (end == at) break;
        gm_rc rc = base_margin(scale, score, &t->base[count], err);
        if (rc) return rc;
        at = end;
        if (*at == ',') at++;
    }
    if (strcmp(at, listed ? "]" : "") != 0 || (count != t->outputs && count != 1)) return corrupt(err, "unreadable base_score");
    for (int32_t i = count; i < t->outputs; i++) t->base[i] = t->base[0];
    return GM_OK;
}

static gm_rc find_objective(const char *name, const objective **out, gm_err *err)
{
    for (size_t i = 0; i < sizeof(objectives) / sizeof(objectives[0]); i++) {
        if (strcmp(objectives[i].name, name) != 0) continue;
        *out = &objectives[i];
        return GM_OK;
    }
    return gm_err_set(err, GM_EUNSUPPORTED, "XGBoost objective \"%.60s\" is not read", name);
}

static gm_rc read_model(const gm_node *json, gm_arena *a, gm_trees **out, gm_err *err)
{
    const gm_node *learner = gm_node_get(json, "learner");
    const gm_node *param = gm_node_get(learner, "learner_model_param");
    const gm_node *booster = gm_node_get(learner, "gradient_booster");
    if (!param || !booster) return corrupt(err, "it has no learner");
    const char *booster_name = gm_node_str_or(booster, "name", "");
    if (strcmp(booster_name, "gbtree") != 0)
        return gm_err_set(err, GM_EUNSUPPORTED, "XGBoost booster \"%.40s\" is not read, only gbtree", booster_name);

    const objective *o = NULL;
    int64_t features = 0, classes = 0;
    gm_trees *t = GM_ARENA_NEW(a, gm_trees);
    if (!t) return gm_err_set(err, GM_ENOMEM, "not enough memory for a model");
    gm_rc rc = find_objective(gm_node_str_or(gm_node_get(learner, "objective"), "name", ""), &o, err);
    if (!rc) rc = read_int(param, "num_feature", 0, GM_TREES_FEATURES_MAX, &features, err);
    if (!rc) rc = read_int(param, "num_class", 0, GM_TREES_OUTPUTS_MAX, &classes, err);
    if (!rc && gm_node_int_or(param, "num_target", 1) > 1)
        rc = gm_err_set(err, GM_EUNSUPPORTED, "an XGBoost model of several targets is not read");
    if (rc) return rc;

    *t = (gm_trees){ .float32 = true, .features = (int32_t)features, .outputs = classes > 1 ? (int32_t)classes : 1,
                     .link = o->link, .sigmoid_scale = 1 };
    rc = read_base(param, o->base, a, t, err);
    if (!rc) rc = read_trees(gm_node_get(booster, "model"), a, t, err);
    if (rc) return rc;
    *out = t;
    return GM_OK;
}

gm_rc gm_trees_read_xgboost(const char *text, size_t len, const char *file_name, gm_arena *a, gm_trees **out, gm_err *err)
{
    gm_arena *scratch = gm_arena_new(0); /* the document; the model is copied out of it */
    gm_node *json = NULL;
    if (!scratch) return gm_err_set(err, GM_ENOMEM, "no memory for reading a model");
    gm_rc rc = gm_json_outline(text, len, file_name, scratch, &json, err);
    if (!rc) rc = read_model(json, a, out, err);
    gm_arena_free(scratch);
    return rc;
}
