/* store.h - what is kept: blobs named by their SHA-256, and records about them.
 *
 * One folder, `.gristmill/` beside gristmill.yaml. A name in the records always leads to whole bytes: bytes are put
 * (write, sync, rename, sync the folder) before the transaction that names them commits.
 * One writer: the folder is locked (flock) by whoever opens it for writing; readers need no lock, nor does who only changes the
 * registry (`beside`).
 * Backends: struct gm_meta_backend (SQLite; PostgreSQL can fill it) and gm_blob_backend (folder; S3 can fill it).
 */
#ifndef GM_STORE_STORE_H
#define GM_STORE_STORE_H

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"

typedef struct gm_store gm_store;

typedef struct gm_store_options {
    bool read_only;       /* no lock, no migration; GM_ENOTFOUND when there is no store yet */
    int64_t lock_wait_ms; /* how long to wait for another writer; 0 = fail at once with GM_ECONFLICT naming its pid */
    /* Change aliases, tags and releases beside whoever holds the lock, in short transactions of their own; blobs can only be read. For
     * servers and commands that must not wait for a run. A store of an older schema is opened with the lock, which brings it up to date.
     * GM_ENOTFOUND when there is no store yet. */
    bool beside;
} gm_store_options;

/* root: the `.gristmill` folder; made when absent (unless read_only). Errors: GM_ECONFLICT (locked by pid N), GM_EINVALID (made by
 * a newer program: both schema versions in the message; untouched), GM_ECORRUPT, GM_EIO. */
gm_rc gm_store_open(const char *root, const gm_store_options *options, gm_store **out, gm_err *err);
void gm_store_close(gm_store *s);
const char *gm_store_root(const gm_store *s);

/* ---- blobs -------------------------------------------------------------------------------------------- */

/* Keep bytes or a file. Idempotent; a blob that was found damaged since opening is written again. Small blobs (<= 64 KiB) go
 * into pack files, larger ones are files of their own. Durable on GM_OK. put_file with `take` may rename the file into the store
 * instead of copying. */
gm_rc gm_blob_put(gm_store *s, const void *bytes, size_t len, gm_digest *out, gm_err *err);
gm_rc gm_blob_put_file(gm_store *s, const char *path, bool take, gm_digest *out, int64_t *out_size, gm_err *err);
/* Many at once with one sync of each pack: [count] paths -> digests. For folders of small files. */
gm_rc gm_blob_put_files(gm_store *s, const char *const *paths, size_t count, gm_digest *out, gm_err *err);
/* Read whole, digest checked: GM_ECORRUPT naming the blob when a byte differs; GM_ENOTFOUND. In arena, NUL after. */
gm_rc gm_blob_get(gm_store *s, const gm_digest *d, gm_arena *a, void **out, size_t *out_len, gm_err *err);
/* A path with the blob's bytes that may be read but never written: its own file when loose, else a file made in tmp/.
 * Digest checked once per open of the store. In arena. */
gm_rc gm_blob_path(gm_store *s, const gm_digest *d, gm_arena *a, const char **out_path, gm_err *err);
/* The same, and the digest is checked now, for who keeps a store open for weeks. */
gm_rc gm_blob_path_now(gm_store *s, const gm_digest *d, gm_arena *a, const char **out_path, gm_err *err);
bool gm_blob_exists(gm_store *s, const gm_digest *d);
gm_rc gm_blob_size(gm_store *s, const gm_digest *d, int64_t *out_size, gm_err *err);

/* Digest of a user's file through the stat cache (device, inode, size, mtime, ctime; git's racy rule: an entry as young as
 * its recording is hashed again). Does not keep the bytes. */
gm_rc gm_stat_digest(gm_store *s, const char *path, gm_digest *out, int64_t *out_size, gm_err *err);

/* ---- artifacts, runs, steps ----------------------------------------------------------------------------- */

/* An immutable output: name within its step, type (dataset, features, model, metrics, report, log), blob. */
typedef struct gm_artifact {
    const char *name;
    const char *type;
    gm_digest digest;
    int64_t size_bytes;
    const char *meta_json; /* facts that travel with it (rows, columns ...); "" = none */
} gm_artifact;

typedef struct gm_artifacts {
    gm_artifact *items;
    size_t count;
} gm_artifacts;

