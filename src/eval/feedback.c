/* feedback.c - what to try next, from facts: each rule looks at numbers that are there and says one or two sentences.
 *
 * A rule is a function that adds what it finds. Its limits stand beside it; they are where a look is worth the time, not
 * tests of significance, except for slices, whose interval must exclude the overall value.
 */
#include <stdarg.h>

#include "eval/evaluation.h"

enum { ITEMS_MAX = 64, PER_RULE = 3 };

typedef struct notes {
    const gm_feedback_facts *facts;
    const gm_evaluation *e;
    const gm_metric *m;
    gm_interval value; /* of the main metric on the test rows */
    gm_arena *a;
    gm_feedback *items; /* [ITEMS_MAX] */
    size_t count;
    bool failed; /* out of memory */
} notes;

static void note(notes *n, gm_feedback_level severity, const char *kind, const char *about, double observed, double expected, const char *fmt, ...)
    __attribute__((format(printf, 7, 8)));

static void note(notes *n, gm_feedback_level severity, const char *kind, const char *about, double observed, double expected, const char *fmt, ...)
{
    if (n->count == ITEMS_MAX) return;
    va_list args;
    va_start(args, fmt);
    const char *text = gm_arena_vprintf(n->a, fmt, args);
    va_end(args);
    n->failed |= !text;
    n->items[n->count++] = (gm_feedback){ severity, kind, about, text, observed, expected };
}

/* How much worse x is than y: positive when worse. */
static double worse_by(const gm_metric *m, double x, double y) { return m->higher_is_better ? y - x : x - y; }

/* Is a loss of `gap` large for a metric that stands at `value`? A tenth of what there is to lose. */
static bool is_large(const gm_metric *m, double gap, double value, double share)
{
    bool bounded = isfinite(m->low) && isfinite(m->high);
    return bounded ? gap > share * (m->high - m->low) : gap > 4 * share * fabs(value);
}

/* ---- the model ------------------------------------------------------------------------------------------------ */

static void about_leaks(notes *n)
{
    for (size_t i = 0; i < n->e->leaks_count && i < PER_RULE; i++)
        note(n, GM_FEEDBACK_SERIOUS, "leak", n->e->leaks[i].column, n->e->leaks[i].score, NAN, "%s Leave it out if it is not.", n->e->leaks[i].evidence);
}

static void about_chance(notes *n)
{
    const gm_metric_result *r = gm_evaluation_metric(n->e, n->e->task == GM_TASK_BINARY ? "roc_auc" : n->e->task == GM_TASK_REGRESSION ? "r2" : "mcc");
    if (!r || r->undefined) return;
    double chance = n->e->task == GM_TASK_BINARY ? 0.5 : 0;
    double low = isnan(r->interval.low) ? r->interval.value : r->interval.low;
    if (low > chance) return;
    note(n, GM_FEEDBACK_SERIOUS, "chance", r->metric->item.name, r->interval.value, chance,
         "%s is %.3f [%.3f, %.3f], which is no better than chance (%g). More informative columns are needed, not more tuning.",
         r->metric->item.name, r->interval.value, low, r->interval.high, chance);
}

static void about_overfit(notes *n)
{
    double train = n->facts->train_value, validation = n->facts->validation_value;
    if (isnan(train) || isnan(validation)) return;
    double gap = worse_by(n->m, validation, train);
    if (!is_large(n->m, gap, train, 0.05)) return;
    note(n, is_large(n->m, gap, train, 0.15) ? GM_FEEDBACK_SERIOUS : GM_FEEDBACK_WARNING, "overfit", n->m->item.name, validation, train,
         "%s is %.4f on the training rows and %.4f on the validation rows: the model learns what does not repeat. Try fewer leaves, "
         "stronger regularisation, or fewer columns.",
         n->m->item.name, train, validation);
}

