/* table_io.c - columns to and from DuckDB's vectors: reading relations as chunks, writing chunks as Parquet or CSV.
 *
 * Invariant: a file is written by one thread from one ordered stream of chunks, so its bytes depend on the content alone.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "data/engine_internal.h"

/* ---- writing: the table function gm_rows() ---- */

static int duck_type_of(gm_type t)
{
    switch (t) {
    case GM_TYPE_BOOL: return DUCK_BOOLEAN;
    case GM_TYPE_INT: return DUCK_BIGINT;
    case GM_TYPE_STRING: return DUCK_VARCHAR;
    case GM_TYPE_TIME: return DUCK_TIMESTAMP;
    case GM_TYPE_FLOAT:
    case GM_TYPE_UNKNOWN: break;
    }
    return DUCK_DOUBLE;
}

/* DuckDB calls these without our engine at hand; the library is loaded by then. */
static const duck_api *loaded(void)
{
    const duck_api *duck = NULL;
    gm_rc rc = gm_duck(&duck, NULL);
    gm_assert(rc == GM_OK);
    return duck;
}

static void rows_bind(duck_bind_info info)
{
    const duck_api *duck = loaded();
    const gm_engine *e = duck->bind_get_extra_info(info);
    for (size_t k = 0; k < e->writing.in->count; k++) {
        duck_logical_type type = duck->create_logical_type(duck_type_of(e->writing.in->types[k]));
        duck->bind_add_result_column(info, e->writing.in->names[k], type);
        duck->destroy_logical_type(&type);
    }
}

static void rows_init(duck_init_info info) { loaded()->init_set_max_threads(info, 1); }

static void set_missing(const duck_api *duck, duck_vector vector, uint64_t **validity, int64_t row)
{
    if (!*validity) {
        duck->vector_ensure_validity_writable(vector);
        *validity = duck->vector_get_validity(vector);
    }
    (*validity)[row / 64] &= ~((uint64_t)1 << (row % 64));
}

/* Texts stay ours: the vector points at them until the next call, and DuckDB copies what it keeps longer. */
static void put_text(duck_string *slot, const char *text, uint32_t len)
{
    memset(slot, 0, sizeof(*slot));
    slot->near.len = len;
    if (len <= sizeof(slot->near.bytes)) {
        memcpy(slot->near.bytes, text, len);
        return;
    }
    memcpy(slot->far.prefix, text, sizeof(slot->far.prefix));
    slot->far.ptr = text;
}

static void put_column(const duck_api *duck, const gm_column *c, int64_t from, int64_t n, duck_vector vector)
{
    void *data = duck->vector_get_data(vector);
    uint64_t *validity = NULL;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = from + i;
        if (gm_column_is_missing(c, row)) set_missing(duck, vector, &validity, i);
        else if (c->type == GM_TYPE_STRING) put_text((duck_string *)data + i, c->dict->texts[c->code[row]], c->dict->text_lens[c->code[row]]);
        else if (c->type == GM_TYPE_BOOL) ((uint8_t *)data)[i] = c->i64[row] != 0;
        else if (c->type == GM_TYPE_FLOAT) ((double *)data)[i] = c->f64[row];
        else ((int64_t *)data)[i] = c->i64[row];
    }
}

static void rows_main(duck_function_info info, duck_chunk out)
{
    const duck_api *duck = loaded();
    gm_writing *w = &((gm_engine *)duck->function_get_extra_info(info))->writing;
    if (w->at == w->chunk.rows && !w->ended) {
        w->rc = w->in->next(w->in->ctx, &w->chunk, &w->err);
        if (w->rc) {
            w->ended = true;
            duck->function_set_error(info, w->err.message);
            return;
        }
        w->at = 0;
        w->ended = w->chunk.rows == 0;
    }
    int64_t left = w->ended ? 0 : w->chunk.rows - w->at, n = left < DUCK_VECTOR_SIZE ? left : DUCK_VECTOR_SIZE;
    for (size_t k = 0; k < w->in->count && n > 0; k++) put_column(duck, &w->chunk.columns[k], w->at, n, duck->data_chunk_get_vector(out, k));
    w->at += n;
    w->rows += n;
    duck->data_chunk_set_size(out, (uint64_t)n);
}

