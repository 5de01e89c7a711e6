/* test_monitor.c - a window against the reference: verdicts, performance, checks, signals, cause, and the way through JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "eval/evaluate.h"
#include "harness/harness.h"
#include "watch/monitor.h"

enum { ROWS = 2000, REFERENCE = 4000 };

static gm_err err;

typedef struct side {
    gm_table table;
    double *predicted, *truth;
} side;

/* x normal about `shift`, carrier by turns, odd ones missing in x with probability `missing`; truth follows the probability,
 * turned round for a share. */
static side make(int64_t rows, uint64_t seed, double shift, double missing, double turned, gm_arena *a)
{
    static const char *const texts[] = { "AA", "UA" };
    static const uint32_t lens[] = { 2, 2 };
    static const gm_dict dict = { texts, lens, 2 };
    gm_random r;
    gm_random_init(&r, seed);
    double *x = GM_ARENA_ARRAY(a, double, rows), *p = GM_ARENA_ARRAY(a, double, rows), *y = GM_ARENA_ARRAY(a, double, rows);
    int32_t *carrier = GM_ARENA_ARRAY(a, int32_t, rows);
    for (int64_t i = 0; i < rows; i++) {
        double v = gm_random_normal(&r);
        p[i] = 1 / (1 + exp(-2 * v));
        y[i] = gm_random_double(&r) < (gm_random_double(&r) < turned ? 1 - p[i] : p[i]);
        x[i] = gm_random_double(&r) < missing ? (double)NAN : v + shift;
        carrier[i] = (int32_t)(i % 2);
    }
    gm_column *c = GM_ARENA_ARRAY(a, gm_column, 2);
    c[0] = (gm_column){ .name = "x", .type = GM_TYPE_FLOAT, .rows = rows, .f64 = x };
    c[1] = (gm_column){ .name = "carrier", .type = GM_TYPE_STRING, .rows = rows, .code = carrier, .dict = &dict };
    return (side){ { rows, 2, c }, p, y };
}

static const char *const columns[] = { "x", "carrier" };

typedef struct fixture {
    gm_arena *a;
    gm_monitor_spec spec;
    gm_monitor_reference reference;
    gm_check_spec *checks;
    size_t checks_count;
    gm_monitor *m;
    side rows;
} fixture;

static void read_checks(fixture *f, const char *yaml)
{
    gm_node *root = NULL;
    gm_errs errs = { .arena = f->a };
    CHECK_OK(gm_yaml_read(yaml, strlen(yaml), "t.yaml", f->a, &root, &err), &err);
    CHECK(gm_checks_read(root, f->a, &f->checks, &f->checks_count, &errs) == GM_OK);
}

static void open_monitor(fixture *f)
{
    f->a = gm_harness_arena();
    f->rows = make(REFERENCE, 1, 0, 0, 0, f->a);
    gm_profile *profile = NULL;
    CHECK_OK(gm_profile_of(&f->rows.table, f->a, &profile, &err), &err);
    const gm_metric *auc = NULL;
    CHECK_OK(gm_metric_find("roc_auc", GM_TASK_BINARY, &auc, &err), &err);
    f->reference = (gm_monitor_reference){ .task = GM_TASK_BINARY,
                                           .classes = 2,
                                           .metric = auc,
                                           .metric_value = NAN,
                                           .threshold = 0.5,
                                           .profile = profile,
                                           .rows = &f->rows.table,
                                           .predicted = f->rows.predicted,
                                           .truth = f->rows.truth,
                                           .columns = columns,
                                           .columns_count = 2,
                                           .version = "churn/3" };
    f->spec.drifted_columns = 1;
    f->spec.drifted_share = 1;
    f->spec.rows_min = f->spec.rows_min ? f->spec.rows_min : 100;
    f->spec.labels_min = 100;
    CHECK_OK(gm_monitor_new(&f->spec, &f->reference, f->checks, f->checks_count, &f->m, &err), &err);
}

static gm_window_result judge(fixture *f, const side *s, bool labels)
{
    gm_window_result r;
    gm_window_rows w = { .from_us = 0,
                         .until_us = INT64_C(86400) * 1000000,
                         .rows = s->table.rows,
                         .table = &s->table,
                         .predicted = s->predicted,
                         .truth = labels ? s->truth : NULL,
                         .requests = 10,
                         .errors = 1,
                         .latency_ms_p99 = 2.5 };
    CHECK_OK(gm_monitor_window(f->m, &w, f->a, &r, &err), &err);
    return r;
}

