/* drift_internal.h - what the files of drift share among themselves. */
#ifndef GM_WATCH_DRIFT_INTERNAL_H
#define GM_WATCH_DRIFT_INTERNAL_H

#include "watch/compat.h"
#include "watch/drift.h"

enum { GM_DRIFT_ROWS_MIN = 50 };
#define GM_DRIFT_P_LIMIT 0.001 /* one window in a thousand may be called drifted by chance alone */
#define GM_DRIFT_P_LIMIT_COMPAT 0.05
#define GM_DRIFT_RATE_LIMIT 0.05

struct gm_drift_prepared {
    size_t count;
    int64_t rows;
    const char **names; /* [count] */
    gm_sample *samples; /* [count] */
};

size_t gm_side_count(const gm_drift_side *s);
const char *gm_side_name(const gm_drift_side *s, size_t k);
bool gm_side_has(const gm_drift_side *s, const char *name);
/* The column's sample; name must be there. In a. Errors: GM_ENOMEM. */
gm_rc gm_side_sample(const gm_drift_side *s, const char *name, gm_arena *a, gm_sample *out, gm_err *err);

/* What a column holds, by the reference. All but VALUES differ from sample to sample by their nature, and are judged by a rule of
 * their own only. */
typedef enum gm_drift_kind { GM_DRIFT_VALUES = 0, GM_DRIFT_TIME, GM_DRIFT_KEY, GM_DRIFT_FREE_TEXT } gm_drift_kind;
gm_drift_kind gm_drift_kind_of(const gm_sample *reference);

/* Fill missing_rose, new_share, new_values, range_share, out_of_range and, where they say something, why. Errors: GM_ENOMEM. */
gm_rc gm_drift_rates(const gm_drift_options *o, gm_pair *pair, gm_drift_column *c, gm_arena *a, gm_err *err);

/* The rule when the options have none: ours, or what the other program takes for a column of this size and kind. *why: "" or why
 * it takes none. */
gm_rc gm_compat_choose(gm_compat compat, gm_pair *pair, gm_drift_rule *out, const char **why, gm_err *err);
/* The limit of a rule that names none. NaN: the program has none. */
gm_rc gm_compat_limit(const gm_drift_options *o, const gm_detector *d, const gm_drift_side *reference, const char *column,
                      gm_pair *pair, gm_arena *a, double *out, gm_err *err);
/* Is the value beyond the limit, as that program compares? */
bool gm_compat_drifted(gm_compat compat, const gm_drift_column *c, bool inclusive, double p_limit);

#endif
