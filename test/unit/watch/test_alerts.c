/* test_alerts.c - rules as written and their mistakes; k of n, repeats, recoveries; what a message says; ids; groups; secrets. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/fs.h"
#include "harness/harness.h"
#include "watch/alerts.h"

static gm_arena *a;
static gm_err err;
static gm_errs errs;

enum { DAY = 86400 };

static gm_rc read_yaml(const char *text, gm_alerts_spec *out)
{
    gm_node *root = NULL;
    a = gm_harness_arena();
    errs = (gm_errs){ .arena = a };
    CHECK_OK(gm_yaml_read(text, strlen(text), "dir/gristmill.yaml", a, &root, &err), &err);
    return gm_alerts_read(gm_node_get(root, "alert"), (const char *[]){ "temp", "dest" }, 2, a, out, &errs);
}

/* A judged window, day by day from 2013-04-01 on. */
static gm_window_result window(int day, bool drifted)
{
    const int64_t first_us = 15796 * (int64_t)DAY * 1000000;
    gm_window_result w = { .from_us = first_us + day * (int64_t)DAY * 1000000,
                           .rows = 900,
                           .judged = true,
                           .drifted = drifted,
                           .drifted_columns = drifted };
    w.until_us = w.from_us + (int64_t)DAY * 1000000;
    w.decay = w.decay_estimated = w.error_rate = w.latency_ms_p99 = w.requests = w.reference_metric = NAN;
    w.realised = w.estimated = (gm_interval){ NAN, NAN, NAN, "" };
    w.domain.auc = w.drifted_share = NAN;
    w.metric = "roc_auc";
    return w;
}

static gm_alert_change step(const gm_alerts_spec *spec, size_t rule, const gm_window_result *w, int64_t now_us,
                            gm_alert_state *state)
{
    gm_alert_change change = GM_ALERT_NONE;
    CHECK_OK(gm_alert_step(&spec->rules[rule], spec, w, now_us, state, &change, &err), &err);
    return change;
}

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

static void without_rules_there_are_three(void)
{
    gm_alerts_spec spec;
    CHECK_OK(read_yaml("alert: [webhook: https://example.com/hook]\n", &spec), &err);
    CHECK(spec.rules_count == 3 && spec.channels_count == 1 && spec.group_us == 0 && spec.repeat_us == 0);
    CHECK_STR(spec.rules[0].name, "drift");
    CHECK(spec.rules[0].severity == GM_SEVERITY_WARNING && spec.rules[0].k == 1 && spec.rules[0].n == 1);
    CHECK_STR(spec.rules[1].name, "decay");
    CHECK(spec.rules[1].severity == GM_SEVERITY_CRITICAL);
    CHECK_STR(spec.rules[2].name, "failed checks");
    CHECK_STR(spec.channels[0].kind, "webhook");
    CHECK_HAS(spec.channels[0].params_json, "https://example.com/hook");
    CHECK_OK(gm_alerts_read(NULL, NULL, 0, a, &spec, &errs), &err);
    CHECK(spec.rules_count == 3 && spec.channels_count == 0);
}

static void the_whole_section_is_read(void)
{
    gm_alerts_spec spec;
    CHECK_OK(read_yaml("alert:\n"
                       "  rules:\n"
                       "    - { when: decay > 0.02, name: worse, for: 2 of 3, severity: critical }\n"
                       "    - drifted_columns >= 3\n"
                       "    - drift\n"
                       "    - drift.temp > 0.5\n"
                       "  send:\n"
                       "    - webhook: { url: env:HOOK, secret: file:key }\n"
                       "    - webhook: https://example.com/2\n"
                       "    - email: { to: [a@example.com, b@example.com], smtp: smtp://mail.example.com:587, user: me, "
                       "password: env:PW, ca: ca.pem }\n"
                       "    - alertmanager: { url: http://am:9093, resend: 2m }\n"
                       "    - command: [./page.sh, ml-team]\n"
                       "    - slack: env:SLACK\n"
                       "  group: 5m\n"
                       "  repeat: 4h\n",
                       &spec),
             errs.count ? &errs.items[0] : &err);
    CHECK(spec.rules_count == 4 && spec.channels_count == 6);
    CHECK(spec.group_us == 300000000 && spec.repeat_us == 14400000000);
    CHECK_STR(spec.rules[0].name, "worse");
    CHECK_STR(spec.rules[0].text, "decay > 0.02");
    CHECK(spec.rules[0].k == 2 && spec.rules[0].n == 3 && spec.rules[0].severity == GM_SEVERITY_CRITICAL);
    CHECK_STR(spec.rules[1].name, "drifted_columns >= 3");
    CHECK_STR(spec.channels[0].name, "webhook");
    CHECK_STR(spec.channels[1].name, "webhook-2");
    CHECK_HAS(spec.channels[0].params_json, "file:dir/key"); /* beside the pipeline file */
    CHECK_HAS(spec.channels[2].params_json, "\"dir/ca.pem\"");
    CHECK_STR(spec.channels[4].name, "command");
    CHECK_HAS(spec.channels[4].params_json, "[\"dir/./page.sh\",\"ml-team\"]");
    CHECK(gm_channel_again_us(&spec.channels[3]) == 120000000);
    CHECK(gm_channel_again_us(&spec.channels[0]) == 0);
}

