/* freshness.c - freshness(t): seconds from the latest time of a column to the run's time. No times: cannot be computed. */
#include "data/checks_internal.h"

static gm_rc accept(const gm_check_args *args, gm_type *out_type, gm_err *err)
{
    const gm_column *c = NULL;
    *out_type = GM_TYPE_FLOAT;
    gm_rc rc = gm_check_count(args, &gm_check_form_freshness, 1, err);
    if (!rc) rc = gm_check_column(args, 0, &c, err);
    if (!rc && c->type != GM_TYPE_TIME)
        rc = gm_err_at(err, args->call->args[0]->pos, GM_EINVALID, "freshness() takes a column of times, \"%.100s\" is %s", c->name, gm_type_name(c->type));
    return rc;
}

static gm_rc compute(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    const gm_column *c = NULL;
    const gm_basic *b = NULL;
    gm_rc rc = gm_check_column(args, 0, &c, err);
    if (!rc) rc = gm_check_basic(scope, c, &b, err);
    if (!rc) out->number = ((double)scope->now_us - b->max) / 1e6;
    return rc;
}

const gm_check_form gm_check_form_freshness = {
    .item = { .name = "freshness", .help = "the age of the latest time of a column" },
    .signature = "freshness(t)",
    .example = "freshness(time_hour) < 2 days",
    .accept = accept,
    .compute = compute,
};
