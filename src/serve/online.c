/* online.c - see online.h. */
#include "serve/online.h"

#include <inttypes.h>
#include <string.h>

static const char *const status_names[] = { "PRESENT", "EXPIRED", "MISSING" };

const char *gm_online_status_name(gm_online_status s)
{
    return status_names[s];
}

static int column_of(const gm_served_schema *s, const char *name)
{
    return name ? gm_served_schema_find(s, name, strlen(name), 0) : -1;
}

static gm_rc read_join(const gm_node *n, const gm_node *root, const gm_served_schema *s, gm_arena *a, gm_served_join *out, gm_err *err)
{
    const gm_node *by = gm_node_get(n, "by");
    gm_served_join j = { .dataset = gm_node_str_or(n, "dataset", ""), .time = -1 };
    size_t len = strlen(j.dataset);
    j.within_us = (int64_t)(gm_node_double_or(n, "within_s", 0) * 1e6);
    if (gm_node_str_or(n, "time", NULL)) j.time = column_of(s, gm_node_str_or(root, "time", NULL));
    if (!by || by->kind != GM_NODE_SEQ || !by->count || by->count > GM_JOIN_KEYS_MAX)
        return gm_err_at(err, n->pos, GM_EINVALID, "the join of \"%s\" has no key, or one of more than %d columns", j.dataset, GM_JOIN_KEYS_MAX);
    for (; j.by_count < by->count; j.by_count++) {
        int at = column_of(s, gm_node_str_or(by->items[j.by_count], "name", NULL));
        if (at < 0) return gm_err_at(err, n->pos, GM_EINVALID, "the key of the join of \"%s\" is no column of the model's schema", j.dataset);
        j.by[j.by_count] = (size_t)at;
    }
    j.columns = GM_ARENA_ARRAY(a, size_t, s->inputs_count);
    j.names = GM_ARENA_ARRAY(a, const char *, s->inputs_count);
    if (!j.columns || !j.names) return gm_err_set(err, GM_ENOMEM, "not enough memory for the join of \"%s\"", j.dataset);
    for (size_t i = 0; i < s->inputs_count; i++) {
        if (strncmp(s->columns[i].name, j.dataset, len) != 0 || s->columns[i].name[len] != '.') continue;
        j.columns[j.columns_count] = i;
        j.names[j.columns_count++] = s->columns[i].name + len + 1;
    }
    *out = j;
    return GM_OK;
}

gm_rc gm_served_joins_read(const gm_node *schema_json, const gm_served_schema *s, gm_arena *a, gm_served_join **out, size_t *out_count, gm_err *err)
{
    const gm_node *list = gm_node_get(schema_json, "joins");
    size_t count = list && list->kind == GM_NODE_SEQ ? list->count : 0;
    gm_served_join *joins = GM_ARENA_ARRAY(a, gm_served_join, count);
    if (!joins) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu joins", count);
    for (size_t i = 0; i < count; i++) {
        gm_rc rc = read_join(list->items[i], schema_json, s, a, &joins[i], err);
        if (rc) return rc;
    }
    *out = joins;
    *out_count = count;
    return GM_OK;
}

/* Whether the table has to be asked: the key is there, and none of what it would give. */
static bool wanted(const gm_served_join *j, const gm_rows *rows)
{
    for (size_t k = 0; k < j->by_count; k++)
        if (!rows->given[j->by[k]]) return false;
    for (size_t k = 0; k < j->columns_count; k++)
        if (rows->given[j->columns[k]]) return false;
    return true;
}

static gm_rc set_cell(const gm_online *table, int64_t found, int from, gm_type type, gm_rows *rows, size_t to, int64_t row, gm_err *err)
{
    if (type == GM_TYPE_STRING) {
        const char *text = gm_online_text(table, found, from);
        return text ? gm_rows_set_text(rows, to, row, text, strlen(text), err) : GM_OK;
    }
    if (type == GM_TYPE_FLOAT) return gm_rows_set_double(rows, to, row, gm_online_double(table, found, from), err);
    int64_t v = gm_online_int(table, found, from);
    if (v == GM_MISSING_INT) return GM_OK;
    return type == GM_TYPE_BOOL ? gm_rows_set_bool(rows, to, row, v != 0, err) : gm_rows_set_int(rows, to, row, v, err);
}

static gm_online_status status_of(const gm_served_join *j, const gm_online *table, int64_t found, int64_t event_us)
{
    if (found < 0) return GM_ONLINE_MISSING;
    int64_t time = gm_online_time(table, found);
    if (time == GM_MISSING_INT) return GM_ONLINE_PRESENT; /* a table without times */
    if (time > event_us) return GM_ONLINE_MISSING;
    return j->within_us > 0 && event_us - time > j->within_us ? GM_ONLINE_EXPIRED : GM_ONLINE_PRESENT;
}

gm_rc gm_online_fill(const gm_served_join *j, const gm_online *table, gm_rows *rows, int64_t now_us, int64_t *counts, bool *out_done, gm_err *err)
{
    const gm_column *keys[GM_JOIN_KEYS_MAX];
    *out_done = wanted(j, rows);
    if (!*out_done) return GM_OK;
    for (size_t k = 0; k < j->by_count; k++) keys[k] = &rows->columns[j->by[k]];
    for (size_t k = 0; k < j->columns_count; k++) rows->given[j->columns[k]] = true;
    for (int64_t i = 0; i < rows->rows; i++) {
        bool timed = j->time >= 0 && rows->given[j->time] && !gm_column_is_missing(&rows->columns[j->time], i);
        int64_t found = gm_online_find(table, keys, i);
        gm_online_status status = status_of(j, table, found, timed ? rows->columns[j->time].i64[i] : now_us);
        counts[status]++;
        for (size_t k = 0; status == GM_ONLINE_PRESENT && k < j->columns_count; k++) {
            gm_type type;
            int from = gm_online_column(table, j->names[k], &type);
            gm_rc rc = from < 0 ? GM_OK : set_cell(table, found, from, type, rows, j->columns[k], i, err);
            if (rc) return rc;
        }
    }
    return GM_OK;
}
