/* unique.c - `x is unique`, unique(a, b): no other row has the same value (the same combination of values).
 *
 * All members of a group of equals break it. A row with a missing value is not considered.
 * Source     Great Expectations' expect_column_values_to_be_unique and expect_compound_columns_to_be_unique
 * Checked    test_checks.c, by hand
 */
#include "data/checks_internal.h"

static gm_rc accept(const gm_check_args *args, gm_type *out_type, gm_err *err)
{
    *out_type = GM_TYPE_BOOL;
    if (args->call->args_count == 0) return gm_check_count(args, &gm_check_form_unique, 1, err);
    for (size_t i = 0; i < args->call->args_count; i++) {
        const gm_column *c = NULL;
        gm_rc rc = gm_check_column(args, i, &c, err);
        if (rc) return rc;
    }
    return GM_OK;
}

static gm_rc compute(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    int64_t rows = scope->table->rows, *group_of = NULL, groups = 0;
    size_t count = args->call->args_count;
    gm_arena *scratch = gm_arena_new(0);
    int64_t *bools = GM_ARENA_ARRAY(scope->a, int64_t, rows), *sizes = NULL;
    const gm_column **columns = scratch ? GM_ARENA_ARRAY(scratch, const gm_column *, count) : NULL;
    gm_rc rc = columns && bools ? GM_OK : gm_check_no_memory(err);
    for (size_t i = 0; !rc && i < count; i++) rc = gm_check_column(args, i, &columns[i], err);
    if (!rc) rc = gm_check_groups(columns, count, rows, scratch, &group_of, &groups, err);
    if (!rc && !(sizes = GM_ARENA_ARRAY(scratch, int64_t, groups))) rc = gm_check_no_memory(err);
    for (int64_t i = 0; !rc && i < rows; i++)
        if (group_of[i] >= 0) sizes[group_of[i]]++;
    for (int64_t i = 0; !rc && i < rows; i++) bools[i] = group_of[i] < 0 ? GM_MISSING_INT : sizes[group_of[i]] == 1;
    gm_arena_free(scratch);
    if (!rc) out->bools = bools;
    return rc;
}

const gm_check_form gm_check_form_unique = {
    .item = { .name = "unique", .help = "no two rows have the same value, or combination of values" },
    .signature = "x is unique, unique(a, b, ...)",
    .example = "unique(carrier, flight, time_hour)",
    .per_row = true,
    .accept = accept,
    .compute = compute,
};
