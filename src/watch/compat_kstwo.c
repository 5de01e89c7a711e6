/* compat_kstwo.c - the one-sample Kolmogorov-Smirnov distribution for finite n, which SciPy takes for two large samples.
 *
 *   P(D_n >= d), n > 0 whole:
 *     n d <= 1/2: 1;  n d <= 1: 1 - n!/n^n (2 n d - 1)^n;  n d >= n - 1: 2 (1 - d)^n
 *     d >= 1/2, or n <= 140 and n d^2 > 4, or n > 140 and n d^2 >= 2.2: 2 P(D+_n >= d), Smirnov's one-sided sum;
 *       0 from n d^2 = 370 on
 *     n <= 140, or n <= 100,000 and n d^1.5 <= 1.4: 1 - Durbin's matrix
 *     otherwise: 1 - Pelz and Good's series
 *
 * Source     R. Simard & P. L'Ecuyer (2011), Journal of Statistical Software 39(11), with the switches of scipy.stats.kstwo,
 *            SciPy 1.17; J. Durbin (1968), Marsaglia, Tsang & Wang (2003); W. Pelz & I. J. Good (1976); N. V. Smirnov (1944)
 * Checked    test_drift_tests.c: against each other where two apply, and known values
 */
#include <math.h>
#include <string.h>

#include "watch/compat_internal.h"

static double clip(double p)
{
    return fmin(1, fmax(0, p));
}

static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign); /* lgamma writes a global */
}

/* P(D+_n >= d) = d S_{j = 0}^{floor(n (1 - d))} C(n, j) (d + j/n)^(j-1) (1 - d - j/n)^(n-j), each term from its logarithm. */
static double one_sided(double n, double d)
{
    double sum = 0, last = floor(n * (1 - d));
    for (double j = 0; j <= last; j++) {
        double up = d + j / n, down = 1 - up;
        if (down <= 0) continue;
        double term = log_gamma(n + 1) - log_gamma(j + 1) - log_gamma(n - j + 1) + (j - 1) * log(up) + (n - j) * log(down);
        sum += term > -740 ? exp(term) : 0;
    }
    return d * sum;
}

/* c = a b, all [m * m] row-major. */
static void multiply(const double *a, const double *b, double *c, int64_t m)
{
    memset(c, 0, (size_t)(m * m) * sizeof(*c));
    for (int64_t i = 0; i < m; i++)
        for (int64_t k = 0; k < m; k++)
            for (int64_t j = 0; j < m; j++) c[i * m + j] += a[i * m + k] * b[k * m + j];
}

/* n!/n^n times the middle entry of H^n, with powers of two kept apart. */
static double durbin_cdf(int64_t n, double d, gm_arena *a)
{
    int64_t k = (int64_t)ceil((double)n * d), m = 2 * k - 1;
    double h = (double)k - (double)n * d, fac = 1;
    double *H = GM_ARENA_ARRAY(a, double, m *m), *power = GM_ARENA_ARRAY(a, double, m *m),
           *work = GM_ARENA_ARRAY(a, double, m *m);
    double *v = GM_ARENA_ARRAY(a, double, m), *w = GM_ARENA_ARRAY(a, double, m);
    if (!H || !power || !work || !v || !w) return NAN;
    for (int64_t j = 1; j <= m; j++) {
        w[j - 1] = fac;
        fac /= (double)j;
        v[j - 1] = (1 - pow(h, (double)j)) * fac;
    }
    v[m - 1] = (1 + pow(fmax(2 * h - 1, 0), (double)m) - 2 * pow(h, (double)m)) * fac;
    for (int64_t i = 1; i < m; i++)
        for (int64_t r = i - 1; r < m; r++) H[r * m + i] = w[r - i + 1];
    for (int64_t r = 0; r < m; r++) H[r * m] = v[r];
    for (int64_t c = 0; c < m; c++) H[(m - 1) * m + c] = v[m - 1 - c];
    for (int64_t i = 0; i < m; i++) power[i * m + i] = 1;
    int exponent = 0, H_exponent = 0;
    for (int64_t left = n; left > 0; left /= 2) {
        if (left & 1) {
            multiply(power, H, work, m);
            double *swap = power;
            power = work;
            work = swap;
            exponent += H_exponent;
        }
        multiply(H, H, work, m);
        double *swap = H;
        H = work;
        work = swap;
        H_exponent *= 2;
        if (fabs(H[(k - 1) * m + k - 1]) > 0x1p128) {
            for (int64_t i = 0; i < m * m; i++) H[i] *= 0x1p-128;
            H_exponent += 128;
        }
    }
    double p = power[(k - 1) * m + k - 1];
    for (int64_t i = 1; i <= n; i++) {
        p = (double)i * p / (double)n;
        if (fabs(p) >= 0x1p-128) continue;
        p *= 0x1p128;
        exponent -= 128;
    }
    return ldexp(p, exponent);
}

