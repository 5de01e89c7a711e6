/* predictions.c - see predictions.h. */
#include "pipe/predictions.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "pipe/conform.h"

static const gm_dict *class_dict(const gm_scorer *s, gm_arena *a)
{
    gm_dict *d = GM_ARENA_NEW(a, gm_dict);
    uint32_t *lens = GM_ARENA_ARRAY(a, uint32_t, s->classes_count);
    if (!d || !lens) return NULL;
    for (int64_t i = 0; i < s->classes_count; i++) lens[i] = (uint32_t)strlen(s->classes[i]);
    *d = (gm_dict){ .texts = s->classes, .text_lens = lens, .count = (int32_t)s->classes_count };
    return d;
}

/* Index of the answer: class 1 at probability 0.5 or more, or the most probable class (ties: the first). */
static int32_t answer(const gm_scorer *s, const double *p)
{
    if (s->task == GM_TASK_BINARY) return p[0] >= 0.5;
    int32_t best = 0;
    for (int32_t k = 1; k < s->classes_count; k++)
        if (p[k] > p[best]) best = k;
    return best;
}

/* name, or name_ where the rows have that column already; DuckDB tells no A from a. NULL when memory is out. */
static const char *free_name(const gm_table *t, const char *name, gm_arena *a)
{
    for (size_t i = 0; name && i < t->columns_count; i++)
        if (strcasecmp(t->columns[i].name, name) == 0) return free_name(t, gm_arena_printf(a, "%s_", name), a);
    return name;
}

static gm_rc add_values(const gm_scorer *s, const double *p, int64_t rows, int64_t which, const char *name, gm_arena *a,
                        gm_table *out, gm_err *err)
{
    double *v = GM_ARENA_ARRAY(a, double, rows);
    name = free_name(out, name, a);
    if (!v || !name) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " predictions", rows);
    for (int64_t i = 0; i < rows; i++) v[i] = p[i * s->outputs + which];
    out->columns[out->columns_count++] = (gm_column){ .name = name, .type = GM_TYPE_FLOAT, .rows = rows, .f64 = v };
    return GM_OK;
}

static gm_rc add_labels(const gm_scorer *s, const double *p, const double *truth, int64_t rows, const gm_dict *dict,
                        const char *name, gm_arena *a, gm_table *out, gm_err *err)
{
    int32_t *codes = GM_ARENA_ARRAY(a, int32_t, rows);
    name = free_name(out, name, a);
    if (!codes || !dict || !name) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " labels", rows);
    for (int64_t i = 0; i < rows; i++) codes[i] = truth ? (int32_t)truth[i] : answer(s, p + i * s->outputs);
    out->columns[out->columns_count++] =
        (gm_column){ .name = name, .type = GM_TYPE_STRING, .rows = rows, .code = codes, .dict = dict };
    return GM_OK;
}

gm_rc gm_predictions(const gm_scorer *s, const gm_table *raw, const char *const *keep, size_t keep_count, const double *truth,
                     gm_arena *a, gm_table *out, gm_err *err)
{
    int64_t rows = raw->rows;
    double *p = GM_ARENA_ARRAY(a, double, rows * s->outputs);
    gm_table t = { .rows = rows, .columns = GM_ARENA_ARRAY(a, gm_column, keep_count + (size_t)s->classes_count + 4) };
    const gm_dict *dict = class_dict(s, a);
    if (!p || !t.columns || !dict) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " predictions", rows);
    gm_rc rc = gm_scorer_predict(s, raw, p, err);
    for (size_t i = 0; !rc && i < keep_count; i++) {
        const gm_column *c = gm_table_find(raw, keep[i]);
        if (c) t.columns[t.columns_count++] = *c;
    }
    if (!rc && s->task == GM_TASK_REGRESSION) rc = add_values(s, p, rows, 0, "prediction", a, &t, err);
    if (!rc && s->task == GM_TASK_BINARY) rc = add_values(s, p, rows, 0, "probability", a, &t, err);
    if (!rc && s->task != GM_TASK_REGRESSION) rc = add_labels(s, p, NULL, rows, dict, "label", a, &t, err);
    for (int64_t k = 0; !rc && s->task == GM_TASK_MULTICLASS && k < s->classes_count; k++)
        rc = add_values(s, p, rows, k, gm_arena_printf(a, "probability_%s", s->classes[k]), a, &t, err);
    if (!rc && truth && s->task == GM_TASK_REGRESSION) {
        const char *name = free_name(&t, "truth", a); /* before the column counts: it looks at those that are there */
        t.columns[t.columns_count++] = (gm_column){ .name = name, .type = GM_TYPE_FLOAT, .rows = rows, .f64 = truth };
    }
    if (!rc && truth && s->task != GM_TASK_REGRESSION) rc = add_labels(s, p, truth, rows, dict, "truth", a, &t, err);
    if (!rc) *out = t;
    return rc;
}

/* ---- a file, block after block ---- */

typedef struct predicting {
    const gm_scorer *s;
    gm_arena *a; /* of one block */
} predicting;

static gm_rc predict_chunk(void *ctx, const gm_table *in, int64_t first_row, gm_table *out, gm_err *err)
{
    predicting *p = ctx;
    gm_table rows;
    gm_arena_rewind(p->a);
    gm_rc rc = gm_conform_part(p->s, in, first_row, p->a, &rows, err);
    if (rc) return rc;
    const char **keep = GM_ARENA_ARRAY(p->a, const char *, rows.columns_count);
    if (!keep) return gm_err_set(err, GM_ENOMEM, "not enough memory to predict");
    for (size_t i = 0; i < rows.columns_count; i++) keep[i] = rows.columns[i].name;
    return gm_predictions(p->s, &rows, keep, rows.columns_count, NULL, p->a, out, err);
}

gm_rc gm_predict_source(const gm_scorer *s, gm_engine *e, const gm_source *source, const char *out_path, int64_t *out_rows, gm_err *err)
{
    predicting p = { .s = s, .a = gm_arena_new(0) };
    if (!p.a) return gm_err_set(err, GM_ENOMEM, "not enough memory to predict");
    gm_rc rc = gm_data_map(e, source, ".", predict_chunk, &p, out_path, out_rows, err);
    gm_arena_free(p.a);
    return rc;
}
