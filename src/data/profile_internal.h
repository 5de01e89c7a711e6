/* profile_internal.h - what profile.c computes and profile_file.c keeps. Whoever adds a field here also changes profile_file.c
 * and its version. */
#ifndef GM_DATA_PROFILE_INTERNAL_H
#define GM_DATA_PROFILE_INTERNAL_H

#include "data/data_internal.h"
#include "data/sketch.h"

typedef struct gm_moments {
    double n, mean, m2, m3, m4; /* sums of powers of deviations from the mean */
    double sum, sum_error;      /* Neumaier's compensated sum                 */
    double min, max;
} gm_moments;

typedef struct gm_profile_column {
    const char *name;
    gm_type type;
    int64_t rows, missing, infinite, zeros, negatives;
    gm_moments moments;
    double first, last; /* of the present values, for `increasing` across chunks */
    bool increasing;
    int64_t length_min, length_max, length_sum; /* characters of strings */
    gm_values values;
    gm_quantiles quantiles;
} gm_profile_column;

struct gm_profile {
    int64_t rows;
    size_t count;
    gm_profile_column *columns;
};

#endif
