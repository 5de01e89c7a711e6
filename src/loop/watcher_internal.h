/* watcher_internal.h - between watcher.c (which windows), watcher_judge.c (what is in them) and watcher_rules.c (whom it
 * concerns). */
#ifndef GM_LOOP_WATCHER_INTERNAL_H
#define GM_LOOP_WATCHER_INTERNAL_H

#include "loop/collect.h"
#include "loop/watcher.h"

enum { GM_WATCHED_VERSIONS_MAX = 8, GM_WATCH_HISTORY = 60, GM_WATCH_NOTES_MAX = 8 };

/* A version that answered: its reference and its monitor, kept from look to look. */
typedef struct gm_watched {
    int64_t version;
    gm_arena *a;
    gm_reference reference;
    gm_monitor *monitor;
    const char *gone; /* why it cannot be judged; NULL */
} gm_watched;

struct gm_watcher {
    gm_watcher_options o;
    gm_arena *a;    /* as long as the watcher */
    gm_arena *look; /* rewound at each look */
    const char *log_dir;
    const char *model;
    gm_engine *engine; /* open within a look only: it is large */
    gm_watched versions[GM_WATCHED_VERSIONS_MAX];
    size_t versions_count;
    int64_t laid_out; /* folders made below scratch */
    gm_arena *labels_arena;
    gm_labels *labels; /* NULL: no_labels says why */
    const char *no_labels;
    gm_labels_from labels_from;
    gm_labels_look labels_look; /* of what labels holds */
    int64_t labels_version;     /* whose classes the truth is in */
    gm_watcher_look *out;       /* of the look under way; NULL in gm_watcher_show */
};

/* A window, judged. */
typedef struct gm_judged {
    int64_t version;
    gm_window_result result;
} gm_judged;

void gm_watcher_note(gm_watcher *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gm_watched_close(gm_watched *v);

/* Judge [from_us, until_us) of every version that answered in it, the main one first; *out_count 0: nobody answered. In a. */
gm_rc gm_watcher_judge(gm_watcher *w, int64_t from_us, int64_t until_us, int64_t now_us, gm_arena *a, gm_judged **out,
                       size_t *out_count, gm_err *err);
/* Is no label awaited any more? */
bool gm_watcher_is_final(const gm_watcher *w, const gm_window_result *r, int64_t now_us);

/* Take a window of the main version to the rules; see (1) and (2) of watcher.h. */
gm_rc gm_watcher_rules(gm_watcher *w, const gm_judged *main, bool final, int64_t now_us, gm_err *err);

#endif
