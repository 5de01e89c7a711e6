/* rows.c - see rows.h.
 *
 * Invariants
 *  (1) column k's cells begin k * rows * 8 bytes into store->cells, whatever its type; whole numbers and decimals share their
 * width, so that a column changes from one to the other in place; (2) a text column has one dictionary entry per distinct text of
 * the request; with a single row its entry is found without hashing; (3) begin fills every column anew, since the schema of the
 * request before may be gone.
 */
#include "serve/rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/random.h"
#include "data/schema.h"
#include "serve/text_set.h"

enum { SHOWN_MAX = 60, FIELD_MAX = 128, KEPT_BYTES = 4 << 20, MISSING_NAMES_MAX = 400 };

/* The distinct texts of one column of the request. */
typedef struct text_column {
    const char **texts; /* [capacity] */
    uint32_t *lens;     /* [capacity] */
    bool *known;        /* [capacity] among the categories of training */
    int32_t count, capacity;
    bool hashed;    /* slots has entries */
    int32_t *slots; /* [slots_count] code + 1, 0 = free; only with several rows */
    size_t slots_count;
    gm_dict dict;
} text_column;

struct gm_rows_store {
    double *cells; /* see (1) */
    size_t cells_bytes;
    text_column *texts; /* [columns_capacity] */
    size_t columns_capacity;
    gm_arena *copies; /* of texts that do not end in NUL */
    uint64_t seed;    /* of the dictionaries: nobody outside can make texts that collide */
};

void gm_rows_init(gm_rows *r)
{
    *r = (gm_rows){ 0 };
}

static void clear_texts(text_column *t)
{
    free(t->texts);
    free(t->lens);
    free(t->known);
    free(t->slots);
    *t = (text_column){ 0 };
}

void gm_rows_clear(gm_rows *r)
{
    struct gm_rows_store *s = r->store;
    if (s) {
        for (size_t i = 0; i < s->columns_capacity; i++) clear_texts(&s->texts[i]);
        free(s->texts);
        free(s->cells);
        gm_arena_free(s->copies);
        free(s);
    }
    free(r->columns);
    free(r->given);
    free(r->breaches);
    gm_rows_init(r);
}

static gm_rc out_of_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the rows of the request");
}

/* ---- beginning ------------------------------------------------------------------------------------------------------- */

static bool make_store(gm_rows *r)
{
    struct gm_rows_store *s = calloc(1, sizeof(*s));
    if (!s) return false;
    s->copies = gm_arena_new(GM_ROWS_MAX_BYTES);
    if (getrandom(&s->seed, sizeof(s->seed), GRND_NONBLOCK) != sizeof(s->seed)) s->seed = (uint64_t)(uintptr_t)s;
    r->store = s;
    return s->copies != NULL;
}

static bool grow_columns(gm_rows *r, size_t count)
{
    struct gm_rows_store *s = r->store;
    if (count <= s->columns_capacity) return true;
    gm_column *columns = realloc(r->columns, count * sizeof(*columns));
    if (columns) r->columns = columns;
    bool *given = realloc(r->given, count * sizeof(*given));
    if (given) r->given = given;
    gm_breaches *breaches = realloc(r->breaches, count * sizeof(*breaches));
    if (breaches) r->breaches = breaches;
    text_column *texts = realloc(s->texts, count * sizeof(*texts));
    if (texts) s->texts = texts;
    if (!columns || !given || !breaches || !texts) return false;
    memset(texts + s->columns_capacity, 0, (count - s->columns_capacity) * sizeof(*texts));
    s->columns_capacity = count;
    return true;
}

