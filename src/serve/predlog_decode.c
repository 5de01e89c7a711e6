/* predlog_decode.c - a raw segment as tables, one for each version in it.
 *
 * Two passes: the first finds the records and what each column holds in them, the second fills columns of exactly that size. Records are
 * checked before anything in them is believed: a checksum over the body, then each length against the body's end.
 */
#include "serve/predlog_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fs.h"
#include "serve/predlog_format.h"

enum { LOG_COLUMNS = 9 };
static const char *const log_columns[LOG_COLUMNS] = { "id", "time", "model", "version", "package", "protocol", "arm", "row", "latency_us" };

typedef struct record {
    gm_predlog_head head;
    const char *id, *arm, *protocol;
    const uint8_t *types;        /* [columns] */
    const unsigned char *values; /* columns, then answers */
    const unsigned char *end;
} record;

typedef struct column {
    const char *name;  /* in the log's tables */
    gm_type type;      /* declared, or FLOAT for whole numbers that were not whole */
} column;

/* One version of the segment: its definition and its records. */
typedef struct version {
    const char *json; /* the definition's bytes, NUL-terminated */
    const char *model, *number, *package;
    gm_task task;
    int64_t outputs;
    const char **classes;
    int64_t classes_count;
    column *columns; /* [columns_count] */
    size_t columns_count;
    const char **inputs; /* [inputs_count] of their names */
    size_t inputs_count;
    record *records; /* [count] */
    size_t count, capacity;
    int64_t rows, first_us, last_us;
} version;

typedef struct decoding {
    const gm_predlog_filter *filter;
    gm_arena *a;
    gm_predlog_parts *parts;
    version *versions; /* [count] */
    size_t count, capacity;
    uint32_t *numbers; /* [numbers_count] definition number -> index of versions */
    size_t numbers_count;
    gm_err *err;
} decoding;

/* ---- names --------------------------------------------------------------------------------------------------------------- */

const char *gm_predlog_column(const char *input, gm_arena *a)
{
    for (size_t i = 0; i < LOG_COLUMNS; i++)
        if (strcasecmp(input, log_columns[i]) == 0) return gm_arena_printf(a, "%s_", input);
    return input;
}

/* The log gives a name that a column has already a _ more, so the last of these is the answer. */
const gm_column *gm_predlog_answer(const gm_table *t, const char *name)
{
    const gm_column *found = NULL;
    size_t len = strlen(name);
    for (size_t i = 0; i < t->columns_count; i++) {
        const char *is = t->columns[i].name;
        if (strncmp(is, name, len) == 0 && strspn(is + len, "_") == strlen(is + len)) found = &t->columns[i];
    }
    return found;
}

/* name, or name_ when a column has it; names that differ in case only are equal in SQL. NULL when memory is out. */
static const char *free_name(const gm_column *columns, size_t count, const char *name, gm_arena *a)
{
    for (size_t i = 0; name && i < count; i++)
        if (strcasecmp(columns[i].name, name) == 0) return free_name(columns, count, gm_arena_printf(a, "%s_", name), a);
    return name;
}

/* ---- definitions --------------------------------------------------------------------------------------------------------- */

static gm_rc no_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to read the prediction log"); }

/* Twice the room when it is full. */
static void *grown(gm_arena *a, void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) return items;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *more = gm_arena_alloc(a, wanted, size);
    if (more && count) memcpy(more, items, count * size);
    if (more) *capacity = wanted;
    return more;
}

