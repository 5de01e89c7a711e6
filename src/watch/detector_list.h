/* detector_list.h - every detector of drift, one line each, in alphabetical order. */
#define GM_DETECTOR_LIST(X)       \
    X(gm_detector_chi_square)     \
    X(gm_detector_hellinger)      \
    X(gm_detector_jensen_shannon) \
    X(gm_detector_ks)             \
    X(gm_detector_l_infinity)     \
    X(gm_detector_psi)            \
    X(gm_detector_wasserstein)
