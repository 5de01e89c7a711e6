/* drift_json.c - a comparison for programs. */
#include <math.h>

#include "watch/drift.h"

/* NaN, which is "none", is left out. */
static void known(gm_json *j, const char *key, double v)
{
    if (!isnan(v)) gm_json_kdouble(j, key, v);
}

static void column_json(const gm_drift_column *c, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "name", c->name);
    gm_json_kstr(j, "type", gm_type_name(c->type));
    gm_json_kstr(j, "detector", c->detector ? c->detector->item.name : NULL);
    gm_json_kdouble(j, "value", c->value);
    known(j, "limit", c->limit);
    if (c->plain != c->value) known(j, "plain", c->plain);
    if (c->bound > 0) gm_json_kdouble(j, "bound", c->bound);
    if (c->by_p) gm_json_kbool(j, "value_is_p", true);
    known(j, "p_value", c->p_value);
    known(j, "p_adjusted", c->p_adjusted);
    gm_json_kint(j, "rows_reference", c->rows_reference);
    gm_json_kint(j, "rows_current", c->rows_current);
    known(j, "missing_reference", c->missing_reference);
    known(j, "missing_current", c->missing_current);
    known(j, "new_share", c->new_share);
    known(j, "range_share", c->range_share);
    known(j, "mean_reference", c->mean_reference);
    known(j, "mean_current", c->mean_current);
    gm_json_kbool(j, "drifted", c->drifted);
    if (c->by_chance) gm_json_kbool(j, "by_chance", true);
    gm_json_kbool(j, "missing_rose", c->missing_rose);
    gm_json_kbool(j, "new_values", c->new_values);
    gm_json_kbool(j, "out_of_range", c->out_of_range);
    if (c->why[0]) gm_json_kstr(j, "why", c->why);
    gm_json_object_end(j);
}

void gm_drift_json(const gm_drift_result *r, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "definitions", gm_compat_name(r->compat));
    gm_json_kint(j, "rows_reference", r->rows_reference);
    gm_json_kint(j, "rows_current", r->rows_current);
    gm_json_kint(j, "judged", (int64_t)r->judged);
    gm_json_kint(j, "drifted", (int64_t)r->drifted);
    gm_json_kdouble(j, "drifted_share", r->drifted_share);
    gm_json_kbool(j, "dataset_drifted", r->dataset_drifted);
    gm_json_key(j, "columns");
    gm_json_array(j);
    for (size_t k = 0; k < r->count; k++) column_json(&r->columns[k], j);
    gm_json_array_end(j);
    gm_json_key(j, "missing_columns");
    gm_json_array(j);
    for (size_t k = 0; k < r->missing_columns_count; k++) gm_json_str(j, r->missing_columns[k]);
    gm_json_array_end(j);
    gm_json_object_end(j);
}
