/* compat.h - other programs' definitions of the same words: their bins, fill, normalisation and verdicts.
 *
 * Each function is called by the detector of its name and fills what gm_detector.compute does. docs/numerics/drift.md has the
 * table of differences; test/conformance/watch what each was checked against.
 */
#ifndef GM_WATCH_COMPAT_H
#define GM_WATCH_COMPAT_H

#include "watch/detector.h"

gm_rc gm_compat_psi(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err);
gm_rc gm_compat_jensen_shannon(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err);
gm_rc gm_compat_hellinger(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err);
gm_rc gm_compat_ks(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err);
gm_rc gm_compat_wasserstein(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err);
gm_rc gm_compat_l_infinity(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err);
gm_rc gm_compat_chi_square(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err);

#endif