/* What a single large request needed is given back when a small one comes. */
static bool grow_cells(struct gm_rows_store *s, size_t bytes)
{
    if (bytes <= s->cells_bytes && (s->cells_bytes <= KEPT_BYTES || bytes > s->cells_bytes / 8)) return true;
    for (size_t i = 0; i < s->columns_capacity; i++)
        if ((size_t)s->texts[i].capacity > KEPT_BYTES / sizeof(char *)) clear_texts(&s->texts[i]);
    free(s->cells);
    s->cells = malloc(bytes);
    s->cells_bytes = s->cells ? bytes : 0;
    return s->cells != NULL;
}

static void begin_column(gm_rows *r, size_t k)
{
    const gm_served_column *c = &r->schema->columns[k];
    double *cells = r->store->cells + k * (size_t)r->rows;
    gm_column *column = &r->columns[k];
    *column = (gm_column){ .name = c->name, .type = c->type, .rows = r->rows, .f64 = cells };
    r->given[k] = false;
    r->breaches[k] = (gm_breaches){ 0 };
    if (c->type == GM_TYPE_STRING) {
        text_column *t = &r->store->texts[k];
        if (t->hashed) memset(t->slots, 0, t->slots_count * sizeof(*t->slots));
        t->hashed = false;
        t->count = 0;
        t->dict = (gm_dict){ .texts = t->texts, .text_lens = t->lens };
        column->dict = &t->dict;
        int32_t *code = (int32_t *)(void *)cells;
        for (int64_t i = 0; i < r->rows; i++) code[i] = GM_MISSING_CODE;
    } else if (c->type == GM_TYPE_FLOAT) {
        for (int64_t i = 0; i < r->rows; i++) cells[i] = (double)NAN;
    } else {
        int64_t *whole = (int64_t *)(void *)cells;
        for (int64_t i = 0; i < r->rows; i++) whole[i] = GM_MISSING_INT;
    }
}

gm_rc gm_rows_begin(gm_rows *r, const gm_served_schema *s, int64_t rows, gm_err *err)
{
    if (rows < 1) return gm_err_set(err, GM_EINVALID, "the request has no rows");
    if (rows > GM_ROWS_MAX || (size_t)rows > GM_ROWS_MAX_BYTES / sizeof(double) / (s->columns_count ? s->columns_count : 1)) {
        gm_err_set(err, GM_EINVALID, "%" PRId64 " rows of %zu columns are more than a request may hold", rows, s->columns_count);
        gm_err_hint(err, "Send fewer rows at a time: at most %d, and %d MiB as numbers of 8 bytes.", GM_ROWS_MAX,
                    GM_ROWS_MAX_BYTES >> 20);
        return GM_EINVALID;
    }
    if ((!r->store && !make_store(r)) || !grow_columns(r, s->columns_count) ||
        !grow_cells(r->store, (size_t)rows * s->columns_count * sizeof(double)))
        return out_of_memory(err);
    gm_arena_rewind(r->store->copies);
    r->schema = s;
    r->rows = rows;
    r->breaches_total = r->unknown_columns = 0;
    for (size_t k = 0; k < s->columns_count; k++) begin_column(r, k);
    r->table = (gm_table){ .rows = rows, .columns_count = s->inputs_count, .columns = r->columns };
    return GM_OK;
}

/* ---- refusing -------------------------------------------------------------------------------------------------------- */

static const char *expected(const gm_served_column *c)
{
    switch (c->type) {
    case GM_TYPE_BOOL: return "true or false";
    case GM_TYPE_STRING: return "a text";
    case GM_TYPE_TIME: return "a time as text or microseconds";
    default: return "a number";
    }
}

static gm_rc refuse(const gm_rows *r, size_t k, int64_t row, const char *found, size_t len, gm_err *err)
{
    const gm_served_column *c = &r->schema->columns[k];
    gm_rc rc = gm_err_set(err, GM_EINVALID, "row %" PRId64 ", column \"%.100s\": expected %s, found %.*s", row + 1, c->name,
                          expected(c), (int)(len < SHOWN_MAX ? len : SHOWN_MAX), found);
    if (c->type == GM_TYPE_TIME)
        gm_err_hint(err, "Times are written as 2013-01-31T05:00:00, or as microseconds since 1970 in UTC.");
    return rc;
}

