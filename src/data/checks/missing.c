/* missing.c - missing(x): the share of rows where x is missing.
 *
 *   missing / rows, 0 for a table without rows
 *
 * Source     1 - completeness as in Deequ (non-null / rows)
 * Checked    test_checks.c, by hand
 */
#include "data/checks_internal.h"

static gm_rc accept(const gm_check_args *args, gm_type *out_type, gm_err *err)
{
    const gm_column *c = NULL;
    *out_type = GM_TYPE_FLOAT;
    gm_rc rc = gm_check_count(args, &gm_check_form_missing, 1, err);
    return rc ? rc : gm_check_column(args, 0, &c, err);
}

static gm_rc compute(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    const gm_column *c = NULL;
    const gm_basic *b = NULL;
    gm_rc rc = gm_check_column(args, 0, &c, err);
    if (!rc) rc = gm_check_basic(scope, c, &b, err);
    if (!rc) out->number = scope->table->rows ? (double)b->missing / (double)scope->table->rows : 0;
    return rc;
}

const gm_check_form gm_check_form_missing = {
    .item = { .name = "missing", .help = "the share of rows where the column is missing" },
    .signature = "missing(x)",
    .example = "missing(dep_time) < 5%",
    .accept = accept,
    .compute = compute,
};
