/* compat.c - what each program takes when nothing is said: detector, limit, and the way to compare. */
#include "watch/compat.h"

#include <math.h>

#include "watch/compat_internal.h"

extern const gm_detector gm_detector_psi, gm_detector_jensen_shannon, gm_detector_ks, gm_detector_l_infinity,
    gm_detector_chi_square;

typedef gm_compat_compute *by_compat[GM_COMPAT_DEEQU + 1];

/* What a detector defines by its bits is here; gm_detector_value_of has looked at them. */
static gm_rc compute(const by_compat table, gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err)
{
    gm_assert(table[compat] != NULL);
    return table[compat](pair, out, err);
}

#define COMPAT(name, ...)                                                                                                        \
    gm_rc gm_compat_##name(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err)                                 \
    {                                                                                                                            \
        static const by_compat table = { __VA_ARGS__ };                                                                          \
        return compute(table, pair, compat, out, err);                                                                           \
    }
COMPAT(psi, [GM_COMPAT_EVIDENTLY] = gm_evidently_psi)
COMPAT(jensen_shannon, [GM_COMPAT_EVIDENTLY] = gm_evidently_jensen_shannon, [GM_COMPAT_NANNYML] = gm_nannyml_jensen_shannon,
       [GM_COMPAT_TFDV] = gm_tfdv_jensen_shannon)
COMPAT(hellinger, [GM_COMPAT_EVIDENTLY] = gm_evidently_hellinger, [GM_COMPAT_NANNYML] = gm_nannyml_hellinger)
COMPAT(ks, [GM_COMPAT_EVIDENTLY] = gm_evidently_ks, [GM_COMPAT_NANNYML] = gm_nannyml_ks, [GM_COMPAT_DEEQU] = gm_deequ_ks)
COMPAT(wasserstein, [GM_COMPAT_EVIDENTLY] = gm_evidently_wasserstein, [GM_COMPAT_NANNYML] = gm_nannyml_wasserstein)
COMPAT(l_infinity, [GM_COMPAT_NANNYML] = gm_nannyml_l_infinity, [GM_COMPAT_TFDV] = gm_tfdv_l_infinity,
       [GM_COMPAT_DEEQU] = gm_deequ_l_infinity)
COMPAT(chi_square, [GM_COMPAT_EVIDENTLY] = gm_evidently_chi_square, [GM_COMPAT_NANNYML] = gm_nannyml_chi_square,
       [GM_COMPAT_DEEQU] = gm_deequ_chi_square)
#undef COMPAT

gm_rc gm_compat_choose(gm_compat compat, gm_pair *pair, gm_drift_rule *out, const char **why, gm_err *err)
{
    gm_drift_rule rule = { .numbers = &gm_detector_psi, .texts = &gm_detector_psi, .limit = NAN };
    switch (compat) {
    case GM_COMPAT_EVIDENTLY: return gm_evidently_choose(pair, out, why, err);
    case GM_COMPAT_NANNYML: rule.numbers = rule.texts = &gm_detector_jensen_shannon; break;
    case GM_COMPAT_TFDV:
        rule.numbers = &gm_detector_jensen_shannon;
        rule.texts = &gm_detector_l_infinity;
        break;
    case GM_COMPAT_DEEQU:
        rule.numbers = &gm_detector_ks;
        rule.texts = &gm_detector_l_infinity;
        break;
    case GM_COMPAT_DEFAULT: break;
    }
    *out = rule;
    return GM_OK;
}

gm_rc gm_compat_limit(const gm_drift_options *o, const gm_detector *d, const gm_drift_side *reference, const char *column,
                      gm_pair *pair, gm_arena *a, double *out, gm_err *err)
{
    switch (o->compat) {
    case GM_COMPAT_EVIDENTLY: *out = gm_evidently_limit(d); return GM_OK;
    case GM_COMPAT_NANNYML: return gm_nannyml_limit(o, d, reference, column, pair, a, out, err);
    case GM_COMPAT_TFDV:
    case GM_COMPAT_DEEQU: *out = NAN; return GM_OK; /* theirs has to be given */
    case GM_COMPAT_DEFAULT: break;
    }
    *out = d->limit;
    return GM_OK;
}

bool gm_compat_drifted(gm_compat compat, const gm_drift_column *c, bool inclusive, double p_limit)
{
    if (compat == GM_COMPAT_NANNYML && c->detector == &gm_detector_chi_square) return c->p_value < p_limit;
    if (c->by_p) return c->detector == &gm_detector_ks ? c->value <= c->limit : c->value < c->limit;
    return inclusive || compat == GM_COMPAT_EVIDENTLY ? c->value >= c->limit : c->value > c->limit;
}
