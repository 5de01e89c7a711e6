/* vocab.c - see vocab.h. */
#include "feature/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/model.h"

enum { VALUES_MAX = 1000000 };

static gm_rc out_of_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory for the categories"); }

static uint64_t hash_number(double x)
{
    uint64_t bits;
    x += 0.0; /* -0 is 0 */
    memcpy(&bits, &x, sizeof(bits));
    return gm_hash_u64(0, bits);
}

static bool is_missing_text(const char *text, size_t len)
{
    return len == sizeof(GM_ONNX_MISSING_TEXT) - 1 && memcmp(text, GM_ONNX_MISSING_TEXT, len) == 0;
}

/* ---- lookup ------------------------------------------------------------------------------------------------ */

static gm_rc index_values(gm_vocab *v, gm_arena *a, gm_err *err)
{
    uint32_t size = 8;
    while (size < 2 * (uint32_t)v->count) size *= 2;
    v->slots = GM_ARENA_ARRAY(a, int32_t, size);
    if (!v->slots) return out_of_memory(err);
    v->mask = size - 1;
    for (int32_t i = 0; i < v->count; i++) {
        uint64_t hash = v->is_text ? gm_hash_bytes(0, v->texts[i], v->lens[i]) : hash_number(v->numbers[i]);
        uint32_t at = (uint32_t)hash & v->mask;
        while (v->slots[at]) at = (at + 1) & v->mask;
        v->slots[at] = i + 1;
    }
    return GM_OK;
}

int32_t gm_vocab_of_text(const gm_vocab *v, const char *text, size_t len)
{
    if (is_missing_text(text, len)) return v->count;
    for (uint32_t at = (uint32_t)gm_hash_bytes(0, text, len) & v->mask; v->slots[at]; at = (at + 1) & v->mask) {
        int32_t i = v->slots[at] - 1;
        if (v->lens[i] == len && memcmp(v->texts[i], text, len) == 0) return i;
    }
    return GM_VOCAB_UNKNOWN;
}

int32_t gm_vocab_of_number(const gm_vocab *v, double x)
{
    if (isnan(x)) return v->count;
    for (uint32_t at = (uint32_t)hash_number(x) & v->mask; v->slots[at]; at = (at + 1) & v->mask)
        if (v->numbers[v->slots[at] - 1] == x) return v->slots[at] - 1;
    return GM_VOCAB_UNKNOWN;
}

gm_rc gm_vocab_prepare(const gm_vocab *v, const gm_column *column, gm_arena *scratch, const void **out_memo, gm_err *err)
{
    *out_memo = NULL;
    if (!v->is_text || column->type != GM_TYPE_STRING || column->dict->count >= column->rows) return GM_OK;
    const gm_dict *d = column->dict;
    int32_t *index = GM_ARENA_ARRAY(scratch, int32_t, d->count);
    if (!index) return out_of_memory(err);
    for (int32_t i = 0; i < d->count; i++) index[i] = gm_vocab_of_text(v, d->texts[i], d->text_lens[i]);
    *out_memo = index;
    return GM_OK;
}

int32_t gm_vocab_at(const gm_vocab *v, const gm_values *in, int64_t col, int64_t row)
{
    if (!v->is_text) return gm_vocab_of_number(v, in->numbers[col * in->stride + row]);
    int32_t code = in->column->code[in->first + row];
    if (code < 0) return v->count;
    if (in->memo) return ((const int32_t *)in->memo)[code];
    return gm_vocab_of_text(v, in->column->dict->texts[code], in->column->dict->text_lens[code]);
}

const char *gm_vocab_name(const gm_vocab *v, int32_t i, char *number_text)
{
    if (i >= v->count) return "(missing)";
    return v->is_text ? v->texts[i] : gm_double_text(v->numbers[i], number_text);
}

/* ---- fit --------------------------------------------------------------------------------------------------- */

typedef struct counted {
    const char *text;
    uint32_t len;
    double number;
    int64_t count;
} counted;

static int by_text(const void *x, const void *y)
{
    const counted *p = x, *q = y;
    int order = memcmp(p->text, q->text, p->len < q->len ? p->len : q->len);
    return order ? order : (p->len > q->len) - (p->len < q->len);
}

