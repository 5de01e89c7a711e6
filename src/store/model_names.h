/* model_names.h - what models, aliases and tags may be called, and how a reference to a version is read. */
#ifndef GM_STORE_MODEL_NAMES_H
#define GM_STORE_MODEL_NAMES_H

#include "base/err.h"

enum { GM_MODEL_NAME_MAX = 250 };

/* 1 to 250 bytes of UTF-8 without control characters, leading or trailing spaces, `/`, `:` and `@`. */
gm_rc gm_model_name_check(const char *name, gm_err *err);
/* 1 to 255 of [A-Za-z0-9_-]; not `latest`, not `v` and digits (these read like versions). */
gm_rc gm_model_alias_check(const char *alias, gm_err *err);
/* 1 to 250 bytes without control characters. */
gm_rc gm_model_tag_check(const char *key, gm_err *err);

/* "name", "name@alias", "name/3", "name:3". Exactly one of alias and version is set, or neither. Errors: GM_EINVALID. */
typedef struct gm_model_ref {
    char name[GM_MODEL_NAME_MAX + 1];
    char alias[256];
    int64_t version; /* 0 = none given */
} gm_model_ref;
gm_rc gm_model_ref_parse(const char *text, gm_model_ref *out, gm_err *err);

#endif