static bool holds(const char *text, const gm_window_result *r, gm_arena *a)
{
    gm_errs errs = { .arena = a };
    gm_expr *e = NULL;
    bool out = false;
    CHECK_OK(gm_signal_check(text, (gm_pos){ 0 }, columns, 2, a, &e, &errs), errs.items);
    CHECK_OK(gm_signal_holds(e, r, &out, &err), &err);
    return out;
}

static void the_same_rows_have_not_drifted(void)
{
    fixture f = { 0 };
    open_monitor(&f);
    side s = make(ROWS, 2, 0, 0, 0, f.a);
    gm_window_result r = judge(&f, &s, true);
    CHECK(r.judged && !r.drifted && !r.decayed && r.drifted_columns == 0 && r.drift.count == 2 && r.drift.judged == 2);
    CHECK(r.labelled == ROWS && !r.prediction.drifted && strcmp(r.prediction.name, "probability") == 0);
    CHECK(r.realised.low < r.realised.value && r.realised.value < r.realised.high);
    CHECK_NEAR(r.decay, r.reference_metric - r.realised.value, 0);
    CHECK_NEAR(r.error_rate, 0.1, 1e-12);
    CHECK_STR(gm_likely_cause(&r, 1, f.a), "");
    gm_monitor_free(f.m);
}

static void the_reference_metric_is_that_of_its_rows_when_none_is_recorded(void)
{
    fixture f = { 0 };
    double value = 0;
    open_monitor(&f);
    side s = make(ROWS, 2, 0, 0, 0, f.a);
    gm_window_result r = judge(&f, &s, true);
    gm_scores scores = { .task = GM_TASK_BINARY,
                         .rows = REFERENCE,
                         .classes = 2,
                         .truth = f.rows.truth,
                         .predicted = f.rows.predicted,
                         .threshold = 0.5 };
    CHECK_OK(gm_metric_value(f.reference.metric, &scores, f.a, &value, &err), &err);
    CHECK_NEAR(r.reference_metric, value, 0);
    gm_monitor_free(f.m);
}

static void a_shifted_column_and_a_missing_one_are_found_and_named(void)
{
    fixture f = { 0 };
    open_monitor(&f);
    side shifted = make(ROWS, 3, 1, 0, 0, f.a), holes = make(ROWS, 4, 0, 0.3, 0, f.a);
    gm_window_result windows[] = { judge(&f, &holes, true), judge(&f, &shifted, true) };
    CHECK(windows[0].drifted && windows[0].drift.columns[0].missing_rose && !windows[0].drift.columns[0].drifted);
    CHECK(windows[1].drifted && windows[1].drift.columns[0].drifted && !windows[1].drift.columns[1].drifted);
    CHECK(windows[1].drifted_columns == 1);
    CHECK_NEAR(windows[1].drifted_share, 0.5, 1e-12);
    const char *cause = gm_likely_cause(windows, 2, f.a);
    CHECK_HAS(cause, "x moved first (1970-01-01, missing ");
    CHECK_HAS(gm_likely_cause(windows + 1, 1, f.a), "x moved first (1970-01-01, psi ");
    gm_monitor_free(f.m);
}

/* A moment is told as finely as the window is long. */
static void the_cause_is_dated_by_the_length_of_the_windows(void)
{
    static const int64_t second = 1000000;
    gm_arena *a = gm_harness_arena();
    gm_drift_column c = { .name = "x", .missing_rose = true, .why = "" };
    gm_window_result w = { .judged = true, .drift = { .columns = &c, .count = 1 } };
    w.from_us = 86400 * second + 5 * 3600 * second + 123457;
    w.until_us = w.from_us + 86400 * second;
    CHECK_HAS(gm_likely_cause(&w, 1, a), "x moved first (1970-01-02, missing");
    w.until_us = w.from_us + 3600 * second;
    CHECK_HAS(gm_likely_cause(&w, 1, a), "x moved first (1970-01-02 05:00, missing");
    w.until_us = w.from_us + 30 * second;
    CHECK_HAS(gm_likely_cause(&w, 1, a), "x moved first (1970-01-02 05:00:00, missing");
    w.from_us = -1;
    w.until_us = second;
    CHECK_HAS(gm_likely_cause(&w, 1, a), "x moved first (1969-12-31 23:59:59, missing");
}

