/* test_gates.c - gates: what they say when they pass, fail, or cannot be judged, and every mistake in them with its place. */
#include "base/node.h"
#include "unit/eval/eval_case.h"

enum { ROWS = 2000 };

typedef struct setting {
    gm_arena *a;
    double truth[ROWS], good[ROWS], worse[ROWS];
    int32_t carrier[ROWS];
    int64_t month[ROWS];
    gm_column columns[2];
    gm_table table;
    gm_scores scores, champion;
    gm_gate_context ctx;
} setting;

/* Carrier AA has 1,400 rows, UA 500, HA 96 with noise for scores, OO 4. */
static setting *set_up(void)
{
    static setting s;
    static const char *const names[] = { "AA", "UA", "HA", "OO" };
    static const uint32_t lens[] = { 2, 2, 2, 2 };
    static const gm_dict dict = { .texts = names, .text_lens = lens, .count = 4 };
    s.a = gm_arena_new(0);
    made_up(1, ROWS, 1, s.truth, s.good);
    made_up(2, ROWS, 1, s.worse, s.worse); /* any numbers in [0, 1] */
    for (int i = 0; i < ROWS; i++) {
        s.worse[i] = fmin(1, 0.5 * s.good[i] + 0.5 * s.worse[i]);
        s.carrier[i] = i < 4 ? 3 : i < 100 ? 2 : i < 600 ? 1 : 0;
        if (s.carrier[i] == 2) s.good[i] = (double)(i * 37 % 96) / 96;
        s.month[i] = 1 + i % 3;
    }
    s.columns[0] = (gm_column){ .name = "carrier", .type = GM_TYPE_STRING, .rows = ROWS, .code = s.carrier, .dict = &dict };
    s.columns[1] = (gm_column){ .name = "month", .type = GM_TYPE_INT, .rows = ROWS, .i64 = s.month };
    s.table = (gm_table){ .rows = ROWS, .columns_count = 2, .columns = s.columns };
    s.scores = binary_scores(s.truth, s.good, ROWS);
    s.champion = binary_scores(s.truth, s.worse, ROWS);
    s.ctx = (gm_gate_context){ .scores = &s.scores, .columns = &s.table, .latency_us_p50 = 10, .latency_us_p90 = 20, .latency_us_p99 = 49, .size_bytes = NAN };
    return &s;
}

static gm_rc read_list(setting *s, const char *yaml, gm_task task, gm_gate_spec **out, size_t *out_count, gm_errs *errs)
{
    gm_node *root = NULL;
    gm_err err;
    CHECK_OK(gm_yaml_read(yaml, strlen(yaml), "gates.yaml", s->a, &root, &err), &err);
    *errs = (gm_errs){ .arena = s->a };
    return gm_gates_read(root, task, &s->table, s->a, out, out_count, errs);
}

static gm_gate_result run_one(setting *s, const char *gate)
{
    gm_gate_spec *specs = NULL;
    size_t count = 0;
    gm_errs errs;
    gm_gate_result result;
    gm_err err;
    const char *yaml = gm_arena_printf(s->a, "- \"%s\"\n", gate);
    gm_rc rc = read_list(s, yaml, GM_TASK_BINARY, &specs, &count, &errs);
    CHECK_OK(rc, &errs.items[0]);
    CHECK(count == 1);
    CHECK_OK(gm_gates_run(specs, count, &s->ctx, s->a, &result, &err), &err);
    return result;
}

static void check_verdict(setting *s, const char *gate, const char *want)
{
    gm_gate_result r = run_one(s, gate);
    if (strcmp(gm_verdict_name(r.verdict), want) != 0)
        gm_harness_fail(__FILE__, __LINE__, "%s: %s (%s), want %s", gate, gm_verdict_name(r.verdict), r.detail, want);
}

static void a_metric_against_a_number(void)
{
    setting *s = set_up();
    double auc = metric_of("roc_auc", &s->scores);
    gm_gate_result r = run_one(s, "roc_auc >= 0.65");
    CHECK(r.verdict == GM_VERDICT_PASS);
    CHECK_NEAR(r.observed, auc, 1e-15);
    CHECK_NEAR(r.wanted, 0.65, 0);
    CHECK_HAS(r.detail, "roc_auc is 0.7");
    CHECK_HAS(r.detail, "on 2000 rows");
    r = run_one(s, "0.9 <= roc_auc");
    CHECK(r.verdict == GM_VERDICT_FAIL);
    CHECK_NEAR(r.observed, auc, 1e-15);
    CHECK_NEAR(r.wanted, 0.9, 0);
}

