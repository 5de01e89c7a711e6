/* read_postgres.c - a table of a PostgreSQL database as rows of text, read in one REPEATABLE READ transaction.
 *
 * libpq is loaded when first used, with own prototypes. Rows come in batches through a cursor, so memory is bounded. Declared
 * text types stay text; the other types' output (ISO dates, shortest decimals) is looked at like a CSV file's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "data/data_internal.h"

typedef struct pg_conn_ pg_conn;
typedef struct pg_result_ pg_result;

#define PQ_FUNCTIONS(X)                                                   \
    X(pg_conn *, PQconnectdb, (const char *info))                         \
    X(int, PQstatus, (const pg_conn *conn))                               \
    X(char *, PQerrorMessage, (const pg_conn *conn))                      \
    X(void, PQfinish, (pg_conn *conn))                                    \
    X(pg_result *, PQexec, (pg_conn *conn, const char *sql))              \
    X(int, PQresultStatus, (const pg_result *result))                     \
    X(void, PQclear, (pg_result *result))                                 \
    X(int, PQntuples, (const pg_result *result))                          \
    X(int, PQnfields, (const pg_result *result))                          \
    X(char *, PQfname, (const pg_result *result, int column))             \
    X(unsigned int, PQftype, (const pg_result *result, int column))       \
    X(char *, PQgetvalue, (const pg_result *result, int row, int column)) \
    X(int, PQgetlength, (const pg_result *result, int row, int column))   \
    X(int, PQgetisnull, (const pg_result *result, int row, int column))

typedef struct pq_api {
#define X(result, name, args) result(*name) args;
    PQ_FUNCTIONS(X)
#undef X
} pq_api;

enum { CONNECTION_OK = 0, COMMAND_OK = 1, TUPLES_OK = 2 };
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_TEXT = 25, OID_BPCHAR = 1042, OID_VARCHAR = 1043 };

typedef struct postgres_rows {
    gm_text_rows rows; /* first */
    pq_api pq;
    pg_conn *conn;
    pg_result *batch;
    int batch_at;
    gm_cell *cells;  /* [count] */
    bool *booleans;  /* [count] 't' and 'f' are written out */
} postgres_rows;