static void a_column_that_is_not_served_is_drift(void)
{
    fixture f = { 0 };
    open_monitor(&f);
    side s = make(ROWS, 5, 0, 0, 0, f.a);
    s.table.columns_count = 1;
    gm_window_result r = judge(&f, &s, true);
    CHECK(r.drifted && r.drifted_columns == 1 && r.drift.missing_columns_count == 1);
    CHECK_STR(r.drift.missing_columns[0], "-carrier");
    CHECK_HAS(gm_likely_cause(&r, 1, f.a), "carrier moved first (1970-01-01, no longer served)");
    s.table.columns_count = 0;
    r = judge(&f, &s, true);
    CHECK(r.drifted && r.drifted_columns == 2 && r.drifted_share == 1);
    gm_monitor_free(f.m);
}

static void turned_labels_are_decay_and_no_drift(void)
{
    fixture f = { 0 };
    open_monitor(&f);
    side s = make(ROWS, 6, 0, 0, 0.3, f.a);
    gm_window_result r = judge(&f, &s, true);
    CHECK(!r.drifted && r.decayed && r.decay_sure && r.decay > 0.05);
    CHECK_HAS(gm_likely_cause(&r, 1, f.a), "no column moved");
    r = judge(&f, &s, false);
    CHECK(!r.decayed && isnan(r.decay) && isnan(r.realised.value) && r.labelled == 0);
    gm_monitor_free(f.m);
}

static void performance_is_estimated_before_labels(void)
{
    fixture f = { 0 };
    open_monitor(&f);
    side s = make(ROWS, 7, 0, 0, 0, f.a);
    gm_window_result blind = judge(&f, &s, false), seen = judge(&f, &s, true);
    CHECK(isnan(blind.realised.value) && !isnan(blind.estimated.value));
    CHECK_NEAR(blind.estimated.value, seen.realised.value, 0.03);
    CHECK_NEAR(blind.decay_estimated, blind.reference_metric - blind.estimated.value, 0);
    gm_monitor_free(f.m);
}

/* Windows of the reference's own population, each against a reference of its own: the share that decays, the reference's interval
 * recorded. */
static double false_alarms(const char *metric_name, int64_t reference_rows, int64_t window_rows, int rounds, bool exact)
{
    int decayed = 0;
    const gm_metric *metric = NULL;
    CHECK_OK(gm_metric_find(metric_name, GM_TASK_BINARY, &metric, &err), &err);
    for (int k = 0; k < rounds; k++) {
        gm_arena *a = gm_arena_new(0);
        gm_monitor *m = NULL;
        gm_window_result r;
        gm_interval i;
        gm_monitor_spec spec = { .rows_min = 100, .labels_min = 100, .drifted_share = 1 };
        side then = make(reference_rows, (uint64_t)(2 * k + 1), 0, 0, 0, a),
             now = make(window_rows, (uint64_t)(2 * k + 2), 0, 0, 0, a);
        gm_scores s = { .task = GM_TASK_BINARY,
                        .rows = reference_rows,
                        .classes = 2,
                        .truth = then.truth,
                        .predicted = then.predicted,
                        .threshold = 0.5 };
        CHECK_OK(gm_metric_interval(metric, &s, 1, a, &i, &err), &err);
        gm_monitor_reference ref = { .task = GM_TASK_BINARY,
                                     .classes = 2,
                                     .metric = metric,
                                     .metric_value = i.value,
                                     .metric_low = exact ? i.value - 1e-9 : i.low,
                                     .metric_high = exact ? i.value + 1e-9 : i.high,
                                     .threshold = 0.5,
                                     .columns = columns,
                                     .columns_count = 2,
                                     .version = "churn/3" };
        CHECK_OK(gm_monitor_new(&spec, &ref, NULL, 0, &m, &err), &err);
        gm_window_rows w = {
            .until_us = 1, .rows = window_rows, .table = &now.table, .predicted = now.predicted, .truth = now.truth
        };
        CHECK_OK(gm_monitor_window(m, &w, a, &r, &err), &err);
        CHECK(r.decayed == r.decay_sure && (!r.decayed || r.decay > 0));
        decayed += r.decayed;
        gm_monitor_free(m);
        gm_arena_free(a);
    }
    return (double)decayed / rounds;
}

