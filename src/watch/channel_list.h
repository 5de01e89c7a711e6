/* channel_list.h - every channel that alerts leave by, one line each, in alphabetical order. */
#define GM_CHANNEL_LIST(X)                                                                                                       \
    X(gm_channel_alertmanager)                                                                                                   \
    X(gm_channel_command)                                                                                                        \
    X(gm_channel_email)                                                                                                          \
    X(gm_channel_slack)                                                                                                          \
    X(gm_channel_webhook)
