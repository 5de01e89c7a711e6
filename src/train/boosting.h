/* boosting.h - what the boosting trainers share: the metric watched per round, and when to stop. */
#ifndef GM_TRAIN_BOOSTING_H
#define GM_TRAIN_BOOSTING_H

#include "train/trainer.h"

#define GM_STOP_METRICS "auto log_loss roc_auc rmse mae"

typedef enum gm_stop_metric { GM_STOP_LOG_LOSS, GM_STOP_ROC_AUC, GM_STOP_RMSE, GM_STOP_MAE } gm_stop_metric;

/* name: one of GM_STOP_METRICS; auto is log_loss for classes and rmse for values. Errors: GM_EINVALID when it is of another task. */
gm_rc gm_stop_metric_find(const char *name, gm_task task, gm_stop_metric *out, gm_err *err);

/* The best round so far. */
typedef struct gm_early_stop {
    bool higher_is_better;
    int64_t patience;   /* rounds without a better one; 0 = never stop */
    int64_t best_round; /* 1-based; 0 = none yet */
    double best;
} gm_early_stop;

/* round 1, 2, ... with its metric. True when it is time to stop. Equal is not better; NaN is never better. */
bool gm_early_stop_add(gm_early_stop *s, int64_t round, double metric);

/* Seeds of the libraries are 31 bits. */
static inline int32_t gm_library_seed(uint64_t seed) { return (int32_t)(seed & 0x7fffffff); }

/* Before a library with OpenMP is loaded for the first time: its idle threads shall sleep, not spin, unless the user's environment says
 * otherwise. Two trainers at once on two cores otherwise burn four times the CPU time waiting for each other. */
void gm_openmp_sleep_when_idle(void);

/* Draws for search spaces. */
double gm_draw_uniform(gm_random *r, double low, double high);
double gm_draw_log_uniform(gm_random *r, double low, double high);
int64_t gm_draw_int(gm_random *r, int64_t low, int64_t high);     /* both ends included */
int64_t gm_draw_log_int(gm_random *r, int64_t low, int64_t high); /* both ends included */

#endif
