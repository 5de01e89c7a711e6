/* param.c - see param.h. */
#include "base/param.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *field(void *conf, const gm_param *p)
{
    return (char *)conf + p->offset;
}
static const void *const_field(const void *conf, const gm_param *p)
{
    return (const char *)conf + p->offset;
}

gm_rc gm_duration_parse(const char *text, double *out_seconds, gm_err *err)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = { { "ms", 1e-3 },   { "s", 1 },        { "second", 1 }, { "seconds", 1 },   { "m", 60 },        { "min", 60 },
                  { "minute", 60 }, { "minutes", 60 }, { "h", 3600 },   { "hour", 3600 },   { "hours", 3600 },  { "d", 86400 },
                  { "day", 86400 }, { "days", 86400 }, { "w", 604800 }, { "week", 604800 }, { "weeks", 604800 } };
    const double longest = 1000 * 366 * 86400.0; /* in microseconds it is an int64 */
    char *end = NULL;
    double number = strtod(text, &end);
    if (end != text && isfinite(number) && number >= 0) {
        while (*end == ' ') end++;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            if (strcmp(end, units[i].name) != 0) continue;
            if (number * units[i].seconds > longest)
                return gm_err_set(err, GM_EINVALID, "\"%.60s\" is longer than a thousand years", text);
            *out_seconds = number * units[i].seconds;
            return GM_OK;
        }
    }
    gm_rc rc = gm_err_set(err, GM_EINVALID, "expected a duration, found \"%.60s\"", text);
    gm_err_hint(err, "Write a number and a unit: 90s, 30m, 3h, 1 day, 2 weeks.");
    return rc;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = choices; len && (at = strstr(at, text)); at += len)
        if ((at == choices || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0')) return true;
    return false;
}

static gm_rc check_range(const gm_param *p, double v, gm_err *err)
{
    if ((p->low == 0 && p->high == 0) || (v >= p->low && v <= p->high)) return GM_OK;
    return gm_err_set(err, GM_EINVALID, "%s is %g; it must lie between %g and %g", p->name, v, p->low, p->high);
}

static gm_rc out_of_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for parameters");
}

static gm_rc read_value(const gm_param *p, const gm_node *n, gm_arena *a, void *conf, gm_err *err)
{
    void *at = field(conf, p);
    gm_rc rc = GM_OK;
    switch (p->type) {
    case GM_PARAM_BOOL: return gm_node_bool(n, at, err);
    case GM_PARAM_INT: {
        int64_t v = 0;
        rc = gm_node_int(n, &v, err);
        if (!rc) rc = check_range(p, (double)v, err);
        if (!rc) *(int64_t *)at = v;
        return rc;
    }
    case GM_PARAM_DOUBLE: {
        double v = 0;
        if (n->kind == GM_NODE_SCALAR && (strcmp(n->text, "inf") == 0 || strcmp(n->text, "-inf") == 0))
            v = n->text[0] == '-' ? -INFINITY : INFINITY;
        else
            rc = gm_node_double(n, &v, err);
        if (!rc) rc = check_range(p, v, err);
        if (!rc) *(double *)at = v;
        return rc;
    }
    case GM_PARAM_DURATION: {
        const char *text = NULL;
        rc = gm_node_text(n, &text, err);
        return rc ? rc : gm_duration_parse(text, at, err);
    }
    case GM_PARAM_STR:
    case GM_PARAM_EXPR: {
        const char *text = NULL;
        rc = gm_node_text(n, &text, err);
        if (rc) return rc;
        if (p->choices && !is_choice(p->choices, text)) {
            rc = gm_err_set(err, GM_EINVALID, "unrecognized %s \"%.60s\"", p->name, text);
            gm_err_hint(err, "One of: %s.", p->choices);
            return rc;
        }
        *(const char **)at = text;
        if (p->type == GM_PARAM_EXPR) *(gm_pos *)((char *)at + sizeof(const char *)) = n->pos;
        return GM_OK;
    }
    case GM_PARAM_STRS: {
        gm_strs strs = { .count = n->kind == GM_NODE_SEQ ? n->count : 1 };
        strs.items = GM_ARENA_ARRAY(a, const char *, strs.count);
        if (!strs.items) return out_of_memory(err);
        for (size_t i = 0; !rc && i < strs.count; i++)
            rc = gm_node_text(n->kind == GM_NODE_SEQ ? n->items[i] : n, &strs.items[i], err);
        if (!rc) *(gm_strs *)at = strs;
        return rc;
    }
    case GM_PARAM_NODE: *(const gm_node **)at = n; return GM_OK;
    case GM_PARAM_END: break;
    }
    return gm_err_set(err, GM_EINTERNAL, "parameter %s has no type", p->name);
}

