/* channels_message.c - a message as it lies in the queue, and several as one. See channels.h. */
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "watch/channels.h"

void gm_message_id(const char *const *texts, size_t count, char *out)
{
    gm_digest d;
    gm_hasher *h = gm_hasher_new();
    out[0] = '\0';
    if (!h) return;
    for (size_t i = 0; i < count; i++) gm_hasher_text(h, texts[i]);
    gm_hasher_finish(h, &d);
    (void)snprintf(out, 33, "%.32s", d.hex);
}

gm_severity gm_severity_of(const char *name)
{
    for (int s = GM_SEVERITY_INFO; s < GM_SEVERITY_CRITICAL; s++)
        if (strcmp(name, gm_severity_name((gm_severity)s)) == 0) return (gm_severity)s;
    return GM_SEVERITY_CRITICAL;
}

gm_rc gm_message_read(const char *json, gm_arena *a, gm_message *out, gm_err *err)
{
    gm_node *n = NULL;
    gm_rc rc = gm_json_read(json, strlen(json), "", a, &n, err);
    if (rc || !gm_node_get(n, "id") || !gm_node_get(n, "text"))
        return gm_err_set(err, GM_ECORRUPT, "a message of the queue cannot be read");
    *out = (gm_message){ .id = gm_node_str_or(n, "id", ""),
                         .kind = gm_node_str_or(n, "kind", ""),
                         .severity = gm_severity_of(gm_node_str_or(n, "severity", "critical")),
                         .began_severity = gm_severity_of(gm_node_str_or(n, "severity", "critical")),
                         .model = gm_node_str_or(n, "model", ""),
                         .rule = gm_node_str_or(n, "rule", ""),
                         .title = gm_node_str_or(n, "title", ""),
                         .text = gm_node_str_or(n, "text", ""),
                         .json = json,
                         .began_us = gm_node_int_or(n, "began_us", 0),
                         .at_us = gm_node_int_or(n, "at_us", 0) };
    return GM_OK;
}

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to put messages together");
}

static const char *kept(gm_buf *b, gm_arena *a)
{
    const char *out = b->failed ? NULL : gm_arena_strdup(a, gm_buf_str(b));
    gm_buf_clear(b);
    return out;
}

static const char *texts_of(const gm_message *parts, size_t count, gm_arena *a)
{
    gm_buf b = { 0 };
    for (size_t i = 0; i < count; i++) gm_buf_printf(&b, "%s%s\n%s", i ? "\n" : "", parts[i].title, parts[i].text);
    return kept(&b, a);
}

static const char *title_of(const gm_message *parts, size_t count, gm_arena *a)
{
    size_t over = 0;
    bool one_model = true;
    for (size_t i = 0; i < count; i++) {
        over += strcmp(parts[i].kind, "resolved") == 0;
        one_model = one_model && strcmp(parts[i].model, parts[0].model) == 0;
    }
    const char *of = one_model ? parts[0].model : "several models";
    if (over == count) return gm_arena_printf(a, "%s: %zu alerts are over", of, count);
    if (over) return gm_arena_printf(a, "%s: %zu alerts, %zu are over", of, count - over, over);
    return gm_arena_printf(a, "%s: %zu alerts", of, count);
}

static const char *json_of(const gm_message *m, gm_arena *a)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "id", m->id);
    gm_json_kstr(&j, "kind", m->kind);
    gm_json_kstr(&j, "severity", gm_severity_name(m->severity));
    gm_json_kstr(&j, "title", m->title);
    gm_json_kstr(&j, "text", m->text);
    gm_json_kint(&j, "began_us", m->began_us);
    gm_json_kint(&j, "at_us", m->at_us);
    gm_json_key(&j, "messages");
    gm_json_array(&j);
    for (size_t i = 0; i < m->parts_count; i++) gm_json_raw(&j, m->parts[i].json);
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    return kept(&b, a);
}

gm_rc gm_message_group(const gm_message *parts, size_t count, gm_arena *a, gm_message *out, gm_err *err)
{
    gm_assert(count > 0);
    if (count == 1) {
        *out = parts[0];
        return GM_OK;
    }
    char id[33];
    const char **ids = GM_ARENA_ARRAY(a, const char *, count);
    if (!ids) return no_memory(err);
    gm_message m = { .kind = "group",
                     .model = parts[0].model,
                     .rule = "",
                     .began_us = parts[0].began_us,
                     .at_us = parts[count - 1].at_us,
                     .parts = parts,
                     .parts_count = count };
    for (size_t i = 0; i < count; i++) {
        ids[i] = parts[i].id;
        if (parts[i].severity > m.severity) m.severity = parts[i].severity;
        if (parts[i].began_us < m.began_us) m.began_us = parts[i].began_us;
    }
    gm_message_id(ids, count, id);
    m.id = gm_arena_strdup(a, id);
    m.title = title_of(parts, count, a);
    m.text = texts_of(parts, count, a);
    if (!m.id || !m.title || !m.text) return no_memory(err);
    m.json = json_of(&m, a);
    if (!m.json) return no_memory(err);
    *out = m;
    return GM_OK;
}