/* One in 40 is what the interval of a difference promises; with the reference taken as exact it is one in 13. */
static void without_a_change_few_windows_decay(void)
{
    enum { ROUNDS = 600 };
    double sure = false_alarms("roc_auc", 360, 420, ROUNDS, false), hits = false_alarms("accuracy", 360, 420, ROUNDS, false);
    CHECK(sure > 0.005 && sure < 0.05 && hits > 0.005 && hits < 0.05);
    CHECK(false_alarms("roc_auc", 360, 420, ROUNDS, true) > 0.06);
}

/* Without a recorded interval that of the reference rows counts; without rows either, the metric is taken as exact and said so.
 */
static void a_reference_of_few_rows_is_less_sure(void)
{
    fixture f = { 0 };
    gm_monitor *bare = NULL;
    open_monitor(&f);
    side s = make(ROWS, 6, 0, 0, 0, f.a);
    gm_monitor_reference ref = f.reference;
    gm_window_result r = judge(&f, &s, true);
    double half = r.realised.high - r.realised.value;
    gm_monitor_free(f.m);
    ref.metric_value =
        r.realised.value + 1.6 * half; /* outside the interval of the difference with 4,000 rows, within that with 300 */
    CHECK_OK(gm_monitor_new(&f.spec, &ref, NULL, 0, &f.m, &err), &err);
    r = judge(&f, &s, true);
    CHECK(r.decay > half && r.decayed && r.decay_sure);
    gm_monitor_free(f.m);
    side few = { f.rows.table, f.rows.predicted, f.rows.truth };
    few.table.rows = 300;
    for (size_t k = 0; k < few.table.columns_count; k++) few.table.columns[k].rows = 300;
    ref.rows = &few.table;
    CHECK_OK(gm_monitor_new(&f.spec, &ref, NULL, 0, &f.m, &err), &err);
    r = judge(&f, &s, true);
    CHECK(r.decay > half && !r.decayed && !r.decay_sure);
    gm_monitor_free(f.m);
    ref.rows = NULL;
    ref.predicted = ref.truth = NULL;
    CHECK_OK(gm_monitor_new(&f.spec, &ref, NULL, 0, &bare, &err), &err);
    f.m = bare;
    r = judge(&f, &s, true);
    CHECK(r.decayed);
    bool said = false;
    for (size_t i = 0; i < r.notes_count; i++) said |= strstr(r.notes[i], "taken as exact") != NULL;
    CHECK(said);
    gm_monitor_free(f.m);
}

/* The estimate is learnt from the reference rows: on rows of their kind it foretells no decay, whatever all test rows gave. */
static void an_estimate_is_compared_with_its_own_rows(void)
{
    fixture f = { 0 };
    open_monitor(&f);
    gm_window_result before = judge(&f, &f.rows, false);
    CHECK_NEAR(before.decay_estimated, 0, 1e-9);
    gm_monitor_free(f.m);
    f.reference.metric_value = before.reference_metric + 0.05;
    CHECK_OK(gm_monitor_new(&f.spec, &f.reference, NULL, 0, &f.m, &err), &err);
    gm_window_result r = judge(&f, &f.rows, true);
    CHECK_NEAR(r.reference_metric, before.reference_metric + 0.05, 0);
    CHECK_NEAR(r.decay_estimated, 0, 1e-9);
    CHECK_NEAR(r.decay, 0.05, 1e-9);
    gm_monitor_free(f.m);
}

static void few_rows_are_not_judged(void)
{
    fixture f = { 0 };
    open_monitor(&f);
    side s = make(99, 8, 5, 0, 0, f.a);
    gm_window_result r = judge(&f, &s, true);
    CHECK(!r.judged && !r.drifted && r.drift.count == 0 && isnan(r.drifted_share) && isnan(r.realised.value) &&
          r.notes_count == 1);
    CHECK_HAS(r.notes[0], "99 rows");
    gm_monitor_free(f.m);
}

