/* read_sqlite.c - a table of an SQLite file as rows of text, read in one transaction.
 *
 * SQLite's columns have no fixed type, so the values are looked at like those of a CSV file. A value's storage class is
 * kept where text would lose it: decimals are written with 17 digits, and raw bytes are refused.
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/data_internal.h"

enum { NUMBER_TEXT = 40 };

typedef struct sqlite_rows {
    gm_text_rows rows; /* first */
    sqlite3 *db;
    sqlite3_stmt *statement;
    gm_cell *cells;                   /* [count] */
    char (*numbers)[NUMBER_TEXT];     /* [count] */
    int64_t row;
} sqlite_rows;

static gm_rc failed(const sqlite_rows *s, const char *verb, gm_err *err)
{
    int code = s->db ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
    gm_rc rc = code == SQLITE_BUSY || code == SQLITE_LOCKED ? GM_EUNAVAILABLE : code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? GM_ECORRUPT : code == SQLITE_CANTOPEN ? GM_ENOTFOUND : GM_EINVALID;
    return gm_err_set(err, rc, "could not %s \"%s\": %s", verb, s->rows.label, s->db ? sqlite3_errmsg(s->db) : "out of memory");
}

static gm_rc to_cell(sqlite_rows *s, int k, gm_err *err)
{
    gm_cell *cell = &s->cells[k];
    *cell = (gm_cell){ .quoted = true };
    switch (sqlite3_column_type(s->statement, k)) {
    case SQLITE_NULL: return GM_OK;
    case SQLITE_FLOAT: {
        int n = snprintf(s->numbers[k], NUMBER_TEXT, "%.17g", sqlite3_column_double(s->statement, k));
        if (n > 0 && !strpbrk(s->numbers[k], ".eEni")) n += snprintf(s->numbers[k] + n, (size_t)(NUMBER_TEXT - n), ".0"); /* stays a decimal */
        cell->text = s->numbers[k];
        cell->len = (uint32_t)n;
        return GM_OK;
    }
    case SQLITE_BLOB:
        return gm_err_set(err, GM_EUNSUPPORTED, "column \"%.100s\" of \"%s\" holds raw bytes in row %" PRId64, s->rows.names[k], s->rows.label, s->row);
    default:
        cell->text = (const char *)sqlite3_column_text(s->statement, k);
        cell->len = (uint32_t)sqlite3_column_bytes(s->statement, k);
        return cell->text ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to read \"%s\"", s->rows.label);
    }
}

static gm_rc next(gm_text_rows *rows, const gm_cell **out_cells, gm_err *err)
{
    sqlite_rows *s = (sqlite_rows *)rows;
    int state = sqlite3_step(s->statement);
    if (state == SQLITE_DONE) {
        *out_cells = NULL;
        return GM_OK;
    }
    if (state != SQLITE_ROW) return failed(s, "read", err);
    s->row++;
    for (size_t k = 0; k < rows->count; k++) {
        gm_rc rc = to_cell(s, (int)k, err);
        if (rc) return rc;
    }
    *out_cells = s->cells;
    return GM_OK;
}

static gm_rc rewind_rows(gm_text_rows *rows, gm_err *err)
{
    sqlite_rows *s = (sqlite_rows *)rows;
    s->row = 0;
    return sqlite3_reset(s->statement) == SQLITE_OK ? GM_OK : failed(s, "read", err);
}

static void close_rows(gm_text_rows *rows)
{
    sqlite_rows *s = (sqlite_rows *)rows;
    (void)sqlite3_finalize(s->statement); /* errors were reported by the step */
    (void)sqlite3_close(s->db);
    s->statement = NULL;
    s->db = NULL;
}

static gm_rc prepare(sqlite_rows *s, const char *table, gm_arena *a, gm_err *err)
{
    gm_buf sql = { 0 };
    gm_buf_text(&sql, "SELECT * FROM ");
    gm_sql_ident(&sql, table);
    int state = sqlite3_prepare_v2(s->db, gm_buf_str(&sql), -1, &s->statement, NULL);
    gm_buf_clear(&sql);
    if (state != SQLITE_OK) return failed(s, "read", err);
    int count = sqlite3_column_count(s->statement);
    const char **names = GM_ARENA_ARRAY(a, const char *, count);
    s->cells = GM_ARENA_ARRAY(a, gm_cell, count);
    s->numbers = gm_arena_alloc(a, (size_t)count, NUMBER_TEXT);
    for (int k = 0; names && k < count; k++)
        if (!(names[k] = gm_arena_strdup(a, sqlite3_column_name(s->statement, k)))) names = NULL;
    if (!names || !s->cells || !s->numbers) return gm_err_set(err, GM_ENOMEM, "not enough memory to read \"%s\"", s->rows.label);
    s->rows.names = names;
    s->rows.count = (size_t)count;
    return GM_OK;
}

gm_rc gm_sqlite_open(const char *path, const char *table, const char *label, gm_arena *a, gm_text_rows **out, gm_err *err)
{
    sqlite_rows *s = GM_ARENA_NEW(a, sqlite_rows);
    if (!s) return gm_err_set(err, GM_ENOMEM, "not enough memory to open \"%s\"", label);
    *s = (sqlite_rows){ .rows = { .label = label, .next = next, .rewind = rewind_rows, .close = close_rows } };
    gm_rc rc = GM_OK;
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) rc = failed(s, "open", err);
    /* One transaction over both looks at the rows: others may write meanwhile. */
    if (!rc && sqlite3_exec(s->db, "PRAGMA trusted_schema = OFF; BEGIN", NULL, NULL, NULL) != SQLITE_OK) rc = failed(s, "open", err);
    if (!rc) rc = prepare(s, table, a, err);
    if (rc) {
        close_rows(&s->rows);
        return rc;
    }
    *out = &s->rows;
    return GM_OK;
}