gm_rc gm_duck_rows_function(gm_engine *e, gm_err *err)
{
    const duck_api *duck = e->duck;
    duck_table_function f = duck->create_table_function();
    duck->table_function_set_name(f, "gm_rows");
    duck->table_function_set_extra_info(f, e, NULL);
    duck->table_function_set_bind(f, rows_bind);
    duck->table_function_set_init(f, rows_init);
    duck->table_function_set_function(f, rows_main);
    int state = duck->register_table_function(e->write_con, f);
    duck->destroy_table_function(&f);
    return state == DUCK_OK ? GM_OK : gm_err_set(err, GM_EINTERNAL, "the data engine refuses our table function");
}

gm_rc gm_chunks_write(gm_engine *e, gm_chunks *in, const char *path, int64_t *out_rows, gm_err *err)
{
    char scratch[PATH_MAX], what[PATH_MAX + 16];
    gm_rc rc = gm_scratch_name(path, scratch, sizeof(scratch), err);
    if (rc) return rc;
    if (in->count == 0) return gm_err_set(err, GM_EINVALID, "a table without columns cannot be written to \"%s\"", path);
    int fault = gm_fault("data.write");
    if (fault) return gm_err_errno(err, fault, "write", path);

    gm_buf sql = { 0 };
    gm_buf_text(&sql, "COPY (SELECT * FROM gm_rows()) TO ");
    gm_sql_literal(&sql, scratch);
    gm_buf_text(&sql, gm_path_ends(path, ".csv") ? " (FORMAT csv, HEADER true)" : " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)");
    (void)snprintf(what, sizeof(what), "write \"%s\"", path);
    e->writing = (gm_writing){ .in = in };
    rc = sql.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to write \"%s\"", path)
                    : gm_duck_query(e, e->write_con, gm_buf_str(&sql), what, err);
    gm_buf_clear(&sql);
    if (rc && e->writing.rc) { /* the source's own error, with its place */
        rc = e->writing.rc;
        if (err) *err = e->writing.err;
    }
    if (!rc) rc = gm_scratch_commit(scratch, path, err);
    if (rc) (void)unlink(scratch); /* already failing; a leftover is named .part */
    else if (out_rows) *out_rows = e->writing.rows;
    e->writing = (gm_writing){ 0 };
    return rc;
}

/* ---- reading: a relation as chunks ---- */

struct gm_relation {
    gm_engine *e;
    const char *what;
    gm_arena *a, *texts; /* texts: of one chunk */
    duck_prepared prepared;
    duck_result result;
    bool started, ended;  /* the query runs once chunks are asked for */
    duck_chunk fetched;   /* NULL at the start and the end */
    uint64_t at;          /* rows of it that are taken     */
    size_t count;
    const char **names;
    gm_type *types;
    gm_column *columns;
    void **values; /* [count][GM_CHUNK_ROWS] */
    gm_dict_builder **dicts;
};

