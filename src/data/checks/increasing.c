/* increasing.c - increasing(x): a value is not below the last present one before it. The first is not considered. */
#include <math.h>

#include "data/checks_internal.h"

static gm_rc accept(const gm_check_args *args, gm_type *out_type, gm_err *err)
{
    *out_type = GM_TYPE_BOOL;
    return gm_check_one_number(args, &gm_check_form_increasing, err);
}

static gm_rc compute(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    const gm_column *c = NULL;
    gm_rc rc = gm_check_column(args, 0, &c, err);
    if (rc) return rc;
    int64_t *bools = GM_ARENA_ARRAY(scope->a, int64_t, c->rows), last = -1;
    if (!bools) return gm_check_no_memory(err);
    for (int64_t i = 0; i < c->rows; i++) {
        bools[i] = GM_MISSING_INT;
        if (gm_column_is_missing(c, i)) continue;
        if (last >= 0) bools[i] = c->type == GM_TYPE_FLOAT ? c->f64[i] >= c->f64[last] : c->i64[i] >= c->i64[last];
        last = i;
    }
    out->bools = bools;
    return GM_OK;
}

const gm_check_form gm_check_form_increasing = {
    .item = { .name = "increasing", .help = "no value is below the one before it" },
    .signature = "increasing(x)",
    .example = "increasing(time_hour)",
    .per_row = true,
    .accept = accept,
    .compute = compute,
};
