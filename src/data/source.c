/* source.c - from what stands under `data:` to one Parquet file and its schema. */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "data/data_internal.h"

enum { FILES_MAX = 100000 };

typedef enum format { FORMAT_UNKNOWN, FORMAT_CSV, FORMAT_PARQUET, FORMAT_JSON } format;

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

static format format_by_name(const char *path)
{
    static const struct {
        const char *end;
        format format;
    } ends[] = { { ".csv", FORMAT_CSV },       { ".tsv", FORMAT_CSV },   { ".txt", FORMAT_CSV },    { ".parquet", FORMAT_PARQUET },
                 { ".pq", FORMAT_PARQUET }, { ".json", FORMAT_JSON }, { ".jsonl", FORMAT_JSON }, { ".ndjson", FORMAT_JSON } };
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (ends_with(path, ends[i].end)) return ends[i].format;
    return FORMAT_UNKNOWN;
}

static bool is_database(const char *from) { return begins(from, "sqlite:") || begins(from, "postgres://") || begins(from, "postgresql://"); }

static gm_rc no_memory(gm_err *err, const gm_source *s) { return gm_err_at(err, s->pos, GM_ENOMEM, "not enough memory to list \"%s\"", s->from); }

/* ---- which files ---- */

static gm_rc from_folder(const gm_source *s, const char *path, gm_arena *a, const char ***out, size_t *out_count, gm_err *err)
{
    const char **names = NULL;
    size_t count = 0, kept = 0;
    gm_rc rc = gm_fs_list(path, a, &names, &count, err);
    if (rc) return gm_err_place(err, rc, s->pos);
    for (size_t i = 0; i < count; i++) {
        if (names[i][0] == '.' || format_by_name(names[i]) == FORMAT_UNKNOWN) continue;
        names[kept] = gm_path_join(a, path, names[i]);
        if (!names[kept++]) return no_memory(err, s);
    }
    *out = names;
    *out_count = kept;
    return GM_OK;
}

static gm_rc from_pattern(const gm_source *s, const char *pattern, gm_arena *a, const char ***out, size_t *out_count, gm_err *err)
{
    glob_t found = { 0 };
    int state = glob(pattern, 0, NULL, &found);
    const char **paths = NULL;
    gm_rc rc = GM_OK;
    if (state == GLOB_NOSPACE || found.gl_pathc > FILES_MAX) rc = gm_err_at(err, s->pos, GM_EINVALID, "\"%s\" matches more than %d files", s->from, FILES_MAX);
    if (!rc && !(paths = GM_ARENA_ARRAY(a, const char *, found.gl_pathc))) rc = no_memory(err, s);
    for (size_t i = 0; !rc && i < found.gl_pathc; i++)
        if (!(paths[i] = gm_arena_strdup(a, found.gl_pathv[i]))) rc = no_memory(err, s);
    if (!rc) {
        *out = paths;
        *out_count = found.gl_pathc; /* glob sorts; in the C locale by bytes */
    }
    globfree(&found);
    return rc;
}

gm_rc gm_source_files(const gm_source *s, const char *base_dir, gm_arena *a, const char ***out, size_t *out_count, gm_err *err)
{
    const char *from = s->from;
    if (is_database(from)) {
        *out = NULL;
        *out_count = 0;
        return GM_OK;
    }
    if (strstr(from, "://")) {
        gm_rc rc = gm_err_at(err, s->pos, GM_EUNSUPPORTED, "cannot read \"%.*s://\" sources", (int)(strstr(from, "://") - from), from);
        gm_err_hint(err, "Fetch the file first, with a run: step or by hand, and name the local copy.");
        return rc;
    }
    const char *path = base_dir ? gm_path_join(a, base_dir, from) : from, **files = NULL;
    size_t count = 0;
    gm_rc rc = GM_OK;
    if (!path) return no_memory(err, s);
    if (gm_fs_is_dir(path)) {
        rc = from_folder(s, path, a, &files, &count, err);
    } else if (gm_fs_exists(path)) { /* before patterns: a name may hold brackets */
        files = GM_ARENA_ARRAY(a, const char *, 1);
        if (!files) return no_memory(err, s);
        files[count++] = path;
    } else if (strpbrk(from, "*?[")) {
        rc = from_pattern(s, path, a, &files, &count, err);
    }
    if (rc) return rc;
    if (count == 0) {
        rc = gm_err_at(err, s->pos, GM_ENOTFOUND, gm_fs_is_dir(path) ? "no CSV, Parquet or JSON files in \"%s\"" : "no file \"%s\"", from);
        gm_err_hint(err, "Paths are relative to the folder of the pipeline file, \"%s\".", base_dir ? base_dir : ".");
        return rc;
    }
    *out = files;
    *out_count = count;
    return GM_OK;
}

