/* explain.c - the full file that a short one stands for, as YAML that can be run, each choice with its reason. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "pipe/spec.h"

/* A scalar as YAML: quoted when a reader could take it for something else. */
static void scalar(gm_buf *out, const char *text)
{
    static const char *const words[] = { "true", "false", "null", "yes", "no", "on", "off", "y", "n", "~" };
    bool plain = text[0] && !strchr("'\"[]{}>|*&!%@`-?:,# ", text[0]) && !isdigit((unsigned char)text[0]) && text[0] != '.' &&
                 text[0] != '+';
    plain = plain && !strstr(text, ": ") && !strstr(text, " #") && !strpbrk(text, "\n\t,[]{}") && text[strlen(text) - 1] != ' ' &&
            text[strlen(text) - 1] != ':';
    for (size_t i = 0; plain && i < sizeof(words) / sizeof(words[0]); i++) plain = strcasecmp(text, words[i]) != 0;
    if (plain) {
        gm_buf_text(out, text);
        return;
    }
    if (strpbrk(text, "\n\t\r")) { /* single quotes would fold them; JSON's escapes are YAML's */
        gm_json j;
        gm_json_init(&j, out, false);
        gm_json_str(&j, text);
        return;
    }
    gm_buf_char(out, '\'');
    for (const char *c = text; *c; c++) {
        if (*c == '\'') gm_buf_char(out, '\'');
        gm_buf_char(out, *c);
    }
    gm_buf_char(out, '\'');
}

static void list(gm_buf *out, const char *const *items, size_t count)
{
    gm_buf_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i) gm_buf_text(out, ", ");
        scalar(out, items[i]);
    }
    gm_buf_char(out, ']');
}

/* A node in flow style on one line. */
static void flow(gm_buf *out, const gm_node *n)
{
    if (n->kind == GM_NODE_SCALAR) {
        double number = 0; /* numbers and expressions stay as they were written */
        if (!n->quoted && gm_node_double(n, &number, NULL) == GM_OK)
            gm_buf_text(out, n->text);
        else
            scalar(out, n->text);
        return;
    }
    gm_buf_text(out, n->kind == GM_NODE_SEQ ? "[" : "{ ");
    for (size_t i = 0; i < n->count; i++) {
        if (i) gm_buf_text(out, ", ");
        if (n->kind == GM_NODE_MAP) {
            scalar(out, n->keys[i]);
            gm_buf_text(out, ": ");
        }
        flow(out, n->items[i]);
    }
    gm_buf_text(out, n->kind == GM_NODE_SEQ ? "]" : " }");
}

/* Text inside a comment: on its one line. */
static void remark(gm_buf *out, const char *text)
{
    for (const char *c = text; *c; c++) gm_buf_char(out, *c == '\n' || *c == '\r' ? ' ' : *c);
}

static void comment(gm_buf *out, const char *reason)
{
    if (!reason || !reason[0]) return;
    gm_buf_text(out, "  # ");
    remark(out, reason);
}

static void data(const gm_spec *s, gm_buf *out)
{
    gm_buf_text(out, "data:\n");
    for (size_t i = 0; i < s->data_count; i++) {
        const gm_data_spec *d = &s->data[i];
        gm_buf_text(out, "  ");
        scalar(out, d->name);
        gm_buf_printf(out, ":");
        gm_buf_printf(out, "%*s# %" PRId64 " rows, %zu columns\n", 3, "", d->schema ? d->schema->rows : 0,
                      d->schema ? d->schema->count : (size_t)0);
        gm_buf_text(out, "    from: ");
        scalar(out, d->source.from);
        gm_buf_char(out, '\n');
        if (d->source.format) gm_buf_printf(out, "    format: %s\n", d->source.format);
        if (d->source.query) {
            gm_buf_text(out, "    query: ");
            scalar(out, d->source.query);
            gm_buf_char(out, '\n');
        }
        if (d->key.count) {
            gm_buf_text(out, "    key: ");
            list(out, d->key.items, d->key.count);
            gm_buf_char(out, '\n');
        }
        const char *time = d->time                                                              ? d->time
                           : d == s->primary && s->split.by && strcmp(s->split.by, "time") == 0 ? s->split.column
                                                                                                : NULL;
        if (time) {
            gm_buf_text(out, "    time: ");
            scalar(out, time);
            gm_buf_char(out, '\n');
        }
        if (d->personal.count) {
            gm_buf_text(out, "    personal: ");
            list(out, d->personal.items, d->personal.count);
            gm_buf_char(out, '\n');
        }
        if (d->checks && d->checks->count) gm_buf_text(out, "    checks:\n");
        for (size_t k = 0; d->checks && k < d->checks->count; k++) {
            gm_buf_text(out, "      - ");
            flow(out, d->checks->items[k]);
            gm_buf_char(out, '\n');
        }
    }
}

static void target(const gm_spec *s, gm_buf *out)
{
    gm_buf_text(out, "target: ");
    scalar(out, s->target_text);
    gm_buf_printf(out, "\ntask: %s", gm_task_name(s->task));
    comment(out, s->task_reason);
    if (s->classes_count) {
        gm_buf_text(out, "\n# classes: ");
        for (size_t i = 0; i < s->classes_count; i++) {
            if (i) gm_buf_text(out, ", ");
            remark(out, s->classes[i]);
        }
        if (s->task == GM_TASK_BINARY) {
            gm_buf_text(out, "; positive is \"");
            remark(out, s->classes[s->classes_count - 1]);
            gm_buf_char(out, '"');
        }
    }
    gm_buf_char(out, '\n');
}

