/* test_package.c - a sealed package is whole or its fault is named; MLflow's files; the check against ONNX Runtime. */
#include <unistd.h>

#include "model/package.h"
#include "unit/model/onnx_case.h"

static const char *const names[] = { "MLmodel", "model.onnx", "model/model.json", "features.json" };
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static const char *path_in(const char *dir, const char *name)
{
    static char path[4][512];
    static int next;
    char *p = path[next++ % 4];
    CHECK(snprintf(p, sizeof(path[0]), "%s/%s", dir, name) < (int)sizeof(path[0]));
    return p;
}

/* A folder of four small files. Static until the next call of gm_harness_tmpdir. */
static const char *folder(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_err err = { 0 };
    CHECK_OK(gm_fs_mkdirs(path_in(dir, "model"), &err), &err);
    for (int i = 0; i < NAMES; i++) CHECK_OK(gm_fs_write(path_in(dir, names[i]), names[i], strlen(names[i]), &err), &err);
    return dir;
}

static const char *sealed(gm_digest *out)
{
    gm_err err = { 0 };
    const char *dir = folder();
    CHECK_OK(gm_package_seal(dir, out, &err), &err);
    return dir;
}

static void a_sealed_package_is_whole(void)
{
    gm_digest sealed_as, found;
    gm_err err = { 0 };
    const char *dir = sealed(&sealed_as);
    CHECK_OK(gm_package_verify(dir, &found, &err), &err);
    CHECK_STR(found.hex, sealed_as.hex);
    CHECK_OK(gm_package_seal(dir, &found, &err), &err); /* the manifest is no part of itself */
    CHECK_STR(found.hex, sealed_as.hex);
}

static void the_digest_depends_on_contents_alone(void)
{
    gm_digest one, two;
    char first[512];
    gm_err err = { 0 };
    (void)snprintf(first, sizeof(first), "%s", sealed(&one));
    (void)sealed(&two);
    CHECK_STR(one.hex, two.hex);
    CHECK_OK(gm_fs_write(path_in(first, "card.json"), "{}", 2, &err), &err); /* beside it */
    CHECK_OK(gm_package_verify(first, &two, &err), &err);
    CHECK_OK(gm_fs_write(path_in(first, "features.json"), "{}", 2, &err), &err);
    CHECK_OK(gm_package_seal(first, &two, &err), &err);
    CHECK(strcmp(one.hex, two.hex) != 0);
}

static void a_flipped_bit_anywhere_is_named(void)
{
    gm_digest digest;
    const char *dir = sealed(&digest);
    for (int i = 0; i < NAMES; i++)
        for (size_t at = 0; at < strlen(names[i]); at++) {
            gm_err err = { 0 };
            char bytes[64];
            size_t len = strlen(names[i]);
            memcpy(bytes, names[i], len);
            bytes[at] = (char)(bytes[at] ^ (1 << (at % 8)));
            CHECK_OK(gm_fs_write(path_in(dir, names[i]), bytes, len, &err), &err);
            CHECK_RC(gm_package_verify(dir, NULL, &err), GM_ECORRUPT);
            CHECK_HAS(err.message, names[i]);
            CHECK_OK(gm_fs_write(path_in(dir, names[i]), names[i], len, &err), &err);
        }
    gm_err err = { 0 };
    CHECK_OK(gm_package_verify(dir, NULL, &err), &err);
}

static void a_missing_and_an_added_file_are_named(void)
{
    gm_digest digest;
    gm_err err = { 0 };
    const char *dir = sealed(&digest);
    CHECK_OK(gm_fs_write(path_in(dir, "model/zz.py"), "x", 1, &err), &err);
    CHECK_RC(gm_package_verify(dir, NULL, &err), GM_ECORRUPT);
    CHECK_HAS(err.message, "model/zz.py");
    CHECK(unlink(path_in(dir, "model/zz.py")) == 0);
    CHECK(unlink(path_in(dir, "model/model.json")) == 0);
    CHECK_RC(gm_package_verify(dir, NULL, &err), GM_ECORRUPT);
    CHECK_HAS(err.message, "model/model.json");
}

/* Any byte of the manifest changed: refused, or another digest. */
static void a_changed_manifest_does_not_pass(void)
{
    gm_digest digest, found;
    gm_buf text = { 0 };
    gm_err err = { 0 };
    const char *dir = sealed(&digest);
    CHECK_OK(gm_fs_read(path_in(dir, GM_PACKAGE_MANIFEST), 0, &text, &err), &err);
    for (size_t i = 0; i < text.len; i++) {
        text.data[i] ^= 1;
        CHECK_OK(gm_fs_write(path_in(dir, GM_PACKAGE_MANIFEST), text.data, text.len, &err), &err);
        gm_rc rc = gm_package_verify(dir, &found, &err);
        CHECK(rc ? rc == GM_ECORRUPT || rc == GM_EUNSUPPORTED : strcmp(found.hex, digest.hex) != 0);
        text.data[i] ^= 1;
    }
    gm_buf_clear(&text);
}

static void what_is_no_package_is_refused(void)
{
    gm_digest digest;
    gm_err err = { 0 };
    const char *dir = gm_harness_tmpdir();
    CHECK_RC(gm_package_verify(dir, NULL, &err), GM_ENOTFOUND);
    CHECK_RC(gm_package_seal(dir, &digest, &err), GM_EINVALID);
    CHECK_HAS(err.message, "no MLmodel");
    dir = folder();
    CHECK(symlink("/etc/passwd", path_in(dir, "model/link")) == 0);
    CHECK_RC(gm_package_seal(dir, &digest, &err), GM_EINVALID);
    CHECK_HAS(err.message, "model/link");
}

