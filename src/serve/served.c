/* served.c - see served.h. */
#include "serve/served.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "model/package.h"

enum { WARM_ROWS = 64, MEASURE_MS = 4 };
/* The same code gave the answers at packaging, but another processor's libm may round exp() otherwise; ONNX Runtime computes in float32. */
static const double replay_tolerance = 1e-9, replay_tolerance_foreign = 1e-5;

const char *const gm_served_unread[] = { "MLmodel",      "conda.yaml",        "metrics.json",     "profile.bin",
                                         "python_env.yaml", "reference.parquet", "requirements.txt", NULL };

static gm_rc out_of_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to load a model");
}

/* ---- example rows -------------------------------------------------------------------------------------------- */

/* rows, repeated `times` times over, as a request would bring them. */
static gm_rc example_rows(const gm_served *s, const gm_node *list, int64_t times, gm_rows *rows, gm_err *err)
{
    int64_t count = (int64_t)list->count;
    gm_rc rc = gm_rows_begin(rows, &s->schema, count * times, err);
    for (int64_t i = 0; !rc && i < count * times; i++) {
        const gm_node *row = list->items[i % count];
        for (size_t k = 0; !rc && row->kind == GM_NODE_MAP && k < row->count; k++) {
            const gm_node *cell = row->items[k];
            int at = gm_served_schema_find(&s->schema, row->keys[k], strlen(row->keys[k]), k);
            if (at < 0) continue;
            rows->given[at] = true;
            if (!cell->is_null) rc = gm_rows_set_field(rows, (size_t)at, i, cell->text, cell->text_len, err);
        }
    }
    return rc ? rc : gm_rows_finish(rows, false, err);
}

static gm_rc compare_answers(gm_served *s, const gm_node *answers, const double *values, gm_err *err)
{
    double tolerance = s->scorer.ort ? replay_tolerance_foreign : replay_tolerance;
    for (size_t i = 0; i < answers->count; i++)
        for (size_t k = 0; k < answers->items[i]->count; k++) {
            double wanted = NAN, got = values[i * (size_t)s->schema.outputs + k];
            if (gm_node_double(answers->items[i]->items[k], &wanted, NULL) != GM_OK) continue;
            if (i == 0 && k == 0) s->score_low = s->score_high = wanted;
            s->score_low = fmin(s->score_low, wanted);
            s->score_high = fmax(s->score_high, wanted);
            if (fabs(got - wanted) <= tolerance * fmax(1, fabs(wanted)) || (isnan(got) && isnan(wanted))) continue;
            return gm_err_set(err, GM_ECORRUPT, "example row %zu of the package answers %.17g, and %.17g was recorded", i + 1, got, wanted);
        }
    return GM_OK;
}

/* Kernels are timed on the features of the example rows, before any thread predicts; foreign models have none of ours. */
static gm_rc measure(gm_served *s, const gm_scorer_session *probe, gm_err *err)
{
    const gm_matrix *features = gm_scorer_session_features(probe);
    gm_buf b = { 0 };
    gm_json j;
    gm_rc rc = features ? gm_model_measure(s->scorer.model, features, MEASURE_MS, err) : GM_OK;
    gm_json_init(&j, &b, false);
    if (features)
        gm_model_engine_json(s->scorer.model, &j);
    else
        gm_json_null(&j);
    s->engine_json = gm_arena_strdup(s->arena, gm_buf_str(&b));
    gm_buf_clear(&b);
    return rc || s->engine_json ? rc : out_of_memory(err);
}

static gm_rc make_lanes(gm_served *s, unsigned lanes, gm_err *err)
{
    s->lanes = GM_ARENA_ARRAY(s->arena, gm_served_lane, lanes);
    if (!s->lanes) return out_of_memory(err);
    for (unsigned i = 0; i < lanes; i++) {
        gm_rc rc = gm_scorer_session_new(&s->scorer, &s->lanes[i].session, err);
        if (rc) return rc;
        s->lanes_count = i + 1;
        s->lanes[i].breaches = GM_ARENA_ARRAY(s->arena, gm_breaches, s->schema.columns_count);
        s->lanes[i].online = gm_arena_alloc(s->arena, s->joins_count, sizeof(*s->lanes[i].online));
        if (!s->lanes[i].breaches || !s->lanes[i].online) return out_of_memory(err);
    }
    return GM_OK;
}

