/* check_list.h - every check form, one line each, in alphabetical order of their names. */
#ifndef GM_DATA_CHECK_LIST_H
#define GM_DATA_CHECK_LIST_H

#define GM_CHECK_LIST(X)         \
    X(gm_check_form_columns)     \
    X(gm_check_form_distinct)    \
    X(gm_check_form_expression)  \
    X(gm_check_form_freshness)   \
    X(gm_check_form_has_columns) \
    X(gm_check_form_in_range)    \
    X(gm_check_form_in_set)      \
    X(gm_check_form_increasing)  \
    X(gm_check_form_length)      \
    X(gm_check_form_matches)     \
    X(gm_check_form_max)         \
    X(gm_check_form_mean)        \
    X(gm_check_form_median)      \
    X(gm_check_form_min)         \
    X(gm_check_form_missing)     \
    X(gm_check_form_quantile)    \
    X(gm_check_form_references)  \
    X(gm_check_form_rows)        \
    X(gm_check_form_std)         \
    X(gm_check_form_sum)         \
    X(gm_check_form_type)        \
    X(gm_check_form_unique)

#endif
