/* estimate_columns.c - see estimate_columns.h. */
#include "watch/estimate_columns.h"

#include <stdlib.h>
#include <string.h>

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to code columns as numbers");
}

/* The texts that rows of c have, appended to out; returns the new count. used: [dict->count] zero. */
static int32_t texts_in_use(const gm_column *c, uint8_t *used, const char **out, int32_t count, bool *missing)
{
    for (int64_t i = 0; i < c->rows; i++) {
        if (c->code[i] < 0)
            *missing = true;
        else if (!used[c->code[i]]) {
            used[c->code[i]] = 1;
            out[count++] = c->dict->texts[c->code[i]];
        }
    }
    return count;
}

static gm_rc fit_texts(const gm_column *const sides[2], gm_arena *a, const char ***out, int32_t *out_count, bool *missing,
                       gm_err *err)
{
    int64_t room = 0;
    int32_t count = 0, kept = 0;
    for (int s = 0; s < 2; s++)
        if (sides[s]) room += sides[s]->dict->count;
    const char **texts = room < INT32_MAX ? GM_ARENA_ARRAY(a, const char *, room) : NULL;
    if (!texts) return no_memory(err);
    for (int s = 0; s < 2; s++) {
        if (!sides[s]) continue;
        uint8_t *used = calloc((size_t)sides[s]->dict->count + 1, 1);
        if (!used) return no_memory(err);
        count = texts_in_use(sides[s], used, texts, count, missing);
        free(used);
    }
    qsort(texts, (size_t)count, sizeof(*texts), by_bytes);
    for (int32_t i = 0; i < count; i++)
        if (!kept || strcmp(texts[kept - 1], texts[i]) != 0) texts[kept++] = texts[i];
    for (int32_t i = 0; i < kept; i++)
        if (!(texts[i] = gm_arena_strdup(a, texts[i]))) return no_memory(err);
    *out = texts;
    *out_count = kept;
    return GM_OK;
}

/* A column without a value may have come as any type. */
static bool has_value(const gm_column *c)
{
    for (int64_t i = 0; i < c->rows; i++)
        if (!gm_column_is_missing(c, i)) return true;
    return false;
}

static gm_rc changed_type(bool was_text, const char *name, gm_err *err)
{
    return gm_err_set(err, GM_EINVALID, "column \"%.100s\" is %s in the reference rows and %s in the newer ones", name,
                      was_text ? "text" : "no text", was_text ? "no text" : "text");
}

static gm_rc fit_column(gm_coder *k, size_t i, const gm_table *t, const gm_table *also, gm_arena *a, gm_err *err)
{
    const gm_column *sides[2] = { NULL, NULL };
    gm_rc rc = gm_table_column(t, k->columns[i], &sides[0], err);
    if (!rc && also) rc = gm_table_column(also, k->columns[i], &sides[1], err);
    if (rc) return rc;
    bool text[2] = { false, false };
    for (int s = 0; s < 2; s++) text[s] = sides[s] && sides[s]->type == GM_TYPE_STRING;
    k->text[i] = text[0] || text[1];
    for (int s = 0; s < 2 && k->text[i]; s++) {
        if (text[s] || !sides[s]) continue;
        if (has_value(sides[s])) return changed_type(text[0], k->columns[i], err);
        sides[s] = NULL;
        k->missing[i] = true;
    }
    return k->text[i] ? fit_texts(sides, a, &k->texts[i], &k->texts_count[i], &k->missing[i], err) : GM_OK;
}

gm_rc gm_coder_fit(const gm_table *t, const gm_table *also, const char *const *columns, size_t count, gm_arena *a, gm_coder *out,
                   gm_err *err)
{
    const char **names = GM_ARENA_ARRAY(a, const char *, count);
    gm_coder k = { .columns = names,
                   .count = count,
                   .text = GM_ARENA_ARRAY(a, bool, count),
                   .texts = GM_ARENA_ARRAY(a, const char **, count),
                   .texts_count = GM_ARENA_ARRAY(a, int32_t, count),
                   .missing = GM_ARENA_ARRAY(a, bool, count) };
    if (!names || !k.text || !k.texts || !k.texts_count || !k.missing) return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        names[i] = gm_arena_strdup(a, columns[i]);
        gm_rc rc = names[i] ? fit_column(&k, i, t, also, a, err) : no_memory(err);
        if (rc) return rc;
    }
    *out = k;
    return GM_OK;
}

/* Numbers of the texts in c's dictionary; [dict->count] in scratch. */
static int32_t *translate(const gm_coder *k, size_t column, const gm_column *c, gm_arena *scratch)
{
    int32_t *numbers = GM_ARENA_ARRAY(scratch, int32_t, c->dict->count);
    for (int32_t i = 0; numbers && i < c->dict->count; i++) {
        const char *text = c->dict->texts[i];
        const char **found = k->texts_count[column]
                                 ? bsearch(&text, k->texts[column], (size_t)k->texts_count[column], sizeof(text), by_bytes)
                                 : NULL;
        numbers[i] = found ? (int32_t)(found - k->texts[column]) + 1 : 0;
    }
    return numbers;
}

static gm_rc apply_text(const gm_coder *k, size_t i, const gm_column *c, const int64_t *rows, int64_t rows_count, double *out,
                        gm_arena *scratch, gm_err *err)
{
    int32_t missing = k->missing[i] ? k->texts_count[i] + 1 : 0;
    int32_t *numbers = c->type == GM_TYPE_STRING ? translate(k, i, c, scratch) : NULL;
    if (c->type == GM_TYPE_STRING && !numbers) return no_memory(err);
    for (int64_t r = 0; r < rows_count; r++) {
        int32_t code = numbers ? c->code[rows ? rows[r] : r] : GM_MISSING_CODE;
        out[r] = code < 0 ? missing : numbers[code];
    }
    return GM_OK;
}

gm_rc gm_coder_apply(const gm_coder *k, const gm_table *t, const int64_t *rows, int64_t rows_count, int64_t stride, double *out,
                     gm_arena *scratch, gm_err *err)
{
    for (size_t i = 0; i < k->count; i++) {
        const gm_column *c = NULL;
        gm_rc rc = gm_table_column(t, k->columns[i], &c, err);
        if (rc) return rc;
        if ((c->type == GM_TYPE_STRING) != k->text[i] && has_value(c)) return changed_type(k->text[i], k->columns[i], err);
        double *to = out + (int64_t)i * stride;
        if (k->text[i])
            rc = apply_text(k, i, c, rows, rows_count, to, scratch, err);
        else
            for (int64_t r = 0; r < rows_count; r++) to[r] = gm_column_double(c, rows ? rows[r] : r);
        if (rc) return rc;
    }
    return GM_OK;
}
