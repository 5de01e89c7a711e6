/* leaks.c - columns that alone tell the target: too good to be known before the outcome.
 *
 * Each column becomes codes: texts as they are; numbers and times with up to 256 values, else 64 bins of equal rows; missing is a code.
 * The target is predicted by the mean (or class shares) of the code's rows in the four other fifths, so that an ID, whose codes
 * are all alone, predicts nothing. A column is suspected when
 *   binary       ROC AUC of that, or of the number itself in either direction, >= 0.98
 *   multiclass   ROC AUC one-vs-rest >= 0.98 and accuracy >= 0.98
 *   regression   R2 >= 0.98, or |Spearman| of the number itself >= 0.99
 *   any class    it is missing in nearly all rows of one class and in nearly none of the others (>= 99 % agreement)
 * At most 100,000 rows are looked at, evenly spaced; fewer than 30 give no suspicion.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "eval/score_cache.h"
#include "eval/evaluate.h"

enum { ROWS_MAX = 100000, ROWS_MIN = 30, VALUES_MAX = 256, BINS = 64, FOLDS = 5, CLASSES_MAX = 50 };
static const double auc_limit = 0.98, accuracy_limit = 0.98, r2_limit = 0.98, spearman_limit = 0.99, missing_limit = 0.99;

typedef struct search {
    gm_task task;
    int64_t rows, classes;  /* rows looked at                    */
    const int64_t *row;     /* [rows] which                      */
    double *truth;          /* [rows]                            */
    gm_arena *scratch;      /* reset after each column           */
    gm_arena *a;            /* for what is found                 */
    int64_t missing;        /* of the column at hand             */
} search;

static gm_rc no_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to look for leaks"); }

/* ---- codes ---------------------------------------------------------------------------------------------------- */

/* Numbers -> codes by value or by bin; 0 is missing. values [rows] of the rows looked at. */
static gm_rc code_numbers(const search *s, const double *values, int32_t *codes, int32_t *out_count, gm_err *err)
{
    double *present = GM_ARENA_ARRAY(s->scratch, double, s->rows);
    int64_t *at = GM_ARENA_ARRAY(s->scratch, int64_t, s->rows), n = 0;
    if (!present || !at) return no_memory(err);
    for (int64_t i = 0; i < s->rows; i++) {
        if (isnan(values[i])) continue;
        at[n] = i;
        present[n++] = values[i];
    }
    gm_score_order o;
    gm_rc rc = gm_score_order_make(present, 1, n, s->scratch, &o, err);
    if (rc) return rc;
    bool by_value = o.groups <= VALUES_MAX;
    for (int64_t g = 0, i = 0; g < o.groups; g++) {
        int32_t code = 1 + (int32_t)(by_value ? g : i * BINS / n);
        for (; i < o.group_end[g]; i++) codes[at[o.row[i]]] = code;
    }
    *out_count = 1 + (int32_t)(by_value ? o.groups : BINS);
    return GM_OK;
}

static gm_rc code_column(const search *s, const gm_column *c, int32_t *codes, int32_t *out_count, double *values, gm_err *err)
{
    if (c->type == GM_TYPE_STRING) {
        for (int64_t i = 0; i < s->rows; i++) codes[i] = c->code[s->row[i]] + 1;
        *out_count = 1 + (c->dict ? c->dict->count : 0);
        return GM_OK;
    }
    for (int64_t i = 0; i < s->rows; i++) {
        values[i] = gm_column_double(c, s->row[i]);
        if (isinf(values[i])) values[i] = copysign(1.7e308, values[i]);
    }
    return code_numbers(s, values, codes, out_count, err);
}

/* ---- prediction from the other folds -------------------------------------------------------------------------- */

/* out [rows, width]: mean of the target (width 1) or shares of the classes among the rows of the same code in other folds, shrunk by
 * one row towards the overall mean. */