static void every_mistake_has_its_place_and_a_hint(void)
{
    static const struct {
        const char *yaml, *message, *hint;
        uint32_t line;
    } all[] = {
        { "alert: https://example.com\n", "list of channels or a map", "alert: [webhook", 1 },
        { "alert: { webhook: https://example.com }\n", "must be a list", "alert: [webhook", 1 },
        { "alert: { ruls: [drift] }\n", "unrecognized key \"ruls\"", "rules", 1 },
        { "alert:\n  - webhok: https://example.com\n", "unrecognized channel \"webhok\"", "webhook", 2 },
        { "alert:\n  - webhook\n", "one key, its kind", "webhook: https", 2 },
        { "alert:\n  - webhook: ftp://example.com\n", "does not begin with https:// or http://", "https://HOST", 2 },
        { "alert:\n  - webhook: https://\n", "names no host", "HOST", 2 },
        { "alert:\n  - webhook: 'https://a b'\n", "space or a control", "HOST", 2 },
        { "alert:\n  - webhook: https://me:s3cr3t@x.example/a@b\n", "user or a password in it", "env:NAME", 2 },
        { "alert:\n  - email: { to: a@example.com, smtp: 'smtp://me:s3cr3t@mail' }\n", "user or a password in it", "env:NAME",
          2 },
        { "alert:\n  - webhook: { url: https://x.example, secret: s3cr3t }\n", "secret stands in the file", "env:NAME", 2 },
        { "alert:\n  - webhook: { secret: env:S }\n", "missing key \"url\"", "", 2 },
        { "alert:\n  - email: { to: nobody }\n", "\"nobody\" is not an address", "name@example.com", 2 },
        { "alert:\n  - email: { to: a@example.com, from: 'x@y>,z' }\n", "is not an address", "name@example.com", 2 },
        { "alert:\n  - email: { to: a@example.com, password: env:P, tls: none }\n", "anybody on the way", "Take", 2 },
        { "alert:\n  - email: { to: a@example.com, tls: maybe }\n", "unrecognized tls", "auto required none", 2 },
        { "alert:\n  - alertmanager: { url: http://am, resend: 1h, keep: 1h }\n", "before an alert is sent again", "twice", 2 },
        { "alert:\n  - command: page.sh ml-team\n", "space in it", "list", 2 },
        { "alert:\n  rules: [decay]\n  group: soon\n", "expected a duration", "30m", 3 },
        { "alert:\n  rules:\n    - decay > \n", "", "", 3 },
        { "alert:\n  rules:\n    - decy > 0.1\n", "decy", "decay", 3 },
        { "alert:\n  rules:\n    - drift.tmp > 0.1\n", "drift.tmp", "drift.temp", 3 },
        { "alert:\n  rules:\n    - decay + 1\n", "", "", 3 },
        { "alert:\n  rules:\n    - { when: drift, for: 4 of 3 }\n", "expected `k of n`", "2 of 3", 3 },
        { "alert:\n  rules:\n    - { when: drift, for: 1 of 61 }\n", "expected `k of n`", "60", 3 },
        { "alert:\n  rules:\n    - { when: drift, severity: bad }\n", "unrecognized severity", "critical", 3 },
        { "alert:\n  rules:\n    - drift\n    - { when: decay, name: drift }\n", "two alert rules are called \"drift\"", "name",
          4 },
        { "alert:\n  rules: drift\n", "list of conditions", "rules: [", 2 },
        { "alert:\n  send: webhook\n", "channels must be a list", "webhook: https", 2 },
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        gm_alerts_spec spec;
        if (read_yaml(all[i].yaml, &spec) == GM_OK || !errs.count)
            gm_harness_fail(__FILE__, __LINE__, "no mistake found in %s", all[i].yaml);
        CHECK_HAS(errs.items[0].message, all[i].message);
        CHECK_HAS(errs.items[0].hint, all[i].hint);
        if (errs.items[0].line != all[i].line)
            gm_harness_fail(__FILE__, __LINE__, "line %u for %s", errs.items[0].line, all[i].yaml);
        CHECK(!strstr(errs.items[0].message, "s3cr3t") && !strstr(errs.items[0].hint, "s3cr3t"));
        gm_harness_arena_free(a);
    }
}

