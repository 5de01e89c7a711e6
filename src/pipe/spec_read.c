/* spec_read.c - gristmill.yaml into a gm_spec: shapes, keys and phrases; the data is not looked at. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "pipe/names.h"
#include "pipe/sections.h"
#include "pipe/spec.h"
#include "train/trainer.h"

typedef struct data_conf {
    const char *from, *format, *query, *time;
    gm_strs key, personal;
    const gm_node *checks;
} data_conf;

const gm_param gm_section_data[] = {
    { "from", GM_PARAM_STR, offsetof(data_conf, from), NULL, "file, glob, folder, sqlite:FILE?table=T or postgres:// address", 0,
      0, NULL },
    { "format", GM_PARAM_STR, offsetof(data_conf, format), "auto", "how files are read", 0, 0, "auto csv parquet json" },
    { "query", GM_PARAM_STR, offsetof(data_conf, query), "", "SQL over the source, which is the table `source`", 0, 0, NULL },
    { "key", GM_PARAM_STRS, offsetof(data_conf, key), "", "columns that name a row", 0, 0, NULL },
    { "time", GM_PARAM_STR, offsetof(data_conf, time), "", "column of the event time: splits, windows, point-in-time joins", 0, 0,
      NULL },
    { "checks", GM_PARAM_NODE, offsetof(data_conf, checks), "", "statements that must hold", 0, 0, NULL },
    { "personal", GM_PARAM_STRS, offsetof(data_conf, personal), "", "columns that stay out of samples, logs and reports", 0, 0,
      NULL },
    { 0 },
};

typedef struct features_conf {
    const char *of;
    gm_strs use, drop;
    const gm_node *join, *add, *transform;
} features_conf;

const gm_param gm_section_features[] = {
    { "of", GM_PARAM_STR, offsetof(features_conf, of), "", "the data set whose rows are the examples; the first by default", 0, 0,
      NULL },
    { "join", GM_PARAM_NODE, offsetof(features_conf, join), "", "other data sets, joined as of each row's time", 0, 0, NULL },
    { "add", GM_PARAM_NODE, offsetof(features_conf, add), "", "new columns as expressions", 0, 0, NULL },
    { "use", GM_PARAM_STRS, offsetof(features_conf, use), "", "columns that become features; all useful ones by default", 0, 0,
      NULL },
    { "drop", GM_PARAM_STRS, offsetof(features_conf, drop), "", "columns that do not", 0, 0, NULL },
    { "transform", GM_PARAM_NODE, offsetof(features_conf, transform), "", "transforms by column; by kind where none is given", 0,
      0, NULL },
    { 0 },
};

typedef struct join_conf {
    gm_strs by;
    double within;
} join_conf;

const gm_param gm_section_join[] = {
    { "by", GM_PARAM_STRS, offsetof(join_conf, by), NULL, "columns equal on both sides", 0, 0, NULL },
    { "within", GM_PARAM_DURATION, offsetof(join_conf, within), "0s", "how old the joined row may be; 0s = any age", 0, 0, NULL },
    { 0 },
};

typedef struct train_conf {
    const gm_node *split, *tries;
    const char *search, *metric;
    int64_t seed, threads;
} train_conf;

const gm_param gm_section_train[] = {
    { "split", GM_PARAM_NODE, offsetof(train_conf, split), "", "how rows are held out: { by: time, validation: 15%, test: 15% }",
      0, 0, NULL },
    { "try", GM_PARAM_NODE, offsetof(train_conf, tries), "", "trainers, or steps that make a model", 0, 0, NULL },
    { "search", GM_PARAM_STR, offsetof(train_conf, search), "1 trials", "trials for each trainer: 30 trials", 0, 0, NULL },
    { "metric", GM_PARAM_STR, offsetof(train_conf, metric), "", "the metric that decides; by the task when none is given", 0, 0,
      NULL },
    { "seed", GM_PARAM_INT, offsetof(train_conf, seed), "1", "seed of everything random", 0, 0, NULL },
    { "threads", GM_PARAM_INT, offsetof(train_conf, threads), "1", "threads of one trainer; 1 gives the same bits on every run",
      1, 1024, NULL },
    { 0 },
};

typedef struct split_conf {
    const char *by, *column;
    double validation, test;
} split_conf;

const gm_param gm_section_split[] = {
    { "by", GM_PARAM_STR, offsetof(split_conf, by), "auto", "what decides the side of a row", 0, 0,
      "auto time random stratified group" },
    { "column", GM_PARAM_STR, offsetof(split_conf, column), "", "the time or group column", 0, 0, NULL },
    { "validation", GM_PARAM_DOUBLE, offsetof(split_conf, validation), "15%", "share of rows that choose between candidates",
      0.01, 0.5, NULL },
    { "test", GM_PARAM_DOUBLE, offsetof(split_conf, test), "15%", "share of rows that judge the winner", 0.01, 0.5, NULL },
    { 0 },
};

typedef struct step_conf {
    gm_strs run, code;
    const char *shell, *sql;
    const gm_node *in, *out, *params, *env;
    double timeout;
    int64_t retry;
    bool cache;
} step_conf;

const gm_param gm_section_step[] = {
    { "run", GM_PARAM_STRS, offsetof(step_conf, run), "",
      "the program and its arguments; {name} is an input, output or parameter", 0, 0, NULL },
    { "shell", GM_PARAM_STR, offsetof(step_conf, shell), "", "a shell command instead of run", 0, 0, NULL },
    { "sql", GM_PARAM_STR, offsetof(step_conf, sql), "", "SQL over the inputs instead of run; its rows are the output", 0, 0,
      NULL },
    { "in", GM_PARAM_NODE, offsetof(step_conf, in), "", "inputs: name: file, data set, examples, or STEP.OUTPUT", 0, 0, NULL },
    { "out", GM_PARAM_NODE, offsetof(step_conf, out), "", "outputs: name: file name", 0, 0, NULL },
    { "code", GM_PARAM_STRS, offsetof(step_conf, code), "", "files and folders of code that the step depends on", 0, 0, NULL },
    { "params", GM_PARAM_NODE, offsetof(step_conf, params), "", "parameters by name", 0, 0, NULL },
    { "env", GM_PARAM_NODE, offsetof(step_conf, env), "", "environment variables that the step may see", 0, 0, NULL },
    { "timeout", GM_PARAM_DURATION, offsetof(step_conf, timeout), "0s", "stop it after this long; 0s = never", 0, 0, NULL },
    { "retry", GM_PARAM_INT, offsetof(step_conf, retry), "0", "further attempts after a failure", 0, 100, NULL },
    { "cache", GM_PARAM_BOOL, offsetof(step_conf, cache), "true", "false: run it every time", 0, 0, NULL },
    { 0 },
};

typedef struct keep_conf {
    int64_t runs;
    double age;
} keep_conf;

const gm_param gm_section_keep[] = {
    { "runs", GM_PARAM_INT, offsetof(keep_conf, runs), "20", "newest runs that gc keeps whole", 1, 1e9, NULL },
    { "age", GM_PARAM_DURATION, offsetof(keep_conf, age), "30 days", "gc keeps every run younger than this", 0, 0, NULL },
    { 0 },
};

typedef struct govern_conf {
    const char *owner, *intended_use, *out_of_scope, *contact, *license, *limitations, *risks;
} govern_conf;

const gm_param gm_section_govern[] = {
    { "owner", GM_PARAM_STR, offsetof(govern_conf, owner), "", "who answers for the model", 0, 0, NULL },
    { "intended_use", GM_PARAM_STR, offsetof(govern_conf, intended_use), "", "what decisions it is for", 0, 0, NULL },
    { "out_of_scope", GM_PARAM_STR, offsetof(govern_conf, out_of_scope), "", "what it must not be used for", 0, 0, NULL },
    { "limitations", GM_PARAM_STR, offsetof(govern_conf, limitations), "", "known limits", 0, 0, NULL },
    { "risks", GM_PARAM_STR, offsetof(govern_conf, risks), "", "who may be harmed by a wrong prediction, and how", 0, 0, NULL },
    { "contact", GM_PARAM_STR, offsetof(govern_conf, contact), "", "where to ask", 0, 0, NULL },
    { "license", GM_PARAM_STR, offsetof(govern_conf, license), "", "licence of the model", 0, 0, NULL },
    { 0 },
};

typedef struct top_conf {
    const char *pipeline, *target;
    const gm_node *data, *features, *train, *gates, *deploy, *monitor, *retrain, *govern, *steps, *keep;
    const char *task;
} top_conf;

const gm_param gm_section_top[] = {
    { "pipeline", GM_PARAM_STR, offsetof(top_conf, pipeline), "", "name; the folder's by default", 0, 0, NULL },
    { "data", GM_PARAM_NODE, offsetof(top_conf, data), "", "where the rows come from", 0, 0, NULL },
    { "target", GM_PARAM_STR, offsetof(top_conf, target), "", "column or expression to predict", 0, 0, NULL },
    { "task", GM_PARAM_STR, offsetof(top_conf, task), "auto", "what kind of prediction", 0, 0,
      "auto binary multiclass regression" },
    { "features", GM_PARAM_NODE, offsetof(top_conf, features), "", "what the model sees", 0, 0, NULL },
    { "train", GM_PARAM_NODE, offsetof(top_conf, train), "", "how candidates are trained and compared", 0, 0, NULL },
    { "gates", GM_PARAM_NODE, offsetof(top_conf, gates), "", "what a candidate must reach to be registered as champion", 0, 0,
      NULL },
    { "deploy", GM_PARAM_NODE, offsetof(top_conf, deploy), "", "how a new version comes out: at once, or tried beside the champion", 0, 0, NULL },
    { "monitor", GM_PARAM_NODE, offsetof(top_conf, monitor), "", "what is watched while it serves, and who is told", 0, 0, NULL },
    { "retrain", GM_PARAM_NODE, offsetof(top_conf, retrain), "", "what starts a training by itself", 0, 0, NULL },
    { "govern", GM_PARAM_NODE, offsetof(top_conf, govern), "", "who answers for it, and what it is for", 0, 0, NULL },
    { "steps", GM_PARAM_NODE, offsetof(top_conf, steps), "", "steps of your own", 0, 0, NULL },
    { "keep", GM_PARAM_NODE, offsetof(top_conf, keep), "", "what gc keeps", 0, 0, NULL },
    { 0 },
};

static const char *or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

static bool is_map(const gm_node *n, const char *what, gm_errs *errs)
{
    if (!n || n->kind == GM_NODE_MAP) return true;
    gm_errs_at(errs, n->pos, GM_EINVALID, NULL, "%s must be a map of keys and values", what);
    return false;
}

static bool read_one_data(gm_spec *s, const char *name, const gm_node *n, gm_pos pos, gm_data_spec *d, gm_errs *errs)
{
    data_conf c = { 0 };
    *d = (gm_data_spec){ .name = name, .pos = pos };
    if (n->kind == GM_NODE_SCALAR) {
        d->source = (gm_source){ .from = n->text, .pos = n->pos };
        if (!n->is_null) return true;
        gm_errs_at(errs, n->pos, GM_EINVALID, "Write the path of a file, as in `data: data/churn.csv`.",
                   "no source of data is given");
        return false;
    }
    if (gm_params_read(gm_section_data, n, NULL, s->a, &c, errs)) return false;
    const gm_node *from = gm_node_get(n, "from");
    d->source = (gm_source){ .from = c.from,
                             .format = strcmp(c.format, "auto") == 0 ? NULL : c.format,
                             .query = or_null(c.query),
                             .pos = from ? from->pos : pos };
    d->key = c.key;
    d->personal = c.personal;
    d->time = or_null(c.time);
    d->checks = c.checks;
    if (c.checks) (void)gm_checks_read(c.checks, s->a, &d->check_specs, &d->checks_count, errs);
    return true;
}

/* "data/churn-2024.csv" -> "churn_2024": a name for a data set that has none. */
static const char *name_from_path(gm_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = gm_arena_strdup(a, slash && slash[1] ? slash + 1 : path);
    if (!name) return "data";
    char *end = strchr(name, '.');
    if (end && end != name) *end = '\0';
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c)) *c = '_';
    return isalpha((unsigned char)name[0]) ? name : "data";
}