/* One step of one run. Times in microseconds since 1970. */
typedef struct gm_step_record {
    int64_t id;      /* set by the store */
    int64_t run_id;
    const char *name, *kind;
    const char *key;        /* action key, hex                                    */
    const char *key_fields; /* JSON object field -> digest or value; for `why`    */
    const char *state;      /* running, done, cached, failed, skipped, canceled, lost */
    int64_t attempt;        /* 1, 2, ...                                          */
    int64_t token;          /* fencing token: an older attempt cannot commit      */
    int64_t started_us, ended_us;
    int64_t cpu_us, peak_rss_bytes, rows;
    int64_t pid;            /* process group while running                        */
    int64_t pid_start;      /* its start time, so that a reused pid is not killed */
    const char *error;      /* message when failed; ""                            */
    const char *result_json;/* what the step says of itself; ""                   */
    const char *log_digest; /* blob of its output; ""                             */
} gm_step_record;

typedef struct gm_run_record {
    int64_t id;
    const char *pipeline, *state; /* running, done, failed, refused, canceled, lost */
    const char *spec_digest;      /* of the expanded file                       */
    const char *environment_json; /* program, libraries, CPU, code commit        */
    int64_t started_us, ended_us;
    const char *summary_json;
} gm_run_record;

gm_rc gm_run_begin(gm_store *s, const gm_run_record *r, int64_t *out_id, gm_err *err);
gm_rc gm_run_end(gm_store *s, int64_t id, const char *state, const char *summary_json, gm_err *err);
/* Newest first. limit 0 = all. */
gm_rc gm_run_list(gm_store *s, int64_t limit, gm_arena *a, gm_run_record **out, size_t *out_count, gm_err *err);
/* Those of one pipeline, however many others came since. */
gm_rc gm_run_list_of(gm_store *s, const char *pipeline, int64_t limit, gm_arena *a, gm_run_record **out, size_t *out_count,
                     gm_err *err);
/* id 0 = the newest. GM_ENOTFOUND. */
gm_rc gm_run_get(gm_store *s, int64_t id, gm_arena *a, gm_run_record *out, gm_err *err);

/* Write the intent before a step starts; gives id and token. */
gm_rc gm_step_begin(gm_store *s, gm_step_record *r, gm_err *err);
gm_rc gm_step_set_pid(gm_store *s, int64_t step_id, int64_t pid, int64_t pid_start, gm_err *err);
/* One transaction: outputs, action key -> outputs, inputs (lineage edges), state done. GM_ECONFLICT when r->token is not the newest. */
gm_rc gm_step_commit(gm_store *s, const gm_step_record *r, const gm_artifacts *inputs, const gm_artifacts *outputs,
                     gm_err *err);
/* failed, skipped, canceled, lost: no outputs, no cache entry. */
gm_rc gm_step_end(gm_store *s, const gm_step_record *r, gm_err *err);
/* Many cached steps of one run in one transaction. Survives the death of the program at once, a power cut with the next
 * durable write (gm_run_end); so do gm_run_begin, gm_step_begin and gm_step_set_pid. */
gm_rc gm_steps_cached(gm_store *s, const gm_step_record *records, size_t count, gm_err *err);
/* Outputs recorded under an action key; GM_ENOTFOUND. Also the result of the step that made them (out may be NULL). */
gm_rc gm_action_get(gm_store *s, const char *key, gm_arena *a, gm_artifacts *out, gm_step_record *out_step, gm_err *err);
/* The newest recorded step of this name (any run) whose key is not `key`: for `why`. GM_ENOTFOUND. */
gm_rc gm_step_nearest(gm_store *s, const char *name, const char *key, gm_arena *a, gm_step_record *out, gm_err *err);
/* Steps of a run in order; run 0 = newest. */
gm_rc gm_step_list(gm_store *s, int64_t run_id, gm_arena *a, gm_step_record **out, size_t *out_count, gm_err *err);
/* Steps still marked running, of any run: after a crash. */
gm_rc gm_step_unfinished(gm_store *s, gm_arena *a, gm_step_record **out, size_t *out_count, gm_err *err);
/* Inputs or outputs of a step; of a cached one those of the step that stands for its key. */
gm_rc gm_step_artifacts(gm_store *s, int64_t step_id, bool inputs, gm_arena *a, gm_artifacts *out, gm_err *err);
/* Lineage: the step that made a blob (newest), and the steps that used it. */
gm_rc gm_lineage_maker(gm_store *s, const gm_digest *d, gm_arena *a, gm_step_record *out, gm_err *err);
gm_rc gm_lineage_users(gm_store *s, const gm_digest *d, gm_arena *a, gm_step_record **out, size_t *out_count, gm_err *err);