/* What the transforms of a feature are where the file names none. */
static void default_transforms(const gm_use_spec *u, gm_buf *out)
{
    for (int linear = 0; linear < 2; linear++) {
        const char *const *names = NULL;
        size_t count = gm_feature_defaults(u->kind, u->distinct, linear != 0, &names, NULL);
        gm_buf_printf(out, "%s", linear ? "; linear: " : "trees: ");
        for (size_t i = 0; i < count; i++) gm_buf_printf(out, "%s%s", i ? ", " : "", names[i]);
    }
}

/* In the largest unit that gives a whole number. */
static void duration(gm_buf *out, double seconds)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = { { " days", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 0 } };
    size_t i = 0;
    while (units[i].seconds > 0 && fmod(seconds, units[i].seconds) != 0) i++;
    gm_buf_printf(out, ", within: %g%s", units[i].seconds > 0 ? seconds / units[i].seconds : seconds, units[i].name);
}

static void features(const gm_spec *s, gm_buf *out)
{
    gm_buf_text(out, "features:\n  of: ");
    scalar(out, s->primary->name);
    gm_buf_char(out, '\n');
    if (s->joins_count) gm_buf_text(out, "  join:\n");
    for (size_t i = 0; i < s->joins_count; i++) {
        gm_buf_text(out, "    ");
        scalar(out, s->joins[i].dataset);
        gm_buf_text(out, ": { by: ");
        list(out, s->joins[i].by.items, s->joins[i].by.count);
        if (s->joins[i].within_seconds > 0) duration(out, s->joins[i].within_seconds);
        gm_buf_text(out, " }\n");
    }
    if (s->adds_count) gm_buf_text(out, "  add:\n");
    for (size_t i = 0; i < s->adds_count; i++) {
        gm_buf_text(out, "    ");
        scalar(out, s->adds[i].name);
        gm_buf_text(out, ": ");
        scalar(out, s->adds[i].text);
        gm_buf_char(out, '\n');
    }
    gm_buf_text(out, "  use:\n");
    for (size_t i = 0; i < s->uses_count; i++) {
        gm_buf_text(out, "    - ");
        scalar(out, s->uses[i].name);
        gm_buf_printf(out, "  # %s; ", gm_kind_name(s->uses[i].kind));
        if (s->uses[i].transform)
            gm_buf_text(out, "transforms below");
        else
            default_transforms(&s->uses[i], out);
        if (s->uses[i].reason && s->uses[i].reason[0]) {
            gm_buf_text(out, " (");
            remark(out, s->uses[i].reason);
            gm_buf_char(out, ')');
        }
        gm_buf_char(out, '\n');
    }
    for (size_t i = 0; i < s->drops_count; i++) {
        gm_buf_text(out, "    # not ");
        remark(out, s->drops[i].name);
        gm_buf_text(out, ": ");
        remark(out, s->drops[i].reason);
        gm_buf_char(out, '\n');
    }
    if (s->transforms && s->transforms->count) gm_buf_text(out, "  transform:\n");
    for (size_t i = 0; s->transforms && i < s->transforms->count; i++) {
        gm_buf_text(out, "    ");
        scalar(out, s->transforms->keys[i]);
        gm_buf_text(out, ": ");
        flow(out, s->transforms->items[i]);
        gm_buf_char(out, '\n');
    }
}

static void train(const gm_spec *s, gm_buf *out)
{
    gm_buf_printf(out, "train:\n  split: { by: %s", s->split.by);
    if (s->split.column) {
        gm_buf_text(out, ", column: ");
        scalar(out, s->split.column);
    }
    gm_buf_printf(out, ", validation: %g%%, test: %g%% }", s->split.validation * 100, s->split.test * 100);
    comment(out, s->split.reason);
    gm_buf_text(out, "\n  try:\n");
    for (size_t i = 0; i < s->tries_count; i++) {
        gm_node *params = NULL;
        gm_buf_text(out, "    - ");
        scalar(out, s->tries[i].name);
        if (s->tries[i].params_json &&
            !gm_json_read(s->tries[i].params_json, strlen(s->tries[i].params_json), "params", s->a, &params, NULL) &&
            params->count) {
            gm_buf_text(out, ": ");
            flow(out, params);
        }
        gm_buf_char(out, '\n');
    }
    gm_buf_printf(out, "  search: %" PRId64 " trial%s\n  metric: %s", s->trials, s->trials == 1 ? "" : "s", s->metric);
    comment(out, s->metric_reason);
    gm_buf_printf(out, "\n  seed: %" PRId64 "\n  threads: %" PRId64 "\n", (int64_t)s->seed, s->threads);
}

void gm_spec_explain(const gm_spec *s, gm_buf *out)
{
    gm_buf_text(out, "pipeline: ");
    scalar(out, s->pipeline);
    gm_buf_char(out, '\n');
    if (s->data_count) data(s, out);
    if (s->target_text && s->task) {
        target(s, out);
        features(s, out);
        train(s, out);
        gm_buf_text(out, "gates:");
        comment(out, s->gates_inferred ? "none given: a new version must not be clearly worse than the champion" : NULL);
        gm_buf_char(out, '\n');
        for (size_t i = 0; i < s->gates_count; i++) {
            gm_buf_text(out, "  - ");
            scalar(out, s->gate_texts[i]);
            gm_buf_char(out, '\n');
        }
    }
    static const char *const kept[] = { "deploy", "monitor", "retrain", "steps", "govern", "keep" };
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        const gm_node *n = gm_node_get(s->root, kept[i]);
        if (!n) continue;
        gm_buf_printf(out, "%s: ", kept[i]);
        flow(out, n);
        gm_buf_char(out, '\n');
    }
}
