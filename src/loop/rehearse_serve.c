/* rehearse_serve.c - the rows that were served, and what each champion answered.
 *
 * The joins are made once for the whole period: a join by time takes the latest row at or before the event, so that what comes
 * later cannot change it, and a training's cut has the same row (test_rehearse.c holds this together).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "loop/rehearse_internal.h"
#include "pipe/target.h"

/* ---- the table --------------------------------------------------------------------------------------------------------- */

typedef struct timed_row {
    int64_t us, row;
} timed_row;

static int by_time_then_row(const void *x, const void *y)
{
    const timed_row *a = x, *b = y;
    if (a->us != b->us) return a->us < b->us ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static gm_rc read_whole(gm_rehearsing *r, const gm_digest *d, gm_table *out, gm_err *err)
{
    const char *path = NULL;
    gm_rc rc = gm_blob_path(r->store, d, r->a, &path, err);
    if (!rc && !r->engine) rc = gm_engine_open(&(gm_engine_options){ .threads = r->spec.threads }, &r->engine, err);
    return rc ? rc : gm_data_read(r->engine, path, NULL, 0, 0, r->a, out, err);
}

/* Rows of the period in order of time; those of one moment as the source has them. */
static gm_rc take_period(gm_rehearsing *r, const gm_table *whole, gm_table *out, gm_err *err)
{
    const gm_column *time = gm_table_find(whole, r->time);
    timed_row *rows = GM_ARENA_ARRAY(r->a, timed_row, whole->rows);
    int64_t *index = GM_ARENA_ARRAY(r->a, int64_t, whole->rows), count = 0;
    gm_assert(time != NULL && time->type == GM_TYPE_TIME);
    if (!rows || !index) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows", whole->rows);
    for (int64_t i = 0; i < whole->rows; i++) {
        int64_t us = time->i64[i];
        if (us == GM_MISSING_INT)
            r->out->rows_without_time++;
        else if (us >= r->out->begin_us && us < r->out->until_us)
            rows[count++] = (timed_row){ us, i };
    }
    qsort(rows, (size_t)count, sizeof(*rows), by_time_then_row);
    for (int64_t i = 0; i < count; i++) index[i] = rows[i].row;
    return gm_table_take(whole, index, count, r->a, out, err);
}

static gm_rc join_all(gm_rehearsing *r, gm_table *t, gm_err *err)
{
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < r->spec.joins_count; i++) {
        const gm_join_spec *j = &r->spec.joins[i];
        const gm_data_spec *d = gm_spec_data(&r->spec, j->dataset);
        gm_table right, joined;
        int64_t matched = 0;
        gm_asof_options o = { .by = (const char *const *)j->by.items,
                              .by_count = j->by.count,
                              .right_time = d->time,
                              .left_time = d->time ? r->time : NULL,
                              .within_seconds = j->within_seconds,
                              .prefix = d->name };
        rc = read_whole(r, &r->data[d - r->spec.data], &right, err);
        if (!rc) rc = gm_asof_join(t, &right, &o, r->a, &joined, &matched, err);
        if (!rc) *t = joined;
    }
    return rc;
}

/* What answers depend on beside the package. */
static gm_rc digest_table(gm_rehearsing *r, gm_err *err)
{
    char text[96];
    gm_hasher *h = gm_hasher_new();
    if (!h) return gm_err_set(err, GM_ENOMEM, "not enough memory for a key");
    for (size_t i = 0; i < r->spec.data_count; i++) gm_hasher_text(h, r->data[i].hex);
    for (size_t i = 0; i < r->spec.joins_count; i++) {
        const gm_join_spec *j = &r->spec.joins[i];
        const gm_data_spec *d = gm_spec_data(&r->spec, j->dataset);
        gm_hasher_text(h, j->dataset);
        gm_hasher_text(h, d->time);
        for (size_t k = 0; k < j->by.count; k++) gm_hasher_text(h, j->by.items[k]);
        gm_hasher_text(h, gm_double_text(j->within_seconds, text));
    }
    gm_hasher_text(h, r->time);
    const int64_t bounds[] = { r->out->begin_us, r->out->until_us, r->out->step_us };
    gm_hasher_field(h, bounds, sizeof(bounds));
    gm_hasher_finish(h, &r->table_digest);
    return GM_OK;
}