/* ---- datasets ------------------------------------------------------------------------------------------- */

typedef struct gm_dataset_version {
    const char *name;
    int64_t version;       /* 1, 2, ... per name; a known digest gives its old version */
    gm_digest digest;      /* of the snapshot (Parquet)                                 */
    const char *source;    /* as written: path, glob, URL without secrets               */
    int64_t rows, columns, created_us;
    const char *schema_json;
} gm_dataset_version;
gm_rc gm_dataset_add(gm_store *s, const gm_dataset_version *v, int64_t *out_version, gm_err *err);
gm_rc gm_dataset_list(gm_store *s, const char *name_or_null, gm_arena *a, gm_dataset_version **out, size_t *out_count,
                      gm_err *err);

/* ---- models --------------------------------------------------------------------------------------------- */

typedef struct gm_model_version {
    const char *model;
    int64_t version;      /* 1, 2, ... per model; registering a known digest gives its old version and changes nothing */
    gm_digest digest;     /* of the package's manifest */
    int64_t run_id, step_id, created_us;
    const char *trainer, *metrics_json, *aliases; /* aliases: space-separated, filled by get and list */
    const char *tags_json;
} gm_model_version;
/* A new version gets v's aliases (separated by spaces) and tags in the same transaction; NULL or "" = none. */
gm_rc gm_model_register(gm_store *s, const gm_model_version *v, int64_t *out_version, bool *out_new, gm_err *err);
/* ref: "name", "name@champion", "name/3", "name:3". Bare name = @champion, else the newest. GM_ENOTFOUND with names as hint. */
gm_rc gm_model_resolve(gm_store *s, const char *ref, gm_arena *a, gm_model_version *out, gm_err *err);
gm_rc gm_model_list(gm_store *s, const char *name_or_null, gm_arena *a, gm_model_version **out, size_t *out_count,
                    gm_err *err);
gm_rc gm_model_alias_set(gm_store *s, const char *model, const char *alias, int64_t version, gm_err *err);
gm_rc gm_model_alias_drop(gm_store *s, const char *model, const char *alias, gm_err *err);
/* value NULL drops the tag. */
gm_rc gm_model_tag(gm_store *s, const char *model, int64_t version, const char *key, const char *value, gm_err *err);
/* Who used a model version: predictions made, comparisons as champion. kind "predict", "champion" ... */
gm_rc gm_model_use(gm_store *s, const gm_digest *digest, const char *kind, const char *detail, gm_err *err);
typedef struct gm_model_use_record {
    const char *kind, *detail;
    int64_t uses, first_us, last_us;
} gm_model_use_record;
/* The same kind and detail are one record that counts; the latest first. */
gm_rc gm_model_uses(gm_store *s, const gm_digest *digest, gm_arena *a, gm_model_use_record **out, size_t *out_count, gm_err *err);

/* ---- care ----------------------------------------------------------------------------------------------- */

typedef struct gm_fsck_report {
    int64_t blobs, bytes, corrupt, missing, unreferenced, repaired;
} gm_fsck_report;
/* Read every blob, check every name. Problems are reported one by one through say (may be NULL); never deletes.
 * missing: outputs, logs, model and dataset versions whose blob is not there. repaired: lost rows of the pack index. */
gm_rc gm_store_fsck(gm_store *s, void (*say)(void *ctx, const char *line), void *ctx, gm_fsck_report *out, gm_err *err);

typedef struct gm_gc_options {
    int64_t keep_runs;   /* newest runs kept whole; 0 = 20 */
    double keep_seconds; /* and all younger than this; 0 = 30 days */
    bool dry_run;
} gm_gc_options;
typedef struct gm_gc_report {
    int64_t blobs_removed, bytes_removed, runs_removed, blobs_kept, bytes_kept;
} gm_gc_report;
/* Roots: registered model versions and their lineage, kept runs, dataset versions they use (and the newest of each name); blobs
 * that a kept text blob names by 64 hex digits (manifests). Errors: GM_ECONFLICT while a step begun through s is running. */
gm_rc gm_store_gc(gm_store *s, const gm_gc_options *options, gm_gc_report *out, gm_err *err);

#endif
