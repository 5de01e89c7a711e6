/* schema.c - from profiles to kinds, with the reason for each. */
#include "data/schema.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "data/data_internal.h"

enum { TOP = 20, CATEGORY_MAX = 1000, SMALL = 1000 };

static const char *const kind_names[] = { "unknown", "number", "category", "text", "time", "bool", "id", "constant", "empty" };

const char *gm_kind_name(gm_kind k) { return kind_names[k]; }

static gm_rc no_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory for the schema"); }

/* 336776 -> "336,776" */
static const char *grouped(int64_t n, gm_arena *a)
{
    char digits[32], text[48], *to = text;
    int len = snprintf(digits, sizeof(digits), "%" PRId64, n);
    for (int i = 0; i < len; i++) {
        *to++ = digits[i];
        int left = len - 1 - i;
        if (left > 0 && left % 3 == 0 && digits[i] != '-') *to++ = ',';
    }
    *to = '\0';
    return gm_arena_strdup(a, text);
}

/* Words that end or are the name of keys and counters: id, user_id, OrderNo, Unnamed: 0, column_1. */
static bool named_like_id(const char *name)
{
    static const char *const ends[] = { "id", "key", "uuid", "guid", "no", "nr", "number", "index", "idx", "code", "rownum", "row" };
    size_t n = strlen(name);
    if (strncmp(name, "Unnamed: ", 9) == 0 || strncmp(name, "column_", 7) == 0) return true;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t m = strlen(ends[i]);
        if (n < m || strcasecmp(name + n - m, ends[i]) != 0) continue;
        if (n == m) return true;
        char before = name[n - m - 1];
        /* a word of its own: after _ - space or a digit, or a capital after a small letter (customerID) */
        if (!isalpha((unsigned char)before) || (islower((unsigned char)before) && isupper((unsigned char)name[n - m]))) return true;
    }
    return false;
}

/* Is (nearly) every present value its own? Estimated counts are within 1.6 % (one standard error). */
static bool nearly_unique(const gm_profile_stats *s)
{
    double present = (double)(s->rows - s->missing);
    return (double)s->distinct >= (s->distinct_exact ? 0.99 : 0.95) * present;
}

static bool all_unique(const gm_profile_stats *s) { return s->distinct_exact ? s->distinct == s->rows - s->missing : nearly_unique(s); }

/* Whole numbers that name rows rather than measure them. Careful: a measured amount may well be different in every row of a
 * small table. So uniqueness alone counts only in tables of 1,000 rows; below, the name or the shape of the values has to say it too. */
static bool is_id_number(const gm_profile_stats *s, const char **why)
{
    int64_t present = s->rows - s->missing;
    bool dense = s->max - s->min + 1 <= 2 * (double)present;
    if (s->type != GM_TYPE_INT || present < 20 || !nearly_unique(s)) return false;
    if (named_like_id(s->name)) *why = "a name of a key";
    else if (!all_unique(s)) return false;
    else if (s->increasing) *why = "always increasing";
    else if (dense) *why = "a permutation of a counter";
    else if (present >= SMALL && s->missing == 0) *why = "none twice";
    else return false;
    return true;
}

static gm_kind kind_of_string(const gm_profile_stats *s, bool spaces, const char **why)
{
    int64_t present = s->rows - s->missing;
    *why = "";
    if (present >= 20 && nearly_unique(s) && (named_like_id(s->name) || (all_unique(s) && !spaces && s->length_max <= 64))) {
        *why = "texts without spaces";
        return GM_KIND_ID;
    }
    return s->distinct <= CATEGORY_MAX && 2 * s->distinct <= present ? GM_KIND_CATEGORY : GM_KIND_TEXT;
}

static bool any_space(const gm_field *f)
{
    for (size_t i = 0; i < f->top_count; i++)
        if (strchr(f->top[i], ' ')) return true;
    return false;
}

static gm_rc decide(const gm_profile_stats *s, const gm_rule *rule, gm_arena *a, gm_field *f, gm_err *err)
{
    int64_t present = s->rows - s->missing;
    const char *why = "", *distinct = grouped(s->distinct, a), *rows = grouped(present, a), *reason = NULL;
    const char *about = s->distinct_exact ? "" : "about ";
    if (!distinct || !rows) return no_memory(err);
    if (present == 0) {
        f->kind = GM_KIND_EMPTY;
        reason = s->rows ? gm_arena_printf(a, "all %s values are missing", grouped(s->rows, a)) : "no rows";
    } else if (s->distinct == 1 && s->missing == 0) {
        f->kind = GM_KIND_CONSTANT;
        reason = gm_arena_printf(a, "the same value in all %s rows", rows);
    } else if (s->type == GM_TYPE_BOOL) {
        f->kind = GM_KIND_BOOL;
        reason = "true/false values";
    } else if (s->type == GM_TYPE_TIME) {
        f->kind = GM_KIND_TIME;
        reason = "dates or times";
    } else if (s->type == GM_TYPE_STRING) {
        f->kind = kind_of_string(s, any_space(f), &why);
        reason = gm_arena_printf(a, "%s%s distinct of %s rows%s%s", about, distinct, rows, *why ? ", " : "", why);
    } else if (is_id_number(s, &why)) {
        f->kind = GM_KIND_ID;
        reason = gm_arena_printf(a, "%s%s distinct of %s rows, %s", about, distinct, rows, why);
    } else {
        f->kind = GM_KIND_NUMBER;
        reason = gm_arena_printf(a, "%s, %s%s distinct of %s rows", s->type == GM_TYPE_INT ? "whole numbers" : "decimals", about, distinct, rows);
    }
    if (reason && rule && rule->reason) reason = gm_arena_printf(a, "%s; %s", rule->reason, reason);
    f->reason = reason;
    return reason ? GM_OK : no_memory(err);
}