static gm_rc read_definition(decoding *d, const char *json, version *v)
{
    gm_node *root = NULL;
    gm_rc rc = gm_json_read(json, strlen(json), "definition", d->a, &root, d->err);
    if (rc) return rc;
    const gm_node *columns = gm_node_get(root, "columns"), *classes = gm_node_get(root, "classes");
    *v = (version){ .json = json,
                    .model = gm_node_str_or(root, "model", ""),
                    .number = gm_node_str_or(root, "version", ""),
                    .package = gm_node_str_or(root, "package", ""),
                    .outputs = gm_node_int_or(root, "outputs", 0),
                    .columns_count = columns && columns->kind == GM_NODE_SEQ ? columns->count : 0 };
    const char *task = gm_node_str_or(root, "task", "");
    for (gm_task t = GM_TASK_BINARY; t <= GM_TASK_REGRESSION; t++)
        if (strcmp(gm_task_name(t), task) == 0) v->task = t;
    if (!v->task || v->outputs < 1 || !classes) return gm_err_set(d->err, GM_ECORRUPT, "a definition in the prediction log is incomplete");
    rc = gm_classes_read(classes, d->a, &v->classes, &v->classes_count, d->err);
    if (rc) return rc;
    if (v->task == GM_TASK_MULTICLASS ? v->outputs != v->classes_count : v->outputs != 1)
        return gm_err_set(d->err, GM_ECORRUPT, "a definition in the prediction log has %" PRId64 " outputs", v->outputs);
    v->columns = GM_ARENA_ARRAY(d->a, column, v->columns_count);
    v->inputs = GM_ARENA_ARRAY(d->a, const char *, v->columns_count);
    if (!v->columns || !v->inputs) return no_memory(d->err);
    for (size_t i = 0; i < v->columns_count; i++) {
        const char *name = gm_arena_strdup(d->a, gm_node_str_or(columns->items[i], "name", ""));
        if (!name) return no_memory(d->err);
        v->columns[i].name = gm_predlog_column(name, d->a);
        if (!gm_type_from_name(gm_node_str_or(columns->items[i], "type", ""), &v->columns[i].type)) v->columns[i].type = GM_TYPE_STRING;
        if (gm_node_bool_or(columns->items[i], "input", false)) v->inputs[v->inputs_count++] = v->columns[i].name;
    }
    return GM_OK;
}

static gm_rc define(decoding *d, const unsigned char *body, size_t len)
{
    uint32_t number = 0;
    if (len < 8) return GM_OK;
    memcpy(&number, body + 4, sizeof(number));
    if (number > 1 << 16) return gm_err_set(d->err, GM_ECORRUPT, "a definition in the prediction log has the number %u", number);
    const char *json = gm_arena_strndup(d->a, (const char *)body + 8, len - 8);
    if (!json) return no_memory(d->err);
    size_t known = 0;
    while (known < d->count && strcmp(d->versions[known].json, json) != 0) known++;
    if (known == d->count) {
        version *items = grown(d->a, d->versions, d->count, &d->capacity, sizeof(*items));
        if (!items) return no_memory(d->err);
        d->versions = items;
        gm_rc rc = read_definition(d, json, &items[known]);
        if (rc) return rc;
        d->count++;
    }
    while (d->numbers_count <= number) {
        size_t capacity = d->numbers_count;
        uint32_t *more = d->numbers_count % 64 ? d->numbers : GM_ARENA_ARRAY(d->a, uint32_t, capacity + 64);
        if (!more) return no_memory(d->err);
        if (more != d->numbers && capacity) memcpy(more, d->numbers, capacity * sizeof(*more));
        d->numbers = more;
        d->numbers[d->numbers_count++] = UINT32_MAX;
    }
    d->numbers[number] = (uint32_t)known;
    return GM_OK;
}

/* ---- first pass: records ------------------------------------------------------------------------------------------------- */

/* Walks over a column's values; NULL when they do not fit. */
static const unsigned char *skip_column(const unsigned char *at, const unsigned char *end, uint8_t type, uint32_t rows)
{
    if (type == GM_PREDLOG_ABSENT) return at;
    if (type > GM_TYPE_TIME) return NULL;
    if (type != GM_TYPE_STRING) return (size_t)(end - at) / 8 >= rows ? at + (size_t)rows * 8 : NULL;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t len = 0;
        if (end - at < 4) return NULL;
        memcpy(&len, at, sizeof(len));
        at += 4;
        if (len == GM_PREDLOG_MISSING_TEXT) continue;
        if ((size_t)(end - at) < len) return NULL;
        at += len;
    }
    return at;
}

