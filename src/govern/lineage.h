/* lineage.h - what a model or an artifact was made of, down to the files, and what was made with it.
 *
 * Both directions follow the records of steps: an artifact <- the step that made it <- that step's inputs, and so on; and an
 * artifact -> the steps that used it -> their outputs. An artifact that was shown before is named again, not followed again.
 */
#ifndef GM_GOVERN_LINEAGE_H
#define GM_GOVERN_LINEAGE_H

#include "base/node.h"
#include "store/store.h"

/* ref: a model reference (gm_model_resolve) or a digest of 64 hex digits.
 * Errors: GM_ENOTFOUND no such model, or a digest that no step made or used; those of the store; GM_ENOMEM.
 * Append an indented tree. */
gm_rc gm_lineage_text(gm_store *store, const char *ref, gm_buf *out, gm_err *err);
/* One object: ref, model {name, version, aliases, trainer} or null, artifact, used_by[], uses[]. An artifact is {name, type,
 * digest, dataset {name, version, source, rows}?, repeated?, made_by {step, kind, run, key, inputs[]}?}; a user is {step, kind,
 * run, key, outputs[]} and an output also has used_by[]; a use is {kind, detail, uses}. */
gm_rc gm_lineage_json(gm_store *store, const char *ref, gm_json *j, gm_err *err);

#endif
