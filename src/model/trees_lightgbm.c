/* trees_lightgbm.c - a tree ensemble from LightGBM's model text (versions v2 to v4).
 *
 * The text is lines of key=value in sections: a header, one per tree ("Tree=N"), then "end of trees" and things not needed here.
 * Inner nodes and leaves are numbered apart there: child c >= 0 is inner node c, c < 0 is leaf ~c. Here the leaves follow the
 * inner nodes: leaf l is node (num_leaves - 1) + l.
 */
#include <stdlib.h>
#include <string.h>

#include "model/trees_check.h"

enum { KEYS_MAX = 64 };
enum { DECISION_CATEGORICAL = 1, DECISION_DEFAULT_LEFT = 2, DECISION_MISSING_SHIFT = 2, DECISION_MISSING_MASK = 3 };

/* The key=value lines of one section; both point into the text, NUL-terminated. */
typedef struct section {
    const char *keys[KEYS_MAX], *values[KEYS_MAX];
    int32_t count;
} section;

static gm_rc corrupt(gm_err *err, const char *what) { return gm_err_set(err, GM_ECORRUPT, "not a LightGBM model: %s", what); }

/* Cuts off the next line of *rest; NULL at the end. */
static char *next_line(char **rest)
{
    char *line = *rest;
    if (!*line) return NULL;
    char *end = strchr(line, '\n');
    *rest = end ? end + 1 : line + strlen(line);
    if (end) *end = '\0';
    size_t len = strlen(line);
    if (len && line[len - 1] == '\r') line[len - 1] = '\0';
    return line;
}

/* Reads lines up to the next "Tree=" or "end of trees" (out_end); *line is that line, or NULL when the text ends first. */
static gm_rc read_section(char **rest, char **line, section *s, gm_err *err)
{
    s->count = 0;
    while ((*line = next_line(rest)) != NULL) {
        if (strncmp(*line, "Tree=", 5) == 0 || strcmp(*line, "end of trees") == 0) return GM_OK;
        char *equals = strchr(*line, '=');
        if (!equals) continue; /* "tree", "average_output", blank */
        if (s->count == KEYS_MAX) return corrupt(err, "a section has too many lines");
        *equals = '\0';
        s->keys[s->count] = *line;
        s->values[s->count++] = equals + 1;
    }
    return GM_OK;
}

static const char *find(const section *s, const char *key)
{
    for (int32_t i = 0; i < s->count; i++)
        if (strcmp(s->keys[i], key) == 0) return s->values[i];
    return NULL;
}

static gm_rc read_int(const section *s, const char *key, int64_t low, int64_t high, int64_t *out, gm_err *err)
{
    const char *text = find(s, key);
    char *end = NULL;
    long long v = text ? strtoll(text, &end, 10) : 0;
    if (!end || end == text || *end || v < low || v > high)
        return gm_err_set(err, GM_ECORRUPT, "not a LightGBM model: \"%s\" is missing or out of range", key);
    *out = v;
    return GM_OK;
}

/* Exactly `count` numbers between low and high, blank between them. In arena. */
static gm_rc read_ints(const section *s, const char *key, int64_t count, int64_t low, int64_t high, gm_arena *a, int64_t **out,
                       gm_err *err)
{
    const char *at = find(s, key);
    int64_t *values = GM_ARENA_ARRAY(a, int64_t, count);
    if (!values) return gm_err_set(err, GM_ENOMEM, "not enough memory for \"%s\"", key);
    bool good = at != NULL;
    for (int64_t i = 0; good && i < count; i++) {
        char *end = NULL;
        values[i] = strtoll(at, &end, 10);
        good = end != at && (!*end || *end == ' ') && values[i] >= low && values[i] <= high;
        at = end;
    }
    while (good && *at == ' ') at++;
    if (!good || *at) return gm_err_set(err, GM_ECORRUPT, "\"%s\" is missing or is not %lld whole numbers", key, (long long)count);
    *out = values;
    return GM_OK;
}

static gm_rc read_doubles(const section *s, const char *key, int64_t count, gm_arena *a, double **out, gm_err *err)
{
    const char *at = find(s, key);
    double *values = GM_ARENA_ARRAY(a, double, count);
    if (!values) return gm_err_set(err, GM_ENOMEM, "not enough memory for \"%s\"", key);
    bool good = at != NULL;
    for (int64_t i = 0; good && i < count; i++) {
        char *end = NULL;
        values[i] = strtod(at, &end);
        good = end != at && (!*end || *end == ' ');
        at = end;
    }
    while (good && *at == ' ') at++;
    if (!good || *at) return gm_err_set(err, GM_ECORRUPT, "\"%s\" is missing or is not %lld numbers", key, (long long)count);
    *out = values;
    return GM_OK;
}

