/* windows.h - what was found in each window of each model version. One record for a window; judged again (late labels), it is
 * replaced. */
#ifndef GM_STORE_WINDOWS_H
#define GM_STORE_WINDOWS_H

#include "store/store.h"

typedef struct gm_window_record {
    const char *model;
    int64_t version; /* 0 = nobody answered; kept so that it is not looked for again */
    int64_t from_us, until_us;
    int64_t rows, labelled;
    bool final;              /* over, and no label is awaited any more */
    const char *result_json; /* gm_window_json */
    int64_t updated_us;
} gm_window_record;
/* Durable on GM_OK. updated_us 0 = now. Errors: those of writing to a store. */
gm_rc gm_window_put(gm_store *s, const gm_window_record *w, gm_err *err);
/* All of them or none: the versions that answered in one window. */
gm_rc gm_windows_put(gm_store *s, const gm_window_record *items, size_t count, gm_err *err);
/* Windows in which somebody answered. Oldest first; model NULL = any; since_us <= from < until_us (0 = no bound); limit: the
 * newest so many, 0 = all. In a. */
gm_rc gm_window_list(gm_store *s, const char *model, int64_t since_us, int64_t until_us, int64_t limit, gm_arena *a,
                     gm_window_record **out, size_t *out_count, gm_err *err);
/* The same with those in which nobody answered, and without the results (result_json is ""). */
gm_rc gm_window_list_brief(gm_store *s, const char *model, int64_t since_us, int64_t until_us, int64_t limit, gm_arena *a,
                           gm_window_record **out, size_t *out_count, gm_err *err);

#endif
