/* summary.c - see summary.h. */
#include "cli/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pipe/reports.h"

static const char *number(double v, char *out)
{
    if (isnan(v)) return "";
    (void)snprintf(out, 32, "%.4f", v);
    return out;
}

static void checks(gm_store *store, const gm_run_result *r)
{
    int64_t total = 0, failed = 0, warned = 0;
    for (size_t i = 0; i < r->graph.spec->data_count; i++) {
        const gm_node *list =
            gm_report_read(store, &r->graph, gm_arena_printf(r->graph.a, "check %s", r->graph.spec->data[i].name), "checks");
        if (list && list->kind == GM_NODE_MAP) list = gm_node_get(list, "checks");
        for (size_t k = 0; list && k < list->count; k++) {
            bool ok = gm_node_bool_or(list->items[k], "ok", true),
                 warning = strcmp(gm_node_str_or(list->items[k], "severity", "error"), "warning") == 0;
            total++;
            failed += !ok && !warning;
            warned += !ok && warning;
        }
    }
    if (!total) return;
    printf("\n%sChecks%s       %" PRId64 " of %" PRId64 " passed", gm_term_bold(), gm_term_plain(), total - failed - warned,
           total);
    if (warned) printf(", %s%" PRId64 " warnings%s", gm_term_yellow(), warned, gm_term_plain());
    if (failed) printf(", %s%" PRId64 " failed%s", gm_term_red(), failed, gm_term_plain());
    putchar('\n');
}

static void candidates(gm_store *store, const gm_run_result *r, gm_arena *a)
{
    const gm_spec *s = r->graph.spec;
    const gm_node *selection = gm_report_read(store, &r->graph, "select", "selection");
    const char *winner = gm_node_str_or(selection, "winner", "");
    gm_grid *g = gm_grid_new(a, 6);
    size_t shown = 0;
    gm_grid_add(g, (const char *[]){ "", "candidate", "validation", "test", "95 % interval", "rounds" });
    for (size_t c = 2; c < 4; c++) gm_grid_right(g, c);
    gm_grid_right(g, 5);
    for (size_t i = 0; i < s->tries_count; i++) {
        char v[32], t[32], interval[64] = "", rounds[32] = "";
        const gm_node *e = gm_report_read(store, &r->graph, gm_arena_printf(a, "evaluate %s", s->tries[i].name), "evaluation"),
                      *m = gm_node_get(e, "test_metric");
        const gm_node *training = gm_report_read(store, &r->graph, gm_arena_printf(a, "train %s", s->tries[i].name), "training");
        if (!e) continue;
        double low = gm_node_double_or(m, "low", (double)NAN), high = gm_node_double_or(m, "high", (double)NAN);
        if (!isnan(low)) (void)snprintf(interval, sizeof(interval), "[%.4f, %.4f]", low, high);
        if (training) (void)snprintf(rounds, sizeof(rounds), "%" PRId64, gm_node_int_or(training, "rounds", 0));
        bool won = strcmp(winner, s->tries[i].name) == 0;
        gm_grid_add(g, (const char *[]){ won ? "*" : " ", s->tries[i].name,
                                         number(gm_node_double_or(e, "validation_metric", (double)NAN), v),
                                         number(gm_node_double_or(m, "value", (double)NAN), t), interval, rounds });
        shown++;
    }
    if (!shown) return;
    printf("\n%sCandidates%s   by %s; chosen on the validation rows, judged on the test rows\n", gm_term_bold(), gm_term_plain(),
           s->metric);
    gm_grid_print(g);
}

static void gate_rows(gm_grid *g, const gm_node *gates, bool registered_again)
{
    for (size_t i = 0; gates && i < gates->count; i++) {
        char observed[32];
        const char *verdict = gm_node_str_or(gates->items[i], "verdict", "");
        const char *detail = gm_node_str_or(gates->items[i], "detail", "");
        if (registered_again && strcmp(verdict, "first") == 0) {
            verdict = "same model";
            detail = "it is the champion";
        }
        bool ok = strcmp(verdict, "fail") != 0;
        gm_grid_add(g, (const char *[]){ ok ? "+" : "x", gm_node_str_or(gates->items[i], "text", ""), verdict,
                                         number(gm_node_double_or(gates->items[i], "observed", (double)NAN), observed), detail });
    }
}

static void gates(gm_store *store, const gm_run_result *r, gm_arena *a)
{
    const gm_node *report = gm_report_read(store, &r->graph, "gates", "gates"),
                  *latency = gm_report_read(store, &r->graph, "latency", "latency");
    if (!report && !latency) return;
    gm_grid *g = gm_grid_new(a, 5);
    gm_grid_right(g, 3);
    gm_grid_add(g, (const char *[]){ "", "gate", "verdict", "observed", "" });
    gate_rows(g, gm_node_get(report, "gates"), r->model && !r->version_is_new);
    gate_rows(g, gm_node_get(latency, "gates"), false);
    printf("\n%sGates%s\n", gm_term_bold(), gm_term_plain());
    gm_grid_print(g);
}

