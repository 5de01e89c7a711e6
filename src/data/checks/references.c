/* references.c - references(x, other.y): the value occurs in a column of another data set. Missing is not considered. */
#include <string.h>

#include "base/random.h"
#include "data/checks_internal.h"

/* other.y: the data set's name is the part before the first point that names one. */
static gm_rc other_column(const gm_check_args *args, const gm_column **out, gm_err *err)
{
    const gm_expr *e = args->call->args[1];
    size_t names_count = args->others ? args->others->count : 0;
    if (e->op == GM_EXPR_COLUMN) {
        for (size_t i = 0; i < names_count; i++) {
            size_t n = strlen(args->others->names[i]);
            if (strncmp(e->name, args->others->names[i], n) != 0 || e->name[n] != '.') continue;
            return gm_err_place(err, gm_table_column(&args->others->tables[i], e->name + n + 1, out, err), e->pos);
        }
    }
    gm_rc rc = gm_err_at(err, e->pos, GM_EINVALID, "references() takes a column of another data set second, such as airlines.carrier");
    if (names_count) gm_err_hint(err, "The other data sets: %s%s%s.", args->others->names[0], names_count > 1 ? ", " : "", names_count > 1 ? args->others->names[1] : "");
    else gm_err_hint(err, "There is no other data set in this file.");
    return rc;
}

static gm_rc accept(const gm_check_args *args, gm_type *out_type, gm_err *err)
{
    const gm_column *c = NULL, *other = NULL;
    *out_type = GM_TYPE_BOOL;
    gm_rc rc = gm_check_count(args, &gm_check_form_references, 2, err);
    if (!rc) rc = gm_check_column(args, 0, &c, err);
    if (!rc) rc = other_column(args, &other, err);
    if (!rc && (c->type == GM_TYPE_STRING) != (other->type == GM_TYPE_STRING))
        rc = gm_err_at(err, args->call->pos, GM_EINVALID, "\"%.100s\" is %s and \"%.100s\" is %s", c->name, gm_type_name(c->type), other->name, gm_type_name(other->type));
    return rc;
}

/* Texts: which codes of c are texts that the other column uses. */
static gm_rc known_texts(const gm_column *c, const gm_column *other, gm_arena *scratch, bool **out, gm_err *err)
{
    gm_dict_builder *texts = gm_dict_builder_new(scratch);
    bool *used = GM_ARENA_ARRAY(scratch, bool, other->dict->count), *known = GM_ARENA_ARRAY(scratch, bool, c->dict->count);
    if (!texts || !used || !known) return gm_check_no_memory(err);
    for (int64_t i = 0; i < other->rows; i++)
        if (other->code[i] >= 0) used[other->code[i]] = true;
    int32_t theirs = 0;
    for (int32_t k = 0; k < other->dict->count; k++) {
        if (!used[k]) continue;
        if (gm_dict_builder_code(texts, other->dict->texts[k], other->dict->text_lens[k]) < 0) return gm_check_no_memory(err);
        theirs++;
    }
    for (int32_t k = 0; k < c->dict->count; k++) {
        int32_t code = gm_dict_builder_code(texts, c->dict->texts[k], c->dict->text_lens[k]);
        if (code == -2) return gm_check_no_memory(err);
        known[k] = code < theirs;
    }
    *out = known;
    return GM_OK;
}

/* Numbers: both columns as one list of groups; a group is known when a row of the other is in it. */
static gm_rc known_numbers(const gm_column *c, const gm_column *other, gm_arena *scratch, int64_t *bools, gm_err *err)
{
    int64_t rows = c->rows + other->rows, *group_of = NULL, groups = 0;
    bool whole = c->type != GM_TYPE_FLOAT && other->type != GM_TYPE_FLOAT; /* doubles would join integers beyond 2^53 */
    void *both = gm_arena_alloc(scratch, (size_t)rows, sizeof(double));
    if (!both) return gm_check_no_memory(err);
    for (int64_t i = 0; i < rows; i++) {
        const gm_column *from = i < c->rows ? c : other;
        int64_t row = i < c->rows ? i : i - c->rows;
        if (whole) ((int64_t *)both)[i] = from->i64[row];
        else ((double *)both)[i] = gm_column_double(from, row);
    }
    gm_column joined = { .type = whole ? GM_TYPE_INT : GM_TYPE_FLOAT, .rows = rows, .i64 = both };
    const gm_column *list[] = { &joined };
    gm_rc rc = gm_check_groups(list, 1, rows, scratch, &group_of, &groups, err);
    bool *known = rc ? NULL : GM_ARENA_ARRAY(scratch, bool, groups);
    if (rc || !known) return rc ? rc : gm_check_no_memory(err);
    for (int64_t i = c->rows; i < rows; i++)
        if (group_of[i] >= 0) known[group_of[i]] = true;
    for (int64_t i = 0; i < c->rows; i++) bools[i] = group_of[i] < 0 ? GM_MISSING_INT : known[group_of[i]];
    return GM_OK;
}

static gm_rc compute(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    const gm_column *c = NULL, *other = NULL;
    bool *known = NULL;
    gm_rc rc = gm_check_column(args, 0, &c, err);
    if (!rc) rc = other_column(args, &other, err);
    if (rc) return rc;
    int64_t *bools = GM_ARENA_ARRAY(scope->a, int64_t, c->rows);
    gm_arena *scratch = gm_arena_new(0);
    if (!bools || !scratch) rc = gm_check_no_memory(err);
    else if (c->type != GM_TYPE_STRING) rc = known_numbers(c, other, scratch, bools, err);
    else rc = known_texts(c, other, scratch, &known, err);
    for (int64_t i = 0; !rc && known && i < c->rows; i++) bools[i] = c->code[i] < 0 ? GM_MISSING_INT : known[c->code[i]];
    gm_arena_free(scratch);
    if (!rc) out->bools = bools;
    return rc;
}

const gm_check_form gm_check_form_references = {
    .item = { .name = "references", .help = "the value occurs in a column of another data set" },
    .signature = "references(x, other.y)",
    .example = "references(carrier, airlines.carrier)",
    .per_row = true,
    .accept = accept,
    .compute = compute,
};
