/* json_in.h - a request's JSON as a flat tree of values, checked as a whole before anybody looks at it.
 *
 * Values lie one behind the other in reading order: the children of a list or object follow it, an object's as key, value, key,
 * value. The tree lives in the request's arena (texts in the body when it was read in place) and does not change, so that it may
 * be walked twice. NaN, with which Python's writers spell a missing number, is read as null.
 */
#ifndef GM_SERVE_JSON_IN_H
#define GM_SERVE_JSON_IN_H

#include "base/http.h"

typedef struct gm_jv gm_jv; /* a value */

typedef enum gm_jv_kind {
    GM_JV_NULL,
    GM_JV_BOOL,
    GM_JV_INT,  /* a whole number within int64             */
    GM_JV_UINT, /* a whole number above int64, within uint64 */
    GM_JV_REAL, /* any other number; always finite         */
    GM_JV_TEXT, /* valid UTF-8 without NUL, ends in NUL    */
    GM_JV_LIST,
    GM_JV_OBJECT
} gm_jv_kind;

enum { GM_JV_DEPTH_MAX = 64 };

/* in_place: text is writable, followed by at least 4 bytes of zero, and is used up by this.
 * Errors: GM_EINVALID (syntax with its byte, infinite numbers, invalid UTF-8, a NUL, a key twice in an object, deeper than
 * GM_JV_DEPTH_MAX), GM_ENOMEM. */
gm_rc gm_jv_read(char *text, size_t len, bool in_place, gm_arena *a, const gm_jv **out, gm_err *err);

gm_jv_kind gm_jv_kind_of(const gm_jv *v);
const char *gm_jv_kind_name(const gm_jv *v); /* "a list"; for messages; static */
bool gm_jv_bool(const gm_jv *v);             /* of each kind, for values of that kind only */
int64_t gm_jv_int(const gm_jv *v);
double gm_jv_double(const gm_jv *v); /* of any number */
gm_slice gm_jv_text(const gm_jv *v);

size_t gm_jv_count(const gm_jv *v); /* entries of a list or object */
const gm_jv *
gm_jv_first(const gm_jv *list);          /* first item or key; the value of a key is gm_jv_first(key). Valid when there is one */
const gm_jv *gm_jv_next(const gm_jv *v); /* what follows v and all within it */
/* NULL when object is NULL, no object, or has no such key. */
const gm_jv *gm_jv_get(const gm_jv *object, const char *key);

/* v as JSON, the shortest text that reads back equal; null for what is not finite. out holds >= 32 bytes, no NUL at the end.
 * Returns its length. */
size_t gm_json_number(double v, char *out);

#endif