static void checks_that_say_nothing_of_a_window_are_left_out(void)
{
    fixture f = { .a = gm_harness_arena() };
    f.spec.checks = true;
    read_checks(&f, "- rows >= 100000\n- x is unique\n- missing(x) < 5%\n- x between -50 and 50\n- references(carrier, "
                    "airlines.carrier)\n- arr_delay > 0\n"
                    "- { check: missing(x) < 1%, severity: warning }\n");
    open_monitor(&f);
    side s = make(ROWS, 9, 0, 0.2, 0, f.a);
    gm_window_result r = judge(&f, &s, false);
    CHECK(r.checks_count == 3 && r.checks_failed == 1 && r.left_out_count == 4);
    CHECK(!r.checks[0].ok && r.checks[1].ok && !r.checks[2].ok);
    CHECK_STR(r.left_out[0].name, "rows >= 100000");
    CHECK_HAS(r.left_out[1].why, "more than once");
    CHECK_HAS(r.left_out[2].why, "not there when serving");
    CHECK_STR(r.left_out[3].why, "column \"arr_delay\" is not served");
    gm_monitor_free(f.m);
}

static void columns_are_judged_together_where_it_is_wanted(void)
{
    fixture f = { 0 };
    f.spec.multivariate = true;
    open_monitor(&f);
    side same = make(ROWS, 11, 0, 0, 0, f.a), shifted = make(ROWS, 12, 2, 0, 0, f.a);
    gm_window_result a = judge(&f, &same, false), b = judge(&f, &shifted, false);
    CHECK(a.pca.rows == ROWS && b.pca.rows == ROWS && isfinite(b.pca.error)); /* its numbers: test_estimate_reference.c */
    CHECK(!isnan(b.domain.auc) && b.domain.auc > 0.8 && a.domain.auc < 0.6);
    CHECK_STR(b.domain.columns[0], "x");
    CHECK(holds("domain_auc > 0.8 and pca_error >= 0", &b, f.a) && !holds("domain_auc > 0.8", &a, f.a));
    gm_monitor_free(f.m);
}

/* A window too large to be read whole: drift is of all rows, the rest of those that were read. */
static void a_share_of_the_rows_with_the_profile_of_all(void)
{
    fixture f = { 0 };
    gm_profile *profile = NULL;
    gm_window_result r;
    open_monitor(&f);
    side all = make(3 * ROWS, 13, 1, 0, 0, f.a), some = make(ROWS, 13, 0, 0, 0, f.a);
    CHECK_OK(gm_profile_of(&all.table, f.a, &profile, &err), &err);
    gm_window_rows w = { .until_us = 1,
                         .rows = ROWS,
                         .table = &some.table,
                         .predicted = some.predicted,
                         .truth = some.truth,
                         .profile = profile,
                         .profile_rows = 3 * ROWS,
                         .requests = NAN };
    CHECK_OK(gm_monitor_window(f.m, &w, f.a, &r, &err), &err);
    CHECK(r.rows == 3 * ROWS && r.labelled == ROWS && r.drift.rows_current == 3 * ROWS);
    CHECK(r.drift.columns[0].drifted);
    CHECK(!isnan(r.realised.value));
    CHECK_HAS(r.notes[0], "33.3 % of the rows");
    gm_monitor_free(f.m);
}

static void a_rule_for_no_input_is_an_error(void)
{
    fixture f = { 0 };
    gm_monitor *m = NULL;
    open_monitor(&f);
    gm_drift_rule rule = { .column = "carier", .limit = NAN };
    gm_monitor_spec spec = { .drift = &rule, .drift_count = 1, .rows_min = 100 };
    CHECK_RC(gm_monitor_new(&spec, &f.reference, NULL, 0, &m, &err), GM_EINVALID);
    CHECK_HAS(err.hint, "carrier");
    gm_monitor_free(f.m);
}

/* ---- signals ------------------------------------------------------------------------------------------------------------ */

static void conditions_hold_or_do_not_and_the_unknown_never_does(void)
{
    fixture f = { 0 };
    open_monitor(&f);
    side s = make(ROWS, 3, 1, 0, 0, f.a);
    gm_window_result r = judge(&f, &s, false);
    CHECK(holds("drifted", &r, f.a) && holds("drifted_columns >= 1 and drift.x > 0.2", &r, f.a) &&
          holds("error_rate > 5%", &r, f.a));
    CHECK(!holds("drift.carrier > 0.2", &r, f.a) && !holds("rows < 100", &r, f.a) && holds("max_drift > 0.2", &r, f.a));
    CHECK(!holds("decay > 0.02", &r, f.a) && !holds("decay <= 0.02", &r, f.a) && !holds("decayed", &r, f.a) &&
          !holds("not decayed", &r, f.a));
    CHECK(holds("requests == 10 and latency_ms_p99 > 2", &r, f.a));
    CHECK_NEAR(gm_signal_value("labelled", &r), 0, 0);
    CHECK(isnan(gm_signal_value("nonsense", &r)));
    gm_monitor_free(f.m);
}

