/* gates_run.c - judge a candidate by its gates.
 *
 * Rules
 *   no champion: a comparison with it is passed as `first`; the champion itself passes as `same model`
 *   a slice below the rows asked for (100 where nothing is said), or with one class, is not judged; when no slice is, nor is the gate
 *   what was not measured, or is undefined on these rows, is not judged and says why
 *   a and b fails when either does; a or b passes when either does
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "eval/gates.h"
#include "eval/score_cache.h"
#include "eval/slices.h"

typedef struct judge {
    const gm_gate_context *ctx;
    gm_scores scores, champion; /* with caches, so that gates share their sorting */
    bool has_champion;
    gm_arena *a;
    const gm_expr *subject; /* of this gate                          */
    gm_buf detail;          /* sentences so far                      */
    double observed, wanted;
    bool has_sides;
} judge;

static void say(judge *j, const char *text)
{
    if (j->detail.len) gm_buf_text(&j->detail, "; ");
    gm_buf_text(&j->detail, text);
}

/* ---- values --------------------------------------------------------------------------------------------------- */

static gm_rc metric_value(judge *j, const gm_metric *m, bool of_champion, double *out, gm_err *err)
{
    const gm_scores *s = of_champion ? &j->champion : &j->scores;
    gm_err why;
    gm_interval interval = { .low = NAN, .high = NAN };
    gm_rc rc = gm_closed_interval(m, s, j->a, &interval, &why);
    if (rc == GM_EINVALID) { /* undefined on these rows: no verdict */
        say(j, why.message);
        *out = NAN;
        return GM_OK;
    }
    if (rc) return gm_err_set(err, rc, "%s", why.message);
    *out = interval.value;
    char text[200];
    int used = snprintf(text, sizeof(text), "%s%s is %.5g", of_champion ? "the champion's " : "", m->item.name, interval.value);
    if (!isnan(interval.low) && used > 0)
        used += snprintf(text + used, sizeof(text) - (size_t)used, " [%.4g, %.4g]", interval.low, interval.high);
    if (!of_champion) (void)snprintf(text + used, sizeof(text) - (size_t)used, " on %lld rows", (long long)s->rows);
    say(j, text);
    return GM_OK;
}

static gm_rc slice_lookup(void *opaque, const gm_expr *e, double *out, gm_err *err)
{
    const gm_slice *s = opaque;
    if (e->op != GM_EXPR_COLUMN) return gm_err_at(err, e->pos, GM_EINVALID, "a condition on slices is about rows or positives");
    *out = strcmp(e->name, "rows") == 0 ? (double)s->rows : (double)s->positives;
    return GM_OK;
}

static gm_rc is_wanted(const gm_expr *call, const gm_slice *s, bool *out, gm_err *err)
{
    *out = s->rows >= GM_GATE_MIN_ROWS;
    if (!call->where) return GM_OK;
    double holds = 0;
    gm_rc rc = gm_expr_eval_scalar(call->where, slice_lookup, (void *)(uintptr_t)s, &holds, err);
    *out = holds == 1;
    return rc;
}

static void say_slices(judge *j, const gm_expr *call, const gm_slice *chosen, size_t judged, const gm_buf *others, double mean)
{
    gm_buf text = { 0 };
    if (strcmp(call->name, "mean") == 0)
        gm_buf_printf(&text, "mean %s over %zu values of %s is %.5g", call->args[0]->name, judged, call->by->name, mean);
    else if (chosen)
        gm_buf_printf(&text, "%s %s of %zu values of %s: %s %.5g (%lld rows)", strcmp(call->name, "min") == 0 ? "lowest" : "highest",
                      call->args[0]->name, judged, call->by->name, chosen->value, chosen->metric.value, (long long)chosen->rows);
    else
        gm_buf_printf(&text, "no value of %s could be judged", call->by->name);
    if (others->len) gm_buf_printf(&text, "; not judged: %s", gm_buf_str(others));
    say(j, gm_buf_str(&text));
    gm_buf_clear(&text);
}

/* "OO (4 rows)", the first five; then how many more. */
static void name_other(gm_buf *others, const gm_slice *s, size_t count)
{
    if (count < 5) gm_buf_printf(others, "%s%s (%lld rows)", count ? ", " : "", s->value, (long long)s->rows);
    if (count == 5) gm_buf_text(others, " and more");
}

