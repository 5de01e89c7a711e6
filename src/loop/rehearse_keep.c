/* rehearse_keep.c - what a rehearsal keeps of its own: answers, verdicts, refusals, each under a key of what it follows from.
 *
 * They are steps of kind `rehearse` in the rehearsal's store, so that its crash safety, fsck and gc hold for them too.
 */
#include <string.h>

#include "base/clock.h"
#include "loop/rehearse_internal.h"

static const char keep_version[] = "2"; /* raise it whenever the same fields would give other bytes */

static gm_rc key_of(const char *kind, const char *const *fields, size_t count, gm_digest *out, gm_err *err)
{
    gm_hasher *h = gm_hasher_new();
    if (!h) return gm_err_set(err, GM_ENOMEM, "not enough memory for a key");
    gm_hasher_text(h, "rehearse");
    gm_hasher_text(h, keep_version);
    gm_hasher_text(h, kind);
    for (size_t i = 0; i < count; i++) gm_hasher_text(h, fields[i]);
    gm_hasher_finish(h, out);
    return GM_OK;
}

gm_rc gm_rehearse_recall(gm_rehearsing *r, const char *kind, const char *const *fields, size_t count, void **out, size_t *out_len,
                         gm_err *err)
{
    gm_digest key;
    gm_artifacts kept = { 0 };
    gm_step_record record;
    gm_err miss;
    *out = NULL;
    *out_len = 0;
    gm_rc rc = key_of(kind, fields, count, &key, err);
    if (rc) return rc;
    rc = gm_action_get(r->store, key.hex, r->a, &kept, &record, &miss);
    if (rc == GM_ENOTFOUND || (!rc && (kept.count != 1 || !gm_blob_exists(r->store, &kept.items[0].digest)))) return GM_OK;
    if (rc) {
        *err = miss;
        return rc;
    }
    rc = gm_blob_get(r->store, &kept.items[0].digest, r->a, out, out_len, &miss);
    if (rc == GM_ECORRUPT) return GM_OK; /* it is made again */
    if (rc) *err = miss;
    return rc;
}

gm_rc gm_rehearse_keep(gm_rehearsing *r, const char *kind, const char *const *fields, size_t count, const void *bytes, size_t len,
                       gm_err *err)
{
    gm_digest key;
    gm_artifact out = { .name = kind, .type = "report", .size_bytes = (int64_t)len, .meta_json = "" };
    gm_artifacts outputs = { .items = &out, .count = 1 }, inputs = { 0 };
    gm_rc rc = key_of(kind, fields, count, &key, err);
    if (!rc && !r->run_id) {
        gm_run_record run = { .pipeline = r->spec.pipeline,
                              .state = "running",
                              .spec_digest = "",
                              .environment_json = "",
                              .started_us = gm_now_us(),
                              .summary_json = "" };
        rc = gm_run_begin(r->store, &run, &r->run_id, err);
    }
    if (rc) return rc;
    gm_step_record step = { .run_id = r->run_id,
                            .name = kind,
                            .kind = "rehearse",
                            .key = key.hex,
                            .key_fields = "{}",
                            .state = "running",
                            .attempt = 1,
                            .started_us = gm_now_us(),
                            .rows = -1,
                            .error = "",
                            .result_json = "",
                            .log_digest = "" };
    rc = gm_blob_put(r->store, bytes, len, &out.digest, err);
    if (!rc) rc = gm_step_begin(r->store, &step, err);
    step.state = "done";
    step.ended_us = gm_now_us();
    return rc ? rc : gm_step_commit(r->store, &step, &inputs, &outputs, err);
}
