/* fuzz_decode.c - any bytes are rows, or an error of the client's that says why.
 *
 * The first byte picks the decoder, the second the schema; a line's end in an OIP body ends its JSON. What is read as rows:
 * decoded once more it gives the same cells; every code has a text that ends in NUL and is valid UTF-8; bools are 0, 1 or
 * missing; no number of JSON or CSV is a text.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "serve/decode_oip.h"
#include "serve/text_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { COLUMNS = 6, PAD = 16 };

static void require(bool holds)
{
    if (!holds) abort();
}

static gm_served_schema make_schema(unsigned variant, gm_arena *a)
{
    static const char *const names[COLUMNS] = { "distance", "temp", "carrier", "late", "at", "flight" };
    static const char *const categories[] = { "UA", "AA", "B6" };
    static const gm_type types[COLUMNS] = {
        GM_TYPE_INT, GM_TYPE_FLOAT, GM_TYPE_STRING, GM_TYPE_BOOL, GM_TYPE_TIME, GM_TYPE_STRING
    };
    gm_served_schema s = { .task = variant & 1 ? GM_TASK_MULTICLASS : GM_TASK_BINARY,
                           .columns = GM_ARENA_ARRAY(a, gm_served_column, COLUMNS) };
    require(s.columns != NULL);
    s.inputs_count = variant & 2 ? 1 : variant & 4 ? 2 : 5; /* two: numbers alone, which may come as a matrix */
    s.columns_count = s.inputs_count == 5 ? COLUMNS : s.inputs_count;
    for (size_t i = 0; i < s.columns_count; i++) {
        s.columns[i] = (gm_served_column){ .name = names[i],
                                           .name_len = strlen(names[i]),
                                           .type = types[i],
                                           .input = i < s.inputs_count,
                                           .required = i == 0,
                                           .low = i < 2 ? 10 : NAN,
                                           .high = NAN };
        if (i == 2) s.columns[i].known = gm_text_set_new(categories, 3, a);
    }
    s.names = gm_text_set_new(names, s.columns_count, a);
    require(s.names != NULL);
    return s;
}

static void check_rows(const gm_rows *r)
{
    for (size_t k = 0; k < r->schema->columns_count; k++) {
        const gm_column *c = &r->columns[k];
        require(c->rows == r->rows);
        for (int64_t i = 0; i < c->rows; i++) {
            if (c->type == GM_TYPE_BOOL) require(c->i64[i] == 0 || c->i64[i] == 1 || c->i64[i] == GM_MISSING_INT);
            if (c->type != GM_TYPE_STRING || c->code[i] == GM_MISSING_CODE) continue;
            require(c->code[i] >= 0 && c->code[i] < c->dict->count);
            const char *text = c->dict->texts[c->code[i]];
            require(strlen(text) == c->dict->text_lens[c->code[i]] && gm_utf8_valid(text, strlen(text)));
        }
    }
}

/* Of the cells as they are shown. */
static uint64_t sum_of(const gm_rows *r)
{
    uint64_t sum = (uint64_t)r->rows;
    char text[256];
    for (size_t k = 0; k < r->schema->columns_count; k++)
        for (int64_t i = 0; i < r->rows; i++)
            for (const char *at = gm_column_show(&r->columns[k], i, text, sizeof(text)); *at; at++)
                sum = sum * 31 + (unsigned char)*at;
    return sum;
}

typedef gm_rc (*decoder)(void *ctx, const gm_served_schema *s, gm_rows *rows, gm_err *err);

static void decode_twice(decoder decode, void *ctx, const gm_served_schema *s)
{
    gm_rows rows;
    gm_err err = { 0 };
    uint64_t sums[2] = { 0, 0 };
    gm_rc rcs[2];
    gm_rows_init(&rows);
    for (int i = 0; i < 2; i++) {
        rcs[i] = decode(ctx, s, &rows, &err);
        if (!rcs[i]) rcs[i] = gm_rows_finish(&rows, false, &err);
        require(rcs[i] == GM_OK || ((rcs[i] == GM_EINVALID || rcs[i] == GM_ENOMEM) && err.message[0]));
        if (rcs[i]) continue;
        check_rows(&rows);
        sums[i] = sum_of(&rows);
    }
    require(rcs[0] == rcs[1] && sums[0] == sums[1]);
    if (!rcs[0] && gm_rows_finish(&rows, true, &err)) require(err.message[0]);
    gm_rows_clear(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static gm_rc (*const readers[])(gm_slice, gm_arena *, gm_frame *, gm_err *) = { gm_frame_mlflow, gm_frame_instances,
                                                                                    gm_frame_lines, gm_frame_csv };
    if (size < 2) return 0;
    gm_arena *a = gm_arena_new(64 << 20);
    char *body = gm_arena_alloc(a, size - 2 + PAD, 1);
    require(body != NULL);
    memcpy(body, bytes + 2, size - 2);
    gm_slice text = { body, size - 2 };
    gm_served_schema s = make_schema(bytes[1], a);
    gm_err err = { 0 };
    gm_rc rc;
    if (bytes[0] % 6 < 4) {
        gm_frame f;
        rc = readers[bytes[0] % 6](text, a, &f, &err);
        if (!rc) decode_twice(gm_frame_decode, &f, &s);
    } else {
        gm_oip_request q;
        const char *end = memchr(text.data, '\n', text.len); /* binary data begin behind a line's end */
        int64_t json_len = bytes[0] % 6 == 4 ? -1 : end ? (int64_t)(end - text.data) + 1 : bytes[1] & 8 ? 0 : (int64_t)text.len;
        rc = gm_oip_read(text, json_len, a, &q, &err);
        if (!rc) decode_twice(gm_oip_decode, &q, &s);
    }
    require(rc == GM_OK || ((rc == GM_EINVALID || rc == GM_ENOMEM) && err.message[0]));
    gm_arena_free(a);
    return 0;
}
