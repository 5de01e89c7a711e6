/* monitor_internal.h - between monitor.c and the files that judge one aspect of a window. */
#ifndef GM_WATCH_MONITOR_INTERNAL_H
#define GM_WATCH_MONITOR_INTERNAL_H

#include "watch/monitor.h"

enum { GM_WINDOW_NOTES_MAX = 8 };

/* Add a line to r->notes, which has room for GM_WINDOW_NOTES_MAX. More than that are left out, and so is one without memory. */
void gm_window_note(gm_window_result *r, gm_arena *a, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The checks on a window's rows into r; in a. Errors: GM_ENOMEM. */
gm_rc gm_window_checks(const gm_check_spec *specs, size_t count, const gm_window_rows *w, gm_arena *a, gm_window_result *r,
                       gm_err *err);

/* Predictions as a column that detectors take: `probability`, `class` (as text) or `value`; in a. */
gm_rc gm_prediction_column(const gm_monitor_reference *ref, const double *predicted, int64_t rows, gm_arena *a, gm_column *out,
                           gm_err *err);

/* The named columns of t; those that it has. In a. Errors: GM_ENOMEM. */
gm_rc gm_table_some(const gm_table *t, const char *const *names, size_t count, gm_arena *a, gm_table *out, gm_err *err);

#endif
