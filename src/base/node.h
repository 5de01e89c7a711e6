/* node.h - a document as a tree in which every node knows its line and column: YAML and JSON, read alike.
 *
 * YAML is the strict subset of docs/formats/gristmill.md: no anchors, aliases, tags, duplicate keys or tabs; scalars
 * stay text, and the reader of a field decides what the text means. JSON strings are quoted scalars, JSON
 * numbers, true, false and null are plain scalars ("null" has is_null). No text of either holds a NUL byte, escaped or not.
 * Limits: 1 MiB of YAML, 1 GiB of JSON, depth 32 (YAML) and 64 (JSON), 100,000 nodes (YAML).
 */
#ifndef GM_BASE_NODE_H
#define GM_BASE_NODE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

typedef enum gm_node_kind { GM_NODE_SCALAR, GM_NODE_SEQ, GM_NODE_MAP } gm_node_kind;

typedef struct gm_node gm_node;
struct gm_node {
    gm_node_kind kind;
    gm_pos pos;        /* of the value                                         */
    const char *text;  /* scalar: NUL-terminated, never NULL                   */
    size_t text_len;   /* scalar: bytes                                        */
    bool quoted;       /* scalar: was written in quotes                        */
    bool literal;      /* scalar: a JSON number, true or false                 */
    bool is_null;      /* scalar: nothing was written (YAML) or null (JSON)    */
    size_t count;      /* seq, map: entries                                    */
    const char **keys; /* map: [count], in the file's order                    */
    gm_pos *key_pos;   /* map: [count]                                         */
    gm_node **items;   /* seq, map: [count]                                    */
};

/* Read a document. file_name is for messages, copied. out_root in arena. Errors: GM_EINVALID with place. */
gm_rc gm_yaml_read(const char *text, size_t len, const char *file_name, gm_arena *a, gm_node **out_root, gm_err *err);
gm_rc gm_json_read(const char *text, size_t len, const char *file_name, gm_arena *a, gm_node **out_root, gm_err *err);
/* A document that is mostly numbers, in little more memory than its text: a list of nothing but numbers, true and false is read as
 * text. Such a list has count entries and no items; text [text_len], borrowed from the document, is what stands between its
 * brackets, entries valid and separated by one comma each. Values have no line. Errors as gm_json_read; file_name is kept. */
gm_rc gm_json_outline(const char *text, size_t len, const char *file_name, gm_arena *a, gm_node **out_root, gm_err *err);
/* Any document from a file: .json by its name, else YAML. */
gm_rc gm_node_read_file(const char *path, gm_arena *a, gm_node **out_root, gm_err *err);

/* Whether a list has this text; false when list is NULL. */
bool gm_node_lists(const gm_node *list, const char *text);
/* NULL when map is NULL, not a map, or has no such key. */
const gm_node *gm_node_get(const gm_node *map, const char *key);
/* The text of a scalar entry, or fallback. Never fails. */
const char *gm_node_str_or(const gm_node *map, const char *key, const char *fallback);
/* Entry as number or fallback when absent, null or not a number ("nan" from null). Never fails. */
double gm_node_double_or(const gm_node *map, const char *key, double fallback);
int64_t gm_node_int_or(const gm_node *map, const char *key, int64_t fallback);
bool gm_node_bool_or(const gm_node *map, const char *key, bool fallback);

/* The scalar's value. Errors: GM_EINVALID at the node's place: expected what, found what. */
gm_rc gm_node_double(const gm_node *n, double *out, gm_err *err); /* 5, 1e-3, 5%, 1_000 is refused */
gm_rc gm_node_int(const gm_node *n, int64_t *out, gm_err *err);
gm_rc gm_node_bool(const gm_node *n, bool *out, gm_err *err);        /* true, false only */
gm_rc gm_node_text(const gm_node *n, const char **out, gm_err *err); /* fails on seq and map */

/* The tree as JSON; what was a number, true or false in JSON is one again, other scalars are texts, NULL and nothing are null. */
void gm_node_json(const gm_node *n, gm_json *j);

/* The shortest decimal that reads back as v, as JSON ("0.1", "1e22", "-2.0"). v is finite; out holds >= 32 bytes. Returns the length. */
size_t gm_json_shortest(double v, char *out);

#endif