static gm_rc aggregate(judge *j, const gm_expr *call, bool of_champion, double *out, gm_err *err)
{
    const gm_metric *m = NULL;
    const gm_column *column = NULL;
    gm_slice *slices = NULL;
    size_t count = 0, judged = 0, unjudged = 0;
    gm_rc rc = gm_metric_find(call->args[0]->name, j->ctx->scores->task, &m, err);
    if (!rc) rc = gm_table_column(j->ctx->columns, call->by->name, &column, err);
    if (!rc) rc = gm_slices_with(m, of_champion ? &j->champion : &j->scores, column, 1, 1, -1, j->a, &slices, &count, err);
    if (rc) return gm_err_place(err, rc, call->pos);

    bool lowest = strcmp(call->name, "min") == 0;
    const gm_slice *chosen = NULL;
    double sum = 0;
    gm_buf others = { 0 };
    for (size_t i = 0; i < count && !rc; i++) {
        bool wanted = false;
        rc = is_wanted(call, &slices[i], &wanted, err);
        if (!wanted || !slices[i].judged) {
            name_other(&others, &slices[i], unjudged++);
            continue;
        }
        double v = slices[i].metric.value;
        sum += v;
        judged++;
        if (!chosen || (lowest ? v < chosen->metric.value : v > chosen->metric.value)) chosen = &slices[i];
    }
    double mean = judged ? sum / (double)judged : NAN;
    *out = strcmp(call->name, "mean") == 0 ? mean : chosen ? chosen->metric.value : NAN;
    if (!rc && !of_champion) say_slices(j, call, chosen, judged, &others, mean);
    gm_buf_clear(&others);
    return rc;
}

static double latency(const gm_gate_context *c, const char *name)
{
    const char *quantile = strchr(name, '.') + 1;
    return strcmp(quantile, "p50") == 0 ? c->latency_us_p50 : strcmp(quantile, "p90") == 0 ? c->latency_us_p90 : c->latency_us_p99;
}

static gm_rc lookup(void *opaque, const gm_expr *e, double *out, gm_err *err)
{
    judge *j = opaque;
    const gm_task task = j->ctx->scores->task;
    if (e->op == GM_EXPR_CALL && e->by) return aggregate(j, e, false, out, err);
    if (e->op != GM_EXPR_COLUMN) return gm_err_at(err, e->pos, GM_EINVALID, "a gate compares numbers");

    gm_gate_name_kind kind;
    const gm_metric *m = NULL;
    gm_rc rc = gm_gate_name(e->name, task, &kind, &m, err);
    if (rc) return gm_err_place(err, rc, e->pos);
    char text[120];
    switch (kind) {
    case GM_GATE_NAME_METRIC: return metric_value(j, m, false, out, err);
    case GM_GATE_NAME_CHAMPION_METRIC: return metric_value(j, m, true, out, err);
    case GM_GATE_NAME_CHAMPION:
        if (j->subject->op == GM_EXPR_CALL) return aggregate(j, j->subject, true, out, err);
        rc = gm_metric_find(j->subject->name, task, &m, err);
        return rc ? rc : metric_value(j, m, true, out, err);
    case GM_GATE_NAME_LATENCY:
        *out = latency(j->ctx, e->name);
        if (isnan(*out)) (void)snprintf(text, sizeof(text), "%s was not measured", e->name);
        else (void)snprintf(text, sizeof(text), "%s is %.5g us", e->name, *out);
        say(j, text);
        return GM_OK;
    case GM_GATE_NAME_SIZE:
        *out = j->ctx->size_bytes;
        if (isnan(*out)) say(j, "size_bytes was not measured");
        return GM_OK;
    case GM_GATE_NAME_ROWS: *out = (double)j->ctx->scores->rows; return GM_OK;
    case GM_GATE_NAME_UNKNOWN: break;
    }
    return gm_err_at(err, e->pos, GM_EINTERNAL, "a name passed the reading of gates and has no meaning: %s", e->name);
}

/* ---- verdicts ------------------------------------------------------------------------------------------------- */

static bool is_comparison(const gm_expr *e)
{
    return e->op == GM_EXPR_BINARY && e->name && strchr("<>=!", e->name[0]) != NULL;
}

/* How well a side stands for what is observed: a measured number, one that needs the champion, a constant. */
static int prefer(const gm_expr *side) { return side->op == GM_EXPR_CONST ? 0 : gm_gate_names_champion(side) ? 1 : 2; }

static bool holds(const char *op, double x, double y)
{
    if (op[0] == '<') return op[1] == '=' ? x <= y : x < y;
    if (op[0] == '>') return op[1] == '=' ? x >= y : x > y;
    return op[0] == '!' ? x != y : x == y;
}