static void read_data(gm_spec *s, const gm_node *n, gm_errs *errs)
{
    if (!n) return;
    bool single = n->kind == GM_NODE_SCALAR || gm_node_get(n, "from");
    if (n->kind == GM_NODE_SEQ) {
        gm_errs_at(errs, n->pos, GM_EINVALID, "Give each data set a name: `data: { flights: ..., weather: ... }`.",
                   "data must be a source or a map of named sources");
        return;
    }
    s->data_count = single ? 1 : n->count;
    s->data = GM_ARENA_ARRAY(s->a, gm_data_spec, s->data_count ? s->data_count : 1);
    if (!s->data) return;
    if (single) {
        const char *from = n->kind == GM_NODE_SCALAR ? n->text : gm_node_str_or(n, "from", "data");
        (void)read_one_data(s, name_from_path(s->a, from), n, n->pos, &s->data[0], errs);
        return;
    }
    for (size_t i = 0; i < n->count; i++) (void)read_one_data(s, n->keys[i], n->items[i], n->key_pos[i], &s->data[i], errs);
}

static void read_joins(gm_spec *s, const gm_node *n, gm_errs *errs)
{
    if (!n || !is_map(n, "join", errs)) return;
    s->joins = GM_ARENA_ARRAY(s->a, gm_join_spec, n->count);
    for (size_t i = 0; s->joins && i < n->count; i++) {
        join_conf c = { 0 };
        if (gm_params_read(gm_section_join, n->items[i], NULL, s->a, &c, errs)) continue;
        s->joins[s->joins_count++] =
            (gm_join_spec){ .dataset = n->keys[i], .by = c.by, .within_seconds = c.within, .pos = n->key_pos[i] };
    }
}