static void wrong_names_are_told_with_a_near_one(void)
{
    gm_arena *a = gm_harness_arena();
    gm_errs errs = { .arena = a };
    gm_expr *e = NULL;
    CHECK_RC(gm_signal_check("drifted_colums > 2", (gm_pos){ "t.yaml", 3, 9 }, columns, 2, a, &e, &errs), GM_EINVALID);
    CHECK_HAS(errs.items[0].hint, "drifted_columns");
    CHECK(errs.items[0].line == 3 && errs.items[0].col == 9);
    CHECK_RC(gm_signal_check("drift.y > 2", (gm_pos){ 0 }, columns, 2, a, &e, &errs), GM_EINVALID);
    CHECK_OK(gm_signal_check("drift.y > 2", (gm_pos){ 0 }, NULL, 0, a, &e, &errs), &err);
    CHECK_RC(gm_signal_check("decay", (gm_pos){ 0 }, columns, 2, a, &e, &errs), GM_EINVALID);
    for (size_t i = 0; gm_signals[i].name; i++) CHECK(gm_signals[i].help && gm_signals[i].help[0]);
}

/* What a condition asks for decides what it waits for, and which kind of trigger it makes. */
static void signals_know_what_they_are_about(void)
{
    static const struct {
        const char *text;
        gm_signal_about about;
    } cases[] = { { "drifted", GM_ABOUT_ROWS },
                  { "skewed_rows > 3", GM_ABOUT_ROWS },
                  { "decay_estimated > 0.1 or drifted", GM_ABOUT_ESTIMATE },
                  { "decayed", GM_ABOUT_LABELS },
                  { "drifted and not (estimated > 0.5 or labels_late < 3)", GM_ABOUT_LABELS } };
    gm_arena *a = gm_harness_arena();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gm_errs errs = { .arena = a };
        gm_expr *e = NULL;
        CHECK_OK(gm_signal_check(cases[i].text, (gm_pos){ 0 }, columns, 2, a, &e, &errs), &err);
        CHECK(gm_signal_needs(e) == cases[i].about);
    }
}

/* d drifted, . not, - not judged (whatever it says), blank: no window; the newest first. */
static bool pulled(const char *windows, int64_t k, int64_t n)
{
    gm_window_result r[16];
    const gm_window_result *list[16];
    gm_trigger_spec t = { .kind = GM_TRIGGER_DRIFT, .k = k, .n = n };
    size_t count = strlen(windows);
    bool out = true;
    for (size_t i = 0; i < count; i++) {
        r[i] = (gm_window_result){ .judged = windows[i] != '-', .drifted = windows[i] != '.', .decayed = windows[i] == '.' };
        list[i] = windows[i] == ' ' ? NULL : &r[i];
    }
    CHECK_OK(gm_trigger_pulled(&t, list, count, &out, &err), &err);
    return out;
}

static void a_trigger_is_pulled_by_the_newest_window(void)
{
    CHECK(pulled("d", 1, 1) && !pulled(".", 1, 1) && !pulled("", 1, 1));
    CHECK(!pulled(".d", 1, 3) && !pulled("-d", 1, 3) && !pulled(" d", 1, 3)); /* that one was asked about before */
    CHECK(pulled("d.d", 2, 3) && !pulled("d..d", 2, 3) && !pulled("dd", 3, 3));
    CHECK(pulled("d-- d", 2, 2) && pulled("d--.--d", 2, 3) && !pulled("d--.--d", 2, 2)); /* not judged: does not count */
    gm_trigger_spec decay = { .kind = GM_TRIGGER_DECAY, .k = 1, .n = 1 };
    gm_window_result r = { .judged = false, .decayed = true };
    const gm_window_result *one = &r;
    bool out = true;
    CHECK_OK(gm_trigger_pulled(&decay, &one, 1, &out, &err), &err);
    CHECK(!out);
    r.judged = true;
    CHECK_OK(gm_trigger_pulled(&decay, &one, 1, &out, &err), &err);
    CHECK(out);
}

/* ---- JSON --------------------------------------------------------------------------------------------------------------- */

static const char *as_json(const gm_window_result *r, gm_arena *a)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_window_json(r, &j);
    const char *text = gm_arena_strdup(a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return text;
}