/* ---- categorical splits ------------------------------------------------------------------------------------ */

/* All trees share one array of bit words; it grows as trees are read and is copied to the model at the end. */
typedef struct words {
    uint32_t *items;
    int32_t count, capacity;
} words;

static bool words_reserve(words *w, int64_t more)
{
    int64_t need = w->count + more;
    if (need > INT32_MAX / 2) return false;
    if (need <= w->capacity) return true;
    int64_t capacity = need * 2;
    uint32_t *grown = realloc(w->items, (size_t)capacity * sizeof(*grown));
    if (!grown) return false;
    w->items = grown;
    w->capacity = (int32_t)capacity;
    return true;
}

/* Sets of the tree: bounds[num_cat + 1] into its words; both are moved behind those of the trees before. */
static gm_rc read_sets(const section *s, int64_t num_cat, gm_arena *scratch, words *w, int64_t **out_bounds, gm_err *err)
{
    int64_t *bounds = NULL, *bits = NULL;
    gm_rc rc = read_ints(s, "cat_boundaries", num_cat + 1, 0, INT32_MAX / 4, scratch, &bounds, err);
    if (rc) return rc;
    for (int64_t i = 0; i < num_cat; i++)
        if (bounds[i] > bounds[i + 1]) return corrupt(err, "cat_boundaries go back");
    int64_t count = bounds[num_cat];
    rc = read_ints(s, "cat_threshold", count, 0, UINT32_MAX, scratch, &bits, err);
    if (rc) return rc;
    if (!words_reserve(w, count)) return gm_err_set(err, GM_ENOMEM, "not enough memory for categorical splits");
    for (int64_t i = 0; i <= num_cat; i++) bounds[i] += w->count;
    for (int64_t i = 0; i < count; i++) w->items[w->count++] = (uint32_t)bits[i];
    *out_bounds = bounds;
    return GM_OK;
}

/* ---- trees ------------------------------------------------------------------------------------------------- */

typedef struct tree_fields {
    int64_t *feature, *decision, *left, *right;
    double *threshold, *leaf;
    double *inner_rows, *leaf_rows; /* training rows that came there; NULL when the file does not say */
    int64_t *set_bounds; /* [num_cat + 1] */
    int64_t leaves, num_cat;
} tree_fields;

static gm_rc read_fields(const section *s, gm_arena *scratch, words *w, tree_fields *f, gm_err *err)
{
    int64_t is_linear = 0;
    gm_rc rc = read_int(s, "num_leaves", 1, GM_TREE_NODES_MAX / 2, &f->leaves, err);
    if (!rc) rc = read_int(s, "num_cat", 0, INT32_MAX / 4, &f->num_cat, err);
    if (!rc && find(s, "is_linear")) rc = read_int(s, "is_linear", 0, 1, &is_linear, err);
    if (!rc && is_linear) rc = gm_err_set(err, GM_EUNSUPPORTED, "linear trees of LightGBM are not read");
    if (!rc) rc = read_doubles(s, "leaf_value", f->leaves, scratch, &f->leaf, err);
    if (rc || f->leaves == 1) return rc;

    int64_t inner = f->leaves - 1;
    rc = read_ints(s, "split_feature", inner, 0, INT32_MAX, scratch, &f->feature, err);
    if (!rc) rc = read_doubles(s, "threshold", inner, scratch, &f->threshold, err);
    if (!rc) rc = read_ints(s, "decision_type", inner, 0, 15, scratch, &f->decision, err);
    if (!rc) rc = read_ints(s, "left_child", inner, -f->leaves, inner - 1, scratch, &f->left, err);
    if (!rc) rc = read_ints(s, "right_child", inner, -f->leaves, inner - 1, scratch, &f->right, err);
    if (!rc && f->num_cat) rc = read_sets(s, f->num_cat, scratch, w, &f->set_bounds, err);
    if (rc || !find(s, "internal_count") || !find(s, "leaf_count")) return rc;
    rc = read_doubles(s, "internal_count", inner, scratch, &f->inner_rows, err);
    if (!rc) rc = read_doubles(s, "leaf_count", f->leaves, scratch, &f->leaf_rows, err);
    return rc;
}

