/* cholesky.c - see cholesky.h. */
#include "train/cholesky.h"

#include <math.h>
#include <string.h>

static const double pivot_min = 1e-10;

static double dot(const double *a, const double *b, int64_t n)
{
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int64_t j = 0;
    for (; j + 4 <= n; j += 4) {
        s0 += a[j] * b[j];
        s1 += a[j + 1] * b[j + 1];
        s2 += a[j + 2] * b[j + 2];
        s3 += a[j + 3] * b[j + 3];
    }
    for (; j < n; j++) s0 += a[j] * b[j];
    return (s0 + s1) + (s2 + s3);
}

int64_t gm_cholesky(double *a, int64_t n)
{
    int64_t given_up = 0;
    for (int64_t i = 0; i < n; i++) {
        double *row = a + i * n;
        for (int64_t j = 0; j < i; j++) {
            double pivot = a[j * n + j];
            row[j] = pivot > 0 ? (row[j] - dot(row, a + j * n, j)) / pivot : 0;
        }
        double rest = row[i] - dot(row, row, i);
        if (rest > pivot_min * row[i]) {
            row[i] = sqrt(rest);
        } else { /* pivot 0 marks it; later rows then hold 0 in this column */
            memset(row, 0, (size_t)(i + 1) * sizeof(*row));
            given_up++;
        }
    }
    return given_up;
}

void gm_cholesky_solve(const double *l, int64_t n, double *b)
{
    for (int64_t i = 0; i < n; i++) {
        double pivot = l[i * n + i];
        b[i] = pivot > 0 ? (b[i] - dot(l + i * n, b, i)) / pivot : 0;
    }
    for (int64_t i = n; i-- > 0;) { /* by columns of L', which are rows of L */
        double pivot = l[i * n + i];
        b[i] = pivot > 0 ? b[i] / pivot : 0;
        for (int64_t j = 0; j < i; j++) b[j] -= l[i * n + j] * b[i];
    }
}

static double shrink(double v, double by) { return v > by ? v - by : v < -by ? v + by : 0; }

bool gm_l1_quadratic(const double *h, const double *q, const double *penalty, int64_t n, double tolerance, int64_t sweeps_max, double *w, double *hw)
{
    for (int64_t i = 0; i < n; i++) hw[i] = dot(h + i * n, w, n);
    for (int64_t sweep = 0; sweep < sweeps_max; sweep++) {
        double largest = 0;
        for (int64_t j = 0; j < n; j++) {
            double hjj = h[j * n + j];
            if (hjj <= 0) continue;
            double step = shrink(q[j] - hw[j] + hjj * w[j], penalty[j]) / hjj - w[j];
            if (step == 0) continue;
            w[j] += step;
            for (int64_t i = 0; i < n; i++) hw[i] += step * h[j * n + i];
            largest = fmax(largest, hjj * step * step / 2);
        }
        if (largest <= tolerance) return true;
    }
    return false;
}
