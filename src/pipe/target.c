/* target.c - see target.h. */
#include "pipe/target.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES_MAX = 50, WHOLE_CLASSES_MAX = 10, TEXT_MAX = 64 };

gm_rc gm_target_column(const gm_table *t, const char *text, gm_pos pos, gm_arena *a, gm_expr **out_expr, gm_column *out,
                       gm_errs *errs)
{
    gm_err err;
    const gm_column *c = gm_table_find(t, text);
    gm_expr *e = NULL;
    if (c) {
        e = GM_ARENA_NEW(a, gm_expr);
        if (e) *e = (gm_expr){ .op = GM_EXPR_COLUMN, .type = c->type, .name = c->name, .pos = pos };
        *out_expr = e;
        *out = *c;
        return e ? GM_OK : GM_ENOMEM;
    }
    gm_expr_host host = gm_expr_table_host(t);
    gm_rc rc = gm_expr_parse(text, pos, a, &e, errs);
    if (!rc) rc = gm_expr_check(e, &host, GM_TYPE_UNKNOWN, a, errs);
    if (rc) return rc;
    gm_column made = { 0 };
    if (t->rows > 0)
        rc = gm_expr_eval(e, t, a, &made, &err);
    else
        made.type = e->type;
    if (rc) {
        (void)gm_err_place(&err, rc, pos);
        gm_errs_add(errs, &err);
        return rc;
    }
    made.name = text;
    *out_expr = e;
    *out = made;
    return GM_OK;
}

typedef struct label {
    const char *text;
    double number;
    int64_t rows;
} label;

static int by_number_then_text(const void *x, const void *y)
{
    const label *a = x, *b = y;
    if (a->number < b->number) return -1;
    if (a->number > b->number) return 1;
    return strcmp(a->text, b->text);
}

/* Distinct labels with counts; stops at limit + 1. */
static gm_rc count_labels(const gm_column *c, size_t limit, gm_arena *a, label **out, size_t *out_count, int64_t *out_missing,
                          gm_err *err)
{
    char text[TEXT_MAX];
    gm_dict_builder *seen = gm_dict_builder_new(a);
    label *labels = GM_ARENA_ARRAY(a, label, limit + 2);
    size_t count = 0;
    int64_t missing = 0;
    if (!seen || !labels) return gm_err_set(err, GM_ENOMEM, "not enough memory to count the classes of the target");
    for (int64_t i = 0; i < c->rows; i++) {
        if (gm_column_is_missing(c, i)) {
            missing++;
            continue;
        }
        if (count > limit) continue;
        const char *shown = c->type == GM_TYPE_STRING ? gm_column_text(c, i) : gm_column_show(c, i, text, sizeof(text));
        int32_t code = gm_dict_builder_code(seen, shown, strlen(shown));
        if (code < 0) return gm_err_set(err, GM_ENOMEM, "not enough memory to count the classes of the target");
        if ((size_t)code == count) {
            labels[count] = (label){ .text = gm_dict_builder_finish(seen)->texts[code],
                                     .number = c->type == GM_TYPE_STRING ? 0 : gm_column_double(c, i) };
            count++;
        }
        labels[code].rows++;
    }
    *out = labels;
    *out_count = count;
    *out_missing = missing;
    return GM_OK;
}

static bool all_whole(const gm_column *c)
{
    if (c->type != GM_TYPE_FLOAT) return true;
    for (int64_t i = 0; i < c->rows; i++)
        if (!isnan(c->f64[i]) && c->f64[i] != floor(c->f64[i])) return false;
    return true;
}

