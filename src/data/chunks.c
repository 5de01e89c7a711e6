/* chunks.c - rows of text become typed chunks; chunks become a table. */
#include <inttypes.h>
#include <string.h>

#include "data/data_internal.h"

static gm_rc no_memory(gm_err *err, int64_t rows, size_t columns)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows of %zu columns", rows, columns);
}

/* ---- what the sources hold ---- */

static size_t index_of(const gm_text_rows *r, const char *name)
{
    for (size_t k = 0; k < r->count; k++)
        if (strcmp(r->names[k], name) == 0) return k;
    return SIZE_MAX;
}

/* map[k] = the place in r of column k of the first source. */
static gm_rc map_columns(const gm_text_rows *first, const gm_text_rows *r, size_t *map, gm_err *err)
{
    for (size_t k = 0; k < first->count; k++) {
        map[k] = k < r->count && strcmp(r->names[k], first->names[k]) == 0 ? k : index_of(r, first->names[k]);
        if (map[k] != SIZE_MAX) continue;
        gm_rc rc = gm_err_at(err, (gm_pos){ .file = r->label }, GM_EINVALID, "no column \"%.100s\", which \"%.120s\" has", first->names[k], first->label);
        gm_err_hint(err, "All files of a source have the same columns; take other files out of the pattern.");
        return rc;
    }
    if (r->count == first->count) return GM_OK;
    size_t extra = 0;
    while (index_of(first, r->names[extra]) != SIZE_MAX) extra++;
    gm_rc rc = gm_err_at(err, (gm_pos){ .file = r->label }, GM_EINVALID, "a column \"%.100s\" that \"%.120s\" does not have", r->names[extra], first->label);
    gm_err_hint(err, "All files of a source have the same columns; take other files out of the pattern.");
    return rc;
}

static gm_rc look_at(gm_text_rows *r, const size_t *map, size_t count, gm_sight *sights, gm_err *err)
{
    const gm_cell *cells = NULL;
    gm_rc opened = r->rewind(r, err);
    if (opened) return opened;
    for (;;) {
        gm_rc rc = r->next(r, &cells, err);
        if (rc) return rc;
        if (!cells) return GM_OK;
        for (size_t k = 0; k < count; k++) gm_sight_add(&sights[k], &cells[map[k]], r->line);
    }
}

static bool number(gm_type t) { return t == GM_TYPE_INT || t == GM_TYPE_FLOAT; }

/* A column that is text only because the files disagree changed its type between them. */
static gm_rc same_types(gm_text_rows **list, size_t list_count, const gm_rule *each, const gm_rule *together, gm_err *err)
{
    size_t count = list[0]->count;
    for (size_t k = 0; k < count; k++) {
        if (together[k].form != GM_FORM_TEXT) continue;
        size_t known = SIZE_MAX;
        for (size_t f = 0; f < list_count; f++) {
            const gm_rule *here = &each[f * count + k];
            if (here->form == GM_FORM_EMPTY) continue;
            if (known == SIZE_MAX) known = f;
            const gm_rule *there = &each[known * count + k];
            if (here->type == there->type ? here->form == there->form : number(here->type) && number(there->type)) continue;
            gm_rc rc = gm_err_at(err, (gm_pos){ .file = list[f]->label }, GM_EINVALID, "column \"%.100s\" is %s here and %s in \"%.120s\"", list[0]->names[k],
                                 gm_type_name(here->type), gm_type_name(there->type), list[known]->label);
            if (here->reason || there->reason) gm_err_hint(err, "%s.", here->reason ? here->reason : there->reason);
            return rc;
        }
    }
    return GM_OK;
}

