/* select.c - step `select`: the candidate that is best on the validation rows. The test rows have no say here. */
#include <string.h>

#include "eval/metric.h"
#include "pipe/step.h"

static gm_rc run(gm_step_io *io, gm_err *err)
{
    const gm_node *tries = gm_node_get(io->params, "tries");
    const gm_item *item = NULL;
    const char *winner = NULL;
    double best = 0;
    gm_rc rc = gm_registry_find(&gm_metrics, gm_node_str_or(io->params, "metric", ""), &item, err);
    if (rc) return rc;
    bool higher = ((const gm_metric *)item)->higher_is_better;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kstr(&j, "metric", item->name);
    gm_json_key(&j, "validation");
    gm_json_object(&j);
    for (size_t i = 0; !rc && tries && i < tries->count; i++) {
        const char *name = tries->items[i]->text;
        const gm_node *evaluation = NULL;
        rc = gm_io_json(io, gm_arena_printf(io->a, "evaluation_%s", name), &evaluation, err);
        double value = rc ? (double)NAN : gm_node_double_or(evaluation, "validation_metric", (double)NAN);
        gm_json_kdouble(&j, name, value);
        if (isnan(value) || (winner && (higher ? value <= best : value >= best))) continue;
        winner = name;
        best = value;
    }
    gm_json_object_end(&j);
    gm_json_kstr(&j, "winner", winner);
    gm_json_object_end(&j);
    if (!rc && !winner) rc = gm_err_set(err, GM_EINVALID, "no candidate has a %s on the validation rows", item->name);
    if (!rc) rc = gm_io_write(io, "selection", "report", "selection.json", &b, err);
    gm_buf_clear(&b);
    if (!rc) gm_io_note(io, "%s is best on the validation rows, %s %.4f", winner, item->name, best);
    return rc;
}

const gm_step_kind gm_step_kind_select = {
    .item = { .name = "select", .help = "choose the best candidate on the validation rows" },
    .version = 1,
    .run = run,
};
