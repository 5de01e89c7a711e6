/* param.h - one table for a thing's parameters: YAML, command line, JSON Schema and documents all read it.
 * registry.h's gm_item carries such a table. */
#ifndef GM_BASE_PARAM_H
#define GM_BASE_PARAM_H

#include "base/buf.h"
#include "base/node.h"

typedef enum gm_param_type {
    GM_PARAM_END = 0,
    GM_PARAM_BOOL,     /* bool                                                                     */
    GM_PARAM_INT,      /* int64_t                                                                  */
    GM_PARAM_DOUBLE,   /* double; "5%" reads as 0.05                                               */
    GM_PARAM_STR,      /* const char *                                                             */
    GM_PARAM_EXPR,     /* const char *: text of an expression; place in the gm_pos that follows it */
    GM_PARAM_DURATION, /* double seconds; "3h", "1 day", "2 weeks", "90s", "250 ms"                */
    GM_PARAM_STRS,     /* gm_strs: one text or a list                                              */
    GM_PARAM_NODE      /* const gm_node *: whatever stands there; its reader checks it             */
} gm_param_type;

typedef struct gm_strs {
    const char **items; /* [count] in arena */
    size_t count;
} gm_strs;

typedef struct gm_param {
    const char *name; /* as written in YAML and, with --, on the command line; snake_case */
    gm_param_type type;
    size_t offset;        /* of the field in the conf struct         */
    const char *fallback; /* as text; NULL = must be given           */
    const char *help;     /* one line                                */
    double low, high;     /* numbers: inclusive range; 0, 0 = any    */
    const char *choices;  /* texts: "a b c"; NULL = any              */
} gm_param;

/* Whether word [len] is one of words, which blanks part: "a b c"; NULL = none. */
bool gm_word_listed(const char *words, const char *word, size_t len);

/* Fill conf from a map node: defaults, then entries. Unknown keys, wrong types and values out of range are
 * added to errs, each with its place and, for a near name, "did you mean". extra_keys: names read elsewhere,
 * NULL-terminated, or NULL. node NULL = defaults only. Texts stay in the node's arena or a. */
gm_rc gm_params_read(const gm_param *params, const gm_node *node, const char *const *extra_keys, gm_arena *a, void *conf,
                     gm_errs *errs);
/* One value from text, as on a command line or in a default. Errors: GM_EINVALID. */
gm_rc gm_param_parse(const gm_param *p, const char *text, gm_arena *a, void *conf, gm_err *err);
/* Print conf's values as JSON members (key: value) in the table's order. */
void gm_params_json(const gm_param *params, const void *conf, gm_json *j);
/* The table as a JSON Schema object ({"type": "object", "properties": ...}). */
void gm_params_schema(const gm_param *params, gm_json *j);
/* "3h", "1 day", "2 weeks", "90s", "250 ms" -> seconds; at most a thousand years, so that microseconds fit an int64_t. */
gm_rc gm_duration_parse(const char *text, double *out_seconds, gm_err *err);

#endif
