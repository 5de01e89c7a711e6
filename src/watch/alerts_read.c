/* alerts_read.c - the section `alert` as written: rules, channels, grouping, repetition, and every mistake in them. See
 * channels.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/alerts.h"

typedef struct alert_conf {
    const gm_node *rules, *send;
    double group, repeat; /* seconds */
} alert_conf;

const gm_param gm_section_alert[] = {
    { "rules", GM_PARAM_NODE, offsetof(alert_conf, rules), "",
      "conditions over a window's signals: a list of texts or of maps { when, name, for, severity }", 0, 0, NULL },
    { "send", GM_PARAM_NODE, offsetof(alert_conf, send), "", "channels: a list of `webhook: https://...` and the like", 0, 0,
      NULL },
    { "group", GM_PARAM_DURATION, offsetof(alert_conf, group), "0s",
      "alerts within so long leave as one message; 0s = each at once", 0, 0, NULL },
    { "repeat", GM_PARAM_DURATION, offsetof(alert_conf, repeat), "0s", "said again while it lasts; 0s = never", 0, 0, NULL },
    { 0 },
};

typedef struct rule_conf {
    const char *when;
    gm_pos when_pos; /* of the expression: base/param.h */
    const char *name, *span, *severity;
} rule_conf;

const gm_param gm_section_alert_rule[] = {
    { "when", GM_PARAM_EXPR, offsetof(rule_conf, when), NULL,
      "condition over a window's signals: drifted_columns >= 3; or drift, decay", 0, 0, NULL },
    { "name", GM_PARAM_STR, offsetof(rule_conf, name), "", "how messages and silences call it; the condition when none is given",
      0, 0, NULL },
    { "for", GM_PARAM_STR, offsetof(rule_conf, span), "1 of 1", "in how many of the last windows it must hold: 2 of 3", 0, 0,
      NULL },
    { "severity", GM_PARAM_STR, offsetof(rule_conf, severity), "warning", "info, warning or critical", 0, 0,
      "info warning critical" },
    { 0 },
};

typedef struct reader {
    const char *const *columns; /* [columns_count] */
    size_t columns_count;
    gm_arena *a;
    gm_errs *errs;
} reader;

static void no_memory(reader *r, gm_pos at)
{
    gm_errs_at(r->errs, at, GM_ENOMEM, NULL, "not enough memory to read the alerts");
}

/* ---- rules ---------------------------------------------------------------------------------------------------------------- */

/* `drift` and `decay` are the window's own verdicts, as in `retrain`. */
static const char *verdict(const char *text)
{
    return strcmp(text, "drift") == 0 ? "drifted" : strcmp(text, "decay") == 0 ? "decayed" : text;
}

/* "2 of 3" */
static bool read_span(const char *text, int64_t *k, int64_t *n)
{
    long first = 0, second = 0;
    int end = 0;
    if (sscanf(text, "%4ld of %4ld%n", &first, &second, &end) != 2 || text[end]) return false;
    *k = first;
    *n = second;
    return first >= 1 && second >= first && second <= GM_ALERT_WINDOWS_MAX;
}

static gm_severity severity_of(const char *name)
{
    for (int s = GM_SEVERITY_INFO; s <= GM_SEVERITY_CRITICAL; s++)
        if (strcmp(name, gm_severity_name((gm_severity)s)) == 0) return (gm_severity)s;
    return GM_SEVERITY_WARNING;
}

/* Names end up in one-line titles and as labels elsewhere. */
static void check_name(reader *r, const gm_alert_rule *rule, gm_pos at, const gm_alert_rule *earlier, size_t count)
{
    if (strlen(rule->name) > 120)
        gm_errs_at(r->errs, at, GM_EINVALID, "Give it a short `name:`.", "the name of an alert rule has more than 120 bytes");
    for (const char *c = rule->name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            gm_errs_at(r->errs, at, GM_EINVALID, "Write it on one line.", "the name of an alert rule has a control character");
            return;
        }
    for (size_t i = 0; i < count; i++)
        if (earlier[i].name && strcmp(earlier[i].name, rule->name) == 0) {
            gm_errs_at(r->errs, at, GM_EINVALID, "Give one of them another `name:`.", "two alert rules are called \"%.60s\"",
                       rule->name);
            return;
        }
}

