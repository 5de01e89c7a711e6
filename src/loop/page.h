/* page.h - what was watched as one HTML page: inline SVG, no scripts, nothing fetched, light and dark by the reader's setting.
 *
 * A page is at most GM_PAGE_BYTES_MAX long, whatever the texts: when there is more to say, the columns that drifted least, the
 * oldest windows, the last alerts and checks are left out and counted, and long texts are cut. Every text is escaped.
 */
#ifndef GM_LOOP_PAGE_H
#define GM_LOOP_PAGE_H

#include "store/alerts.h"
#include "watch/monitor.h"

enum { GM_PAGE_BYTES_MAX = 200 * 1024 };

/* How a column's values lie on both sides: shares of the present values in `bins` even steps from low to high, or of the most
 * frequent texts (the last one is "others"). In an arena. */
typedef struct gm_page_shape {
    const char *name;
    const char *const *labels; /* [bins] texts; NULL: numbers */
    double low, high;          /* numbers; times in microseconds */
    gm_type type;
    double *reference, *current; /* [bins] */
    size_t bins;                 /* 0 = nothing to draw */
} gm_page_shape;
/* Of columns [count] that both profiles have; the others are left out. Errors: GM_ENOMEM. */
gm_rc gm_page_shapes(const gm_profile *reference, const gm_profile *current, const char *const *columns, size_t count,
                     gm_arena *a, gm_page_shape **out, size_t *out_count, gm_err *err);

typedef struct gm_page_window {
    int64_t version;
    bool current; /* under way */
    const gm_window_result *result;
} gm_page_window;

typedef struct gm_watch_page {
    const char *model;
    const gm_page_window *windows; /* [windows_count] oldest first */
    size_t windows_count;
    const gm_alert_record *alerts; /* [alerts_count] */
    size_t alerts_count;
    const char *cause;
    gm_page_shape *shapes; /* [shapes_count] of the newest window; may be none */
    size_t shapes_count;
    int64_t made_us; /* 0 = not said */
} gm_watch_page;
/* Memory that ran out is in out->failed. */
void gm_watch_page_html(const gm_watch_page *p, gm_buf *out);

/* The same for a comparison of two sides: `gristmill drift A B --html`. */
typedef struct gm_drift_page {
    const char *reference, *current; /* how the sides are called */
    const gm_drift_result *result;
    const gm_page_shape *shapes; /* [shapes_count] */
    size_t shapes_count;
} gm_drift_page;
void gm_drift_page_html(const gm_drift_page *p, gm_buf *out);

/* ---- for pages of other commands ---- */

/* Head with title and style, up to the open <main>; and its end. */
void gm_page_begin(gm_buf *out, const char *title, const char *lead);
void gm_page_end(gm_buf *out);

#endif