static void read_features(gm_spec *s, const gm_node *n, gm_errs *errs)
{
    features_conf c = { 0 };
    if (!n || !is_map(n, "features", errs) || gm_params_read(gm_section_features, n, NULL, s->a, &c, errs)) return;
    if (or_null(c.of)) {
        const char *names[256];
        size_t count = 0;
        for (size_t i = 0; i < s->data_count && count < 256; i++) {
            names[count++] = s->data[i].name;
            if (strcmp(s->data[i].name, c.of) == 0) s->primary = &s->data[i];
        }
        if (!s->primary || strcmp(s->primary->name, c.of) != 0) {
            const char *near = gm_nearest(c.of, names, count);
            gm_errs_at(errs, gm_node_get(n, "of")->pos, GM_EINVALID,
                       near ? gm_arena_printf(s->a, "Did you mean \"%s\"?", near) : NULL, "no data set \"%s\"", c.of);
        }
    }
    read_joins(s, c.join, errs);
    s->use_names = c.use;
    s->drop_names = c.drop;
    if (c.transform && is_map(c.transform, "transform", errs)) s->transforms = c.transform;
    if (!c.add || !is_map(c.add, "add", errs)) return;
    s->adds = GM_ARENA_ARRAY(s->a, gm_named_expr, c.add->count);
    for (size_t i = 0; s->adds && i < c.add->count; i++) {
        const gm_node *item = c.add->items[i];
        gm_named_expr *e = &s->adds[s->adds_count];
        *e = (gm_named_expr){ .name = c.add->keys[i], .text = item->text, .pos = item->pos };
        if (item->kind != GM_NODE_SCALAR)
            gm_errs_at(errs, item->pos, GM_EINVALID, NULL, "feature \"%s\" must be an expression", e->name);
        else if (gm_expr_parse(item->text, item->pos, s->a, &e->expr, errs) == GM_OK)
            s->adds_count++;
    }
}

