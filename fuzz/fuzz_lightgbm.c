/* fuzz_lightgbm.c - any bytes are a LightGBM model that predicts and has an ONNX form, or an error that says why. */
#include "fuzz_trees.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    gm_arena *a = gm_arena_new(256u << 20);
    gm_trees *t = NULL;
    gm_err err = { 0 };
    fuzz_require(a != NULL);
    const char *text = gm_arena_strndup(a, (const char *)bytes, size); /* NUL-terminated, as gm_fs_read gives it */
    fuzz_require(text != NULL);
    gm_rc rc = gm_trees_read_lightgbm(text, size, a, &t, &err);
    fuzz_require(rc ? !t && err.message[0] : t != NULL);
    if (t) fuzz_trees(t, a);
    gm_arena_free(a);
    return 0;
}