static int by_number(const void *x, const void *y)
{
    double p = ((const counted *)x)->number, q = ((const counted *)y)->number;
    return (p > q) - (p < q);
}

static gm_rc too_many(gm_err *err)
{
    gm_rc rc = gm_err_set(err, GM_EINVALID, "more than %d distinct values is no category", VALUES_MAX);
    gm_err_hint(err, "Leave the column out, or bin it.");
    return rc;
}

/* Values in use and their counts, in no order. */
static gm_rc count_texts(const gm_values *in, gm_arena *scratch, counted **out, int32_t *out_count, int64_t *out_missing,
                         gm_err *err)
{
    const gm_dict *d = in->column->dict;
    counted *found = GM_ARENA_ARRAY(scratch, counted, d->count);
    if (!found) return out_of_memory(err);
    *out_missing = 0;
    for (int64_t r = 0; r < in->rows; r++) {
        int32_t code = in->column->code[in->first + r];
        if (code < 0) (*out_missing)++;
        else found[code].count++;
    }
    int32_t used = 0;
    for (int32_t i = 0; i < d->count; i++) {
        if (!found[i].count) continue;
        if (is_missing_text(d->texts[i], d->text_lens[i])) *out_missing += found[i].count;
        else found[used++] = (counted){ .text = d->texts[i], .len = d->text_lens[i], .count = found[i].count };
    }
    if (used > VALUES_MAX) return too_many(err);
    *out = found;
    *out_count = used;
    return GM_OK;
}

typedef struct number_set {
    counted *found;
    int32_t count, capacity;
    int32_t *slots;
    uint32_t mask;
} number_set;

static gm_rc grow_set(number_set *s, gm_arena *scratch, gm_err *err)
{
    int32_t capacity = s->capacity ? s->capacity * 4 : 256;
    counted *found = GM_ARENA_ARRAY(scratch, counted, capacity);
    s->mask = (uint32_t)capacity * 2 - 1;
    s->slots = GM_ARENA_ARRAY(scratch, int32_t, s->mask + 1);
    if (!found || !s->slots) return out_of_memory(err);
    if (s->count) memcpy(found, s->found, (size_t)s->count * sizeof(*found));
    s->found = found;
    s->capacity = capacity;
    for (int32_t i = 0; i < s->count; i++) {
        uint32_t at = (uint32_t)hash_number(found[i].number) & s->mask;
        while (s->slots[at]) at = (at + 1) & s->mask;
        s->slots[at] = i + 1;
    }
    return GM_OK;
}

static gm_rc count_numbers(const double *x, int64_t rows, gm_arena *scratch, counted **out, int32_t *out_count,
                           int64_t *out_missing, gm_err *err)
{
    number_set s = { 0 };
    gm_rc rc = grow_set(&s, scratch, err);
    if (rc) return rc;
    *out_missing = 0;
    for (int64_t r = 0; r < rows; r++) {
        if (isnan(x[r])) {
            (*out_missing)++;
            continue;
        }
        uint32_t at = (uint32_t)hash_number(x[r]) & s.mask;
        while (s.slots[at] && s.found[s.slots[at] - 1].number != x[r]) at = (at + 1) & s.mask;
        if (s.slots[at]) {
            s.found[s.slots[at] - 1].count++;
            continue;
        }
        if (s.count == VALUES_MAX) return too_many(err);
        s.found[s.count] = (counted){ .number = x[r] + 0.0, .count = 1 };
        s.slots[at] = ++s.count;
        if (s.count == s.capacity) rc = grow_set(&s, scratch, err);
        if (rc) return rc;
    }
    *out = s.found;
    *out_count = s.count;
    return GM_OK;
}