gm_rc gm_rules_infer(gm_text_rows **list, size_t list_count, gm_arena *a, const gm_rule **out_rules, int64_t *out_rows, gm_err *err)
{
    size_t count = list[0]->count;
    gm_sight *all = GM_ARENA_ARRAY(a, gm_sight, count), *here = GM_ARENA_ARRAY(a, gm_sight, count);
    gm_rule *each = GM_ARENA_ARRAY(a, gm_rule, list_count * count), *rules = GM_ARENA_ARRAY(a, gm_rule, count);
    size_t *map = GM_ARENA_ARRAY(a, size_t, count);
    if (!all || !here || !each || !rules || !map) return no_memory(err, 0, count);
    for (size_t f = 0; f < list_count; f++) {
        gm_rc rc = map_columns(list[0], list[f], map, err);
        memset(here, 0, count * sizeof(*here));
        if (!rc) rc = look_at(list[f], map, count, here, err);
        if (!rc && list_count > 1) rc = gm_rules_decide(here, list[f]->declared_text, count, a, each + f * count, err);
        if (rc) return rc;
        for (size_t k = 0; k < count; k++) gm_sight_merge(&all[k], &here[k]);
    }
    gm_rc rc = gm_rules_decide(all, list[0]->declared_text, count, a, rules, err);
    if (!rc && list_count > 1) rc = same_types(list, list_count, each, rules, err);
    if (rc) return rc;
    *out_rules = rules;
    *out_rows = count ? all[0].rows : 0;
    return GM_OK;
}

/* ---- text to typed chunks ---- */

typedef struct text_chunks {
    gm_text_rows **list;
    size_t list_count, at; /* source being read */
    bool started;          /* rewound           */
    const gm_rule *rules;
    size_t count;
    size_t *map;
    gm_column *columns;        /* the chunk handed out                 */
    void **values;             /* [count] arrays of GM_CHUNK_ROWS      */
    gm_dict_builder **dicts;   /* [count], of this chunk, in `texts`   */
    gm_arena *texts;           /* reset for each chunk                 */
} text_chunks;

static gm_rc changed(const text_chunks *c, size_t k, gm_err *err)
{
    const gm_text_rows *r = c->list[c->at];
    return gm_err_at(err, (gm_pos){ .file = r->label, .line = (uint32_t)r->line }, GM_EUNAVAILABLE, "column \"%.100s\" changed while the file was read",
                     c->list[0]->names[k]);
}

static gm_rc put_row(text_chunks *c, const gm_cell *cells, int64_t row, gm_err *err)
{
    for (size_t k = 0; k < c->count; k++) {
        const gm_rule *r = &c->rules[k];
        const gm_cell *cell = &cells[c->map[k]];
        bool good = true;
        if (r->type == GM_TYPE_STRING) {
            int32_t *codes = c->values[k];
            codes[row] = gm_rule_missing(r, cell) ? GM_MISSING_CODE : gm_dict_builder_code(c->dicts[k], cell->text, cell->len);
            if (codes[row] == -2) return no_memory(err, row, c->count);
        } else if (r->type == GM_TYPE_FLOAT) {
            good = gm_rule_double(r, cell, (double *)c->values[k] + row);
        } else {
            good = gm_rule_int(r, cell, (int64_t *)c->values[k] + row);
        }
        if (!good) return changed(c, k, err);
    }
    return GM_OK;
}

static gm_rc text_next(void *ctx, gm_table *out, gm_err *err)
{
    text_chunks *c = ctx;
    int64_t rows = 0;
    gm_arena_reset(c->texts);
    for (size_t k = 0; k < c->count; k++) {
        if (c->rules[k].type != GM_TYPE_STRING) continue;
        c->dicts[k] = gm_dict_builder_new(c->texts);
        if (!c->dicts[k]) return no_memory(err, 0, c->count);
    }
    while (rows < GM_CHUNK_ROWS && c->at < c->list_count) {
        gm_text_rows *r = c->list[c->at];
        const gm_cell *cells = NULL;
        gm_rc rc = GM_OK;
        if (!c->started) {
            rc = r->rewind(r, err);
            if (!rc) rc = map_columns(c->list[0], r, c->map, err);
            c->started = true;
        }
        if (!rc) rc = r->next(r, &cells, err);
        if (!rc && cells) rc = put_row(c, cells, rows++, err);
        if (rc) return rc;
        if (!cells) {
            c->at++;
            c->started = false;
        }
    }
    for (size_t k = 0; k < c->count; k++) {
        c->columns[k].rows = rows;
        if (c->rules[k].type == GM_TYPE_STRING) c->columns[k].dict = gm_dict_builder_finish(c->dicts[k]);
    }
    *out = (gm_table){ .rows = rows, .columns_count = c->count, .columns = c->columns };
    return GM_OK;
}