static void all_mistakes_are_told_at_once(void)
{
    gm_alerts_spec spec;
    CHECK_RC(read_yaml("alert:\n  rules: [decy > 1, { when: drift, for: x }]\n  send: [webhok: a, slack: b]\n", &spec),
             GM_EINVALID);
    CHECK(errs.count >= 4);
}

/* ---- stepping -------------------------------------------------------------------------------------------------------------- */

static void two_of_three_windows_begin_and_end_an_alert(void)
{
    gm_alerts_spec spec;
    gm_alert_state s = { 0 };
    static const struct {
        bool drifted;
        gm_alert_change change;
    } days[] = { { true, GM_ALERT_NONE },   { false, GM_ALERT_NONE },  { true, GM_ALERT_BEGAN },
                 { false, GM_ALERT_ENDED }, { true, GM_ALERT_BEGAN },  { true, GM_ALERT_LASTS },
                 { false, GM_ALERT_LASTS }, { false, GM_ALERT_ENDED }, { false, GM_ALERT_NONE } };
    CHECK_OK(read_yaml("alert: { rules: [{ when: drift, for: 2 of 3 }] }\n", &spec), &err);
    for (int d = 0; d < (int)(sizeof(days) / sizeof(days[0])); d++) {
        gm_window_result w = window(d, days[d].drifted);
        gm_alert_change got = step(&spec, 0, &w, w.until_us, &s);
        if (got != days[d].change) gm_harness_fail(__FILE__, __LINE__, "day %d: change %d, want %d", d, got, days[d].change);
        if (got == GM_ALERT_BEGAN) CHECK(s.began_us == w.until_us && s.said_us == w.until_us);
    }
}

static void what_lasts_is_repeated_when_it_was_asked_for(void)
{
    gm_alerts_spec spec;
    gm_alert_state s = { 0 };
    gm_window_result w = window(0, true);
    CHECK_OK(read_yaml("alert: { rules: [drift], repeat: 4h }\n", &spec), &err);
    CHECK(step(&spec, 0, &w, 1000, &s) == GM_ALERT_BEGAN);
    CHECK(step(&spec, 0, &w, 1000 + spec.repeat_us - 1, &s) == GM_ALERT_LASTS);
    CHECK(step(&spec, 0, &w, 1000 + spec.repeat_us, &s) == GM_ALERT_REPEAT);
    CHECK(step(&spec, 0, &w, 1001 + spec.repeat_us, &s) == GM_ALERT_LASTS);
    spec.repeat_us = 0;
    CHECK(step(&spec, 0, &w, INT64_MAX, &s) == GM_ALERT_LASTS);
}

static void a_window_that_was_not_judged_counts_only_for_traffic(void)
{
    gm_alerts_spec spec;
    gm_alert_state drift = { 0 }, quiet = { 0 }, mixed = { 0 };
    gm_window_result w = window(0, true);
    CHECK_OK(read_yaml("alert: { rules: [drift, 'rows < 10', 'rows < 10 and drifted'] }\n", &spec), &err);
    w.judged = false;
    w.rows = 3;
    CHECK(step(&spec, 0, &w, 1, &drift) == GM_ALERT_NONE && drift.windows == 0);
    CHECK(step(&spec, 1, &w, 1, &quiet) == GM_ALERT_BEGAN);
    CHECK(step(&spec, 2, &w, 1, &mixed) == GM_ALERT_NONE);
    w = window(1, true);
    CHECK(step(&spec, 0, &w, 1, &drift) == GM_ALERT_BEGAN);
    CHECK(step(&spec, 1, &w, 1, &quiet) == GM_ALERT_ENDED);
    w.judged = false; /* a night without traffic is no recovery */
    CHECK(step(&spec, 0, &w, 1, &drift) == GM_ALERT_LASTS && drift.firing);
}