/* The threshold of a categorical split is the number of its set. */
static gm_rc set_categorical(const tree_fields *f, int64_t i, gm_tree_node *n, gm_err *err)
{
    double number = f->threshold[i];
    if (!(number >= 0 && number < (double)f->num_cat)) return corrupt(err, "a categorical split names no set");
    n->categorical = true;
    n->threshold = 0;
    n->cat_begin = (int32_t)f->set_bounds[(int64_t)number];
    n->cat_end = (int32_t)f->set_bounds[(int64_t)number + 1];
    return GM_OK;
}

static int32_t child(int64_t c, int64_t inner) { return (int32_t)(c >= 0 ? c : inner + ~c); }

static gm_rc build_tree(const tree_fields *f, gm_arena *a, gm_tree *t, gm_err *err)
{
    static const gm_tree_missing missing[] = { GM_MISSING_NONE, GM_MISSING_ZERO, GM_MISSING_NAN };
    int64_t inner = f->leaves - 1;
    t->count = (int32_t)(inner + f->leaves);
    t->nodes = GM_ARENA_ARRAY(a, gm_tree_node, t->count);
    if (!t->nodes) return gm_err_set(err, GM_ENOMEM, "not enough memory for a tree");
    for (int64_t i = 0; i < inner; i++) {
        gm_tree_node *n = &t->nodes[i];
        int64_t kind = f->decision[i] >> DECISION_MISSING_SHIFT & DECISION_MISSING_MASK;
        if (kind == DECISION_MISSING_MASK) return corrupt(err, "unknown kind of missing value");
        *n = (gm_tree_node){ .feature = (int32_t)f->feature[i],
                             .left = child(f->left[i], inner),
                             .right = child(f->right[i], inner),
                             .threshold = f->threshold[i],
                             .default_left = f->decision[i] & DECISION_DEFAULT_LEFT,
                             .missing = missing[kind],
                             .cover = f->inner_rows ? f->inner_rows[i] : 0 };
        gm_rc rc = f->decision[i] & DECISION_CATEGORICAL ? set_categorical(f, i, n, err) : GM_OK;
        if (rc) return rc;
    }
    for (int64_t l = 0; l < f->leaves; l++)
        t->nodes[inner + l] = (gm_tree_node){ .feature = -1, .left = -1, .right = -1, .value = f->leaf[l], .cover = f->leaf_rows ? f->leaf_rows[l] : 0 };
    return GM_OK;
}

/* ---- header ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    gm_link link;
} objectives[] = {
    { "binary", GM_LINK_SIGMOID },       { "cross_entropy", GM_LINK_SIGMOID }, { "multiclass", GM_LINK_SOFTMAX },
    { "regression", GM_LINK_IDENTITY },  { "regression_l1", GM_LINK_IDENTITY }, { "huber", GM_LINK_IDENTITY },
    { "fair", GM_LINK_IDENTITY },        { "quantile", GM_LINK_IDENTITY },     { "mape", GM_LINK_IDENTITY },
    { "lambdarank", GM_LINK_IDENTITY },  { "rank_xendcg", GM_LINK_IDENTITY },  { "poisson", GM_LINK_EXP },
    { "gamma", GM_LINK_EXP },            { "tweedie", GM_LINK_EXP },
};

/* "binary sigmoid:1", "multiclass num_class:3", "regression", or absent (raw scores). */
static gm_rc read_objective(const char *text, gm_trees *t, gm_err *err)
{
    t->link = GM_LINK_IDENTITY;
    t->sigmoid_scale = 1;
    if (!text || !*text || strncmp(text, "custom", 6) == 0) return GM_OK;
    size_t len = strcspn(text, " "), i = 0, count = sizeof(objectives) / sizeof(objectives[0]);
    while (i < count && (strlen(objectives[i].name) != len || strncmp(objectives[i].name, text, len) != 0)) i++;
    if (i == count || strstr(text + len, " sqrt"))
        return gm_err_set(err, GM_EUNSUPPORTED, "LightGBM objective \"%.60s\" is not read", text);
    t->link = objectives[i].link;
    const char *sigmoid = strstr(text, " sigmoid:");
    if (sigmoid) t->sigmoid_scale = strtod(sigmoid + strlen(" sigmoid:"), NULL);
    if (!(t->sigmoid_scale > 0 && isfinite(t->sigmoid_scale))) return corrupt(err, "the sigmoid is out of range");
    return GM_OK;
}