static void feedback(gm_store *store, const gm_run_result *r)
{
    enum { SHOWN_MAX = 5 };
    const gm_node *selection = gm_report_read(store, &r->graph, "select", "selection");
    const gm_node *e = gm_report_read(
        store, &r->graph, gm_arena_printf(r->graph.a, "evaluate %s", gm_node_str_or(selection, "winner", "")), "evaluation");
    const gm_node *list = gm_node_get(gm_node_get(e, "test"), "feedback");
    int index = gm_graph_find(&r->graph, gm_arena_printf(r->graph.a, "evaluate %s", gm_node_str_or(selection, "winner", "")));
    if (!list || !list->count || r->graph.steps[index].state != GM_STEP_DONE) return; /* told when it was found */
    printf("\n%sWhat to try next%s\n", gm_term_bold(), gm_term_plain());
    for (size_t i = 0; i < list->count && i < SHOWN_MAX; i++) printf("  - %s\n", gm_node_str_or(list->items[i], "text", ""));
}

/* "alias champion"; a version that is tried is challenger, one that was rolled back nothing. */
static const char *aliases(gm_store *store, const gm_run_result *r, gm_arena *a)
{
    gm_model_version v;
    gm_err none;
    if (gm_model_resolve(store, gm_arena_printf(a, "%s/%" PRId64, r->model, r->version), a, &v, &none) || !v.aliases[0]) return "no alias";
    return gm_arena_printf(a, "alias %s", v.aliases);
}

void gm_summary_print(gm_store *store, const gm_run_result *r, const char *reports_dir, gm_arena *a)
{
    char seconds[32];
    checks(store, r);
    candidates(store, r, a);
    gates(store, r, a);
    feedback(store, r);
    if (r->model) {
        printf("\n%sModel%s        %s version %" PRId64 ", %s, package %.12s%s\n", gm_term_bold(), gm_term_plain(), r->model, r->version,
               aliases(store, r, a), r->package.hex, r->version_is_new ? "" : " (unchanged)");
        if (reports_dir)
            printf("%sReports%s      %s/model_card.html, %s/model_card.md, %s/predictions.parquet\n", gm_term_bold(),
                   gm_term_plain(), reports_dir, reports_dir, reports_dir);
        printf("%sNext%s         gristmill card | gristmill lineage %s | gristmill predict %s DATA | gristmill why STEP\n",
               gm_term_bold(), gm_term_plain(), r->model, r->model);
    }
    printf("\n%zu steps done, %zu from cache, %zu failed, %zu skipped in %s\n", r->done, r->cached, r->failed, r->skipped,
           gm_show_seconds(r->seconds, seconds));
}

void gm_summary_json(gm_store *store, const gm_run_result *r, gm_rc rc, const char *message)
{
    static const char *const states[] = { "waiting", "running", "done", "cached", "failed", "skipped" };
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kstr(&j, "state", rc == GM_OK ? "done" : gm_rc_name(rc));
    gm_json_kstr(&j, "message", message);
    gm_json_kint(&j, "run", r->run_id);
    gm_json_kdouble(&j, "seconds", r->seconds);
    if (r->model) {
        gm_json_kstr(&j, "model", r->model);
        gm_json_kint(&j, "version", r->version);
        gm_json_kstr(&j, "package", r->package.hex);
    }
    gm_json_key(&j, "steps");
    gm_json_array(&j);
    for (size_t i = 0; i < r->graph.count; i++) {
        const gm_step *s = &r->graph.steps[i];
        gm_json_object(&j);
        gm_json_kstr(&j, "name", s->name);
        gm_json_kstr(&j, "state", states[s->state]);
        gm_json_kstr(&j, "key", s->key);
        if (s->state == GM_STEP_DONE) {
            gm_json_kdouble(&j, "seconds", (double)(s->record.ended_us - s->record.started_us) / 1e6);
            gm_json_kdouble(&j, "cpu_seconds", (double)s->record.cpu_us / 1e6);
            gm_json_kint(&j, "peak_rss_bytes", s->record.peak_rss_bytes);
        }
        gm_json_key(&j, "outputs");
        gm_json_object(&j);
        for (size_t k = 0; k < s->outputs.count; k++) gm_json_kstr(&j, s->outputs.items[k].name, s->outputs.items[k].digest.hex);
        gm_json_object_end(&j);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    const gm_node *g = r->graph.count ? gm_report_read(store, &r->graph, "gates", "gates") : NULL;
    if (g) {
        gm_json_key(&j, "gates");
        gm_node_json(gm_node_get(g, "gates"), &j);
    }
    gm_json_object_end(&j);
    gm_print_json(&b);
}