gm_rc gm_param_parse(const gm_param *p, const char *text, gm_arena *a, void *conf, gm_err *err)
{
    gm_node *n = GM_ARENA_NEW(a, gm_node), *seq = NULL;
    char *copy = gm_arena_strdup(a, text);
    if (!n || !copy) return out_of_memory(err);
    *n = (gm_node){ .kind = GM_NODE_SCALAR, .text = copy, .text_len = strlen(copy) };
    if (p->type == GM_PARAM_STRS) { /* a,b,c */
        size_t count = text[0] ? 1 : 0;
        for (const char *c = text; *c; c++) count += *c == ',';
        seq = GM_ARENA_NEW(a, gm_node);
        gm_node *items = GM_ARENA_ARRAY(a, gm_node, count);
        gm_node **pointers = GM_ARENA_ARRAY(a, gm_node *, count);
        if (!seq || !items || !pointers) return out_of_memory(err);
        char *at = copy;
        for (size_t i = 0; i < count; i++) {
            char *comma = strchr(at, ',');
            if (comma) *comma = '\0';
            items[i] = (gm_node){ .kind = GM_NODE_SCALAR, .text = at, .text_len = strlen(at) };
            pointers[i] = &items[i];
            if (comma) at = comma + 1;
        }
        *seq = (gm_node){ .kind = GM_NODE_SEQ, .items = pointers, .count = count };
    }
    if (p->type == GM_PARAM_NODE) {
        *(const gm_node **)field(conf, p) = text[0] ? n : NULL;
        return GM_OK;
    }
    return read_value(p, seq ? seq : n, a, conf, err);
}

static const gm_param *find(const gm_param *params, const char *name)
{
    for (const gm_param *p = params; p && p->type != GM_PARAM_END; p++)
        if (strcmp(p->name, name) == 0) return p;
    return NULL;
}

bool gm_word_listed(const char *words, const char *word, size_t len)
{
    size_t all = words ? strlen(words) : 0;
    for (const char *at = words; all && len && (at = memmem(at, all - (size_t)(at - words), word, len)); at++)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0')) return true;
    return false;
}