/* Our type for a library's, and how to get there in SQL: "" as it is, else the type of a cast. */
static gm_type type_for(int duck_type, const char **cast)
{
    *cast = "";
    switch (duck_type) {
    case DUCK_BOOLEAN: return GM_TYPE_BOOL;
    case DUCK_BIGINT: return GM_TYPE_INT;
    case DUCK_TINYINT: case DUCK_SMALLINT: case DUCK_INTEGER:
    case DUCK_UTINYINT: case DUCK_USMALLINT: case DUCK_UINTEGER: *cast = "BIGINT"; return GM_TYPE_INT;
    case DUCK_DOUBLE: return GM_TYPE_FLOAT;
    case DUCK_FLOAT: case DUCK_DECIMAL: case DUCK_SQLNULL: *cast = "DOUBLE"; return GM_TYPE_FLOAT;
    case DUCK_TIMESTAMP: return GM_TYPE_TIME;
    case DUCK_DATE: case DUCK_TIMESTAMP_S: case DUCK_TIMESTAMP_MS: case DUCK_TIMESTAMP_NS:
    case DUCK_TIMESTAMP_TZ: *cast = "TIMESTAMP"; return GM_TYPE_TIME;
    case DUCK_VARCHAR: return GM_TYPE_STRING;
    case DUCK_ENUM: case DUCK_UUID: case DUCK_TIME: case DUCK_UBIGINT: case DUCK_HUGEINT:
    case DUCK_UHUGEINT: *cast = "VARCHAR"; return GM_TYPE_STRING;
    default: return GM_TYPE_UNKNOWN;
    }
}

static gm_rc one_int(gm_relation *r, const char *sql, int64_t *out, gm_err *err)
{
    const duck_api *duck = r->e->duck;
    duck_result result;
    memset(&result, 0, sizeof(result));
    gm_rc rc = GM_OK;
    if (duck->query(r->e->con, sql, &result) != DUCK_OK) {
        rc = gm_duck_failed(r->what, duck->result_error(&result), err);
    } else {
        duck_chunk chunk = duck->fetch_chunk(result);
        *out = chunk && duck->data_chunk_get_size(chunk) ? *(const int64_t *)duck->vector_get_data(duck->data_chunk_get_vector(chunk, 0)) : 0;
        if (chunk) duck->destroy_data_chunk(&chunk);
    }
    duck->destroy_result(&result);
    return rc;
}

/* Integers wider than 64 bits stay integers when their values allow it, else they are text: nothing is lost. */
static gm_rc narrow(gm_relation *r, const char *relation_sql, const char *name, gm_type *type, const char **cast, gm_err *err)
{
    gm_buf sql = { 0 };
    int64_t fits = 0;
    gm_buf_text(&sql, "SELECT coalesce(max(");
    gm_sql_ident(&sql, name);
    gm_buf_text(&sql, ") <= 9223372036854775807 AND min(");
    gm_sql_ident(&sql, name);
    gm_buf_printf(&sql, ") > -9223372036854775808, true)::BIGINT FROM %s", relation_sql);
    gm_rc rc = one_int(r, gm_buf_str(&sql), &fits, err);
    gm_buf_clear(&sql);
    if (!rc && fits) {
        *type = GM_TYPE_INT;
        *cast = "BIGINT";
    }
    return rc;
}

