/* detector.h - a statistic that says how far two samples of one column are apart.
 *
 * To add one: copy detectors/l_infinity.c, then add its line to detector_list.h (docs/guides/add-a-detector.md).
 */
#ifndef GM_WATCH_DETECTOR_H
#define GM_WATCH_DETECTOR_H

#include "base/registry.h"
#include "watch/drift_sample.h"

/* Whose definition. DEFAULT is ours. */
typedef enum gm_compat {
    GM_COMPAT_DEFAULT = 0,
    GM_COMPAT_EVIDENTLY,
    GM_COMPAT_NANNYML,
    GM_COMPAT_TFDV,
    GM_COMPAT_DEEQU
} gm_compat;
/* "default", "evidently", ... Errors: GM_EINVALID with the list. */
gm_rc gm_compat_from_name(const char *name, gm_compat *out, gm_err *err);
const char *gm_compat_name(gm_compat c);

typedef struct gm_detector_value {
    double value;   /* what the limit is compared with                                                              */
    double plain;   /* before the part that chance alone is expected to give was taken off; value where there is none */
    double bound;   /* how far value may be off because a side is a sketch (first order); 0 = exact                 */
    double p_value; /* where the definition has one of its own; NaN                                                 */
    bool by_p;      /* compat: value is a p-value, and drifted when it is below the limit                           */
} gm_detector_value;

typedef struct gm_detector {
    gm_item item;
    const char *source;  /* where the definition comes from, for reports */
    bool numbers, texts; /* kinds of columns it judges; times count as numbers, bools as texts */
    double low, high;    /* range of value, inclusive */
    double limit;        /* of our own verdict */
    unsigned compat;     /* bits 1 << gm_compat of the definitions that it has */
    /* Both sides have at least one value. out: written on GM_OK; p_value and by_p begin as NaN and false.
     * Errors: GM_EINVALID undefined here, the message says why; GM_ENOMEM. */
    gm_rc (*compute)(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err);
} gm_detector;

/* psi, jensen_shannon, hellinger, ks, wasserstein, l_infinity, chi_square */
extern const gm_registry gm_detectors;
/* By name. Errors: GM_EINVALID with a near name. */
gm_rc gm_detector_find(const char *name, const gm_detector **out, gm_err *err);
/* compute() after a look at the kind of column and at what the detector defines. Errors: GM_EINVALID; those of compute. */
gm_rc gm_detector_value_of(const gm_detector *d, gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err);
/* Errors: GM_EINVALID `tfdv has no detector "psi"`, with those that it has. */
gm_rc gm_detector_defined(const gm_detector *d, gm_compat compat, gm_err *err);
/* Does it judge columns of this type? */
bool gm_detector_judges(const gm_detector *d, gm_type type);

/* What chance alone adds to PSI: (bins - 1) (1/n + 1/m). */
double gm_bins_noise(const gm_bins *b);

#endif
