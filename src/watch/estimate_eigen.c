/* estimate_eigen.c - Householder reflections to a tridiagonal matrix, then implicit QR steps with Wilkinson's shift.
 *
 *   Q' M Q = T (tridiagonal), G T G' -> diagonal; the rows of (Q G' ...)' are the eigenvectors
 *
 * Vectors are kept as rows, so that a rotation mixes two runs of memory.
 * Source     Golub and Van Loan, Matrix Computations, 4th edition, 8.3.1 and 8.3.3
 * Checked    test_estimate_pca.c: M v = lambda v and V V' = 1 on random matrices, to 1e-12 of the largest value
 */
#include "watch/estimate_eigen.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Reflect away what is beyond the first off-diagonal of column k. v [n]: left holding the reflection's vector. p [n] for work.
 * Returns the off-diagonal entry. */
static double reflect_column(double *m, size_t n, size_t k, double *v, double *p, double *out_beta)
{
    double rest = 0, first = m[(k + 1) * n + k];
    for (size_t i = k + 2; i < n; i++) {
        v[i] = m[i * n + k];
        rest += v[i] * v[i];
    }
    double norm = sqrt(first * first + rest), alpha = first > 0 ? -norm : norm;
    *out_beta = 0;
    if (!(rest > 0)) return first;
    v[k + 1] = first - alpha;
    double beta = *out_beta = 2 / (rest + v[k + 1] * v[k + 1]), vp = 0;
    for (size_t i = k + 1; i < n; i++) {
        p[i] = 0;
        for (size_t j = k + 1; j < n; j++) p[i] += m[i * n + j] * v[j];
        p[i] *= beta;
        vp += v[i] * p[i];
    }
    for (size_t i = k + 1; i < n; i++) p[i] -= beta / 2 * vp * v[i];
    for (size_t i = k + 1; i < n; i++)
        for (size_t j = k + 1; j < n; j++) m[i * n + j] -= v[i] * p[j] + p[i] * v[j];
    return alpha;
}

/* d, e: the tridiagonal matrix; m becomes Q', rows being Q's columns. v [n, n] for the reflections. */
static void tridiagonal(double *m, size_t n, double *d, double *e, double *v, double *p, double *beta)
{
    for (size_t k = 0; k + 1 < n; k++) e[k] = reflect_column(m, n, k, v + k * n, p, &beta[k]);
    for (size_t i = 0; i < n; i++) d[i] = m[i * n + i];
    memset(m, 0, n * n * sizeof(*m));
    for (size_t i = 0; i < n; i++) m[i * n + i] = 1;
    for (size_t k = n - 1; k-- > 0;) { /* Q = H_0 H_1 ...; its transpose gains each from the right */
        const double *h = v + k * n;
        for (size_t i = 0; i < n && beta[k] != 0; i++) {
            double dot = 0;
            for (size_t j = k + 1; j < n; j++) dot += m[i * n + j] * h[j];
            for (size_t j = k + 1; j < n; j++) m[i * n + j] -= beta[k] * dot * h[j];
        }
    }
}

static void rotate_rows(double *a, double *b, size_t n, double c, double s)
{
    for (size_t i = 0; i < n; i++) {
        double x = a[i], y = b[i];
        a[i] = c * x + s * y;
        b[i] = c * y - s * x;
    }
}

/* One implicit QR step on the block low .. high. */
static void step(double *d, double *e, size_t low, size_t high, double *rows, size_t n)
{
    double half = (d[high - 1] - d[high]) / 2, last = e[high - 1];
    double shift = d[high] - last * last / (half + copysign(hypot(half, last), half));
    double x = d[low] - shift, z = e[low];
    for (size_t k = low; k < high; k++) {
        double r = hypot(x, z), c = r > 0 ? x / r : 1, s = r > 0 ? z / r : 0, a = d[k], b = e[k], f = d[k + 1];
        if (k > low) e[k - 1] = r;
        d[k] = c * c * a + 2 * c * s * b + s * s * f;
        d[k + 1] = s * s * a - 2 * c * s * b + c * c * f;
        e[k] = c * s * (f - a) + (c * c - s * s) * b;
        if (k + 1 < high) {
            x = e[k];
            z = s * e[k + 1];
            e[k + 1] *= c;
        }
        rotate_rows(rows + k * n, rows + (k + 1) * n, n, c, s);
    }
}

static gm_rc diagonal(double *d, double *e, double *rows, size_t n, gm_err *err)
{
    size_t steps_left = 60 * n;
    for (size_t high = n - 1; high > 0;) {
        size_t low = high;
        while (low > 0 && fabs(e[low - 1]) > DBL_EPSILON * (fabs(d[low - 1]) + fabs(d[low]))) low--;
        if (low == high) {
            e[--high] = 0;
            continue;
        }
        if (steps_left-- == 0) return gm_err_set(err, GM_EINTERNAL, "the eigenvalues of %zu columns did not converge", n);
        step(d, e, low, high, rows, n);
    }
    return GM_OK;
}

static void largest_first(double *values, double *rows, size_t n, double *spare)
{
    for (size_t i = 0; i < n; i++) {
        size_t best = i, peak = 0;
        for (size_t j = i + 1; j < n; j++)
            if (values[j] > values[best]) best = j;
        double value = values[i];
        values[i] = values[best];
        values[best] = value;
        double *a = rows + i * n, *b = rows + best * n;
        if (best != i) {
            memcpy(spare, a, n * sizeof(*a));
            memcpy(a, b, n * sizeof(*a));
            memcpy(b, spare, n * sizeof(*a));
        }
        for (size_t j = 1; j < n; j++)
            if (fabs(a[j]) > fabs(a[peak])) peak = j;
        for (size_t j = 0; j < n && a[peak] < 0; j++) spare[j] = -a[j];
        if (a[peak] < 0) memcpy(a, spare, n * sizeof(*a));
    }
}

gm_rc gm_eigen_symmetric(double *m, size_t n, double *values, gm_arena *scratch, gm_err *err)
{
    if (n == 0) return GM_OK;
    for (size_t i = 0; i < n * n; i++)
        if (!isfinite(m[i])) return gm_err_set(err, GM_EINVALID, "entry %zu of a %zu x %zu matrix is not finite", i, n, n);
    double *e = GM_ARENA_ARRAY(scratch, double, n), *beta = GM_ARENA_ARRAY(scratch, double, n),
           *p = GM_ARENA_ARRAY(scratch, double, n);
    double *v = GM_ARENA_ARRAY(scratch, double, n * n);
    if (!e || !beta || !p || !v) return gm_err_set(err, GM_ENOMEM, "not enough memory for the eigenvalues of %zu columns", n);
    tridiagonal(m, n, values, e, v, p, beta);
    gm_rc rc = diagonal(values, e, m, n, err);
    if (!rc) largest_first(values, m, n, p);
    return rc;
}
