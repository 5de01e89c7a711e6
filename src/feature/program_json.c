/* program_json.c - features.json: the whole state of a feature program, and back.
 *
 *   { "format": "gristmill-features", "version": 1,
 *     "inputs":   [ { "name", "type" } ... ],
 *     "features": [ { "name", "column" or "expression", "steps": [ { "transform", "params", "state" } ... ] } ... ] }
 *
 * Doubles are written with the fewest digits that read back to the same bits, so that a program that was read computes what
 * the fitted one did. What is read is checked: any bytes give a program that can be applied, or an error.
 */
#include <string.h>

#include "feature/program_internal.h"

enum { FEATURES_MAX = 100000, STEPS_MAX = 16 };

static const char format_name[] = "gristmill-features";

/* ---- writing ----------------------------------------------------------------------------------------------- */

static void write_step(const gm_step *s, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "transform", s->transform->item.name);
    if (s->transform->item.params) {
        gm_json_key(j, "params");
        gm_json_object(j);
        gm_params_json(s->transform->item.params, s->conf, j);
        gm_json_object_end(j);
    }
    if (s->transform->write) {
        gm_json_key(j, "state");
        gm_json_object(j);
        s->transform->write(s->state, j);
        gm_json_object_end(j);
    }
    gm_json_object_end(j);
}

