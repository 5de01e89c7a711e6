/* boosting.c - see boosting.h. */
#include "train/boosting.h"

#include <stdlib.h>
#include <string.h>

gm_rc gm_stop_metric_find(const char *name, gm_task task, gm_stop_metric *out, gm_err *err)
{
    static const struct {
        const char *name;
        gm_stop_metric metric;
        unsigned tasks;
    } metrics[] = {
        { "auto", GM_STOP_LOG_LOSS, 1u << GM_TASK_BINARY | 1u << GM_TASK_MULTICLASS },
        { "auto", GM_STOP_RMSE, 1u << GM_TASK_REGRESSION },
        { "log_loss", GM_STOP_LOG_LOSS, 1u << GM_TASK_BINARY | 1u << GM_TASK_MULTICLASS },
        { "roc_auc", GM_STOP_ROC_AUC, 1u << GM_TASK_BINARY },
        { "rmse", GM_STOP_RMSE, 1u << GM_TASK_REGRESSION },
        { "mae", GM_STOP_MAE, 1u << GM_TASK_REGRESSION },
    };
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        if (strcmp(metrics[i].name, name) != 0 || !(metrics[i].tasks & 1u << task)) continue;
        *out = metrics[i].metric;
        return GM_OK;
    }
    gm_rc rc = gm_err_set(err, GM_EINVALID, "stop_metric \"%.40s\" is not one of this task", name);
    gm_err_hint(err, "Binary: log_loss, roc_auc. Multiclass: log_loss. Regression: rmse, mae.");
    return rc;
}

bool gm_early_stop_add(gm_early_stop *s, int64_t round, double metric)
{
    bool first = s->best_round == 0;
    if (!isnan(metric) && (first || (s->higher_is_better ? metric > s->best : metric < s->best))) {
        s->best = metric;
        s->best_round = round;
    }
    return s->patience > 0 && round - s->best_round >= s->patience;
}

/* OpenMP reads the variable once, as it is loaded. Failing to set it costs speed only. */
void gm_openmp_sleep_when_idle(void)
{
    if (!getenv("OMP_WAIT_POLICY")) (void)setenv("OMP_WAIT_POLICY", "passive", 0);
}

double gm_draw_uniform(gm_random *r, double low, double high) { return low + (high - low) * gm_random_double(r); }

double gm_draw_log_uniform(gm_random *r, double low, double high) { return low * pow(high / low, gm_random_double(r)); }

int64_t gm_draw_int(gm_random *r, int64_t low, int64_t high) { return low + gm_random_below(r, high - low + 1); }

int64_t gm_draw_log_int(gm_random *r, int64_t low, int64_t high)
{
    int64_t v = (int64_t)gm_draw_log_uniform(r, (double)low, (double)high + 1);
    return v > high ? high : v;
}