gm_rc gm_vocab_fit(const gm_values *in, int64_t col, gm_arena *a, gm_arena *scratch, gm_vocab *out,
                   int64_t **out_counts, gm_err *err)
{
    gm_vocab v = { .is_text = in->numbers == NULL };
    counted *found = NULL;
    int64_t missing = 0;
    gm_rc rc = v.is_text ? count_texts(in, scratch, &found, &v.count, &missing, err)
                         : count_numbers(in->numbers + col * in->stride, in->rows, scratch, &found, &v.count, &missing, err);
    if (rc) return rc;
    if (v.count > 1) qsort(found, (size_t)v.count, sizeof(*found), v.is_text ? by_text : by_number);

    int64_t *counts = GM_ARENA_ARRAY(scratch, int64_t, v.count + 1);
    v.texts = v.is_text ? GM_ARENA_ARRAY(a, const char *, v.count) : NULL;
    v.lens = v.is_text ? GM_ARENA_ARRAY(a, uint32_t, v.count) : NULL;
    v.numbers = v.is_text ? NULL : GM_ARENA_ARRAY(a, double, v.count);
    if (!counts || (v.is_text ? !v.texts || !v.lens : !v.numbers)) return out_of_memory(err);
    for (int32_t i = 0; i < v.count; i++) {
        counts[i] = found[i].count;
        if (!v.is_text) {
            v.numbers[i] = found[i].number;
            continue;
        }
        v.lens[i] = found[i].len;
        v.texts[i] = gm_arena_strndup(a, found[i].text, found[i].len);
        if (!v.texts[i]) return out_of_memory(err);
    }
    counts[v.count] = missing;
    v.missing = missing > 0;
    rc = index_values(&v, a, err);
    if (rc) return rc;
    *out = v;
    *out_counts = counts;
    return GM_OK;
}

/* ---- JSON -------------------------------------------------------------------------------------------------- */

void gm_vocab_write(const gm_vocab *v, gm_json *j)
{
    gm_json_kstr(j, "values", v->is_text ? "text" : "number");
    if (v->is_text) {
        gm_json_key(j, "categories");
        gm_json_array(j);
        for (int32_t i = 0; i < v->count; i++) gm_json_str(j, v->texts[i]);
        gm_json_array_end(j);
    } else {
        gm_state_write_doubles(j, "categories", v->numbers, v->count);
    }
    gm_json_kbool(j, "missing", v->missing);
}

static gm_rc read_texts(const gm_node *list, gm_arena *a, gm_vocab *v, gm_err *err)
{
    if (!list || list->kind != GM_NODE_SEQ || list->count > VALUES_MAX)
        return gm_err_set(err, GM_EINVALID, "expected a list \"categories\"");
    v->count = (int32_t)list->count;
    v->texts = GM_ARENA_ARRAY(a, const char *, v->count);
    v->lens = GM_ARENA_ARRAY(a, uint32_t, v->count);
    if (!v->texts || !v->lens) return out_of_memory(err);
    for (int32_t i = 0; i < v->count; i++) {
        gm_rc rc = gm_node_text(list->items[i], &v->texts[i], err);
        if (rc) return rc;
        v->lens[i] = (uint32_t)strlen(v->texts[i]);
    }
    return GM_OK;
}

static bool strictly_rising(const gm_vocab *v)
{
    for (int32_t i = 0; i + 1 < v->count; i++) {
        if (!v->is_text) {
            if (!(v->numbers[i] < v->numbers[i + 1])) return false;
            continue;
        }
        counted x = { .text = v->texts[i], .len = v->lens[i] }, y = { .text = v->texts[i + 1], .len = v->lens[i + 1] };
        if (by_text(&x, &y) >= 0) return false;
    }
    return v->is_text || v->count == 0 || !isnan(v->numbers[0]);
}

gm_rc gm_vocab_read(const gm_node *json, gm_type type, gm_arena *a, gm_vocab *out, gm_err *err)
{
    const char *kind = gm_node_str_or(json, "values", "");
    gm_vocab v = { .is_text = strcmp(kind, "text") == 0, .missing = gm_node_bool_or(json, "missing", false) };
    gm_rc rc = GM_OK;
    if (v.is_text != (type == GM_TYPE_STRING))
        return gm_err_set(err, GM_EINVALID, "\"values\" is \"%.20s\" for a column of type %s", kind, gm_type_name(type));
    if (v.is_text) {
        rc = read_texts(gm_node_get(json, "categories"), a, &v, err);
    } else {
        int64_t count = 0;
        rc = gm_state_read_doubles(json, "categories", -1, a, &v.numbers, &count, err);
        if (!rc && count > VALUES_MAX) rc = too_many(err);
        v.count = (int32_t)count;
    }
    if (rc) return rc;
    if (!strictly_rising(&v)) return gm_err_set(err, GM_EINVALID, "the categories are not in rising order");
    rc = index_values(&v, a, err);
    if (!rc) *out = v;
    return rc;
}