static gm_rc refuse_double(const gm_rows *r, size_t k, int64_t row, double v, gm_err *err)
{
    char text[32];
    (void)gm_double_text(v, text);
    return refuse(r, k, row, text, strlen(text), err);
}

static gm_rc refuse_int(const gm_rows *r, size_t k, int64_t row, int64_t v, gm_err *err)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%" PRId64, v);
    return refuse(r, k, row, text, (size_t)len, err);
}

static gm_rc refuse_text(const gm_rows *r, size_t k, int64_t row, const char *v, size_t len, gm_err *err)
{
    char text[SHOWN_MAX];
    int cut = (int)(len < SHOWN_MAX - 8 ? len : SHOWN_MAX - 8);
    int written = snprintf(text, sizeof(text), "\"%.*s%s\"", cut, v, (size_t)cut < len ? "..." : "");
    return refuse(r, k, row, text, (size_t)written, err);
}

/* ---- cells ----------------------------------------------------------------------------------------------------------- */

/* The cells are ours; columns are constant only for those who read them. */
static double *numbers(const gm_rows *r, size_t k)
{
    return r->store->cells + k * (size_t)r->rows;
}

static int64_t *wholes(const gm_rows *r, size_t k)
{
    return (int64_t *)(void *)numbers(r, k);
}

static int32_t *codes(const gm_rows *r, size_t k)
{
    return (int32_t *)(void *)numbers(r, k);
}

static void set_missing(gm_rows *r, size_t k, int64_t row)
{
    r->given[k] = true;
    if (r->columns[k].type == GM_TYPE_STRING)
        codes(r, k)[row] = GM_MISSING_CODE;
    else if (r->columns[k].type == GM_TYPE_FLOAT)
        numbers(r, k)[row] = (double)NAN;
    else
        wholes(r, k)[row] = GM_MISSING_INT;
}

/* The text of a number, which is gone when the caller returns. */
static gm_rc set_made_text(gm_rows *r, size_t k, int64_t row, const char *text, gm_err *err)
{
    size_t len = strlen(text);
    const char *copy = gm_arena_strndup(r->store->copies, text, len);
    return copy ? gm_rows_set_text(r, k, row, copy, len, err) : out_of_memory(err);
}

/* Whole numbers become decimals in place; see (1). */
static void widen(gm_rows *r, size_t k)
{
    double *f64 = numbers(r, k);
    int64_t *i64 = wholes(r, k);
    for (int64_t i = 0; i < r->rows; i++) {
        int64_t v = i64[i];
        f64[i] = v == GM_MISSING_INT ? (double)NAN : (double)v;
    }
    r->columns[k].type = GM_TYPE_FLOAT;
}

gm_rc gm_rows_set_double(gm_rows *r, size_t k, int64_t row, double v, gm_err *err)
{
    gm_type type = r->schema->columns[k].type;
    if (isnan(v)) {
        set_missing(r, k, row);
        return GM_OK;
    }
    if (type == GM_TYPE_FLOAT) {
        r->given[k] = true;
        numbers(r, k)[row] = v;
        return GM_OK;
    }
    if (type == GM_TYPE_STRING && !r->schema->columns[k].input) {
        char text[32];
        (void)gm_double_text(v, text);
        return set_made_text(r, k, row, text, err);
    }
    if (type == GM_TYPE_STRING || !(v > -0x1p63 && v < 0x1p63)) return refuse_double(r, k, row, v, err);
    if (v == floor(v)) return gm_rows_set_int(r, k, row, (int64_t)v, err);
    if (type != GM_TYPE_INT) return refuse_double(r, k, row, v, err);
    if (r->columns[k].type == GM_TYPE_INT) widen(r, k);
    r->given[k] = true;
    numbers(r, k)[row] = v;
    return GM_OK;
}

