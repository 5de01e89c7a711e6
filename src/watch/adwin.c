/* adwin.c - ADWIN: a window of a stream that keeps growing while its mean stays, and is cut when it does not.
 *
 *   The window is held as buckets of 1, 2, 4, ... values (sum and spread of each), at most five of a size; a sixth merges the
 *   two oldest. Every 32nd value, each border between buckets splits the window into W0 (older, n0 values) and W1 (n1); when
 *   both have five or more and
 *
 *     |mean0 - mean1| > sqrt(2 r v q) + 2/3 q r,  r = 1/(n0 - 4) + 1/(n1 - 4),  q = ln(2 ln(n0 + n1) / delta)
 *     v  the window's variance
 *
 *   the oldest bucket goes, and the borders are looked at again. After a cut the next value begins a new window, as in river
 *   (the paper goes on with what is left).
 *
 * Memory     64 sizes of six buckets: 6 KiB, whatever the length
 * Missing    a value that is not finite is passed over
 * Source     Bifet and Gavalda (2007), SIAM SDM; river 0.26, ADWIN
 * Checked    test/conformance/watch/sequential.csv: the same positions, widths and means
 */
#include <stdlib.h>

#include "watch/estimate.h"

enum { CLOCK = 32, BUCKETS = 5, SIDE_MIN = 5, GRACE = 10, SIZES = 64 };

/* Buckets of one size, oldest first. spread: sum of squared distances from the bucket's mean. */
typedef struct row {
    int count;
    double sum[BUCKETS + 1], spread[BUCKETS + 1];
} row;

struct gm_adwin {
    double delta;
    row rows[SIZES]; /* rows[r]: buckets of 2^r values */
    int used;        /* rows in use, >= 1 */
    double width, sum, spread;
    int64_t ticks;
    bool was_cut;
};

static void begin(gm_adwin *d)
{
    *d = (gm_adwin){ .delta = d->delta, .used = 1 };
}

gm_rc gm_adwin_new(double delta, gm_adwin **out, gm_err *err)
{
    if (delta == 0) delta = 0.002;
    if (!(delta > 0 && delta < 1))
        return gm_err_set(err, GM_EINVALID, "the delta of ADWIN must be between 0 and 1, not %g", delta);
    gm_adwin *d = calloc(1, sizeof(*d));
    if (!d) return gm_err_set(err, GM_ENOMEM, "not enough memory for a detector");
    d->delta = delta;
    begin(d);
    *out = d;
    return GM_OK;
}

void gm_adwin_free(gm_adwin *d)
{
    free(d);
}

static double size_of(int r)
{
    return ldexp(1, r);
}

static void push(row *r, double sum, double spread)
{
    r->sum[r->count] = sum;
    r->spread[r->count++] = spread;
}

static void drop_oldest(row *r, int count)
{
    r->count -= count;
    for (int i = 0; i < r->count; i++) {
        r->sum[i] = r->sum[i + count];
        r->spread[i] = r->spread[i + count];
    }
}

/* What two parts add to the spread because their means differ. */
static double between(double n, double mean_n, double m, double mean_m)
{
    return n * m * (mean_n - mean_m) * (mean_n - mean_m) / (n + m);
}

static void insert(gm_adwin *d, double value)
{
    push(&d->rows[0], value, 0);
    d->width++;
    if (d->width > 1) {
        double mean = d->sum / (d->width - 1);
        d->spread += (d->width - 1) * (value - mean) * (value - mean) / d->width;
    }
    d->sum += value;
    for (int r = 0; d->rows[r].count > BUCKETS && r + 1 < SIZES; r++) {
        row *full = &d->rows[r];
        double n = size_of(r);
        push(&d->rows[r + 1], full->sum[0] + full->sum[1],
             full->spread[0] + full->spread[1] + between(n, full->sum[0] / n, n, full->sum[1] / n));
        drop_oldest(full, 2);
        if (d->used < r + 2) d->used = r + 2;
    }
}

static void forget_oldest(gm_adwin *d)
{
    int r = d->used - 1;
    double n = size_of(r), sum = d->rows[r].sum[0], spread = d->rows[r].spread[0];
    d->width -= n;
    d->sum -= sum;
    d->spread -= spread + between(n, sum / n, d->width, d->sum / d->width);
    drop_oldest(&d->rows[r], 1);
    while (d->used > 1 && d->rows[d->used - 1].count == 0) d->used--;
}

static bool differs(const gm_adwin *d, double n0, double sum0, double n1, double sum1)
{
    if (n0 < SIDE_MIN || n1 < SIDE_MIN) return false;
    double q = log(2 * log(d->width) / d->delta), r = 1 / (n0 - SIDE_MIN + 1) + 1 / (n1 - SIDE_MIN + 1);
    return fabs(sum0 / n0 - sum1 / n1) > sqrt(2 * r * (d->spread / d->width) * q) + 2.0 / 3 * q * r;
}

/* Is there a border at which the means differ? Oldest first. */
static bool has_cut(const gm_adwin *d)
{
    double n0 = 0, sum0 = 0;
    for (int r = d->used - 1; r >= 0; r--)
        for (int k = 0; k < d->rows[r].count; k++) {
            n0 += size_of(r);
            sum0 += d->rows[r].sum[k];
            if (r == 0 && k == d->rows[r].count - 1) return false; /* nothing is left on the other side */
            if (differs(d, n0, sum0, d->width - n0, d->sum - sum0)) return true;
        }
    return false;
}

bool gm_adwin_add(gm_adwin *d, double value)
{
    if (!isfinite(value)) return false;
    if (d->was_cut) begin(d);
    insert(d, value);
    if (++d->ticks % CLOCK != 0 || d->width <= GRACE) return false;
    while (has_cut(d)) {
        d->was_cut = true;
        forget_oldest(d);
    }
    return d->was_cut;
}

double gm_adwin_mean(const gm_adwin *d)
{
    return d->width > 0 ? d->sum / d->width : 0;
}

int64_t gm_adwin_width(const gm_adwin *d)
{
    return (int64_t)d->width;
}
