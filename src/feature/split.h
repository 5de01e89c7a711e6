/* split.h - which rows are for training, which for validation, which for the test.
 *
 * The side of a row follows from the options, the row's number (or key) and the data alone: never from threads, memory or a
 * generator's state. Threads: any.
 */
#ifndef GM_FEATURE_SPLIT_H
#define GM_FEATURE_SPLIT_H

#include "base/column.h"

typedef enum gm_split_by { GM_SPLIT_RANDOM = 0, GM_SPLIT_TIME, GM_SPLIT_STRATIFIED, GM_SPLIT_GROUP } gm_split_by;
const char *gm_split_name(gm_split_by by);                     /* "random"; static */
bool gm_split_from_name(const char *name, gm_split_by *out);

typedef enum gm_side { GM_SIDE_TRAIN = 0, GM_SIDE_VALIDATION, GM_SIDE_TEST, GM_SIDE_OUT } gm_side;

typedef struct gm_split_options {
    gm_split_by by;
    double validation, test;  /* shares of the rows, each >= 0, together below 1 */
    uint64_t seed;            /* random, stratified, group                       */
    const gm_column *time;    /* by time: the event time                         */
    const gm_column *group;   /* by group: rows of equal value stay together     */
    const double *target;     /* [rows] NaN: the row is left out; may be NULL unless stratified, where it is the class */
    const uint64_t *row_keys; /* [rows] a hash per row instead of its number; may be NULL                              */
} gm_split_options;

/* out [rows] one gm_side per row; out_counts [4] rows of each side, may be NULL.
 *  random      the rows in the order of hash(seed, row): first the test's share, then validation's, then training
 *  stratified  the same within each class, so that every side has every class in proportion
 *  group       the same with groups, filled until the share of rows is reached; a missing group value is a group of its own
 *  time        training is oldest, test newest; the cut is moved to the nearest place between two different times (the
 *              earlier one of two equally near); rows without a time are left out
 * Errors  GM_EINVALID  shares out of range; a column that is missing or of the wrong type; a side that was asked for and got no row
 *         GM_ENOMEM */
gm_rc gm_split(const gm_split_options *o, int64_t rows, uint8_t *out, int64_t *out_counts, gm_err *err);

#endif
