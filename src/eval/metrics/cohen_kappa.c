/* cohen_kappa.c - agreement of prediction and truth beyond what their class shares alone would give.
 *
 *   kappa = (po - pe) / (1 - pe)
 *   po = share of rows predicted rightly, pe = sum over classes of share in truth * share in prediction
 *
 * Undefined  when pe = 1 (one class in both): GM_EINVALID (scikit-learn gives NaN)
 * Source     Cohen (1960), Educational and Psychological Measurement 20(1):37-46; scikit-learn 1.9, cohen_kappa_score
 * Checked    test/conformance/eval/binary.csv, multiclass.csv; to 1e-13
 */
#include "eval/score_cache.h"

static gm_rc cohen_kappa(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (rc) return rc;
    double n = c->total, by_chance = 0; /* rows agreeing by chance, times n */
    for (int64_t k = 0; k < c->classes; k++) by_chance += c->truth_totals[k] * c->predicted_totals[k];
    if (by_chance >= n * n) return gm_err_set(err, GM_EINVALID, "cohen_kappa needs two classes, all rows are and are predicted one");
    *out_value = 1 - (n - c->correct) / (n - by_chance / n);
    return GM_OK;
}

extern const gm_metric gm_metric_cohen_kappa;
const gm_metric gm_metric_cohen_kappa = {
    .item = { .name = "cohen_kappa", .help = "agreement beyond chance" },
    .source = "Cohen 1960; scikit-learn cohen_kappa_score",
    .tasks = 1u << GM_TASK_BINARY | 1u << GM_TASK_MULTICLASS,
    .low = -1,
    .high = 1,
    .higher_is_better = true,
    .compute = cohen_kappa,
};