static gm_rc top_values(const gm_profile *p, size_t column, gm_arena *a, gm_field *f, gm_err *err)
{
    gm_profile_value *values = NULL;
    size_t count = 0;
    gm_rc rc = gm_profile_top(p, column, TOP, a, &values, &count, NULL, err);
    if (rc) return rc;
    f->top = GM_ARENA_ARRAY(a, const char *, count);
    f->top_counts = GM_ARENA_ARRAY(a, int64_t, count);
    if (!f->top || !f->top_counts) return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        f->top[i] = values[i].text;
        f->top_counts[i] = values[i].count;
    }
    f->top_count = count;
    return GM_OK;
}

gm_rc gm_schema_of_profile(const gm_profile *p, const gm_rule *rules, gm_arena *a, gm_schema *out, gm_err *err)
{
    size_t count = gm_profile_count(p);
    gm_field *fields = GM_ARENA_ARRAY(a, gm_field, count);
    if (!fields) return no_memory(err);
    for (size_t k = 0; k < count; k++) {
        gm_profile_stats s;
        gm_profile_stats_at(p, k, &s);
        bool number = s.type != GM_TYPE_STRING;
        fields[k] = (gm_field){ .name = gm_arena_strdup(a, s.name), .type = s.type, .format = rules && rules[k].format ? rules[k].format : "",
                                .rows = s.rows, .missing = s.missing, .distinct = s.distinct, .min = number ? s.min : NAN,
                                .max = number ? s.max : NAN, .mean = number ? s.mean : NAN, .std = number ? s.std : NAN };
        if (!fields[k].name) return no_memory(err);
        gm_rc rc = top_values(p, k, a, &fields[k], err);
        if (!rc) rc = decide(&s, rules ? &rules[k] : NULL, a, &fields[k], err);
        if (rc) return rc;
    }
    *out = (gm_schema){ .fields = fields, .count = count, .rows = gm_profile_rows(p) };
    return GM_OK;
}

gm_rc gm_schema_infer(const gm_table *t, gm_arena *a, gm_schema *out, gm_err *err)
{
    gm_profile *p = NULL;
    gm_rc rc = gm_profile_of(t, a, &p, err);
    return rc ? rc : gm_schema_of_profile(p, NULL, a, out, err);
}

const gm_field *gm_schema_find(const gm_schema *s, const char *name)
{
    for (size_t k = 0; k < s->count; k++)
        if (strcmp(s->fields[k].name, name) == 0) return &s->fields[k];
    return NULL;
}

/* ---- as JSON ---- */

void gm_schema_json(const gm_schema *s, gm_json *j)
{
    gm_json_object(j);
    gm_json_kint(j, "rows", s->rows);
    gm_json_key(j, "columns");
    gm_json_array(j);
    for (size_t k = 0; k < s->count; k++) {
        const gm_field *f = &s->fields[k];
        gm_json_object(j);
        gm_json_kstr(j, "name", f->name);
        gm_json_kstr(j, "type", gm_type_name(f->type));
        gm_json_kstr(j, "kind", gm_kind_name(f->kind));
        gm_json_kstr(j, "reason", f->reason);
        gm_json_kstr(j, "format", f->format);
        gm_json_kint(j, "rows", f->rows);
        gm_json_kint(j, "missing", f->missing);
        gm_json_kint(j, "distinct", f->distinct);
        gm_json_kdouble(j, "min", f->min);
        gm_json_kdouble(j, "max", f->max);
        gm_json_kdouble(j, "mean", f->mean);
        gm_json_kdouble(j, "std", f->std);
        gm_json_key(j, "top");
        gm_json_array(j);
        for (size_t i = 0; i < f->top_count; i++) {
            gm_json_array(j);
            gm_json_str(j, f->top[i]);
            gm_json_int(j, f->top_counts[i]);
            gm_json_array_end(j);
        }
        gm_json_array_end(j);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_object_end(j);
}

static gm_rc read_top(const gm_node *top, gm_arena *a, gm_field *f, gm_err *err)
{
    size_t count = top && top->kind == GM_NODE_SEQ ? top->count : 0;
    if (count > TOP) return gm_err_at(err, top->pos, GM_EINVALID, "a schema lists at most %d values, found %zu", TOP, count);
    f->top = GM_ARENA_ARRAY(a, const char *, count);
    f->top_counts = GM_ARENA_ARRAY(a, int64_t, count);
    if (!f->top || !f->top_counts) return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const gm_node *pair = top->items[i];
        if (pair->kind != GM_NODE_SEQ || pair->count != 2) return gm_err_at(err, pair->pos, GM_EINVALID, "expected a value and its count");
        gm_rc rc = gm_node_text(pair->items[0], &f->top[i], err);
        if (!rc) rc = gm_node_int(pair->items[1], &f->top_counts[i], err);
        if (rc) return rc;
    }
    f->top_count = count;
    return GM_OK;
}

