/* test_features_fuzz.c - the fuzz target of features.json over its corpus, and over damaged copies of whole programs. */
#include "../../../fuzz/fuzz_features.c"

#include "random_table.h"

static void corpus_holds(void)
{
    gm_arena *a = gm_harness_arena();
    const char **names = NULL;
    size_t count = 0;
    gm_err err;
    const char *dir = gm_arena_printf(a, "%s/fuzz/corpus/features", GM_SOURCE_DIR);
    CHECK_OK(gm_fs_list(dir, a, &names, &count, &err), &err);
    CHECK(count > 0);
    for (size_t i = 0; i < count; i++) {
        gm_buf b = { 0 };
        CHECK_OK(gm_fs_read(gm_path_join(a, dir, names[i]), 0, &b, &err), &err);
        (void)LLVMFuzzerTestOneInput((const uint8_t *)gm_buf_str(&b), b.len);
        gm_buf_clear(&b);
    }
}

static void damaged_programs_are_programs_or_errors(void)
{
    static const char alphabet[] = "0123456789-.e\"[]{},:xna ";
    gm_random r;
    gm_random_init(&r, 404); /* the seed */
    gm_arena *a = gm_harness_arena();
    const char *json = json_of(every_program(&r, GM_TASK_MULTICLASS, a), a);
    size_t len = strlen(json);
    (void)LLVMFuzzerTestOneInput((const uint8_t *)json, len);
    char *copy = GM_ARENA_ARRAY(a, char, len + 1);
    for (int round = 0; round < 600; round++) {
        memcpy(copy, json, len);
        size_t kept = round % 10 ? len : (size_t)gm_random_below(&r, (int64_t)len);
        for (int64_t k = gm_random_below(&r, 3); k >= 0; k--) {
            size_t at = (size_t)gm_random_below(&r, (int64_t)len);
            if (round % 2 && at + 40 < len) { /* digits and letters stay what they are, so that more of it is still JSON */
                while (at + 1 < len && !(copy[at] >= '0' && copy[at] <= '9')) at++;
                copy[at] = (char)('0' + gm_random_below(&r, 10));
            } else {
                copy[at] = alphabet[gm_random_below(&r, sizeof(alphabet) - 1)];
            }
        }
        (void)LLVMFuzzerTestOneInput((const uint8_t *)copy, kept);
    }
}

TESTS(T(corpus_holds), T(damaged_programs_are_programs_or_errors))