static gm_rc load(pq_api *pq, gm_err *err)
{
    void *handle = NULL;
    gm_rc rc = gm_library_open("libpq.so.5", &handle, err);
    if (rc) {
        gm_err_hint(err, "Install PostgreSQL's client library (libpq5 on Debian).");
        return rc;
    }
#define X(result, name, args) \
    if (!rc) rc = gm_library_symbol(handle, #name, (void **)(void *)&pq->name, err);
    PQ_FUNCTIONS(X)
#undef X
    return rc;
}

/* The server's first line; it names no password. */
static gm_rc failed(const postgres_rows *p, gm_rc rc, const char *verb, gm_err *err)
{
    const char *reason = p->pq.PQerrorMessage(p->conn);
    return gm_err_set(err, rc, "could not %s table \"%.100s\": %.*s", verb, p->rows.label, (int)strcspn(reason, "\n"), reason);
}

static gm_rc run(postgres_rows *p, const char *sql, int wanted, pg_result **out, gm_err *err)
{
    pg_result *result = p->pq.PQexec(p->conn, sql);
    gm_rc rc = GM_OK;
    if (!result || p->pq.PQresultStatus(result) != wanted) rc = failed(p, p->pq.PQstatus(p->conn) == CONNECTION_OK ? GM_EINVALID : GM_EUNAVAILABLE, "read", err);
    if (!rc && out) *out = result;
    else p->pq.PQclear(result);
    return rc;
}

static gm_rc next(gm_text_rows *rows, const gm_cell **out_cells, gm_err *err)
{
    postgres_rows *p = (postgres_rows *)rows;
    if (p->batch_at == p->pq.PQntuples(p->batch)) {
        p->pq.PQclear(p->batch);
        p->batch = NULL;
        gm_rc rc = run(p, "FETCH 2048 FROM gm_rows", TUPLES_OK, &p->batch, err);
        if (rc) return rc;
        p->batch_at = 0;
    }
    *out_cells = NULL;
    if (p->pq.PQntuples(p->batch) == 0) return GM_OK;
    int row = p->batch_at++;
    for (int k = 0; k < (int)rows->count; k++) {
        p->cells[k] = (gm_cell){ .quoted = true };
        if (p->pq.PQgetisnull(p->batch, row, k)) continue;
        p->cells[k].text = p->pq.PQgetvalue(p->batch, row, k);
        p->cells[k].len = (uint32_t)p->pq.PQgetlength(p->batch, row, k);
        if (p->booleans[k]) p->cells[k] = p->cells[k].text[0] == 't' ? (gm_cell){ "true", 4, true } : (gm_cell){ "false", 5, true };
    }
    *out_cells = p->cells;
    return GM_OK;
}

static gm_rc rewind_rows(gm_text_rows *rows, gm_err *err)
{
    postgres_rows *p = (postgres_rows *)rows;
    p->pq.PQclear(p->batch);
    p->batch = NULL;
    gm_rc rc = run(p, "MOVE ABSOLUTE 0 IN gm_rows", COMMAND_OK, NULL, err);
    if (!rc) rc = run(p, "FETCH 2048 FROM gm_rows", TUPLES_OK, &p->batch, err);
    p->batch_at = 0;
    return rc;
}

static void close_rows(gm_text_rows *rows)
{
    postgres_rows *p = (postgres_rows *)rows;
    if (p->batch) p->pq.PQclear(p->batch);
    if (p->conn) p->pq.PQfinish(p->conn);
    p->batch = NULL;
    p->conn = NULL;
}

/* Names and types, from the first batch. */
static gm_rc learn_columns(postgres_rows *p, gm_arena *a, gm_err *err)
{
    int count = p->pq.PQnfields(p->batch);
    const char **names = GM_ARENA_ARRAY(a, const char *, count);
    bool *texts = GM_ARENA_ARRAY(a, bool, count);
    p->booleans = GM_ARENA_ARRAY(a, bool, count);
    p->cells = GM_ARENA_ARRAY(a, gm_cell, count);
    if (!names || !texts || !p->booleans || !p->cells) return gm_err_set(err, GM_ENOMEM, "not enough memory for %d columns", count);
    for (int k = 0; k < count; k++) {
        unsigned int type = p->pq.PQftype(p->batch, k);
        names[k] = gm_arena_strdup(a, p->pq.PQfname(p->batch, k));
        if (!names[k]) return gm_err_set(err, GM_ENOMEM, "not enough memory for %d columns", count);
        if (type == OID_BYTEA) return gm_err_set(err, GM_EUNSUPPORTED, "column \"%.100s\" of table \"%.100s\" holds raw bytes", names[k], p->rows.label);
        texts[k] = type == OID_TEXT || type == OID_VARCHAR || type == OID_BPCHAR;
        p->booleans[k] = type == OID_BOOL;
    }
    p->rows.names = names;
    p->rows.declared_text = texts;
    p->rows.count = (size_t)count;
    return GM_OK;
}

static gm_rc declare(postgres_rows *p, const char *table, gm_err *err)
{
    const char *dot = strchr(table, '.'); /* schema.table */
    gm_buf sql = { 0 }, schema = { 0 };
    gm_buf_text(&sql, "DECLARE gm_rows SCROLL CURSOR FOR SELECT * FROM ");
    if (dot) {
        gm_buf_add(&schema, table, (size_t)(dot - table));
        gm_sql_ident(&sql, gm_buf_str(&schema));
        gm_buf_char(&sql, '.');
    }
    gm_sql_ident(&sql, dot ? dot + 1 : table);
    gm_rc rc = run(p, gm_buf_str(&sql), COMMAND_OK, NULL, err);
    gm_buf_clear(&schema);
    gm_buf_clear(&sql);
    return rc;
}

gm_rc gm_postgres_open(const char *url, const char *table, const char *label, gm_arena *a, gm_text_rows **out, gm_err *err)
{
    postgres_rows *p = GM_ARENA_NEW(a, postgres_rows);
    if (!p) return gm_err_set(err, GM_ENOMEM, "not enough memory to open table \"%s\"", label);
    *p = (postgres_rows){ .rows = { .label = label, .next = next, .rewind = rewind_rows, .close = close_rows } };
    gm_rc rc = load(&p->pq, err);
    if (rc) return rc;
    p->conn = p->pq.PQconnectdb(url);
    if (!p->conn) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to connect");
    else if (p->pq.PQstatus(p->conn) != CONNECTION_OK) rc = failed(p, GM_EUNAVAILABLE, "reach the server of", err);
    if (!rc) rc = run(p, "SET DateStyle = 'ISO'; SET TimeZone = 'UTC'; SET client_encoding = 'UTF8'; SET extra_float_digits = 1", COMMAND_OK, NULL, err);
    if (!rc) rc = run(p, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", COMMAND_OK, NULL, err);
    if (!rc) rc = declare(p, table, err);
    if (!rc) rc = run(p, "FETCH 2048 FROM gm_rows", TUPLES_OK, &p->batch, err);
    if (!rc) rc = learn_columns(p, a, err);
    if (rc) {
        close_rows(&p->rows);
        return rc;
    }
    *out = &p->rows;
    return GM_OK;
}