static gm_rc find_format(const gm_source *s, const char **files, size_t count, format *out, gm_err *err)
{
    if (s->format) {
        *out = strcmp(s->format, "csv") == 0 ? FORMAT_CSV : strcmp(s->format, "parquet") == 0 ? FORMAT_PARQUET : strcmp(s->format, "json") == 0 ? FORMAT_JSON : FORMAT_UNKNOWN;
        if (*out) return GM_OK;
        gm_rc rc = gm_err_at(err, s->pos, GM_EINVALID, "unrecognized format \"%.40s\"", s->format);
        gm_err_hint(err, "The formats are csv, parquet and json.");
        return rc;
    }
    for (size_t i = 0; i < count; i++) {
        format f = format_by_name(files[i]);
        if (f == FORMAT_UNKNOWN) {
            gm_rc rc = gm_err_at(err, s->pos, ends_with(files[i], ".gz") || ends_with(files[i], ".zip") ? GM_EUNSUPPORTED : GM_EINVALID, "the name \"%s\" does not tell the format", files[i]);
            gm_err_hint(err, "Unpack it first if it is compressed, or say format: csv, parquet or json.");
            return rc;
        }
        if (i > 0 && f != *out) return gm_err_at(err, s->pos, GM_EINVALID, "\"%s\" and \"%s\" have different formats", files[0], files[i]);
        *out = f;
    }
    return GM_OK;
}

bool gm_source_is_typed(const gm_source *s, const char *base_dir, gm_arena *a)
{
    const char **files = NULL;
    size_t count = 0;
    format f = FORMAT_UNKNOWN;
    gm_err ignored;
    if (is_database(s->from) || gm_source_files(s, base_dir, a, &files, &count, &ignored)) return false;
    return !find_format(s, files, count, &f, &ignored) && f != FORMAT_CSV;
}

/* ---- what is read ---- */

/* The open source: chunks, and what has to be closed afterwards. */
typedef struct reading {
    gm_text_rows **rows;
    size_t rows_count;
    gm_relation *relation;
    const gm_rule *rules; /* NULL for typed sources */
    gm_chunks chunks;
} reading;

static void close_reading(reading *r)
{
    for (size_t i = 0; i < r->rows_count; i++)
        if (r->rows[i]) r->rows[i]->close(r->rows[i]);
    gm_relation_close(r->relation);
}

static gm_rc infer_and_chunk(reading *r, gm_arena *a, gm_err *err)
{
    int64_t rows = 0;
    gm_rc rc = gm_rules_infer(r->rows, r->rows_count, a, &r->rules, &rows, err);
    return rc ? rc : gm_chunks_of_text(r->rows, r->rows_count, r->rules, rows, a, &r->chunks, err);
}

/* The file as its user wrote it: below base_dir without it. */
static const char *label_of(const char *path, const char *base_dir)
{
    size_t n = base_dir ? strlen(base_dir) : 0;
    if (n && strncmp(path, base_dir, n) == 0 && path[n] == '/') return path + n + 1;
    return path;
}

static gm_rc open_csv(const char **files, size_t count, const char *base_dir, gm_arena *a, reading *r, gm_err *err)
{
    r->rows = GM_ARENA_ARRAY(a, gm_text_rows *, count);
    if (!r->rows) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu files", count);
    for (size_t i = 0; i < count; i++) {
        gm_rc rc = gm_csv_open(files[i], label_of(files[i], base_dir), a, &r->rows[i], err);
        if (rc) return rc;
        r->rows_count = i + 1;
    }
    return infer_and_chunk(r, a, err);
}

