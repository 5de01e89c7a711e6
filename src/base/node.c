/* node.c - YAML through libfyaml and JSON through yyjson, into one tree.
 *
 * The strict subset is enforced here: what libfyaml reads but two YAML readers might read differently is an error.
 */
#include "base/node.h"

#include <errno.h>
#include <libfyaml.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/fs.h"
#include "base/utf8.h"

enum { YAML_BYTES_MAX = 1 << 20, YAML_DEPTH_MAX = 32, JSON_DEPTH_MAX = 64, YAML_NODES_MAX = 100000 };

typedef struct reader {
    gm_arena *a;
    const char *file;
    const char *text; /* the whole document, for JSON places */
    size_t len;
    size_t nodes;
    bool nul_escaped; /* JSON: the letters of an escaped NUL are somewhere in it */
    gm_pos last; /* of YAML: the latest scalar's place, for what has none of its own */
    gm_err *err;
} reader;

static gm_rc out_of_memory(const reader *r)
{
    return gm_err_set(r->err, GM_ENOMEM, "not enough memory to read \"%s\"", r->file);
}

static gm_rc alloc_entries(const reader *r, gm_node *n, size_t count, bool map)
{
    n->count = count;
    n->items = GM_ARENA_ARRAY(r->a, gm_node *, count);
    if (map) {
        n->keys = GM_ARENA_ARRAY(r->a, const char *, count);
        n->key_pos = GM_ARENA_ARRAY(r->a, gm_pos, count);
    }
    return !n->items || (map && (!n->keys || !n->key_pos)) ? out_of_memory(r) : GM_OK;
}

/* ---- YAML ---------------------------------------------------------------------------------------------- */

static gm_pos mark_pos(const reader *r, const struct fy_mark *m)
{
    if (!m) return (gm_pos){ .file = r->file };
    return (gm_pos){ .file = r->file, .line = (uint32_t)m->line + 1, .col = (uint32_t)m->column + 1 };
}

/* Only scalars carry a place of their own; a map or list takes that of its first entry. */
static gm_pos yaml_pos(const reader *r, struct fy_node *fyn)
{
    struct fy_token *t = fy_node_get_type(fyn) == FYNT_SCALAR ? fy_node_get_scalar_token(fyn) : NULL;
    return mark_pos(r, t ? fy_token_start_mark(t) : NULL);
}

/* Plain words that some YAML readers turn into booleans or null. */
static bool is_mangled(const char *s)
{
    static const char *const words[] = { "y",  "Y",  "n",  "N",  "yes", "Yes", "YES", "no", "No",
                                         "NO", "on", "On", "ON", "off", "Off", "OFF", "~" };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(s, words[i]) == 0) return true;
    return false;
}

static gm_rc yaml_node(reader *r, struct fy_node *fyn, int depth, gm_node **out);

static gm_rc yaml_scalar(reader *r, struct fy_node *fyn, gm_node *n)
{
    size_t len = 0;
    const char *text = fyn ? fy_node_get_scalar(fyn, &len) : NULL;
    struct fy_token *token = fyn ? fy_node_get_scalar_token(fyn) : NULL;
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    n->kind = GM_NODE_SCALAR;
    n->quoted = style != FYSS_PLAIN && style != FYSS_ANY;
    n->is_null = !text || (len == 0 && !n->quoted);
    n->text = gm_arena_strndup(r->a, text ? text : "", text ? len : 0);
    n->text_len = text ? len : 0;
    if (!n->text) return out_of_memory(r);
    if (memchr(n->text, '\0', n->text_len)) return gm_err_at(r->err, n->pos, GM_EINVALID, "a text holds a NUL byte");
    if (!n->quoted && is_mangled(n->text)) {
        (void)gm_err_at(r->err, n->pos, GM_EINVALID, "the plain word %s means different things to different YAML readers",
                        n->text);
        gm_err_hint(r->err, "Write true or false, or put it in quotes: '%s'.", n->text);
        return GM_EINVALID;
    }
    return GM_OK;
}

