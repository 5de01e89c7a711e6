/* fuzz_alerts.c - any YAML is a section `alert`, or errors that have a place. What is read can be used: rules step over windows,
 * their messages read back as they were, one line each in the title; channels keep their parameters. Nothing is sent. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "watch/alerts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const gm_alert_rule *rule, const gm_alert_state *state, const gm_window_result *w, gm_arena *a)
{
    gm_message m, back;
    gm_err err = { 0 };
    gm_assert(gm_alert_message(rule, state, GM_ALERT_BEGAN, w, 1, "m", "m/1", "gristmill.yaml", 7, a, &m, &err) == GM_OK);
    for (const char *c = m.title; *c; c++) gm_assert((unsigned char)*c >= ' ' && *c != 0x7f);
    gm_assert(strlen(m.id) == 32 && strspn(m.id, "0123456789abcdef") == 32);
    gm_assert(gm_message_read(m.json, a, &back, &err) == GM_OK);
    gm_assert(strcmp(back.id, m.id) == 0 && back.severity == m.severity && back.began_us == m.began_us && back.at_us == 7);
    gm_message parts[] = { m, back }, group;
    gm_assert(gm_message_group(parts, 2, a, &group, &err) == GM_OK);
    gm_assert(gm_message_read(group.json, a, &back, &err) == GM_OK && strcmp(back.kind, "group") == 0);
}

static void check_rule(const gm_alert_rule *rule, const gm_alerts_spec *spec, gm_arena *a)
{
    gm_err err = { 0 };
    gm_alert_state state = { 0 };
    gm_alert_change change;
    gm_assert(rule->when && rule->name && rule->k >= 1 && rule->k <= rule->n && rule->n <= GM_ALERT_WINDOWS_MAX);
    for (int i = 0; i < 3; i++) {
        double v = i == 0 ? NAN : (double)i;
        gm_interval interval = { v, v, v, "" };
        gm_window_result w = { .from_us = i,
                               .until_us = i + 1,
                               .rows = i,
                               .judged = i > 0,
                               .reference_metric = v,
                               .realised = interval,
                               .estimated = interval,
                               .decay = v,
                               .decay_estimated = v,
                               .metric = "",
                               .requests = v,
                               .error_rate = v,
                               .latency_ms_p99 = v,
                               .drifted_share = v,
                               .domain = { .auc = v },
                               .drifted = i > 1,
                               .decayed = i > 1 };
        gm_assert(gm_alert_step(rule, spec, &w, 5 + i, &state, &change, &err) == GM_OK);
        gm_assert(state.firing == (change == GM_ALERT_BEGAN || change == GM_ALERT_LASTS || change == GM_ALERT_REPEAT));
        check_message(rule, &state, &w, a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gm_arena *a = gm_arena_new(256 << 20);
    gm_errs errs = { .arena = a };
    gm_alerts_spec spec;
    gm_node *root = NULL;
    gm_err err = { 0 };
    if (!a) abort();
    if (gm_yaml_read((const char *)data, size, "input", a, &root, &err) == GM_OK) {
        if (gm_alerts_read(root, NULL, 0, a, &spec, &errs)) {
            gm_assert(errs.count > 0);
            for (size_t i = 0; i < errs.count; i++)
                gm_assert(errs.items[i].line > 0 && errs.items[i].col > 0 && errs.items[i].message[0]);
        } else {
            gm_assert(gm_errs_total(&errs) == 0);
            for (size_t i = 0; i < spec.rules_count && i < 20; i++) check_rule(&spec.rules[i], &spec, a);
            for (size_t i = 0; i < spec.channels_count; i++)
                gm_assert(spec.channels[i].name[0] &&
                          (gm_channel_again_us(&spec.channels[i]) > 0) == (strcmp(spec.channels[i].kind, "alertmanager") == 0));
        }
    }
    gm_arena_free(a);
    return 0;
}