static gm_rc judge_leaf(judge *j, const gm_expr *e, gm_verdict *out, gm_err *err)
{
    double observed = NAN, wanted = NAN;
    bool absent = gm_gate_names_champion(e) && !j->has_champion;
    gm_rc rc;
    if (!is_comparison(e)) {
        double value = NAN;
        rc = absent ? GM_OK : gm_expr_eval_scalar(e, lookup, j, &value, err);
        if (!rc) *out = isnan(value) ? GM_VERDICT_NOT_JUDGED : value != 0 ? GM_VERDICT_PASS : GM_VERDICT_FAIL;
        if (!rc && e->op == GM_EXPR_BETWEEN && !absent && !j->has_sides) {
            gm_buf unsaid = j->detail; /* the value was said already */
            j->detail = (gm_buf){ 0 };
            rc = gm_expr_eval_scalar(e->args[0], lookup, j, &observed, err);
            gm_buf_clear(&j->detail);
            j->detail = unsaid;
        }
    } else {
        bool swapped = prefer(e->args[0]) < prefer(e->args[1]);
        const gm_expr *measured = e->args[swapped ? 1 : 0], *other = e->args[swapped ? 0 : 1];
        rc = absent && prefer(measured) < 2 ? GM_OK : gm_expr_eval_scalar(measured, lookup, j, &observed, err);
        if (!rc && !absent) rc = gm_expr_eval_scalar(other, lookup, j, &wanted, err);
        if (rc) return rc;
        double x = swapped ? wanted : observed, y = swapped ? observed : wanted;
        *out = isnan(x) || isnan(y) ? GM_VERDICT_NOT_JUDGED : holds(e->name, x, y) ? GM_VERDICT_PASS : GM_VERDICT_FAIL;
    }
    if (rc) return rc;
    if (absent) *out = j->ctx->champion_is_candidate ? GM_VERDICT_SAME : GM_VERDICT_FIRST;
    if (!j->has_sides || *out == GM_VERDICT_FAIL) {
        j->observed = observed;
        j->wanted = wanted;
        j->has_sides = true;
    }
    return GM_OK;
}

/* Of two verdicts the one that decides: for `and` the worst, for `or` the best. */
static gm_verdict decide(gm_verdict x, gm_verdict y, bool both)
{
    static const gm_verdict worst_first[] = { GM_VERDICT_FAIL, GM_VERDICT_NOT_JUDGED, GM_VERDICT_FIRST, GM_VERDICT_SAME, GM_VERDICT_PASS };
    size_t count = sizeof(worst_first) / sizeof(worst_first[0]);
    for (size_t i = 0; i < count; i++) {
        gm_verdict v = worst_first[both ? i : count - 1 - i];
        if (x == v || y == v) return v;
    }
    return x;
}

static gm_rc judge_tree(judge *j, const gm_expr *e, gm_verdict *out, gm_err *err)
{
    bool both = e->op == GM_EXPR_BINARY && strcmp(e->name, "and") == 0;
    if (!both && !(e->op == GM_EXPR_BINARY && strcmp(e->name, "or") == 0)) return judge_leaf(j, e, out, err);
    gm_verdict x = GM_VERDICT_NOT_JUDGED, y = GM_VERDICT_NOT_JUDGED;
    gm_rc rc = judge_tree(j, e->args[0], &x, err);
    if (!rc) rc = judge_tree(j, e->args[1], &y, err);
    if (!rc) *out = decide(x, y, both);
    return rc;
}

static gm_rc judge_gate(judge *j, const gm_gate_spec *spec, gm_gate_result *out, gm_err *err)
{
    j->subject = gm_gate_subject(spec->expr, j->ctx->scores->task);
    j->observed = j->wanted = NAN;
    j->has_sides = false;
    gm_buf_clear(&j->detail);
    gm_verdict verdict = GM_VERDICT_NOT_JUDGED;
    gm_rc rc = judge_tree(j, spec->expr, &verdict, err);
    if (rc) return gm_err_ctx(err, gm_err_place(err, rc, spec->pos), "judging the gate \"%.100s\"", spec->text);
    if (verdict == GM_VERDICT_FIRST) say(j, "there is no champion yet");
    if (verdict == GM_VERDICT_SAME) say(j, "the candidate is the champion");
    *out = (gm_gate_result){ .spec = spec, .verdict = verdict, .observed = j->observed, .wanted = j->wanted,
                             .detail = gm_arena_strdup(j->a, gm_buf_str(&j->detail)) };
    return out->detail && !j->detail.failed ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for the gates' results");
}

gm_rc gm_gates_run(const gm_gate_spec *specs, size_t count, const gm_gate_context *ctx, gm_arena *a, gm_gate_result *out, gm_err *err)
{
    judge j = { .ctx = ctx, .a = a, .scores = *ctx->scores, .has_champion = ctx->champion && !ctx->champion_is_candidate };
    gm_rc rc = GM_OK;
    if (count > 0) rc = gm_score_cache_of(ctx->scores, a, &j.scores.cache, err);
    if (!rc && count > 0 && j.has_champion) {
        j.champion = *ctx->champion;
        rc = gm_err_ctx(err, gm_score_cache_of(ctx->champion, a, &j.champion.cache, err), "scoring the champion");
    }
    for (size_t i = 0; i < count && !rc; i++) rc = judge_gate(&j, &specs[i], &out[i], err);
    gm_buf_clear(&j.detail);
    return rc;
}

const char *gm_verdict_name(gm_verdict v)
{
    switch (v) {
    case GM_VERDICT_PASS: return "pass";
    case GM_VERDICT_FAIL: return "fail";
    case GM_VERDICT_NOT_JUDGED: return "not judged";
    case GM_VERDICT_FIRST: return "first";
    case GM_VERDICT_SAME: return "same model";
    }
    return "not judged";
}