/* K0(z) + K1(z) / sqrt(n) + K2(z) / n + K3(z) / n^1.5, z = sqrt(n) d, in the form of theta functions that converges for small z.
 */
static double pelz_good_cdf(double n, double d)
{
    double z = sqrt(n) * d, z2 = z * z, z3 = z2 * z, z4 = z2 * z2, z6 = z4 * z2, pi2 = M_PI * M_PI, pi4 = pi2 * pi2,
           pi6 = pi4 * pi2, root = sqrt(2 * M_PI);
    double from = -pi2 / 8 / z2, k0 = 0, k1 = 0, k2 = 0, k3 = 0, extra2 = 0, extra3 = 0;
    if (from < -708) return 0;
    double q = exp(from), r = exp(-pi2 / 2 / z2);
    int terms = (int)ceil(16 * z / M_PI);
    for (int k = terms; k > 0; k--) {
        double m2 = (2.0 * k - 1) * (2.0 * k - 1), m4 = m2 * m2, step = pow(q, 8.0 * k);
        k0 = k0 * step + 1;
        k1 = k1 * step - z2 + pi2 / 4 * m2;
        k2 = k2 * step + 6 * z6 + 2 * z4 + (2 * z4 - 5 * z2) * pi2 / 4 * m2 + pi4 * (1 - 2 * z2) / 16 * m4;
        k3 = k3 * step - 30 * z6 - 90 * z4 * z4 + pi2 * (135 * z4 - 96 * z6) / 4 * m2 + pi4 * (-60 * z2 + 212 * z4) / 16 * m4 +
             pi6 * (5 - 30 * z2) / 64 * m4 * m2;
        double kk = (double)k * k, part = pow(r, kk) * kk;
        extra2 += part;
        extra3 += (3 * z2 - pi2 * kk) * part;
    }
    k0 *= q * root / z;
    k1 *= q * root / (6 * z4);
    k2 = k2 * q * root / (72 * z4 * z3) - extra2 * pi2 * root / (36 * z3);
    k3 = k3 * q * root / (6480 * z4 * z6) + extra3 * pi2 * root / (216 * z6);
    return k0 + k1 / sqrt(n) + k2 / n + k3 / (n * sqrt(n));
}

double gm_scipy_kstwo_sf(double d, double n)
{
    double t = n * d, nd2 = t * d;
    if (isnan(d) || !(n > 0)) return NAN;
    if (d >= 1) return 0;
    if (t <= 0.5) return 1;
    if (t <= 1) return clip(1 - exp(log_gamma(n + 1) - n * log(n) + n * log(2 * t - 1)));
    if (t >= n - 1) return clip(2 * pow(1 - d, n));
    if (n > 140 && nd2 >= 370) return 0;
    if (d >= 0.5 || (n <= 140 ? nd2 > 4 : nd2 >= 2.2)) return clip(2 * one_sided(n, d));
    if (n > 140 && !(n <= 100000 && n * d * sqrt(d) <= 1.4)) return clip(1 - pelz_good_cdf(n, d));
    gm_arena *a = gm_arena_new(0);
    double cdf = a ? durbin_cdf((int64_t)n, d, a) : (double)NAN;
    gm_arena_free(a);
    return isnan(cdf) ? cdf : clip(1 - cdf);
}