static gm_rc no_memory(const gm_relation *r, gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to %s", r->what); }

static gm_rc no_such_column(const char *name, duck_result *result, const duck_api *duck, gm_err *err)
{
    gm_rc rc = gm_err_set(err, GM_EINVALID, "no column \"%.100s\"", name);
    for (uint64_t i = 0; i < duck->column_count(result); i++) {
        const char *have = duck->column_name(result, i);
        if (!gm_nearest(name, &have, 1)) continue;
        gm_err_hint(err, "Did you mean \"%s\"?", have);
        break;
    }
    return rc;
}

/* Find the wanted columns in an empty result of the relation, and write the select list that casts them. */
static gm_rc choose_columns(gm_relation *r, const char *relation_sql, const char *const *wanted, size_t wanted_count, duck_result *shape,
                            gm_buf *list, gm_err *err)
{
    const duck_api *duck = r->e->duck;
    r->count = wanted ? wanted_count : (size_t)duck->column_count(shape);
    r->names = GM_ARENA_ARRAY(r->a, const char *, r->count);
    r->types = GM_ARENA_ARRAY(r->a, gm_type, r->count);
    if (!r->names || !r->types) return no_memory(r, err);
    for (size_t k = 0; k < r->count; k++) {
        uint64_t at = k, columns = duck->column_count(shape);
        if (wanted)
            for (at = 0; at < columns && strcmp(duck->column_name(shape, at), wanted[k]) != 0;) at++;
        if (at == columns) return no_such_column(wanted[k], shape, duck, err);
        const char *cast = "";
        int duck_type = duck->column_type(shape, at);
        r->names[k] = gm_arena_strdup(r->a, duck->column_name(shape, at));
        if (!r->names[k]) return no_memory(r, err);
        r->types[k] = type_for(duck_type, &cast);
        if (r->types[k] == GM_TYPE_UNKNOWN) {
            gm_rc rc = gm_err_set(err, GM_EUNSUPPORTED, "column \"%.100s\" holds lists, structures or raw bytes", r->names[k]);
            gm_err_hint(err, "Take it apart or leave it out with query: SELECT ... FROM source.");
            return rc;
        }
        gm_rc rc = GM_OK;
        if (duck_type == DUCK_UBIGINT || duck_type == DUCK_HUGEINT || duck_type == DUCK_UHUGEINT) rc = narrow(r, relation_sql, r->names[k], &r->types[k], &cast, err);
        if (rc) return rc;
        if (k) gm_buf_text(list, ", ");
        if (*cast) gm_buf_text(list, "CAST(");
        gm_sql_ident(list, r->names[k]);
        if (*cast) {
            gm_buf_printf(list, " AS %s) AS ", cast);
            gm_sql_ident(list, r->names[k]);
        }
    }
    return GM_OK;
}

static gm_rc prepare_select(gm_relation *r, const char *sql, duck_prepared *out, gm_err *err)
{
    gm_rc rc = GM_OK;
    if (r->e->duck->prepare(r->e->con, sql, out) != DUCK_OK) rc = gm_duck_failed(r->what, r->e->duck->prepare_error(*out), err);
    return rc;
}

static gm_rc learn_columns(gm_relation *r, const char *relation_sql, const char *const *wanted, size_t wanted_count, gm_buf *list, gm_err *err)
{
    duck_result shape;
    memset(&shape, 0, sizeof(shape));
    gm_buf sql = { 0 };
    gm_buf_printf(&sql, "SELECT * FROM %s LIMIT 0", relation_sql);
    gm_rc rc = GM_OK;
    if (r->e->duck->query(r->e->con, gm_buf_str(&sql), &shape) != DUCK_OK) rc = gm_duck_failed(r->what, r->e->duck->result_error(&shape), err);
    if (!rc) rc = choose_columns(r, relation_sql, wanted, wanted_count, &shape, list, err);
    r->e->duck->destroy_result(&shape);
    gm_buf_clear(&sql);
    return rc;
}

static bool is_valid(const uint64_t *validity, uint64_t row) { return !validity || (validity[row / 64] >> (row % 64) & 1); }

static gm_rc take_column(gm_relation *r, size_t k, duck_vector vector, uint64_t from, uint64_t n, int64_t to, gm_err *err)
{
    const duck_api *duck = r->e->duck;
    const void *data = duck->vector_get_data(vector);
    const uint64_t *validity = duck->vector_get_validity(vector);
    int64_t *ints = (int64_t *)r->values[k] + to;
    double *doubles = (double *)r->values[k] + to;
    int32_t *codes = (int32_t *)r->values[k] + to;
    switch (r->types[k]) {
    case GM_TYPE_STRING:
        for (uint64_t i = 0; i < n; i++) {
            const duck_string *s = (const duck_string *)data + from + i;
            codes[i] = GM_MISSING_CODE;
            if (!is_valid(validity, from + i)) continue;
            codes[i] = gm_dict_builder_code(r->dicts[k], s->near.len <= sizeof(s->near.bytes) ? s->near.bytes : s->far.ptr, s->near.len);
            if (codes[i] < 0) return no_memory(r, err);
        }
        break;
    case GM_TYPE_FLOAT:
        memcpy(doubles, (const double *)data + from, n * sizeof(double));
        for (uint64_t i = 0; validity && i < n; i++)
            if (!is_valid(validity, from + i)) doubles[i] = NAN;
        break;
    case GM_TYPE_BOOL:
        for (uint64_t i = 0; i < n; i++) ints[i] = is_valid(validity, from + i) ? ((const uint8_t *)data)[from + i] : GM_MISSING_INT;
        break;
    default:
        memcpy(ints, (const int64_t *)data + from, n * sizeof(int64_t));
        for (uint64_t i = 0; validity && i < n; i++)
            if (!is_valid(validity, from + i)) ints[i] = GM_MISSING_INT;
    }
    return GM_OK;
}

static gm_rc relation_next(void *ctx, gm_table *out, gm_err *err)
{
    gm_relation *r = ctx;
    const duck_api *duck = r->e->duck;
    int64_t rows = 0;
    if (!r->started && duck->execute_prepared_streaming(r->prepared, &r->result) != DUCK_OK)
        return gm_duck_failed(r->what, duck->result_error(&r->result), err);
    r->started = true;
    gm_arena_reset(r->texts);
    for (size_t k = 0; k < r->count; k++)
        if (r->types[k] == GM_TYPE_STRING && !(r->dicts[k] = gm_dict_builder_new(r->texts))) return no_memory(r, err);
    while (rows < GM_CHUNK_ROWS && !r->ended) {
        if (!r->fetched) {
            r->fetched = duck->fetch_chunk(r->result);
            r->at = 0;
            r->ended = !r->fetched; /* asking once more would be an error */
            if (r->ended) break;
        }
        uint64_t left = duck->data_chunk_get_size(r->fetched) - r->at, room = (uint64_t)(GM_CHUNK_ROWS - rows), n = left < room ? left : room;
        for (size_t k = 0; k < r->count; k++) {
            gm_rc rc = take_column(r, k, duck->data_chunk_get_vector(r->fetched, k), r->at, n, rows, err);
            if (rc) return rc;
        }
        rows += (int64_t)n;
        r->at += n;
        if (n == left) duck->destroy_data_chunk(&r->fetched); /* also sets it to NULL */
    }
    const char *reason = r->ended ? duck->result_error(&r->result) : NULL;
    if (reason && *reason) return gm_duck_failed(r->what, reason, err);
    for (size_t k = 0; k < r->count; k++) {
        r->columns[k].rows = rows;
        if (r->types[k] == GM_TYPE_STRING && !(r->columns[k].dict = gm_dict_builder_finish(r->dicts[k]))) return no_memory(r, err);
    }
    *out = (gm_table){ .rows = rows, .columns_count = r->count, .columns = r->columns };
    return GM_OK;
}

static gm_rc make_room(gm_relation *r, gm_err *err)
{
    r->columns = GM_ARENA_ARRAY(r->a, gm_column, r->count);
    r->values = GM_ARENA_ARRAY(r->a, void *, r->count);
    r->dicts = GM_ARENA_ARRAY(r->a, gm_dict_builder *, r->count);
    r->texts = gm_arena_new(0);
    if (!r->columns || !r->values || !r->dicts || !r->texts) return no_memory(r, err);
    for (size_t k = 0; k < r->count; k++) {
        r->values[k] = gm_arena_alloc(r->a, GM_CHUNK_ROWS, r->types[k] == GM_TYPE_STRING ? sizeof(int32_t) : sizeof(int64_t));
        if (!r->values[k]) return no_memory(r, err);
        r->columns[k] = (gm_column){ .name = r->names[k], .type = r->types[k], .i64 = r->values[k] };
    }
    return GM_OK;
}

gm_rc gm_relation_open(gm_engine *e, const char *relation_sql, const char *what, const char *const *columns, size_t columns_count, int64_t limit,
                       gm_arena *a, gm_relation **out, gm_chunks *out_chunks, gm_err *err)
{
    gm_relation *r = GM_ARENA_NEW(a, gm_relation);
    gm_buf list = { 0 }, sql = { 0 };
    int64_t rows = 0;
    if (!r) return gm_err_set(err, GM_ENOMEM, "not enough memory to %s", what);
    *r = (gm_relation){ .e = e, .what = gm_arena_strdup(a, what), .a = a };
    gm_rc rc = r->what ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to %s", what);
    if (!rc) rc = learn_columns(r, relation_sql, columns, columns_count, &list, err);
    if (!rc && limit >= 0) {
        gm_buf_printf(&sql, "SELECT count(*) FROM %s", relation_sql);
        rc = one_int(r, gm_buf_str(&sql), &rows, err);
        gm_buf_clear(&sql);
    }
    bool cut = limit > 0 && limit < rows; /* a LIMIT that cuts nothing would make DuckDB read the file twice and join the halves */
    if (limit < 0 || cut) rows = limit;
    if (!rc) rc = make_room(r, err);
    if (!rc) {
        gm_buf_printf(&sql, "SELECT %s FROM %s", gm_buf_str(&list), relation_sql);
        if (cut) gm_buf_printf(&sql, " LIMIT %" PRId64, rows);
        rc = sql.failed ? no_memory(r, err) : prepare_select(r, gm_buf_str(&sql), &r->prepared, err);
    }
    gm_buf_clear(&sql);
    gm_buf_clear(&list);
    if (rc) {
        gm_relation_close(r);
        return rc;
    }
    *out = r;
    *out_chunks = (gm_chunks){ .count = r->count, .names = r->names, .types = r->types, .rows = rows, .ctx = r, .next = relation_next };
    return GM_OK;
}

void gm_relation_close(gm_relation *r)
{
    if (!r) return;
    if (r->fetched) r->e->duck->destroy_data_chunk(&r->fetched);
    r->e->duck->destroy_result(&r->result);
    if (r->prepared) r->e->duck->destroy_prepare(&r->prepared);
    gm_arena_free(r->texts);
    r->texts = NULL;
}

/* ---- the room's reading and writing ---- */

gm_rc gm_data_write(gm_engine *e, const gm_table *t, const char *path, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory to write \"%s\"", path);
    gm_table_chunks ctx;
    gm_chunks chunks;
    gm_rc rc = gm_chunks_of_table(t, a, &ctx, &chunks, err);
    if (!rc) rc = gm_chunks_write(e, &chunks, path, NULL, err);
    gm_arena_free(a);
    return rc;
}

