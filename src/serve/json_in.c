/* json_in.c - see json_in.h; over yyjson. */
#include "serve/json_in.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { FEW_KEYS = 48 };

/* gm_jv is yyjson's value under our name. */
static yyjson_val *of(const gm_jv *v)
{
    return (yyjson_val *)(uintptr_t)v;
}

static const gm_jv *ours(const yyjson_val *v)
{
    return (const gm_jv *)(const void *)v;
}

/* ---- memory from the request's arena ----------------------------------------------------------------------------- */

static void *arena_malloc(void *arena, size_t size)
{
    return gm_arena_alloc(arena, 1, size);
}

static void *arena_realloc(void *arena, void *old, size_t old_size, size_t size)
{
    if (size <= old_size) return old;
    void *grown = gm_arena_alloc(arena, 1, size);
    if (grown) memcpy(grown, old, old_size);
    return grown;
}

static void arena_free(void *arena, void *old)
{
    (void)arena;
    (void)old; /* goes with the request */
}

/* ---- the check of the whole -------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    yyjson_val *x = *(yyjson_val *const *)a, *y = *(yyjson_val *const *)b;
    size_t nx = unsafe_yyjson_get_len(x), ny = unsafe_yyjson_get_len(y);
    if (nx != ny) return nx < ny ? -1 : 1;
    return memcmp(x->uni.str, y->uni.str, nx);
}

static gm_rc refuse_key(yyjson_val *key, gm_err *err)
{
    return gm_err_set(err, GM_EINVALID, "key \"%.100s\" stands twice in an object", key->uni.str);
}

/* Many keys are sorted, so that nobody makes this quadratic. */
static gm_rc check_many_keys(yyjson_val *object, size_t count, gm_arena *a, gm_err *err)
{
    yyjson_val **keys = GM_ARENA_ARRAY(a, yyjson_val *, count), *key = object + 1;
    if (!keys) return gm_err_set(err, GM_ENOMEM, "the request is too large for its memory");
    for (size_t i = 0; i < count; i++, key = unsafe_yyjson_get_next(key + 1)) keys[i] = key;
    qsort(keys, count, sizeof(yyjson_val *), by_text); /* NOLINT(bugprone-sizeof-expression): pointers are meant */
    for (size_t i = 1; i < count; i++)
        if (by_text(&keys[i - 1], &keys[i]) == 0) return refuse_key(keys[i], err);
    return GM_OK;
}

/* A bit per key of 256: only keys that share a bit are compared. */
static gm_rc check_keys(yyjson_val *object, gm_arena *a, gm_err *err)
{
    size_t count = unsafe_yyjson_get_len(object);
    uint64_t seen[4] = { 0 };
    if (count > FEW_KEYS) return check_many_keys(object, count, a, err);
    yyjson_val *key = object + 1;
    for (size_t i = 0; i < count; i++, key = unsafe_yyjson_get_next(key + 1)) {
        size_t len = unsafe_yyjson_get_len(key);
        const unsigned char *text = (const unsigned char *)key->uni.str;
        uint32_t mixed = len ? ((uint32_t)len * 31u + text[0] * 7u + text[len / 2] * 61u + text[len - 1]) * 0x9E3779B1u : 0;
        uint64_t bit = 1ull << (mixed >> 26), *word = &seen[(mixed >> 24) & 3];
        if (*word & bit) {
            yyjson_val *before = object + 1;
            for (size_t k = 0; k < i; k++, before = unsafe_yyjson_get_next(before + 1))
                if (by_text(&before, &key) == 0) return refuse_key(key, err);
        }
        *word |= bit;
    }
    return GM_OK;
}

/* nul: whether the text had an escaped NUL anywhere, so that most requests are not searched for one text by text. Python's writers
 * spell what is missing NaN: it becomes null. */
static gm_rc check(yyjson_doc *doc, bool nul, gm_arena *a, gm_err *err)
{
    yyjson_val *ends[GM_JV_DEPTH_MAX], *v = doc->root, *end = doc->root + doc->val_read;
    size_t depth = 0;
    gm_rc rc = GM_OK;
    for (; !rc && v < end; v++) {
        while (depth && v == ends[depth - 1]) depth--;
        if (unsafe_yyjson_is_ctn(v)) {
            if (depth == GM_JV_DEPTH_MAX)
                return gm_err_set(err, GM_EINVALID, "the JSON is nested deeper than %d levels", GM_JV_DEPTH_MAX);
            ends[depth++] = unsafe_yyjson_get_next(v);
            if (unsafe_yyjson_is_obj(v)) rc = check_keys(v, a, err);
        } else if (nul && unsafe_yyjson_is_str(v) && memchr(v->uni.str, '\0', unsafe_yyjson_get_len(v))) {
            rc = gm_err_set(err, GM_EINVALID, "a text of the JSON holds a NUL");
        } else if (unsafe_yyjson_is_real(v) && !isfinite(v->uni.f64)) {
            if (!isnan(v->uni.f64)) rc = gm_err_set(err, GM_EINVALID, "the body is no JSON: a number is infinite");
            v->tag = YYJSON_TYPE_NULL;
        }
    }
    return rc;
}

