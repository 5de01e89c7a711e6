/* executor.h - where steps run: five verbs over programs in folders. Local processes here; Slurm and Kubernetes fill the same
 * struct.
 *
 * The runner writes its intent before submit() and hands over a name it chose itself, so that after a crash what was submitted
 * can be found again.
 */
#ifndef GM_PIPE_EXECUTOR_H
#define GM_PIPE_EXECUTOR_H

#include "base/registry.h"

typedef struct gm_job_spec {
    const char *name;        /* unique within the run              */
    const char *const *argv; /* NULL-terminated; never a shell     */
    const char *const *env;  /* NULL-terminated "NAME=value"       */
    const char *cwd;         /* working folder                     */
    const char *log_path;    /* standard output and error go here  */
} gm_job_spec;

typedef enum gm_job_state { GM_JOB_UNKNOWN = 0, GM_JOB_RUNNING, GM_JOB_DONE, GM_JOB_LOST } gm_job_state;

typedef struct gm_job {
    int64_t id;    /* local: process group               */
    int64_t start; /* local: its start time, so that a reused number is not taken for it */
    gm_job_state state;
    int exit_code; /* >= 0; -1 when ended by a signal    */
    int signal;
    int64_t cpu_us, peak_rss_bytes;
} gm_job;

typedef struct gm_executor {
    gm_item item;
    gm_rc (*submit)(const gm_job_spec *spec, gm_job *out, gm_err *err);
    /* Look at all jobs at once; waits up to timeout_ms for one to end, -1 = for as long as it takes. */
    gm_rc (*status)(gm_job **jobs, size_t count, int timeout_ms, gm_err *err);
    /* End the jobs and all that they started, and wait until they are gone. Unknown or ended ones are ignored. */
    gm_rc (*kill)(const gm_job *jobs, size_t count, gm_err *err);
    /* Bring results and logs to the submitting machine; local: nothing to do. */
    gm_rc (*fetch)(const gm_job *job, const char *dir, gm_err *err);
    gm_rc (*logs)(const gm_job *job, const char *log_path, gm_buf *out, gm_err *err);
} gm_executor;

extern const gm_executor gm_executor_local;

#endif
