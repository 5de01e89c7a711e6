/* monitor_checks.c - the data set's own checks on the rows of a window, as far as they say something about served rows.
 *
 * They are validated anew for each window: a column may have come with another type than in training, and then the check that
 * cannot be computed is left out and said, and the others go on.
 */
#include <string.h>

#include "watch/monitor_internal.h"

/* Forms that are about a whole data set, and why a window says nothing of them. */
static const gm_check_left_out whole[] = {
    { "rows", "a window has as many rows as were asked for" },
    { "columns", "requests hold the model's inputs, not the data set's columns" },
    { "has_columns", "requests hold the model's inputs, not the data set's columns" },
    { "references", "the other data set is not there when serving" },
    { "increasing", "requests come in any order" },
    { "unique", "a row may be asked about more than once" },
};

static const char *form_why(const char *name)
{
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        if (name && strcmp(whole[i].name, name) == 0) return whole[i].why;
    return NULL;
}

/* Why a window cannot be judged by e; NULL = it can. `rows` and `columns` are bare words unless the table has such a column. */
static const char *not_for_windows(const gm_expr *e, const gm_table *t)
{
    const char *why = NULL;
    if (!e) return NULL;
    if (e->op == GM_EXPR_CALL || e->op == GM_EXPR_IS || (e->op == GM_EXPR_COLUMN && !gm_table_find(t, e->name)))
        why = form_why(e->name);
    for (size_t i = 0; !why && i < e->args_count; i++) why = not_for_windows(e->args[i], t);
    return why;
}

static const char *absent_column(const gm_expr *e, const gm_table *t, gm_arena *a)
{
    const char **names = NULL;
    size_t count = 0;
    if (!e || gm_expr_columns(e, a, &names, &count, NULL)) return NULL;
    for (size_t i = 0; i < count; i++)
        if (!gm_table_find(t, names[i])) return gm_arena_printf(a, "column \"%s\" is not served", names[i]);
    return NULL;
}

/* Why this one is left out; NULL: it is ready to run. */
static const char *prepare(gm_check_spec *spec, const gm_table *t, gm_arena *a)
{
    gm_errs errs = { .arena = a };
    const char *why = not_for_windows(spec->expr, t);
    if (!why) why = absent_column(spec->expr, t, a);
    if (!why) why = absent_column(spec->where, t, a);
    if (!why && gm_checks_validate(spec, 1, t, NULL, a, &errs))
        why = errs.count ? errs.items[0].message : "it cannot be computed on served rows";
    return why;
}

gm_rc gm_window_checks(const gm_check_spec *specs, size_t count, const gm_window_rows *w, gm_arena *a, gm_window_result *r,
                       gm_err *err)
{
    gm_check_spec *run = GM_ARENA_ARRAY(a, gm_check_spec, count);
    gm_check_left_out *left = GM_ARENA_ARRAY(a, gm_check_left_out, count);
    gm_check_result *results = GM_ARENA_ARRAY(a, gm_check_result, count);
    size_t runs = 0, lefts = 0;
    if (!run || !left || !results) return gm_err_set(err, GM_ENOMEM, "not enough memory for the checks of a window");
    for (size_t i = 0; i < count; i++) {
        run[runs] = specs[i];
        const char *why = prepare(&run[runs], w->table, a);
        if (why)
            left[lefts++] = (gm_check_left_out){ specs[i].name, why };
        else
            runs++;
    }
    gm_rc rc = runs ? gm_checks_run(run, runs, w->table, NULL, w->until_us, a, results, NULL, err) : GM_OK;
    if (rc) return gm_err_ctx(err, rc, "checking the rows that were served");
    for (size_t i = 0; i < runs; i++)
        if (!results[i].ok && !results[i].spec->warning) r->checks_failed++;
    r->checks = results;
    r->checks_count = runs;
    r->left_out = left;
    r->left_out_count = lefts;
    return GM_OK;
}
