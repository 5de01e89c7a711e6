/* infer.c - see infer.h.
 *
 * Rows are decoded by the champion's schema first, since the key that decides the arm is in them; the other arm decodes again only when its
 * schema differs. Shadow runs on the same thread after the answer is known, and is left out when half of the deadline has passed.
 */
#include "serve/infer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/param.h"
#include "serve/server_internal.h"

enum { STICKY_MAX = 512 };

typedef struct gm_picked {
    gm_served *served;
    const char *arm; /* for the log */
    bool tried;      /* by a running release; not when the caller chose */
} gm_picked;

gm_lane *gm_lane_of(gm_http_request *r)
{
    gm_server *s = r->server_user;
    gm_lane *lane = &s->lanes[r->loop];
    if (lane->request != r) gm_lane_refresh(lane); /* once a request: what its handler borrows stays */
    lane->request = r;
    return lane;
}

gm_server *gm_lane_server(gm_lane *lane)
{
    return lane->server;
}

/* ---- who answers ----------------------------------------------------------------------------------------------------- */

static gm_rc find_endpoint(gm_lane *lane, gm_slice model, const gm_endpoint **out, gm_err *err)
{
    const gm_routing *r = lane->routing;
    const gm_endpoint *e = model.len ? gm_routing_find(r, model) : r && r->count == 1 ? &r->endpoints[0] : NULL;
    if (e) {
        *out = e;
        return GM_OK;
    }
    if (model.len) return gm_err_set(err, GM_ENOTFOUND, "no model \"%.*s\" is served here", (int)(model.len < 100 ? model.len : 100), model.data);
    gm_rc rc = gm_err_set(err, r && r->count ? GM_EINVALID : GM_EUNAVAILABLE, r && r->count ? "several models are served here" : "no model is served here");
    gm_err_hint(err, "Name the model: /v2/models/{model}/infer.");
    return rc;
}

static gm_served *by_version(const gm_endpoint *e, gm_slice version)
{
    if (gm_slice_is(version, "champion")) return e->champion;
    if (gm_slice_is(version, "challenger")) return e->candidate;
    if (e->champion && gm_slice_is(version, e->champion->version)) return e->champion;
    if (e->candidate && gm_slice_is(version, e->candidate->version)) return e->candidate;
    for (size_t i = 0; i < e->others_count; i++)
        if (gm_slice_is(version, e->others[i]->version)) return e->others[i];
    return NULL;
}

static gm_rc find_served(gm_lane *lane, gm_slice model, gm_slice version, const gm_endpoint **out_endpoint, gm_picked *out, gm_err *err)
{
    const gm_endpoint *e = NULL;
    gm_rc rc = find_endpoint(lane, model, &e, err);
    if (rc) return rc;
    gm_served *served = version.len ? by_version(e, version) : e->champion;
    if (!served && version.len)
        return gm_err_set(err, GM_ENOTFOUND, "version \"%.*s\" of model \"%s\" is not served here", (int)(version.len < 40 ? version.len : 40),
                          version.data, e->name);
    if (!served) return gm_err_set(err, GM_EUNAVAILABLE, "model \"%s\" is not ready", e->name);
    *out_endpoint = e;
    *out = (gm_picked){ served, version.len ? "named" : "champion", false };
    return GM_OK;
}

gm_rc gm_lane_served(gm_lane *lane, gm_slice model, gm_slice version, const gm_served **out, gm_err *err)
{
    const gm_endpoint *e = NULL;
    gm_picked picked;
    gm_rc rc = find_served(lane, model, version, &e, &picked, err);
    if (!rc) *out = picked.served;
    return rc;
}

size_t gm_lane_models(gm_lane *lane, const char *const **out_names)
{
    *out_names = lane->routing ? lane->routing->names : NULL;
    return lane->routing ? lane->routing->count : 0;
}

