/* gates_read.c - gates as written: which names they use, and every mistake in them.
 *
 * A gate is an expression of base/expr.h with bool as its result. Names are metrics of the task and the few of gates.h;
 * columns stand after `by` only. The walk over the tree comes before the type check, because it knows better hints.
 */
#include <stdio.h>
#include <string.h>

#include "eval/gates.h"

static const char *const latency_names[] = { "latency_us.p50", "latency_us.p90", "latency_us.p99" };
static const char *const aggregates[] = { "max", "mean", "min" };
enum { LATENCY_COUNT = 3, AGGREGATES_COUNT = 3, NAMES_MAX = 64 };

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* All names a gate may use for the task; out [NAMES_MAX]. */
static size_t known_names(gm_task task, const char **out)
{
    size_t count = 0;
    for (size_t i = 0; i < gm_metrics.count; i++)
        if (gm_metric_fits((const gm_metric *)gm_metrics.items[i], task) && count < NAMES_MAX - 8) out[count++] = gm_metrics.items[i]->name;
    for (size_t i = 0; i < LATENCY_COUNT; i++) out[count++] = latency_names[i];
    out[count++] = "champion";
    out[count++] = "rows";
    out[count++] = "size_bytes";
    return count;
}

gm_rc gm_gate_name(const char *name, gm_task task, gm_gate_name_kind *out_kind, const gm_metric **out_metric, gm_err *err)
{
    static const char champion_prefix[] = "champion.";
    *out_kind = GM_GATE_NAME_UNKNOWN;
    if (strcmp(name, "champion") == 0) *out_kind = GM_GATE_NAME_CHAMPION;
    else if (strcmp(name, "size_bytes") == 0) *out_kind = GM_GATE_NAME_SIZE;
    else if (strcmp(name, "rows") == 0) *out_kind = GM_GATE_NAME_ROWS;
    else if (is_one_of(name, latency_names, LATENCY_COUNT)) *out_kind = GM_GATE_NAME_LATENCY;
    if (*out_kind) return GM_OK;

    bool of_champion = strncmp(name, champion_prefix, sizeof(champion_prefix) - 1) == 0;
    gm_rc rc = gm_metric_find(of_champion ? name + sizeof(champion_prefix) - 1 : name, task, out_metric, err);
    if (!rc) *out_kind = of_champion ? GM_GATE_NAME_CHAMPION_METRIC : GM_GATE_NAME_METRIC;
    return rc;
}

static bool is_aggregate(const gm_expr *e)
{
    return e->op == GM_EXPR_CALL && e->by;
}

const gm_expr *gm_gate_subject(const gm_expr *e, gm_task task)
{
    gm_gate_name_kind kind;
    const gm_metric *metric = NULL;
    if (is_aggregate(e)) return e;
    if (e->op == GM_EXPR_COLUMN)
        return gm_gate_name(e->name, task, &kind, &metric, NULL) == GM_OK && kind == GM_GATE_NAME_METRIC ? e : NULL;
    for (size_t i = 0; i < e->args_count; i++) {
        const gm_expr *found = gm_gate_subject(e->args[i], task);
        if (found) return found;
    }
    return NULL;
}

bool gm_gate_names_champion(const gm_expr *e)
{
    if (e->op == GM_EXPR_COLUMN) return strcmp(e->name, "champion") == 0 || strncmp(e->name, "champion.", 9) == 0;
    for (size_t i = 0; i < e->args_count; i++)
        if (gm_gate_names_champion(e->args[i])) return true;
    return false;
}

/* ---- reading one ---------------------------------------------------------------------------------------------- */

typedef struct reader {
    gm_task task;
    const gm_table *columns;
    gm_errs *errs;
    size_t mistakes;
    bool measured;      /* something that is measured is named */
    bool champion, champion_alone, latency;
    gm_pos champion_pos;
} reader;

static void add(reader *r, gm_pos pos, const char *hint, const char *message)
{
    r->mistakes++;
    gm_errs_at(r->errs, pos, GM_EINVALID, hint, "%s", message);
}