static void what_is_not_known_does_not_hold(void)
{
    gm_alerts_spec spec;
    gm_alert_state s = { 0 };
    gm_window_result w = window(0, false);
    CHECK_OK(read_yaml("alert: { rules: [decay > 0.02] }\n", &spec), &err);
    CHECK(step(&spec, 0, &w, 1, &s) == GM_ALERT_NONE);
    w.decay = 0.03;
    CHECK(step(&spec, 0, &w, 1, &s) == GM_ALERT_BEGAN);
}

static void a_rule_remembers_sixty_windows_over_a_restart(void)
{
    gm_alerts_spec spec;
    gm_alert_state s = { 0 }, back = { 0 };
    CHECK_OK(read_yaml("alert: { rules: [{ when: drift, for: 60 of 60 }] }\n", &spec), &err);
    for (int d = 0; d < 60; d++) {
        gm_buf b = { 0 };
        gm_json j;
        gm_window_result w = window(d, true);
        CHECK(step(&spec, 0, &w, 5, &s) == (d == 59 ? GM_ALERT_BEGAN : GM_ALERT_NONE));
        gm_json_init(&j, &b, false);
        gm_alert_state_json(&s, &j);
        CHECK_OK(gm_alert_state_read(gm_buf_str(&b), &back, &err), &err);
        CHECK(back.held == s.held && back.firing == s.firing && back.began_us == s.began_us && back.windows == s.windows &&
              back.said_us == s.said_us);
        gm_buf_clear(&b);
        s = back;
    }
    CHECK_RC(gm_alert_state_read("{}", &back, &err), GM_ECORRUPT);
    CHECK_RC(gm_alert_state_read("nonsense", &back, &err), GM_ECORRUPT);
}

/* ---- messages -------------------------------------------------------------------------------------------------------------- */

static gm_window_result april(void)
{
    static gm_drift_column columns[2];
    static const char *absent[] = { "-visib", "+extra" };
    gm_window_result w = window(8, true);
    columns[0] = (gm_drift_column){ .name = "temp",
                                    .value = 1.92,
                                    .limit = 0.2,
                                    .drifted = true,
                                    .mean_reference = 38.5,
                                    .mean_current = 70.1,
                                    .why = "outside the range: 12 %" };
    columns[1] =
        (gm_drift_column){ .name = "dest", .value = 0.01, .limit = 0.2, .mean_reference = NAN, .mean_current = NAN, .why = "" };
    w.drift = (gm_drift_result){
        .columns = columns, .count = 2, .judged = 2, .drifted = 1, .missing_columns = absent, .missing_columns_count = 2
    };
    w.realised = (gm_interval){ 0.655, 0.63, 0.68, "DeLong" };
    w.reference_metric = 0.7;
    w.decay = 0.045;
    w.labelled = 850;
    return w;
}

