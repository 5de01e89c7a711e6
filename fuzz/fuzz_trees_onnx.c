/* fuzz_trees_onnx.c - any bytes are an ONNX graph whose trees predict and have an ONNX form, or an error that says why not. */
#include "fuzz_trees.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const outputs[] = { "probabilities", "variable" };
    for (int i = 0; i < 2; i++) {
        gm_arena *a = gm_arena_new(256u << 20);
        gm_onnx_trees o = { 0 };
        gm_err err = { 0 };
        fuzz_require(a != NULL);
        gm_rc rc = gm_trees_read_onnx(bytes, size, outputs[i], a, &o, &err);
        fuzz_require(rc ? !o.trees && err.message[0] : o.trees && o.inputs);
        if (!rc) fuzz_trees(o.trees, a);
        gm_arena_free(a);
    }
    return 0;
}