static void file_list(gm_buf *sql, format f, const char *const *files, size_t count)
{
    gm_buf_text(sql, f == FORMAT_JSON ? "read_json_auto([" : "read_parquet([");
    for (size_t i = 0; i < count; i++) {
        if (i) gm_buf_text(sql, ", ");
        gm_sql_path(sql, files[i]);
    }
    gm_buf_text(sql, count > 1 ? "], union_by_name = true)" : "])");
}

/* Names and types of one file. */
static gm_rc shape_of(gm_engine *e, format f, const char *file, const char *label, gm_arena *a, gm_chunks *out, gm_err *err)
{
    gm_buf sql = { 0 };
    gm_relation *r = NULL;
    char what[PATH_MAX + 16];
    (void)snprintf(what, sizeof(what), "read \"%s\"", label);
    file_list(&sql, f, &file, 1);
    gm_rc rc = gm_relation_open(e, gm_buf_str(&sql), what, NULL, 0, -1, a, &r, out, err);
    gm_relation_close(r);
    gm_buf_clear(&sql);
    return gm_err_place(err, rc, (gm_pos){ .file = label });
}

/* All files have the columns of the first, with the same types (or integers for decimals, either way). */
static gm_rc same_shape(const gm_chunks *first, const char *first_label, const gm_chunks *here, const char *label, gm_err *err)
{
    gm_pos at = { .file = label };
    for (size_t k = 0; k < first->count; k++) {
        size_t i = 0;
        while (i < here->count && strcmp(here->names[i], first->names[k]) != 0) i++;
        if (i == here->count) return gm_err_at(err, at, GM_EINVALID, "no column \"%.100s\", which \"%.120s\" has", first->names[k], first_label);
        gm_type x = first->types[k], y = here->types[i];
        bool numbers = (x == GM_TYPE_INT || x == GM_TYPE_FLOAT) && (y == GM_TYPE_INT || y == GM_TYPE_FLOAT);
        if (x != y && !numbers)
            return gm_err_at(err, at, GM_EINVALID, "column \"%.100s\" is %s here and %s in \"%.120s\"", first->names[k], gm_type_name(y), gm_type_name(x), first_label);
    }
    if (here->count == first->count) return GM_OK;
    for (size_t i = 0; i < here->count; i++) {
        size_t k = 0;
        while (k < first->count && strcmp(here->names[i], first->names[k]) != 0) k++;
        if (k == first->count) return gm_err_at(err, at, GM_EINVALID, "a column \"%.100s\" that \"%.120s\" does not have", here->names[i], first_label);
    }
    return GM_OK;
}

static gm_rc open_typed(gm_engine *e, format f, const char **files, size_t count, const char *base_dir, gm_arena *a, reading *r, gm_err *err)
{
    gm_chunks first, here;
    gm_buf sql = { 0 };
    char what[PATH_MAX + 16];
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < count; i++) {
        rc = shape_of(e, f, files[i], label_of(files[i], base_dir), a, i ? &here : &first, err);
        if (!rc && i) rc = same_shape(&first, label_of(files[0], base_dir), &here, label_of(files[i], base_dir), err);
    }
    if (rc) return rc;
    (void)snprintf(what, sizeof(what), "read \"%s\"", label_of(files[0], base_dir));
    file_list(&sql, f, files, count);
    rc = sql.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for %zu files", count)
                    : gm_relation_open(e, gm_buf_str(&sql), what, NULL, 0, -1, a, &r->relation, &r->chunks, err);
    gm_buf_clear(&sql);
    return rc;
}

/* sqlite:FILE?table=T and postgres://...?table=T: cut the table off. out_rest in arena. */
static gm_rc split_table(const gm_source *s, gm_arena *a, char **out_rest, const char **out_table, gm_err *err)
{
    char *rest = gm_arena_strdup(a, s->from);
    if (!rest) return no_memory(err, s);
    char *table = strstr(rest, "?table=");
    if (!table) table = strstr(rest, "&table=");
    if (!table || table[7] == '\0') {
        gm_rc rc = gm_err_at(err, s->pos, GM_EINVALID, "the source does not name a table");
        gm_err_hint(err, "Write it at the end: sqlite:shop.db?table=orders.");
        return rc;
    }
    *table = '\0';
    *out_table = table + 7;
    *out_rest = rest;
    return GM_OK;
}