static void a_window_comes_back_from_its_json(void)
{
    fixture f = { .a = gm_harness_arena() };
    gm_node *root = NULL;
    gm_window_result back;
    f.spec.checks = true;
    read_checks(&f, "- rows >= 10\n- missing(x) < 5%\n");
    open_monitor(&f);
    side s = make(ROWS, 10, 1, 0.2, 0.1, f.a);
    gm_window_result r = judge(&f, &s, true);
    const char *text = as_json(&r, f.a);
    CHECK_OK(gm_json_read(text, strlen(text), "window", f.a, &root, &err), &err);
    CHECK_OK(gm_window_read(root, f.a, &back, &err), &err);
    CHECK(back.drifted == r.drifted && back.decayed == r.decayed && back.rows == r.rows && back.until_us == r.until_us);
    CHECK(back.drift.columns[0].detector == r.drift.columns[0].detector && back.checks_count == 1 && !back.checks[0].ok &&
          back.left_out_count == 1);
    for (size_t i = 0; gm_signals[i].name; i++) {
        double x = gm_signal_value(gm_signals[i].name, &r), y = gm_signal_value(gm_signals[i].name, &back);
        CHECK(x == y || (isnan(x) && isnan(y)));
    }
    CHECK_STR(gm_likely_cause(&back, 1, f.a), gm_likely_cause(&r, 1, f.a));
    CHECK_STR(as_json(&back, f.a), text);
    CHECK_OK(gm_json_read("{}", 2, "window", f.a, &root, &err), &err);
    CHECK_OK(gm_window_read(root, f.a, &back, &err), &err);
    CHECK(!back.judged && back.rows == 0 && isnan(back.decay));
    gm_monitor_free(f.m);
}

/* ---- windows as text ----------------------------------------------------------------------------------------------------- */

static void windows_are_read_from_words(void)
{
    static const struct {
        const char *text;
        int64_t length_s, step_s, rows;
        const char *back;
    } good[] = {
        { "1 day", 86400, 86400, 0, "1 day" },
        { "day", 86400, 86400, 0, "1 day" },
        { "7 days every 1 day", 604800, 86400, 0, "7 days every 1 day" },
        { "90 minutes", 5400, 5400, 0, "90 minutes" },
        { "1h", 3600, 3600, 0, "1 hour" },
        { "5000 rows", 0, 0, 5000, "5000 rows" },
    };
    static const char *const bad[] = {
        "", "tomorrow", "0 rows", "1 day every 2 days", "1 day every", "-3 days", "500 days", "1 day every hour soon"
    };
    gm_arena *a = gm_harness_arena();
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        gm_window_spec w = { 0 };
        CHECK_OK(gm_window_parse(good[i].text, &w, &err), &err);
        CHECK(w.length_us == good[i].length_s * 1000000 && w.step_us == good[i].step_s * 1000000 && w.rows == good[i].rows);
        CHECK_STR(gm_window_text(&w, a), good[i].back);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gm_window_spec w = { 0 };
        CHECK_RC(gm_window_parse(bad[i], &w, &err), GM_EINVALID);
    }
    CHECK_STR(gm_severity_name(GM_SEVERITY_CRITICAL), "critical");
    CHECK_STR(gm_trigger_kind_name(GM_TRIGGER_NEW_DATA), "new data");
}

TESTS(T(the_same_rows_have_not_drifted), T(the_reference_metric_is_that_of_its_rows_when_none_is_recorded),
      T(a_shifted_column_and_a_missing_one_are_found_and_named), T(a_column_that_is_not_served_is_drift),
      T(turned_labels_are_decay_and_no_drift), T(performance_is_estimated_before_labels), T(without_a_change_few_windows_decay),
      T(a_reference_of_few_rows_is_less_sure), T(an_estimate_is_compared_with_its_own_rows),
      T(the_cause_is_dated_by_the_length_of_the_windows), T(few_rows_are_not_judged),
      T(checks_that_say_nothing_of_a_window_are_left_out), T(columns_are_judged_together_where_it_is_wanted),
      T(a_share_of_the_rows_with_the_profile_of_all), T(a_rule_for_no_input_is_an_error),
      T(conditions_hold_or_do_not_and_the_unknown_never_does), T(signals_know_what_they_are_about),
      T(a_trigger_is_pulled_by_the_newest_window), T(wrong_names_are_told_with_a_near_one), T(a_window_comes_back_from_its_json),
      T(windows_are_read_from_words))
