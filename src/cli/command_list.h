/* command_list.h - every command, one line each, in alphabetical order. */
#define GM_COMMAND_LIST(X)    \
    X(gm_command_alerts)      \
    X(gm_command_card)        \
    X(gm_command_check)       \
    X(gm_command_completion)  \
    X(gm_command_data)        \
    X(gm_command_deploy)      \
    X(gm_command_diff)        \
    X(gm_command_explain)     \
    X(gm_command_fsck)        \
    X(gm_command_gc)          \
    X(gm_command_help)        \
    X(gm_command_init)        \
    X(gm_command_lineage)     \
    X(gm_command_log)         \
    X(gm_command_man)         \
    X(gm_command_models)      \
    X(gm_command_pause)       \
    X(gm_command_plan)        \
    X(gm_command_predict)     \
    X(gm_command_predictions) \
    X(gm_command_promote)     \
    X(gm_command_reference)   \
    X(gm_command_rehearse)    \
    X(gm_command_releases)    \
    X(gm_command_retrain)     \
    X(gm_command_rollback)    \
    X(gm_command_run)         \
    X(gm_command_schema)      \
    X(gm_command_serve)       \
    X(gm_command_show)        \
    X(gm_command_status)      \
    X(gm_command_step)        \
    X(gm_command_up)          \
    X(gm_command_version)     \
    X(gm_command_watch)       \
    X(gm_command_why)