gm_rc gm_rows_set_int(gm_rows *r, size_t k, int64_t row, int64_t v, gm_err *err)
{
    gm_type type = r->columns[k].type;
    if (type == GM_TYPE_FLOAT) {
        r->given[k] = true;
        numbers(r, k)[row] = (double)v;
        return GM_OK;
    }
    if (type == GM_TYPE_STRING && !r->schema->columns[k].input) {
        char text[32];
        (void)snprintf(text, sizeof(text), "%" PRId64, v);
        return set_made_text(r, k, row, text, err);
    }
    if (type == GM_TYPE_TIME && v == GM_MISSING_INT) { /* NaT as a whole number, and what the exported ONNX graph takes for it */
        set_missing(r, k, row);
        return GM_OK;
    }
    if (type == GM_TYPE_STRING || v == GM_MISSING_INT || (type == GM_TYPE_BOOL && (uint64_t)v > 1))
        return refuse_int(r, k, row, v, err);
    r->given[k] = true;
    wholes(r, k)[row] = v;
    return GM_OK;
}

gm_rc gm_rows_set_bool(gm_rows *r, size_t k, int64_t row, bool v, gm_err *err)
{
    const gm_served_column *c = &r->schema->columns[k];
    if (c->type == GM_TYPE_BOOL || c->type == GM_TYPE_INT || c->type == GM_TYPE_FLOAT) return gm_rows_set_int(r, k, row, v, err);
    const char *text = v ? "true" : "false";
    if (c->type == GM_TYPE_STRING && !c->input) return gm_rows_set_text(r, k, row, text, strlen(text), err);
    return refuse(r, k, row, text, strlen(text), err);
}

/* ---- texts ----------------------------------------------------------------------------------------------------------- */

static bool grow_texts(text_column *t)
{
    int32_t capacity = t->capacity ? t->capacity * 2 : 4;
    const char **texts = realloc(t->texts, (size_t)capacity * sizeof(*texts));
    if (texts) t->texts = texts;
    uint32_t *lens = realloc(t->lens, (size_t)capacity * sizeof(*lens));
    if (lens) t->lens = lens;
    bool *known = realloc(t->known, (size_t)capacity * sizeof(*known));
    if (known) t->known = known;
    if (!texts || !lens || !known) return false;
    t->capacity = capacity;
    t->dict.texts = texts;
    t->dict.text_lens = lens;
    return true;
}

/* Whose code stands there, or where it would: at most half of the slots are taken. */
static int32_t *slot_of(const struct gm_rows_store *s, const text_column *t, const char *text, size_t len)
{
    size_t mask = t->slots_count - 1;
    for (size_t at = gm_hash_bytes(s->seed, text, len) & mask;; at = (at + 1) & mask) {
        int32_t code = t->slots[at] - 1;
        if (code < 0 || (t->lens[code] == len && memcmp(t->texts[code], text, len) == 0)) return &t->slots[at];
    }
}

static bool grow_slots(const struct gm_rows_store *s, text_column *t)
{
    size_t count = t->slots_count ? t->slots_count * 2 : 16;
    int32_t *slots = calloc(count, sizeof(*slots));
    if (!slots) return false;
    free(t->slots);
    t->slots = slots;
    t->slots_count = count;
    for (int32_t i = 0; i < t->count; i++) *slot_of(s, t, t->texts[i], t->lens[i]) = i + 1;
    return true;
}

static gm_rc add_text(gm_rows *r, size_t k, const char *text, size_t len, gm_err *err)
{
    text_column *t = &r->store->texts[k];
    if (t->count == t->capacity && !grow_texts(t)) return out_of_memory(err);
    if (text[len] != '\0') text = gm_arena_strndup(r->store->copies, text, len);
    if (!text) return out_of_memory(err);
    const struct gm_text_set *known = r->schema->columns[k].known;
    t->texts[t->count] = text;
    t->lens[t->count] = (uint32_t)len;
    t->known[t->count] = !known || gm_text_set_find(known, text, len) >= 0;
    t->count++;
    return GM_OK;
}