static void free_texts(void *arena) { gm_arena_free(arena); }

gm_rc gm_chunks_of_text(gm_text_rows **list, size_t list_count, const gm_rule *rules, int64_t rows, gm_arena *a, gm_chunks *out, gm_err *err)
{
    size_t count = list[0]->count;
    text_chunks *c = GM_ARENA_NEW(a, text_chunks);
    gm_type *types = GM_ARENA_ARRAY(a, gm_type, count);
    if (!c || !types) return no_memory(err, rows, count);
    *c = (text_chunks){ .list = list, .list_count = list_count, .rules = rules, .count = count, .texts = gm_arena_new(0) };
    if (!c->texts || !gm_arena_defer(a, free_texts, c->texts)) {
        gm_arena_free(c->texts);
        return no_memory(err, rows, count);
    }
    c->map = GM_ARENA_ARRAY(a, size_t, count);
    c->columns = GM_ARENA_ARRAY(a, gm_column, count);
    c->values = GM_ARENA_ARRAY(a, void *, count);
    c->dicts = GM_ARENA_ARRAY(a, gm_dict_builder *, count);
    if (!c->map || !c->columns || !c->values || !c->dicts) return no_memory(err, rows, count);
    for (size_t k = 0; k < count; k++) {
        types[k] = rules[k].type;
        c->values[k] = gm_arena_alloc(a, GM_CHUNK_ROWS, types[k] == GM_TYPE_STRING ? sizeof(int32_t) : sizeof(int64_t));
        if (!c->values[k]) return no_memory(err, rows, count);
        c->columns[k] = (gm_column){ .name = list[0]->names[k], .type = types[k], .i64 = c->values[k] };
    }
    *out = (gm_chunks){ .count = count, .names = list[0]->names, .types = types, .rows = rows, .ctx = c, .next = text_next };
    return GM_OK;
}

/* ---- a table as chunks, chunks as a table ---- */

void gm_table_view(const gm_table *t, int64_t from, int64_t rows, gm_column *columns, gm_table *out)
{
    for (size_t k = 0; k < t->columns_count; k++) {
        columns[k] = t->columns[k];
        columns[k].rows = rows;
        if (columns[k].type == GM_TYPE_STRING) columns[k].code += from;
        else columns[k].i64 += from; /* f64 has the same size */
    }
    *out = (gm_table){ .rows = rows, .columns_count = t->columns_count, .columns = columns };
}

static gm_rc table_next(void *ctx, gm_table *out, gm_err *err)
{
    (void)err;
    gm_table_chunks *c = ctx;
    int64_t left = c->table->rows - c->done, rows = left < GM_CHUNK_ROWS ? left : GM_CHUNK_ROWS;
    gm_table_view(c->table, c->done, rows, c->view, out);
    c->done += rows;
    return GM_OK;
}

gm_rc gm_chunks_of_table(const gm_table *t, gm_arena *a, gm_table_chunks *ctx, gm_chunks *out, gm_err *err)
{
    const char **names = GM_ARENA_ARRAY(a, const char *, t->columns_count);
    gm_type *types = GM_ARENA_ARRAY(a, gm_type, t->columns_count);
    *ctx = (gm_table_chunks){ .table = t, .view = GM_ARENA_ARRAY(a, gm_column, t->columns_count) };
    if (!names || !types || !ctx->view) return no_memory(err, t->rows, t->columns_count);
    for (size_t k = 0; k < t->columns_count; k++) {
        names[k] = t->columns[k].name;
        types[k] = t->columns[k].type;
    }
    *out = (gm_chunks){ .count = t->columns_count, .names = names, .types = types, .rows = t->rows, .ctx = ctx, .next = table_next };
    return GM_OK;
}

