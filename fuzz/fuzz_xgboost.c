/* fuzz_xgboost.c - any bytes are an XGBoost model in JSON that predicts and has an ONNX form, or an error that says why. */
#include "fuzz_trees.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    gm_arena *a = gm_arena_new(256u << 20);
    gm_trees *t = NULL;
    gm_err err = { 0 };
    fuzz_require(a != NULL);
    gm_rc rc = gm_trees_read_xgboost((const char *)bytes, size, "model.json", a, &t, &err);
    fuzz_require(rc ? !t && err.message[0] : t != NULL);
    if (t) fuzz_trees(t, a);
    gm_arena_free(a);
    return 0;
}