static void about_shift(notes *n)
{
    double validation = n->facts->validation_value, gap = isnan(validation) ? 0 : worse_by(n->m, n->value.value, validation);
    double bound = n->m->higher_is_better ? n->value.high : n->value.low;
    if (!is_large(n->m, gap, validation, 0.02) || (!isnan(bound) && worse_by(n->m, bound, validation) <= 0)) return;
    note(n, GM_FEEDBACK_WARNING, "shift", n->m->item.name, n->value.value, validation,
         "%s falls from %.4f on the validation rows to %.4f on the test rows: the test rows differ. Look at the drift below, and retrain often.",
         n->m->item.name, validation, n->value.value);
}

static void about_slices(notes *n)
{
    size_t said = 0;
    for (size_t i = 0; i < n->e->slices_count && said < PER_RULE; i++) {
        const gm_slice *s = &n->e->slices[i];
        double gap = worse_by(n->m, s->metric.value, n->value.value), best = n->m->higher_is_better ? s->metric.high : s->metric.low;
        if (!s->judged || isnan(best) || worse_by(n->m, best, n->value.value) <= 0) continue;
        said++;
        note(n, is_large(n->m, gap, n->value.value, 0.1) ? GM_FEEDBACK_WARNING : GM_FEEDBACK_HINT, "slice", s->column, s->metric.value, n->value.value,
             "%s is %.4f [%.4f, %.4f] where %s is %s (%lld rows), against %.4f overall. Look at these rows; more of them, or a column that "
             "tells them apart, may help.",
             n->m->item.name, s->metric.value, s->metric.low, s->metric.high, s->column, s->value, (long long)s->rows, n->value.value);
    }
}

static void about_calibration(notes *n)
{
    if (!n->e->calibration_count || !(n->e->ece > 0.05)) return;
    double over = 0; /* predicted too high, on average */
    for (size_t i = 0; i < n->e->calibration_count; i++)
        over += (n->e->calibration[i].mean_predicted - n->e->calibration[i].share_positive) * (double)n->e->calibration[i].rows / (double)n->e->rows;
    note(n, n->e->ece > 0.15 ? GM_FEEDBACK_WARNING : GM_FEEDBACK_HINT, "calibration", "ece", n->e->ece, 0.05,
         "Probabilities are off by %.1f points on average (ece %.3f), %s. Read them as ranks, or calibrate on the validation rows.", 100 * n->e->ece,
         n->e->ece, fabs(over) < 0.01 ? "in both directions" : over > 0 ? "mostly too high" : "mostly too low");
}

/* ---- the rows ------------------------------------------------------------------------------------------------- */

static void about_balance(notes *n)
{
    if (n->e->task != GM_TASK_BINARY || !n->e->confusion) return;
    double positives = (double)(n->e->confusion[2] + n->e->confusion[3]), share = positives / (double)n->e->rows;
    if (share >= 0.1 && share <= 0.9) return;
    note(n, GM_FEEDBACK_HINT, "imbalance", NULL, share, 0.1,
         "%.2f %% of the rows are positive: accuracy says little. Judge by average_precision; F1 is best at the threshold %.4g (%.3f), not at %.4g.",
         100 * share, n->e->best_f1.threshold, n->e->best_f1.value, n->e->threshold);
}

static void about_rows(notes *n)
{
    int64_t smallest = n->e->rows;
    for (int64_t k = 0; n->e->confusion && k < n->e->classes; k++) {
        int64_t rows = 0;
        for (int64_t p = 0; p < n->e->classes; p++) rows += n->e->confusion[k * n->e->classes + p];
        if (rows < smallest) smallest = rows;
    }
    bool few = n->e->rows < 500 || (n->e->confusion && smallest < 50);
    if (few)
        note(n, GM_FEEDBACK_HINT, "rows", NULL, (double)n->e->rows, 500,
             "The test has %lld rows%s: differences smaller than the interval [%.4f, %.4f] of %s are chance.", (long long)n->e->rows,
             n->e->confusion && smallest < 50 ? ", and fewer than 50 of one class" : "", n->value.low, n->value.high, n->m->item.name);
    if (n->facts->train_rows > 0 && n->facts->train_rows < 1000)
        note(n, GM_FEEDBACK_HINT, "rows", NULL, (double)n->facts->train_rows, 1000, "The model was trained on %lld rows; more rows are the surest way up.",
             (long long)n->facts->train_rows);
}

