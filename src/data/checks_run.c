/* checks_run.c - all checks of a table: rows are chosen once per `where`, measures computed once for all checks that name them.
 *
 * A result that depends on rows is evaluated over the whole table into memory that is given back after each check.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/checks_internal.h"

enum { SAMPLES = 20 };
_Static_assert(SAMPLES == sizeof(((gm_check_result *)0)->sample_rows) / sizeof(int64_t), "as in check.h");

/* A measure that was computed, for the checks after it. */
typedef struct known {
    const char *name;
    gm_check_value value;
    struct known *next;
} known;

typedef struct scope {
    gm_check_scope s;
    const char *where_text;
    gm_table table;
    known *known;
    struct scope *next;
} scope;

/* ---- rows looked at ---- */

static gm_rc choose_rows(const gm_expr *where, const gm_table *t, gm_arena *a, scope *out, gm_err *err)
{
    gm_column holds;
    gm_arena *scratch = gm_arena_new(0);
    gm_rc rc = scratch ? gm_expr_eval(where, t, scratch, &holds, err) : gm_check_no_memory(err);
    int64_t count = 0, *rows = rc ? NULL : GM_ARENA_ARRAY(a, int64_t, t->rows);
    if (!rc && !rows) rc = gm_check_no_memory(err);
    for (int64_t i = 0; !rc && i < t->rows; i++)
        if (holds.i64[i] == 1) rows[count++] = i;
    if (!rc) rc = gm_table_take(t, rows, count, a, &out->table, err);
    gm_arena_free(scratch);
    out->s.rows = rows;
    return rc;
}

static gm_rc find_scope(scope **list, const gm_check_plan *plan, const gm_table *t, const gm_check_tables *others, int64_t now_us, gm_arena *a,
                        scope **out, gm_err *err)
{
    for (scope *s = *list; s; s = s->next)
        if (strcmp(s->where_text, plan->where_text) == 0) {
            *out = s;
            return GM_OK;
        }
    scope *s = GM_ARENA_NEW(a, scope);
    if (!s) return gm_check_no_memory(err);
    *s = (scope){ .where_text = plan->where_text, .table = *t };
    gm_rc rc = plan->where ? choose_rows(plan->where, t, a, s, err) : GM_OK;
    if (rc) return rc;
    s->s.table = &s->table;
    s->s.others = others;
    s->s.now_us = now_us;
    s->s.a = a;
    s->s.basics = GM_ARENA_ARRAY(a, gm_basic *, t->columns_count);
    if (!s->s.basics) return gm_check_no_memory(err);
    s->next = *list;
    *list = s;
    *out = s;
    return GM_OK;
}

static gm_rc measure_value(scope *s, const gm_measure *m, gm_check_value *out, gm_err *err)
{
    for (const known *k = s->known; k; k = k->next)
        if (strcmp(k->name, m->name) == 0) {
            *out = k->value;
            return GM_OK;
        }
    gm_check_args args = { .call = m->call, .table = &s->table, .others = s->s.others };
    known *k = GM_ARENA_NEW(s->s.a, known);
    if (!k) return gm_check_no_memory(err);
    *k = (known){ .name = m->name, .value = { .number = NAN }, .next = s->known };
    gm_rc rc = m->form->compute(&s->s, &args, &k->value, err);
    if (rc) return gm_err_ctx(err, rc, "computing %.100s", m->name);
    s->known = k;
    *out = k->value;
    return GM_OK;
}

/* ---- measures as columns ---- */

/* One value, `rows` times. */
static gm_rc constant_column(const gm_measure *m, const gm_check_value *v, int64_t rows, gm_arena *scratch, gm_column *out, gm_err *err)
{
    *out = (gm_column){ .name = m->name, .type = m->type, .rows = rows };
    if (m->type == GM_TYPE_STRING) {
        gm_dict_builder *b = gm_dict_builder_new(scratch);
        int32_t *codes = GM_ARENA_ARRAY(scratch, int32_t, rows); /* zeroed: the only text */
        if (!b || !codes || gm_dict_builder_code(b, v->text, strlen(v->text)) < 0) return gm_check_no_memory(err);
        out->code = codes;
        out->dict = gm_dict_builder_finish(b);
        return out->dict ? GM_OK : gm_check_no_memory(err);
    }
    void *values = gm_arena_alloc(scratch, (size_t)rows, sizeof(double));
    if (!values) return gm_check_no_memory(err);
    for (int64_t i = 0; i < rows; i++) {
        if (m->type == GM_TYPE_FLOAT) ((double *)values)[i] = v->number;
        else ((int64_t *)values)[i] = isnan(v->number) ? GM_MISSING_INT : (int64_t)v->number;
    }
    out->i64 = values;
    return GM_OK;
}