static void a_message_names_what_is_needed(void)
{
    gm_alerts_spec spec;
    gm_alert_state s = { 0 };
    gm_message m, read;
    gm_node *n = NULL;
    gm_window_result w = april();
    CHECK_OK(read_yaml("alert: { rules: [{ when: decay > 0.02, name: worse, severity: critical }] }\n", &spec), &err);
    CHECK(step(&spec, 0, &w, 77, &s) == GM_ALERT_BEGAN);
    CHECK_OK(gm_alert_message(&spec.rules[0], &s, GM_ALERT_BEGAN, &w, 1, "flights", "flights/3", "sub/gristmill.yaml", 77, a, &m,
                              &err),
             &err);
    CHECK_STR(m.kind, "firing");
    CHECK_HAS(m.title, "flights/3: worse");
    CHECK_HAS(m.title, "roc_auc is worse by 0.045");
    CHECK(!strchr(m.title, '\n') && strlen(m.id) == 32 && m.severity == GM_SEVERITY_CRITICAL);
    static const char *const parts[] = { "flights/3",
                                         "worse: decay > 0.02 (critical)",
                                         "2013-04-09 to 2013-04-10",
                                         "900 rows",
                                         "850 with a label",
                                         "temp",
                                         "mean 38.5 -> 70.1",
                                         "outside the range: 12 %",
                                         "absent   visib",
                                         "roc_auc 0.655 (95 %: 0.63 to 0.68), 0.7 on the reference",
                                         "gristmill watch -f sub/gristmill.yaml" };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) CHECK_HAS(m.text, parts[i]);
    CHECK(!strstr(m.text, "dest") && !strstr(m.text, "extra"));
    CHECK_OK(gm_json_read(m.json, strlen(m.json), "", a, &n, &err), &err);
    CHECK_STR(gm_node_str_or(n, "model", ""), "flights");
    CHECK_NEAR(gm_node_double_or(gm_node_get(n, "signals"), "decay", 0), 0.045, 1e-12);
    CHECK(gm_node_get(n, "columns")->count == 1);
    CHECK_OK(gm_message_read(m.json, a, &read, &err), &err);
    CHECK_STR(read.id, m.id);
    CHECK_STR(read.text, m.text);
    CHECK(read.severity == m.severity && read.began_us == m.began_us && read.at_us == 77);
}

static const char *title_of(const char *rule, const gm_window_result *w, gm_alert_change change)
{
    gm_alerts_spec spec;
    gm_alert_state s = { 0 };
    gm_message m;
    CHECK_OK(read_yaml(gm_arena_printf(gm_harness_arena(), "alert: { rules: [%s] }\n", rule), &spec),
             errs.count ? &errs.items[0] : &err);
    (void)step(&spec, 0, w, w->until_us, &s);
    CHECK_OK(gm_alert_message(&spec.rules[0], &s, change, w, 1, "flights", "flights/3", "gristmill.yaml", 77, a, &m, &err), &err);
    CHECK(!strchr(m.title, '\n'));
    return m.title;
}

static void a_title_says_what_the_rule_is_about(void)
{
    gm_check_spec failed = { .name = "age between 18 and 90" }, mild = { .name = "mild", .warning = true };
    gm_check_result checks[] = { { .spec = &failed }, { .spec = &mild }, { .spec = &mild, .ok = true } };
    gm_window_result w = april();
    w.checks = checks;
    w.checks_count = 3;
    w.checks_failed = 1;
    CHECK_STR(title_of("drift", &w, GM_ALERT_BEGAN), "flights/3: drift: temp, visib");
    CHECK_STR(title_of("failed_checks > 0", &w, GM_ALERT_BEGAN), "flights/3: failed_checks > 0: age between 18 and 90");
    CHECK_STR(title_of("decay > 0.02", &w, GM_ALERT_BEGAN), "flights/3: decay > 0.02: roc_auc is worse by 0.045");
    CHECK_STR(title_of("rows > 3", &w, GM_ALERT_BEGAN), "flights/3: rows > 3");
    CHECK_STR(title_of("{ when: drift, for: 1 of 2 }", &w, GM_ALERT_REPEAT),
              "flights/3: drift: temp, visib (1 of the last 2 windows), since 2013-04-10");
    w.until_us += 3723 * 1000000ll;
    CHECK_STR(title_of("drift", &w, GM_ALERT_ENDED), "flights/3: drift is over, after it fired since 2013-04-10 01:02:03");
    w.drift.columns[0].name = "two\nlines";
    CHECK_STR(title_of("drift", &w, GM_ALERT_BEGAN), "flights/3: drift: two lines, visib");
    w.drift.columns[0].name = "temp";
}

