/* quantile.c - median(x) and quantile(x, p) over the finite values of a column; exact.
 *
 *   type 7: h = (n - 1) p, linear between the neighbours; see gm_quantile_sorted. No values: cannot be computed.
 *
 * Source     Hyndman & Fan (1996), definition 7: NumPy's and pandas' default (Great Expectations' quantiles take the nearest value)
 * Checked    test_checks.c against test/conformance/data/pandas_profile.json, 1e-12 relative
 */
#include <math.h>
#include <stdlib.h>

#include "data/checks_internal.h"
#include "data/sketch.h"

static gm_rc at(gm_check_scope *scope, const gm_check_args *args, double p, gm_check_value *out, gm_err *err)
{
    (void)scope;
    const gm_column *c = NULL;
    gm_rc rc = gm_check_column(args, 0, &c, err);
    if (rc) return rc;
    double *values = malloc((size_t)(c->rows + 1) * sizeof(*values));
    int64_t n = 0;
    if (!values) return gm_check_no_memory(err);
    for (int64_t i = 0; i < c->rows; i++) {
        values[n] = gm_column_double(c, i);
        n += isfinite(values[n]) != 0;
    }
    out->number = gm_quantile_of(values, n, p) / (c->type == GM_TYPE_TIME ? 1e6 : 1);
    free(values);
    return GM_OK;
}

static gm_rc accept_median(const gm_check_args *args, gm_type *out_type, gm_err *err)
{
    *out_type = GM_TYPE_FLOAT;
    return gm_check_one_number(args, &gm_check_form_median, err);
}

static gm_rc compute_median(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    return at(scope, args, 0.5, out, err);
}

const gm_check_form gm_check_form_median = {
    .item = { .name = "median", .help = "the median of a column" },
    .signature = "median(x)",
    .example = "median(distance) between 500 and 1500",
    .accept = accept_median,
    .compute = compute_median,
};

static gm_rc accept_quantile(const gm_check_args *args, gm_type *out_type, gm_err *err)
{
    *out_type = GM_TYPE_FLOAT;
    gm_rc rc = gm_check_count(args, &gm_check_form_quantile, 2, err);
    if (!rc) rc = gm_check_one_number(args, NULL, err);
    if (rc) return rc;
    const gm_expr *p = args->call->args[1];
    if (p->op != GM_EXPR_CONST || p->text || p->is_duration || !(p->number >= 0 && p->number <= 1))
        return gm_err_at(err, p->pos, GM_EINVALID, "quantile() takes a number between 0 and 1, such as 0.95 or 95%%");
    return GM_OK;
}

static gm_rc compute_quantile(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    return at(scope, args, args->call->args[1]->number, out, err);
}

const gm_check_form gm_check_form_quantile = {
    .item = { .name = "quantile", .help = "a quantile of a column, linear between neighbours" },
    .signature = "quantile(x, p)",
    .example = "quantile(dep_delay, 0.95) < 120",
    .accept = accept_quantile,
    .compute = compute_quantile,
};