/* Fills r; false when a length leads outside of the body. */
static bool read_record(const unsigned char *body, size_t len, const version *v, record *r)
{
    const unsigned char *at = body + sizeof(r->head), *end = body + len;
    const gm_predlog_head *h = &r->head;
    size_t texts = (size_t)h->id_len + h->arm_len + h->protocol_len;
    if (!h->rows || (size_t)(end - at) < texts + v->columns_count) return false;
    r->id = (const char *)at;
    r->arm = r->id + h->id_len;
    r->protocol = r->arm + h->arm_len;
    r->types = at + texts;
    r->values = r->types + v->columns_count;
    r->end = end;
    at = r->values;
    for (size_t i = 0; at && i < v->columns_count; i++) at = skip_column(at, end, r->types[i], h->rows);
    return at && (size_t)(end - at) == (size_t)h->rows * (size_t)v->outputs * 8;
}

static bool passes(const gm_predlog_filter *f, const version *v, const record *r)
{
    const gm_predlog_head *h = &r->head;
    if (f->since_us && h->time_us < f->since_us) return false;
    if (f->until_us && h->time_us >= f->until_us) return false;
    if (f->model && strcmp(f->model, v->model) != 0) return false;
    if (f->id && (strlen(f->id) != h->id_len || memcmp(f->id, r->id, h->id_len) != 0)) return false;
    return f->row < 0 || (f->row >= h->first_row && f->row < (int64_t)h->first_row + h->rows);
}

static gm_rc add_record(decoding *d, const unsigned char *body, size_t len)
{
    record r;
    if (len < sizeof(r.head)) return GM_OK;
    memcpy(&r.head, body, sizeof(r.head));
    uint32_t at = r.head.definition < d->numbers_count ? d->numbers[r.head.definition] : UINT32_MAX;
    if (at == UINT32_MAX || !read_record(body, len, &d->versions[at], &r)) {
        d->parts->damaged++;
        return GM_OK;
    }
    version *v = &d->versions[at];
    gm_predlog_parts_saw(d->parts, r.head.time_us, r.head.time_us);
    if (!passes(d->filter, v, &r)) return GM_OK;
    record *items = grown(d->a, v->records, v->count, &v->capacity, sizeof(*items));
    if (!items) return no_memory(d->err);
    v->records = items;
    items[v->count++] = r;
    if (!v->rows || r.head.time_us < v->first_us) v->first_us = r.head.time_us;
    if (!v->rows || r.head.time_us > v->last_us) v->last_us = r.head.time_us;
    v->rows += r.head.rows;
    for (size_t i = 0; i < v->columns_count; i++)
        if (v->columns[i].type == GM_TYPE_INT && r.types[i] == GM_TYPE_FLOAT) v->columns[i].type = GM_TYPE_FLOAT;
    return GM_OK;
}

static gm_rc scan(decoding *d, const unsigned char *bytes, size_t len)
{
    gm_rc rc = GM_OK;
    for (size_t at = GM_PREDLOG_MAGIC_LEN; !rc && len - at >= GM_PREDLOG_FRAME;) {
        uint32_t frame[2];
        memcpy(frame, bytes + at, sizeof(frame));
        at += GM_PREDLOG_FRAME;
        if (frame[0] == 0 || frame[0] > GM_PREDLOG_RECORD_MAX || frame[0] > len - at) return GM_OK; /* the torn end */
        const unsigned char *body = bytes + at;
        at += frame[0];
        if (gm_crc32c(body, frame[0]) != frame[1]) {
            if (at < len) d->parts->damaged++;
            continue;
        }
        if (body[0] == GM_PREDLOG_DEFINITION) rc = define(d, body, frame[0]);
        if (body[0] == GM_PREDLOG_ROWS) rc = add_record(d, body, frame[0]);
    }
    return rc;
}