static gm_rc yaml_map(reader *r, struct fy_node *fyn, int depth, gm_node *n)
{
    gm_rc rc = alloc_entries(r, n, (size_t)fy_node_mapping_item_count(fyn), true);
    void *iter = NULL;
    struct fy_node_pair *pair;
    for (size_t i = 0; !rc && (pair = fy_node_mapping_iterate(fyn, &iter)) && i < n->count; i++) {
        struct fy_node *key = fy_node_pair_key(pair);
        gm_node k = { 0 };
        if (!key || fy_node_get_type(key) != FYNT_SCALAR)
            return gm_err_at(r->err, n->pos, GM_EINVALID, "a key must be a plain text");
        k.pos = yaml_pos(r, key);
        if (k.pos.line)
            r->last = k.pos;
        else
            k.pos = r->last; /* an empty key, or one over several lines */
        rc = yaml_scalar(r, key, &k);
        if (rc) return rc;
        n->keys[i] = k.text;
        n->key_pos[i] = k.pos;
        if (i == 0 && !n->pos.line) n->pos = k.pos;
        rc = yaml_node(r, fy_node_pair_value(pair), depth + 1, &n->items[i]);
        if (!rc && !n->items[i]->pos.line) n->items[i]->pos = k.pos;
    }
    return rc;
}

static gm_rc yaml_node(reader *r, struct fy_node *fyn, int depth, gm_node **out)
{
    if (depth > YAML_DEPTH_MAX) return gm_err_set(r->err, GM_EINVALID, "%s is nested deeper than %d", r->file, YAML_DEPTH_MAX);
    if (++r->nodes > YAML_NODES_MAX) return gm_err_set(r->err, GM_EINVALID, "%s has more than %d nodes", r->file, YAML_NODES_MAX);
    gm_node *n = GM_ARENA_NEW(r->a, gm_node);
    if (!n) return out_of_memory(r);
    *out = n;
    n->pos.file = r->file;
    if (!fyn) return yaml_scalar(r, NULL, n);
    n->pos = yaml_pos(r, fyn);
    if (n->pos.line) r->last = n->pos;
    size_t tag_len = 0;
    if (fy_node_get_tag(fyn, &tag_len) && tag_len)
        return gm_err_at(r->err, n->pos, GM_EINVALID, "tags such as !!str are not part of this format");
    if (fy_node_is_alias(fyn) || fy_node_get_anchor(fyn))
        return gm_err_at(r->err, n->pos, GM_EINVALID, "anchors and aliases are not part of this format");

    switch (fy_node_get_type(fyn)) {
    case FYNT_SCALAR: return yaml_scalar(r, fyn, n);
    case FYNT_MAPPING: n->kind = GM_NODE_MAP; return yaml_map(r, fyn, depth, n);
    case FYNT_SEQUENCE: break;
    }
    n->kind = GM_NODE_SEQ;
    gm_rc rc = alloc_entries(r, n, (size_t)fy_node_sequence_item_count(fyn), false);
    void *iter = NULL;
    struct fy_node *item;
    for (size_t i = 0; !rc && i < n->count && (item = fy_node_sequence_iterate(fyn, &iter)); i++) {
        rc = yaml_node(r, item, depth + 1, &n->items[i]);
        if (!rc && !n->items[i]->pos.line) n->items[i]->pos = r->last; /* an empty item, map or list */
        if (!rc && !n->pos.line) n->pos = n->items[i]->pos;
    }
    return rc;
}

/* libfyaml reports through a diagnostics object; its first error becomes ours. */
static gm_rc yaml_error(const reader *r, struct fy_diag *diag)
{
    void *iter = NULL;
    struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iter);
    if (!e) return gm_err_at(r->err, (gm_pos){ .file = r->file, .line = 1, .col = 1 }, GM_EINVALID, "not a YAML document");
    gm_pos pos = { .file = r->file, .line = (uint32_t)e->line, .col = (uint32_t)e->column };
    gm_rc rc = gm_err_at(r->err, pos, GM_EINVALID, "%s", e->msg ? e->msg : "not valid YAML");
    gm_err_hint(r->err, "An expression with \": \", \" #\" or a leading quote must be put in quotes as a whole.");
    return rc;
}

/* Refused before parsing: tabs in indentation, which readers take differently; directives; and bytes that are not UTF-8, on
 * which the library can spin for ever (found by fuzz_yaml). */
static gm_rc check_bytes(const reader *r)
{
    uint32_t line = 1;
    bool indent = true;
    for (size_t i = 0; i < r->len; i++) {
        char c = r->text[i];
        if (c == '\0')
            return gm_err_at(r->err, (gm_pos){ r->file, line, 1 }, GM_EINVALID, "the file holds a NUL byte; it is not text");
        if (c == '\t' && indent)
            return gm_err_at(r->err, (gm_pos){ r->file, line, 1 }, GM_EINVALID, "a tab in the indentation; use spaces");
        if (c == '%' && (i == 0 || r->text[i - 1] == '\n'))
            return gm_err_at(r->err, (gm_pos){ r->file, line, 1 }, GM_EINVALID, "a line cannot begin with %%");
        size_t n = gm_utf8_length(r->text + i, r->len - i);
        if (n == 0)
            return gm_err_at(r->err, (gm_pos){ r->file, line, 1 }, GM_EINVALID, "this line is not UTF-8: byte 0x%02x",
                             (unsigned char)c);
        i += n - 1;
        if (c != ' ') indent = false;
        if (c == '\n') {
            line++;
            indent = true;
        }
    }
    return GM_OK;
}

