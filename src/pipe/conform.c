/* conform.c - see conform.h. */
#include "pipe/conform.h"

#include <inttypes.h>
#include <string.h>

#include "data/schema.h"

enum { TEXT_MAX = 4096 };

static gm_rc out_of_memory(const gm_column *c, gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to read column \"%s\" anew", c->name);
}

static gm_rc to_text(const gm_column *c, gm_arena *a, gm_column *out, gm_err *err)
{
    char text[TEXT_MAX];
    gm_dict_builder *texts = gm_dict_builder_new(a);
    int32_t *codes = GM_ARENA_ARRAY(a, int32_t, c->rows);
    if (!texts || !codes) return out_of_memory(c, err);
    for (int64_t i = 0; i < c->rows; i++) {
        codes[i] = GM_MISSING_CODE;
        if (gm_column_is_missing(c, i)) continue;
        (void)gm_column_show(c, i, text, sizeof(text));
        codes[i] = gm_dict_builder_code(texts, text, strlen(text));
        if (codes[i] < 0) return out_of_memory(c, err);
    }
    *out = (gm_column){
        .name = c->name, .type = GM_TYPE_STRING, .rows = c->rows, .code = codes, .dict = gm_dict_builder_finish(texts)
    };
    return out->dict ? GM_OK : out_of_memory(c, err);
}

static gm_rc from_text(const gm_column *c, gm_type wanted, const char *format, int64_t first_row, gm_arena *a, gm_column *out,
                       gm_err *err)
{
    int32_t count = c->dict->count;
    double *numbers = GM_ARENA_ARRAY(a, double, count), *f64 = GM_ARENA_ARRAY(a, double, c->rows);
    int64_t *wholes = GM_ARENA_ARRAY(a, int64_t, count);
    bool *good = GM_ARENA_ARRAY(a, bool, count);
    if (!numbers || !wholes || !good || !f64) return out_of_memory(c, err);
    for (int32_t k = 0; k < count; k++)
        good[k] =
            gm_field_parse(wanted, format, c->dict->texts[k], &numbers[k], &wholes[k]); /* once per distinct text is enough */
    int64_t *i64 = (int64_t *)(void *)f64; /* the same width: which of the two it is, the type says */
    bool float_wanted = wanted == GM_TYPE_FLOAT;
    for (int64_t i = 0; i < c->rows; i++) {
        int32_t k = c->code[i];
        if (k >= 0 && !good[k])
            return gm_err_set(err, GM_EINVALID, "column \"%s\" holds \"%.60s\" in row %" PRId64 "; the model knows it as %s",
                              c->name, c->dict->texts[k], first_row + i + 1, gm_type_name(wanted));
        if (float_wanted)
            f64[i] = k < 0 ? (double)NAN : numbers[k];
        else
            i64[i] = k < 0 ? GM_MISSING_INT : wholes[k];
    }
    *out = (gm_column){ .name = c->name, .type = wanted, .rows = c->rows, .f64 = f64 };
    return GM_OK;
}

/* Numbers are no times and times are no numbers, but a column without any value may be either. */
static gm_rc no_such_value(const gm_column *c, gm_type wanted, int64_t first_row, gm_arena *a, gm_column *out, gm_err *err)
{
    char text[64];
    double *f64 = GM_ARENA_ARRAY(a, double, c->rows);
    if (!f64) return out_of_memory(c, err);
    int64_t *i64 = (int64_t *)(void *)f64; /* as above */
    for (int64_t i = 0; i < c->rows; i++) {
        if (!gm_column_is_missing(c, i))
            return gm_err_set(err, GM_EINVALID, "column \"%s\" holds \"%.60s\" in row %" PRId64 "; the model knows it as %s",
                              c->name, gm_column_show(c, i, text, sizeof(text)), first_row + i + 1,
                              gm_type_name(wanted));
        if (wanted == GM_TYPE_FLOAT)
            f64[i] = (double)NAN;
        else
            i64[i] = GM_MISSING_INT;
    }
    *out = (gm_column){ .name = c->name, .type = wanted, .rows = c->rows, .f64 = f64 };
    return GM_OK;
}

gm_rc gm_conform(const gm_scorer *s, const gm_table *t, gm_arena *a, gm_table *out, gm_err *err)
{
    return gm_conform_part(s, t, 0, a, out, err);
}

gm_rc gm_conform_part(const gm_scorer *s, const gm_table *t, int64_t first_row, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_table made = *t;
    gm_rc rc = GM_OK;
    made.columns = GM_ARENA_ARRAY(a, gm_column, t->columns_count);
    if (!made.columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", t->columns_count);
    memcpy(made.columns, t->columns, t->columns_count * sizeof(*made.columns));
    for (size_t i = 0; !rc && i < s->inputs_count; i++) {
        gm_type wanted = s->input_types[i];
        gm_column *c = (gm_column *)(uintptr_t)gm_table_find(&made, s->inputs[i]); /* ours: just copied */
        if (!c || c->type == wanted) continue;
        if (wanted == GM_TYPE_STRING)
            rc = to_text(c, a, c, err);
        else if (c->type == GM_TYPE_STRING)
            rc = from_text(c, wanted, s->input_formats ? s->input_formats[i] : NULL, first_row, a, c, err);
        else if (wanted == GM_TYPE_TIME || c->type == GM_TYPE_TIME)
            rc = no_such_value(c, wanted, first_row, a, c, err);
    }
    if (!rc) *out = made;
    return rc;
}
