/* kind_list.h - every kind of built-in step, one line each, in alphabetical order. */
#define GM_KIND_LIST(X)   \
    X(gm_step_kind_check)      \
    X(gm_step_kind_cut)        \
    X(gm_step_kind_evaluate)   \
    X(gm_step_kind_examples)   \
    X(gm_step_kind_features)   \
    X(gm_step_kind_gates)      \
    X(gm_step_kind_inspect)    \
    X(gm_step_kind_latency)    \
    X(gm_step_kind_load)       \
    X(gm_step_kind_online)     \
    X(gm_step_kind_package)    \
    X(gm_step_kind_predict)    \
    X(gm_step_kind_select)     \
    X(gm_step_kind_sql)        \
    X(gm_step_kind_train)
