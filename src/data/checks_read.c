/* checks_read.c - checks as written become plans: parsed, their forms found, names and types verified. */
#include <stddef.h>
#include <string.h>

#include "data/checks_internal.h"

/* ---- reading ---- */

typedef struct check_conf {
    struct {
        const char *text;
        gm_pos pos;
    } check, where;
    const char *severity, *name;
    double allow;
} check_conf;

static const gm_param params[] = {
    { "check", GM_PARAM_EXPR, offsetof(check_conf, check), NULL, "what must hold", 0, 0, NULL },
    { "severity", GM_PARAM_STR, offsetof(check_conf, severity), "error", "what a broken check does", 0, 0, "error warning" },
    { "allow", GM_PARAM_DOUBLE, offsetof(check_conf, allow), "0", "share of rows that may break it", 0, 1, NULL },
    { "where", GM_PARAM_EXPR, offsetof(check_conf, where), "", "the rows to look at; all without it", 0, 0, NULL },
    { "name", GM_PARAM_STR, offsetof(check_conf, name), "", "a name for reports", 0, 0, NULL },
    { 0 },
};

/* The place of the text's first character. */
static gm_pos inside(const gm_node *n)
{
    gm_pos at = n->pos;
    if (n->quoted && at.col) at.col++;
    return at;
}

static bool read_one(const gm_node *n, gm_arena *a, gm_check_spec *out, gm_errs *errs)
{
    size_t before = gm_errs_total(errs);
    const gm_node *check = n, *where = NULL;
    if (n->kind == GM_NODE_MAP) {
        check_conf conf = { 0 };
        if (gm_params_read(params, n, NULL, a, &conf, errs)) return false;
        check = gm_node_get(n, "check");
        where = gm_node_get(n, "where");
        *out = (gm_check_spec){ .name = conf.name, .warning = strcmp(conf.severity, "warning") == 0, .allow = conf.allow };
    } else {
        *out = (gm_check_spec){ .name = "" };
    }
    if (check->kind != GM_NODE_SCALAR || check->text_len == 0) {
        gm_errs_at(errs, check->pos, GM_EINVALID, "Write an expression, such as distance between 0 and 5000.", "a check is a text or a map with the key \"check\"");
        return false;
    }
    out->text = check->text;
    out->pos = check->pos;
    if (out->name[0] == '\0') out->name = out->text;
    (void)gm_expr_parse(check->text, inside(check), a, &out->expr, errs); /* its errors are in errs */
    if (where && where->text_len) (void)gm_expr_parse(where->text, inside(where), a, &out->where, errs);
    return gm_errs_total(errs) == before;
}

gm_rc gm_checks_read(const gm_node *list, gm_arena *a, gm_check_spec **out, size_t *out_count, gm_errs *errs)
{
    bool good = true;
    if (list && list->kind != GM_NODE_SEQ) {
        gm_errs_at(errs, list->pos, GM_EINVALID, "Write each check on a line of its own that begins with \"- \".", "checks are a list");
        return GM_EINVALID;
    }
    size_t count = list ? list->count : 0;
    gm_check_spec *specs = GM_ARENA_ARRAY(a, gm_check_spec, count);
    if (!specs) {
        gm_errs_at(errs, list ? list->pos : (gm_pos){ 0 }, GM_ENOMEM, "", "not enough memory for %zu checks", count);
        return GM_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) good = read_one(list->items[i], a, &specs[i], errs) && good;
    if (!good) return GM_EINVALID;
    *out = specs;
    *out_count = count;
    return GM_OK;
}

/* ---- planning ---- */

typedef struct planner {
    const gm_table *table;
    const gm_check_tables *others;
    gm_check_plan *plan;
    size_t capacity; /* of plan->measures */
    bool rows;       /* it looks at rows  */
    gm_arena *a;
    gm_errs *errs;
    bool failed;
} planner;

static void *out_of_memory(planner *p)
{
    if (!p->failed) gm_errs_at(p->errs, (gm_pos){ 0 }, GM_ENOMEM, "", "not enough memory for the checks");
    p->failed = true;
    return NULL;
}

static const char *printed(planner *p, const gm_expr *e)
{
    gm_buf text = { 0 };
    gm_expr plain = *e;
    plain.negated = false; /* "x is unique" names the measure of "x is not unique" too */
    gm_expr_print(&plain, &text);
    const char *copy = text.failed ? NULL : gm_arena_strdup(p->a, gm_buf_str(&text));
    gm_buf_clear(&text);
    return copy ? copy : out_of_memory(p);
}

/* Add a measure unless the same is there; its name. */
static const char *add_measure(planner *p, const gm_check_form *form, const gm_expr *call)
{
    gm_err err = { 0 };
    gm_check_args args = { .call = call, .table = p->table, .others = p->others };
    gm_measure m = { .form = form, .call = call, .name = printed(p, call) };
    if (!m.name) return NULL;
    for (size_t i = 0; i < p->plan->count; i++)
        if (strcmp(p->plan->measures[i].name, m.name) == 0) return p->plan->measures[i].name;
    if (form->accept(&args, &m.type, &err)) {
        (void)gm_err_place(&err, err.rc, call->pos);
        gm_errs_add(p->errs, &err);
        p->failed = true;
        return NULL;
    }
    if (p->plan->count == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 4;
        gm_measure *more = GM_ARENA_ARRAY(p->a, gm_measure, capacity);
        if (!more) return out_of_memory(p);
        if (p->plan->count) memcpy(more, p->plan->measures, p->plan->count * sizeof(*more));
        p->plan->measures = more;
        p->capacity = capacity;
    }
    p->plan->measures[p->plan->count++] = m;
    p->rows |= form->per_row;
    return m.name;
}

