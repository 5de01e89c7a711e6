/* transform_list.h - every transform, one line each, in alphabetical order. */
#define GM_TRANSFORM_LIST(X)       \
    X(gm_transform_bin)            \
    X(gm_transform_clip)           \
    X(gm_transform_date_parts)     \
    X(gm_transform_fence)          \
    X(gm_transform_impute)         \
    X(gm_transform_log)            \
    X(gm_transform_number)         \
    X(gm_transform_one_hot)        \
    X(gm_transform_ordinal)        \
    X(gm_transform_standardize)    \
    X(gm_transform_target_encode)
