/* page_hinkley.c - has the mean of a stream moved, up or down?
 *
 *   m_t    mean of the values so far
 *   U_t    alpha U_(t-1) + (x_t - m_t) - delta,  D_t = alpha D_(t-1) + (x_t - m_t) + delta
 *   alarm  when t >= values_min and U_t - min U > threshold or max D - D_t > threshold; then all begins anew
 *
 * Units      threshold and delta in those of the values: for shares and losses near 1 the default threshold of 50 is slow
 * Missing    a value that is not finite is passed over
 * Source     Page (1954), Biometrika 41; river 0.26, PageHinkley(mode="both")
 * Checked    test/conformance/watch/sequential.csv: the same positions
 */
#include "watch/estimate.h"

static double or_default(double setting, double otherwise)
{
    return setting == 0 ? otherwise : setting;
}

bool gm_page_hinkley_add(gm_page_hinkley *d, double value)
{
    if (!isfinite(value)) return false;
    int64_t values_min = d->values_min ? d->values_min : 30;
    double delta = or_default(d->delta, 0.005), threshold = or_default(d->threshold, 50),
           alpha = or_default(d->alpha, 1 - 0.0001);

    d->values++;
    d->mean += (value - d->mean) / (double)d->values;
    double away = value - d->mean;
    d->sum_up = alpha * d->sum_up + away - delta;
    d->sum_down = alpha * d->sum_down + away + delta;
    d->least_up = d->values == 1 ? d->sum_up : fmin(d->least_up, d->sum_up);
    d->most_down = d->values == 1 ? d->sum_down : fmax(d->most_down, d->sum_down);
    if (d->values < values_min) return false;
    if (!(d->sum_up - d->least_up > threshold || d->most_down - d->sum_down > threshold)) return false;
    *d = (gm_page_hinkley){ .values_min = d->values_min, .delta = d->delta, .threshold = d->threshold, .alpha = d->alpha };
    return true;
}