static gm_rc read_field(const gm_node *n, gm_arena *a, gm_field *f, gm_err *err)
{
    const char *type = gm_node_str_or(n, "type", ""), *kind = gm_node_str_or(n, "kind", "unknown");
    *f = (gm_field){ .name = gm_node_str_or(n, "name", NULL), .reason = gm_node_str_or(n, "reason", ""), .format = gm_node_str_or(n, "format", ""),
                     .rows = gm_node_int_or(n, "rows", 0), .missing = gm_node_int_or(n, "missing", 0), .distinct = gm_node_int_or(n, "distinct", 0),
                     .min = gm_node_double_or(n, "min", NAN), .max = gm_node_double_or(n, "max", NAN), .mean = gm_node_double_or(n, "mean", NAN),
                     .std = gm_node_double_or(n, "std", NAN) };
    if (!f->name) return gm_err_at(err, n->pos, GM_EINVALID, "a column of the schema has no name");
    if (!gm_type_from_name(type, &f->type)) return gm_err_at(err, n->pos, GM_EINVALID, "unrecognized type \"%.40s\" of column \"%.100s\"", type, f->name);
    for (int k = GM_KIND_NUMBER; k <= GM_KIND_EMPTY; k++)
        if (strcmp(kind, kind_names[k]) == 0) f->kind = (gm_kind)k;
    if (f->kind == GM_KIND_UNKNOWN) return gm_err_at(err, n->pos, GM_EINVALID, "unrecognized kind \"%.40s\" of column \"%.100s\"", kind, f->name);
    return read_top(gm_node_get(n, "top"), a, f, err);
}

gm_rc gm_schema_read(const gm_node *json, gm_arena *a, gm_schema *out, gm_err *err)
{
    const gm_node *columns = gm_node_get(json, "columns");
    if (!columns || columns->kind != GM_NODE_SEQ)
        return gm_err_at(err, json ? json->pos : (gm_pos){ 0 }, GM_EINVALID, "a schema has a list of columns");
    gm_field *fields = GM_ARENA_ARRAY(a, gm_field, columns->count);
    if (!fields) return no_memory(err);
    for (size_t k = 0; k < columns->count; k++) {
        gm_rc rc = read_field(columns->items[k], a, &fields[k], err);
        if (rc) return gm_err_ctx(err, rc, "reading column %zu of the schema", k + 1);
    }
    *out = (gm_schema){ .fields = fields, .count = columns->count, .rows = gm_node_int_or(json, "rows", 0) };
    return GM_OK;
}

/* ---- change ---- */

static bool fits_into(const gm_field *expected, const gm_field *found)
{
    if (expected->type == found->type || expected->kind == GM_KIND_EMPTY || found->kind == GM_KIND_EMPTY) return true;
    return expected->type == GM_TYPE_FLOAT && found->type == GM_TYPE_INT;
}

gm_rc gm_schema_compare(const gm_schema *expected, const gm_schema *found, gm_errs *errs)
{
    bool differs = false;
    for (size_t k = 0; k < expected->count; k++) {
        const gm_field *want = &expected->fields[k], *have = gm_schema_find(found, want->name);
        gm_err err;
        if (have && fits_into(want, have)) continue;
        differs = true;
        if (have) {
            (void)gm_err_set(&err, GM_EINVALID, "column \"%.100s\" changed its type: it was %s and is %s", want->name, gm_type_name(want->type), gm_type_name(have->type));
            if (have->type == GM_TYPE_STRING) gm_err_hint(&err, "%s.", have->reason);
        } else {
            (void)gm_err_set(&err, GM_EINVALID, "column \"%.100s\" vanished", want->name);
            for (size_t i = 0; i < found->count; i++) {
                if (gm_schema_find(expected, found->fields[i].name) || !gm_nearest(want->name, &found->fields[i].name, 1)) continue;
                gm_err_hint(&err, "Was it renamed to \"%s\"?", found->fields[i].name);
                break;
            }
        }
        gm_errs_add(errs, &err);
    }
    return differs ? GM_EINVALID : GM_OK;
}