/* ---- second pass: columns -------------------------------------------------------------------------------------------------- */

typedef struct building {
    const version *v;
    gm_arena *a;
    gm_column *columns;
    size_t count;
    const unsigned char **at; /* [records] where the next column of each begins */
} building;

static int64_t *add_ints(building *b, const char *name, gm_type type)
{
    int64_t *values = GM_ARENA_ARRAY(b->a, int64_t, b->v->rows);
    b->columns[b->count++] = (gm_column){ .name = name, .type = type, .rows = b->v->rows, .i64 = values };
    return values;
}

static double *add_doubles(building *b, const char *name)
{
    double *values = GM_ARENA_ARRAY(b->a, double, b->v->rows);
    b->columns[b->count++] = (gm_column){ .name = name, .type = GM_TYPE_FLOAT, .rows = b->v->rows, .f64 = values };
    return values;
}

/* dict is set by finish_texts, once all texts are known. */
static int32_t *add_codes(building *b, const char *name, gm_dict_builder **out)
{
    int32_t *codes = GM_ARENA_ARRAY(b->a, int32_t, b->v->rows);
    *out = gm_dict_builder_new(b->a);
    b->columns[b->count++] = (gm_column){ .name = name, .type = GM_TYPE_STRING, .rows = b->v->rows, .code = codes };
    return *out ? codes : NULL;
}

static bool finish_texts(building *b, gm_dict_builder *texts)
{
    gm_column *c = &b->columns[b->count - 1];
    c->dict = gm_dict_builder_finish(texts);
    for (int64_t i = 0; c->dict && i < c->rows; i++)
        if (c->code[i] < GM_MISSING_CODE) return false;
    return c->dict != NULL;
}

typedef enum text_of { TEXT_ID, TEXT_ARM, TEXT_PROTOCOL } text_of;

static bool record_text(building *b, const char *name, text_of which)
{
    gm_dict_builder *texts = NULL;
    int32_t *codes = add_codes(b, name, &texts);
    if (!codes) return false;
    for (size_t i = 0; i < b->v->count; i++) {
        const record *r = &b->v->records[i];
        const char *text = which == TEXT_ID ? r->id : which == TEXT_ARM ? r->arm : r->protocol;
        size_t len = which == TEXT_ID ? r->head.id_len : which == TEXT_ARM ? r->head.arm_len : r->head.protocol_len;
        int32_t code = gm_dict_builder_code(texts, text, len);
        for (uint32_t k = 0; k < r->head.rows; k++) *codes++ = code;
    }
    return finish_texts(b, texts);
}

static bool same_text(building *b, const char *name, const char *text)
{
    gm_dict_builder *texts = NULL;
    int32_t *codes = add_codes(b, name, &texts);
    if (!codes) return false;
    int32_t code = gm_dict_builder_code(texts, text, strlen(text));
    for (int64_t i = 0; i < b->v->rows; i++) codes[i] = code;
    return finish_texts(b, texts);
}

static bool record_facts(building *b)
{
    const version *v = b->v;
    if (!record_text(b, "id", TEXT_ID)) return false;
    int64_t *times = add_ints(b, "time", GM_TYPE_TIME);
    if (!times || !same_text(b, "model", v->model) || !same_text(b, "version", v->number) || !same_text(b, "package", v->package)) return false;
    if (!record_text(b, "protocol", TEXT_PROTOCOL) || !record_text(b, "arm", TEXT_ARM)) return false;
    int64_t *rows = add_ints(b, "row", GM_TYPE_INT), *latencies = add_ints(b, "latency_us", GM_TYPE_INT);
    if (!rows || !latencies) return false;
    for (size_t i = 0; i < v->count; i++) {
        const gm_predlog_head *h = &v->records[i].head;
        for (uint32_t k = 0; k < h->rows; k++) {
            *times++ = h->time_us;
            *rows++ = (int64_t)h->first_row + k;
            *latencies++ = h->latency_us;
        }
    }
    return true;
}