static void ids_are_the_same_again_and_differ_by_kind(void)
{
    gm_alerts_spec spec;
    gm_alert_state s = { 0 };
    gm_message first, again, over, later;
    gm_window_result w = april(), next = window(9, false);
    CHECK_OK(read_yaml("alert: { rules: [decay > 0.02] }\n", &spec), &err);
    (void)step(&spec, 0, &w, 77, &s);
    CHECK_OK(gm_alert_message(&spec.rules[0], &s, GM_ALERT_BEGAN, &w, 1, "flights", "flights/3", "gristmill.yaml", 77, a, &first,
                              &err),
             &err);
    CHECK_OK(gm_alert_message(&spec.rules[0], &s, GM_ALERT_BEGAN, &w, 1, "flights", "flights/3", "gristmill.yaml", 99, a, &again,
                              &err),
             &err);
    CHECK_OK(gm_alert_message(&spec.rules[0], &s, GM_ALERT_REPEAT, &w, 1, "flights", "flights/3", "gristmill.yaml", 99, a, &later,
                              &err),
             &err);
    CHECK_STR(first.id, again.id);
    CHECK(strcmp(first.id, later.id) != 0);
    CHECK(step(&spec, 0, &next, 100, &s) == GM_ALERT_ENDED);
    CHECK_OK(gm_alert_message(&spec.rules[0], &s, GM_ALERT_ENDED, &next, 1, "flights", "flights/3", "gristmill.yaml", 100, a,
                              &over, &err),
             &err);
    CHECK_STR(over.kind, "resolved");
    CHECK_HAS(over.title, "is over, after it fired since 2013-04-10");
    CHECK(strcmp(first.id, over.id) != 0 && over.began_us == first.began_us);
}

static void a_group_is_one_message_with_the_worst_severity(void)
{
    gm_message parts[2] = { { .id = "a1",
                              .kind = "firing",
                              .severity = GM_SEVERITY_WARNING,
                              .model = "flights",
                              .rule = "drift",
                              .title = "one",
                              .text = "x\n",
                              .json = "{\"id\":\"a1\"}",
                              .began_us = 9,
                              .at_us = 20 },
                            { .id = "b2",
                              .kind = "resolved",
                              .severity = GM_SEVERITY_CRITICAL,
                              .model = "flights",
                              .rule = "decay",
                              .title = "two",
                              .text = "y\n",
                              .json = "{\"id\":\"b2\"}",
                              .began_us = 5,
                              .at_us = 21 } };
    gm_message g, same;
    gm_node *n = NULL;
    a = gm_harness_arena();
    CHECK_OK(gm_message_group(parts, 1, a, &g, &err), &err);
    CHECK_STR(g.id, "a1");
    CHECK_OK(gm_message_group(parts, 2, a, &g, &err), &err);
    CHECK_OK(gm_message_group(parts, 2, a, &same, &err), &err);
    CHECK_STR(g.id, same.id);
    CHECK(strlen(g.id) == 32 && g.severity == GM_SEVERITY_CRITICAL && g.began_us == 5 && g.at_us == 21 && g.parts_count == 2);
    CHECK_HAS(g.title, "1 alerts, 1 are over");
    CHECK_HAS(g.text, "one\nx\n\ntwo\ny");
    CHECK_OK(gm_json_read(g.json, strlen(g.json), "", a, &n, &err), &err);
    CHECK(gm_node_get(n, "messages")->count == 2);
    CHECK_RC(gm_message_read("{\"id\":1", a, &g, &err), GM_ECORRUPT);
}

/* ---- secrets and sending -------------------------------------------------------------------------------------------------- */

static void secrets_come_from_outside_and_stay_out_of_errors(void)
{
    char path[512];
    const char *value = NULL;
    a = gm_harness_arena();
    (void)snprintf(path, sizeof(path), "file:%s/key", gm_harness_tmpdir());
    CHECK_OK(gm_fs_write(path + 5, "s3cr3t\n", 7, &err), &err);
    CHECK_OK(gm_secret_read(path, a, &value, &err), &err);
    CHECK_STR(value, "s3cr3t");
    (void)setenv("GRISTMILL_TEST_SECRET", "from outside", 1);
    CHECK_OK(gm_secret_read("env:GRISTMILL_TEST_SECRET", a, &value, &err), &err);
    CHECK_STR(value, "from outside");
    CHECK_RC(gm_secret_read("env:GRISTMILL_TEST_NONE", a, &value, &err), GM_EUNAVAILABLE);
    CHECK_HAS(err.message, "env:GRISTMILL_TEST_NONE");
    CHECK_RC(gm_secret_read("file:/nowhere/key", a, &value, &err), GM_EUNAVAILABLE);
    CHECK_OK(gm_secret_read("plain", a, &value, &err), &err);
    CHECK_STR(value, "plain");
}

