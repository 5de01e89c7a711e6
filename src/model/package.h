/* package.h - the model package: a folder, named by the SHA-256 of a manifest of its deterministic files.
 *
 * Deterministic files (in the manifest): MLmodel, model.onnx, model/<native>, features.json, schema.json, profile.bin, reference.parquet,
 * example.json, metrics.json. Beside it under the same digest: provenance.intoto.jsonl, card.json, latency.json, signature.
 * This room writes and checks the folder and the manifest; `pipe` supplies contents that need other rooms.
 */
#ifndef GM_MODEL_PACKAGE_H
#define GM_MODEL_PACKAGE_H

#include "base/digest.h"
#include "model/model.h"

/* Write dir/manifest.json: every deterministic file with its SHA-256 and size, sorted by name; its own digest is the package's. */
gm_rc gm_package_seal(const char *dir, gm_digest *out, gm_err *err);
/* Check every file against the manifest. GM_ECORRUPT names the file. out may be NULL. */
gm_rc gm_package_verify(const char *dir, gm_digest *out, gm_err *err);
/* MLmodel (MLflow 3 format, flavors onnx and python_function), without uuid or time. inputs/outputs: signature columns. */
typedef struct gm_signature_column { const char *name; gm_type type; bool required; } gm_signature_column;
gm_rc gm_package_mlmodel(const char *dir, const gm_signature_column *inputs, size_t inputs_count, const gm_signature_column *outputs,
                         size_t outputs_count, gm_err *err);

#endif