/* The scope's columns and the measures', `rows` of each. */
static gm_rc with_measures(scope *s, const gm_check_plan *plan, int64_t rows, gm_arena *scratch, gm_table *out, gm_err *err)
{
    size_t count = plan->row_check ? s->table.columns_count : 0;
    *out = (gm_table){ .rows = rows, .columns_count = count + plan->count, .columns = GM_ARENA_ARRAY(scratch, gm_column, count + plan->count) };
    if (!out->columns) return gm_check_no_memory(err);
    if (count) memcpy(out->columns, s->table.columns, count * sizeof(gm_column));
    for (size_t k = 0; k < plan->count; k++) {
        const gm_measure *m = &plan->measures[k];
        gm_check_value v;
        gm_rc rc = measure_value(s, m, &v, err);
        if (!rc && m->form->per_row) out->columns[count + k] = (gm_column){ .name = m->name, .type = GM_TYPE_BOOL, .rows = rows, .i64 = v.bools };
        else if (!rc) rc = constant_column(m, &v, rows, scratch, &out->columns[count + k], err);
        if (rc) return rc;
    }
    return GM_OK;
}

/* ---- results ---- */

/* 336776 -> "336,776" */
static const char *grouped(int64_t n, char *out, size_t out_size)
{
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%" PRId64, n);
    size_t at = 0;
    for (int i = 0; i < len && at + 2 < out_size; i++) {
        out[at++] = digits[i];
        if ((len - 1 - i) % 3 == 0 && i < len - 1) out[at++] = ',';
    }
    out[at] = '\0';
    return out;
}

static void show_measure(const gm_measure *m, const gm_check_value *v, gm_buf *out)
{
    char number[32];
    const char *form = m->form->item.name;
    gm_buf_printf(out, "%s%s is ", out->len ? ", " : "", m->name);
    if (m->type == GM_TYPE_STRING) gm_buf_text(out, v->text);
    else if (m->type == GM_TYPE_BOOL) gm_buf_text(out, v->number != 0 ? "true" : "false");
    else if (isnan(v->number)) gm_buf_text(out, "not computable: there are no values");
    else if (strcmp(form, "missing") == 0) gm_buf_printf(out, "%.4g%%", v->number * 100);
    else if (strcmp(form, "freshness") == 0) gm_buf_printf(out, v->number >= 86400 ? "%.4g days" : "%.4g hours", v->number / (v->number >= 86400 ? 86400 : 3600));
    else if (strcmp(form, "rows") == 0 || strcmp(form, "columns") == 0 || strcmp(form, "distinct") == 0) gm_buf_text(out, grouped((int64_t)v->number, number, sizeof(number)));
    else gm_buf_printf(out, "%.10g", v->number);
}

static gm_rc table_result(scope *s, const gm_check_plan *plan, const gm_column *holds, gm_arena *a, gm_check_result *r, gm_err *err)
{
    gm_buf text = { 0 };
    r->considered = s->table.rows;
    r->ok = holds->i64[0] == 1;
    r->observed = NAN;
    for (size_t k = 0; k < plan->count; k++) {
        gm_check_value v;
        gm_rc rc = measure_value(s, &plan->measures[k], &v, err);
        if (rc) {
            gm_buf_clear(&text);
            return rc;
        }
        if (k == 0) r->observed = v.number;
        show_measure(&plan->measures[k], &v, &text);
    }
    r->observed_text = text.failed ? NULL : gm_arena_strdup(a, gm_buf_str(&text));
    gm_buf_clear(&text);
    return r->observed_text ? GM_OK : gm_check_no_memory(err);
}