static void verdicts_of_plain_gates(void)
{
    setting *s = set_up();
    check_verdict(s, "log_loss <= 0.1", "fail"); /* lower is better: as written */
    check_verdict(s, "log_loss <= 0.9", "pass");
    check_verdict(s, "ece < 0.5", "pass");
    check_verdict(s, "latency_us.p99 <= 50", "pass");
    check_verdict(s, "latency_us.p50 > 50", "fail");
    check_verdict(s, "rows >= 2000", "pass");
    check_verdict(s, "size_bytes < 1000", "not judged");
    check_verdict(s, "roc_auc between 60% and 90%", "pass");
    check_verdict(s, "roc_auc >= 0.6 and log_loss <= 0.1", "fail");
    check_verdict(s, "roc_auc >= 0.6 or log_loss <= 0.1", "pass");
    check_verdict(s, "abs(2 * roc_auc - 1 - gini) < 1e-9", "pass");
    s->ctx.latency_us_p99 = NAN;
    check_verdict(s, "latency_us.p99 <= 50", "not judged");
    CHECK_HAS(run_one(s, "latency_us.p99 <= 50").detail, "latency_us.p99 was not measured");
}

static void the_champion_is_the_same_metric(void)
{
    setting *s = set_up();
    double auc = metric_of("roc_auc", &s->scores), old = metric_of("roc_auc", &s->champion);
    s->ctx.champion = &s->champion;
    gm_gate_result r = run_one(s, "roc_auc >= champion - 0.005");
    CHECK_NEAR(r.observed, auc, 1e-15);
    CHECK_NEAR(r.wanted, old - 0.005, 1e-15);
    CHECK(r.verdict == (auc >= old - 0.005 ? GM_VERDICT_PASS : GM_VERDICT_FAIL));
    CHECK_HAS(r.detail, "the champion's roc_auc is");
    r = run_one(s, "champion.log_loss + 1 >= log_loss");
    CHECK(r.verdict == GM_VERDICT_PASS);
    CHECK_NEAR(r.observed, metric_of("log_loss", &s->scores), 1e-15);
    CHECK_NEAR(r.wanted, metric_of("log_loss", &s->champion) + 1, 1e-15);
    r = run_one(s, "roc_auc - champion >= -0.5");
    CHECK_NEAR(r.observed, auc - old, 1e-15);
    check_verdict(s, "roc_auc >= champion + 0.5", "fail");
}

static void no_champion_is_first_and_itself_is_the_same(void)
{
    setting *s = set_up();
    gm_gate_result r = run_one(s, "roc_auc >= champion - 0.005");
    CHECK(r.verdict == GM_VERDICT_FIRST);
    CHECK_NEAR(r.observed, metric_of("roc_auc", &s->scores), 1e-15);
    CHECK(isnan(r.wanted));
    CHECK_HAS(r.detail, "no champion yet");
    check_verdict(s, "roc_auc - champion >= 0.1", "first");
    check_verdict(s, "roc_auc >= 0.99 and roc_auc >= champion", "fail"); /* the other half still holds */
    s->ctx.champion_is_candidate = true;
    check_verdict(s, "roc_auc >= champion + 0.5", "same model");
    s->ctx.champion = &s->scores;
    check_verdict(s, "roc_auc >= champion + 0.5", "same model");
}

static void slices_with_few_rows_are_not_judged(void)
{
    setting *s = set_up();
    gm_gate_result r = run_one(s, "min(roc_auc by carrier, rows >= 90) >= 0.7");
    CHECK(r.verdict == GM_VERDICT_FAIL); /* HA */
    CHECK_HAS(r.detail, "lowest roc_auc of 3 values of carrier: HA");
    CHECK_HAS(r.detail, "(96 rows); not judged: OO (4 rows)");
    r = run_one(s, "min(roc_auc by carrier) >= 0.7"); /* 100 rows unless said */
    CHECK(r.verdict == GM_VERDICT_PASS);
    CHECK_HAS(r.detail, "HA (96 rows)");
    CHECK_HAS(r.detail, "OO (4 rows)");
    r = run_one(s, "min(roc_auc by carrier, rows >= 5000) >= 0.7");
    CHECK(r.verdict == GM_VERDICT_NOT_JUDGED);
    CHECK_HAS(r.detail, "no value of carrier could be judged");
    check_verdict(s, "max(log_loss by month) <= 5", "pass");
    check_verdict(s, "mean(roc_auc by month, rows >= 500 and positives >= 10) >= 0.99", "fail");
    s->ctx.champion = &s->champion;
    check_verdict(s, "min(roc_auc by month) >= champion - 1", "pass");
}