static bool listed(const char *const *names, const char *name)
{
    for (size_t i = 0; names && names[i]; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static void unknown_key(const gm_param *params, const gm_node *node, size_t i, const char *const *extra, gm_errs *errs)
{
    const char *names[128];
    size_t count = 0;
    for (const gm_param *p = params; p && p->type != GM_PARAM_END && count < 128; p++) names[count++] = p->name;
    for (size_t k = 0; extra && extra[k] && count < 128; k++) names[count++] = extra[k];
    const char *near = gm_nearest(node->keys[i], names, count);
    gm_err err;
    (void)gm_err_at(&err, node->key_pos[i], GM_EINVALID, "unrecognized key \"%.60s\"", node->keys[i]);
    if (near) {
        gm_err_hint(&err, "Did you mean \"%s\"?", near);
    } else {
        gm_buf list = { 0 };
        for (size_t k = 0; k < count; k++) gm_buf_printf(&list, "%s%s", k ? ", " : "", names[k]);
        gm_err_hint(&err, "Known here: %s.", gm_buf_str(&list));
        gm_buf_clear(&list);
    }
    gm_errs_add(errs, &err);
}

gm_rc gm_params_read(const gm_param *params, const gm_node *node, const char *const *extra_keys, gm_arena *a, void *conf,
                     gm_errs *errs)
{
    size_t before = gm_errs_total(errs);
    gm_err err;
    if (node && node->kind != GM_NODE_MAP) {
        gm_errs_at(errs, node->pos, GM_EINVALID, NULL, "expected a map of parameters");
        return GM_EINVALID;
    }
    for (const gm_param *p = params; p && p->type != GM_PARAM_END; p++) {
        const gm_node *n = gm_node_get(node, p->name);
        gm_rc rc = GM_OK;
        if (n) {
            rc = read_value(p, n, a, conf, &err);
            if (rc) (void)gm_err_place(&err, rc, n->pos);
        } else if (p->fallback) {
            rc = gm_param_parse(p, p->fallback, a, conf, &err);
        } else {
            rc = gm_err_at(&err, node ? node->pos : (gm_pos){ 0 }, GM_EINVALID, "missing key \"%s\" (%s)", p->name, p->help);
        }
        if (rc) gm_errs_add(errs, &err);
    }
    for (size_t i = 0; node && i < node->count; i++)
        if (!find(params, node->keys[i]) && !listed(extra_keys, node->keys[i])) unknown_key(params, node, i, extra_keys, errs);
    return gm_errs_since(errs, before) ? GM_EINVALID : GM_OK;
}

void gm_params_json(const gm_param *params, const void *conf, gm_json *j)
{
    for (const gm_param *p = params; p && p->type != GM_PARAM_END; p++) {
        const void *at = const_field(conf, p);
        gm_json_key(j, p->name);
        switch (p->type) {
        case GM_PARAM_BOOL: gm_json_bool(j, *(const bool *)at); break;
        case GM_PARAM_INT: gm_json_int(j, *(const int64_t *)at); break;
        case GM_PARAM_DOUBLE:
        case GM_PARAM_DURATION: gm_json_double(j, *(const double *)at); break;
        case GM_PARAM_STR:
        case GM_PARAM_EXPR: gm_json_str(j, *(const char *const *)at); break;
        case GM_PARAM_STRS:
            gm_json_array(j);
            for (size_t i = 0; i < ((const gm_strs *)at)->count; i++) gm_json_str(j, ((const gm_strs *)at)->items[i]);
            gm_json_array_end(j);
            break;
        case GM_PARAM_NODE: gm_node_json(*(const gm_node *const *)at, j); break;
        case GM_PARAM_END: break;
        }
    }
}

static void schema_choices(const char *choices, gm_json *j)
{
    gm_json_key(j, "enum");
    gm_json_array(j);
    while (*choices) {
        char word[64];
        size_t len = strcspn(choices, " ");
        (void)snprintf(word, sizeof(word), "%.*s", (int)len, choices);
        gm_json_str(j, word);
        choices += len;
        while (*choices == ' ') choices++;
    }
    gm_json_array_end(j);
}

void gm_params_schema(const gm_param *params, gm_json *j)
{
    static const char *const types[] = {
        [GM_PARAM_BOOL] = "boolean", [GM_PARAM_INT] = "integer",     [GM_PARAM_DOUBLE] = NULL, [GM_PARAM_STR] = "string",
        [GM_PARAM_EXPR] = NULL,      [GM_PARAM_DURATION] = "string", [GM_PARAM_STRS] = NULL,   [GM_PARAM_NODE] = NULL,
    };
    bool required = false;
    gm_json_object(j);
    gm_json_kstr(j, "type", "object");
    gm_json_key(j, "properties");
    gm_json_object(j);
    for (const gm_param *p = params; p && p->type != GM_PARAM_END; p++) {
        gm_json_key(j, p->name);
        gm_json_object(j);
        gm_json_kstr(j, "description", p->help);
        if (p->type == GM_PARAM_DOUBLE) {
            gm_json_key(j, "type");
            gm_json_array(j);
            gm_json_str(j, "number");
            gm_json_str(j, "string");
            gm_json_array_end(j);
        } else if (types[p->type]) {
            gm_json_kstr(j, "type", types[p->type]);
        }
        if (p->choices) schema_choices(p->choices, j);
        if (p->fallback && p->fallback[0]) gm_json_kstr(j, "default", p->fallback);
        if ((p->low != 0 || p->high != 0) && isfinite(p->low)) gm_json_kdouble(j, "minimum", p->low);
        if ((p->low != 0 || p->high != 0) && isfinite(p->high)) gm_json_kdouble(j, "maximum", p->high);
        gm_json_object_end(j);
        required = required || !p->fallback;
    }
    gm_json_object_end(j);
    if (required) {
        gm_json_key(j, "required");
        gm_json_array(j);
        for (const gm_param *p = params; p && p->type != GM_PARAM_END; p++)
            if (!p->fallback) gm_json_str(j, p->name);
        gm_json_array_end(j);
    }
    gm_json_kbool(j, "additionalProperties", false);
    gm_json_object_end(j);
}