/* The example rows through the decoder and the engine, then through every lane, so that the first request finds all of it warm. */
static gm_rc replay(gm_served *s, const gm_node *example, unsigned lanes, gm_rows *rows, gm_err *err)
{
    const gm_node *list = gm_node_get(example, "rows"), *answers = gm_node_get(example, "answers");
    if (!list || list->kind != GM_NODE_SEQ || !list->count || !answers || answers->count != list->count)
        return gm_err_set(err, GM_EINVALID, "example.json has no rows with answers");
    int64_t times = (WARM_ROWS + (int64_t)list->count - 1) / (int64_t)list->count, all = times * (int64_t)list->count;
    gm_scorer_session *probe = NULL;
    double *values = GM_ARENA_ARRAY(s->arena, double, all * s->schema.outputs);
    if (!values) return out_of_memory(err);
    gm_rc rc = example_rows(s, list, times, rows, err);
    if (!rc) rc = gm_scorer_session_new(&s->scorer, &probe, err);
    if (!rc) rc = gm_scorer_session_predict(probe, &rows->table, values, err);
    if (!rc) rc = compare_answers(s, answers, values, err);
    if (!rc) rc = measure(s, probe, err);
    gm_scorer_session_free(probe);
    if (!rc) rc = make_lanes(s, lanes, err);
    for (unsigned i = 0; !rc && i < s->lanes_count; i++) rc = gm_scorer_session_predict(s->lanes[i].session, &rows->table, values, err);
    return rc;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static gm_rc load(gm_served *s, const gm_digest *expected, bool verified, unsigned lanes, gm_err *err)
{
    gm_node *example = NULL, *schema = NULL;
    gm_rows rows;
    gm_rc rc = verified ? GM_OK : gm_package_verify(s->dir, &s->digest, err);
    if (verified) s->digest = *expected;
    if (!rc && expected && strcmp(s->digest.hex, expected->hex) != 0)
        rc = gm_err_set(err, GM_ECORRUPT, "the package is %.12s, and %.12s was registered", s->digest.hex, expected->hex);
    if (!rc) rc = gm_scorer_package(s->dir, s->arena, &s->scorer, err);
    if (!rc) rc = gm_served_schema_read(s->dir, &s->scorer, s->arena, &s->schema, err);
    if (!rc) rc = gm_node_read_file(gm_path_join(s->arena, s->dir, "schema.json"), s->arena, &schema, err);
    if (!rc) s->pipeline = gm_node_str_or(schema, "pipeline", "");
    if (!rc) rc = gm_served_joins_read(schema, &s->schema, s->arena, &s->joins, &s->joins_count, err);
    if (!rc) rc = gm_node_read_file(gm_path_join(s->arena, s->dir, "example.json"), s->arena, &example, err);
    if (rc) return rc;
    gm_rows_init(&rows);
    rc = replay(s, example, lanes, &rows, err);
    gm_rows_clear(&rows);
    return rc;
}

static void served_free(gm_served *s)
{
    for (unsigned i = 0; i < s->lanes_count; i++) gm_scorer_session_free(s->lanes[i].session);
    gm_arena_free(s->arena);
    free(s);
}

gm_rc gm_served_open(const char *dir, const char *model, const char *version, const gm_digest *expected, bool verified, unsigned lanes,
                     gm_served **out, gm_err *err)
{
    int64_t begun = gm_monotonic_us();
    gm_served *s = calloc(1, sizeof(*s));
    if (!s || !(s->arena = gm_arena_new(0))) {
        free(s);
        return out_of_memory(err);
    }
    s->references = 1;
    s->dir = gm_arena_strdup(s->arena, dir);
    s->model = gm_arena_strdup(s->arena, model);
    s->version = gm_arena_strdup(s->arena, version);
    gm_rc rc = s->dir && s->model && s->version ? load(s, expected, verified, lanes, err) : out_of_memory(err);
    if (rc) {
        served_free(s);
        return gm_err_ctx(err, rc, "loading model %s version %s", model, version);
    }
    s->loaded_us = gm_now_us();
    s->load_took_us = gm_monotonic_us() - begun;
    *out = s;
    return GM_OK;
}

gm_served *gm_served_ref(gm_served *s)
{
    if (s) __atomic_add_fetch(&s->references, 1, __ATOMIC_RELAXED);
    return s;
}

void gm_served_unref(gm_served *s)
{
    if (s && __atomic_sub_fetch(&s->references, 1, __ATOMIC_ACQ_REL) == 0) served_free(s);
}

double gm_served_score(const gm_served *s, const double *values)
{
    if (s->schema.task == GM_TASK_BINARY) return values[0];
    if (s->schema.task == GM_TASK_REGRESSION) return s->score_high > s->score_low ? (values[0] - s->score_low) / (s->score_high - s->score_low) : NAN;
    double best = values[0];
    for (int64_t k = 1; k < s->schema.outputs; k++) best = fmax(best, values[k]);
    return best;
}