static gm_rc set_category(gm_rows *r, size_t k, int64_t row, const char *text, size_t len, gm_err *err)
{
    text_column *t = &r->store->texts[k];
    gm_rc rc = GM_OK;
    r->given[k] = true;
    if (r->rows == 1) {
        t->count = 0;
        rc = add_text(r, k, text, len, err);
        if (!rc) codes(r, k)[row] = 0;
        return rc;
    }
    if ((size_t)t->count * 2 >= t->slots_count && !grow_slots(r->store, t)) return out_of_memory(err);
    int32_t *slot = slot_of(r->store, t, text, len);
    if (!*slot) {
        rc = add_text(r, k, text, len, err);
        if (rc) return rc;
        *slot = t->count;
        t->hashed = true;
    }
    codes(r, k)[row] = *slot - 1;
    return GM_OK;
}

/* Times and the fields of CSV: text as training read it. */
static bool parse(const gm_served_column *c, gm_type type, const char *text, size_t len, double *out_number, int64_t *out_whole)
{
    char copy[FIELD_MAX];
    if (len >= sizeof(copy)) return false;
    if (text[len] != '\0') {
        memcpy(copy, text, len);
        copy[len] = '\0';
        text = copy;
    }
    if (type == GM_TYPE_TIME && !c->format && gm_time_parse(text, out_whole))
        return true; /* the usual, without a look for markers */
    return gm_field_parse(type, c->format, text, out_number, out_whole);
}

gm_rc gm_rows_set_text(gm_rows *r, size_t k, int64_t row, const char *text, size_t len, gm_err *err)
{
    const gm_served_column *c = &r->schema->columns[k];
    double number = NAN;
    int64_t whole = GM_MISSING_INT;
    if (memchr(text, '\0', len) || len > INT32_MAX)
        return gm_err_set(err, GM_EINVALID, "row %" PRId64 ", column \"%.100s\": the text holds a NUL", row + 1, c->name);
    if (c->type == GM_TYPE_STRING) return set_category(r, k, row, text, len, err);
    if (c->type == GM_TYPE_TIME && len == 3 && memcmp(text, "NaT", 3) == 0) { /* pandas spells a missing time so */
        set_missing(r, k, row);
        return GM_OK;
    }
    if (c->type != GM_TYPE_TIME || !parse(c, GM_TYPE_TIME, text, len, &number, &whole))
        return refuse_text(r, k, row, text, len, err);
    r->given[k] = true;
    wholes(r, k)[row] = whole;
    return GM_OK;
}

gm_rc gm_rows_set_field(gm_rows *r, size_t k, int64_t row, const char *text, size_t len, gm_err *err)
{
    const gm_served_column *c = &r->schema->columns[k];
    double number = NAN;
    int64_t whole = GM_MISSING_INT;
    if (len == 0) {
        set_missing(r, k, row);
        return GM_OK;
    }
    if (c->type == GM_TYPE_STRING) return gm_rows_set_text(r, k, row, text, len, err);
    if (c->type != GM_TYPE_FLOAT && parse(c, c->type, text, len, &number, &whole)) {
        if (whole != GM_MISSING_INT) return gm_rows_set_int(r, k, row, whole, err);
        set_missing(r, k, row);
        return GM_OK;
    }
    if (!parse(c, GM_TYPE_FLOAT, text, len, &number, &whole)) return refuse_text(r, k, row, text, len, err);
    return gm_rows_set_double(r, k, row, number, err); /* 12.5 among whole numbers, a bool as 0 or 1, microseconds */
}

/* ---- the check ------------------------------------------------------------------------------------------------------- */

