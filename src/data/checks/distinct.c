/* distinct.c - distinct(x): how many different values the column has; exact. Missing is not a value. */
#include "data/checks_internal.h"

static gm_rc accept(const gm_check_args *args, gm_type *out_type, gm_err *err)
{
    const gm_column *c = NULL;
    *out_type = GM_TYPE_FLOAT;
    gm_rc rc = gm_check_count(args, &gm_check_form_distinct, 1, err);
    return rc ? rc : gm_check_column(args, 0, &c, err);
}

static gm_rc compute(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    const gm_column *c = NULL;
    int64_t *group_of = NULL, groups = 0;
    gm_rc rc = gm_check_column(args, 0, &c, err);
    gm_arena *scratch = gm_arena_new(0);
    if (!rc && !scratch) rc = gm_check_no_memory(err);
    if (!rc) rc = gm_check_groups(&c, 1, scope->table->rows, scratch, &group_of, &groups, err);
    if (!rc) out->number = (double)groups;
    gm_arena_free(scratch);
    return rc;
}

const gm_check_form gm_check_form_distinct = {
    .item = { .name = "distinct", .help = "the number of different values of a column" },
    .signature = "distinct(x)",
    .example = "distinct(carrier) between 10 and 20",
    .accept = accept,
    .compute = compute,
};