gm_rc gm_yaml_read(const char *text, size_t len, const char *file_name, gm_arena *a, gm_node **out_root, gm_err *err)
{
    reader r = { .a = a, .file = gm_arena_strdup(a, file_name), .text = text, .len = len, .err = err };
    if (!r.file) return gm_err_set(err, GM_ENOMEM, "not enough memory to read \"%s\"", file_name);
    if (len > YAML_BYTES_MAX) return gm_err_at(err, (gm_pos){ .file = r.file }, GM_EINVALID, "the file is larger than 1 MiB");
    gm_rc rc = check_bytes(&r);
    if (rc) return rc;

    size_t blank = 0;
    while (blank < len && strchr(" \r\n", text[blank])) blank++;
    if (blank == len) return gm_err_at(err, (gm_pos){ r.file, 1, 1 }, GM_EINVALID, "the file is empty");

    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    if (!diag) return out_of_memory(&r);
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg cfg = { .flags = FYPCF_COLLECT_DIAG, .diag = diag };
    struct fy_document *doc = fy_document_build_from_string(&cfg, text, len);
    gm_node *root = NULL;
    if (!doc || fy_diag_got_error(diag)) {
        rc = yaml_error(&r, diag);
    } else if (!fy_document_root(doc)) {
        rc = gm_err_at(err, (gm_pos){ r.file, 1, 1 }, GM_EINVALID, "the file is empty");
    } else {
        r.last = (gm_pos){ r.file, 1, 1 };
        rc = yaml_node(&r, fy_document_root(doc), 0, &root);
        if (!rc && !root->pos.line) root->pos = r.last;
        if (rc && err && !err->line) { /* a map or list has no place of its own */
            err->line = r.last.line;
            err->col = r.last.col;
        }
    }
    if (doc) fy_document_destroy(doc);
    fy_diag_destroy(diag);
    if (!rc) *out_root = root;
    return rc;
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static gm_pos json_pos(const reader *r, size_t offset)
{
    size_t line = 0, col = 0, chars = 0;
    if (!yyjson_locate_pos(r->text, r->len, offset, &line, &col, &chars)) return (gm_pos){ .file = r->file };
    return (gm_pos){ .file = r->file, .line = (uint32_t)line, .col = (uint32_t)col };
}

/* Texts end at their first NUL for whoever reads them, so that two names could look alike: none may be escaped in one. */
static gm_rc json_text(const reader *r, yyjson_val *v, const char **out, size_t *out_len)
{
    *out = yyjson_get_str(v);
    *out_len = yyjson_get_len(v);
    if (!r->nul_escaped || !memchr(*out, '\0', *out_len)) return GM_OK;
    return gm_err_at(r->err, (gm_pos){ .file = r->file }, GM_EINVALID, "the text that begins with \"%.60s\" holds a NUL byte (\\u0000)", *out);
}

/* n is zeroed. Texts stay where the document lies: see gm_json_read. The nodes of a list or map lie beside each other. */
static gm_rc json_node(reader *r, yyjson_val *v, int depth, gm_node *n)
{
    if (depth > JSON_DEPTH_MAX) return gm_err_set(r->err, GM_EINVALID, "%s is nested deeper than %d", r->file, JSON_DEPTH_MAX);
    n->pos.file = r->file;
    gm_rc rc = GM_OK;
    size_t i, max;
    yyjson_val *key, *item;
    gm_node *nodes = yyjson_is_ctn(v) ? GM_ARENA_ARRAY(r->a, gm_node, yyjson_get_len(v)) : n;
    if (!nodes) return out_of_memory(r);
    switch (yyjson_get_type(v)) {
    case YYJSON_TYPE_OBJ:
        n->kind = GM_NODE_MAP;
        rc = alloc_entries(r, n, yyjson_obj_size(v), true);
        if (rc) return rc;
        yyjson_obj_foreach(v, i, max, key, item)
        {
            size_t unused = 0;
            rc = json_text(r, key, &n->keys[i], &unused);
            if (rc) return rc;
            n->key_pos[i].file = r->file;
            n->items[i] = &nodes[i];
            for (size_t k = 0; k < i && n->count <= 1000; k++)
                if (strcmp(n->keys[k], n->keys[i]) == 0)
                    return gm_err_set(r->err, GM_EINVALID, "%s has the key \"%.100s\" twice in one object", r->file, n->keys[i]);
            rc = json_node(r, item, depth + 1, &nodes[i]);
            if (rc) return rc;
        }
        return GM_OK;
    case YYJSON_TYPE_ARR:
        n->kind = GM_NODE_SEQ;
        rc = alloc_entries(r, n, yyjson_arr_size(v), false);
        if (rc) return rc;
        yyjson_arr_foreach(v, i, max, item)
        {
            n->items[i] = &nodes[i];
            rc = json_node(r, item, depth + 1, &nodes[i]);
            if (rc) return rc;
        }
        return GM_OK;
    case YYJSON_TYPE_STR:
        n->quoted = true;
        return json_text(r, v, &n->text, &n->text_len);
    case YYJSON_TYPE_RAW: /* numbers, as written */
        n->literal = true;
        n->text = yyjson_get_raw(v);
        n->text_len = yyjson_get_len(v);
        return GM_OK;
    case YYJSON_TYPE_BOOL:
        n->literal = true;
        n->text = yyjson_get_bool(v) ? "true" : "false";
        break;
    default: n->text = ""; n->is_null = true;
    }
    n->text_len = strlen(n->text);
    return GM_OK;
}

gm_rc gm_json_read(const char *text, size_t len, const char *file_name, gm_arena *a, gm_node **out_root, gm_err *err)
{
    reader r = { .a = a, .file = gm_arena_strdup(a, file_name), .text = text, .len = len, .err = err };
    if (!r.file) return gm_err_set(err, GM_ENOMEM, "not enough memory to read \"%s\"", file_name);
    if (len > (size_t)1 << 30) return gm_err_at(err, (gm_pos){ .file = r.file }, GM_EINVALID, "the file is larger than 1 GiB");
    r.nul_escaped = len && memmem(text, len, "u0000", strlen("u0000"));
    /* Read in place in a copy that is the tree's: texts and numbers end in NUL there, and nothing is copied one by one. */
    char *copy = gm_arena_alloc(a, len + YYJSON_PADDING_SIZE, 1);
    gm_node *root = GM_ARENA_NEW(a, gm_node);
    if (!copy || !root) return out_of_memory(&r);
    if (len) memcpy(copy, text, len);
    yyjson_read_err problem;
    yyjson_doc *doc = yyjson_read_opts(copy, len, YYJSON_READ_INSITU | YYJSON_READ_NUMBER_AS_RAW, NULL, &problem);
    if (!doc) return gm_err_at(err, json_pos(&r, problem.pos), GM_EINVALID, "not valid JSON: %s", problem.msg);
    gm_rc rc = json_node(&r, yyjson_doc_get_root(doc), 0, root);
    yyjson_doc_free(doc);
    if (!rc) *out_root = root;
    return rc;
}

/* yyjson writes into memory that it asks for: the caller's own, of one value. */
static void *one_room(void *out, size_t size)
{
    (void)size; /* 64 bytes at most for a number */
    return out;
}

static void *no_other_room(void *out, void *p, size_t old_size, size_t size)
{
    (void)out, (void)p, (void)old_size, (void)size;
    return NULL;
}

static void keep_room(void *out, void *p)
{
    (void)out, (void)p;
}

size_t gm_json_shortest(double v, char *out)
{
    char room[128];
    size_t len = 0;
    const yyjson_alc alc = { .malloc = one_room, .realloc = no_other_room, .free = keep_room, .ctx = room };
    yyjson_val value;
    memset(&value, 0, sizeof(value));
    (void)yyjson_set_real(&value, v);
    const char *text = yyjson_val_write_opts(&value, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
    gm_assert(text && len < 32);
    memcpy(out, text, len + 1);
    return len;
}

gm_rc gm_node_read_file(const char *path, gm_arena *a, gm_node **out_root, gm_err *err)
{
    gm_buf b = { 0 };
    size_t len = strlen(path);
    bool json = len > 5 && strcmp(path + len - 5, ".json") == 0;
    gm_rc rc = gm_fs_read(path, 0, &b, err);
    if (!rc && json) rc = gm_json_read(gm_buf_str(&b), b.len, path, a, out_root, err);
    if (!rc && !json) rc = gm_yaml_read(gm_buf_str(&b), b.len, path, a, out_root, err);
    gm_buf_clear(&b);
    return rc;
}

/* ---- reading fields ------------------------------------------------------------------------------------- */

bool gm_node_lists(const gm_node *list, const char *text)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (strcmp(list->items[i]->text, text) == 0) return true;
    return false;
}

const gm_node *gm_node_get(const gm_node *map, const char *key)
{
    if (!map || map->kind != GM_NODE_MAP) return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0) return map->items[i];
    return NULL;
}

