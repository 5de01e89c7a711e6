/* package.h - the model package: a folder, named by the SHA-256 of a manifest of its deterministic files.
 *
 * Deterministic files (in the manifest): MLmodel, model.onnx, model/<native>, features.json, schema.json, profile.bin, reference.parquet,
 * example.json, metrics.json, and MLflow's requirements.txt, conda.yaml, python_env.yaml. Beside it under the same digest, not in the manifest:
 * provenance.intoto.jsonl, card.json, card.md, card.html, latency.json, signature, and registered_model_meta, which MLflow's client adds.
 * This room writes and checks the folder and the manifest; `pipe` supplies contents that need other rooms.
 *
 * Nothing here writes a time, a host or a random number: equal contents give an equal digest.
 */
#ifndef GM_MODEL_PACKAGE_H
#define GM_MODEL_PACKAGE_H

#include "base/digest.h"
#include "model/model.h"

#define GM_PACKAGE_MANIFEST "manifest.json"

/* Write dir/manifest.json: every deterministic file with its SHA-256 and size, sorted by name; its own digest is the package's.
 * Errors: GM_EINVALID (no MLmodel, a file that is neither a plain file nor a folder), GM_EIO. */
gm_rc gm_package_seal(const char *dir, gm_digest *out, gm_err *err);
/* Check every file against the manifest. GM_ECORRUPT names the file: changed, missing, or there but not listed. out may be NULL.
 * The caller compares *out with the digest it knows: a manifest that was exchanged together with its files is sound in itself. */
gm_rc gm_package_verify(const char *dir, gm_digest *out, gm_err *err);

/* ---- MLflow's files ------------------------------------------------------------------------------------- */

/* A column of model.onnx as its graph has it: FLOAT is double, INT and TIME int64, STRING, BOOL. */
typedef struct gm_signature_column { const char *name; gm_type type; bool required; } gm_signature_column;
/* MLmodel (MLflow 3 format, flavors onnx and python_function with loader mlflow.onnx), requirements.txt, conda.yaml and python_env.yaml.
 * inputs/outputs: signature columns. */
gm_rc gm_package_mlmodel(const char *dir, const gm_signature_column *inputs, size_t inputs_count, const gm_signature_column *outputs,
                         size_t outputs_count, gm_err *err);

/* ---- the check before a package is accepted --------------------------------------------------------------- */

#define GM_PACKAGE_TOLERANCE 1e-6

typedef struct gm_package_difference {
    int64_t rows, worst_row;
    double worst; /* largest |runtime - ours| / max(1, |ours|); 0 when equal, NaN counting as equal to NaN */
    double ours, runtime;
} gm_package_difference;
/* Run dir/model.onnx in ONNX Runtime over rows and compare its output ("probability", "prediction") with our own engine's answers.
 * rows       as model.onnx is fed
 * ours       [rows->rows, width] row-major
 * tolerance  0 = GM_PACKAGE_TOLERANCE
 * out        written on GM_OK and on GM_EREFUSED (above tolerance, or NaN or an infinity on one side only)
 * Other errors as gm_ort_open and gm_ort_predict. */
gm_rc gm_package_check(const char *dir, const gm_table *rows, const char *output, const double *ours, int64_t width, double tolerance,
                       gm_package_difference *out, gm_err *err);

#endif