static gm_rc name_missing_columns(const gm_rows *r, gm_err *err)
{
    const gm_served_schema *s = r->schema;
    char names[MISSING_NAMES_MAX] = "";
    size_t len = 0, count = 0;
    for (size_t k = 0; k < s->inputs_count; k++) {
        if (r->given[k] || !s->columns[k].required) continue;
        count++;
        if (len + s->columns[k].name_len + 8 >= sizeof(names)) continue;
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s\"%s\"", len ? ", " : "", s->columns[k].name);
    }
    if (!count) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "the request lacks %zu column%s that the model needs: %s", count,
                          count == 1 ? "" : "s", names);
    gm_err_hint(err, "A value that is not known is given as null; a column that had no missing value in training must be there.");
    return rc;
}

/* The first breach becomes an error when the server is strict. */
typedef struct breach {
    const char *what;
    size_t column;
    int64_t row; /* -1 = none yet */
} breach;

static void note(breach *first, const char *what, size_t k, int64_t row)
{
    if (first->row < 0) *first = (breach){ what, k, row };
}

static void check_texts(gm_rows *r, size_t k, breach *first)
{
    const text_column *t = &r->store->texts[k];
    const int32_t *code = codes(r, k);
    bool required = r->schema->columns[k].required;
    for (int64_t i = 0; i < r->rows; i++) {
        if (code[i] < 0) {
            if (!required) continue;
            r->breaches[k].missing++;
            note(first, "a value is required", k, i);
        } else if (!t->known[code[i]]) {
            r->breaches[k].unknown_category++;
            note(first, "training had no such category", k, i);
        }
    }
}

static void check_numbers(gm_rows *r, size_t k, breach *first)
{
    const gm_served_column *c = &r->schema->columns[k];
    const gm_column *column = &r->columns[k];
    for (int64_t i = 0; i < r->rows; i++) {
        double v = gm_column_double(column, i);
        if (isnan(v)) {
            if (!c->required) continue;
            r->breaches[k].missing++;
            note(first, "a value is required", k, i);
        } else if (v < c->low || v > c->high) { /* false when the bound is not known */
            r->breaches[k].range++;
            note(first, "outside the range of training", k, i);
        }
    }
}

static gm_rc refuse_breach(const gm_rows *r, const breach *b, gm_err *err)
{
    char text[SHOWN_MAX], low[32], high[32];
    const gm_served_column *c = &r->schema->columns[b->column];
    bool missing = gm_column_is_missing(&r->columns[b->column], b->row);
    gm_rc rc = gm_err_set(err, GM_EINVALID, "row %" PRId64 ", column \"%.100s\": %s, found %s%s%s", b->row + 1, c->name, b->what,
                          missing ? "null" : "\"",
                          missing ? "" : gm_column_show(&r->columns[b->column], b->row, text, sizeof(text)), missing ? "" : "\"");
    if (!missing && c->type != GM_TYPE_STRING)
        gm_err_hint(err, "Training had %s to %s; the server is strict about that.", gm_double_text(c->low, low),
                    gm_double_text(c->high, high));
    return rc;
}

gm_rc gm_rows_finish(gm_rows *r, bool strict, gm_err *err)
{
    const gm_served_schema *s = r->schema;
    breach first = { NULL, 0, -1 };
    gm_rc rc = name_missing_columns(r, err);
    if (rc) return rc;
    for (size_t k = 0; k < s->columns_count; k++) {
        if (s->columns[k].type == GM_TYPE_STRING) r->store->texts[k].dict.count = r->store->texts[k].count;
        if (!r->given[k] || k >= s->inputs_count) continue;
        if (s->columns[k].type == GM_TYPE_STRING)
            check_texts(r, k, &first);
        else
            check_numbers(r, k, &first);
        r->breaches_total += r->breaches[k].missing + r->breaches[k].range + r->breaches[k].unknown_category;
    }
    return strict && first.row >= 0 ? refuse_breach(r, &first, err) : GM_OK;
}