static gm_rc read_csv_table(const char *path, const char *const *columns, size_t columns_count, int64_t limit, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_text_rows *rows = NULL;
    const gm_rule *rules = NULL;
    gm_chunks chunks;
    int64_t count = 0;
    gm_rc rc = gm_csv_open(path, path, a, &rows, err);
    if (rc) return rc;
    rc = gm_rules_infer(&rows, 1, a, &rules, &count, err);
    if (!rc) rc = gm_chunks_of_text(&rows, 1, rules, count, a, &chunks, err);
    if (!rc) rc = gm_chunks_collect(&chunks, columns, columns_count, limit, a, out, err);
    rows->close(rows);
    return rc;
}

gm_rc gm_data_read(gm_engine *e, const char *path, const char *const *columns, size_t columns_count, int64_t limit, gm_arena *a, gm_table *out,
                   gm_err *err)
{
    if (!gm_fs_exists(path)) return gm_err_set(err, GM_ENOTFOUND, "there is no file \"%s\"", path);
    bool json = gm_path_ends(path, ".json") || gm_path_ends(path, ".jsonl") || gm_path_ends(path, ".ndjson");
    if (gm_path_ends(path, ".csv") || gm_path_ends(path, ".tsv")) return read_csv_table(path, columns, columns_count, limit, a, out, err);

    gm_buf relation = { 0 };
    gm_relation *r = NULL;
    gm_chunks chunks;
    char what[PATH_MAX + 16];
    (void)snprintf(what, sizeof(what), "read \"%s\"", path);
    gm_buf_text(&relation, json ? "read_json_auto(" : "read_parquet(");
    gm_sql_path(&relation, path);
    gm_buf_char(&relation, ')');
    gm_rc rc = relation.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to read \"%s\"", path)
                               : gm_relation_open(e, gm_buf_str(&relation), what, columns, columns_count, limit, a, &r, &chunks, err);
    if (!rc) rc = gm_chunks_collect(&chunks, NULL, 0, 0, a, out, err);
    gm_relation_close(r);
    gm_buf_clear(&relation);
    return rc;
}

