/* drift_tests.c - see drift_tests.h. */
#include "watch/drift_tests.h"

#include <float.h>
#include <math.h>

/* Both sides in order of the values; equal values are passed together. */
typedef struct walk {
    const gm_sample *r, *c;
    int64_t i, k;
    double up_r, up_c; /* weight at or below the last value */
} walk;

static bool step(walk *w, double *value)
{
    bool has_r = w->i < w->r->count, has_c = w->k < w->c->count;
    if (!has_r && !has_c) return false;
    double v = !has_c || (has_r && w->r->value[w->i] <= w->c->value[w->k]) ? w->r->value[w->i] : w->c->value[w->k];
    if (has_r && w->r->value[w->i] == v) w->up_r += w->r->weight[w->i++];
    if (has_c && w->c->value[w->k] == v) w->up_c += w->c->weight[w->k++];
    *value = v;
    return true;
}

/* The largest distance is reached at a value of the current side, or just below one: between them its function is flat and the
 * other rises. */
static double distance_at_current(const gm_sample *r, const gm_sample *c)
{
    double most = 0, up_c = 0;
    for (int64_t k = 0; k < c->count; k++) {
        double below, up = gm_sample_up_to(r, c->value[k], &below);
        most = fmax(most, fabs(below / r->total - up_c / c->total));
        up_c += c->weight[k];
        most = fmax(most, fabs(up / r->total - up_c / c->total));
    }
    return most;
}

double gm_ks_distance(const gm_sample *r, const gm_sample *c)
{
    enum { MANY_TIMES = 20 };
    if (r->up && c->count > 0 && r->count > MANY_TIMES * c->count) return distance_at_current(r, c);
    walk w = { .r = r, .c = c };
    double most = 0, v, n = r->total, m = c->total;
    if (r->count == 0 || c->count == 0) return NAN;
    while (step(&w, &v)) most = fmax(most, fabs(w.up_r / n - w.up_c / m));
    return most;
}

double gm_wasserstein_distance(const gm_sample *r, const gm_sample *c, double scale)
{
    walk w = { .r = r, .c = c };
    double area = 0, error = 0, before = 0, v, height = 0, n = r->total, m = c->total;
    bool first = true;
    if (r->count == 0 || c->count == 0) return NAN;
    while (step(&w, &v)) {
        double x = v * scale, part = first ? 0 : height * (x - before), sum = area + part;
        error += area >= part ? (area - sum) + part : (part - sum) + area;
        area = sum;
        height = fabs(w.up_r / n - w.up_c / m);
        before = x;
        first = false;
    }
    return area + error;
}

/* p-value of the two-sample Kolmogorov-Smirnov distance.
 *
 *   Q(t) = 2 S_{j>=1} (-1)^(j-1) exp(-2 j^2 t^2),  t = (sqrt(e) + 0.12 + 0.11 / sqrt(e)) D,  e = n m / (n + m)
 *
 * Range      [0, 1]; below t = 0.2 the value is 1 to 12 digits
 * Source     M. A. Stephens (1970), JRSS B 32(1):115, on Kolmogorov's limit
 * Checked    test_drift_tests.c, against exact path counts
 */
double gm_ks_p(double distance, double n, double m)
{
    double e = sqrt(n * m / (n + m)), t = (e + 0.12 + 0.11 / e) * distance, sum = 0;
    if (isnan(distance)) return NAN;
    if (t < 0.2) return 1;
    for (int j = 1; j <= 100; j++) {
        double term = exp(-2.0 * j * j * t * t);
        sum += j & 1 ? term : -term;
        if (term < 1e-18 * fabs(sum)) break;
    }
    return fmin(1, fmax(0, 2 * sum));
}

/* upper tail of the chi-square distribution - Q(a, z), the regularised upper incomplete gamma function, a = df / 2, z = x / 2.
 *
 *   z < a + 1:  1 - z^a e^-z / Gamma(a + 1) * (1 + z / (a+1) + z^2 / ((a+1)(a+2)) + ...)
 *   otherwise:  z^a e^-z / Gamma(a) * 1 / (z+1-a - 1(1-a) / (z+3-a - 2(2-a) / (z+5-a - ...)))     (Lentz's method)
 *
 * Range      df > 0, x >= 0; about 1e-13 relative, where the result is above 1e-300
 * Source     NIST Digital Library of Mathematical Functions, 8.11.4 and 8.9.2
 * Checked    test/conformance/watch/drift_evidently.csv, from SciPy, 1e-11; test_drift_tests.c, closed forms, 1e-11
 */
double gm_chi_square_p(double x, double df)
{
    int sign = 0;
    double a = df / 2, z = x / 2;
    if (isnan(x) || !(df > 0)) return NAN;
    if (isinf(x)) return 0;
    if (z <= 0) return 1;
    double front = a * log(z) - z - lgamma_r(a, &sign); /* lgamma writes a global */
    if (z < a + 1) {
        double term = 1 / a, sum = term;
        for (int k = 1; k < 100000 && term > sum * DBL_EPSILON / 8; k++) {
            term *= z / (a + k);
            sum += term;
        }
        return fmin(1, fmax(0, 1 - exp(front) * sum));
    }
    double b = z + 1 - a, c = 1 / DBL_MIN, d = 1 / b, h = d;
    for (int k = 1; k < 100000; k++) {
        double an = -k * (k - a);
        b += 2;
        d = an * d + b;
        d = fabs(d) < DBL_MIN ? DBL_MIN : d;
        c = b + an / c;
        c = fabs(c) < DBL_MIN ? DBL_MIN : c;
        d = 1 / d;
        h *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON) break;
    }
    return fmin(1, exp(front) * h);
}

/* contingency chi-square of two samples.
 *
 *   X2 = S_k S_side (count - expected)^2 / expected,  expected = side's total * column's total / all
 *
 * Source     K. Pearson (1911), Biometrika 8:250
 * Checked    test/conformance/watch/drift_nannyml.csv (SciPy's chi2_contingency), 1e-12 relative
 */
double gm_chi_square_2(const double *reference, const double *current, int64_t count, double *out_df)
{
    double n = 0, m = 0, sum = 0, used = 0;
    for (int64_t k = 0; k < count; k++) {
        n += reference[k];
        m += current[k];
    }
    for (int64_t k = 0; k < count; k++) {
        double both = reference[k] + current[k];
        if (!(both > 0)) continue;
        used++;
        double er = n * both / (n + m), ec = m * both / (n + m);
        sum += (reference[k] - er) * (reference[k] - er) / er + (current[k] - ec) * (current[k] - ec) / ec;
    }
    *out_df = used - 1;
    return sum;
}
