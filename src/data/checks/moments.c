/* moments.c - mean(x), std(x), min(x), max(x), sum(x) over the finite values of a column.
 *
 *   mean = sum / n;  std = sqrt(sum (x - mean)^2 / (n - 1))
 *
 * Missing and infinite values take no part. n = 0: mean, min, max cannot be computed, sum is 0; n < 2: no std.
 * Times give seconds since 1970 for min and max, and seconds for std; they have no sum.
 * Source     pandas (std with ddof 1), as in Great Expectations' stdev; Deequ's StandardDeviation divides by n
 * Checked    test_checks.c against test/conformance/data/pandas_profile.json, 1e-12 relative
 */
#include <math.h>

#include "data/checks_internal.h"

static gm_rc basic(gm_check_scope *scope, const gm_check_args *args, const gm_basic **out, double *out_scale, gm_err *err)
{
    const gm_column *c = NULL;
    gm_rc rc = gm_check_column(args, 0, &c, err);
    if (rc) return rc;
    *out_scale = c->type == GM_TYPE_TIME ? 1e6 : 1;
    return gm_check_basic(scope, c, out, err);
}

#define MOMENT(stat, text, shown)                                                                                        \
    static gm_rc accept_##stat(const gm_check_args *args, gm_type *out_type, gm_err *err)                                \
    {                                                                                                                    \
        *out_type = GM_TYPE_FLOAT;                                                                                       \
        return gm_check_one_number(args, &gm_check_form_##stat, err);                                                    \
    }                                                                                                                    \
    static gm_rc compute_##stat(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)      \
    {                                                                                                                    \
        const gm_basic *b = NULL;                                                                                        \
        double scale = 1;                                                                                                \
        gm_rc rc = basic(scope, args, &b, &scale, err);                                                                  \
        if (!rc) out->number = b->stat / scale;                                                                          \
        return rc;                                                                                                       \
    }                                                                                                                    \
    const gm_check_form gm_check_form_##stat = {                                                                         \
        .item = { .name = #stat, .help = text },                                                                         \
        .signature = #stat "(x)",                                                                                        \
        .example = shown,                                                                                                \
        .accept = accept_##stat,                                                                                         \
        .compute = compute_##stat,                                                                                       \
    };

MOMENT(mean, "the mean of a column", "mean(arr_delay) between 0 and 15")
MOMENT(std, "the standard deviation of a column (n - 1 in the denominator)", "std(distance) < 1000")
MOMENT(min, "the smallest value of a column", "min(distance) > 0")
MOMENT(max, "the largest value of a column", "max(air_time) < 1000")
MOMENT(sum, "the sum of a column", "sum(distance) > 0")
