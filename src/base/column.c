/* column.c - see column.h. */
#include "base/column.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/civil.h"

static const char *const type_names[] = { "unknown", "bool", "int", "float", "string", "time" };

const char *gm_type_name(gm_type t)
{
    return type_names[t];
}

bool gm_type_from_name(const char *name, gm_type *out)
{
    for (int t = GM_TYPE_BOOL; t <= GM_TYPE_TIME; t++) {
        if (strcmp(name, type_names[t]) != 0) continue;
        *out = (gm_type)t;
        return true;
    }
    return false;
}

const gm_column *gm_table_find(const gm_table *t, const char *name)
{
    for (size_t i = 0; i < t->columns_count; i++)
        if (strcmp(t->columns[i].name, name) == 0) return &t->columns[i];
    return NULL;
}

gm_rc gm_table_column(const gm_table *t, const char *name, const gm_column **out, gm_err *err)
{
    const gm_column *found = gm_table_find(t, name);
    if (found) {
        *out = found;
        return GM_OK;
    }
    gm_rc rc = gm_err_set(err, GM_EINVALID, "no column \"%.100s\"", name);
    const char *near = NULL;
    for (size_t i = 0; i < t->columns_count && !near; i++) near = gm_nearest(name, &t->columns[i].name, 1);
    if (near) {
        gm_err_hint(err, "Did you mean \"%s\"?", near);
        return rc;
    }
    gm_buf list = { 0 };
    for (size_t i = 0; i < t->columns_count && list.len < 300; i++)
        gm_buf_printf(&list, "%s%s", i ? ", " : "", t->columns[i].name);
    gm_err_hint(err, "The columns are: %s.", gm_buf_str(&list));
    gm_buf_clear(&list);
    return rc;
}

bool gm_column_is_missing(const gm_column *c, int64_t row)
{
    switch (c->type) {
    case GM_TYPE_FLOAT: return isnan(c->f64[row]);
    case GM_TYPE_STRING: return c->code[row] < 0;
    case GM_TYPE_BOOL:
    case GM_TYPE_INT:
    case GM_TYPE_TIME: return c->i64[row] == GM_MISSING_INT;
    case GM_TYPE_UNKNOWN: break;
    }
    return true;
}

double gm_column_double(const gm_column *c, int64_t row)
{
    if (c->type == GM_TYPE_FLOAT) return c->f64[row];
    if (c->type == GM_TYPE_STRING || c->type == GM_TYPE_UNKNOWN) return NAN;
    return c->i64[row] == GM_MISSING_INT ? NAN : (double)c->i64[row];
}

const char *gm_column_text(const gm_column *c, int64_t row)
{
    return c->type == GM_TYPE_STRING && c->code[row] >= 0 ? c->dict->texts[c->code[row]] : NULL;
}

const char *gm_column_show(const gm_column *c, int64_t row, char *out, size_t out_size)
{
    char number[32];
    if (gm_column_is_missing(c, row)) {
        out[0] = '\0';
        return out;
    }
    switch (c->type) {
    case GM_TYPE_BOOL: (void)snprintf(out, out_size, "%s", c->i64[row] ? "true" : "false"); break;
    case GM_TYPE_INT: (void)snprintf(out, out_size, "%" PRId64, c->i64[row]); break;
    case GM_TYPE_FLOAT: (void)snprintf(out, out_size, "%s", gm_double_text(c->f64[row], number)); break;
    case GM_TYPE_STRING: (void)snprintf(out, out_size, "%s", gm_column_text(c, row)); break;
    case GM_TYPE_TIME: (void)gm_time_text(c->i64[row], out, out_size); break;
    case GM_TYPE_UNKNOWN: out[0] = '\0';
    }
    return out;
}

