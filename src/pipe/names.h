/* names.h - what the names that a file gives to things may look like, and which ones are taken. */
#ifndef GM_PIPE_NAMES_H
#define GM_PIPE_NAMES_H

#include "pipe/spec.h"

/* Names of the pipeline, its data sets, steps, their inputs, outputs and candidates, each mistake at its place. Needs the file
 * only. */
void gm_names_check(const gm_spec *s, gm_errs *errs);
/* Names of columns, once the data was loaded: those that the program adds itself are taken, and a join may not make two of one
 * name. */
void gm_names_check_columns(const gm_spec *s, gm_errs *errs);

#endif