static gm_rc send_command(const char *yaml, int64_t timeout_ms, gm_sent *sent)
{
    gm_alerts_spec spec;
    gm_message m = {
        .id = "a1", .kind = "test", .model = "flights", .rule = "", .title = "t", .text = "x", .json = "{\"id\":\"a1\"}"
    };
    CHECK_OK(read_yaml(yaml, &spec), errs.count ? &errs.items[0] : &err);
    return gm_channel_send(&spec.channels[0], &m, timeout_ms, sent, &err);
}

static void a_command_gets_the_message_and_its_exit_code_decides(void)
{
    gm_sent sent;
    CHECK_OK(send_command("alert: [command: [cat]]\n", 10000, &sent), &err);
    CHECK_STR(sent.said, "{\"id\":\"a1\"}");
    CHECK_OK(send_command("alert: [command: 'true']\n", 10000, &sent), &err); /* reads nothing */
    CHECK_RC(send_command("alert: [command: [sh, -c, 'echo no luck; echo more; exit 3']]\n", 10000, &sent), GM_EUNAVAILABLE);
    CHECK_HAS(err.message, "ended with code 3: no luck");
    CHECK(!strstr(err.message, "more"));
    CHECK_RC(send_command("alert: [command: [gristmill-no-such-program]]\n", 10000, &sent), GM_EREFUSED);
    CHECK_HAS(err.hint, "beside the pipeline file");
    CHECK_RC(send_command("alert: [command: [sh, -c, 'kill -9 $$']]\n", 10000, &sent), GM_EUNAVAILABLE);
    CHECK_HAS(err.message, "signal 9");
    CHECK_RC(send_command("alert: [command: [sh, -c, 'exec 1>&- 2>&-; sleep 60']]\n", 100, &sent), GM_EUNAVAILABLE);
    CHECK_HAS(err.message, "took longer");
    CHECK_RC(send_command("alert: [command: [sh, -c, 'sleep 60 & wait']]\n", 100, &sent), GM_EUNAVAILABLE);
    CHECK_HAS(err.message, "took longer");
}

static void a_secret_that_a_program_repeats_is_hidden(void)
{
    gm_sent sent;
    (void)setenv("GRISTMILL_TEST_TOKEN", "topsecret", 1);
    (void)setenv("GRISTMILL_TEST_URL", "http://user:pw@127.0.0.1:1/path?token=topsecret", 1);
    CHECK_RC(send_command("alert: [webhook: { url: 'env:GRISTMILL_TEST_TOKEN' }]\n", 1000, &sent),
             GM_EREFUSED); /* no address at all */
    CHECK(!strstr(err.message, "topsecret"));
    CHECK_RC(send_command("alert: [webhook: { url: 'env:GRISTMILL_TEST_URL' }]\n", 1000, &sent), GM_EUNAVAILABLE);
    CHECK_HAS(err.message, "127.0.0.1:1");
    CHECK(!strstr(err.message, "topsecret") && !strstr(err.message, "pw") && !strstr(err.message, "path"));
}

/* RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
static void signatures_are_hmac_sha256(void)
{
    gm_digest d;
    char key[131];
    memset(key, 0x0b, sizeof(key));
    gm_hmac_of(key, 20, "Hi There", 8, &d);
    CHECK_STR(d.hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    gm_hmac_of("Jefe", 4, "what do ya want for nothing?", 28, &d);
    CHECK_STR(d.hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    gm_hmac_of(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54, &d);
    CHECK_STR(d.hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TESTS(T(without_rules_there_are_three), T(the_whole_section_is_read), T(every_mistake_has_its_place_and_a_hint),
      T(all_mistakes_are_told_at_once), T(two_of_three_windows_begin_and_end_an_alert),
      T(what_lasts_is_repeated_when_it_was_asked_for), T(a_window_that_was_not_judged_counts_only_for_traffic),
      T(what_is_not_known_does_not_hold), T(a_rule_remembers_sixty_windows_over_a_restart), T(a_message_names_what_is_needed),
      T(a_title_says_what_the_rule_is_about), T(ids_are_the_same_again_and_differ_by_kind),
      T(a_group_is_one_message_with_the_worst_severity), T(secrets_come_from_outside_and_stay_out_of_errors),
      T(a_command_gets_the_message_and_its_exit_code_decides), T(a_secret_that_a_program_repeats_is_hidden),
      T(signatures_are_hmac_sha256))
