/* gini.c - the Gini coefficient of a ranking, also known as accuracy ratio or Somers' D.
 *
 *   gini = 2 AUC - 1, with AUC of roc_auc.c
 *
 * Ties, undefined  as roc_auc
 * Checked    test/conformance/eval/binary.csv; to 1e-12
 */
#include "eval/sweep_area.h"

static gm_rc gini(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    const gm_sweep *s = NULL;
    gm_rc rc = gm_binary_sweep(in, scratch, "gini", &s, err);
    if (!rc) *out_value = 2 * gm_sweep_area(s) - 1;
    return rc;
}

extern const gm_metric gm_metric_gini;
const gm_metric gm_metric_gini = {
    .item = { .name = "gini", .help = "2 * roc_auc - 1" },
    .source = "Somers 1962",
    .tasks = 1u << GM_TASK_BINARY,
    .low = -1,
    .high = 1,
    .higher_is_better = true,
    .compute = gini,
};