static const char *what(const gm_node *n)
{
    return n->kind == GM_NODE_SEQ ? "a list" : n->kind == GM_NODE_MAP ? "a map" : n->is_null ? "nothing" : n->text;
}

gm_rc gm_node_text(const gm_node *n, const char **out, gm_err *err)
{
    if (n->kind != GM_NODE_SCALAR) return gm_err_at(err, n->pos, GM_EINVALID, "expected a text, found %s", what(n));
    *out = n->text;
    return GM_OK;
}

static bool parse_number(const char *text, double *out)
{
    char *end = NULL;
    if (!text[0] || strspn(text, "+-0123456789.eE%") != strlen(text)) return false;
    double v = strtod(text, &end);
    if (end == text) return false;
    if (strcmp(end, "%") == 0)
        v /= 100;
    else if (*end)
        return false;
    if (!isfinite(v)) return false; /* 1e999 */
    *out = v;
    return true;
}

gm_rc gm_node_double(const gm_node *n, double *out, gm_err *err)
{
    double v;
    if (n->kind != GM_NODE_SCALAR || n->is_null || !parse_number(n->text, &v))
        return gm_err_at(err, n->pos, GM_EINVALID, "expected a number, found \"%.60s\"", what(n));
    *out = v;
    return GM_OK;
}