gm_rc gm_table_take(const gm_table *t, const int64_t *index, int64_t count, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_table taken = { .rows = count, .columns_count = t->columns_count };
    taken.columns = GM_ARENA_ARRAY(a, gm_column, t->columns_count);
    for (size_t k = 0; taken.columns && k < t->columns_count; k++) {
        const gm_column *from = &t->columns[k];
        gm_column *to = &taken.columns[k];
        *to = *from;
        to->rows = count;
        size_t width = from->type == GM_TYPE_STRING ? sizeof(int32_t) : sizeof(int64_t);
        void *values = gm_arena_alloc(a, (size_t)count, width);
        if (!values)
            return gm_err_set(err, GM_ENOMEM, "not enough memory to take %" PRId64 " rows of %zu columns", count,
                              t->columns_count);
        if (from->type == GM_TYPE_STRING) {
            int32_t *v = values;
            for (int64_t i = 0; i < count; i++) v[i] = index[i] < 0 ? GM_MISSING_CODE : from->code[index[i]];
            to->code = v;
        } else if (from->type == GM_TYPE_FLOAT) {
            double *v = values;
            for (int64_t i = 0; i < count; i++) v[i] = index[i] < 0 ? (double)NAN : from->f64[index[i]];
            to->f64 = v;
        } else {
            int64_t *v = values;
            for (int64_t i = 0; i < count; i++) v[i] = index[i] < 0 ? GM_MISSING_INT : from->i64[index[i]];
            to->i64 = v;
        }
    }
    if (!taken.columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", t->columns_count);
    *out = taken;
    return GM_OK;
}

/* ---- time ------------------------------------------------------------------------------------------------ */

/* Exactly n digits at *s; moves on. */
static bool digits(const char **s, int n, int64_t *out)
{
    int64_t v = 0;
    for (int i = 0; i < n; i++, (*s)++) {
        if (!isdigit((unsigned char)**s)) return false;
        v = v * 10 + (**s - '0');
    }
    *out = v;
    return true;
}

static bool literal(const char **s, char c)
{
    return **s == c && ((*s)++, true);
}

static bool parse_zone(const char **s, int64_t *out_offset_s)
{
    int64_t h = 0, m = 0;
    if (**s == 'Z' || **s == 'z') {
        (*s)++;
        return true;
    }
    if (**s != '+' && **s != '-') return true;
    int64_t sign = *(*s)++ == '-' ? -1 : 1;
    if (!digits(s, 2, &h)) return false;
    (void)literal(s, ':');
    if (isdigit((unsigned char)**s) && !digits(s, 2, &m)) return false;
    if (h > 15 || m > 59) return false;
    *out_offset_s = sign * (h * 3600 + m * 60);
    return true;
}

bool gm_time_parse(const char *s, int64_t *out_us)
{
    static const int64_t month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int64_t year, month, day, hour = 0, minute = 0, second = 0, micros = 0, offset = 0;
    if (!digits(&s, 4, &year) || !literal(&s, '-') || !digits(&s, 2, &month) || !literal(&s, '-') || !digits(&s, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1) return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > month_days[month - 1] + (month == 2 && leap)) return false;
    if (*s == 'T' || *s == ' ') {
        s++;
        if (!digits(&s, 2, &hour) || !literal(&s, ':') || !digits(&s, 2, &minute)) return false;
        if (literal(&s, ':') && !digits(&s, 2, &second)) return false;
        if (*s == '.') {
            int64_t scale = 100000;
            for (s++; isdigit((unsigned char)*s); s++, scale /= 10) micros += (*s - '0') * scale;
        }
        if (!parse_zone(&s, &offset)) return false;
    }
    if (*s || hour > 23 || minute > 59 || second > 60) return false;
    *out_us = ((gm_day_of_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset) * 1000000) + micros;
    return true;
}

const char *gm_time_text(int64_t us, char *out, size_t out_size)
{
    int64_t seconds = gm_floor_div(us, 1000000), micros = gm_floor_mod(us, 1000000), of_day = gm_floor_mod(seconds, 86400);
    gm_date d = gm_date_of_day(gm_floor_div(seconds, 86400));
    int len = snprintf(out, out_size, "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64 ":%02" PRId64, d.year,
                       d.month, d.day, of_day / 3600, of_day / 60 % 60, of_day % 60);
    if (micros && len > 0 && (size_t)len < out_size) (void)snprintf(out + len, out_size - (size_t)len, ".%06" PRId64, micros);
    return out;
}

/* ---- dictionaries ---------------------------------------------------------------------------------------- */

/* A slot keeps the hash beside the code, so that growing and most misses never touch the texts. */
typedef struct dict_slot {
    uint32_t hash;
    int32_t code_plus_1; /* 0 = free */
} dict_slot;

struct gm_dict_builder {
    gm_arena *a;
    const char **texts;
    uint32_t *lens;
    int32_t count, capacity;
    dict_slot *slots; /* open addressing */
    uint32_t slots_count;
    char *room; /* where the next texts go: small texts share allocations */
    size_t room_left;
};

gm_dict_builder *gm_dict_builder_new(gm_arena *a)
{
    gm_dict_builder *b = GM_ARENA_NEW(a, gm_dict_builder);
    if (!b) return NULL;
    *b = (gm_dict_builder){ .a = a, .capacity = 64, .slots_count = 256 };
    b->texts = GM_ARENA_ARRAY(a, const char *, b->capacity);
    b->lens = GM_ARENA_ARRAY(a, uint32_t, b->capacity);
    b->slots = GM_ARENA_ARRAY(a, dict_slot, b->slots_count);
    return b->texts && b->lens && b->slots ? b : NULL;
}

/* Only for the slots of a dictionary; codes do not depend on it. A product of two 64-bit words folded, word by word. */
static uint32_t text_hash(const char *text, size_t len)
{
    uint64_t h = 0x9E3779B97F4A7C15u ^ len;
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = 0;
        size_t left = len - at;
        memcpy(&word, text + at, left < 8 ? left : 8);
        unsigned __int128 product = (unsigned __int128)(h ^ word) * 0xD6E8FEB86659FD93u;
        h = (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    return (uint32_t)(h ^ (h >> 32));
}

static uint32_t slot_of(const gm_dict_builder *b, const char *text, size_t len, uint32_t hash)
{
    uint32_t mask = b->slots_count - 1, at = hash & mask;
    for (; b->slots[at].code_plus_1; at = (at + 1) & mask) {
        int32_t code = b->slots[at].code_plus_1 - 1;
        if (b->slots[at].hash == hash && b->lens[code] == len && memcmp(b->texts[code], text, len) == 0) break;
    }
    return at;
}

static bool grow(gm_dict_builder *b)
{
    if (b->count == b->capacity) {
        const char **texts = GM_ARENA_ARRAY(b->a, const char *, (int64_t)b->capacity * 2);
        uint32_t *lens = GM_ARENA_ARRAY(b->a, uint32_t, (int64_t)b->capacity * 2);
        if (!texts || !lens || b->capacity > INT32_MAX / 2) return false;
        memcpy(texts, b->texts, (size_t)b->count * sizeof(*texts));
        memcpy(lens, b->lens, (size_t)b->count * sizeof(*lens));
        b->texts = texts;
        b->lens = lens;
        b->capacity *= 2;
    }
    if ((uint32_t)b->count * 2 < b->slots_count || b->slots_count > UINT32_MAX / 8) return true;
    uint32_t slots_count = b->slots_count * 4, mask = slots_count - 1;
    dict_slot *slots = GM_ARENA_ARRAY(b->a, dict_slot, slots_count);
    if (!slots) return false;
    for (uint32_t i = 0; i < b->slots_count; i++) {
        if (!b->slots[i].code_plus_1) continue;
        uint32_t at = b->slots[i].hash & mask;
        while (slots[at].code_plus_1) at = (at + 1) & mask;
        slots[at] = b->slots[i];
    }
    b->slots = slots;
    b->slots_count = slots_count;
    return true;
}

/* A copy with a NUL after it; texts up to a kilobyte come out of shared rooms. */
static char *keep_text(gm_dict_builder *b, const char *text, size_t len)
{
    enum { ROOM = 64 << 10, SMALL = 1024 };
    if (len >= SMALL) return gm_arena_strndup(b->a, text, len);
    if (b->room_left < len + 1) {
        size_t size = b->count < 256 ? SMALL * 2 : ROOM;
        b->room = gm_arena_alloc(b->a, size, 1);
        b->room_left = b->room ? size : 0;
        if (!b->room) return NULL;
    }
    char *copy = b->room;
    if (len) memcpy(copy, text, len);
    copy[len] = '\0';
    b->room += len + 1;
    b->room_left -= len + 1;
    return copy;
}

int32_t gm_dict_builder_code(gm_dict_builder *b, const char *text, size_t len)
{
    uint32_t hash = text_hash(text, len), at = slot_of(b, text, len, hash);
    if (b->slots[at].code_plus_1) return b->slots[at].code_plus_1 - 1;
    if (len > UINT32_MAX || b->count == INT32_MAX || !grow(b)) return -2;
    at = slot_of(b, text, len, hash);
    char *copy = keep_text(b, text, len);
    if (!copy) return -2;
    b->texts[b->count] = copy;
    b->lens[b->count] = (uint32_t)len;
    b->slots[at] = (dict_slot){ .hash = hash, .code_plus_1 = b->count + 1 };
    return b->count++;
}

const gm_dict *gm_dict_builder_finish(gm_dict_builder *b)
{
    gm_dict *d = GM_ARENA_NEW(b->a, gm_dict);
    if (d) *d = (gm_dict){ .texts = b->texts, .text_lens = b->lens, .count = b->count };
    return d;
}

int32_t gm_dict_find(const gm_dict *d, const char *text, size_t len)
{
    for (int32_t i = 0; i < d->count; i++)
        if (d->text_lens[i] == len && memcmp(d->texts[i], text, len) == 0) return i;
    return -1;
}
