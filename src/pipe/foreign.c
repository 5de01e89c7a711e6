/* foreign.c - see foreign.h. */
#include "pipe/foreign.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ALONE_ROWS = 20 };
static const double sum_tolerance = 1e-3, range_tolerance = 1e-6, alone_tolerance = 1e-5; /* float32 graphs are welcome */

/* ---- values ----------------------------------------------------------------------------------------------------- */

static gm_rc not_probability(const gm_scorer *s, double value, const char *what, int64_t row, gm_err *err)
{
    gm_rc rc = gm_err_set(err, GM_EINVALID, "the model's output \"%s\" is no probability: %s %.6g in validation row %" PRId64,
                          s->ort_output, what, value, row + 1);
    gm_err_hint(err, "Put the sigmoid or softmax into the graph before exporting it.");
    return rc;
}

static gm_rc check_values(const gm_scorer *s, int64_t rows, const double *p, gm_err *err)
{
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int64_t k = 0; k < s->outputs; k++) {
            double v = p[i * s->outputs + k];
            if (!isfinite(v)) {
                gm_rc rc = gm_err_set(err, GM_EINVALID, "the model answers %s in validation row %" PRId64,
                                      isnan(v) ? "NaN" : "an infinity", i + 1);
                gm_err_hint(err,
                            "Missing numbers are NaN, missing texts \"" GM_ONNX_MISSING_TEXT "\": impute them inside the graph.");
                return rc;
            }
            if (s->task != GM_TASK_REGRESSION && (v < -range_tolerance || v > 1 + range_tolerance))
                return not_probability(s, v, "it is", i, err);
            sum += v;
        }
        if (s->task == GM_TASK_MULTICLASS && fabs(sum - 1) > sum_tolerance)
            return not_probability(s, sum, "the classes sum to", i, err);
    }
    return GM_OK;
}

/* ---- labels ----------------------------------------------------------------------------------------------------- */

static int64_t class_named(const gm_scorer *s, const char *label)
{
    for (int64_t k = 0; k < s->classes_count; k++)
        if (strcmp(s->classes[k], label) == 0) return k;
    return -1;
}

static int64_t class_numbered(const gm_scorer *s, const char *label)
{
    char *end = NULL;
    long long k = strtoll(label, &end, 10);
    return end != label && *end == '\0' && k >= 0 && k < s->classes_count ? k : -1;
}

static int64_t most_probable(const gm_scorer *s, const double *p)
{
    if (s->task == GM_TASK_BINARY) return p[0] >= 0.5;
    int64_t best = 0;
    for (int64_t k = 1; k < s->outputs; k++)
        if (p[k] > p[best]) best = k;
    return best;
}

/* votes [classes, classes]: how often a row whose most probable column is i has a label that means class k. False when a label
 * means none. */
static bool count_votes(const gm_scorer *s, int64_t (*meaning)(const gm_scorer *s, const char *label), const char *const *labels,
                        const double *p, int64_t rows, int64_t *votes)
{
    memset(votes, 0, (size_t)(s->classes_count * s->classes_count) * sizeof(*votes));
    for (int64_t i = 0; i < rows; i++) {
        int64_t k = meaning(s, labels[i]);
        if (k < 0) return false;
        votes[most_probable(s, p + i * s->outputs) * s->classes_count + k]++;
    }
    return true;
}

/* The first column whose rows mostly carry another class's label; -1 when there is none. A label need not be the most probable
 * class, for models have thresholds, but a column's rows follow it as a rule. */
static int64_t out_of_place(const gm_scorer *s, const int64_t *votes, int64_t *out_class)
{
    for (int64_t i = 0; i < s->classes_count; i++) {
        const int64_t *of = votes + i * s->classes_count;
        int64_t best = i;
        for (int64_t k = 0; k < s->classes_count; k++)
            if (of[k] > of[best]) best = k;
        if (best == i) continue;
        *out_class = best;
        return i;
    }
    return -1;
}

