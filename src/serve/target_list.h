/* target_list.h - every deployment target, one line each, in alphabetical order. */
#define GM_TARGET_LIST(X)   \
    X(gm_target_edge)       \
    X(gm_target_image)      \
    X(gm_target_kserve)     \
    X(gm_target_kubernetes) \
    X(gm_target_local)      \
    X(gm_target_sagemaker)  \
    X(gm_target_systemd)    \
    X(gm_target_vertex)
