/* spec_resolve.c - what the file leaves open, decided from what the data says; every choice with its reason. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "eval/evaluate.h"
#include "pipe/names.h"
#include "pipe/scorer.h"
#include "pipe/spec.h"
#include "train/trainer.h"

static const double rare_share = 0.05; /* below it, average precision says more than ROC AUC */

static bool listed(const gm_strs *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->items[i], name) == 0) return true;
    return false;
}

/* ---- columns --------------------------------------------------------------------------------------------------- */

static gm_column column_of(const char *name, gm_type type)
{
    static const gm_dict no_texts = { 0 };
    gm_column c = { .name = name, .type = type };
    if (type == GM_TYPE_STRING) c.dict = &no_texts;
    return c;
}

gm_rc gm_spec_columns(const gm_spec *s, bool with_adds, gm_table *out, gm_err *err)
{
    size_t count = s->adds_count;
    if (s->primary && s->primary->schema) count += s->primary->schema->count;
    for (size_t i = 0; i < s->joins_count; i++) {
        const gm_data_spec *d = gm_spec_data(s, s->joins[i].dataset);
        count += d && d->schema ? d->schema->count : 0;
    }
    gm_table t = { .columns = GM_ARENA_ARRAY(s->a, gm_column, count) };
    if (!t.columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", count);
    for (size_t k = 0; s->primary && s->primary->schema && k < s->primary->schema->count; k++)
        t.columns[t.columns_count++] = column_of(s->primary->schema->fields[k].name, s->primary->schema->fields[k].type);
    for (size_t i = 0; i < s->joins_count; i++) {
        const gm_data_spec *d = gm_spec_data(s, s->joins[i].dataset);
        for (size_t k = 0; d && d->schema && k < d->schema->count; k++) {
            const char *name = gm_arena_printf(s->a, "%s.%s", d->name, d->schema->fields[k].name);
            if (!name) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", count);
            if (!listed(&s->joins[i].by, d->schema->fields[k].name))
                t.columns[t.columns_count++] = column_of(name, d->schema->fields[k].type);
        }
    }
    for (size_t i = 0; with_adds && i < s->adds_count; i++)
        t.columns[t.columns_count++] = column_of(s->adds[i].name, s->adds[i].expr->type);
    *out = t;
    return GM_OK;
}

/* What the schema knows of a raw or joined column. */
static const gm_field *field_of(gm_spec *s, const char *name)
{
    const gm_field *f = gm_schema_find(s->primary->schema, name);
    for (size_t i = 0; !f && i < s->joins_count; i++) {
        const gm_data_spec *d = gm_spec_data(s, s->joins[i].dataset);
        size_t len = strlen(s->joins[i].dataset);
        if (d && strncmp(name, d->name, len) == 0 && name[len] == '.') f = gm_schema_find(d->schema, name + len + 1);
    }
    return f;
}

static void no_column(const gm_table *t, const char *name, gm_pos pos, gm_errs *errs)
{
    const gm_column *c = NULL;
    gm_err err;
    gm_rc rc = gm_table_column(t, name, &c, &err);
    if (rc) {
        gm_errs_add_at(errs, &err, pos);
    }
}

static void need_column(const gm_schema *schema, const char *data_name, const char *name, gm_pos pos, gm_errs *errs)
{
    const char *names[256];
    size_t count = 0;
    if (gm_schema_find(schema, name)) return;
    for (size_t i = 0; i < schema->count && count < 256; i++) names[count++] = schema->fields[i].name;
    const char *near = gm_nearest(name, names, count);
    char hint[200] = "";
    if (near)
        (void)snprintf(hint, sizeof(hint), "Did you mean \"%s\"?", near);
    else
        (void)snprintf(hint, sizeof(hint), "`gristmill data %s` lists its columns.", data_name);
    gm_errs_at(errs, pos, GM_EINVALID, hint, "data \"%s\" has no column \"%s\"", data_name, name);
}

/* ---- data and joins ---------------------------------------------------------------------------------------------- */

static gm_pos pos_in(const gm_data_spec *d, const gm_node *root, const char *key)
{
    const gm_node *data = gm_node_get(root, "data"), *n = gm_node_get(data, d->name);
    const gm_node *item = gm_node_get(n ? n : data, key);
    return item ? item->pos : d->pos;
}

static void resolve_data(gm_spec *s, gm_data_spec *d, gm_errs *errs)
{
    for (size_t i = 0; i < d->key.count; i++) need_column(d->schema, d->name, d->key.items[i], pos_in(d, s->root, "key"), errs);
    for (size_t i = 0; i < d->personal.count; i++)
        need_column(d->schema, d->name, d->personal.items[i], pos_in(d, s->root, "personal"), errs);
    if (d->time) {
        need_column(d->schema, d->name, d->time, pos_in(d, s->root, "time"), errs);
        const gm_field *f = gm_schema_find(d->schema, d->time);
        if (f && f->type != GM_TYPE_TIME)
            gm_errs_at(errs, pos_in(d, s->root, "time"), GM_EINVALID,
                       "Give a column of dates or times; `gristmill data` shows what was read.",
                       "column \"%s\" of data \"%s\" is %s, not a time%s%s", d->time, d->name, gm_type_name(f->type),
                       f->reason && f->reason[0] ? ": " : "", f->reason ? f->reason : "");
    }
    gm_table t = { .columns = GM_ARENA_ARRAY(s->a, gm_column, d->schema->count) };
    gm_check_tables others = { .names = GM_ARENA_ARRAY(s->a, const char *, s->data_count) };
    gm_table *tables = GM_ARENA_ARRAY(s->a, gm_table, s->data_count);
    if (!t.columns || !others.names || !tables) return;
    for (size_t i = 0; i < d->schema->count; i++)
        t.columns[t.columns_count++] = column_of(d->schema->fields[i].name, d->schema->fields[i].type);
    for (size_t i = 0; i < s->data_count; i++) {
        if (&s->data[i] == d) continue;
        gm_table *other = &tables[others.count];
        other->columns = GM_ARENA_ARRAY(s->a, gm_column, s->data[i].schema->count);
        for (size_t k = 0; other->columns && k < s->data[i].schema->count; k++)
            other->columns[other->columns_count++] =
                column_of(s->data[i].schema->fields[k].name, s->data[i].schema->fields[k].type);
        others.names[others.count++] = s->data[i].name;
    }
    others.tables = tables;
    if (d->checks_count) (void)gm_checks_validate(d->check_specs, d->checks_count, &t, &others, s->a, errs);
}

static void resolve_joins(gm_spec *s, gm_errs *errs)
{
    for (size_t i = 0; i < s->joins_count; i++) {
        gm_join_spec *j = &s->joins[i];
        const gm_data_spec *d = gm_spec_data(s, j->dataset);
        if (!d) {
            gm_errs_at(errs, j->pos, GM_EINVALID, "Add it under `data:`.", "no data set \"%s\"", j->dataset);
            continue;
        }
        if (d == s->primary) {
            gm_errs_at(errs, j->pos, GM_EINVALID, "Its columns are there already, and the target among them.",
                       "data \"%s\" cannot be joined to itself", d->name);
            continue;
        }
        if (!j->by.count && (!d->time || !s->primary->time))
            gm_errs_at(errs, j->pos, GM_EINVALID, "Name columns under `by`, or give both data sets a `time`.",
                       "the join of \"%s\" names no columns", d->name);
        for (size_t k = 0; k < j->by.count; k++) {
            need_column(s->primary->schema, s->primary->name, j->by.items[k], j->pos, errs);
            need_column(d->schema, d->name, j->by.items[k], j->pos, errs);
        }
        if (j->within_seconds > 0 && (!d->time || !s->primary->time))
            gm_errs_at(errs, j->pos, GM_EINVALID, "Add `time: COLUMN` to both data sets.",
                       "a join `within` a time needs the event times of \"%s\" and \"%s\"", s->primary->name, d->name);
    }
}

/* ---- target -------------------------------------------------------------------------------------------------------- */

static void resolve_target(gm_spec *s, const gm_node *inspect, gm_errs *errs)
{
    gm_err err;
    int64_t count = 0;
    s->task = gm_task_from_name(gm_node_str_or(inspect, "task", ""));
    s->task_reason = gm_node_str_or(inspect, "reason", "");
    gm_rc rc = gm_classes_read(gm_node_get(inspect, "classes"), s->a, &s->classes, &count, &err);
    if (rc) gm_errs_add(errs, &err);
    s->classes_count = (size_t)count;
}

/* Share of the rarest class; 1 for regression. */
static double rarest_share(const gm_node *inspect)
{
    const gm_node *counts = gm_node_get(inspect, "counts");
    double total = 0, least = INFINITY;
    for (size_t i = 0; counts && i < counts->count; i++) {
        double v = 0;
        (void)gm_node_double(counts->items[i], &v, NULL);
        total += v;
        least = v < least ? v : least;
    }
    return total > 0 ? least / total : 1;
}

/* ---- features -------------------------------------------------------------------------------------------------------- */

static void drop(gm_spec *s, const char *name, const char *reason)
{
    s->drops[s->drops_count++] = (gm_drop_spec){ .name = name, .reason = reason };
}

static void use(gm_spec *s, const char *name, const gm_field *f, const gm_named_expr *added, const char *reason, gm_pos pos)
{
    gm_use_spec *u = &s->uses[s->uses_count++];
    *u = (gm_use_spec){ .name = name, .reason = reason, .pos = pos, .transform = gm_node_get(s->transforms, name) };
    if (added) {
        u->expr_text = added->text;
        u->expr = added->expr;
        u->type = added->expr->type;
        u->kind = u->type == GM_TYPE_STRING ? GM_KIND_CATEGORY
                  : u->type == GM_TYPE_TIME ? GM_KIND_TIME
                  : u->type == GM_TYPE_BOOL ? GM_KIND_BOOL
                                            : GM_KIND_NUMBER;
        u->distinct = -1;
        return;
    }
    u->type = f->type;
    u->kind = f->kind;
    u->distinct = f->distinct;
    u->missing = f->missing;
    /* Asked for by name: an ID or a constant is then what its type is. */
    bool forced = f->kind == GM_KIND_ID || f->kind == GM_KIND_CONSTANT || f->kind == GM_KIND_TEXT;
    if (forced)
        u->kind = f->type == GM_TYPE_STRING ? GM_KIND_CATEGORY
                  : f->type == GM_TYPE_BOOL ? GM_KIND_BOOL
                  : f->type == GM_TYPE_TIME ? GM_KIND_TIME
                                            : GM_KIND_NUMBER;
}

static const gm_node *leak_of(const gm_node *inspect, const char *name)
{
    const gm_node *leaks = gm_node_get(inspect, "leaks");
    for (size_t i = 0; leaks && i < leaks->count; i++)
        if (strcmp(gm_node_str_or(leaks->items[i], "column", ""), name) == 0) return leaks->items[i];
    return NULL;
}

/* Columns nobody named: useful ones become features, the others are dropped, each for a stated reason. */
static void infer_column(gm_spec *s, const gm_data_spec *d, const char *name, const gm_field *f, const gm_node *inspect)
{
    bool joined = d != s->primary;
    const gm_node *leak = joined ? NULL : leak_of(inspect, name);
    if (listed(&s->drop_names, name))
        drop(s, name, "the file drops it");
    else if (!joined && gm_node_lists(gm_node_get(inspect, "columns"), name))
        drop(s, name, "the target is made of it");
    else if (leak)
        drop(s, name, gm_arena_printf(s->a, "LEAK? %s", gm_node_str_or(leak, "evidence", "")));
    else if (!joined && s->primary->time && strcmp(name, s->primary->time) == 0)
        drop(s, name, "the event time: it orders the rows, and later times were never seen in training");
    else if (listed(&d->personal, f->name))
        drop(s, name, "marked personal");
    else if (f->kind == GM_KIND_ID)
        drop(s, name, gm_arena_printf(s->a, "an ID: %s", f->reason));
    else if (f->kind == GM_KIND_TEXT)
        drop(s, name, gm_arena_printf(s->a, "free text: %s", f->reason));
    else if (f->kind == GM_KIND_CONSTANT)
        drop(s, name, "the same value in every row");
    else if (f->kind == GM_KIND_EMPTY)
        drop(s, name, "no value in any row");
    else
        use(s, name, f, NULL,
            f->format && f->format[0] ? gm_arena_printf(s->a, "%s; read as %s", f->reason, f->format) : f->reason, s->target_pos);
}

static void infer_features(gm_spec *s, const gm_node *inspect)
{
    for (size_t i = 0; i < s->primary->schema->count; i++)
        infer_column(s, s->primary, s->primary->schema->fields[i].name, &s->primary->schema->fields[i], inspect);
    for (size_t k = 0; k < s->joins_count; k++) {
        const gm_data_spec *d = gm_spec_data(s, s->joins[k].dataset);
        for (size_t i = 0; d && i < d->schema->count; i++) {
            const gm_field *f = &d->schema->fields[i];
            bool own = (d->time && strcmp(f->name, d->time) == 0) || listed(&s->joins[k].by, f->name);
            if (!own) infer_column(s, d, gm_arena_printf(s->a, "%s.%s", d->name, f->name), f, inspect);
        }
    }
    for (size_t i = 0; i < s->adds_count; i++) use(s, s->adds[i].name, NULL, &s->adds[i], "added", s->adds[i].pos);
}

/* Where entry i of `features: use:` or `drop:` stands. */
static gm_pos entry_pos(const gm_spec *s, const char *key, size_t i)
{
    const gm_node *list = gm_node_get(gm_node_get(s->root, "features"), key);
    if (list && list->kind == GM_NODE_SEQ && i < list->count) return list->items[i]->pos;
    return list ? list->pos : s->target_pos;
}

static void named_features(gm_spec *s, const gm_table *columns, const gm_node *inspect, gm_errs *errs)
{
    for (size_t i = 0; i < s->use_names.count; i++) {
        const char *name = s->use_names.items[i];
        const gm_pos pos = entry_pos(s, "use", i);
        const gm_named_expr *added = NULL;
        bool again = false;
        for (size_t k = 0; k < i; k++) again = again || strcmp(s->use_names.items[k], name) == 0;
        for (size_t k = 0; k < s->adds_count; k++)
            if (strcmp(s->adds[k].name, name) == 0) added = &s->adds[k];
        const gm_field *f = added ? NULL : field_of(s, name);
        const gm_node *leak = added ? NULL : leak_of(inspect, name);
        if (again)
            gm_errs_at(errs, pos, GM_EINVALID, "Take one of them out.", "feature \"%s\" is named twice", name);
        else if (!added && (!f || !gm_table_find(columns, name)))
            no_column(columns, name, pos, errs);
        else if (f && f->kind == GM_KIND_EMPTY)
            gm_errs_at(errs, pos, GM_EINVALID, "Take it out of `use`.", "column \"%s\" has no value in any row", name);
        else if (!added && gm_node_lists(gm_node_get(inspect, "columns"), name))
            gm_errs_at(errs, pos, GM_EINVALID, "A feature must be known before the target is.",
                       "the target is made of column \"%s\"; it cannot be a feature", name);
        else
            use(s, name, f, added,
                leak ? gm_arena_printf(s->a, "LEAK? %s", gm_node_str_or(leak, "evidence", "")) : "named in the file", pos);
    }
}

static void resolve_features(gm_spec *s, const gm_node *inspect, gm_errs *errs)
{
    gm_table columns, all;
    gm_err err;
    gm_rc rc = gm_spec_columns(s, false, &columns, &err);
    if (rc) {
        gm_errs_add(errs, &err);
        return;
    }
    gm_expr_host host = gm_expr_table_host(&columns);
    size_t before = gm_errs_total(errs);
    for (size_t i = 0; i < s->adds_count; i++) {
        (void)gm_expr_check(s->adds[i].expr, &host, GM_TYPE_UNKNOWN, s->a, errs);
        if (gm_table_find(&columns, s->adds[i].name))
            gm_errs_at(errs, s->adds[i].pos, GM_EINVALID, "Give the added feature a name of its own.",
                       "there is already a column \"%s\"", s->adds[i].name);
    }
    if (gm_errs_since(errs, before)) return;
    if (gm_spec_columns(s, true, &all, &err)) {
        gm_errs_add(errs, &err);
        return;
    }
    s->uses = GM_ARENA_ARRAY(s->a, gm_use_spec, all.columns_count + s->use_names.count);
    s->drops = GM_ARENA_ARRAY(s->a, gm_drop_spec, all.columns_count + 1);
    if (!s->uses || !s->drops) return;
    if (s->use_names.count)
        named_features(s, &all, inspect, errs);
    else
        infer_features(s, inspect);
    for (size_t i = 0; s->transforms && i < s->transforms->count; i++)
        if (!gm_table_find(&all, s->transforms->keys[i]))
            no_column(&all, s->transforms->keys[i], s->transforms->key_pos[i], errs);
    for (size_t i = 0; i < s->drop_names.count; i++) no_column(&all, s->drop_names.items[i], entry_pos(s, "drop", i), errs);
    if (s->uses_count == 0 && gm_errs_total(errs) == before)
        gm_errs_at(errs, s->target_pos, GM_EINVALID,
                   "`gristmill explain` says why each column was dropped; name features under `features: use:`.",
                   "no column is left to be a feature");
}

/* ---- split, trainers, metric, gates ------------------------------------------------------------------------------------ */

/* The one column of times, spread over enough of them to order the rows by; NULL when there is none or more than one. */
static const char *only_time(const gm_schema *schema)
{
    const char *found = NULL;
    for (size_t i = 0; i < schema->count; i++) {
        const gm_field *f = &schema->fields[i];
        if (f->type != GM_TYPE_TIME || f->distinct < 20 || f->missing * 20 > f->rows) continue;
        if (found) return NULL;
        found = f->name;
    }
    return found;
}

static void resolve_split(gm_spec *s, const gm_node *inspect, gm_errs *errs)
{
    gm_split_spec *p = &s->split;
    const gm_node *n = gm_node_get(gm_node_get(s->root, "train"), "split");
    gm_pos pos = n ? n->pos : s->target_pos;
    const char *time = s->primary->time ? s->primary->time : only_time(s->primary->schema);
    if (!p->by) {
        if (time) {
            p->by = "time";
            p->reason =
                gm_arena_printf(s->a, "rows have a time (%s): the model is judged on later rows than it learned from", time);
        } else {
            p->by = s->task == GM_TASK_REGRESSION ? "random" : "stratified";
            p->reason = s->task == GM_TASK_REGRESSION ? "rows have no time"
                        : rarest_share(inspect) < rare_share
                            ? "rows have no time, and one class is rare: every side gets its share"
                            : "rows have no time; every side gets its share of each class";
        }
    } else {
        p->reason = "as the file says";
    }
    if (strcmp(p->by, "time") == 0 && !p->column) p->column = time;
    if (strcmp(p->by, "time") == 0 && !s->primary->time)
        s->primary->time = p->column; /* then it also orders what the gates compare */
    if (strcmp(p->by, "time") == 0 && !p->column)
        gm_errs_at(errs, pos, GM_EINVALID, "Add `time: COLUMN` to the data set.", "a split by time needs a time column");
    if (strcmp(p->by, "group") == 0 && !p->column)
        gm_errs_at(errs, pos, GM_EINVALID, "Write { by: group, column: COLUMN }.", "a split by group needs a column");
    if (strcmp(p->by, "stratified") == 0 && s->task == GM_TASK_REGRESSION)
        gm_errs_at(errs, pos, GM_EINVALID, "Use random or time.", "a stratified split needs classes");
    if (p->column) need_column(s->primary->schema, s->primary->name, p->column, pos, errs);
    if (p->validation + p->test > 0.8)
        gm_errs_at(errs, pos, GM_EINVALID, NULL, "validation and test take %.0f%% of the rows; too little is left to train on",
                   (p->validation + p->test) * 100);
}

static void default_tries(gm_spec *s, gm_errs *errs)
{
    static const char *const classify[] = { "logistic", "xgboost", "lightgbm" }, *const regress[] = { "linear", "xgboost",
                                                                                                      "lightgbm" };
    const char *const *names = s->task == GM_TASK_REGRESSION ? regress : classify;
    s->tries = GM_ARENA_ARRAY(s->a, gm_try_spec, 3);
    for (size_t i = 0; s->tries && i < 3; i++) {
        gm_try_spec *t = &s->tries[s->tries_count++];
        gm_err err;
        *t = (gm_try_spec){ .name = names[i], .pos = s->target_pos };
        if (gm_registry_find(&gm_trainers, names[i], &t->trainer, &err)) {
            gm_errs_add(errs, &err);
            return;
        }
        void *conf = gm_arena_alloc(s->a, 1, t->trainer->conf_size + 1);
        gm_buf b = { 0 };
        gm_json j;
        if (!conf || gm_params_read(t->trainer->params, NULL, NULL, s->a, conf, errs)) return;
        gm_json_init(&j, &b, false);
        gm_json_object(&j);
        gm_params_json(t->trainer->params, conf, &j);
        gm_json_object_end(&j);
        t->params_json = gm_arena_strdup(s->a, gm_buf_str(&b));
        t->wants_scaled = ((const gm_trainer *)t->trainer)->wants_scaled;
        gm_buf_clear(&b);
    }
}

static void check_tries(gm_spec *s, gm_errs *errs)
{
    for (size_t i = 0; i < s->tries_count; i++) {
        const gm_try_spec *t = &s->tries[i];
        if (t->trainer) {
            if (!(((const gm_trainer *)t->trainer)->tasks & (1u << s->task)))
                gm_errs_at(errs, t->pos, GM_EINVALID, "`gristmill help train` lists what each trainer can do.",
                           "trainer \"%s\" cannot do %s", t->name, gm_task_name(s->task));
            continue;
        }
        for (size_t k = 0; k < s->steps_count; k++) {
            bool model = false;
            if (strcmp(s->steps[k].name, t->name) != 0) continue;
            for (size_t o = 0; o < s->steps[k].outputs_count; o++)
                model = model || strcmp(s->steps[k].outputs[o].name, "model") == 0;
            if (!model)
                gm_errs_at(errs, t->pos, GM_EINVALID, "Add `out: { model: model.onnx }` to the step.",
                           "step \"%s\" has no output \"model\"", t->name);
        }
    }
}

static void resolve_metric(gm_spec *s, const gm_node *inspect, gm_errs *errs)
{
    const gm_node *n = gm_node_get(gm_node_get(s->root, "train"), "metric");
    if (!s->metric) {
        double share = rarest_share(inspect);
        bool rare = s->task == GM_TASK_BINARY && share < rare_share;
        s->metric = rare ? "average_precision" : gm_metric_default(s->task)->item.name;
        s->metric_reason = rare ? gm_arena_printf(s->a, "the rarer class is %.1f%% of the rows", share * 100)
                                : gm_arena_printf(s->a, "the default for %s", gm_task_name(s->task));
        return;
    }
    const gm_item *item = NULL;
    gm_err err;
    gm_rc rc = gm_registry_find(&gm_metrics, s->metric, &item, &err);
    s->metric_reason = "as the file says";
    if (rc) {
        gm_errs_add_at(errs, &err, n ? n->pos : s->target_pos);
    } else if (!(((const gm_metric *)item)->tasks & (1u << s->task))) {
        gm_errs_at(errs, n ? n->pos : s->target_pos, GM_EINVALID, NULL, "metric \"%s\" does not judge %s", s->metric,
                   gm_task_name(s->task));
    }
}

static void resolve_gates(gm_spec *s, gm_errs *errs)
{
    gm_table columns;
    gm_err err;
    gm_gate_spec *specs = NULL;
    size_t count = 0;
    const gm_item *item = NULL;
    bool higher = gm_registry_find(&gm_metrics, s->metric, &item, NULL) == GM_OK && ((const gm_metric *)item)->higher_is_better;
    const char *not_worse = gm_arena_printf(s->a, higher ? "%s >= champion" : "%s <= champion", s->metric);
    if (!s->gates) {
        s->gates_inferred = true;
        s->gates_count = 1;
        s->gate_texts = GM_ARENA_ARRAY(s->a, const char *, 1);
        if (s->gate_texts)
            s->gate_texts[0] =
                s->by_trigger ? not_worse
                              : gm_arena_printf(s->a, higher ? "%s >= champion - 0.005" : "%s <= champion * 1.01", s->metric);
        return;
    }
    if (s->gates->kind != GM_NODE_SEQ || gm_spec_columns(s, false, &columns, &err)) return;
    (void)gm_gates_read(s->gates, s->task, &columns, s->a, &specs, &count, errs);
    s->gate_texts = GM_ARENA_ARRAY(s->a, const char *, s->gates->count + 1);
    for (size_t i = 0; s->gate_texts && i < s->gates->count; i++)
        if (s->gates->items[i]->kind == GM_NODE_SCALAR) s->gate_texts[s->gates_count++] = s->gates->items[i]->text;
    bool compared = false;
    for (size_t i = 0; i < count; i++) compared = compared || specs[i].uses_champion;
    if (s->gate_texts && s->by_trigger && !compared) s->gate_texts[s->gates_count++] = not_worse;
}

gm_rc gm_spec_resolve(gm_spec *s, const gm_node *inspect, gm_errs *errs)
{
    size_t before = gm_errs_total(errs);
    for (size_t i = 0; i < s->data_count; i++) resolve_data(s, &s->data[i], errs);
    if (!inspect) return gm_errs_since(errs, before);
    resolve_joins(s, errs);
    gm_names_check_columns(s, errs);
    if (gm_errs_since(errs, before)) return gm_errs_since(errs, before); /* the rest would only repeat these */
    resolve_target(s, inspect, errs);
    resolve_features(s, inspect, errs);
    if (!s->tries_count) default_tries(s, errs);
    check_tries(s, errs);
    resolve_split(s, inspect, errs);
    resolve_metric(s, inspect, errs);
    gm_spec_deploy_check(s, errs);
    gm_spec_monitor_check(s, errs);
    if (gm_errs_total(errs) == before) resolve_gates(s, errs);
    return gm_errs_since(errs, before);
}