static gm_rc cross_fit(const search *s, const int32_t *codes, int32_t codes_count, double *out, gm_err *err)
{
    int64_t width = s->task == GM_TASK_MULTICLASS ? s->classes : 1, cells = (int64_t)codes_count * width;
    double *sums = GM_ARENA_ARRAY(s->scratch, double, cells * FOLDS), *all = GM_ARENA_ARRAY(s->scratch, double, cells);
    double *counts = GM_ARENA_ARRAY(s->scratch, double, (int64_t)codes_count * FOLDS), *count_all = GM_ARENA_ARRAY(s->scratch, double, codes_count);
    double *prior = GM_ARENA_ARRAY(s->scratch, double, width);
    if (!sums || !all || !counts || !count_all || !prior) return no_memory(err);

    for (int64_t i = 0; i < s->rows; i++) {
        int64_t fold = (int64_t)(gm_hash_u64(17, (uint64_t)i) % FOLDS), k = width > 1 ? (int64_t)s->truth[i] : 0;
        double y = width > 1 ? 1 : s->truth[i];
        sums[fold * cells + codes[i] * width + k] += y;
        all[codes[i] * width + k] += y;
        counts[fold * codes_count + codes[i]]++;
        count_all[codes[i]]++;
        prior[k] += y / (double)s->rows;
    }
    for (int64_t i = 0; i < s->rows; i++) {
        int64_t fold = (int64_t)(gm_hash_u64(17, (uint64_t)i) % FOLDS);
        double n = count_all[codes[i]] - counts[fold * codes_count + codes[i]];
        for (int64_t k = 0; k < width; k++)
            out[i * width + k] = (all[codes[i] * width + k] - sums[fold * cells + codes[i] * width + k] + prior[k]) / (n + 1);
    }
    return GM_OK;
}

static bool score_of(const char *name, const search *s, const double *truth, const double *predicted, int64_t rows, double *out)
{
    const gm_metric *m = NULL;
    gm_scores scores = { .task = s->task, .rows = rows, .classes = s->task == GM_TASK_REGRESSION ? 0 : s->classes, .truth = truth,
                         .predicted = predicted, .threshold = 0.5 };
    return !gm_metric_find(name, s->task, &m, NULL) && !gm_metric_value(m, &scores, s->scratch, out, NULL);
}

/* The number itself, over the rows that have one: AUC in the better direction, or |Spearman|. */
static bool score_of_values(const search *s, const double *values, double *out, int64_t *out_rows)
{
    double *truth = GM_ARENA_ARRAY(s->scratch, double, s->rows), *present = GM_ARENA_ARRAY(s->scratch, double, s->rows), v = 0;
    if (!truth || !present) return false;
    int64_t n = 0;
    for (int64_t i = 0; i < s->rows; i++) {
        if (isnan(values[i])) continue;
        truth[n] = s->truth[i];
        present[n++] = values[i];
    }
    *out_rows = n;
    if (n < ROWS_MIN || n * 2 < s->rows) return false; /* says too little about the whole */
    if (!score_of(s->task == GM_TASK_BINARY ? "roc_auc" : "spearman", s, truth, present, n, &v)) return false;
    *out = s->task == GM_TASK_BINARY ? fmax(v, 1 - v) : fabs(v);
    return true;
}

/* ---- evidence ------------------------------------------------------------------------------------------------- */