static void unknown_name(reader *r, const gm_expr *e, gm_err *why)
{
    if (r->columns && gm_table_find(r->columns, e->name)) {
        char message[200];
        (void)snprintf(message, sizeof(message), "\"%.100s\" is a column, a gate compares metrics", e->name);
        add(r, e->pos, "Columns stand after by: min(roc_auc by carrier, rows >= 500) >= 0.55.", message);
        return;
    }
    const char *names[NAMES_MAX];
    const char *near = gm_nearest(e->name, names, known_names(r->task, names));
    if (near && strncmp(why->message, "unrecognized", 12) == 0) gm_err_hint(why, "Did you mean \"%s\"?", near);
    (void)gm_err_place(why, why->rc, e->pos);
    r->mistakes++;
    gm_errs_add(r->errs, why);
}

static void read_name(reader *r, const gm_expr *e)
{
    gm_err why;
    gm_gate_name_kind kind;
    const gm_metric *metric = NULL;
    if (gm_gate_name(e->name, r->task, &kind, &metric, &why)) {
        unknown_name(r, e, &why);
        r->measured = true; /* meant as one: no second message about it */
        return;
    }
    bool alone = kind == GM_GATE_NAME_CHAMPION;
    if (alone) r->champion_pos = e->pos;
    r->champion_alone |= alone;
    r->champion |= alone || kind == GM_GATE_NAME_CHAMPION_METRIC;
    r->latency |= kind == GM_GATE_NAME_LATENCY;
    r->measured |= !alone && kind != GM_GATE_NAME_CHAMPION_METRIC;
}

/* The condition of an aggregate: about the slice, so only rows and positives. */
static void read_condition(reader *r, const gm_expr *e)
{
    if (e->op == GM_EXPR_COLUMN && strcmp(e->name, "rows") != 0 && strcmp(e->name, "positives") != 0) {
        char message[200];
        (void)snprintf(message, sizeof(message), "\"%.100s\" is not known of a slice", e->name);
        add(r, e->pos, "A condition after by is about rows or positives, as in rows >= 500.", message);
    }
    for (size_t i = 0; i < e->args_count; i++) read_condition(r, e->args[i]);
}

static void read_aggregate(reader *r, const gm_expr *e)
{
    gm_gate_name_kind kind = GM_GATE_NAME_UNKNOWN;
    const gm_metric *metric = NULL;
    gm_err why;
    r->measured = true;
    if (!is_one_of(e->name, aggregates, AGGREGATES_COUNT))
        add(r, e->pos, "Use min, max or mean, as in min(roc_auc by carrier).", "only min, max and mean go over slices");
    if (e->args_count != 1 || e->args[0]->op != GM_EXPR_COLUMN)
        add(r, e->pos, "Name a metric before by, as in min(roc_auc by carrier).", "one metric is taken over slices");
    else if (gm_gate_name(e->args[0]->name, r->task, &kind, &metric, &why))
        unknown_name(r, e->args[0], &why);
    else if (kind != GM_GATE_NAME_METRIC)
        add(r, e->args[0]->pos, "Name a metric before by, as in min(roc_auc by carrier).", "only metrics can be taken over slices");

    if (e->by->op != GM_EXPR_COLUMN) {
        add(r, e->by->pos, "Name one column after by.", "slices go by a column");
    } else if (r->columns) {
        const gm_column *found = NULL;
        if (gm_table_column(r->columns, e->by->name, &found, &why)) {
            (void)gm_err_place(&why, why.rc, e->by->pos);
            r->mistakes++;
            gm_errs_add(r->errs, &why);
        }
    }
    if (e->where) read_condition(r, e->where);
}

static void read_tree(reader *r, const gm_expr *e)
{
    if (is_aggregate(e)) {
        read_aggregate(r, e);
        return;
    }
    if (e->op == GM_EXPR_COLUMN) read_name(r, e);
    for (size_t i = 0; i < e->args_count; i++) read_tree(r, e->args[i]);
}

