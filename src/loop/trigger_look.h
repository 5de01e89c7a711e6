/* trigger_look.h - what asks for a retraining now: no model yet, a time that came, windows that drifted or decayed, data that
 * changed.
 *
 * Each look reads the store, the file and the clock that it is given, and writes wishes (store/triggers.h), whose causes make a
 * look that is repeated after a crash harmless.
 */
#ifndef GM_LOOP_TRIGGER_LOOK_H
#define GM_LOOP_TRIGGER_LOOK_H

#include "pipe/spec.h"
#include "store/triggers.h"

/* One look at everything. */
typedef struct gm_trigger_look {
    gm_store *store;
    const gm_spec *spec; /* as gm_spec_read left it */
    int64_t now_us;
    int64_t since_us; /* schedules: nothing that was due before is made up for; the newest run's begin, when later */
    void (*asked)(void *ctx, const gm_trigger_record *t); /* a new wish; may be NULL */
    void *ctx;
} gm_trigger_look;

/* Is there a trigger of this kind in the file? */
bool gm_trigger_wanted(const gm_spec *spec, gm_trigger_kind kind);

/* Write a wish, and say so when it is new. */
gm_rc gm_trigger_wish(const gm_trigger_look *look, gm_trigger_kind kind, const char *cause, const char *reason, gm_err *err);
/* A wish for new data, its cause "BEGIN STATE": the one of the same begin that waits is about this state then, so that what
 * changes all the time has one wish waiting. state: a text that is the same while the data is. */
gm_rc gm_trigger_wish_newest(const gm_trigger_look *look, gm_trigger_kind kind, const char *begin, const char *state,
                             const char *reason, gm_arena *a, gm_err *err);
/* A cause for a wish that is like no other: "manual 2013-04-09T12:00:00 5c1f...". In a. */
const char *gm_trigger_cause(gm_trigger_kind kind, int64_t now_us, gm_arena *a);

/* The newest time that was due; older ones that were missed are its work too. */
gm_rc gm_trigger_look_schedule(const gm_trigger_look *look, gm_err *err);
/* Windows of the version that is champion: each where the condition holds in k of the n judged ones up to it. */
gm_rc gm_trigger_look_windows(const gm_trigger_look *look, gm_err *err);

/* Files of the data sets against those that the newest run read. Two looks must find the same, so that a file that is being
 * written is left alone. SQLite files go by their time; other databases do not tell. */
typedef struct gm_trigger_data {
    gm_digest last[64];    /* of the last look, by data set; further data sets are not looked at      */
    gm_digest too_few[64]; /* had fewer new rows than asked for: not counted again                    */
    gm_digest first;       /* of the file and all data, while there is no model                       */
} gm_trigger_data;
/* There is no model yet: the first training needs no other reason. When it failed, it is tried again once the file or the data
 * changed. */
gm_rc gm_trigger_look_first(const gm_trigger_look *look, gm_trigger_data *seen, gm_err *err);
#define GM_TRIGGER_FIRST "first" /* its cause begins so; it waits for nothing */
gm_rc gm_trigger_look_data(const gm_trigger_look *look, gm_trigger_data *seen, gm_err *err);

#endif
