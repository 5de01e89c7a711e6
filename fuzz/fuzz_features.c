/* fuzz_features.c - any bytes are a feature program that can be applied, or an error that says why.
 *
 * What is read as a program: written and read again gives the same text; applied to a row of missing values and to one of plain values
 * it fills its width; emitted as ONNX it gives a graph or an error. Run over its corpus and mutations of it by
 * test/unit/feature/test_features_fuzz.c.
 */
#include <stdlib.h>
#include <string.h>

#include "feature/transform.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool holds)
{
    if (!holds) abort();
}

static gm_program *read_program(const char *text, size_t len, gm_arena *a)
{
    gm_node *n = NULL;
    gm_program *p = NULL;
    gm_err err = { 0 };
    gm_rc rc = gm_json_read(text, len, "features.json", a, &n, &err);
    if (!rc) rc = gm_program_read(n, a, &p, &err);
    require((rc == GM_OK) == (p != NULL));
    require(rc == GM_OK || err.message[0]);
    return p;
}

static void write_program(const gm_program *p, gm_buf *out)
{
    gm_json j;
    gm_json_init(&j, out, false);
    gm_program_json(p, &j);
}

/* One row of the program's inputs. */
static void apply_row(const gm_program *p, bool missing, gm_arena *a)
{
    static const double nan = NAN, number = 3;
    static const int64_t no_int = GM_MISSING_INT, one = 1;
    static const int32_t no_code = GM_MISSING_CODE, code = 0;
    static const char *const texts[] = { "a" };
    static const uint32_t lens[] = { 1 };
    static const gm_dict dict = { texts, lens, 1 };
    size_t count = gm_program_inputs_count(p);
    gm_table t = { .rows = 1, .columns_count = count, .columns = GM_ARENA_ARRAY(a, gm_column, count) }, inputs;
    gm_matrix m;
    gm_err err;
    if (!t.columns) return;
    for (size_t i = 0; i < count; i++) {
        gm_column *c = &t.columns[i];
        *c = (gm_column){ .rows = 1 };
        c->name = gm_program_input_name(p, i, &c->type);
        if (c->type == GM_TYPE_FLOAT) c->f64 = missing ? &nan : &number;
        else if (c->type == GM_TYPE_STRING) c->code = missing ? &no_code : &code;
        else c->i64 = missing ? &no_int : &one;
        if (c->type == GM_TYPE_STRING) c->dict = &dict;
    }
    gm_rc rc = gm_program_apply(p, &t, a, &m, &err);
    require(rc == GM_OK || rc == GM_ENOMEM);
    if (rc) return;
    require((size_t)m.cols == gm_program_width(p) && m.rows == 1);
    for (int64_t c = 0; c < m.cols; c++) require(m.names[c] && (isnan(m.data[c]) || !isnan(m.data[c]))); /* all of it is there to be read */
    rc = gm_program_onnx_table(p, &t, a, &inputs, &err);
    require(rc == GM_OK || rc == GM_ENOMEM);
}

static void emit_graph(const gm_program *p, gm_arena *a)
{
    gm_onnx *g = gm_onnx_new(a);
    const char *tensor = NULL;
    gm_buf bytes = { 0 };
    gm_err err;
    if (!g) return;
    if (gm_program_emit(p, g, &tensor, &err) == GM_OK) gm_onnx_output(g, tensor, "features", GM_ONNX_DOUBLE, (int64_t)gm_program_width(p));
    (void)gm_onnx_write(g, &bytes, &err); /* a graph or an error; both are fine */
    gm_buf_clear(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    gm_arena *a = gm_arena_new((size_t)256 << 20);
    if (!a) return 0;
    gm_program *p = read_program((const char *)bytes, size, a);
    if (p) {
        gm_buf once = { 0 }, twice = { 0 };
        write_program(p, &once);
        gm_program *q = read_program(gm_buf_str(&once), once.len, a);
        if (q) write_program(q, &twice);
        require(!q || (once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0));
        require(q || gm_arena_used(a) > (size_t)200 << 20); /* only memory may be what is lacking */
        gm_buf_clear(&once);
        gm_buf_clear(&twice);
        apply_row(p, true, a);
        apply_row(p, false, a);
        emit_graph(p, a);
    }
    gm_arena_free(a);
    return 0;
}