/* "5" for one column; "dep_time 517, arr_time 500" for several. */
static const char *sample_value(const gm_table *t, const char *const *names, size_t count, int64_t row, gm_arena *a)
{
    gm_buf text = { 0 };
    char value[256];
    for (size_t i = 0; i < count; i++) {
        const gm_column *c = gm_table_find(t, names[i]);
        if (!c) continue;
        const char *shown = gm_column_is_missing(c, row) ? "missing" : gm_column_show(c, row, value, sizeof(value));
        if (count > 1) gm_buf_printf(&text, "%s%s ", text.len ? ", " : "", c->name);
        gm_buf_text(&text, shown);
    }
    const char *copy = text.failed ? NULL : gm_arena_strdup(a, gm_buf_str(&text));
    gm_buf_clear(&text);
    return copy;
}

static gm_rc row_result(const scope *s, const gm_column *holds, int32_t mark, gm_arena *a, gm_check_result *r, int32_t *broken_rows, gm_err *err)
{
    const char **names = NULL;
    size_t count = 0;
    char broken[32], considered[32];
    gm_rc rc = gm_expr_columns(r->spec->expr, a, &names, &count, err);
    if (rc) return rc;
    for (int64_t i = 0; i < holds->rows; i++) {
        if (holds->i64[i] == GM_MISSING_INT) continue;
        r->considered++;
        if (holds->i64[i] == 1) continue;
        int64_t row = s->s.rows ? s->s.rows[i] : i;
        r->broken++;
        if (broken_rows && !r->spec->warning && broken_rows[row] == 0) broken_rows[row] = mark;
        if (r->sample_count == SAMPLES) continue;
        r->sample_rows[r->sample_count] = row;
        if (!(r->sample_values[r->sample_count++] = sample_value(&s->table, names, count, i, a))) return gm_check_no_memory(err);
    }
    r->observed = r->considered ? (double)r->broken / (double)r->considered : 0;
    r->ok = r->broken == 0 || r->observed <= r->spec->allow;
    r->observed_text = gm_arena_printf(a, "%s of %s rows (%.3g%%)", grouped(r->broken, broken, sizeof(broken)), grouped(r->considered, considered, sizeof(considered)),
                                       r->observed * 100);
    return r->observed_text ? GM_OK : gm_check_no_memory(err);
}

static gm_rc run_one(scope *s, const gm_check_spec *spec, int32_t mark, gm_arena *a, gm_check_result *out, int32_t *broken_rows, gm_err *err)
{
    const gm_check_plan *plan = spec->plan;
    gm_check_result r = { .spec = spec, .row_check = plan->row_check };
    gm_table t;
    gm_column holds;
    gm_arena *scratch = gm_arena_new(0);
    gm_rc rc = scratch ? with_measures(s, plan, plan->row_check ? s->table.rows : 1, scratch, &t, err) : gm_check_no_memory(err);
    if (!rc) rc = gm_expr_eval(plan->expr, &t, scratch, &holds, err);
    if (!rc) rc = plan->row_check ? row_result(s, &holds, mark, a, &r, broken_rows, err) : table_result(s, plan, &holds, a, &r, err);
    gm_arena_free(scratch);
    if (!rc) *out = r;
    return rc;
}

gm_rc gm_checks_run(const gm_check_spec *specs, size_t count, const gm_table *t, const gm_check_tables *others, int64_t now_us, gm_arena *a,
                    gm_check_result *out, int32_t *broken_rows, gm_err *err)
{
    scope *scopes = NULL;
    if (broken_rows) memset(broken_rows, 0, (size_t)t->rows * sizeof(*broken_rows));
    for (size_t i = 0; i < count; i++) {
        scope *s = NULL;
        if (!specs[i].plan) return gm_err_at(err, specs[i].pos, GM_EINTERNAL, "the check \"%.100s\" was not validated", specs[i].text);
        gm_rc rc = find_scope(&scopes, specs[i].plan, t, others, now_us, a, &s, err);
        if (!rc) rc = run_one(s, &specs[i], (int32_t)i + 1, a, &out[i], broken_rows, err);
        if (rc) return gm_err_ctx(err, gm_err_place(err, rc, specs[i].pos), "running the check \"%.100s\"", specs[i].text);
    }
    return GM_OK;
}
