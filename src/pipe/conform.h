/* conform.h - rows read anew as the model knows them: a column of digits may be a text to the model, and the other way round. */
#ifndef GM_PIPE_CONFORM_H
#define GM_PIPE_CONFORM_H

#include "pipe/scorer.h"

/* Columns of t that the scorer reads get the type they had in training; others stay. In a.
 * Errors: GM_EINVALID a value that cannot be read as that type, with column, row and value; a column that is not there is left to
 * apply. */
gm_rc gm_conform(const gm_scorer *s, const gm_table *t, gm_arena *a, gm_table *out, gm_err *err);
/* The same where t's first row is row first_row of a larger table, for messages. */
gm_rc gm_conform_part(const gm_scorer *s, const gm_table *t, int64_t first_row, gm_arena *a, gm_table *out, gm_err *err);

#endif