static const char *label_output(const gm_scorer *s, gm_arena *a)
{
    const char **names = NULL;
    gm_type *types = NULL;
    size_t count = 0;
    gm_err unused;
    if (gm_ort_outputs(s->ort, a, &names, &types, &count, &unused)) return NULL;
    for (size_t i = 0; i < count; i++)
        if ((types[i] == GM_TYPE_STRING || types[i] == GM_TYPE_INT) &&
            (strcmp(names[i], "label") == 0 || strcmp(names[i], "output_label") == 0))
            return names[i];
    return NULL;
}

/* Labels may be the classes' texts or their numbers (the target column's): either reading will do. */
static gm_rc check_labels(const gm_scorer *s, const gm_table *rows, const double *p, gm_arena *a, gm_err *err)
{
    const char **labels = NULL, *name = label_output(s, a);
    int64_t class = 0, column = -1;
    if (!name) return GM_OK;
    gm_rc rc = gm_ort_predict_texts(s->ort, rows, name, a, &labels, err);
    int64_t *votes = GM_ARENA_ARRAY(a, int64_t, s->classes_count * s->classes_count);
    if (!rc && !votes)
        rc = gm_err_set(err, GM_ENOMEM, "not enough memory for the labels of %" PRId64 " classes", s->classes_count);
    if (rc) return rc;
    bool by_text = count_votes(s, class_named, labels, p, rows->rows, votes);
    if (by_text) column = out_of_place(s, votes, &class);
    if (by_text && column < 0) return GM_OK;
    bool by_number = count_votes(s, class_numbered, labels, p, rows->rows, votes);
    if (by_number) column = out_of_place(s, votes, &class);
    if (by_number && column < 0) return GM_OK;
    if (!by_text && !by_number) {
        for (int64_t i = 0; i < rows->rows; i++)
            if (class_named(s, labels[i]) < 0 && class_numbered(s, labels[i]) < 0)
                return gm_err_set(err, GM_EINVALID,
                                  "the model's label \"%.60s\" in validation row %" PRId64 " is none of the %" PRId64 " classes",
                                  labels[i], i + 1, s->classes_count);
    }
    if (column < 0) return GM_OK;
    rc = gm_err_set(err, GM_EINVALID,
                    "the model's labels say that column %" PRId64 " of \"%s\" is the class \"%s\"; here it is \"%s\"", column + 1,
                    s->ort_output, s->classes[class], s->classes[column]);
    gm_err_hint(err, "Train on the target column of the examples (its numbers count the classes in order), or put the columns in "
                     "the order that `gristmill explain` shows.");
    return rc;
}

/* ---- a row alone -------------------------------------------------------------------------------------------------- */

static gm_rc check_alone(const gm_scorer *s, const gm_table *rows, const double *p, gm_arena *a, gm_err *err)
{
    double *alone = GM_ARENA_ARRAY(a, double, s->outputs);
    if (!alone) return gm_err_set(err, GM_ENOMEM, "not enough memory for a prediction");
    int64_t count = rows->rows < ALONE_ROWS ? rows->rows : ALONE_ROWS;
    for (int64_t i = 0; i < count; i++) {
        gm_table row;
        gm_rc rc = gm_table_take(rows, &i, 1, a, &row, err);
        if (!rc) rc = gm_scorer_predict(s, &row, alone, err);
        if (rc) return gm_err_ctx(err, rc, "predicting validation row %" PRId64 " alone", i + 1);
        for (int64_t k = 0; k < s->outputs; k++) {
            double among = p[i * s->outputs + k], scale = fabs(among) > 1 ? fabs(among) : 1;
            if (fabs(alone[k] - among) <= alone_tolerance * scale) continue;
            rc = gm_err_set(err, GM_EINVALID, "the model answers %.9g for validation row %" PRId64 " alone and %.9g among others",
                            alone[k], i + 1, among);
            gm_err_hint(err, "Something in the graph mixes rows, such as a normalisation over the batch.");
            return rc;
        }
    }
    return GM_OK;
}

gm_rc gm_foreign_check(const gm_scorer *s, const gm_table *rows, const double *predicted, gm_arena *a, gm_err *err)
{
    gm_rc rc = check_values(s, rows->rows, predicted, err);
    if (!rc && s->task != GM_TASK_REGRESSION) rc = check_labels(s, rows, predicted, a, err);
    return rc ? rc : check_alone(s, rows, predicted, a, err);
}