/* What ties a caller to an arm: its header, else the key of its first row; empty when there is none. */
static gm_slice sticky_of(const gm_http_request *r, const gm_release *release, const gm_rows *rows, char *text)
{
    gm_slice header;
    if (gm_http_header(r, "x-gristmill-sticky", &header)) return header;
    size_t len = 0;
    for (size_t i = 0; i < rows->schema->columns_count; i++) {
        const gm_served_column *c = &rows->schema->columns[i];
        bool wanted = release->sticky && release->sticky[0] ? gm_word_listed(release->sticky, c->name, c->name_len) : c->key;
        if (!wanted || !rows->given[i] || gm_column_is_missing(&rows->columns[i], 0) || len + 1 >= STICKY_MAX) continue;
        (void)gm_column_show(&rows->columns[i], 0, text + len, STICKY_MAX - len - 1);
        len += strlen(text + len);
        text[len++] = 0x1f;
    }
    return (gm_slice){ text, len };
}

static void pick_arm(gm_lane *lane, const gm_http_request *r, const gm_endpoint *e, gm_picked *picked)
{
    char text[STICKY_MAX];
    gm_slice variant = { NULL, 0 };
    (void)gm_http_header(r, "x-gristmill-variant", &variant);
    gm_slice sticky = sticky_of(r, &e->release, &lane->rows, text);
    if (gm_release_pick(&e->release, sticky, variant, gm_random_u64(&lane->random)) == GM_ARM_CANDIDATE)
        *picked = (gm_picked){ e->candidate, "canary", false };
    picked->tried = !variant.len;
}

/* ---- the answer ------------------------------------------------------------------------------------------------------- */

/* What was looked up, for the client: "weather=PRESENT", or with counts when the rows differ. */
static void say_online(gm_http_request *r, const gm_served_join *join, const int64_t *counts, int64_t rows)
{
    char text[512];
    size_t len = (size_t)snprintf(text, sizeof(text), "%.200s=", join->dataset);
    for (int k = 0; k < GM_ONLINE_STATUSES && len < sizeof(text); k++) {
        const char *comma = text[len - 1] == '=' ? "" : ",";
        if (counts[k] == rows)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", gm_online_status_name((gm_online_status)k));
        else if (counts[k])
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s:%" PRId64, comma, gm_online_status_name((gm_online_status)k), counts[k]);
    }
    gm_http_reply_header(r, "X-Gristmill-Online", text);
}

/* Joined columns that the request left to us. */
static gm_rc look_up(gm_lane *lane, gm_http_request *r, bool say, gm_rows *rows, const gm_served *served, gm_err *err)
{
    for (size_t i = 0; i < served->joins_count; i++) {
        const gm_online *table = gm_routing_table(lane->routing, served->pipeline, served->joins[i].dataset);
        int64_t counts[GM_ONLINE_STATUSES] = { 0 };
        bool done = false;
        gm_rc rc = table ? gm_online_fill(&served->joins[i], table, rows, gm_now_us(), counts, &done, err) : GM_OK;
        if (rc) return rc;
        if (!done) continue;
        if (say) say_online(r, &served->joins[i], counts, rows->rows);
        pthread_mutex_lock(&lane->lock);
        for (int k = 0; k < GM_ONLINE_STATUSES; k++) served->lanes[lane->index].online[i][k] += counts[k];
        pthread_mutex_unlock(&lane->lock);
    }
    return GM_OK;
}

/* say: tell the client what was looked up; once a request. */
static gm_rc decode_rows(gm_lane *lane, gm_http_request *r, bool say, gm_rows *rows, const gm_served *served, gm_decode decode, void *ctx, gm_err *err)
{
    gm_rc rc = decode(ctx, &served->schema, rows, err);
    if (!rc && served->joins_count) rc = look_up(lane, r, say, rows, served, err);
    return rc ? rc : gm_rows_finish(rows, lane->server->o.strict, err);
}

static gm_rc make_room(gm_values_buffer *b, size_t count, gm_err *err)
{
    if (count <= b->capacity) return GM_OK;
    double *values = realloc(b->values, count * sizeof(*values));
    if (!values) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu answers", count);
    *b = (gm_values_buffer){ values, count };
    return GM_OK;
}

