/* roc_auc_ovr.c - mean over classes of the ROC AUC of that class against the rest.
 *
 *   roc_auc_ovr = mean over k of AUC(truth = k, probability of k), every class the same weight (macro)
 *
 * Ties       as roc_auc
 * Undefined  when a class has no row, or all of them: GM_EINVALID
 * Source     scikit-learn 1.9, roc_auc_score(multi_class="ovr", average="macro")
 * Checked    test/conformance/eval/multiclass.csv; to 1e-13
 */
#include "eval/sweep_area.h"

static gm_rc roc_auc_ovr(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    double sum = 0;
    for (int64_t k = 0; !rc && k < in->classes; k++) {
        const gm_sweep *s = NULL;
        rc = gm_cached_sweep(c, k, &s, err);
        if (!rc && (s->positives == 0 || s->negatives == 0))
            rc = gm_err_set(err, GM_EINVALID, "roc_auc_ovr needs rows of every class, class %lld has %s", (long long)k,
                            s->positives == 0 ? "none" : "all");
        if (!rc) sum += gm_sweep_area(s);
    }
    if (!rc) *out_value = sum / (double)in->classes;
    return rc;
}

extern const gm_metric gm_metric_roc_auc_ovr;
const gm_metric gm_metric_roc_auc_ovr = {
    .item = { .name = "roc_auc_ovr", .help = "mean ROC AUC of each class against the rest" },
    .source = "scikit-learn roc_auc_score, one-vs-rest, macro",
    .tasks = 1u << GM_TASK_MULTICLASS,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = roc_auc_ovr,
};
