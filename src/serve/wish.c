/* wish.c - a webhook asks for a retraining: the wish is a row in the store, durable before the answer; `gristmill up` acts on it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "serve/json_in.h"
#include "serve/protocols.h"
#include "serve/server_internal.h"
#include "store/triggers.h"

enum { ID_MAX = 200, REASON_MAX = 500 };

/* {"reason": text, "id": text}, both may be absent; what else a sender says is its own affair. */
static gm_rc read_body(const gm_http_request *r, gm_slice *reason, gm_slice *id, gm_err *err)
{
    const gm_jv *body = NULL;
    if (!r->body.len) return GM_OK;
    gm_rc rc = gm_jv_read((char *)(uintptr_t)r->body.data, r->body.len, true, r->arena, &body, err);
    if (rc) return rc;
    if (gm_jv_kind_of(body) != GM_JV_OBJECT)
        return gm_err_set(err, GM_EINVALID, "the body must be a JSON object, found %s", gm_jv_kind_name(body));
    const gm_jv *values[2] = { gm_jv_get(body, "reason"), gm_jv_get(body, "id") };
    for (size_t i = 0; i < 2; i++)
        if (values[i] && gm_jv_kind_of(values[i]) != GM_JV_TEXT)
            return gm_err_set(err, GM_EINVALID, "\"%s\" must be text, found %s", i ? "id" : "reason", gm_jv_kind_name(values[i]));
    if (values[0]) *reason = gm_jv_text(values[0]);
    if (values[1]) *id = gm_jv_text(values[1]);
    if (reason->len > REASON_MAX || id->len > ID_MAX)
        return gm_err_set(err, GM_EINVALID, "at most %d bytes for \"reason\" and %d for \"id\"", REASON_MAX, ID_MAX);
    return GM_OK;
}

/* The same id is the same wish, so that a sender may repeat what was not answered; without one each request is a new wish. */
static const char *cause_of(gm_slice id, gm_arena *a)
{
    uint64_t random[2];
    if (id.len) return gm_arena_printf(a, "webhook %.*s", (int)id.len, id.data);
    while (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
    }
    return gm_arena_printf(a, "webhook %016" PRIx64 "%016" PRIx64, random[0], random[1]);
}

static gm_rc ask(gm_http_request *r, int64_t *out_id, bool *out_new, gm_err *err)
{
    const char *root = gm_lane_of(r)->server->o.store_root;
    gm_slice reason = { "", 0 }, id = { "", 0 };
    gm_store *s = NULL;
    gm_model_version v;
    gm_rc rc = read_body(r, &reason, &id, err);
    if (!rc && !root) {
        rc = gm_err_set(err, GM_EUNSUPPORTED, "a package is served here, without a store that could keep the wish");
        gm_err_hint(err, "Ask the server that `gristmill up` runs beside the pipeline.");
    }
    if (!rc) rc = gm_store_open(root, &(gm_store_options){ .beside = true }, &s, err);
    const char *model = gm_arena_strndup(r->arena, r->params[0].data, r->params[0].len);
    if (!rc) rc = gm_model_resolve(s, model, r->arena, &v, err);
    gm_trigger_record t = { .pipeline = rc ? "" : v.model, .kind = "webhook", .cause = cause_of(id, r->arena) };
    t.reason = gm_arena_printf(r->arena, "webhook%s%.*s", reason.len ? ": " : "", (int)reason.len, reason.data);
    if (!rc && (!t.cause || !t.reason)) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to keep the wish");
    if (!rc) rc = gm_trigger_ask(s, &t, out_id, out_new, err);
    gm_store_close(s);
    return rc;
}

static void work(gm_http_request *r, void *user)
{
    int64_t id = 0;
    bool is_new = false;
    gm_err err;
    gm_json j;
    (void)user;
    if (ask(r, &id, &is_new, &err)) {
        gm_protocol_fail(r, &err);
        return;
    }
    gm_json_init(&j, gm_http_out(r), false);
    gm_json_object(&j);
    gm_json_kint(&j, "trigger", id);
    gm_json_kbool(&j, "new", is_new);
    gm_json_object_end(&j);
    gm_http_reply(r, 202, "application/json");
}

/* On a worker, since it waits for the disk. */
void gm_retrain_wish(gm_http_request *r, void *user)
{
    (void)gm_http_defer(r, work, user); /* replies by itself when the queue is full */
}