/* ---- ONNX -------------------------------------------------------------------------------------------------- */

static const char *emit_texts(const gm_vocab *v, gm_onnx *g, const char *x, const int64_t *to, int64_t unknown)
{
    gm_arena *scratch = gm_arena_new(0);
    size_t count = (size_t)v->count + 1;
    const char *result = NULL, **keys = scratch ? GM_ARENA_ARRAY(scratch, const char *, count) : NULL;
    if (keys) {
        memcpy(keys, v->texts, (count - 1) * sizeof(*keys));
        keys[count - 1] = GM_ONNX_MISSING_TEXT;
        result = gm_onnx_op1(g, "ml.LabelEncoder", x);
        gm_onnx_attr_strs(g, "keys_strings", keys, count);
        gm_onnx_attr_ints(g, "values_int64s", to, count);
        gm_onnx_attr_int(g, "default_int64", unknown);
    }
    gm_arena_free(scratch);
    return result;
}

/* Numbers are compared as doubles, [N, 1] with [1, count]: the LabelEncoder's own keys would be float32. At most one
 * value is equal, so the sum of (to - unknown) over the equal ones is what has to be added to unknown. */
static const char *emit_numbers(const gm_vocab *v, gm_onnx *g, const char *x, const int64_t *to, int64_t unknown)
{
    const int64_t axis = 1;
    const char *base = gm_onnx_int64s(g, &unknown, (int64_t[]){ 1, 1 }, 2), *index = base;
    if (v->count) {
        gm_arena *scratch = gm_arena_new(0);
        int64_t *shift = scratch ? GM_ARENA_ARRAY(scratch, int64_t, v->count) : NULL;
        if (!shift) {
            gm_arena_free(scratch);
            return NULL;
        }
        for (int32_t i = 0; i < v->count; i++) shift[i] = to[i] - unknown;
        const char *equal = gm_onnx_op2(g, "Equal", x, gm_emit_row(g, v->numbers, v->count));
        const char *shifts = gm_onnx_int64s(g, shift, (int64_t[]){ 1, v->count }, 2);
        const char *picked = gm_onnx_op3(g, "Where", equal, shifts, gm_onnx_int64s(g, (int64_t[]){ 0 }, NULL, 0));
        const char *sum = gm_onnx_op2(g, "ReduceSum", picked, gm_onnx_int64s(g, &axis, (int64_t[]){ 1 }, 1));
        index = gm_onnx_op2(g, "Add", sum, base);
        gm_arena_free(scratch);
    }
    return gm_onnx_op3(g, "Where", gm_onnx_op1(g, "IsNaN", x),
                       gm_onnx_int64s(g, &to[v->count], (int64_t[]){ 1, 1 }, 2), index);
}

const char *gm_vocab_emit(const gm_vocab *v, gm_onnx *g, const char *x, const int64_t *to, int64_t unknown)
{
    return v->is_text ? emit_texts(v, g, x, to, unknown) : emit_numbers(v, g, x, to, unknown);
}

/* ---- C ----------------------------------------------------------------------------------------------------- */

const char *gm_vocab_c(const gm_vocab *v, int64_t i, gm_c *c)
{
    const char *k = gm_c_name(c, 'k');
    c->stack_bytes += 8;
    if (v->is_text) {
        const char *pool, *at;
        gm_c_texts(c, v->texts, v->count, &pool, &at);
        gm_c_line(c, "const int32_t %s = %s(%s, %s, %d, a);", k, gm_c_use(c, "gm_find_text"), pool, at, v->count);
    } else {
        const char *numbers = gm_c_doubles(c, v->numbers, v->count);
        gm_c_line(c, "const int32_t %s = %s(%s, %d, a[%lld]);", k, gm_c_use(c, "gm_find_number"), numbers, v->count, (long long)i);
    }
    return k;
}