/* "30 trials" */
static void read_search(gm_spec *s, const char *text, gm_pos pos, gm_errs *errs)
{
    char *end = NULL;
    long n = strtol(text, &end, 10);
    while (*end == ' ') end++;
    if (end != text && n >= 1 && n <= 100000 && (strcmp(end, "trials") == 0 || strcmp(end, "trial") == 0))
        s->trials = n;
    else
        gm_errs_at(errs, pos, GM_EINVALID, "Write a number of trials for each trainer: `search: 30 trials`.",
                   "expected a number of trials, found \"%.60s\"", text);
}

static bool is_step(const gm_spec *s, const char *name)
{
    for (size_t i = 0; i < s->steps_count; i++)
        if (strcmp(s->steps[i].name, name) == 0) return true;
    return false;
}

static void read_one_try(gm_spec *s, const gm_node *n, gm_errs *errs)
{
    bool map = n->kind == GM_NODE_MAP && n->count == 1;
    if (n->kind == GM_NODE_SEQ || (n->kind == GM_NODE_MAP && !map)) {
        gm_errs_at(errs, n->pos, GM_EINVALID, "Write a name, or a name with its parameters: `- xgboost: { max_depth: 8 }`.",
                   "expected a trainer");
        return;
    }
    gm_try_spec *t = &s->tries[s->tries_count];
    *t = (gm_try_spec){ .name = map ? n->keys[0] : n->text, .pos = map ? n->key_pos[0] : n->pos };
    gm_err err;
    if (is_step(s, t->name)) {
        if (map)
            gm_errs_at(errs, n->items[0]->pos, GM_EINVALID, "Write them under `params:` of the step.",
                       "a step takes no parameters here");
        s->tries_count++;
        return;
    }
    gm_rc rc = gm_registry_find(&gm_trainers, t->name, &t->trainer, &err);
    if (rc) {
        gm_errs_add_at(errs, &err, t->pos);
        return;
    }
    for (size_t i = 0; i < s->tries_count; i++)
        if (strcmp(s->tries[i].name, t->name) == 0) {
            gm_errs_at(errs, t->pos, GM_EINVALID, "`search:` tries several parameters of one trainer.",
                       "trainer \"%s\" stands twice", t->name);
            return;
        }
    void *conf = gm_arena_alloc(s->a, 1, t->trainer->conf_size ? t->trainer->conf_size : 1);
    if (!conf || gm_params_read(t->trainer->params, map ? n->items[0] : NULL, NULL, s->a, conf, errs)) return;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_params_json(t->trainer->params, conf, &j);
    gm_json_object_end(&j);
    t->params_json = gm_arena_strdup(s->a, gm_buf_str(&b));
    gm_buf_clear(&b);
    t->wants_scaled = ((const gm_trainer *)t->trainer)->wants_scaled;
    s->tries_count++;
}