static bool all_numbers(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static gm_rc predict(gm_lane *lane, const gm_picked *picked, const gm_rows *rows, double *values, bool *out_error, gm_err *err)
{
    gm_rc rc = gm_scorer_session_predict(picked->served->lanes[lane->index].session, &rows->table, values, err);
    *out_error = rc || !all_numbers(values, (size_t)(rows->rows * picked->served->schema.outputs));
    return rc;
}

/* now_us: monotonic; the answer is known. */
static void count(gm_lane *lane, const gm_picked *picked, const gm_rows *rows, const double *values, bool error, int64_t begun_us, int64_t now_us)
{
    const gm_served *served = picked->served;
    double score = error ? (double)NAN : gm_served_score(served, values);
    int64_t latency_us = now_us - begun_us;
    gm_served_lane *counts = &served->lanes[lane->index];
    pthread_mutex_lock(&lane->lock);
    gm_arm_saw(&counts->seen, error, latency_us, score);
    if (picked->tried) gm_arm_saw(&counts->tried, error, latency_us, score);
    counts->rows += rows->rows;
    counts->latency_us += latency_us;
    counts->last_us = now_us;
    if (rows->breaches_total)
        for (size_t i = 0; i < served->schema.columns_count; i++) {
            counts->breaches[i].missing += rows->breaches[i].missing;
            counts->breaches[i].range += rows->breaches[i].range;
            counts->breaches[i].unknown_category += rows->breaches[i].unknown_category;
        }
    pthread_mutex_unlock(&lane->lock);
}

static void count_refused(gm_lane *lane, const gm_served *served)
{
    pthread_mutex_lock(&lane->lock);
    served->lanes[lane->index].refused++;
    pthread_mutex_unlock(&lane->lock);
}

/* Eight hexadecimal digits: half bytes spread over the bytes of a word, of which those above 9 become letters. */
static void hex8(uint32_t v, char *out)
{
    uint64_t x = v;
    x = (x | x << 16) & 0x0000FFFF0000FFFFu;
    x = (x | x << 8) & 0x00FF00FF00FF00FFu;
    x = (x | x << 4) & 0x0F0F0F0F0F0F0F0Fu;
    uint64_t letters = ((x + 0x0606060606060606u) >> 4) & 0x0101010101010101u;
    x += 0x3030303030303030u + letters * ('a' - '0' - 10);
    memcpy(out, &x, sizeof(x));
}

/* The request's own id, else one that no other lane and no other start of a server makes. */
static gm_slice id_of(gm_lane *lane, const gm_ask *ask)
{
    if (ask->id.len) return ask->id;
    uint64_t words[2] = { gm_random_u64(&lane->random), ++lane->ids_made ^ gm_random_u64(&lane->random) };
    for (int i = 0; i < 4; i++) hex8((uint32_t)(words[i / 2] >> (i % 2 * 32)), lane->id + 8 * i);
    return (gm_slice){ lane->id, 32 };
}

static gm_rc log_answer(gm_lane *lane, const gm_http_request *r, const gm_picked *picked, const gm_ask *ask, gm_slice id, const gm_rows *rows,
                        const double *values, gm_err *err)
{
    gm_predlog *log = lane->server->log;
    if (!log || !gm_predlog_wants(log, id)) return GM_OK;
    gm_logged entry = { .id = id, .served = picked->served, .protocol = ask->protocol, .arm = picked->arm, .time_us = gm_now_us(),
                        .latency_us = gm_monotonic_us() - r->begun_us, .rows = rows, .values = values };
    return gm_predlog_add(log, lane->index, &entry, err);
}

static void run_shadow(gm_lane *lane, gm_http_request *r, const gm_endpoint *e, const gm_ask *ask, gm_slice id, gm_decode decode, void *ctx)
{
    gm_err err;
    const gm_rows *rows = &lane->rows;
    gm_picked picked = { e->candidate, "shadow", true };
    bool error = false;
    int64_t begun = gm_monotonic_us();
    if (!gm_release_copies(&e->release, gm_random_u64(&lane->random)) || (r->deadline_us && begun > (r->begun_us + r->deadline_us) / 2)) return;
    if (strcmp(rows->schema->digest, e->candidate->schema.digest) != 0) {
        if (decode_rows(lane, r, false, &lane->shadow_rows, e->candidate, decode, ctx, &err)) return count_refused(lane, e->candidate);
        rows = &lane->shadow_rows;
    }
    if (make_room(&lane->shadow_answers, (size_t)(rows->rows * e->candidate->schema.outputs), &err)) return;
    (void)predict(lane, &picked, rows, lane->shadow_answers.values, &error, &err);
    count(lane, &picked, rows, lane->shadow_answers.values, error, begun, gm_monotonic_us());
    if (!error) (void)log_answer(lane, r, &picked, ask, id, rows, lane->shadow_answers.values, &err);
}

static gm_rc answer(gm_lane *lane, gm_http_request *r, const gm_ask *ask, const gm_picked *picked, gm_answer *out, gm_err *err)
{
    const gm_rows *rows = &lane->rows;
    const gm_served *served = picked->served;
    bool error = false;
    gm_rc rc = make_room(&lane->answers, (size_t)(rows->rows * served->schema.outputs), err);
    if (!rc) rc = predict(lane, picked, rows, lane->answers.values, &error, err);
    count(lane, picked, rows, lane->answers.values, error, r->begun_us, gm_monotonic_us());
    if (rc) return gm_err_set(err, GM_EINTERNAL, "the model could not answer"); /* what went wrong inside is nobody's business outside */
    gm_slice id = id_of(lane, ask);
    rc = log_answer(lane, r, picked, ask, id, rows, lane->answers.values, err);
    if (rc) return rc;
    *out = (gm_answer){ served, rows, lane->answers.values, rows->rows, served->schema.outputs, id };
    return GM_OK;
}

gm_rc gm_infer(gm_lane *lane, gm_http_request *r, const gm_ask *ask, gm_decode decode, void *ctx, gm_answer *out, gm_err *err)
{
    const gm_endpoint *e = NULL;
    gm_picked picked;
    gm_rc rc = find_served(lane, ask->model, ask->version, &e, &picked, err);
    if (rc) return rc;
    if (r->deadline_us && r->now_us > r->deadline_us) return gm_err_set(err, GM_ECANCELED, "the request's deadline has passed");
    rc = decode_rows(lane, r, true, &lane->rows, picked.served, decode, ctx, err);
    if (rc) {
        count_refused(lane, picked.served);
        return rc;
    }
    bool tried = e->candidate && !ask->version.len && !e->release.paused;
    if (tried && e->release.mode == GM_RELEASE_SHADOW) picked.tried = true;
    if (tried && (e->release.mode == GM_RELEASE_CANARY || e->release.mode == GM_RELEASE_AB)) pick_arm(lane, r, e, &picked);
    if (strcmp(picked.served->schema.digest, lane->rows.schema->digest) != 0)
        rc = decode_rows(lane, r, false, &lane->rows, picked.served, decode, ctx, err);
    if (rc)
        count_refused(lane, picked.served);
    else
        rc = answer(lane, r, ask, &picked, out, err);
    if (!rc && tried && e->release.mode == GM_RELEASE_SHADOW) run_shadow(lane, r, e, ask, out->id, decode, ctx);
    return rc;
}

const gm_matrix *gm_lane_features(gm_lane *lane, const gm_answer *answer)
{
    return answer->rows_count <= GM_EXPLAIN_ROWS_MAX ? gm_scorer_session_features(answer->served->lanes[lane->index].session) : NULL;
}

int64_t gm_answer_class(const gm_answer *a, int64_t row)
{
    const double *values = a->values + row * a->outputs;
    if (a->outputs == 1) return values[0] >= 0.5;
    int64_t best = 0;
    for (int64_t k = 1; k < a->outputs; k++)
        if (values[k] > values[best]) best = k;
    return best;
}