/* ---- types ---------------------------------------------------------------------------------------------------- */

/* Names are right by now: all are numbers, but for the column after by. */
static bool host_column(void *ctx, const char *name, gm_type *out_type)
{
    const reader *r = ctx;
    gm_gate_name_kind kind;
    const gm_metric *metric = NULL;
    *out_type = GM_TYPE_FLOAT;
    if (gm_gate_name(name, r->task, &kind, &metric, NULL) == GM_OK || strcmp(name, "positives") == 0) return true;
    const gm_column *c = r->columns ? gm_table_find(r->columns, name) : NULL;
    if (c) *out_type = c->type;
    return c != NULL;
}

static bool host_call(void *ctx, const gm_expr *call, gm_type *out_type, gm_err *err)
{
    (void)ctx;
    (void)err;
    *out_type = GM_TYPE_FLOAT;
    return call->by && is_one_of(call->name, aggregates, AGGREGATES_COUNT);
}

static void no_metric(reader *r, const char *text, gm_pos pos)
{
    char message[300], hint[300];
    (void)snprintf(message, sizeof(message), "gate \"%.200s\" names no metric", text);
    (void)snprintf(hint, sizeof(hint), "A gate compares what was measured, as in %s.",
                   r->task == GM_TASK_BINARY ? "roc_auc >= 0.65" : r->task == GM_TASK_MULTICLASS ? "log_loss <= 0.9" : "r2 >= 0.5");
    add(r, pos, hint, message);
}

static bool read_gate(reader *r, const char *text, gm_pos pos, gm_arena *a, gm_gate_spec *out)
{
    gm_expr *e = NULL;
    if (gm_expr_parse(text, pos, a, &e, r->errs)) return false;
    r->mistakes = 0;
    r->measured = r->champion = r->champion_alone = r->latency = false;
    read_tree(r, e);
    if (!r->mistakes && !r->measured) no_metric(r, text, pos);
    if (!r->mistakes && r->champion_alone && !gm_gate_subject(e, r->task))
        add(r, r->champion_pos, "Name the metric beside it, as in roc_auc >= champion - 0.005.", "the champion is compared by a metric, none is named");
    if (r->mistakes) return false;
    gm_expr_host host = { .column = host_column, .call = host_call, .ctx = r };
    if (gm_expr_check(e, &host, GM_TYPE_BOOL, a, r->errs)) return false;
    *out = (gm_gate_spec){ .text = gm_arena_strdup(a, text), .expr = e, .pos = pos, .uses_champion = r->champion, .uses_latency = r->latency };
    return true;
}

gm_rc gm_gates_read(const gm_node *list, gm_task task, const gm_table *columns, gm_arena *a, gm_gate_spec **out, size_t *out_count, gm_errs *errs)
{
    size_t count = 0, before = gm_errs_total(errs);
    reader r = { .task = task, .columns = columns, .errs = errs };
    size_t wanted = !list ? 0 : list->kind == GM_NODE_SEQ ? list->count : 1;
    gm_gate_spec *specs = GM_ARENA_ARRAY(a, gm_gate_spec, wanted);
    if (!specs) {
        gm_errs_at(errs, list ? list->pos : (gm_pos){ 0 }, GM_ENOMEM, "", "not enough memory for the gates");
        return GM_ENOMEM;
    }
    for (size_t i = 0; i < wanted; i++) {
        const gm_node *n = list->kind == GM_NODE_SEQ ? list->items[i] : list;
        gm_err err;
        const char *text = NULL;
        if (gm_node_text(n, &text, &err)) {
            gm_err_hint(&err, "A gate is one expression, as in `- roc_auc >= 0.65`; put it in quotes when it holds a colon or a #.");
            gm_errs_add(errs, &err);
            continue;
        }
        if (read_gate(&r, text, n->pos, a, &specs[count])) count++;
    }
    if (gm_errs_total(errs) > before) return GM_EINVALID;
    *out = specs;
    *out_count = count;
    return GM_OK;
}
