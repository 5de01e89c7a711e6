/* gates.h - what gates_read.c finds and gates_run.c uses: the names in a gate. evaluate.h has the contract. */
#ifndef GM_EVAL_GATES_H
#define GM_EVAL_GATES_H

#include "eval/evaluate.h"

enum { GM_GATE_MIN_ROWS = 100 }; /* slices with fewer rows are not judged where the gate says nothing */

typedef enum gm_gate_name_kind {
    GM_GATE_NAME_UNKNOWN = 0,
    GM_GATE_NAME_METRIC,          /* roc_auc            */
    GM_GATE_NAME_CHAMPION,        /* champion           */
    GM_GATE_NAME_CHAMPION_METRIC, /* champion.log_loss  */
    GM_GATE_NAME_LATENCY,         /* latency_us.p99     */
    GM_GATE_NAME_SIZE,            /* size_bytes         */
    GM_GATE_NAME_ROWS             /* rows               */
} gm_gate_name_kind;

/* What a name in a gate means. out_metric is set for METRIC and CHAMPION_METRIC. Errors (kind UNKNOWN): GM_EINVALID. */
gm_rc gm_gate_name(const char *name, gm_task task, gm_gate_name_kind *out_kind, const gm_metric **out_metric, gm_err *err);
/* The first thing in e that `champion` alone stands for: a metric, or min/max/mean of one over slices; NULL. */
const gm_expr *gm_gate_subject(const gm_expr *e, gm_task task);
bool gm_gate_names_champion(const gm_expr *e);

#endif
