/* test_leaks.c - columns that tell the target, and columns that only look as if; permutation importance. */
#include "unit/eval/eval_case.h"

enum { ROWS = 2000 };

typedef struct leak_case {
    gm_arena *a;
    double target[ROWS], noise[ROWS], leak[ROWS], bump[ROWS], gaps[ROWS];
    int32_t id[ROWS], kind[ROWS];
    gm_dict ids, kinds;
    gm_column columns[8];
    gm_table table;
    gm_leak *found;
    size_t count;
} leak_case;

static leak_case *make(void)
{
    static leak_case s;
    static char room[ROWS][8];
    static const char *texts[ROWS];
    static uint32_t lens[ROWS];
    static const char *const kinds[] = { "open", "paid", "late" };
    static const uint32_t kind_lens[] = { 4, 4, 4 };
    gm_random r;
    gm_random_init(&r, 6);
    s.a = gm_arena_new(0);
    for (int i = 0; i < ROWS; i++) {
        s.target[i] = gm_random_double(&r) < 0.3 ? 1 : 0;
        s.noise[i] = gm_random_normal(&r) + 0.5 * s.target[i];
        s.leak[i] = -10 * s.target[i] + gm_random_normal(&r);
        s.bump[i] = s.target[i] > 0 ? gm_random_double(&r) : gm_random_double(&r) + (i % 2 ? 1.01 : -1.01); /* in the middle: not monotone */
        s.gaps[i] = s.target[i] > 0 ? (double)NAN : gm_random_normal(&r);
        s.id[i] = i;
        s.kind[i] = s.target[i] > 0 ? 1 : i % 2 ? 0 : 2;
        (void)snprintf(room[i], sizeof(room[i]), "r%d", i);
        texts[i] = room[i];
        lens[i] = (uint32_t)strlen(room[i]);
    }
    s.ids = (gm_dict){ texts, lens, ROWS };
    s.kinds = (gm_dict){ kinds, kind_lens, 3 };
    s.columns[0] = (gm_column){ .name = "noise", .type = GM_TYPE_FLOAT, .rows = ROWS, .f64 = s.noise };
    s.columns[1] = (gm_column){ .name = "id", .type = GM_TYPE_STRING, .rows = ROWS, .code = s.id, .dict = &s.ids };
    s.columns[2] = (gm_column){ .name = "delay", .type = GM_TYPE_FLOAT, .rows = ROWS, .f64 = s.leak };
    s.columns[3] = (gm_column){ .name = "bump", .type = GM_TYPE_FLOAT, .rows = ROWS, .f64 = s.bump };
    s.columns[4] = (gm_column){ .name = "closed_at", .type = GM_TYPE_FLOAT, .rows = ROWS, .f64 = s.gaps };
    s.columns[5] = (gm_column){ .name = "status", .type = GM_TYPE_STRING, .rows = ROWS, .code = s.kind, .dict = &s.kinds };
    s.table = (gm_table){ .rows = ROWS, .columns_count = 6, .columns = s.columns };
    return &s;
}

static const gm_leak *find(leak_case *s, gm_task task, const char *column)
{
    gm_err err;
    CHECK_OK(gm_find_leaks(&s->table, s->target, task, s->a, &s->found, &s->count, &err), &err);
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->found[i].column, column) == 0) return &s->found[i];
    return NULL;
}

static void leaks_are_found_with_evidence(void)
{
    leak_case *s = make();
    const gm_leak *delay = find(s, GM_TASK_BINARY, "delay");
    CHECK(delay && delay->score > 0.98); /* falls with the target: the direction does not matter */
    CHECK_HAS(delay->evidence, "\"delay\" alone ranks the target with ROC AUC 1.0000 on 2,000 rows");
    const gm_leak *bump = find(s, GM_TASK_BINARY, "bump");
    CHECK(bump && bump->score > 0.98);
    const gm_leak *gaps = find(s, GM_TASK_BINARY, "closed_at");
    CHECK(gaps && gaps->score == 1);
    CHECK_HAS(gaps->evidence, "missing just where the class is 1");
    CHECK(find(s, GM_TASK_BINARY, "status") != NULL);
    CHECK(s->count == 4);
    for (size_t i = 1; i < s->count; i++) CHECK(s->found[i - 1].score >= s->found[i].score);
}

static void noise_and_ids_are_not_suspected(void)
{
    leak_case *s = make();
    CHECK(find(s, GM_TASK_BINARY, "noise") == NULL);
    CHECK(find(s, GM_TASK_BINARY, "id") == NULL);
}

static void regression_and_classes(void)
{
    leak_case *s = make();
    gm_random r;
    gm_random_init(&r, 7);
    for (int i = 0; i < ROWS; i++) {
        s->target[i] = gm_random_normal(&r);
        s->leak[i] = exp(s->target[i]); /* monotone, far from linear */
        s->bump[i] = s->target[i] + 0.5 * gm_random_normal(&r);
    }
    const gm_leak *l = find(s, GM_TASK_REGRESSION, "delay");
    CHECK(l && l->score > 0.99);
    CHECK(find(s, GM_TASK_REGRESSION, "bump") == NULL);
    for (int i = 0; i < ROWS; i++) {
        s->target[i] = i % 3;
        s->kind[i] = (i + 1) % 3;
        s->bump[i] = i % 3 + 0.4 * gm_random_normal(&r); /* a good column, not a leak */
    }
    l = find(s, GM_TASK_MULTICLASS, "status");
    CHECK(l && l->score > 0.999);
    CHECK(find(s, GM_TASK_MULTICLASS, "bump") == NULL);
}

