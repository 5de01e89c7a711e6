/* spec_deploy.c - the section `deploy`: how a new version comes out. See docs/formats/gristmill.md. */
#include <stdlib.h>
#include <string.h>

#include "pipe/sections.h"
#include "pipe/spec.h"
#include "store/release.h"

typedef struct deploy_conf {
    const char *to, *canary, *shadow;
    const char *rollback;
    gm_pos rollback_pos; /* of the expression: base/param.h */
    gm_strs sticky;
    int64_t requests;
} deploy_conf;

const gm_param gm_section_deploy[] = {
    { "to", GM_PARAM_STR, offsetof(deploy_conf, to), "local",
      "local: the registry, which servers follow; another target: the run also says which command writes its files", 0, 0,
      "local edge image kserve kubernetes sagemaker systemd vertex" },
    { "canary", GM_PARAM_STR, offsetof(deploy_conf, canary), "",
      "share of the requests that a new version answers, and for how long: 10% for 1h", 0, 0, NULL },
    { "shadow", GM_PARAM_STR, offsetof(deploy_conf, shadow), "",
      "share of the requests that are copied to it, and for how long: 20% for 1 day", 0, 0, NULL },
    { "rollback", GM_PARAM_EXPR, offsetof(deploy_conf, rollback), "",
      "condition that rolls it back, besides the tests; over error_rate, latency_ms_p99, score_shift, requests", 0, 0, NULL },
    { "sticky", GM_PARAM_STRS, offsetof(deploy_conf, sticky), "",
      "columns whose value ties a caller to an arm; the data set's key by default", 0, 0, NULL },
    { "requests", GM_PARAM_INT, offsetof(deploy_conf, requests), "1000",
      "requests it must have answered before it is promoted, or the condition judged", 1, 1e12, NULL },
    { 0 },
};

/* "10%", "10% for 1h" */
static void read_phrase(gm_spec *s, const char *key, const char *text, gm_pos pos, gm_errs *errs)
{
    static const gm_param share = { "share", GM_PARAM_DOUBLE, 0, NULL, "", 0.000001, 1, NULL };
    double part = 0, seconds = 0;
    gm_err err;
    const char *until = strstr(text, " for ");
    const char *first = until ? gm_arena_strndup(s->a, text, (size_t)(until - text)) : text;
    gm_rc rc = gm_param_parse(&share, first, s->a, &part, &err);
    if (!rc && until) rc = gm_duration_parse(until + 5, &seconds, &err);
    if (rc || (until && seconds <= 0)) {
        gm_errs_at(errs, pos, GM_EINVALID, "Write a share, and how long until it is promoted by itself: `10% for 1h`.",
                   "%s: expected a share and a time, found \"%.60s\"", key, text);
        return;
    }
    s->deploy.share = part;
    s->deploy.for_us = (int64_t)(seconds * 1e6);
}

static const char *joined(gm_arena *a, const gm_strs *names)
{
    const char *all = "";
    for (size_t i = 0; i < names->count; i++) all = gm_arena_printf(a, "%s%s%s", all, i ? " " : "", names->items[i]);
    return all;
}

void gm_spec_deploy_read(gm_spec *s, const gm_node *n, gm_errs *errs)
{
    deploy_conf c = { 0 };
    gm_expr *condition = NULL;
    if (!n) return;
    if (n->kind != GM_NODE_MAP) {
        gm_errs_at(errs, n->pos, GM_EINVALID, "Write `deploy: { canary: 10% for 1h }`.",
                   "deploy must be a map of keys and values");
        return;
    }
    if (gm_params_read(gm_section_deploy, n, NULL, s->a, &c, errs)) return;
    const char *key = c.canary[0] ? "canary" : "shadow", *phrase = c.canary[0] ? c.canary : c.shadow;
    const gm_node *at = gm_node_get(n, key);
    s->deploy = (gm_deploy_spec){
        .pos = n->pos, .to = c.to, .requests_min = c.requests, .rollback = c.rollback, .sticky = joined(s->a, &c.sticky)
    };
    s->deploy.mode = c.canary[0] ? GM_RELEASE_CANARY : c.shadow[0] ? GM_RELEASE_SHADOW : GM_RELEASE_NONE;
    s->deploy.sticky_node = gm_node_get(n, "sticky");
    s->deploy.node = n;
    if (c.canary[0] && c.shadow[0])
        gm_errs_at(errs, gm_node_get(n, "shadow")->pos, GM_EINVALID, "Take one of the two out.",
                   "a version is tried in one manner: canary or shadow");
    else if (s->deploy.mode)
        read_phrase(s, key, phrase, at ? at->pos : n->pos, errs);
    if (c.rollback[0]) (void)gm_release_condition(c.rollback, c.rollback_pos, s->a, &condition, errs);
    if (!s->deploy.mode && (c.rollback[0] || c.sticky.count))
        gm_errs_at(errs, n->pos, GM_EINVALID, "Add `canary: 10% for 1h`, or take `rollback` and `sticky` out.",
                   "without canary or shadow there is nothing that could be rolled back");
}

void gm_spec_deploy_check(const gm_spec *s, gm_errs *errs)
{
    const gm_node *n = s->deploy.sticky_node;
    size_t count = n ? (n->kind == GM_NODE_SEQ ? n->count : 1) : 0;
    if (!s->primary || !s->primary->schema) return;
    for (size_t i = 0; i < count; i++) {
        const gm_node *item = n->kind == GM_NODE_SEQ ? n->items[i] : n;
        const char *name = item->text;
        if (!name || gm_schema_find(s->primary->schema, name)) continue;
        gm_errs_at(errs, item->pos, GM_EINVALID, "Name columns of the data set that the model's rows come from.",
                   "sticky: no column \"%.60s\" in \"%s\"", name, s->primary->name);
    }
}
