/* examples.h - the examples table: what the steps after `examples` read. */
#ifndef GM_PIPE_EXAMPLES_H
#define GM_PIPE_EXAMPLES_H

#include "eval/metric.h"
#include "feature/split.h"
#include "pipe/step.h"

#define GM_TARGET_COLUMN "__target" /* class index or value, float, never missing */
#define GM_SPLIT_COLUMN "__split"   /* gm_side: 0 train, 1 validation, 2 test     */

typedef struct gm_part {
    gm_table table; /* all columns, rows of this side in order */
    double *target; /* [table.rows] */
} gm_part;

/* Read input `examples` and keep the rows of one side. In io->a. */
gm_rc gm_examples_all(gm_step_io *io, gm_table *out, gm_err *err);
gm_rc gm_examples_part(gm_step_io *io, const gm_table *all, int side, gm_part *out, gm_err *err);
/* Scores as metrics want them. */
gm_scores gm_part_scores(const gm_part *s, gm_task task, int64_t classes_count, const double *predicted);

#endif