static gm_rc open_database(const gm_source *s, const char *base_dir, gm_arena *a, reading *r, gm_err *err)
{
    char *rest = NULL;
    const char *table = NULL;
    gm_rc rc = split_table(s, a, &rest, &table, err);
    if (rc) return rc;
    r->rows = GM_ARENA_ARRAY(a, gm_text_rows *, 1);
    if (!r->rows) return no_memory(err, s);
    if (begins(rest, "sqlite:")) {
        const char *path = base_dir ? gm_path_join(a, base_dir, rest + 7) : rest + 7;
        rc = path ? gm_sqlite_open(path, table, rest + 7, a, &r->rows[0], err) : no_memory(err, s);
    } else {
        rc = gm_postgres_open(rest, table, table, a, &r->rows[0], err);
    }
    if (rc) return gm_err_place(err, rc, s->pos);
    r->rows_count = 1;
    return infer_and_chunk(r, a, err);
}

static gm_rc open_reading(gm_engine *e, const gm_source *s, const char *base_dir, gm_arena *a, reading *r, gm_err *err)
{
    const char **files = NULL;
    size_t count = 0;
    format f = FORMAT_UNKNOWN;
    *r = (reading){ 0 };
    if (is_database(s->from)) return open_database(s, base_dir, a, r, err);
    gm_rc rc = gm_source_files(s, base_dir, a, &files, &count, err);
    if (!rc) rc = find_format(s, files, count, &f, err);
    if (rc) return rc;
    return f == FORMAT_CSV ? open_csv(files, count, base_dir, a, r, err) : open_typed(e, f, files, count, base_dir, a, r, err);
}

/* ---- the snapshot ---- */

/* Chunks on their way to the file are profiled as they pass. */
typedef struct tee {
    gm_chunks *from;
    gm_profile *profile;
    gm_arena *a;
} tee;

static gm_rc tee_next(void *ctx, gm_table *out, gm_err *err)
{
    tee *t = ctx;
    gm_rc rc = t->from->next(t->from->ctx, out, err);
    return rc || out->rows == 0 ? rc : gm_profile_add(t->profile, out, t->a, err);
}

static gm_rc write_and_profile(gm_engine *e, gm_chunks *in, const gm_rule *rules, const char *out_path, gm_arena *a, const char **out_schema_json,
                               int64_t *out_rows, gm_err *err)
{
    tee t = { .from = in, .a = a };
    gm_schema schema;
    gm_chunks passing = *in;
    passing.ctx = &t;
    passing.next = tee_next;
    gm_rc rc = gm_profile_begin(in->count, in->names, in->types, a, &t.profile, err);
    if (!rc) rc = gm_chunks_write(e, &passing, out_path, out_rows, err);
    if (!rc) rc = gm_schema_of_profile(t.profile, rules, a, &schema, err);
    if (rc) return rc;
    gm_buf text = { 0 };
    gm_json j;
    gm_json_init(&j, &text, true);
    gm_schema_json(&schema, &j);
    *out_schema_json = text.failed ? NULL : gm_arena_strdup(a, gm_buf_str(&text));
    gm_buf_clear(&text);
    return *out_schema_json ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for the schema");
}

/* query: runs over the whole source, written beside out_path first. */
static gm_rc snapshot_query(gm_engine *e, const gm_source *s, gm_chunks *in, const char *out_path, gm_arena *a, const char **out_schema_json,
                            int64_t *out_rows, gm_err *err)
{
    char *whole = gm_arena_printf(a, "%s.source", out_path), *result = gm_arena_printf(a, "%s.result", out_path);
    const char *name = "source";
    gm_relation *r = NULL;
    gm_chunks chunks;
    if (!whole || !result) return no_memory(err, s);
    gm_rc rc = gm_chunks_write(e, in, whole, NULL, err);
    if (!rc) rc = gm_data_sql(e, s->query, &name, (const char *const *)&whole, 1, result, NULL, err);
    if (rc == GM_EINVALID) rc = gm_err_place(err, rc, s->pos);
    gm_buf sql = { 0 };
    gm_buf_text(&sql, "read_parquet(");
    gm_sql_path(&sql, result);
    gm_buf_char(&sql, ')');
    if (!rc) rc = gm_relation_open(e, gm_buf_str(&sql), "read the result of the query", NULL, 0, -1, a, &r, &chunks, err);
    if (!rc) rc = write_and_profile(e, &chunks, NULL, out_path, a, out_schema_json, out_rows, err);
    gm_relation_close(r);
    gm_buf_clear(&sql);
    (void)unlink(whole); /* scratch; not there when writing it failed */
    (void)unlink(result);
    return rc;
}

