/* sequential.c - see sequential.h.
 *
 *   n_i        how often outcome i of k was seen, n their sum, p^ = n_i / n
 *   M(p)     = mix(n_1 .. n_k) / prod p_i^n_i          a martingale of mean 1 when p is the truth
 *   mix      = Gamma(k/2) / Gamma(n + k/2)  prod Gamma(n_i + 1/2) / Gamma(1/2)     Dirichlet(1/2) mixture (Krichevsky-Trofimov)
 *   set(n)   = { p : M(p) < 1 / alpha } = { p : n KL(p^ || p) < ln(1 / alpha) + R },   R = sum n_i ln p^_i - ln mix >= 0
 *   By Ville's inequality the truth leaves the set at any time with probability at most alpha. k = 2: both ends by bisection.
 *   Total variation by Pinsker's inequality: TV(p^, p) <= sqrt(KL(p^ || p) / 2).
 *
 * Edges      0 ln 0 = 0; without observations the set is everything
 * Source     Ville (1939); Robbins (1970), Ann. Math. Stat. 41:1397-1409; Krichevsky & Trofimov (1981), IEEE Trans. Inf. Theory
 * 27:199-207; Kaufmann & Koolen (2021), JMLR 22(246); Howard, Ramdas, McAuliffe & Sekhon (2021), Ann. Stat. 49:1055-1080 Checked
 * test/unit/serve/test_judge.c: by hand for small n, coverage over simulated sequences looked at after every observation
 */
#include "serve/sequential.h"

#include <math.h>

static double log_gamma(double x)
{
    int sign = 0;
    return lgamma_r(x, &sign); /* lgamma writes a global */
}

double gm_seq_radius(const int64_t *counts, size_t k, double alpha)
{
    double n = 0, likelihood = 0, mix = log_gamma((double)k / 2);
    for (size_t i = 0; i < k; i++) n += (double)counts[i];
    if (n <= 0) return (double)INFINITY;
    mix -= log_gamma(n + (double)k / 2);
    for (size_t i = 0; i < k; i++) {
        double c = (double)counts[i];
        if (c > 0) likelihood += c * log(c / n);
        mix += log_gamma(c + 0.5) - log_gamma(0.5);
    }
    return (likelihood - mix - log(alpha)) / n;
}

/* KL of a coin that shows its side with probability a from one with p. */
static double coin_kl(double a, double p)
{
    double left = a > 0 ? a * log(a / p) : 0, right = a < 1 ? (1 - a) * log((1 - a) / (1 - p)) : 0;
    return left + right;
}

/* KL grows on both sides of a: the place between a and the end where it passes the radius. */
static double edge(double a, double end, double radius)
{
    double inside = a, outside = end;
    for (int i = 0; i < 60; i++) {
        double middle = (inside + outside) / 2;
        if (coin_kl(a, middle) < radius)
            inside = middle;
        else
            outside = middle;
    }
    return outside;
}

static double coin_radius(int64_t hits, int64_t n, double alpha)
{
    return gm_seq_radius((int64_t[]){ hits, n - hits }, 2, alpha);
}

double gm_seq_low(int64_t hits, int64_t n, double alpha)
{
    return n <= 0 || hits <= 0 ? 0 : edge((double)hits / (double)n, 0, coin_radius(hits, n, alpha));
}

double gm_seq_high(int64_t hits, int64_t n, double alpha)
{
    return n <= 0 || hits >= n ? 1 : edge((double)hits / (double)n, 1, coin_radius(hits, n, alpha));
}

double gm_seq_total_variation(const int64_t *counts, size_t k, double alpha)
{
    double tv = sqrt(gm_seq_radius(counts, k, alpha) / 2);
    return tv < 1 ? tv : 1;
}