gm_rc gm_target_infer(const gm_column *c, gm_task wanted, gm_arena *a, gm_target *out, gm_err *err)
{
    enum { WANTED_MAX = 1000 };
    label *labels = NULL;
    size_t count = 0;
    int64_t missing = 0;
    size_t limit = wanted == GM_TASK_MULTICLASS ? WANTED_MAX : CLASSES_MAX;
    if (c->type == GM_TYPE_TIME)
        return gm_err_set(err, GM_EINVALID, "the target is a time; predict a number or a class made from it");
    gm_rc rc = count_labels(c, limit, a, &labels, &count, &missing, err);
    if (rc) return rc;
    if (missing == c->rows) {
        rc = gm_err_set(err, GM_EINVALID, "the target has no value in any of %" PRId64 " rows", c->rows);
        gm_err_hint(err, "Check the name of the target column, or the expression.");
        return rc;
    }
    if (count == 1) {
        rc = gm_err_set(err, GM_EINVALID, "the target has one value only, \"%.60s\", in all %" PRId64 " rows that have one",
                        labels[0].text, c->rows - missing);
        gm_err_hint(err, "A model needs examples of at least two classes, or numbers that differ.");
        return rc;
    }
    bool text = c->type == GM_TYPE_STRING, numeric = !text && c->type != GM_TYPE_BOOL;
    gm_task task = wanted;
    if (!task) {
        if (count == 2)
            task = GM_TASK_BINARY;
        else if (text || (all_whole(c) && count <= WHOLE_CLASSES_MAX))
            task = GM_TASK_MULTICLASS;
        else
            task = GM_TASK_REGRESSION;
    }
    if (task == GM_TASK_REGRESSION && text)
        return gm_err_set(err, GM_EINVALID, "the target is text (\"%.40s\" ...); regression needs numbers", labels[0].text);
    if (task == GM_TASK_BINARY && count != 2)
        return gm_err_set(err, GM_EINVALID, "the target has %zu%s distinct values; a binary task has two",
                          count > limit ? limit : count, count > limit ? " or more" : "");
    if (task == GM_TASK_MULTICLASS && count > limit) {
        rc = gm_err_set(err, GM_EINVALID, "the target has more than %zu distinct values", limit);
        gm_err_hint(err, text ? "Is it the right column? A text target is read as classes."
                              : "Write `task: regression` to predict a number.");
        return rc;
    }
    *out = (gm_target){ .task = task, .missing = missing };
    out->reason = gm_arena_printf(a, "%s %zu%s distinct values%s", wanted ? "as the file says;" : "the target has",
                                  count > limit ? limit : count, count > limit ? " or more" : "",
                                  task == GM_TASK_REGRESSION && numeric ? " that are numbers" : "");
    if (task == GM_TASK_REGRESSION) return GM_OK;
    qsort(labels, count, sizeof(*labels), by_number_then_text);
    out->classes_count = count;
    out->classes = GM_ARENA_ARRAY(a, const char *, count);
    out->counts = GM_ARENA_ARRAY(a, int64_t, count);
    if (!out->classes || !out->counts) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu classes", count);
    for (size_t i = 0; i < count; i++) {
        out->classes[i] = labels[i].text;
        out->counts[i] = labels[i].rows;
    }
    return GM_OK;
}

gm_rc gm_target_values(const gm_column *c, gm_task task, const char *const *classes, size_t classes_count, gm_arena *a,
                       double **out, gm_err *err)
{
    char text[TEXT_MAX];
    double *y = GM_ARENA_ARRAY(a, double, c->rows);
    double *of_code = c->type == GM_TYPE_STRING ? GM_ARENA_ARRAY(a, double, c->dict->count + 1) : NULL;
    if (!y || (c->type == GM_TYPE_STRING && !of_code)) return gm_err_set(err, GM_ENOMEM, "not enough memory for the target");
    if (of_code) /* one look-up per distinct text */
        for (int32_t k = 0; k < c->dict->count; k++) {
            of_code[k] = (double)NAN;
            for (size_t i = 0; i < classes_count; i++)
                if (strcmp(c->dict->texts[k], classes[i]) == 0) of_code[k] = (double)i;
        }
    for (int64_t i = 0; i < c->rows; i++) {
        y[i] = (double)NAN;
        if (gm_column_is_missing(c, i)) continue;
        if (of_code)
            y[i] = of_code[c->code[i]];
        else if (task == GM_TASK_REGRESSION)
            y[i] = isfinite(gm_column_double(c, i)) ? gm_column_double(c, i) : (double)NAN;
        else {
            (void)gm_column_show(c, i, text, sizeof(text));
            for (size_t k = 0; k < classes_count; k++)
                if (strcmp(text, classes[k]) == 0) y[i] = (double)k;
        }
    }
    *out = y;
    return GM_OK;
}