static void one_class_is_not_judged(void)
{
    setting *s = set_up();
    for (int i = 0; i < ROWS; i++) s->truth[i] = 1;
    gm_gate_result r = run_one(s, "roc_auc >= 0.5");
    CHECK(r.verdict == GM_VERDICT_NOT_JUDGED);
    CHECK_HAS(r.detail, "both classes");
}

static void every_mistake_is_told_with_its_place(void)
{
    setting *s = set_up();
    gm_gate_spec *specs = NULL;
    size_t count = 77;
    gm_errs errs;
    const char *yaml = "- roc_acu >= 0.65\n"
                       "- 0.5 >= 0.4\n"
                       "- roc_auc >= 0.5\n"
                       "- rmse <= 3\n"
                       "- \"min(roc_auc by carier, rows >= 500) >= 0.55\"\n"
                       "- roc_auc + 1\n"
                       "- latency_us.p98 <= 50\n"
                       "- carrier == 'AA'\n"
                       "- latency_us.p99 <= champion\n"
                       "- \"min(roc_auc by carrier, log_loss <= 500) >= 0.55\"\n"
                       "- roc_auc >=\n";
    CHECK_RC(read_list(s, yaml, GM_TASK_BINARY, &specs, &count, &errs), GM_EINVALID);
    CHECK(count == 77); /* left alone */
    CHECK(errs.count == 10);
    static const struct {
        uint32_t line, col;
        const char *message, *hint;
    } want[] = {
        { 1, 3, "unrecognized metric \"roc_acu\"", "Did you mean \"roc_auc\"?" },
        { 2, 3, "gate \"0.5 >= 0.4\" names no metric", "roc_auc >= 0.65" },
        { 4, 3, "metric \"rmse\" is for regression targets", "log_loss" },
        { 5, 19, "no column \"carier\"", "carrier" },
        { 6, 11, "expected a condition", "" },
        { 7, 3, "latency_us.p98", "latency_us.p9" },
        { 8, 3, "\"carrier\" is a column", "min(roc_auc by carrier" },
        { 9, 21, "none is named", "roc_auc >= champion" },
        { 10, 28, "\"log_loss\" is not known of a slice", "rows >= 500" },
        { 11, 0, "", "" },
    };
    for (size_t i = 0; i < errs.count; i++) {
        CHECK_HAS(errs.items[i].message, want[i].message);
        CHECK_HAS(errs.items[i].hint, want[i].hint);
        CHECK(errs.items[i].line == want[i].line);
        if (want[i].col && errs.items[i].col != want[i].col)
            gm_harness_fail(__FILE__, __LINE__, "%s at column %u, want %u", errs.items[i].message, errs.items[i].col, want[i].col);
        CHECK_STR(errs.items[i].file, "gates.yaml");
    }
}

static void a_list_says_what_it_needs(void)
{
    setting *s = set_up();
    gm_gate_spec *specs = NULL;
    size_t count = 0;
    gm_errs errs;
    CHECK_RC(read_list(s, "- roc_auc >= 0.65\n- roc_auc >= champion\n- latency_us.p99 <= 50\n", GM_TASK_BINARY, &specs, &count, &errs), GM_OK);
    CHECK(count == 3);
    CHECK(!specs[0].uses_champion && !specs[0].uses_latency);
    CHECK(specs[1].uses_champion && !specs[1].uses_latency);
    CHECK(specs[2].uses_latency);
    CHECK_STR(specs[1].text, "roc_auc >= champion");
    CHECK(specs[1].pos.line == 2 && specs[1].pos.col == 3);
    CHECK_RC(gm_gates_read(NULL, GM_TASK_BINARY, &s->table, s->a, &specs, &count, &errs), GM_OK);
    CHECK(count == 0);
}

TESTS(T(a_metric_against_a_number), T(verdicts_of_plain_gates), T(the_champion_is_the_same_metric),
      T(no_champion_is_first_and_itself_is_the_same), T(slices_with_few_rows_are_not_judged), T(one_class_is_not_judged),
      T(every_mistake_is_told_with_its_place), T(a_list_says_what_it_needs))