static double missing_share(const gm_column *c)
{
    int64_t missing = 0;
    for (int64_t i = 0; i < c->rows; i++) missing += gm_column_is_missing(c, i);
    return c->rows ? (double)missing / (double)c->rows : 0;
}

static void about_missing(notes *n)
{
    const gm_table *t = n->facts->train;
    for (size_t c = 0; t && c < t->columns_count; c++) {
        double train = missing_share(&t->columns[c]);
        const gm_column *later = n->facts->test ? gm_table_find(n->facts->test, t->columns[c].name) : NULL;
        double test = later ? missing_share(later) : train;
        if (fabs(test - train) > 0.1)
            note(n, GM_FEEDBACK_WARNING, "missing", t->columns[c].name, test, train,
                 "\"%s\" is missing in %.1f %% of the training rows and %.1f %% of the test rows: was its source changed?", t->columns[c].name, 100 * train,
                 100 * test);
        else if (train > 0.3)
            note(n, GM_FEEDBACK_HINT, "missing", t->columns[c].name, train, 0.3, "\"%s\" is missing in %.1f %% of the training rows.", t->columns[c].name,
                 100 * train);
    }
}

static void about_unused(notes *n)
{
    double range = isfinite(n->m->low) && isfinite(n->m->high) ? n->m->high - n->m->low : fabs(n->value.value);
    double little = 0.0005 * range;
    gm_buf names = { 0 };
    size_t unused = 0;
    for (size_t i = 0; i < n->e->importance_count; i++) {
        const gm_importance *f = &n->e->importance[i];
        if (f->mean > little || f->mean > 2 * f->std + little / 10) continue;
        if (unused < 8) gm_buf_printf(&names, "%s%s", unused ? ", " : "", f->feature);
        unused++;
    }
    if (unused)
        note(n, GM_FEEDBACK_HINT, "unused", NULL, (double)unused, (double)n->e->importance_count,
             "%zu of %zu columns change %s by less than %.2g when shuffled: %s%s. Leaving them out makes the model smaller and steadier.", unused,
             n->e->importance_count, n->m->item.name, little, gm_buf_str(&names), unused > 8 ? " and more" : "");
    n->failed |= names.failed;
    gm_buf_clear(&names);
}

/* ---- drift between training and test rows --------------------------------------------------------------------- */

/* Share of the present test values that training never saw; one of them in example. */
static bool new_texts(notes *n, const gm_column *train, const gm_column *test, double *out_share, const char **out_example)
{
    gm_arena *own = gm_arena_new(0);
    gm_dict_builder *b = own ? gm_dict_builder_new(own) : NULL;
    int32_t codes = test->dict ? test->dict->count : 0, known = 0;
    bool *is_new = own ? GM_ARENA_ARRAY(own, bool, codes) : NULL, *used = own ? GM_ARENA_ARRAY(own, bool, train->dict ? train->dict->count : 0) : NULL;
    bool ok = b && is_new && used;
    if (ok) {
        for (int64_t i = 0; i < train->rows; i++)
            if (train->code[i] >= 0) used[train->code[i]] = true;
        for (int32_t k = 0; train->dict && k < train->dict->count; k++)
            if (used[k]) known = 1 + gm_dict_builder_code(b, train->dict->texts[k], train->dict->text_lens[k]);
        for (int32_t k = 0; k < codes; k++) is_new[k] = gm_dict_builder_code(b, test->dict->texts[k], test->dict->text_lens[k]) >= known;
        int64_t present = 0, unseen = 0;
        for (int64_t i = 0; i < test->rows; i++) {
            if (test->code[i] < 0) continue;
            present++;
            if (!is_new[test->code[i]]) continue;
            unseen++;
            *out_example = test->dict->texts[test->code[i]];
        }
        *out_share = present ? (double)unseen / (double)present : 0;
    }
    n->failed |= !ok;
    gm_arena_free(own);
    return ok;
}