gm_rc gm_rehearse_table(gm_rehearsing *r, gm_err *err)
{
    gm_table whole, period;
    gm_rc rc = read_whole(r, &r->data[r->spec.primary - r->spec.data], &whole, err);
    if (!rc) rc = take_period(r, &whole, &period, err);
    if (!rc) rc = join_all(r, &period, err);
    if (!rc) rc = digest_table(r, err);
    if (rc) return rc;
    r->table = period;
    r->row_us = gm_table_find(&period, r->time)->i64;
    r->steps = (r->out->until_us - r->out->begin_us + r->out->step_us - 1) / r->out->step_us;
    r->step_row = GM_ARENA_ARRAY(r->a, int64_t, r->steps + 1);
    if (!r->step_row) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " steps", r->steps);
    for (int64_t i = 0, row = 0; i <= r->steps; i++) {
        while (row < period.rows && r->row_us[row] < r->out->begin_us + i * r->out->step_us) row++;
        r->step_row[i] = row;
    }
    r->step_row[r->steps] = period.rows;
    return GM_OK;
}

gm_rc gm_rehearse_view(const gm_table *t, int64_t from, int64_t until, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_column *columns = GM_ARENA_ARRAY(a, gm_column, t->columns_count);
    if (!columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", t->columns_count);
    for (size_t i = 0; i < t->columns_count; i++) {
        columns[i] = t->columns[i];
        columns[i].rows = until - from;
        if (columns[i].type == GM_TYPE_STRING)
            columns[i].code += from;
        else
            columns[i].i64 += from; /* doubles are as wide */
    }
    *out = (gm_table){ .rows = until - from, .columns_count = t->columns_count, .columns = columns };
    return GM_OK;
}

/* ---- packages -------------------------------------------------------------------------------------------------------------- */

/* The truth by the package's classes; packages of equal classes share it. */
static gm_rc truth_of(gm_rehearsing *r, gm_rehearse_package *p, gm_err *err)
{
    for (const gm_rehearse_package *q = r->packages; q; q = q->next) {
        bool same = q->scorer.task == p->scorer.task && q->scorer.classes_count == p->scorer.classes_count;
        for (int64_t i = 0; same && i < p->scorer.classes_count; i++)
            same = strcmp(q->scorer.classes[i], p->scorer.classes[i]) == 0;
        if (!same) continue;
        p->truth = q->truth;
        return GM_OK;
    }
    gm_expr *e = NULL;
    gm_column target;
    double *y = NULL;
    gm_errs errs = { .arena = r->a };
    gm_rc rc = gm_target_column(&r->table, r->spec.target_text, r->spec.target_pos, r->a, &e, &target, &errs);
    if (rc) return gm_errs_first(&errs, rc, err);
    if (!r->has_label) {
        r->has_label = GM_ARENA_ARRAY(r->a, bool, r->table.rows);
        if (!r->has_label) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows", r->table.rows);
        for (int64_t i = 0; i < r->table.rows; i++) r->has_label[i] = !gm_column_is_missing(&target, i);
    }
    if (r->table.rows > 0)
        rc = gm_target_values(&target, p->scorer.task, p->scorer.classes, (size_t)p->scorer.classes_count, r->a, &y, err);
    p->truth = y;
    return rc;
}

static gm_rc read_metrics(gm_rehearsing *r, gm_rehearse_package *p, gm_err *err)
{
    gm_node *metrics = NULL;
    gm_buf b = { 0 };
    gm_json j;
    gm_rc rc = gm_node_read_file(gm_path_join(r->a, p->dir, "metrics.json"), r->a, &metrics, err);
    if (rc) return rc;
    p->metric = gm_node_str_or(metrics, "metric", "");
    p->trainer = gm_node_str_or(metrics, "trainer", "");
    p->test = gm_node_get(metrics, "test");
    gm_json_init(&j, &b, false);
    gm_node_json(gm_node_get(metrics, "params"), &j);
    p->params_json = gm_arena_strdup(r->a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return p->params_json ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for a model");
}

gm_rc gm_rehearse_metric_by(gm_rehearsing *r, const gm_rehearse_package *champion, gm_err *err)
{
    if (r->metric) return GM_OK;
    gm_rc rc = gm_metric_find(champion->metric, champion->scorer.task, &r->metric, err);
    if (rc) return rc;
    r->out->metric = r->metric->item.name;
    r->out->higher_is_better = r->metric->higher_is_better;
    return GM_OK;
}

double gm_rehearse_test_metric(const gm_rehearsing *r, const gm_rehearse_package *p)
{
    return gm_node_double_or(gm_node_get(p->test, r->metric ? r->metric->item.name : p->metric), "value", (double)NAN);
}

enum { FIELDS = 3 };

static const char *const *answer_fields(const gm_rehearsing *r, const gm_rehearse_package *p, const char *fields[FIELDS])
{
    fields[0] = p->digest.hex;
    fields[1] = r->table_digest.hex;
    fields[2] = GM_VERSION; /* another program may add the same numbers in another order */
    return fields;
}

/* Kept answers: a byte for each step, then the values of the steps that have them. */
static gm_rc recall_answers(gm_rehearsing *r, gm_rehearse_package *p, gm_err *err)
{
    const char *fields[FIELDS];
    void *bytes = NULL;
    size_t len = 0, at = (size_t)r->steps;
    gm_rc rc = gm_rehearse_recall(r, "answers", answer_fields(r, p, fields), FIELDS, &bytes, &len, err);
    if (rc || len < at) return rc;
    for (int64_t i = 0; i < r->steps; i++) {
        size_t first = (size_t)(r->step_row[i] * p->scorer.outputs),
               size = (size_t)((r->step_row[i + 1] - r->step_row[i]) * p->scorer.outputs) * sizeof(double);
        if (!((const char *)bytes)[i]) continue;
        if (len - at < size) return GM_OK; /* cannot be: the key has the table's digest */
        memcpy(p->answers + first, (const char *)bytes + at, size);
        p->answered[i] = true;
        at += size;
    }
    p->answers_kept = true;
    return GM_OK;
}

static gm_rc keep_answers(gm_rehearsing *r, gm_rehearse_package *p, gm_err *err)
{
    gm_buf b = { 0 };
    const char *fields[FIELDS];
    for (int64_t i = 0; i < r->steps; i++) gm_buf_char(&b, p->answered[i] ? 1 : 0);
    for (int64_t i = 0; i < r->steps; i++)
        if (p->answered[i])
            gm_buf_add(&b, p->answers + r->step_row[i] * p->scorer.outputs,
                       (size_t)((r->step_row[i + 1] - r->step_row[i]) * p->scorer.outputs) * sizeof(double));
    gm_rc rc = b.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to keep the answers")
                        : gm_rehearse_keep(r, "answers", answer_fields(r, p, fields), FIELDS, gm_buf_str(&b), b.len, err);
    p->answers_kept = !rc;
    gm_buf_clear(&b);
    return rc;
}

gm_rc gm_rehearse_keep_all(gm_rehearsing *r, gm_err *err)
{
    gm_rc rc = GM_OK;
    for (gm_rehearse_package *p = r->packages; p && !rc; p = p->next) {
        if (!p->answers_kept) rc = keep_answers(r, p, err);
        if (!rc && p->judged && !p->judged_kept) rc = gm_rehearse_keep_judged(r, p, err);
    }
    return rc;
}

gm_rc gm_rehearse_package_open(gm_rehearsing *r, const gm_digest *digest, gm_rehearse_package **out, gm_err *err)
{
    for (gm_rehearse_package *p = r->packages; p; p = p->next)
        if (strcmp(p->digest.hex, digest->hex) == 0) {
            *out = p;
            return GM_OK;
        }
    gm_rehearse_package *p = GM_ARENA_NEW(r->a, gm_rehearse_package);
    if (!p) return gm_err_set(err, GM_ENOMEM, "not enough memory for a model");
    *p = (gm_rehearse_package){ .digest = *digest, .dir = gm_arena_printf(r->a, "%s/%.16s", r->dir, digest->hex) };
    if (!p->dir) return gm_err_set(err, GM_ENOMEM, "not enough memory for a model");
    gm_rc rc = gm_tree_materialise(r->store, digest, p->dir, r->a, err);
    if (!rc) rc = gm_scorer_package(p->dir, r->a, &p->scorer, err);
    if (!rc) rc = read_metrics(r, p, err);
    if (!rc) rc = truth_of(r, p, err);
    if (rc) return rc;
    p->answers = GM_ARENA_ARRAY(r->a, double, r->table.rows * p->scorer.outputs);
    p->answered = GM_ARENA_ARRAY(r->a, bool, r->steps);
    if (!p->answers || !p->answered)
        return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " answers", r->table.rows);
    rc = recall_answers(r, p, err);
    p->next = r->packages;
    if (!rc) *out = r->packages = p;
    return rc;
}

gm_rc gm_rehearse_answer(gm_rehearsing *r, gm_rehearse_package *p, int64_t step, gm_err *err)
{
    int64_t from = r->step_row[step], until = r->step_row[step + 1];
    gm_table rows;
    if (p->answered[step]) return GM_OK;
    gm_arena *a = gm_arena_new(0);
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory to answer");
    gm_rc rc = gm_rehearse_view(&r->table, from, until, a, &rows, err);
    if (!rc && rows.rows) rc = gm_scorer_predict(&p->scorer, &rows, p->answers + from * p->scorer.outputs, err);
    gm_arena_free(a);
    if (rc) return gm_err_ctx(err, rc, "answering the rows of a step");
    p->answered[step] = true;
    p->answers_kept = false;
    return GM_OK;
}

int64_t gm_rehearse_unknown(const gm_rehearsing *r, const gm_rehearse_package *p, int64_t step)
{
    int64_t count = 0;
    for (int64_t i = r->step_row[step]; i < r->step_row[step + 1]; i++) count += r->has_label[i] && isnan(p->truth[i]);
    return count;
}

gm_rc gm_rehearse_metric(gm_rehearsing *r, const gm_rehearse_package *p, int64_t from, int64_t until, int64_t *out_labelled,
                         double *out, gm_err *err)
{
    int64_t count = 0, width = p->scorer.outputs;
    gm_arena *a = gm_arena_new(0);
    double *truth = a ? GM_ARENA_ARRAY(a, double, until - from) : NULL,
           *answers = a ? GM_ARENA_ARRAY(a, double, (until - from) * width) : NULL;
    gm_rc rc = truth && answers ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to judge a window");
    for (int64_t i = from; !rc && i < until; i++) {
        if (isnan(p->truth[i])) continue;
        truth[count] = p->truth[i];
        memcpy(answers + count * width, p->answers + i * width, (size_t)width * sizeof(double));
        count++;
    }
    *out = (double)NAN;
    *out_labelled = count;
    if (!rc && count >= r->spec.monitor.labels_min) {
        gm_err undefined;
        gm_scores s = { .task = p->scorer.task,
                        .rows = count,
                        .classes = p->scorer.classes_count,
                        .truth = truth,
                        .predicted = answers,
                        .threshold = 0.5 };
        rc = gm_metric_value(r->metric, &s, a, out, &undefined);
        if (rc == GM_EINVALID) { /* one class, say: nothing to be said about these rows */
            rc = GM_OK;
            *out = (double)NAN;
        } else if (rc) {
            *err = undefined;
        }
    }
    gm_arena_free(a);
    return rc;
}
