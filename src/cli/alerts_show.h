/* alerts_show.h - alerts, silences and the queue of messages as a person or a program reads them. */
#ifndef GM_CLI_ALERTS_SHOW_H
#define GM_CLI_ALERTS_SHOW_H

#include "cli/command.h"
#include "store/alerts.h"

/* Alerts [count], firing ones first, silences that are on, and what stands in the queue (of all deliveries [messages_count]). */
typedef struct gm_alerts_view {
    const gm_alert_record *alerts; /* [alerts_count] */
    size_t alerts_count;
    const gm_silence *silences; /* [silences_count] */
    size_t silences_count;
    const gm_delivery *messages; /* [messages_count] newest first */
    size_t messages_count;
} gm_alerts_view;

void gm_alerts_show(const gm_cli *cli, const gm_alerts_view *v);
/* One alert with what it said last and where its messages are. */
void gm_alert_show(const gm_cli *cli, const gm_alert_record *alert, const gm_delivery *messages, size_t count);
void gm_queue_show(const gm_cli *cli, const gm_delivery *messages, size_t count);

#endif