gm_rc gm_node_int(const gm_node *n, int64_t *out, gm_err *err)
{
    char *end = NULL;
    long long v = 0;
    errno = 0;
    if (n->kind == GM_NODE_SCALAR && !n->is_null) v = strtoll(n->text, &end, 10);
    if (!end || end == n->text || *end || errno == ERANGE)
        return gm_err_at(err, n->pos, GM_EINVALID, "expected a whole number, found \"%.60s\"", what(n));
    *out = v;
    return GM_OK;
}

gm_rc gm_node_bool(const gm_node *n, bool *out, gm_err *err)
{
    bool yes = n->kind == GM_NODE_SCALAR && strcmp(n->text, "true") == 0,
         no = n->kind == GM_NODE_SCALAR && strcmp(n->text, "false") == 0;
    if (!yes && !no) return gm_err_at(err, n->pos, GM_EINVALID, "expected true or false, found \"%.60s\"", what(n));
    *out = yes;
    return GM_OK;
}

const char *gm_node_str_or(const gm_node *map, const char *key, const char *fallback)
{
    const gm_node *n = gm_node_get(map, key);
    return n && n->kind == GM_NODE_SCALAR && !n->is_null ? n->text : fallback;
}

double gm_node_double_or(const gm_node *map, const char *key, double fallback)
{
    const gm_node *n = gm_node_get(map, key);
    double v;
    return n && gm_node_double(n, &v, NULL) == GM_OK ? v : fallback;
}

int64_t gm_node_int_or(const gm_node *map, const char *key, int64_t fallback)
{
    const gm_node *n = gm_node_get(map, key);
    int64_t v;
    return n && gm_node_int(n, &v, NULL) == GM_OK ? v : fallback;
}

bool gm_node_bool_or(const gm_node *map, const char *key, bool fallback)
{
    const gm_node *n = gm_node_get(map, key);
    bool v;
    return n && gm_node_bool(n, &v, NULL) == GM_OK ? v : fallback;
}

void gm_node_json(const gm_node *n, gm_json *j)
{
    if (!n) {
        gm_json_null(j);
    } else if (n->kind == GM_NODE_SCALAR) {
        if (n->literal)
            gm_json_raw(j, n->text);
        else
            gm_json_str(j, n->is_null ? NULL : n->text);
    } else if (n->kind == GM_NODE_SEQ) {
        gm_json_array(j);
        for (size_t i = 0; i < n->count; i++) gm_node_json(n->items[i], j);
        gm_json_array_end(j);
    } else {
        gm_json_object(j);
        for (size_t i = 0; i < n->count; i++) {
            gm_json_key(j, n->keys[i]);
            gm_node_json(n->items[i], j);
        }
        gm_json_object_end(j);
    }
}
