/* run.h - running a pipeline: what is cached is taken, what is not runs in processes, and a crash at any moment loses nothing
 * acknowledged. */
#ifndef GM_PIPE_RUN_H
#define GM_PIPE_RUN_H

#include "pipe/graph.h"
#include "store/store.h"

/* Called as things happen, from the caller's thread. Any member may be NULL. */
typedef struct gm_run_watch {
    void *ctx;
    void (*started)(void *ctx, const gm_step *s);
    void (*finished)(void *ctx, const gm_step *s); /* done, cached, failed, skipped */
    void (*note)(void *ctx, const gm_step *s, const char *line);
    bool (*canceled)(void *ctx); /* asked a few times a second */
} gm_run_watch;

typedef struct gm_run_options {
    int64_t jobs;      /* steps at a time; 0 = one per core */
    bool force;        /* run steps even when cached         */
    bool plan_only;    /* load and inspect (so that names and types are known), then only find out what would run */
    bool keep_scratch; /* leave the folders of steps in tmp/ after a failure */
    int64_t trigger;   /* the wish (store/triggers.h) that this run is for: named in its record, which is then always made; 0 = none */
    gm_goal goal;      /* how far it goes                    */
    int64_t now_us;    /* the time that steps go by (freshness); 0 = the clock. In no key: a step that asks for it is not cached, or has a
                        * moment of its own among its parameters (a cut data set's) */
    const gm_digest *champion; /* whom the gates compare with, whatever is registered: rehearsal's champion of the day; an empty text = nobody.
                                * NULL: the registered one */
    gm_run_watch watch;
} gm_run_options;

typedef struct gm_run_result {
    int64_t run_id; /* 0 when nothing was recorded */
    gm_graph graph;
    size_t done, cached, failed, skipped;
    double seconds;
    const char *model; /* registered: name, version; NULL when none */
    int64_t version;
    bool version_is_new;
    gm_digest package;
} gm_run_result;

/* Read, resolve, run. Mistakes of the file are in errs (then GM_EINVALID); a failing step's error is in err.
 * Errors     GM_EREFUSED  a check or gate said no; everything before it is kept
 *            GM_ECANCELED watch.canceled said so; steps were ended
 *            others       of the step that failed first */
gm_rc gm_pipeline_run(gm_store *store, gm_spec *spec, const gm_run_options *o, gm_run_result *out, gm_errs *errs, gm_err *err);

/* Steps that a crashed run left: their processes are ended, their records say `lost`; folders of steps in tmp/ are removed. Needs
 * the store open for writing, so that no other run is under way. */
gm_rc gm_run_recover(gm_store *store, int64_t *out_count, gm_err *err);

/* The action key of a step whose inputs are known; fills key, key_fields, and digests of file inputs. */
gm_rc gm_step_key(gm_store *store, gm_graph *g, gm_step *s, gm_err *err);
/* Why two keys differ: "input data", "params.rounds: 300 -> 200"; "" when they do not. In arena. */
const char *gm_key_difference(const char *fields_before, const char *fields_after, gm_arena *a);

/* A blob that is a folder (a package): its files as links below dir. */
gm_rc gm_tree_materialise(gm_store *store, const gm_digest *manifest, const char *dir, gm_arena *a, gm_err *err);
/* The same to be read once, in a scratch folder that a crash may lose: links, and copies of what is small; no manifest. Every file is
 * compared with its digest, also those named in unread [until NULL], which are not laid out. */
gm_rc gm_tree_view(gm_store *store, const gm_digest *manifest, const char *dir, const char *const *unread, gm_arena *a, gm_err *err);
/* The same as copies that need no store. */
gm_rc gm_tree_export(gm_store *store, const gm_digest *manifest, const char *dir, gm_arena *a, gm_err *err);
/* Keep a folder that has a manifest.json: every file as a blob; the manifest's digest names it. */
gm_rc gm_tree_put(gm_store *store, const char *dir, gm_arena *a, gm_digest *out, int64_t *out_size, gm_err *err);

/* Write gristmill.lock beside the file: keys, inputs, outputs, environment, metrics; no times. Unchanged content is not written
 * again. */
gm_rc gm_lock_write(const gm_run_result *r, gm_err *err);

#endif