void gm_program_json(const gm_program *p, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "format", format_name);
    gm_json_kint(j, "version", 1);
    gm_json_key(j, "inputs");
    gm_json_array(j);
    for (size_t i = 0; i < p->inputs_count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "name", p->inputs[i].name);
        gm_json_kstr(j, "type", gm_type_name(p->inputs[i].type));
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_key(j, "features");
    gm_json_array(j);
    for (size_t f = 0; f < p->features_count; f++) {
        const gm_feature *feature = &p->features[f];
        const gm_source *s = &p->sources[feature->source];
        gm_json_object(j);
        gm_json_kstr(j, "name", feature->name);
        if (s->expr) gm_json_kstr(j, "expression", s->text);
        else gm_json_kstr(j, "column", p->inputs[s->input].name);
        gm_json_key(j, "steps");
        gm_json_array(j);
        for (size_t k = 0; k < feature->steps_count; k++) write_step(&feature->steps[k], j);
        gm_json_array_end(j);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_object_end(j);
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

static gm_rc out_of_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to read features.json"); }

static gm_rc list_of(const gm_node *map, const char *key, size_t max, const gm_node **out, gm_err *err)
{
    const gm_node *list = gm_node_get(map, key);
    if (!list || list->kind != GM_NODE_SEQ || list->count > max)
        return gm_err_at(err, list ? list->pos : map->pos, GM_EINVALID, "expected a list \"%s\" of at most %zu entries", key, max);
    *out = list;
    return GM_OK;
}

static gm_rc text_of(const gm_node *map, const char *key, const char **out, gm_err *err)
{
    const gm_node *n = gm_node_get(map, key);
    if (!n || n->kind != GM_NODE_SCALAR || !n->text[0])
        return gm_err_at(err, n ? n->pos : map->pos, GM_EINVALID, "expected a text \"%s\"", key);
    *out = n->text;
    return GM_OK;
}

static gm_rc read_inputs(const gm_node *json, gm_arena *a, gm_program *p, gm_err *err)
{
    const gm_node *list = NULL;
    gm_rc rc = list_of(json, "inputs", FEATURES_MAX, &list, err);
    for (size_t i = 0; !rc && i < list->count; i++) {
        const char *name = NULL, *type_name = NULL;
        gm_type type = GM_TYPE_UNKNOWN;
        size_t at = 0;
        rc = text_of(list->items[i], "name", &name, err);
        if (!rc) rc = text_of(list->items[i], "type", &type_name, err);
        if (!rc && !gm_type_from_name(type_name, &type))
            rc = gm_err_at(err, list->items[i]->pos, GM_EINVALID, "unrecognized type \"%.60s\"", type_name);
        if (!rc) rc = gm_program_add_input(p, name, type, a, &at, err);
        if (!rc && at != i) rc = gm_err_at(err, list->items[i]->pos, GM_EINVALID, "input \"%.60s\" is listed twice", name);
    }
    return rc;
}

static gm_rc read_step(const gm_node *json, bool first, gm_type source_type, int64_t width_in, gm_arena *a, gm_step *s, gm_err *err)
{
    const char *name = NULL;
    gm_type type = first && (source_type == GM_TYPE_STRING || source_type == GM_TYPE_TIME) ? source_type : GM_TYPE_FLOAT;
    gm_rc rc = text_of(json, "transform", &name, err);
    if (!rc) rc = gm_step_init(s, name, gm_node_get(json, "params"), first, source_type, a, err);
    if (rc) return rc;
    s->width_in = width_in;
    if (s->transform->read) rc = s->transform->read(s->conf, gm_node_get(json, "state"), type, width_in, a, &s->state, err);
    if (rc) return gm_err_ctx(err, rc, "reading the state of transform \"%s\"", name);
    s->width = s->transform->width ? s->transform->width(s->conf, s->state, width_in) : width_in;
    return s->width > 0 ? GM_OK : gm_err_set(err, GM_EINVALID, "transform \"%s\" gives no column", name);
}

static gm_rc read_source(const gm_node *json, gm_arena *a, gm_program *p, size_t *out, gm_err *err)
{
    const char *text = NULL;
    if (gm_node_get(json, "expression")) {
        gm_rc rc = text_of(json, "expression", &text, err);
        return rc ? rc : gm_program_add_expr(p, text, json->pos, a, out, err);
    }
    gm_rc rc = text_of(json, "column", &text, err);
    for (size_t i = 0; !rc && i < p->inputs_count; i++)
        if (strcmp(p->inputs[i].name, text) == 0) return gm_program_add_column(p, text, p->inputs[i].type, a, out, err);
    return rc ? rc : gm_err_set(err, GM_EINVALID, "column \"%.60s\" is not among the inputs", text);
}

static gm_rc read_feature(const gm_node *json, gm_arena *a, gm_program *p, gm_feature *f, gm_err *err)
{
    const gm_node *steps = NULL;
    gm_rc rc = text_of(json, "name", &f->name, err);
    if (!rc && !(f->name = gm_arena_strdup(a, f->name))) rc = out_of_memory(err);
    if (!rc) rc = read_source(json, a, p, &f->source, err);
    if (!rc) rc = list_of(json, "steps", STEPS_MAX, &steps, err);
    if (rc) return rc;
    if (!steps->count) return gm_err_set(err, GM_EINVALID, "feature \"%.60s\" has no transform", f->name);
    f->steps_count = steps->count;
    f->steps = GM_ARENA_ARRAY(a, gm_step, steps->count);
    if (!f->steps) return out_of_memory(err);
    int64_t width = 1;
    for (size_t k = 0; !rc && k < steps->count; k++) {
        rc = read_step(steps->items[k], k == 0, p->sources[f->source].type, width, a, &f->steps[k], err);
        if (rc) return gm_err_place(err, rc, steps->items[k]->pos);
        width = f->steps[k].width;
    }
    return GM_OK;
}

gm_rc gm_program_read(const gm_node *json, gm_arena *a, gm_program **out, gm_err *err)
{
    if (!json || json->kind != GM_NODE_MAP || strcmp(gm_node_str_or(json, "format", ""), format_name) != 0)
        return gm_err_at(err, json ? json->pos : (gm_pos){ 0 }, GM_EINVALID, "not a feature program");
    if (gm_node_int_or(json, "version", 0) != 1)
        return gm_err_at(err, json->pos, GM_EUNSUPPORTED, "feature program of version %s; this program reads version 1",
                         gm_node_str_or(json, "version", "0"));
    gm_program *p = GM_ARENA_NEW(a, gm_program);
    if (!p) return out_of_memory(err);
    const gm_node *list = NULL;
    gm_rc rc = read_inputs(json, a, p, err);
    if (!rc) rc = list_of(json, "features", FEATURES_MAX, &list, err);
    if (rc) return rc;
    p->features_count = list->count;
    p->features = GM_ARENA_ARRAY(a, gm_feature, list->count);
    if (!p->features) return out_of_memory(err);
    for (size_t i = 0; !rc && i < list->count; i++) {
        rc = read_feature(list->items[i], a, p, &p->features[i], err);
        if (rc) return gm_err_place(err, rc, list->items[i]->pos);
    }
    if (!list->count) return gm_err_at(err, list->pos, GM_EINVALID, "there are no features");
    rc = gm_program_finish(p, a, err);
    if (!rc) *out = p;
    return rc;
}
