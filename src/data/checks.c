/* checks.c - the table of check forms, and what the forms share. See checks_internal.h. */
#include <inttypes.h>
#include <string.h>

#include "base/random.h"
#include "data/checks_internal.h"

static const gm_item *const items[] = {
#define X(form) &form.item,
    GM_CHECK_LIST(X)
#undef X
};

const gm_registry gm_checks = { .kind = "check", .items = items, .count = sizeof(items) / sizeof(items[0]) };

gm_rc gm_check_no_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory for the checks"); }

const gm_check_form *gm_check_form_of(const gm_expr *e, const gm_table *t)
{
    const char *name = e->op == GM_EXPR_CALL || e->op == GM_EXPR_IS ? e->name : NULL;
    bool bare = e->op == GM_EXPR_COLUMN && (strcmp(e->name, "rows") == 0 || strcmp(e->name, "columns") == 0);
    if (bare && !gm_table_find(t, e->name)) name = e->name; /* a column of that name comes first */
    if (!name || (e->op == GM_EXPR_IS && strcmp(name, "unique") != 0)) return NULL;
    /* min(a, b) and max(a, b) of two or more are functions of a row */
    if (e->op == GM_EXPR_CALL && e->args_count > 1 && (strcmp(name, "min") == 0 || strcmp(name, "max") == 0)) return NULL;
    for (size_t i = 0; i < gm_checks.count; i++) {
        const gm_check_form *form = (const gm_check_form *)gm_checks.items[i];
        if (form->accept && strcmp(form->item.name, name) == 0) return form;
    }
    return NULL;
}

/* ---- arguments ---- */

gm_rc gm_check_count(const gm_check_args *args, const gm_check_form *form, size_t n, gm_err *err)
{
    if (args->call->args_count == n) return GM_OK;
    gm_rc rc = gm_err_at(err, args->call->pos, GM_EINVALID, "%s() takes %zu argument%s, got %zu", form->item.name, n, n == 1 ? "" : "s", args->call->args_count);
    gm_err_hint(err, "It is written %s, for example %s.", form->signature, form->example);
    return rc;
}

gm_rc gm_check_column(const gm_check_args *args, size_t index, const gm_column **out, gm_err *err)
{
    gm_assert(index < args->call->args_count);
    const gm_expr *e = args->call->args[index];
    if (e->op != GM_EXPR_COLUMN) {
        gm_rc rc = gm_err_at(err, e->pos, GM_EINVALID, "%s() looks at a column, not at an expression", args->call->name);
        gm_err_hint(err, "Add the expression as a feature, or check it row by row.");
        return rc;
    }
    return gm_err_place(err, gm_table_column(args->table, e->name, out, err), e->pos);
}

gm_rc gm_check_one_number(const gm_check_args *args, const gm_check_form *form, gm_err *err)
{
    const gm_column *c = NULL;
    gm_rc rc = form ? gm_check_count(args, form, 1, err) : GM_OK;
    if (!rc) rc = gm_check_column(args, 0, &c, err);
    if (!rc && c->type == GM_TYPE_STRING) {
        rc = gm_err_at(err, args->call->args[0]->pos, GM_EINVALID, "%s() takes numbers or times, \"%.100s\" is string", args->call->name, c->name);
        gm_err_hint(err, "`gristmill data` shows why a column is read as text.");
    }
    return rc;
}

/* ---- computed once for all checks ---- */

gm_rc gm_check_basic(gm_check_scope *scope, const gm_column *c, const gm_basic **out, gm_err *err)
{
    size_t k = (size_t)(c - scope->table->columns);
    gm_assert(k < scope->table->columns_count);
    if (!scope->basics[k]) {
        gm_basic *b = GM_ARENA_NEW(scope->a, gm_basic);
        if (!b) return gm_check_no_memory(err);
        gm_rc rc = gm_basic_of(c, b, err);
        if (rc) return rc;
        scope->basics[k] = b;
    }
    *out = scope->basics[k];
    return GM_OK;
}

/* ---- groups of equal rows ---- */

static uint64_t bits_at(const gm_column *c, int64_t row)
{
    uint64_t bits = 0;
    if (c->type == GM_TYPE_STRING) return (uint64_t)c->code[row];
    if (c->type != GM_TYPE_FLOAT) return (uint64_t)c->i64[row];
    double v = c->f64[row] == 0 ? 0 : c->f64[row]; /* -0 is 0 */
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static bool equal_rows(const gm_column *const *columns, size_t count, int64_t x, int64_t y)
{
    for (size_t k = 0; k < count; k++)
        if (bits_at(columns[k], x) != bits_at(columns[k], y)) return false;
    return true;
}

static bool hash_row(const gm_column *const *columns, size_t count, int64_t row, uint64_t *out)
{
    uint64_t h = 0;
    for (size_t k = 0; k < count; k++) {
        if (gm_column_is_missing(columns[k], row)) return false;
        h = gm_hash_u64(h, bits_at(columns[k], row));
    }
    *out = h;
    return true;
}

gm_rc gm_check_groups(const gm_column *const *columns, size_t count, int64_t rows, gm_arena *a, int64_t **out_group_of, int64_t *out_groups,
                      gm_err *err)
{
    int64_t slots_count = 64, groups = 0;
    while (slots_count < rows * 2) slots_count *= 2;
    int64_t *group_of = GM_ARENA_ARRAY(a, int64_t, rows), *slots = GM_ARENA_ARRAY(a, int64_t, slots_count); /* first row of a group + 1 */
    if (!group_of || !slots) return gm_check_no_memory(err);
    for (int64_t i = 0; i < rows; i++) {
        uint64_t h = 0;
        group_of[i] = -1;
        if (!hash_row(columns, count, i, &h)) continue;
        int64_t at = (int64_t)(h & (uint64_t)(slots_count - 1));
        while (slots[at] && !equal_rows(columns, count, slots[at] - 1, i)) at = (at + 1) & (slots_count - 1);
        if (!slots[at]) {
            slots[at] = i + 1;
            group_of[i] = groups++;
        } else {
            group_of[i] = group_of[slots[at] - 1];
        }
    }
    *out_group_of = group_of;
    *out_groups = groups;
    return GM_OK;
}

/* ---- results ---- */

void gm_check_results_json(const gm_check_result *r, size_t count, gm_json *j)
{
    gm_json_array(j);
    for (size_t i = 0; i < count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "check", r[i].spec->text);
        gm_json_kstr(j, "name", r[i].spec->name);
        gm_json_kstr(j, "severity", r[i].spec->warning ? "warning" : "error");
        gm_json_kbool(j, "ok", r[i].ok);
        gm_json_kbool(j, "row_check", r[i].row_check);
        gm_json_kint(j, "considered", r[i].considered);
        gm_json_kint(j, "broken", r[i].broken);
        gm_json_kdouble(j, "allow", r[i].spec->allow);
        gm_json_kdouble(j, "observed", r[i].observed);
        gm_json_kstr(j, "observed_text", r[i].observed_text);
        gm_json_key(j, "sample");
        gm_json_array(j);
        for (size_t k = 0; k < r[i].sample_count; k++) {
            gm_json_object(j);
            gm_json_kint(j, "row", r[i].sample_rows[k]);
            gm_json_kstr(j, "value", r[i].sample_values[k]);
            gm_json_object_end(j);
        }
        gm_json_array_end(j);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}
