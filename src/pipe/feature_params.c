/* feature_params.c - see feature_params.h. */
#include "pipe/feature_params.h"

#include <string.h>

/* One transform as written: a name, or a map of one name to its parameters. */
static void put_transform(const gm_node *n, gm_arena *a, gm_json *j, gm_errs *errs)
{
    bool map = n->kind == GM_NODE_MAP && n->count == 1;
    const char *name = n->kind == GM_NODE_SCALAR ? n->text : map ? n->keys[0] : NULL;
    gm_pos pos = map ? n->key_pos[0] : n->pos;
    const gm_item *item = NULL;
    gm_err err;
    if (!name) {
        gm_errs_at(errs, n->pos, GM_EINVALID,
                   "Write a name, a name with parameters ({ bin: { n_bins: 5 } }), or a list of these.", "expected a transform");
        return;
    }
    gm_rc rc = gm_registry_find(&gm_transforms, name, &item, &err);
    if (rc) {
        (void)gm_err_place(&err, rc, pos);
        gm_errs_add(errs, &err);
        return;
    }
    void *conf = gm_arena_alloc(a, 1, item->conf_size ? item->conf_size : 1);
    if (!conf || gm_params_read(item->params, map ? n->items[0] : NULL, NULL, a, conf, errs)) return;
    gm_json_object(j);
    gm_json_kstr(j, "name", name);
    if (map) {
        gm_json_key(j, "params");
        gm_node_json(n->items[0], j);
    }
    gm_json_object_end(j);
}

void gm_feature_params_json(const gm_spec *s, gm_json *j, gm_errs *errs)
{
    gm_json_array(j);
    for (size_t i = 0; i < s->uses_count; i++) {
        const gm_use_spec *u = &s->uses[i];
        gm_json_object(j);
        gm_json_kstr(j, "name", u->name);
        if (u->expr_text) gm_json_kstr(j, "expr", u->expr_text);
        gm_json_kstr(j, "kind", gm_kind_name(u->kind));
        if (u->transform) {
            gm_json_key(j, "transforms");
            gm_json_array(j);
            if (u->transform->kind == GM_NODE_SEQ)
                for (size_t k = 0; k < u->transform->count; k++) put_transform(u->transform->items[k], s->a, j, errs);
            else
                put_transform(u->transform, s->a, j, errs);
            gm_json_array_end(j);
        }
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static gm_kind kind_from_name(const char *name)
{
    for (int k = GM_KIND_NUMBER; k <= GM_KIND_EMPTY; k++)
        if (strcmp(gm_kind_name((gm_kind)k), name) == 0) return (gm_kind)k;
    return GM_KIND_UNKNOWN;
}

gm_rc gm_feature_params_read(const gm_node *list, bool linear, const gm_table *t, gm_arena *a, gm_feature_spec **out,
                             size_t *out_count, gm_err *err)
{
    size_t count = list ? list->count : 0;
    gm_feature_spec *specs = GM_ARENA_ARRAY(a, gm_feature_spec, count);
    gm_expr_host host = gm_expr_table_host(t);
    if (!specs) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu features", count);
    for (size_t i = 0; i < count; i++) {
        const gm_node *n = list->items[i], *transforms = gm_node_get(n, "transforms");
        gm_feature_spec *s = &specs[i];
        gm_errs errs = { .arena = a };
        *s = (gm_feature_spec){ .name = gm_node_str_or(n, "name", ""),
                                .kind = kind_from_name(gm_node_str_or(n, "kind", "")),
                                .for_linear = linear };
        const char *text = gm_node_str_or(n, "expr", NULL);
        if (text && (gm_expr_parse(text, (gm_pos){ 0 }, a, &s->expr, &errs) ||
                     gm_expr_check(s->expr, &host, GM_TYPE_UNKNOWN, a, &errs))) {
            if (errs.count) *err = errs.items[0];
            return gm_err_ctx(err, GM_EINVALID, "reading feature \"%s\"", s->name);
        }
        s->transforms_count = transforms ? transforms->count : 0;
        s->transforms = transforms ? GM_ARENA_ARRAY(a, const char *, transforms->count) : NULL;
        s->params = transforms ? GM_ARENA_ARRAY(a, const gm_node *, transforms->count) : NULL;
        for (size_t k = 0; s->transforms && s->params && k < transforms->count; k++) {
            s->transforms[k] = gm_node_str_or(transforms->items[k], "name", "");
            s->params[k] = gm_node_get(transforms->items[k], "params");
        }
    }
    *out = specs;
    *out_count = count;
    return GM_OK;
}