static void read_rule(reader *r, const gm_node *n, gm_alert_rule *out, const gm_alert_rule *earlier, size_t count)
{
    rule_conf c = { .name = "", .span = "1 of 1", .severity = "warning", .when_pos = n->pos };
    const gm_node *span = gm_node_get(n, "for"), *name = gm_node_get(n, "name");
    if (n->kind == GM_NODE_SEQ || (n->kind == GM_NODE_SCALAR && !n->text[0])) {
        gm_errs_at(r->errs, n->pos, GM_EINVALID,
                   "Write `- decay > 0.02` or `- { when: decay > 0.02, for: 2 of 3, severity: critical }`.",
                   "an alert rule is a condition or a map");
        return;
    }
    if (n->kind == GM_NODE_SCALAR)
        c.when = n->text;
    else if (gm_params_read(gm_section_alert_rule, n, NULL, r->a, &c, r->errs))
        return;
    *out = (gm_alert_rule){
        .name = c.name[0] ? c.name : c.when, .text = c.when, .k = 1, .n = 1, .severity = severity_of(c.severity), .pos = n->pos
    };
    if (!read_span(c.span, &out->k, &out->n))
        gm_errs_at(r->errs, span ? span->pos : n->pos, GM_EINVALID,
                   "Write `for: 2 of 3`: it fires when 2 of the last 3 windows hold; at most 60.",
                   "for: expected `k of n` windows, found \"%.60s\"", c.span);
    check_name(r, out, name ? name->pos : n->pos, earlier, count);
    (void)gm_signal_check(verdict(c.when), c.when_pos, r->columns, r->columns_count, r->a, &out->when, r->errs);
}

static void read_rules(reader *r, const gm_node *list, gm_alerts_spec *out)
{
    if (list->kind != GM_NODE_SEQ) {
        gm_errs_at(r->errs, list->pos, GM_EINVALID, "Write `rules: [drift, \"decay > 0.02\"]`.",
                   "rules must be a list of conditions");
        return;
    }
    out->rules = GM_ARENA_ARRAY(r->a, gm_alert_rule, list->count);
    if (!out->rules) {
        no_memory(r, list->pos);
        return;
    }
    for (size_t i = 0; i < list->count; i++) read_rule(r, list->items[i], &out->rules[i], out->rules, i);
    out->rules_count = list->count;
}

static void default_rules(reader *r, gm_alerts_spec *out)
{
    static const struct {
        const char *name, *when;
        gm_severity severity;
    } all[] = { { "drift", "drifted", GM_SEVERITY_WARNING },
                { "decay", "decayed", GM_SEVERITY_CRITICAL },
                { "failed checks", "failed_checks > 0", GM_SEVERITY_WARNING } };
    enum { COUNT = sizeof(all) / sizeof(all[0]) };
    out->rules = GM_ARENA_ARRAY(r->a, gm_alert_rule, COUNT);
    if (!out->rules) {
        no_memory(r, (gm_pos){ 0 });
        return;
    }
    for (size_t i = 0; i < COUNT; i++) {
        out->rules[i] = (gm_alert_rule){ .name = all[i].name, .text = all[i].when, .k = 1, .n = 1, .severity = all[i].severity };
        (void)gm_signal_check(all[i].when, (gm_pos){ 0 }, NULL, 0, r->a, &out->rules[i].when, r->errs);
    }
    out->rules_count = COUNT;
}

/* ---- channels ------------------------------------------------------------------------------------------------------------- */

/* A path of the file's is looked for beside the file: "file:key" (a secret) with prefix "file:", "ca.pem" with prefix "". */
static const char *beside(reader *r, const char *text, const char *prefix, const char *file)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    size_t len = strlen(prefix);
    if (!text[0] || strncmp(text, prefix, len) != 0 || text[len] == '/' || !slash) return text;
    const char *moved = gm_arena_printf(r->a, "%s%.*s/%s", prefix, (int)(slash - file), file, text + len);
    return moved ? moved : text;
}

/* A program with a slash in its name; others are looked for in PATH. */
static void place_program(reader *r, gm_strs *run, const char *file)
{
    if (!run->count || !strchr(run->items[0], '/')) return;
    const char **items = GM_ARENA_ARRAY(r->a, const char *, run->count);
    if (!items) return;
    for (size_t i = 0; i < run->count; i++) items[i] = run->items[i];
    items[0] = beside(r, items[0], "", file);
    run->items = items;
}

static void place_files(reader *r, const gm_param *params, void *conf, const char *file)
{
    for (const gm_param *p = params; p && p->type != GM_PARAM_END; p++) {
        void *at = (char *)conf + p->offset;
        if (p->type == GM_PARAM_STRS && strcmp(p->name, "run") == 0) place_program(r, at, file);
        const char **text = at;
        if (p->type == GM_PARAM_STR && *text)
            *text = beside(r, *text, strcmp(p->name, "ca") == 0 && !gm_secret_is_source(*text) ? "" : "file:", file);
    }
}

/* "webhook", "webhook-2" ...: messages in the queue find their channel by it. */
static const char *channel_name(reader *r, const char *kind, const gm_channel_spec *earlier, size_t count)
{
    size_t same = 1;
    for (size_t i = 0; i < count; i++) same += earlier[i].kind && strcmp(earlier[i].kind, kind) == 0;
    return same == 1 ? kind : gm_arena_printf(r->a, "%s-%zu", kind, same);
}

