/* metrics.c - the table of metrics (metric_list.h), and how one is found. */
#include <stdio.h>
#include <string.h>

#include "eval/metric.h"
#include "eval/metric_list.h"

#define X(metric) extern const gm_metric metric;
GM_METRIC_LIST(X)
#undef X

#define X(metric) &metric.item,
static const gm_item *const items[] = { GM_METRIC_LIST(X) };
#undef X

enum { ITEMS_COUNT = sizeof(items) / sizeof(items[0]) };

const gm_registry gm_metrics = { .kind = "metric", .items = items, .count = ITEMS_COUNT };

const gm_metric *gm_metric_default(gm_task task)
{
    switch (task) {
    case GM_TASK_BINARY: return &gm_metric_roc_auc;
    case GM_TASK_MULTICLASS: return &gm_metric_log_loss;
    case GM_TASK_REGRESSION: return &gm_metric_rmse;
    case GM_TASK_UNKNOWN: break;
    }
    return NULL;
}

static const char *word_of(gm_task task)
{
    return task == GM_TASK_BINARY ? "binary" : task == GM_TASK_MULTICLASS ? "multiclass" : "regression";
}

bool gm_metric_fits(const gm_metric *m, gm_task task) { return (m->tasks >> (unsigned)task) & 1u; }

/* "regression", "binary and multiclass". */
static void tasks_text(const gm_metric *m, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (gm_task t = GM_TASK_BINARY; t <= GM_TASK_REGRESSION; t++)
        if (gm_metric_fits(m, t) && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " and " : "", word_of(t));
}

static gm_rc wrong_task(const gm_metric *m, gm_task task, gm_err *err)
{
    char tasks[64], names[384];
    tasks_text(m, tasks, sizeof(tasks));
    gm_rc rc = gm_err_set(err, GM_EINVALID, "metric \"%s\" is for %s targets, this one is %s", m->item.name, tasks, word_of(task));
    size_t used = 0;
    names[0] = '\0';
    for (size_t i = 0; i < ITEMS_COUNT && used < sizeof(names) - 40; i++)
        if (gm_metric_fits((const gm_metric *)items[i], task))
            used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", items[i]->name);
    gm_err_hint(err, "Use one of %s.", names);
    return rc;
}

gm_rc gm_metric_find(const char *name, gm_task task, const gm_metric **out, gm_err *err)
{
    for (size_t i = 0; i < ITEMS_COUNT; i++) {
        const gm_metric *m = (const gm_metric *)items[i];
        if (strcmp(items[i]->name, name) != 0) continue;
        if (!gm_metric_fits(m, task)) return wrong_task(m, task, err);
        *out = m;
        return GM_OK;
    }
    const char *names[ITEMS_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < ITEMS_COUNT; i++)
        if (gm_metric_fits((const gm_metric *)items[i], task)) names[count++] = items[i]->name;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "unrecognized metric \"%s\"", name);
    const char *near = gm_nearest(name, names, count);
    if (near)
        gm_err_hint(err, "Did you mean \"%s\"?", near);
    else
        gm_err_hint(err, "For a %s target there are %zu, among them %s.", word_of(task), count, gm_metric_default(task)->item.name);
    return rc;
}

gm_rc gm_metric_value(const gm_metric *m, const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    if (!gm_metric_fits(m, in->task)) return wrong_task(m, in->task, err);
    return m->compute(in, scratch, out_value, err);
}