static gm_expr *copied(planner *p, const gm_expr *e, bool forms);

static gm_expr *measure_column(planner *p, const gm_check_form *form, const gm_expr *e)
{
    gm_expr *column = GM_ARENA_NEW(p->a, gm_expr), *negation = e->op == GM_EXPR_IS && e->negated ? GM_ARENA_NEW(p->a, gm_expr) : NULL;
    const char *name = add_measure(p, form, e);
    if (!name) return NULL;
    if (!column || (e->op == GM_EXPR_IS && e->negated && !negation)) return out_of_memory(p);
    *column = (gm_expr){ .op = GM_EXPR_COLUMN, .name = name, .pos = e->pos };
    if (!negation) return column;
    *negation = (gm_expr){ .op = GM_EXPR_UNARY, .name = "not", .args = GM_ARENA_ARRAY(p->a, gm_expr *, 1), .args_count = 1, .pos = e->pos };
    if (!negation->args) return out_of_memory(p);
    negation->args[0] = column;
    return negation;
}

/* A copy of the tree; with forms, those become columns. NULL when anything failed (it is in errs). */
static gm_expr *copied(planner *p, const gm_expr *e, bool forms)
{
    const gm_check_form *form = forms ? gm_check_form_of(e, p->table) : NULL;
    if (form) return measure_column(p, form, e);
    gm_expr *c = GM_ARENA_NEW(p->a, gm_expr);
    if (!c) return out_of_memory(p);
    *c = *e;
    p->rows |= e->op == GM_EXPR_COLUMN;
    c->args = GM_ARENA_ARRAY(p->a, gm_expr *, e->args_count);
    if (!c->args) return out_of_memory(p);
    bool good = true;
    for (size_t i = 0; i < e->args_count; i++) good = (c->args[i] = copied(p, e->args[i], forms)) != NULL && good;
    if (e->by) good = (c->by = copied(p, e->by, forms)) != NULL && good;
    if (e->where) good = (c->where = copied(p, e->where, forms)) != NULL && good;
    return good ? c : NULL;
}

/* Says "did you mean" for the forms; the language's own functions were looked at before. */
static bool unknown_call(void *ctx, const gm_expr *call, gm_type *out_type, gm_err *err)
{
    (void)ctx;
    (void)out_type;
    for (size_t i = 0; i < gm_checks.count; i++) {
        const gm_check_form *form = (const gm_check_form *)gm_checks.items[i];
        if (!form->accept || !gm_nearest(call->name, &form->item.name, 1)) continue;
        (void)gm_err_set(err, GM_EINVALID, "unrecognized function \"%.60s\"", call->name);
        gm_err_hint(err, "Did you mean %s?", form->signature);
        break;
    }
    return false;
}

/* The table's columns and one for each measure, for checking names and types. */
static gm_rc check_types(planner *p, gm_expr *e, const gm_measure *measures, size_t count)
{
    gm_table t = { .columns = GM_ARENA_ARRAY(p->a, gm_column, p->table->columns_count + count) };
    if (!t.columns) {
        out_of_memory(p);
        return GM_ENOMEM;
    }
    for (size_t k = 0; k < p->table->columns_count; k++) t.columns[t.columns_count++] = p->table->columns[k];
    for (size_t k = 0; k < count; k++) t.columns[t.columns_count++] = (gm_column){ .name = measures[k].name, .type = measures[k].type };
    gm_expr_host host = gm_expr_table_host(&t);
    host.call = unknown_call;
    return gm_expr_check(e, &host, GM_TYPE_BOOL, p->a, p->errs);
}

static bool plan_one(gm_check_spec *s, const gm_table *t, const gm_check_tables *others, gm_arena *a, gm_errs *errs)
{
    gm_check_plan *plan = GM_ARENA_NEW(a, gm_check_plan);
    planner p = { .table = t, .others = others, .plan = plan, .a = a, .errs = errs };
    if (!plan) {
        out_of_memory(&p);
        return false;
    }
    *plan = (gm_check_plan){ .where_text = "" };
    plan->expr = copied(&p, s->expr, true);
    if (!plan->expr || check_types(&p, plan->expr, plan->measures, plan->count)) return false;
    plan->row_check = p.rows;
    if (!p.rows && plan->count == 0) {
        gm_errs_at(errs, s->pos, GM_EINVALID, "Name a column, or rows.", "the check \"%.100s\" looks at no data", s->text);
        return false;
    }
    if (!p.rows && s->allow > 0) {
        gm_errs_at(errs, s->pos, GM_EINVALID, "Put the share into the check itself, as in missing(x) < 5%.", "\"allow\" is for checks of rows, and \"%.100s\" looks at the table", s->text);
        return false;
    }
    if (s->where) {
        plan->where = copied(&p, s->where, false);
        plan->where_text = plan->where ? printed(&p, s->where) : NULL;
        if (!plan->where_text || check_types(&p, plan->where, NULL, 0)) return false;
    }
    s->plan = plan;
    return true;
}

gm_rc gm_checks_validate(gm_check_spec *specs, size_t count, const gm_table *t, const gm_check_tables *others, gm_arena *a, gm_errs *errs)
{
    bool good = true;
    for (size_t i = 0; i < count; i++) good = plan_one(&specs[i], t, others, a, errs) && good;
    return good ? GM_OK : GM_EINVALID;
}