static void mlmodel_has_two_flavors_and_the_signature(void)
{
    gm_buf text = { 0 };
    gm_err err = { 0 };
    const char *dir = gm_harness_tmpdir();
    const gm_signature_column in[] = { { "dep delay", GM_TYPE_FLOAT, true }, { "it's \"x\"", GM_TYPE_STRING, false },
                                       { "when", GM_TYPE_TIME, true } };
    const gm_signature_column out[] = { { "probability", GM_TYPE_FLOAT, true } };
    CHECK_OK(gm_package_mlmodel(dir, in, 3, out, 1, &err), &err);
    CHECK_OK(gm_fs_read(path_in(dir, "MLmodel"), 0, &text, &err), &err);
    CHECK_HAS(gm_buf_str(&text), "    loader_module: mlflow.onnx\n");
    CHECK_HAS(gm_buf_str(&text), "  inputs: '[{\"type\":\"double\",\"name\":\"dep delay\",\"required\":true},"
                                 "{\"type\":\"string\",\"name\":\"it''s \\\"x\\\"\",\"required\":false},"
                                 "{\"type\":\"long\",\"name\":\"when\",\"required\":true}]'\n");
    CHECK(strstr(gm_buf_str(&text), "uuid") == NULL && strstr(gm_buf_str(&text), "time") == NULL);
    CHECK(gm_fs_exists(path_in(dir, "requirements.txt")) && gm_fs_exists(path_in(dir, "conda.yaml")) &&
          gm_fs_exists(path_in(dir, "python_env.yaml")));
    gm_buf_clear(&text);
    CHECK_RC(gm_package_mlmodel(dir, (gm_signature_column[]){ { "x", GM_TYPE_UNKNOWN, true } }, 1, out, 1, &err), GM_EINVALID);
}

/* model.onnx that adds a half to f0, and rows to feed it. */
static const char *adder(gm_arena *a, gm_table *out_rows)
{
    gm_err err = { 0 };
    gm_buf bytes = { 0 };
    const char *dir = gm_harness_tmpdir();
    gm_onnx *g = gm_onnx_new(a);
    gm_matrix x = { .rows = 5, .cols = 1, .data = GM_ARENA_ARRAY(a, double, 5) };
    memcpy(x.data, (double[]){ 1, 2, NAN, INFINITY, 1e6 }, 5 * sizeof(double));
    *out_rows = case_table(&x, a);
    gm_onnx_output(g, gm_onnx_op2(g, "Add", gm_onnx_input(g, "f0", GM_ONNX_DOUBLE), gm_onnx_double(g, 0.5)), "prediction",
                   GM_ONNX_DOUBLE, 1);
    CHECK_OK(gm_onnx_write(g, &bytes, &err), &err);
    CHECK_OK(gm_fs_write(path_in(dir, "model.onnx"), bytes.data, bytes.len, &err), &err);
    gm_buf_clear(&bytes);
    return dir;
}

static void equal_answers_are_accepted(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_table rows;
    gm_package_difference d;
    gm_err err = { 0 };
    const char *dir = adder(a, &rows);
    const double ours[] = { 1.5, 2.5, NAN, INFINITY, 1e6 + 0.5 };
    CHECK_OK(gm_package_check(dir, &rows, "prediction", ours, 1, 0, &d, &err), &err);
    CHECK_NEAR(d.worst, 0, 0);
    CHECK(d.rows == 5);
    const double near[] = { 1.5, 2.5, NAN, INFINITY, 1e6 + 1 }; /* 0.5 of 1e6: relative */
    CHECK_OK(gm_package_check(dir, &rows, "prediction", near, 1, 0, &d, &err), &err);
    CHECK_NEAR(d.worst, 0.5 / (1e6 + 1), 1e-12);
    CHECK(d.worst_row == 4);
    gm_arena_free(a);
}

static void unequal_answers_are_refused(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_table rows;
    gm_package_difference d = { 0 };
    gm_err err = { 0 };
    const char *dir = adder(a, &rows);
    const double far_off[] = { 1.5, 2.50001, NAN, INFINITY, 1e6 + 0.5 };
    CHECK_RC(gm_package_check(dir, &rows, "prediction", far_off, 1, 0, &d, &err), GM_EREFUSED);
    CHECK_HAS(err.message, "in row 1 of 5");
    CHECK_OK(gm_package_check(dir, &rows, "prediction", far_off, 1, 1e-4, &d, &err), &err);
    const double not_missing[] = { 1.5, 2.5, 0, INFINITY, 1e6 + 0.5 }; /* theirs is NaN */
    CHECK_RC(gm_package_check(dir, &rows, "prediction", not_missing, 1, 0, &d, &err), GM_EREFUSED);
    CHECK(d.worst_row == 2 && isinf(d.worst));
    const double missing[] = { NAN, 2.5, NAN, INFINITY, 1e6 + 0.5 }; /* ours is NaN, in the first row */
    CHECK_RC(gm_package_check(dir, &rows, "prediction", missing, 1, 0, &d, &err), GM_EREFUSED);
    CHECK(d.worst_row == 0);
    CHECK_RC(gm_package_check(dir, &rows, "probability", missing, 1, 0, &d, &err), GM_EINVALID);
    gm_arena_free(a);
}

TESTS(T(a_sealed_package_is_whole), T(the_digest_depends_on_contents_alone), T(a_flipped_bit_anywhere_is_named),
      T(a_missing_and_an_added_file_are_named), T(a_changed_manifest_does_not_pass), T(what_is_no_package_is_refused),
      T(mlmodel_has_two_flavors_and_the_signature), T(equal_answers_are_accepted), T(unequal_answers_are_refused))