static void rows_without_target_and_few_rows(void)
{
    leak_case *s = make();
    for (int i = 0; i < ROWS; i += 3) s->target[i] = NAN;
    CHECK(find(s, GM_TASK_BINARY, "delay") != NULL);
    CHECK_HAS(find(s, GM_TASK_BINARY, "delay")->evidence, "1,333 rows");
    for (int i = 0; i < ROWS; i++)
        if (i >= 25) s->target[i] = NAN;
    CHECK(find(s, GM_TASK_BINARY, "delay") == NULL && s->count == 0);
}

/* ---- importance ---- */

/* p = logistic of x0 alone; x1 is read and does nothing. */
static gm_rc predict(void *ctx, const gm_table *t, double *out, gm_err *err)
{
    (void)err;
    int64_t *calls = ctx;
    (*calls)++;
    for (int64_t i = 0; i < t->rows; i++) out[i] = 1 / (1 + exp(-t->columns[0].f64[i]));
    return GM_OK;
}

static void shuffling_what_is_used_costs(void)
{
    leak_case *s = make();
    static double p[ROWS];
    int64_t calls = 0;
    gm_table t = { .rows = ROWS, .columns_count = 2, .columns = s->columns };
    s->columns[1] = s->columns[3];
    gm_err err;
    CHECK_OK(predict(&calls, &t, p, &err), &err);
    gm_scores scores = binary_scores(s->target, p, ROWS);
    const char *const features[] = { "noise", "bump" };
    gm_importance found[2], again[2], less[1];
    CHECK_OK(gm_permutation_importance(metric_named("roc_auc"), &scores, &t, features, 2, 5, 0, 1, predict, &calls, s->a, found, &err), &err);
    CHECK(calls == 1 + 1 + 10);
    double auc = metric_of("roc_auc", &scores);
    CHECK_NEAR(found[0].mean, auc - 0.5, 0.03); /* a shuffled column ranks at random */
    CHECK(found[0].std > 0 && found[1].mean == 0 && found[1].std == 0);
    CHECK_STR(found[1].feature, "bump");
    CHECK_OK(gm_permutation_importance(metric_named("roc_auc"), &scores, &t, features, 2, 5, 0, 1, predict, &calls, s->a, again, &err), &err);
    CHECK(found[0].mean == again[0].mean);
    CHECK_OK(gm_permutation_importance(metric_named("roc_auc"), &scores, &t, features, 1, 5, 0, 1, predict, &calls, s->a, less, &err), &err);
    CHECK(less[0].mean == found[0].mean); /* others do not change it */
    CHECK_OK(gm_permutation_importance(metric_named("log_loss"), &scores, &t, features, 2, 3, 500, 1, predict, &calls, s->a, found, &err), &err);
    CHECK(found[0].mean > 0); /* lower is better: a useful column is positive all the same */
    const char *const unknown[] = { "nois" };
    CHECK_RC(gm_permutation_importance(metric_named("roc_auc"), &scores, &t, unknown, 1, 5, 0, 1, predict, &calls, s->a, found, &err), GM_EINVALID);
    CHECK_HAS(err.message, "nois");
}

static void a_class_that_the_sample_missed_takes_all_rows(void)
{
    leak_case *s = make();
    static double p[ROWS];
    int64_t calls = 0;
    gm_table t = { .rows = ROWS, .columns_count = 1, .columns = s->columns };
    for (int i = 0; i < ROWS; i++) s->target[i] = i == 77;
    s->noise[77] = 9;
    gm_err err;
    CHECK_OK(predict(&calls, &t, p, &err), &err);
    gm_scores scores = binary_scores(s->target, p, ROWS);
    const char *const features[] = { "noise" };
    gm_importance found[1];
    CHECK_OK(gm_permutation_importance(metric_named("roc_auc"), &scores, &t, features, 1, 2, 10, 1, predict, &calls, s->a, found, &err), &err);
    CHECK(found[0].mean > 0);
}

static gm_rc refuse(void *ctx, const gm_table *t, double *out, gm_err *err)
{
    (void)ctx;
    (void)t;
    (void)out;
    return gm_err_set(err, GM_EUNAVAILABLE, "the model is away");
}

static void a_failing_model_is_reported(void)
{
    leak_case *s = make();
    gm_scores scores = binary_scores(s->target, s->noise, ROWS);
    const char *const features[] = { "noise" };
    gm_importance found[1];
    gm_err err;
    CHECK_RC(gm_permutation_importance(metric_named("roc_auc"), &scores, &s->table, features, 1, 5, 0, 1, refuse, NULL, s->a, found, &err), GM_EUNAVAILABLE);
    CHECK_HAS(err.message, "the model is away");
}

TESTS(T(leaks_are_found_with_evidence), T(noise_and_ids_are_not_suspected), T(regression_and_classes), T(rows_without_target_and_few_rows),
      T(shuffling_what_is_used_costs), T(a_class_that_the_sample_missed_takes_all_rows), T(a_failing_model_is_reported))
