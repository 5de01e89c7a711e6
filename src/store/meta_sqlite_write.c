/* meta_sqlite_write.c - group commit: threads that come while a transaction runs share the next one.
 *
 * A caller queues its work. When nobody leads, it becomes the leader, takes all that is queued, runs it in one transaction and
 * commits; the others sleep until their work has its answer. No thread of its own: one caller pays nothing for the queue.
 * Invariants
 *  (1) an answer GM_OK is given only after COMMIT succeeded, and, when durable, after its sync;
 *  (2) a work that fails leaves nothing behind and does not touch the others of its batch (a savepoint each);
 *  (3) after a failed sync nothing is written: what the kernel kept of the pages is unknown.
 */
#include <errno.h>

#include "base/fs.h"
#include "store/meta_sqlite_internal.h"

struct job {
    gm_meta_work work;
    void *ctx;
    gm_err *err; /* the caller's, who waits */
    gm_rc rc;
    bool durable, done;
    job *next;
};

enum { BATCH_MAX = 256 };

static gm_rc stopped_error(gm_err *err)
{
    gm_rc rc = gm_err_set(err, GM_EIO, "the store has stopped writing because a sync to the disk failed");
    gm_err_hint(err, "Check the disk and the space on it, then start again: everything that was acknowledged is kept.");
    return rc;
}

/* PRAGMA synchronous takes effect between transactions only. */
static gm_rc set_synced(gm_meta *m, bool synced, gm_err *err)
{
    if (m->synced_commits == synced) return GM_OK;
    gm_rc rc = gm_sqlite_exec(&m->writer, synced ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", err);
    if (!rc) m->synced_commits = synced;
    return rc;
}

static void run_job(gm_meta *m, job *j, bool alone)
{
    connection *c = &m->writer;
    j->rc = alone ? GM_OK : gm_sqlite_exec(c, "SAVEPOINT job", j->err);
    if (!j->rc) j->rc = j->work(&c->base, j->ctx, j->err);
    if (alone || sqlite3_get_autocommit(c->db)) return; /* the whole transaction is gone: run_batch sees it */
    gm_err ignored; /* the job has its own error; a savepoint that cannot end shows again at COMMIT */
    if (j->rc) (void)gm_sqlite_exec(c, "ROLLBACK TO job", &ignored);
    (void)gm_sqlite_exec(c, "RELEASE job", &ignored);
}

static gm_rc commit(gm_meta *m, gm_err *err)
{
    const gm_meta_options *o = &m->options;
    if (sqlite3_get_autocommit(m->writer.db)) {
        gm_rc lost = gm_err_set(err, GM_EIO, "the transaction was rolled back because the disk failed or is full");
        gm_err_hint(err, "Check the disk and the space on it, then run again: everything that was acknowledged is kept.");
        return lost;
    }
    gm_rc rc = o->before_commit ? o->before_commit(o->ctx, &m->writer.base, err) : GM_OK;
    int failed = rc ? 0 : gm_fault("meta.commit");
    if (failed) rc = gm_err_errno(err, failed, "commit to", m->path);
    return rc ? rc : gm_sqlite_exec(&m->writer, "COMMIT", err);
}

static gm_rc end_snapshot(gm_meta *m, gm_err *err)
{
    if (!m->writer_snapshot) return GM_OK;
    m->writer_snapshot = false;
    return gm_sqlite_exec(&m->writer, "COMMIT", err);
}

/* Run the jobs from first in one transaction; each gets its answer. */
static void run_batch(gm_meta *m, job *first)
{
    gm_err err;
    bool durable = false, wanted = false;
    for (job *j = first; j; j = j->next) durable = durable || j->durable;

    gm_rc rc = atomic_load(m->options.stopped) ? stopped_error(&err) : end_snapshot(m, &err);
    if (!rc) rc = set_synced(m, durable, &err);
    if (!rc) rc = gm_sqlite_exec(&m->writer, "BEGIN IMMEDIATE", &err);
    bool begun = !rc;
    for (job *j = first; j && !rc; j = j->next) {
        run_job(m, j, first->next == NULL);
        wanted = wanted || !j->rc;
    }
    if (begun && wanted) rc = commit(m, &err);
    if (begun && !sqlite3_get_autocommit(m->writer.db)) {
        gm_err ignored; /* rolling back an open transaction needs no disk */
        (void)gm_sqlite_exec(&m->writer, "ROLLBACK", &ignored);
    }
    if (begun && m->options.after_commit) m->options.after_commit(m->options.ctx, wanted && !rc);
    for (job *j = first; j; j = j->next) {
        if (!rc || j->rc) continue;
        j->rc = rc;
        if (j->err) *j->err = err;
    }
}

/* Take up to BATCH_MAX jobs from the queue. The mutex is held. */
static job *take_batch(gm_meta *m)
{
    job *first = m->queue, *last = first;
    for (int n = 1; n < BATCH_MAX && last->next; n++) last = last->next;
    m->queue = last->next;
    if (!m->queue) m->queue_end = &m->queue;
    last->next = NULL;
    return first;
}

gm_rc gm_sqlite_write(gm_meta *m, bool durable, gm_meta_work work, void *ctx, gm_err *err)
{
    gm_assert(!m->options.read_only);
    job own = { .work = work, .ctx = ctx, .err = err, .durable = durable };
    (void)pthread_mutex_lock(&m->queue_mutex);
    *m->queue_end = &own;
    m->queue_end = &own.next;
    while (!own.done) {
        if (m->leading) {
            (void)pthread_cond_wait(&m->queue_moved, &m->queue_mutex);
            continue;
        }
        m->leading = true;
        job *batch = take_batch(m);
        (void)pthread_mutex_unlock(&m->queue_mutex);
        run_batch(m, batch);
        (void)pthread_mutex_lock(&m->queue_mutex);
        for (job *j = batch, *next; j; j = next) {
            next = j->next; /* its owner may return and take the job with it once the mutex is free */
            j->done = true;
        }
        m->leading = false;
        (void)pthread_cond_broadcast(&m->queue_moved);
    }
    (void)pthread_mutex_unlock(&m->queue_mutex);
    return own.rc;
}

/* The store's lock keeps other writers of steps and blobs out, so what this connection saw last stays true until it writes itself
 * (aliases and releases may be newer, see store.h's `beside`; whoever changes them reads them in a write): its read transaction is left
 * open for the next read, which then costs neither locks nor statements. */
bool gm_sqlite_read_as_leader(gm_meta *m, gm_meta_work work, void *ctx, gm_rc *out_rc, gm_err *err)
{
    (void)pthread_mutex_lock(&m->queue_mutex);
    bool mine = !m->leading;
    if (mine) m->leading = true;
    (void)pthread_mutex_unlock(&m->queue_mutex);
    if (!mine) return false;

    gm_rc rc = m->writer_snapshot ? GM_OK : gm_sqlite_exec(&m->writer, "BEGIN", err);
    m->writer_snapshot = !rc;
    if (!rc) rc = work(&m->writer.base, ctx, err);
    if (rc) (void)end_snapshot(m, NULL); /* nothing was written: ending it cannot lose anything */

    (void)pthread_mutex_lock(&m->queue_mutex);
    m->leading = false;
    (void)pthread_cond_broadcast(&m->queue_moved);
    (void)pthread_mutex_unlock(&m->queue_mutex);
    *out_rc = rc;
    return true;
}