gm_rc gm_data_snapshot(gm_engine *e, const gm_source *s, const char *base_dir, const char *out_path, gm_arena *a, const char **out_schema_json,
                       int64_t *out_rows, gm_err *err)
{
    reading r;
    gm_rc rc = open_reading(e, s, base_dir, a, &r, err);
    if (!rc) {
        rc = s->query ? snapshot_query(e, s, &r.chunks, out_path, a, out_schema_json, out_rows, err)
                      : write_and_profile(e, &r.chunks, r.rules, out_path, a, out_schema_json, out_rows, err);
    }
    close_reading(&r);
    return rc ? gm_err_ctx(err, rc, "reading data from \"%.100s\"", begins(s->from, "postgres") ? "postgres" : s->from) : GM_OK;
}

/* ---- the source through a function ---- */

typedef struct mapping {
    gm_chunks *from;
    gm_table_map map;
    void *ctx;
    int64_t rows;   /* taken so far                                */
    gm_table first; /* made to learn the columns, not yet given on */
    bool held;
    bool failed;    /* map itself did, not the reading             */
} mapping;

static gm_rc map_chunk(mapping *m, gm_table *out, gm_err *err)
{
    gm_table in;
    gm_rc rc = m->from->next(m->from->ctx, &in, err);
    if (rc) return rc;
    *out = (gm_table){ 0 };
    if (in.rows == 0 && m->rows > 0) return GM_OK;
    rc = m->map(m->ctx, &in, m->rows, out, err);
    m->failed = rc != GM_OK;
    m->rows += in.rows;
    return rc;
}

static gm_rc mapping_next(void *ctx, gm_table *out, gm_err *err)
{
    mapping *m = ctx;
    if (!m->held) return map_chunk(m, out, err);
    m->held = false;
    *out = m->first;
    return GM_OK;
}

static gm_rc write_mapped(gm_engine *e, mapping *m, const char *out_path, gm_arena *a, int64_t *out_rows, gm_err *err)
{
    gm_rc rc = map_chunk(m, &m->first, err);
    if (rc) return rc;
    size_t count = m->first.columns_count;
    const char **names = GM_ARENA_ARRAY(a, const char *, count);
    gm_type *types = GM_ARENA_ARRAY(a, gm_type, count);
    if (!names || !types) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", count);
    for (size_t k = 0; k < count; k++) {
        names[k] = gm_arena_strdup(a, m->first.columns[k].name);
        types[k] = m->first.columns[k].type;
        if (!names[k]) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", count);
    }
    m->held = true;
    return gm_chunks_write(e, &(gm_chunks){ .count = count, .names = names, .types = types, .rows = -1, .ctx = m, .next = mapping_next }, out_path, out_rows, err);
}

gm_rc gm_data_map(gm_engine *e, const gm_source *s, const char *base_dir, gm_table_map map, void *ctx, const char *out_path, int64_t *out_rows,
                  gm_err *err)
{
    reading r;
    gm_arena *a = gm_arena_new(0);
    if (!a) return no_memory(err, s);
    mapping m = { .from = &r.chunks, .map = map, .ctx = ctx };
    gm_rc rc = open_reading(e, s, base_dir, a, &r, err);
    if (!rc) rc = write_mapped(e, &m, out_path, a, out_rows, err);
    close_reading(&r);
    gm_arena_free(a);
    return rc && !m.failed ? gm_err_ctx(err, rc, "reading data from \"%.100s\"", begins(s->from, "postgres") ? "postgres" : s->from) : rc;
}
