/* watch_show.h - what `watch` prints: the windows that the store keeps, the one under way, and the alerts. */
#ifndef GM_CLI_WATCH_SHOW_H
#define GM_CLI_WATCH_SHOW_H

#include "cli/command.h"
#include "loop/watcher.h"
#include "store/alerts.h"

/* A window with what the store says of it. */
typedef struct gm_shown_window {
    int64_t version;
    bool final, current; /* current: under way, not kept */
    gm_window_result result;
} gm_shown_window;

typedef struct gm_watch_state {
    const gm_spec *spec;
    gm_shown_window *windows; /* [windows_count] oldest first */
    size_t windows_count;
    gm_alert_record *alerts; /* [alerts_count] firing first */
    size_t alerts_count;
    const char *cause; /* of what the newest judged window found; "" */
    gm_watcher_look look;
} gm_watch_state;

/* From the store: windows since since_us (0 = all), the newest limit; empty ones are left out. In a. */
gm_rc gm_watch_read(gm_store *store, const gm_spec *spec, int64_t since_us, int64_t limit, gm_arena *a, gm_watch_state *out,
                    gm_err *err);

/* The table, the alerts and the notes. */
void gm_watch_print(const gm_watch_state *s, gm_arena *a);
/* One line for a window, for those that do not look at a screen. */
void gm_watch_line(const gm_shown_window *w, gm_arena *a);
void gm_watch_json(const gm_watch_state *s, gm_json *j);

#endif