/* Value i of a record's column of numbers, as a column of one row. */
static gm_column cell(const unsigned char *at, uint8_t type, uint32_t i, void *slot)
{
    memcpy(slot, at + (size_t)i * 8, 8);
    gm_column c = { .type = (gm_type)type, .rows = 1 };
    if (type == GM_TYPE_FLOAT) c.f64 = slot;
    else c.i64 = slot;
    return c;
}

static bool text_column(building *b, size_t which)
{
    gm_dict_builder *texts = NULL;
    int32_t *codes = add_codes(b, b->v->columns[which].name, &texts);
    if (!codes) return false;
    for (size_t i = 0; i < b->v->count; i++) {
        const record *r = &b->v->records[i];
        const unsigned char *at = b->at[i];
        uint8_t type = r->types[which];
        for (uint32_t k = 0; k < r->head.rows; k++) {
            uint32_t len = 0;
            char text[64];
            int64_t slot = 0;
            *codes = GM_MISSING_CODE;
            if (type == GM_TYPE_STRING) {
                memcpy(&len, at, sizeof(len));
                at += 4;
                if (len != GM_PREDLOG_MISSING_TEXT) {
                    *codes = gm_dict_builder_code(texts, (const char *)at, len);
                    at += len;
                }
            } else if (type != GM_PREDLOG_ABSENT) { /* a number where texts are expected: a key */
                gm_column c = cell(at, type, k, &slot);
                if (!gm_column_is_missing(&c, 0)) {
                    (void)gm_column_show(&c, 0, text, sizeof(text));
                    *codes = gm_dict_builder_code(texts, text, strlen(text));
                }
            }
            codes++;
        }
    }
    return finish_texts(b, texts);
}

static bool number_column(building *b, size_t which)
{
    const column *c = &b->v->columns[which];
    double *doubles = c->type == GM_TYPE_FLOAT ? add_doubles(b, c->name) : NULL;
    int64_t *ints = c->type == GM_TYPE_FLOAT ? NULL : add_ints(b, c->name, c->type);
    if (!doubles && !ints) return false;
    for (size_t i = 0; i < b->v->count; i++) {
        const record *r = &b->v->records[i];
        for (uint32_t k = 0; k < r->head.rows; k++) {
            uint8_t type = r->types[which];
            int64_t slot = 0;
            if (type == GM_PREDLOG_ABSENT || type == GM_TYPE_STRING) {
                if (doubles) *doubles++ = (double)NAN;
                else *ints++ = GM_MISSING_INT;
                continue;
            }
            gm_column one = cell(b->at[i], type, k, &slot);
            if (doubles) *doubles++ = gm_column_double(&one, 0);
            else if (type != GM_TYPE_FLOAT) *ints++ = slot;
            else *ints++ = gm_column_is_missing(&one, 0) ? GM_MISSING_INT : (int64_t)one.f64[0]; /* a bool given as 0.0 or 1.0 */
        }
    }
    return true;
}

static void next_column(building *b, size_t which)
{
    for (size_t i = 0; i < b->v->count; i++) {
        const record *r = &b->v->records[i];
        b->at[i] = skip_column(b->at[i], r->end, r->types[which], r->head.rows);
    }
}

static double answer_at(const building *b, size_t i, int64_t at)
{
    double v = 0;
    memcpy(&v, b->at[i] + at * 8, sizeof(v));
    return v;
}

static bool value_column(building *b, const char *name, int64_t which)
{
    name = free_name(b->columns, b->count, name, b->a);
    double *values = name ? add_doubles(b, name) : NULL;
    if (!values) return false;
    for (size_t i = 0; i < b->v->count; i++)
        for (uint32_t k = 0; k < b->v->records[i].head.rows; k++) *values++ = answer_at(b, i, (int64_t)k * b->v->outputs + which);
    return true;
}

