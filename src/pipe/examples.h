/* examples.h - the examples table: what the steps after `examples` read. */
#ifndef GM_PIPE_EXAMPLES_H
#define GM_PIPE_EXAMPLES_H

#include "eval/metric.h"
#include "pipe/step.h"

#define GM_TARGET_COLUMN "__target" /* class index or value, float, never missing */
#define GM_SPLIT_COLUMN "__split"   /* 0 train, 1 validation, 2 test              */
enum { GM_SIDE_TRAIN = 0, GM_SIDE_VALIDATION = 1, GM_SIDE_TEST = 2 };

typedef struct gm_side {
    gm_table table;  /* all columns, rows of this side in order */
    double *target;  /* [table.rows] */
} gm_side;

/* Read input `examples` and keep the rows of one side. In io->a. */
gm_rc gm_examples_all(gm_step_io *io, gm_table *out, gm_err *err);
gm_rc gm_examples_side(gm_step_io *io, const gm_table *all, int side, gm_side *out, gm_err *err);
/* Scores as metrics want them. */
gm_scores gm_side_scores(const gm_side *s, gm_task task, int64_t classes_count, const double *predicted);

#endif