static const char *thousands(int64_t n, char out[32])
{
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%lld", (long long)n), used = 0;
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

static gm_rc keep(search *s, const gm_column *c, double score, const char *how, gm_leak *out, bool *out_found, gm_err *err)
{
    out->column = c->name;
    out->score = score;
    out->evidence = gm_arena_printf(s->a, "\"%s\" alone %s; is it known before the outcome?", c->name, how);
    *out_found = true;
    return out->evidence ? GM_OK : no_memory(err);
}

/* The class that the column's missing rows stand for, with its agreement; false when there is none. */
static bool missing_agreement(const search *s, const int32_t *codes, double *out_agreement, int64_t *out_class)
{
    if (s->missing == 0 || s->missing == s->rows) return false;
    double best = 0;
    for (int64_t k = 0; k < s->classes; k++) {
        int64_t agree = 0, own = 0;
        for (int64_t i = 0; i < s->rows; i++) {
            bool is_class = s->truth[i] == (double)k;
            agree += is_class == (codes[i] == 0);
            own += is_class;
        }
        /* a rare class agrees with anything: both sides must be told apart */
        int64_t rare = own < s->rows - own ? own : s->rows - own;
        double wrong = (double)(s->rows - agree), agreement = 1 - wrong / (double)s->rows;
        if (rare == 0 || wrong > (1 - missing_limit) * (double)rare * 2) continue;
        if (agreement > best) {
            best = agreement;
            *out_class = k;
        }
    }
    *out_agreement = best;
    return best >= missing_limit;
}

static gm_rc judge_column(search *s, const gm_column *c, gm_leak *out, bool *out_found, gm_err *err)
{
    int64_t width = s->task == GM_TASK_MULTICLASS ? s->classes : 1;
    int32_t *codes = GM_ARENA_ARRAY(s->scratch, int32_t, s->rows), codes_count = 0;
    double *values = GM_ARENA_ARRAY(s->scratch, double, s->rows), *fitted = GM_ARENA_ARRAY(s->scratch, double, s->rows * width);
    if (!codes || !values || !fitted) return no_memory(err);
    gm_rc rc = code_column(s, c, codes, &codes_count, values, err);
    if (rc) return rc;
    s->missing = 0;
    for (int64_t i = 0; i < s->rows; i++) s->missing += codes[i] == 0;

    char how[200], n[32];
    double v = 0, accuracy = 0, agreement = 0;
    int64_t class_index = 0, used = 0;
    if (s->task != GM_TASK_REGRESSION && missing_agreement(s, codes, &agreement, &class_index)) {
        (void)snprintf(how, sizeof(how), "tells the target by being missing: it is missing just where the class is %lld, in %.4g %% of %s rows",
                       (long long)class_index, 100 * agreement, thousands(s->rows, n));
        return keep(s, c, agreement, how, out, out_found, err);
    }
    if (codes_count * width > 4 * ROWS_MAX * 5) return GM_OK; /* texts that hardly repeat tell nothing */
    rc = cross_fit(s, codes, codes_count, fitted, err);
    if (rc) return rc;

    const char *metric = s->task == GM_TASK_BINARY ? "roc_auc" : s->task == GM_TASK_MULTICLASS ? "roc_auc_ovr" : "r2";
    const char *word = s->task == GM_TASK_REGRESSION ? "explains the target with R2" : "ranks the target with ROC AUC";
    double limit = s->task == GM_TASK_REGRESSION ? r2_limit : auc_limit;
    bool suspect = score_of(metric, s, s->truth, fitted, s->rows, &v) && v >= limit;
    if (suspect && s->task == GM_TASK_MULTICLASS)
        suspect = score_of("accuracy", s, s->truth, fitted, s->rows, &accuracy) && accuracy >= accuracy_limit;
    double own = 0;
    if (c->type != GM_TYPE_STRING && s->task != GM_TASK_MULTICLASS && score_of_values(s, values, &own, &used) &&
        own >= (s->task == GM_TASK_BINARY ? auc_limit : spearman_limit) && !(suspect && v >= own)) {
        (void)snprintf(how, sizeof(how), "ranks the target with %s %.4f on %s rows", s->task == GM_TASK_BINARY ? "ROC AUC" : "|Spearman|", own, thousands(used, n));
        return keep(s, c, own, how, out, out_found, err);
    }
    if (!suspect) return GM_OK;
    (void)snprintf(how, sizeof(how), "%s %.4f on %s rows", word, v, thousands(s->rows, n));
    return keep(s, c, v, how, out, out_found, err);
}

/* ---- all columns ---------------------------------------------------------------------------------------------- */

static int higher_first(const void *a, const void *b)
{
    const gm_leak *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return strcmp(x->column, y->column);
}

/* Rows that have a target, evenly thinned. */
static gm_rc choose_rows(search *s, const gm_table *t, const double *target, gm_arena *work, gm_err *err)
{
    int64_t *row = GM_ARENA_ARRAY(work, int64_t, t->rows), n = 0;
    if (!row) return no_memory(err);
    for (int64_t i = 0; i < t->rows; i++)
        if (isfinite(target[i])) row[n++] = i;
    s->rows = n < ROWS_MAX ? n : ROWS_MAX;
    if (!(s->truth = GM_ARENA_ARRAY(work, double, s->rows))) return no_memory(err);
    for (int64_t i = 0; i < s->rows; i++) {
        row[i] = row[i * n / s->rows]; /* never behind i: what is read was not written yet */
        s->truth[i] = target[row[i]];
        if (s->task != GM_TASK_REGRESSION && s->truth[i] >= (double)s->classes) s->classes = (int64_t)s->truth[i] + 1;
    }
    s->row = row;
    return GM_OK;
}

gm_rc gm_find_leaks(const gm_table *t, const double *target, gm_task task, gm_arena *a, gm_leak **out, size_t *out_count, gm_err *err)
{
    gm_arena *work = gm_arena_new(0), *scratch = gm_arena_new(0);
    gm_leak *found = GM_ARENA_ARRAY(a, gm_leak, t->columns_count);
    size_t count = 0;
    search s = { .task = task, .classes = task == GM_TASK_REGRESSION ? 0 : 2, .scratch = scratch, .a = a };
    gm_rc rc = work && scratch && found ? choose_rows(&s, t, target, work, err) : no_memory(err);
    bool judged = !rc && s.rows >= ROWS_MIN && s.classes <= CLASSES_MAX;
    for (size_t c = 0; c < t->columns_count && judged && !rc; c++) {
        bool is_leak = false;
        rc = judge_column(&s, &t->columns[c], &found[count], &is_leak, err);
        count += is_leak;
        gm_arena_reset(scratch);
    }
    if (!rc) {
        qsort(found, count, sizeof(*found), higher_first);
        *out = found;
        *out_count = count;
    }
    gm_arena_free(scratch);
    gm_arena_free(work);
    return rc;
}