/* The class that was answered: 1 at 0.5 or more, else the likeliest, the first of equals. */
static bool label_column(building *b)
{
    const version *v = b->v;
    gm_dict_builder *texts = NULL;
    const char *name = free_name(b->columns, b->count, "label", b->a);
    int32_t *codes = name ? add_codes(b, name, &texts) : NULL;
    if (!codes) return false;
    for (int64_t k = 0; k < v->classes_count; k++) (void)gm_dict_builder_code(texts, v->classes[k], strlen(v->classes[k]));
    for (size_t i = 0; i < v->count; i++)
        for (uint32_t row = 0; row < v->records[i].head.rows; row++) {
            int64_t first = (int64_t)row * v->outputs, best = v->outputs == 1 && answer_at(b, i, first) >= 0.5;
            for (int64_t k = 1; k < v->outputs; k++)
                if (answer_at(b, i, first + k) > answer_at(b, i, first + best)) best = k;
            *codes++ = best < v->classes_count ? gm_dict_builder_code(texts, v->classes[best], strlen(v->classes[best])) : GM_MISSING_CODE;
        }
    return finish_texts(b, texts);
}

static bool answers(building *b)
{
    const version *v = b->v;
    if (v->task == GM_TASK_REGRESSION) return value_column(b, "prediction", 0);
    if (v->task == GM_TASK_BINARY && !value_column(b, "probability", 0)) return false;
    if (!label_column(b)) return false;
    for (int64_t k = 0; v->task == GM_TASK_MULTICLASS && k < v->outputs; k++) {
        const char *name = gm_arena_printf(b->a, "probability_%s", v->classes[k]);
        if (!name || !value_column(b, name, k)) return false;
    }
    return true;
}

static gm_rc build(decoding *d, const version *v)
{
    building b = { .v = v,
                   .a = d->a,
                   .columns = GM_ARENA_ARRAY(d->a, gm_column, LOG_COLUMNS + v->columns_count + 2 + (size_t)v->outputs),
                   .at = (const unsigned char **)gm_arena_alloc(d->a, v->count, sizeof(*b.at)) };
    gm_predlog_part *part = NULL;
    if (!b.columns || !b.at) return no_memory(d->err);
    for (size_t i = 0; i < v->count; i++) b.at[i] = v->records[i].values;
    bool good = record_facts(&b);
    for (size_t i = 0; good && i < v->columns_count; i++) {
        good = v->columns[i].type == GM_TYPE_STRING ? text_column(&b, i) : number_column(&b, i);
        next_column(&b, i);
    }
    if (!good || !answers(&b)) return no_memory(d->err);
    gm_rc rc = gm_predlog_parts_add(d->parts, d->a, &part, d->err);
    if (rc) return rc;
    *part = (gm_predlog_part){ v->model, v->number, v->first_us, v->last_us, { v->rows, b.count, b.columns }, v->inputs, v->inputs_count };
    return GM_OK;
}

gm_rc gm_predlog_decode(const char *path, const gm_predlog_filter *f, gm_arena *a, gm_predlog_parts *parts, gm_err *err)
{
    gm_buf b = { 0 };
    decoding d = { .filter = f, .a = a, .parts = parts, .err = err };
    gm_rc rc = gm_fs_read(path, (size_t)4 << 30, &b, err);
    if (!rc && b.len < GM_PREDLOG_MAGIC_LEN) goto out; /* it died before its first byte */
    if (!rc && memcmp(b.data, GM_PREDLOG_MAGIC, GM_PREDLOG_MAGIC_LEN) != 0)
        rc = gm_err_set(err, GM_ECORRUPT, "\"%s\" is no segment of a prediction log", path);
    if (!rc) rc = scan(&d, (const unsigned char *)b.data, b.len);
    for (size_t i = 0; !rc && i < d.count; i++)
        if (d.versions[i].rows) rc = build(&d, &d.versions[i]);
out:
    gm_buf_clear(&b);
    return rc;
}
