/* metric_list.h - every metric, one line each, in alphabetical order. */
#define GM_METRIC_LIST(X)              \
    X(gm_metric_accuracy)              \
    X(gm_metric_average_precision)     \
    X(gm_metric_balanced_accuracy)     \
    X(gm_metric_brier)                 \
    X(gm_metric_cohen_kappa)           \
    X(gm_metric_ece)                   \
    X(gm_metric_explained_variance)    \
    X(gm_metric_f1)                    \
    X(gm_metric_f1_macro)              \
    X(gm_metric_f1_weighted)           \
    X(gm_metric_gini)                  \
    X(gm_metric_ks)                    \
    X(gm_metric_log_loss)              \
    X(gm_metric_mae)                   \
    X(gm_metric_mape)                  \
    X(gm_metric_max_error)             \
    X(gm_metric_mcc)                   \
    X(gm_metric_median_absolute_error) \
    X(gm_metric_mse)                   \
    X(gm_metric_pearson)               \
    X(gm_metric_precision)             \
    X(gm_metric_precision_macro)       \
    X(gm_metric_precision_weighted)    \
    X(gm_metric_r2)                    \
    X(gm_metric_recall)                \
    X(gm_metric_recall_macro)          \
    X(gm_metric_recall_weighted)       \
    X(gm_metric_rmse)                  \
    X(gm_metric_rmsle)                 \
    X(gm_metric_roc_auc)               \
    X(gm_metric_roc_auc_ovr)           \
    X(gm_metric_spearman)              \
    X(gm_metric_specificity)