/* ---- SQL steps ---- */

/* An engine that may read the given files and nothing else, with one thread: equal inputs give equal bytes. */
static gm_rc open_sandbox(const char *const *names, const char *const *paths, size_t count, gm_engine **out, gm_err *err)
{
    gm_engine *e = NULL;
    gm_buf allowed = { 0 };
    gm_rc rc = gm_engine_open(&(gm_engine_options){ .threads = 1 }, &e, err);
    gm_buf_text(&allowed, "SET allowed_paths = [");
    for (size_t i = 0; !rc && i < count; i++) {
        if (i) gm_buf_text(&allowed, ", ");
        gm_sql_literal(&allowed, paths[i]);
    }
    gm_buf_char(&allowed, ']');
    if (!rc) rc = gm_engine_run(e, gm_buf_str(&allowed), "list the inputs of the query", err);
    gm_buf_clear(&allowed);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_buf sql = { 0 };
        char what[256];
        (void)snprintf(what, sizeof(what), "read table \"%.200s\"", names[i]);
        gm_buf_text(&sql, "CREATE VIEW ");
        gm_sql_ident(&sql, names[i]);
        gm_buf_text(&sql, " AS SELECT * FROM read_parquet(");
        gm_sql_path(&sql, paths[i]);
        gm_buf_char(&sql, ')');
        rc = gm_engine_run(e, gm_buf_str(&sql), what, err);
        gm_buf_clear(&sql);
    }
    if (!rc) rc = gm_engine_run(e, "SET enable_external_access = false", "close the query off", err);
    if (!rc) rc = gm_engine_run(e, "SET lock_configuration = true", "close the query off", err);
    if (rc) gm_engine_close(e);
    else *out = e;
    return rc;
}

gm_rc gm_data_sql(gm_engine *e, const char *sql, const char *const *names, const char *const *paths, size_t count, const char *out_path,
                  int64_t *out_rows, gm_err *err)
{
    gm_engine *sandbox = NULL;
    gm_relation *r = NULL;
    gm_chunks chunks;
    gm_buf relation = { 0 };
    size_t len = strlen(sql);
    gm_arena *a = gm_arena_new(0);
    while (len && strchr("; \t\r\n", sql[len - 1])) len--;
    gm_buf_text(&relation, "(");
    gm_buf_add(&relation, sql, len);
    gm_buf_text(&relation, "\n)"); /* the line end closes a comment at the end of the query */
    gm_rc rc = a && !relation.failed ? open_sandbox(names, paths, count, &sandbox, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for the query");
    if (!rc) rc = gm_relation_open(sandbox, gm_buf_str(&relation), "run the query", NULL, 0, -1, a, &r, &chunks, err);
    if (!rc) rc = gm_chunks_write(e, &chunks, out_path, out_rows, err);
    gm_relation_close(r);
    gm_engine_close(sandbox);
    gm_buf_clear(&relation);
    gm_arena_free(a);
    return rc;
}
