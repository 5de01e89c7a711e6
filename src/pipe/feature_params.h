/* feature_params.h - features as the graph says them to a step: [{name, expr, kind, transforms: [{name, params}]}]. */
#ifndef GM_PIPE_FEATURE_PARAMS_H
#define GM_PIPE_FEATURE_PARAMS_H

#include "feature/program.h"
#include "pipe/spec.h"

/* Write a resolved spec's features. Errors (transform names, shapes) to errs with places. */
void gm_feature_params_json(const gm_spec *s, gm_json *j, gm_errs *errs);
/* Read them back; expressions are parsed and checked against t. */
gm_rc gm_feature_params_read(const gm_node *list, bool linear, const gm_table *t, gm_arena *a, gm_feature_spec **out,
                             size_t *out_count, gm_err *err);

#endif