/* Codes of one chunk in the dictionary of the whole table. */
static gm_rc add_codes(gm_dict_builder *into, const gm_column *chunk, int64_t rows, int32_t *out, gm_arena *scratch, gm_err *err)
{
    int32_t *code = GM_ARENA_ARRAY(scratch, int32_t, chunk->dict->count);
    if (!code) return no_memory(err, rows, 1);
    /* In the order of the rows, so that the table's dictionary is in the order of first use. */
    for (int64_t i = 0; i < rows; i++) {
        int32_t c = chunk->code[i];
        if (c >= 0 && code[c] == 0) {
            code[c] = gm_dict_builder_code(into, chunk->dict->texts[c], chunk->dict->text_lens[c]) + 1;
            if (code[c] < 0) return no_memory(err, rows, 1);
        }
        out[i] = c < 0 ? GM_MISSING_CODE : code[c] - 1;
    }
    return GM_OK;
}

gm_rc gm_chunks_collect(gm_chunks *in, const char *const *wanted, size_t wanted_count, int64_t limit, gm_arena *a, gm_table *out, gm_err *err)
{
    size_t count = wanted ? wanted_count : in->count;
    int64_t rows = limit > 0 && limit < in->rows ? limit : in->rows;
    size_t *from = GM_ARENA_ARRAY(a, size_t, count);
    gm_column *columns = GM_ARENA_ARRAY(a, gm_column, count);
    void **values = GM_ARENA_ARRAY(a, void *, count);
    gm_dict_builder **dicts = GM_ARENA_ARRAY(a, gm_dict_builder *, count);
    if (!from || !columns || !values || !dicts) return no_memory(err, rows, count);
    for (size_t k = 0; k < count; k++) {
        from[k] = wanted ? in->count : k;
        for (size_t i = 0; wanted && i < in->count; i++)
            if (strcmp(in->names[i], wanted[k]) == 0) from[k] = i;
        if (from[k] == in->count) {
            gm_rc rc = gm_err_set(err, GM_EINVALID, "no column \"%.100s\"", wanted[k]);
            const char *near = gm_nearest(wanted[k], in->names, in->count);
            if (near) gm_err_hint(err, "Did you mean \"%s\"?", near);
            return rc;
        }
        gm_type type = in->types[from[k]];
        values[k] = gm_arena_alloc(a, (size_t)rows, type == GM_TYPE_STRING ? sizeof(int32_t) : sizeof(int64_t));
        dicts[k] = type == GM_TYPE_STRING ? gm_dict_builder_new(a) : NULL;
        char *name = gm_arena_strdup(a, in->names[from[k]]);
        if (!values[k] || !name || (type == GM_TYPE_STRING && !dicts[k])) return no_memory(err, rows, count);
        columns[k] = (gm_column){ .name = name, .type = type, .rows = rows, .i64 = values[k] };
    }
    gm_arena *scratch = gm_arena_new(0);
    if (!scratch) return no_memory(err, rows, count);
    gm_rc rc = GM_OK;
    int64_t done = 0;
    while (!rc && done < rows) {
        gm_table chunk;
        rc = in->next(in->ctx, &chunk, err);
        if (!rc && chunk.rows == 0) rc = gm_err_set(err, GM_EUNAVAILABLE, "the source ended after %" PRId64 " of %" PRId64 " rows", done, rows);
        if (rc) break;
        int64_t n = chunk.rows < rows - done ? chunk.rows : rows - done;
        gm_arena_reset(scratch);
        for (size_t k = 0; !rc && k < count; k++) {
            const gm_column *c = &chunk.columns[from[k]];
            if (c->type == GM_TYPE_STRING) rc = add_codes(dicts[k], c, n, (int32_t *)values[k] + done, scratch, err);
            else memcpy((int64_t *)values[k] + done, c->i64, (size_t)n * sizeof(int64_t));
        }
        done += n;
    }
    gm_arena_free(scratch);
    for (size_t k = 0; !rc && k < count; k++) {
        if (!dicts[k]) continue;
        columns[k].dict = gm_dict_builder_finish(dicts[k]);
        if (!columns[k].dict) rc = no_memory(err, rows, count);
    }
    if (!rc) *out = (gm_table){ .rows = rows, .columns_count = count, .columns = columns };
    return rc;
}