static void out_of_range(const gm_column *train, const gm_column *test, double *out_share, double *out_low, double *out_high, int64_t *out_row)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < train->rows; i++) {
        double v = gm_column_double(train, i);
        if (isnan(v)) continue;
        low = fmin(low, v);
        high = fmax(high, v);
    }
    int64_t present = 0, outside = 0;
    for (int64_t i = 0; i < test->rows; i++) {
        double v = gm_column_double(test, i);
        if (isnan(v)) continue;
        present++;
        if (v >= low && v <= high) continue;
        outside++;
        *out_row = i;
    }
    *out_share = present ? (double)outside / (double)present : 0;
    *out_low = low;
    *out_high = high;
}

static void about_drift(notes *n)
{
    const gm_table *t = n->facts->train;
    for (size_t c = 0; t && n->facts->test && c < t->columns_count; c++) {
        const gm_column *train = &t->columns[c], *test = gm_table_find(n->facts->test, train->name);
        double share = 0, low = 0, high = 0;
        const char *example = "";
        int64_t row = 0;
        char text[64];
        if (!test || test->type != train->type) continue;
        if (train->type == GM_TYPE_STRING) {
            if (!new_texts(n, train, test, &share, &example) || share < 0.01) continue;
            note(n, share > 0.2 ? GM_FEEDBACK_WARNING : GM_FEEDBACK_HINT, "drift", train->name, share, 0,
                 "%.1f %% of the test rows have a value of \"%s\" that training never saw, such as \"%s\".", 100 * share, train->name, example);
            continue;
        }
        out_of_range(train, test, &share, &low, &high, &row);
        if (share < 0.05 || train->type == GM_TYPE_TIME) continue; /* times move on by nature */
        note(n, share > 0.5 ? GM_FEEDBACK_WARNING : GM_FEEDBACK_HINT, "drift", train->name, share, 0,
             "%.1f %% of the test rows have a \"%s\" outside the %.6g to %.6g of training, such as %s: the model cannot have learned it. Leave it out or "
             "say it in another way.",
             100 * share, train->name, low, high, gm_column_show(test, row, text, sizeof(text)));
    }
}

/* --------------------------------------------------------------------------------------------------------------- */

/* Stable: qsort is not, and the order of the rules is the order of what to read first. */
static void sort_items(gm_feedback *items, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && items[k - 1].severity < items[k].severity; k--) {
            gm_feedback swap = items[k];
            items[k] = items[k - 1];
            items[k - 1] = swap;
        }
}

gm_rc gm_give_feedback(const gm_feedback_facts *f, gm_arena *a, gm_feedback **out, size_t *out_count, gm_err *err)
{
    static void (*const rules[])(notes *) = { about_leaks, about_chance, about_overfit, about_shift, about_drift, about_slices,
                                              about_calibration, about_balance, about_missing, about_unused, about_rows };
    const gm_metric_result *main = gm_evaluation_metric(f->evaluation, f->evaluation->main->item.name);
    notes n = { .facts = f, .e = f->evaluation, .m = f->evaluation->main, .value = main->interval, .a = a, .items = GM_ARENA_ARRAY(a, gm_feedback, ITEMS_MAX) };
    if (!n.items) return gm_err_set(err, GM_ENOMEM, "not enough memory for feedback");
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) rules[i](&n);
    if (n.failed) return gm_err_set(err, GM_ENOMEM, "not enough memory for feedback");
    sort_items(n.items, n.count);
    *out = n.items;
    *out_count = n.count;
    return GM_OK;
}

const char *gm_feedback_level_name(gm_feedback_level l) { return l == GM_FEEDBACK_SERIOUS ? "serious" : l == GM_FEEDBACK_WARNING ? "warning" : "hint"; }