static void read_train(gm_spec *s, const gm_node *n, gm_errs *errs)
{
    train_conf c = { 0 };
    split_conf sc = { 0 };
    if (n && !is_map(n, "train", errs)) return;
    if (gm_params_read(gm_section_train, n, NULL, s->a, &c, errs)) return;
    s->seed = (uint64_t)c.seed;
    s->threads = c.threads;
    s->metric = or_null(c.metric);
    const gm_node *search = gm_node_get(n, "search");
    read_search(s, c.search, search ? search->pos : (gm_pos){ 0 }, errs);
    if (!gm_params_read(gm_section_split, c.split, NULL, s->a, &sc, errs))
        s->split = (gm_split_spec){ .by = strcmp(sc.by, "auto") == 0 ? NULL : sc.by,
                                    .column = or_null(sc.column),
                                    .validation = sc.validation,
                                    .test = sc.test };
    if (!c.tries) return;
    size_t count = c.tries->kind == GM_NODE_SEQ ? c.tries->count : 1;
    s->tries = GM_ARENA_ARRAY(s->a, gm_try_spec, count);
    for (size_t i = 0; s->tries && i < count; i++)
        read_one_try(s, c.tries->kind == GM_NODE_SEQ ? c.tries->items[i] : c.tries, errs);
}