gm_rc gm_jv_read(char *text, size_t len, bool in_place, gm_arena *a, const gm_jv **out, gm_err *err)
{
    yyjson_alc memory = { arena_malloc, arena_realloc, arena_free, a };
    yyjson_read_err problem;
    if (!len) return gm_err_set(err, GM_EINVALID, "the body is empty; JSON was expected");
    const char *escape = memchr(text, '\\', len); /* most requests have none */
    bool nul = escape && memmem(escape, len - (size_t)(escape - text), "\\u0000", 6); /* a NUL as it stands is a syntax error */
    yyjson_read_flag flags = YYJSON_READ_ALLOW_INF_AND_NAN | (in_place ? YYJSON_READ_INSITU : YYJSON_READ_NOFLAG);
    yyjson_doc *doc = yyjson_read_opts(text, len, flags, &memory, &problem);
    if (!doc && problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return gm_err_set(err, GM_ENOMEM, "the request is too large for its memory");
    if (!doc) return gm_err_set(err, GM_EINVALID, "the body is no JSON: %s at byte %zu", problem.msg, problem.pos);
    gm_rc rc = check(doc, nul, a, err);
    if (!rc) *out = ours(doc->root);
    return rc;
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

gm_jv_kind gm_jv_kind_of(const gm_jv *v)
{
    yyjson_val *value = of(v);
    switch (unsafe_yyjson_get_type(value)) {
    case YYJSON_TYPE_BOOL: return GM_JV_BOOL;
    case YYJSON_TYPE_STR: return GM_JV_TEXT;
    case YYJSON_TYPE_ARR: return GM_JV_LIST;
    case YYJSON_TYPE_OBJ: return GM_JV_OBJECT;
    case YYJSON_TYPE_NUM: break;
    default: return GM_JV_NULL;
    }
    if (unsafe_yyjson_is_real(value)) return GM_JV_REAL;
    return unsafe_yyjson_is_uint(value) && value->uni.u64 > INT64_MAX ? GM_JV_UINT : GM_JV_INT;
}

const char *gm_jv_kind_name(const gm_jv *v)
{
    static const char *const names[] = { "null",     "true or false", "a number", "a number",
                                         "a number", "a text",        "a list",   "an object" };
    return names[gm_jv_kind_of(v)];
}

bool gm_jv_bool(const gm_jv *v)
{
    return unsafe_yyjson_get_bool(of(v));
}

int64_t gm_jv_int(const gm_jv *v)
{
    return of(v)->uni.i64;
}

double gm_jv_double(const gm_jv *v)
{
    return unsafe_yyjson_get_num(of(v));
}

gm_slice gm_jv_text(const gm_jv *v)
{
    return (gm_slice){ of(v)->uni.str, unsafe_yyjson_get_len(of(v)) };
}

size_t gm_jv_count(const gm_jv *v)
{
    return unsafe_yyjson_get_len(of(v));
}

const gm_jv *gm_jv_first(const gm_jv *list)
{
    return ours(of(list) + 1);
}

const gm_jv *gm_jv_next(const gm_jv *v)
{
    return ours(unsafe_yyjson_get_next(of(v)));
}

const gm_jv *gm_jv_get(const gm_jv *object, const char *key)
{
    return object && unsafe_yyjson_is_obj(of(object)) ? ours(yyjson_obj_getn(of(object), key, strlen(key))) : NULL;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

static void *given_memory(void *out, size_t size)
{
    (void)size; /* 42 bytes for a number; room has 64 */
    return out;
}

static void *no_realloc(void *ctx, void *old, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old;
    (void)old_size;
    (void)size;
    return NULL;
}

size_t gm_json_number(double v, char *out)
{
    size_t len = 0;
    if (!isfinite(v)) {
        memcpy(out, "null", 4);
        return 4;
    }
    char room[64];
    yyjson_alc memory = { given_memory, no_realloc, arena_free, room };
    yyjson_val number = { .tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL, .uni = { .f64 = v } };
    if (!yyjson_val_write_opts(&number, YYJSON_WRITE_NOFLAG, &memory, &len, NULL)) return 0;
    memcpy(out, room, len);
    return len;
}
