/* detector.h - a statistic that says how far two samples of one column are apart.
 *
 * To add one: copy detectors/psi.c, then add its line to detector_list.h.
 */
#ifndef GM_WATCH_DETECTOR_H
#define GM_WATCH_DETECTOR_H

#include "base/registry.h"
#include "base/column.h"
#include "data/profile.h"

/* Whose definition. DEFAULT is ours. */
typedef enum gm_compat { GM_COMPAT_DEFAULT = 0, GM_COMPAT_EVIDENTLY, GM_COMPAT_NANNYML, GM_COMPAT_TFDV, GM_COMPAT_DEEQU } gm_compat;
/* "default", "evidently", ... Errors: GM_EINVALID with the list. */
gm_rc gm_compat_from_name(const char *name, gm_compat *out, gm_err *err);
const char *gm_compat_name(gm_compat c);

/* One column on both sides. A side has raw values, or a profile with the column's place in it, or both. */
typedef struct gm_detector_side {
    const gm_column *values;   /* NULL = none */
    int64_t rows;
    const gm_profile *profile; /* NULL = none */
    size_t column;             /* in the profile */
} gm_detector_side;

typedef struct gm_detector_value {
    double value, bound; /* bound: see drift.h */
    double p_value;      /* NaN where the statistic is no test */
} gm_detector_value;

typedef struct gm_detector {
    gm_item item;
    const char *source;     /* where the definition comes from, for reports */
    bool numbers, texts;    /* kinds of columns it judges; times count as numbers, bools as texts */
    double low, high;       /* range, inclusive */
    double limit;           /* of our own verdict */
    unsigned compat;        /* bits 1 << gm_compat of the definitions that it has */
    /* Errors: GM_EINVALID too few values (the message says how many), a definition that it does not have, one that needs raw values
     * where only a profile is there; GM_ENOMEM. */
    gm_rc (*compute)(const gm_detector_side *reference, const gm_detector_side *current, gm_compat compat, gm_arena *scratch,
                     gm_detector_value *out, gm_err *err);
} gm_detector;

/* psi, jensen_shannon, hellinger, ks, wasserstein, l_infinity, chi_square */
extern const gm_registry gm_detectors;
/* By name. Errors: GM_EINVALID with a near name. */
gm_rc gm_detector_find(const char *name, const gm_detector **out, gm_err *err);

#endif