/* As a map that is read again at each send: durations as text with their unit. */
static void print_params(const gm_param *params, const void *conf, gm_json *j)
{
    char seconds[48];
    gm_json_object(j);
    for (const gm_param *p = params; p->type != GM_PARAM_END; p++) {
        if (p->type != GM_PARAM_DURATION) {
            gm_params_json((const gm_param[]){ *p, { 0 } }, conf, j);
            continue;
        }
        (void)snprintf(seconds, sizeof(seconds), "%.17gs", *(const double *)(const void *)((const char *)conf + p->offset));
        gm_json_kstr(j, p->name, seconds);
    }
    gm_json_object_end(j);
}

static void read_channel(reader *r, const gm_node *n, gm_channel_spec *out, const gm_channel_spec *earlier, size_t count)
{
    const gm_item *item = NULL;
    gm_err err;
    if (n->kind != GM_NODE_MAP || n->count != 1) {
        gm_errs_at(r->errs, n->pos, GM_EINVALID, "Write `- webhook: https://example.com/hook`, one channel in each entry.",
                   "a channel is a map with one key, its kind");
        return;
    }
    if (gm_registry_find(&gm_channels, n->keys[0], &item, &err)) {
        gm_errs_add_at(r->errs, &err, n->key_pos[0]);
        return;
    }
    const gm_channel *channel = (const gm_channel *)item;
    const gm_node *value = n->items[0], *map = value->kind == GM_NODE_MAP ? value : NULL;
    gm_node alone = { .kind = GM_NODE_MAP,
                      .pos = value->pos,
                      .count = 1,
                      .keys = (const char *[]){ item->params[0].name },
                      .key_pos = (gm_pos[]){ value->pos },
                      .items = (gm_node *[]){ n->items[0] } };
    void *conf = gm_arena_alloc(r->a, 1, item->conf_size);
    gm_buf b = { 0 };
    gm_json j;
    if (!conf) {
        no_memory(r, n->pos);
        return;
    }
    if (value->kind == GM_NODE_SCALAR && !value->text[0]) {
        gm_errs_at(r->errs, value->pos, GM_EINVALID, NULL, "%s: expected %s, found nothing", item->name, item->params[0].help);
        return;
    }
    if (gm_params_read(item->params, map ? map : &alone, NULL, r->a, conf, r->errs)) return;
    place_files(r, item->params, conf, n->pos.file);
    if (channel->check) channel->check(conf, map, value->pos, r->errs);
    gm_json_init(&j, &b, false);
    print_params(item->params, conf, &j);
    *out = (gm_channel_spec){ .kind = item->name,
                              .name = channel_name(r, item->name, earlier, count),
                              .params_json = gm_arena_strdup(r->a, gm_buf_str(&b)),
                              .pos = n->pos };
    if (b.failed || !out->name || !out->params_json) no_memory(r, n->pos);
    gm_buf_clear(&b);
}

static void read_channels(reader *r, const gm_node *list, gm_alerts_spec *out)
{
    if (list->kind != GM_NODE_SEQ) {
        gm_errs_at(r->errs, list->pos, GM_EINVALID, "Write `[webhook: https://example.com/hook]`.",
                   "channels must be a list, found %s", list->kind == GM_NODE_MAP ? "a map" : "a text");
        return;
    }
    out->channels = GM_ARENA_ARRAY(r->a, gm_channel_spec, list->count);
    if (!out->channels) {
        no_memory(r, list->pos);
        return;
    }
    for (size_t i = 0; i < list->count; i++) read_channel(r, list->items[i], &out->channels[i], out->channels, i);
    out->channels_count = list->count;
}

gm_rc gm_alerts_read(const gm_node *node, const char *const *columns, size_t columns_count, gm_arena *a, gm_alerts_spec *out,
                     gm_errs *errs)
{
    reader r = { columns, columns_count, a, errs };
    size_t before = gm_errs_total(errs);
    alert_conf c = { 0 };
    const gm_item *item = NULL;
    *out = (gm_alerts_spec){ 0 };
    if (node && node->kind == GM_NODE_SEQ) {
        c.send = node;
    } else if (node && node->kind == GM_NODE_MAP && node->count == 1 &&
               gm_registry_find(&gm_channels, node->keys[0], &item, NULL) == GM_OK) {
        gm_errs_at(errs, node->pos, GM_EINVALID, "Write it as a list: `alert: [webhook: https://example.com/hook]`.",
                   "channels must be a list, found a map");
        return GM_EINVALID;
    } else if (node && node->kind == GM_NODE_SCALAR) {
        gm_errs_at(errs, node->pos, GM_EINVALID,
                   "Write `alert: [webhook: https://example.com/hook]` or a map of rules, send, group, repeat.",
                   "alert must be a list of channels or a map");
        return GM_EINVALID;
    } else if (gm_params_read(gm_section_alert, node, NULL, a, &c, errs)) {
        return GM_EINVALID;
    }
    out->group_us = (int64_t)(c.group * 1e6);
    out->repeat_us = (int64_t)(c.repeat * 1e6);
    if (c.rules)
        read_rules(&r, c.rules, out);
    else
        default_rules(&r, out);
    if (c.send) read_channels(&r, c.send, out);
    return gm_errs_since(errs, before);
}