static void read_step_files(const gm_node *n, gm_user_step *u, bool inputs, gm_arena *a, gm_errs *errs)
{
    enum { FILES_MAX = 32 };
    if (!n) return;
    bool map = n->kind == GM_NODE_MAP;
    size_t count = n->kind == GM_NODE_SCALAR ? 1 : n->count;
    if (count > FILES_MAX) gm_errs_at(errs, n->pos, GM_EINVALID, NULL, "at most %d inputs or outputs", FILES_MAX);
    for (size_t i = 0; i < count && i < FILES_MAX; i++) {
        const gm_node *item = n->kind == GM_NODE_SCALAR ? n : n->items[i];
        const char *text = NULL;
        gm_err err;
        gm_rc rc = gm_node_text(item, &text, &err);
        if (rc) {
            gm_errs_add(errs, &err);
            continue;
        }
        const char *name = map ? n->keys[i] : name_from_path(a, text);
        if (inputs) {
            u->inputs[u->inputs_count].name = name;
            u->inputs[u->inputs_count].pos = item->pos;
            u->inputs[u->inputs_count++].from = text;
        } else if (strchr(text, '/') || text[0] == '.') {
            gm_errs_at(errs, item->pos, GM_EINVALID, "An output is a plain file name; the program gets its place as {name}.",
                       "\"%s\" is not a plain file name", text);
        } else {
            u->outputs[u->outputs_count].name = name;
            u->outputs[u->outputs_count++].file = text;
        }
    }
}

static void read_steps(gm_spec *s, const gm_node *n, gm_errs *errs)
{
    if (!n || !is_map(n, "steps", errs)) return;
    s->steps = GM_ARENA_ARRAY(s->a, gm_user_step, n->count);
    for (size_t i = 0; s->steps && i < n->count; i++) {
        gm_user_step *u = &s->steps[s->steps_count];
        step_conf c = { 0 };
        *u = (gm_user_step){ .name = n->keys[i], .pos = n->key_pos[i] };
        if (gm_params_read(gm_section_step, n->items[i], NULL, s->a, &c, errs)) continue;
        int ways = (c.run.count > 0) + (or_null(c.shell) != NULL) + (or_null(c.sql) != NULL);
        if (ways != 1)
            gm_errs_at(errs, u->pos, GM_EINVALID, "Give exactly one of run, shell and sql.", "step \"%s\" has %s", u->name,
                       ways ? "more than one thing to run" : "nothing to run");
        u->run = c.run;
        u->shell = or_null(c.shell);
        u->sql = or_null(c.sql);
        u->code = c.code;
        u->timeout_seconds = c.timeout;
        u->retry = c.retry;
        u->cache = c.cache;
        if (is_map(c.params, "params", errs)) u->params = c.params;
        if (is_map(c.env, "env", errs)) u->env = c.env;
        read_step_files(c.in, u, true, s->a, errs);
        read_step_files(c.out, u, false, s->a, errs);
        if (u->sql && u->outputs_count == 0) {
            u->outputs[0].name = "rows";
            u->outputs[u->outputs_count++].file = "rows.parquet";
        }
        s->steps_count++;
    }
}

static const char *base_name_of(gm_arena *a, const char *dir)
{
    char *real = realpath(dir, NULL);
    const char *slash = real ? strrchr(real, '/') : NULL;
    const char *name = slash && slash[1] ? name_from_path(a, slash + 1) : "pipeline";
    free(real);
    return name;
}

gm_data_spec *gm_spec_data(const gm_spec *s, const char *name)
{
    for (size_t i = 0; i < s->data_count; i++)
        if (strcmp(s->data[i].name, name) == 0) return &s->data[i];
    return NULL;
}