static gm_rc read_header(const section *s, gm_arena *a, gm_trees *t, gm_err *err)
{
    int64_t outputs = 0, feature_max = 0;
    gm_rc rc = read_int(s, "num_tree_per_iteration", 1, GM_TREES_OUTPUTS_MAX, &outputs, err);
    if (!rc) rc = read_int(s, "max_feature_idx", -1, GM_TREES_FEATURES_MAX, &feature_max, err);
    if (rc) return rc;
    t->outputs = (int32_t)outputs;
    t->features = (int32_t)feature_max + 1;
    t->less_or_equal = true;
    t->base = GM_ARENA_ARRAY(a, double, outputs); /* zeros: the average is inside the first trees */
    if (!t->base) return gm_err_set(err, GM_ENOMEM, "not enough memory for %d classes", t->outputs);
    rc = read_objective(find(s, "objective"), t, err);
    if (!rc && t->link == GM_LINK_SOFTMAX && t->outputs < 2) rc = corrupt(err, "a multiclass model of one class");
    if (!rc && t->link == GM_LINK_SIGMOID && t->outputs != 1) rc = corrupt(err, "a binary model of several classes");
    return rc;
}

static int32_t count_trees(const char *text)
{
    int64_t count = strncmp(text, "Tree=", 5) == 0;
    for (const char *at = text; (at = strstr(at, "\nTree=")) != NULL; at++) count++;
    return count > GM_TREES_MAX ? -1 : (int32_t)count;
}

static gm_rc read_all(char *text, gm_arena *a, gm_arena *scratch, words *w, gm_trees *t, gm_err *err)
{
    char *rest = text, *line = NULL;
    section s;
    /* An average of trees is a word alone on its line (random forests). */
    if (strstr(text, "\naverage_output\n")) return gm_err_set(err, GM_EUNSUPPORTED, "random forests of LightGBM are not read");
    int32_t count = count_trees(text);
    if (count < 0) return corrupt(err, "too many trees");
    t->trees = GM_ARENA_ARRAY(a, gm_tree, count);
    if (!t->trees) return gm_err_set(err, GM_ENOMEM, "not enough memory for %d trees", count);

    gm_rc rc = read_section(&rest, &line, &s, err);
    if (!rc) rc = read_header(&s, a, t, err);
    while (!rc && line && strncmp(line, "Tree=", 5) == 0) {
        tree_fields f = { 0 };
        int32_t number = t->trees_count++;
        gm_tree *tree = &t->trees[number];
        tree->output = number % t->outputs;
        rc = read_section(&rest, &line, &s, err);
        if (!rc) rc = read_fields(&s, scratch, w, &f, err);
        if (!rc) rc = build_tree(&f, a, tree, err);
        if (!rc) rc = gm_tree_check(tree, number, t->features, scratch, err);
        rc = gm_err_ctx(err, rc, "reading tree %d", number);
        gm_arena_reset(scratch);
    }
    if (!rc && !line) rc = corrupt(err, "it ends before \"end of trees\"");
    if (!rc && t->trees_count % t->outputs) rc = corrupt(err, "the last round lacks a tree");
    return rc;
}

gm_rc gm_trees_read_lightgbm(const char *text, size_t len, gm_arena *a, gm_trees **out, gm_err *err)
{
    words w = { 0 };
    gm_trees *t = GM_ARENA_NEW(a, gm_trees);
    gm_arena *scratch = gm_arena_new(0);
    char *copy = malloc(len + 1); /* cut into lines and thrown away */
    gm_rc rc = t && scratch && copy ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for a model");
    if (rc) goto out;
    memcpy(copy, text, len);
    copy[len] = '\0';

    if (strncmp(copy, "tree", 4) != 0 || strlen(copy) != len) rc = corrupt(err, "it does not begin with \"tree\", or holds a NUL");
    if (!rc) rc = read_all(copy, a, scratch, &w, t, err);
    if (rc) goto out;
    t->cats = GM_ARENA_ARRAY(a, uint32_t, w.count);
    if (!t->cats) {
        rc = gm_err_set(err, GM_ENOMEM, "not enough memory for categorical splits");
        goto out;
    }
    if (w.count) memcpy(t->cats, w.items, (size_t)w.count * sizeof(*t->cats));
    *out = t;
out:
    free(copy);
    free(w.items);
    gm_arena_free(scratch);
    return rc;
}
