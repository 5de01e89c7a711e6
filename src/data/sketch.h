/* sketch.h - the three summaries of a column that are exact while it is small and bounded when it is large.
 *
 * All merge, all are deterministic (no random numbers: the same rows in the same order give the same bytes), and all keep
 * their memory on the heap until cleared, because they grow.
 */
#ifndef GM_DATA_SKETCH_H
#define GM_DATA_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GM_VALUES_MAX = 10000, GM_HLL_BITS = 12, GM_QUANTILES_EXACT = 10000, GM_QUANTILES_LEVEL = 512, GM_QUANTILES_LEVELS = 48 };

/* ---- distinct values with their counts ---- */

typedef struct gm_value {
    uint64_t key;   /* bits of a number, hash of a text */
    int64_t count;
    uint32_t text_at, text_len; /* in texts; at most 256 bytes are kept */
} gm_value;

typedef struct gm_values {
    bool texts_kept;   /* a string column */
    bool dropped;      /* more than GM_VALUES_MAX numbers: no counts, see hll */
    int64_t error;     /* strings: a count may be too low by as much; 0 = all counts exact */
    gm_value *items;   /* [count] in the order first met */
    uint32_t count, capacity;
    uint32_t *slots;   /* [slots_count] index + 1; 0 = free */
    uint32_t slots_count;
    char *texts;
    size_t texts_len, texts_capacity;
    uint8_t *hll;      /* [1 << GM_HLL_BITS] once more than GM_VALUES_MAX were met, else NULL */
} gm_values;

/* Add `count` occurrences. text NULL for numbers. false when memory is out. */
bool gm_values_add(gm_values *v, uint64_t key, int64_t count, const char *text, uint32_t text_len);
bool gm_values_merge(gm_values *into, const gm_values *other);
/* Exact while hll is NULL, else estimated (standard error 1.04 / sqrt(4096) = 1.6 %). */
int64_t gm_values_distinct(const gm_values *v);
void gm_values_clear(gm_values *v);
uint64_t gm_values_number_key(double v);

/* ---- quantiles ---- */

typedef struct gm_quantiles {
    int64_t count;
    double *exact;             /* [count] in order of arrival while count <= GM_QUANTILES_EXACT, else NULL */
    int64_t exact_capacity;
    double *level[GM_QUANTILES_LEVELS]; /* a value in level h stands for 2^h values */
    uint32_t level_count[GM_QUANTILES_LEVELS];
    uint64_t odd;              /* bit h: the next compaction of level h keeps the odd places */
} gm_quantiles;

/* values: none is NaN. false when memory is out. */
bool gm_quantiles_add(gm_quantiles *q, const double *values, int64_t count);
bool gm_quantiles_merge(gm_quantiles *into, const gm_quantiles *other);
void gm_quantiles_clear(gm_quantiles *q);

/* The sketch as sorted values with weights: what quantiles and ranks are read from. Owned arrays; free() both. */
typedef struct gm_weighted {
    double *value;  /* [count] ascending     */
    double *weight; /* [count], sum = total  */
    int64_t count;
    double total;
} gm_weighted;
bool gm_quantiles_sorted(const gm_quantiles *q, gm_weighted *out);
double gm_weighted_quantile(const gm_weighted *w, double p); /* NaN when empty */
double gm_weighted_share_up_to(const gm_weighted *w, double x); /* share of values <= x */

/* Type 7 quantile of sorted values: h = (n - 1) p, linear between the neighbours. NaN when n = 0. */
double gm_quantile_sorted(const double *v, int64_t n, double p);

/* The same from values in any order, which are moved about: about 2 n steps in place of a sort. */
double gm_quantile_of(double *v, int64_t n, double p);

#endif
