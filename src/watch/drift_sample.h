/* drift_sample.h - one column of one side in the form that every detector reads, and two of them beside each other.
 *
 * Numbers (bool, int, float, time where it is judged at all): the finite values ascending, each once, with its count. Texts: the
 * different texts with their counts. From raw rows both are exact. From a profile they are exact while the profile is; beyond
 * that `error` says by how much a share may be off. Missing and infinite values are counted and take no part. A text is told
 * apart by its first 256 bytes, as in profiles.
 *
 * Threads: a pair is used by one thread at a time (it remembers what it has computed).
 */
#ifndef GM_WATCH_DRIFT_SAMPLE_H
#define GM_WATCH_DRIFT_SAMPLE_H

#include "data/profile.h"

typedef struct gm_category {
    const char *text;
    uint32_t len;
    double count;
} gm_category;

typedef struct gm_sample {
    gm_type type;
    int64_t rows, missing, infinite;
    double error;     /* a share of values, or of one category, may be off by as much; 0 = exact */
    int64_t distinct; /* of the present values; estimated where the profile's is                  */
    bool increasing;  /* every value above the one before                                         */
    double total;     /* of the weights, or of the counts with `rest`                             */
    /* numbers */
    const double *value, *weight; /* [count] */
    const double *up;             /* [count] sum of the weights so far, of a prepared side; else NULL */
    int64_t count;
    double low, high; /* smallest and largest; NaN when there is none */
    double mean, std; /* of the values; ddof 0; NaN when there is none; both multiplied by scale   */
    double scale;     /* 1, or a power of two that keeps sums of huge values finite                */
    /* texts */
    const gm_category *category; /* [categories] most frequent first, ties by text */
    int64_t categories;
    double rest; /* counted by nobody: texts that the profile no longer tells apart */
} gm_sample;

/* Of a raw column: texts for a text, numbers for the others. In a. Errors: GM_ENOMEM. */
gm_rc gm_sample_of_column(const gm_column *c, gm_arena *a, gm_sample *out, gm_err *err);
/* Of a profile's column. Errors: GM_ENOMEM. */
gm_rc gm_sample_of_profile(const gm_profile *p, size_t column, gm_arena *a, gm_sample *out, gm_err *err);
/* A sample of bools as texts "false" and "true", of numbers as their decimal texts. In a. Errors: GM_ENOMEM. */
gm_rc gm_sample_as_texts(const gm_sample *s, gm_arena *a, gm_sample *out, gm_err *err);

/* Fill `up`, with which a few values are looked up among many. In a. Errors: GM_ENOMEM. */
gm_rc gm_sample_sum_up(gm_sample *s, gm_arena *a, gm_err *err);
/* Weight of the values <= x, and of those < x; s->up is there. */
double gm_sample_up_to(const gm_sample *s, double x, double *out_below);

static inline int64_t gm_sample_present(const gm_sample *s)
{
    return s->rows - s->missing;
}

/* Counts of both sides for the same values: the union, the reference's first, then those that only the current side has. */
typedef struct gm_aligned {
    int64_t count, known;              /* known: those of the reference */
    const double *reference, *current; /* [count]                       */
    const double *value;               /* [count] numbers; else NULL    */
    const gm_category *category;       /* [count] texts; else NULL      */
} gm_aligned;

/* The two sides counted into the same bins. */
typedef struct gm_bins {
    int64_t count;
    const double *reference, *current;     /* [count] counts                                             */
    double n, m;                           /* their sums: reference, current                             */
    double error_reference, error_current; /* a bin's share may be off by as much                    */
    const double *edge; /* numbers in quantile bins: [count - 1] bin k holds edge[k-1] < x <= edge[k]; else NULL */
} gm_bins;

typedef struct gm_pair {
    const gm_sample *reference, *current;
    bool texts;
    gm_arena *arena; /* borrowed: where what follows is kept */
    gm_aligned aligned;
    gm_bins bins;
    bool has_aligned, has_bins;
} gm_pair;

/* Errors: GM_ENOMEM. The answers belong to the pair. */
gm_rc gm_pair_aligned(gm_pair *p, const gm_aligned **out, gm_err *err);
/* Our own bins; see drift_bins.c. */
gm_rc gm_pair_bins(gm_pair *p, const gm_bins **out, gm_err *err);

#endif