const char *gm_spec_stem(const gm_spec *s)
{
    const char *slash = strrchr(s->file, '/'), *name = slash ? slash + 1 : s->file, *dot = strrchr(name, '.');
    return gm_arena_strndup(s->a, name, dot && dot != name ? (size_t)(dot - name) : strlen(name));
}

gm_rc gm_spec_read(const char *path, gm_arena *a, gm_spec *out, gm_errs *errs)
{
    gm_spec s = { .a = a, .trials = 1, .seed = 1, .threads = 1, .split = { .validation = 0.15, .test = 0.15 } };
    gm_err err;
    gm_node *root = NULL;
    size_t before = gm_errs_total(errs);
    s.file = gm_arena_strdup(a, path);
    const char *slash = strrchr(path, '/');
    s.base_dir = slash ? gm_arena_strndup(a, path, (size_t)(slash - path) + (slash == path)) : ".";
    if (!gm_fs_exists(path)) {
        (void)gm_err_set(&err, GM_ENOTFOUND, "no file \"%s\"", path);
        gm_err_hint(&err,
                    "`gristmill init DATA.csv TARGET` writes one; or name the file: `gristmill run path/to/gristmill.yaml`.");
        gm_errs_add(errs, &err);
        return GM_ENOTFOUND;
    }
    gm_rc rc = gm_node_read_file(path, a, &root, &err);
    if (rc) {
        gm_errs_add(errs, &err);
        return rc;
    }
    s.root = root;
    top_conf c = { 0 };
    if (gm_params_read(gm_section_top, root, NULL, a, &c, errs)) {
        if (root->kind != GM_NODE_MAP) return GM_EINVALID;
    }
    s.pipeline = or_null(c.pipeline) ? c.pipeline : base_name_of(a, s.base_dir);
    s.target_text = or_null(c.target);
    const gm_node *target = gm_node_get(root, "target");
    if (target) s.target_pos = target->pos;
    s.task = c.task && strcmp(c.task, "binary") == 0       ? GM_TASK_BINARY
             : c.task && strcmp(c.task, "multiclass") == 0 ? GM_TASK_MULTICLASS
             : c.task && strcmp(c.task, "regression") == 0 ? GM_TASK_REGRESSION
                                                           : GM_TASK_UNKNOWN;
    read_data(&s, c.data, errs);
    s.primary = s.data_count ? &s.data[0] : NULL;
    read_steps(&s, c.steps, errs);
    read_features(&s, c.features, errs);
    read_train(&s, c.train, errs);
    if (c.gates && c.gates->kind != GM_NODE_SEQ)
        gm_errs_at(errs, c.gates->pos, GM_EINVALID, "One gate on each line, after a dash: `- roc_auc >= 0.65`.",
                   "gates must be a list");
    s.gates = c.gates;
    gm_spec_deploy_read(&s, c.deploy, errs);
    gm_spec_monitor_read(&s, c.monitor, errs);
    gm_spec_retrain_read(&s, c.retrain, errs);
    govern_conf gc = { 0 };
    if (c.govern && !gm_params_read(gm_section_govern, c.govern, NULL, a, &gc, errs)) s.govern = c.govern;
    keep_conf kc = { 0 };
    if (!gm_params_read(gm_section_keep, c.keep, NULL, a, &kc, errs)) {
        s.keep_runs = kc.runs;
        s.keep_seconds = kc.age;
    }
    gm_names_check(&s, errs);
    if (!s.data_count && !s.steps_count)
        gm_errs_at(errs, root->pos, GM_EINVALID, "The smallest file has two lines: `data: data.csv` and `target: column`.",
                   "the file names neither data nor steps");
    if (s.data_count && !s.target_text && !s.steps_count)
        gm_errs_at(errs, root->pos, GM_EINVALID, "Add `target: column`; `gristmill data FILE` lists the columns.",
                   "the file has no target");
    *out = s;
    return gm_errs_since(errs, before);
}
