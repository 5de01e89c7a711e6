/* expr_eval.c - a checked tree over the columns of a table: first a list of steps, then block by block through all rows.
 *
 * (1) compile() gives every node a register and appends the steps that fill it, operands first; so the last step of the
 *     list writes the root, straight into the result.
 * (2) What depends on text alone is looked up: a predicate is asked once for each entry of the dictionary and the rows
 *     only map codes. A dictionary much larger than the table is first cut to the entries in use, so that one row of
 *     a large dictionary is as cheap as it should be.
 * (3) concat() and text() make new texts row by row; their value is computed for all rows before the blocks begin.
 * (4) Types follow the registers, not the tree: a table may hold as int what was float when the tree was checked.
 * (5) The steps of an expression that reads no text depend on the types of the columns alone, so they can be kept and pointed at the
 *     next table; those of one that does hold look-ups of its dictionaries and are made anew for each table.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expr_internal.h"

typedef struct evaluation {
    const gm_table *t;
    gm_arena *a;         /* registers, tables, dictionaries            */
    gm_buf *text;        /* a text being made                          */
    size_t block;        /* rows of a register                         */
    bool of_texts;       /* the steps hold texts of this table: see (5) */
    gm_expr_reg *moving; /* registers over columns          */
    gm_expr_step *first, *last;
    gm_err *err;
    gm_rc rc;
} evaluation;

static gm_expr_reg *compile(evaluation *ev, const gm_expr *e);
static gm_expr_reg *compile_as(evaluation *ev, const gm_expr *e, gm_type want);
static gm_rc evaluate(const gm_expr *e, const gm_table *t, gm_arena *scratch, gm_buf *text, gm_arena *a, gm_column *out, gm_err *err);

static void *no_memory(evaluation *ev)
{
    if (!ev->rc)
        ev->rc = gm_err_set(ev->err, GM_ENOMEM, "not enough memory to evaluate an expression over %" PRId64 " rows", ev->t->rows);
    return NULL;
}

static void *alloc(evaluation *ev, size_t count, size_t size)
{
    void *p = gm_arena_alloc(ev->a, count, size);
    return p ? p : no_memory(ev);
}

static size_t width_of(gm_type type)
{
    return type == GM_TYPE_STRING ? sizeof(int32_t) : sizeof(int64_t);
}

/* ---- registers and steps ------------------------------------------------------------------------------------ */

/* Append a step; its register, or NULL when memory is out or an input is missing for that reason. */
static gm_expr_reg *append(evaluation *ev, gm_expr_kernel run, gm_type type, gm_expr_reg *const *in, size_t in_count,
                           const gm_expr_step *extra)
{
    for (size_t i = 0; i < in_count; i++)
        if (!in[i]) return NULL;
    gm_expr_step *s = alloc(ev, 1, sizeof(*s));
    gm_expr_reg *r = alloc(ev, 1, sizeof(*r));
    const gm_expr_reg **inputs = alloc(ev, in_count, sizeof(*inputs));
    void *buffer = alloc(ev, ev->block, width_of(type));
    if (!s || !r || !inputs || !buffer) return NULL;
    if (extra) *s = *extra;
    for (size_t i = 0; i < in_count; i++) inputs[i] = in[i];
    s->run = run;
    s->in = inputs;
    s->in_count = in_count;
    s->out.any = buffer;
    *r = (gm_expr_reg){ .type = type, .any = buffer };
    if (ev->last)
        ev->last->next = s;
    else
        ev->first = s;
    ev->last = s;
    return r;
}

static gm_expr_reg *append1(evaluation *ev, gm_expr_kernel run, gm_type type, gm_expr_reg *x)
{
    return append(ev, run, type, &x, 1, NULL);
}

static gm_expr_reg *append2(evaluation *ev, gm_expr_kernel run, gm_type type, gm_expr_reg *x, gm_expr_reg *y)
{
    return append(ev, run, type, (gm_expr_reg *[]){ x, y }, 2, NULL);
}

static gm_expr_reg *over_column(evaluation *ev, gm_type type, const void *base, const gm_dict *dict)
{
    gm_expr_reg *r = alloc(ev, 1, sizeof(*r));
    if (!r) return NULL;
    *r = (gm_expr_reg){ .type = type, .any = base, .base = base, .stride = width_of(type), .dict = dict, .next = ev->moving };
    ev->moving = r;
    if (dict) ev->of_texts = true;
    return r;
}

/* A block full of one number; NaN = missing. */
static gm_expr_reg *filled(evaluation *ev, gm_type type, double number, int64_t whole)
{
    gm_expr_reg *r = alloc(ev, 1, sizeof(*r));
    void *buffer = alloc(ev, ev->block, sizeof(double));
    if (!r || !buffer) return NULL;
    for (size_t i = 0; i < ev->block; i++) {
        if (type == GM_TYPE_FLOAT)
            ((double *)buffer)[i] = number;
        else
            ((int64_t *)buffer)[i] = whole;
    }
    *r = (gm_expr_reg){ .type = type, .any = buffer };
    return r;
}

/* text NULL: missing, with an empty dictionary. */
static gm_expr_reg *filled_text(evaluation *ev, const char *text)
{
    gm_expr_reg *r = alloc(ev, 1, sizeof(*r));
    int32_t *codes = alloc(ev, ev->block, sizeof(*codes));
    gm_dict *dict = alloc(ev, 1, sizeof(*dict));
    const char **texts = alloc(ev, 1, sizeof(*texts));
    uint32_t *lens = alloc(ev, 1, sizeof(*lens));
    if (!r || !codes || !dict || !texts || !lens) return NULL;
    for (size_t i = 0; i < ev->block; i++) codes[i] = text ? 0 : GM_MISSING_CODE;
    texts[0] = text ? text : "";
    lens[0] = (uint32_t)strlen(texts[0]);
    *dict = (gm_dict){ .texts = texts, .text_lens = lens, .count = text ? 1 : 0 };
    *r = (gm_expr_reg){ .type = GM_TYPE_STRING, .code = codes, .dict = dict };
    return r;
}

static int64_t whole_number(const gm_expr *constant)
{
    int64_t us;
    if (constant->type == GM_TYPE_TIME && constant->text && gm_time_parse(constant->text, &us)) return us;
    return constant->number >= -9.2e18 && constant->number <= 9.2e18 ? (int64_t)constant->number
                                                                     : GM_MISSING_INT; /* as gm_expr_narrow */
}

static gm_expr_reg *constant(evaluation *ev, const gm_expr *e, gm_type want)
{
    gm_type type = want ? want : e->type ? e->type : GM_TYPE_FLOAT;
    gm_expr_reg *r;
    if (e->type == GM_TYPE_UNKNOWN)
        r = type == GM_TYPE_STRING ? filled_text(ev, NULL) : filled(ev, type, NAN, GM_MISSING_INT);
    else if (e->type == GM_TYPE_STRING)
        r = filled_text(ev, e->text);
    else
        r = filled(ev, type, e->number, whole_number(e));
    if (r) r->constant = e;
    return r;
}

static gm_expr_reg *convert(evaluation *ev, gm_expr_reg *r, gm_type want)
{
    if (!r || want == GM_TYPE_UNKNOWN || r->type == want) return r;
    if (want == GM_TYPE_FLOAT && r->type != GM_TYPE_STRING) return append1(ev, gm_expr_widen, want, r);
    if (r->type == GM_TYPE_FLOAT && want != GM_TYPE_STRING) return append1(ev, gm_expr_narrow, want, r);
    gm_assert(r->type != GM_TYPE_STRING && want != GM_TYPE_STRING); /* the checker's promise */
    return r;                                                       /* bool, int and time have one storage */
}

/* ---- dictionaries ------------------------------------------------------------------------------------------- */

static gm_dict_builder *new_dict(evaluation *ev)
{
    gm_dict_builder *b = gm_dict_builder_new(ev->a);
    return b ? b : no_memory(ev);
}

static int32_t code_of(evaluation *ev, gm_dict_builder *b, const char *text, size_t len)
{
    int32_t code = gm_dict_builder_code(b, text, len);
    if (code < GM_MISSING_CODE) (void)no_memory(ev);
    return code;
}

/* Element -1 is missing. NULL when memory is out. */
static int32_t *code_table(evaluation *ev, const gm_dict *d)
{
    int32_t *t = alloc(ev, (size_t)d->count + 1, sizeof(*t));
    if (!t) return NULL;
    t[0] = GM_MISSING_CODE;
    return t + 1;
}

static int64_t *whole_table(evaluation *ev, const gm_dict *d)
{
    int64_t *t = alloc(ev, (size_t)d->count + 1, sizeof(*t));
    if (!t) return NULL;
    t[0] = GM_MISSING_INT;
    return t + 1;
}

static gm_expr_reg *gather(evaluation *ev, gm_expr_reg *x, gm_expr_kernel run, gm_type type, const void *table)
{
    if (!table) return NULL;
    return append(ev, run, type, &x, 1, &(gm_expr_step){ .table = table, .table_count = (size_t)x->dict->count });
}

/* The codes of x in the dictionary being built by b. */
static int32_t *recode(evaluation *ev, const gm_dict *d, gm_dict_builder *b)
{
    int32_t *table = code_table(ev, d);
    for (int32_t i = 0; table && i < d->count; i++) {
        table[i] = code_of(ev, b, d->texts[i], d->text_lens[i]);
        if (ev->rc) return NULL;
    }
    return table;
}

/* A string column whose dictionary is much larger than the table: only the entries in use. See (2). */
static gm_expr_reg *cut_dictionary(evaluation *ev, const gm_column *c)
{
    gm_dict_builder *b = new_dict(ev);
    int32_t *codes = alloc(ev, (size_t)c->rows, sizeof(*codes));
    if (!b || !codes) return NULL;
    for (int64_t i = 0; i < c->rows; i++) {
        int32_t code = c->code[i];
        codes[i] = code < 0 ? GM_MISSING_CODE : code_of(ev, b, c->dict->texts[code], c->dict->text_lens[code]);
        if (ev->rc) return NULL;
    }
    const gm_dict *dict = gm_dict_builder_finish(b);
    if (!dict) return no_memory(ev);
    return over_column(ev, GM_TYPE_STRING, codes, dict);
}

static gm_expr_reg *column(evaluation *ev, const gm_expr *e)
{
    const gm_column *c;
    gm_rc rc = gm_table_column(ev->t, e->name, &c, ev->err);
    if (rc) {
        ev->rc = gm_err_place(ev->err, rc, e->pos);
        return NULL;
    }
    bool same_kind = c->type == e->type || (gm_expr_is_number(c->type) && gm_expr_is_number(e->type));
    if (!same_kind && e->type != GM_TYPE_UNKNOWN) {
        ev->rc = gm_err_at(ev->err, e->pos, GM_EINVALID, "column \"%s\" is %s here and was %s when the expression was checked",
                           e->name, gm_type_name(c->type), gm_type_name(e->type));
        return NULL;
    }
    if (c->type == GM_TYPE_STRING && c->dict->count > 2 * c->rows + 16) return cut_dictionary(ev, c);
    gm_expr_reg *r = over_column(ev, c->type, c->i64, c->dict);
    if (r) r->place = (size_t)(c - ev->t->columns);
    return r;
}

/* ---- comparison --------------------------------------------------------------------------------------------- */

static bool holds(const char *name, int order)
{
    switch (name[0]) {
    case '<': return name[1] ? order <= 0 : order < 0;
    case '>': return name[1] ? order >= 0 : order > 0;
    case '!': return order != 0;
    default: return order == 0;
    }
}

/* Each entry of the dictionary against one text; swapped: the text stands on the left. */
static gm_expr_reg *compare_with_text(evaluation *ev, const char *name, gm_expr_reg *x, const char *text, bool swapped)
{
    int64_t *table = whole_table(ev, x->dict);
    size_t len = strlen(text);
    for (int32_t i = 0; table && i < x->dict->count; i++) {
        int order = gm_expr_text_order(x->dict->texts[i], x->dict->text_lens[i], text, len);
        table[i] = holds(name, swapped ? -(order > 0) + (order < 0) : order);
    }
    return gather(ev, x, gm_expr_gather_i64, GM_TYPE_BOOL, table);
}

typedef struct ranked {
    const char *text;
    size_t len;
    int32_t *rank;
} ranked;

static int by_text(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return gm_expr_text_order(x->text, x->len, y->text, y->len);
}

/* Ranks of the texts of both dictionaries in one order; equal texts share theirs. */
static bool rank_both(evaluation *ev, const gm_dict *x, const gm_dict *y, int32_t *rank_x, int32_t *rank_y)
{
    size_t count = (size_t)x->count + (size_t)y->count;
    ranked *all = alloc(ev, count, sizeof(*all));
    if (!all) return false;
    for (int32_t i = 0; i < x->count; i++) all[i] = (ranked){ x->texts[i], x->text_lens[i], &rank_x[i] };
    for (int32_t i = 0; i < y->count; i++) all[x->count + i] = (ranked){ y->texts[i], y->text_lens[i], &rank_y[i] };
    qsort(all, count, sizeof(*all), by_text);
    int32_t rank = 0;
    for (size_t i = 0; i < count; i++) {
        if (i && by_text(&all[i - 1], &all[i]) != 0) rank++;
        *all[i].rank = rank;
    }
    return true;
}

static gm_expr_reg *compare_texts(evaluation *ev, const char *name, gm_expr_reg *x, gm_expr_reg *y)
{
    if (y->constant && y->constant->text) return compare_with_text(ev, name, x, y->constant->text, false);
    if (x->constant && x->constant->text) return compare_with_text(ev, name, y, x->constant->text, true);

    int32_t *rank_x = NULL, *rank_y = NULL;
    if (name[0] == '=' || name[0] == '!') { /* any numbering will do that gives equal texts equal numbers */
        gm_dict_builder *b = new_dict(ev);
        if (b) rank_x = recode(ev, x->dict, b);
        if (rank_x) rank_y = recode(ev, y->dict, b);
    } else {
        rank_x = code_table(ev, x->dict);
        rank_y = code_table(ev, y->dict);
        if (rank_x && rank_y && !rank_both(ev, x->dict, y->dict, rank_x, rank_y)) return NULL;
    }
    if (!rank_x || !rank_y) return NULL;
    return append(ev, gm_expr_comparison_ranks(name), GM_TYPE_BOOL, (gm_expr_reg *[]){ x, y }, 2,
                  &(gm_expr_step){ .table = rank_x, .table_b = rank_y });
}

static gm_expr_reg *compare(evaluation *ev, const char *name, gm_expr_reg *x, gm_expr_reg *y)
{
    if (!x || !y) return NULL;
    if (x->type == GM_TYPE_STRING) return compare_texts(ev, name, x, y);
    bool ints = x->type != GM_TYPE_FLOAT && y->type != GM_TYPE_FLOAT;
    if (!ints) {
        x = convert(ev, x, GM_TYPE_FLOAT);
        y = convert(ev, y, GM_TYPE_FLOAT);
    }
    return append2(ev, gm_expr_comparison(name, ints), GM_TYPE_BOOL, x, y);
}

static gm_expr_reg *negated(evaluation *ev, bool yes, gm_expr_reg *r)
{
    return yes ? append1(ev, gm_expr_not, GM_TYPE_BOOL, r) : r;
}

/* ---- x in [...] --------------------------------------------------------------------------------------------- */

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_whole(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int by_pointed_text(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    return gm_expr_text_order(x, strlen(x), y, strlen(y));
}

static gm_expr_reg *in_texts(evaluation *ev, const gm_expr *e, gm_expr_reg *x)
{
    size_t count = e->args_count - 1;
    const char **set = alloc(ev, count, sizeof(*set));
    int64_t *table = whole_table(ev, x->dict);
    if (!set || !table) return NULL;
    for (size_t i = 0; i < count; i++) set[i] = e->args[i + 1]->text;
    qsort(set, count, sizeof(*set), by_pointed_text);
    for (int32_t i = 0; i < x->dict->count; i++)
        table[i] = bsearch(&x->dict->texts[i], set, count, sizeof(*set), by_pointed_text) != NULL;
    return gather(ev, x, gm_expr_gather_i64, GM_TYPE_BOOL, table);
}

static gm_expr_reg *in_numbers(evaluation *ev, const gm_expr *e, gm_expr_reg *x, bool ints)
{
    size_t count = e->args_count - 1;
    if (ints) {
        int64_t *set = alloc(ev, count, sizeof(*set));
        if (!set) return NULL;
        for (size_t i = 0; i < count; i++) set[i] = whole_number(e->args[i + 1]);
        qsort(set, count, sizeof(*set), by_whole);
        return append(ev, gm_expr_in_i64, GM_TYPE_BOOL, &x, 1, &(gm_expr_step){ .table = set, .table_count = count });
    }
    double *set = alloc(ev, count, sizeof(*set));
    if (!set) return NULL;
    for (size_t i = 0; i < count; i++) set[i] = e->args[i + 1]->number;
    qsort(set, count, sizeof(*set), by_double);
    x = convert(ev, x, GM_TYPE_FLOAT);
    return append(ev, gm_expr_in_f64, GM_TYPE_BOOL, &x, 1, &(gm_expr_step){ .table = set, .table_count = count });
}

/* A list of constants is a set; otherwise x == a or x == b or ... */
static gm_expr_reg *in_list(evaluation *ev, const gm_expr *e)
{
    gm_expr_reg *x = compile(ev, e->args[0]);
    if (!x) return NULL;
    bool constants = true, ints = x->type != GM_TYPE_FLOAT;
    for (size_t i = 1; i < e->args_count; i++) {
        constants &= e->args[i]->op == GM_EXPR_CONST;
        ints &= e->args[i]->type != GM_TYPE_FLOAT;
    }
    gm_expr_reg *r = NULL;
    if (constants) {
        r = x->type == GM_TYPE_STRING ? in_texts(ev, e, x) : in_numbers(ev, e, x, ints);
    } else {
        for (size_t i = 1; i < e->args_count; i++) {
            gm_expr_reg *equal = compare(ev, "==", x, compile(ev, e->args[i]));
            r = i == 1 ? equal : append2(ev, gm_expr_or, GM_TYPE_BOOL, r, equal);
        }
    }
    return negated(ev, e->negated, r);
}

/* ---- functions ---------------------------------------------------------------------------------------------- */

/* Ask of_text once for each entry. */
static gm_expr_reg *by_entry(evaluation *ev, const gm_expr *e, const gm_expr_function *f, gm_expr_reg *x)
{
    if (!x) return NULL;
    const gm_dict *d = x->dict;
    if (f->result == GM_TYPE_FLOAT) {
        double *table = alloc(ev, (size_t)d->count + 1, sizeof(*table));
        if (!table) return NULL;
        *table++ = NAN;
        for (int32_t i = 0; i < d->count; i++) table[i] = f->of_text(e, d->texts[i], d->text_lens[i]);
        return gather(ev, x, gm_expr_gather_f64, f->result, table);
    }
    int64_t *table = whole_table(ev, d);
    for (int32_t i = 0; table && i < d->count; i++) table[i] = (int64_t)f->of_text(e, d->texts[i], d->text_lens[i]);
    return gather(ev, x, gm_expr_gather_i64, f->result, table);
}

static gm_expr_reg *with_dict(evaluation *ev, gm_expr_reg *r, gm_dict_builder *b)
{
    if (!r) return NULL;
    r->dict = gm_dict_builder_finish(b);
    return r->dict ? r : no_memory(ev);
}

static gm_expr_reg *changed_text(evaluation *ev, const gm_expr_function *f, gm_expr_reg *x)
{
    if (!x) return NULL;
    gm_dict_builder *b = new_dict(ev);
    int32_t *table = code_table(ev, x->dict);
    if (!b || !table) return NULL;
    gm_buf *text = ev->text;
    for (int32_t i = 0; i < x->dict->count && !ev->rc; i++) {
        text->len = 0;
        f->to_text(x->dict->texts[i], x->dict->text_lens[i], text);
        table[i] = code_of(ev, b, text->len ? text->data : "", text->len);
        if (text->failed) (void)no_memory(ev);
    }
    return ev->rc ? NULL : with_dict(ev, gather(ev, x, gm_expr_gather_code, GM_TYPE_STRING, table), b);
}

/* Give string registers one dictionary. */
static const gm_dict *unify(evaluation *ev, gm_expr_reg **regs, size_t count)
{
    gm_dict_builder *b = new_dict(ev);
    for (size_t i = 0; b && i < count; i++) {
        if (!regs[i]) return NULL;
        regs[i] = gather(ev, regs[i], gm_expr_gather_code, GM_TYPE_STRING, recode(ev, regs[i]->dict, b));
    }
    return b && !ev->rc ? gm_dict_builder_finish(b) : NULL;
}

/* if() and coalesce(): arguments from first_choice on have the call's type. */
static gm_expr_reg *choice(evaluation *ev, const gm_expr *e, size_t first_choice, gm_expr_kernel (*kernel)(gm_type))
{
    gm_expr_reg **in = alloc(ev, e->args_count, sizeof(*in));
    if (!in) return NULL;
    for (size_t i = 0; i < e->args_count; i++) in[i] = compile_as(ev, e->args[i], i < first_choice ? GM_TYPE_BOOL : e->type);
    const gm_dict *dict = NULL;
    if (e->type == GM_TYPE_STRING) {
        dict = unify(ev, in + first_choice, e->args_count - first_choice);
        if (!dict) return no_memory(ev);
    }
    gm_expr_reg *r = append(ev, kernel(e->type), e->type, in, e->args_count, NULL);
    if (r) r->dict = dict;
    return r;
}

/* A number, bool or time as text. */
static void value_text(const gm_column *c, int64_t row, gm_buf *out)
{
    char text[64];
    if (c->type == GM_TYPE_FLOAT)
        gm_buf_text(out, gm_double_text(c->f64[row], text));
    else if (c->type == GM_TYPE_TIME)
        gm_buf_text(out, gm_time_text(c->i64[row], text, sizeof(text)));
    else if (c->type == GM_TYPE_BOOL)
        gm_buf_text(out, c->i64[row] ? "true" : "false");
    else if (c->type == GM_TYPE_INT)
        gm_buf_printf(out, "%" PRId64, c->i64[row]);
    else
        gm_buf_add(out, c->dict->texts[c->code[row]], c->dict->text_lens[c->code[row]]);
}

/* The arguments' texts in a row, one after the other; missing when one is. See (3). */
static gm_expr_reg *joined_text(evaluation *ev, const gm_expr *e)
{
    gm_column *in = alloc(ev, e->args_count, sizeof(*in));
    int32_t *codes = alloc(ev, (size_t)ev->t->rows, sizeof(*codes));
    gm_dict_builder *b = new_dict(ev);
    if (!in || !codes || !b) return NULL;
    for (size_t i = 0; i < e->args_count && !ev->rc; i++) ev->rc = evaluate(e->args[i], ev->t, ev->a, ev->text, ev->a, &in[i], ev->err);

    gm_buf *text = ev->text;
    for (int64_t row = 0; row < ev->t->rows && !ev->rc; row++) {
        text->len = 0;
        bool missing = false;
        for (size_t i = 0; i < e->args_count && !missing; i++) {
            missing = gm_column_is_missing(&in[i], row);
            if (!missing) value_text(&in[i], row, text);
        }
        codes[row] = missing ? GM_MISSING_CODE : code_of(ev, b, text->len ? text->data : "", text->len);
        if (text->failed) (void)no_memory(ev);
    }
    const gm_dict *dict = ev->rc ? NULL : gm_dict_builder_finish(b);
    if (!dict) return no_memory(ev);
    return over_column(ev, GM_TYPE_STRING, codes, dict);
}

static gm_expr_reg *is_missing(evaluation *ev, gm_expr_reg *x)
{
    if (!x) return NULL;
    gm_expr_kernel run = x->type == GM_TYPE_FLOAT    ? gm_expr_missing_f64
                         : x->type == GM_TYPE_STRING ? gm_expr_missing_code
                                                     : gm_expr_missing_i64;
    return append1(ev, run, GM_TYPE_BOOL, x);
}

/* A function with a loop of its own: numbers come as double, times as they are. */
static gm_expr_reg *by_rows(evaluation *ev, const gm_expr *e, const gm_expr_function *f)
{
    gm_expr_reg **in = alloc(ev, e->args_count, sizeof(*in));
    if (!in) return NULL;
    bool of_times = f->args[0] == 'o' && e->type == GM_TYPE_TIME;
    for (size_t i = 0; i < e->args_count; i++) {
        bool time = of_times || f->args[0] == 't'; /* no function takes both */
        in[i] = compile_as(ev, e->args[i], time ? GM_TYPE_TIME : GM_TYPE_FLOAT);
    }
    gm_type type = f->result ? f->result : of_times ? GM_TYPE_TIME : GM_TYPE_FLOAT;
    return append(ev, of_times ? gm_expr_extreme_time(f->name) : f->rows, type, in, e->args_count, NULL);
}

static gm_expr_reg *call(evaluation *ev, const gm_expr *e)
{
    const gm_expr_function *f = gm_expr_function_of(e);
    if (!f) {
        ev->rc = gm_err_at(ev->err, e->pos, GM_EINVALID, "\"%s\" has no value in each row", e->name);
        return NULL;
    }
    if (f->rows) return by_rows(ev, e, f);
    if (f->of_text) return by_entry(ev, e, f, compile_as(ev, e->args[0], GM_TYPE_STRING));
    if (f->to_text) return changed_text(ev, f, compile_as(ev, e->args[0], GM_TYPE_STRING));
    if (strcmp(f->name, "if") == 0) return choice(ev, e, 1, gm_expr_if);
    if (strcmp(f->name, "coalesce") == 0) return choice(ev, e, 0, gm_expr_coalesce);
    if (strcmp(f->name, "is_missing") == 0) return is_missing(ev, compile(ev, e->args[0]));
    gm_assert(f->result == GM_TYPE_STRING); /* concat, text */
    return joined_text(ev, e);
}

/* ---- the rest of the nodes ---------------------------------------------------------------------------------- */

static gm_expr_reg *binary(evaluation *ev, const gm_expr *e)
{
    if (strcmp(e->name, "and") == 0 || strcmp(e->name, "or") == 0) {
        gm_expr_reg *x = compile_as(ev, e->args[0], GM_TYPE_BOOL), *y = compile_as(ev, e->args[1], GM_TYPE_BOOL);
        return append2(ev, e->name[0] == 'a' ? gm_expr_and : gm_expr_or, GM_TYPE_BOOL, x, y);
    }
    gm_expr_kernel run = gm_expr_arithmetic(e->name);
    if (run) {
        gm_expr_reg *x = compile_as(ev, e->args[0], GM_TYPE_FLOAT), *y = compile_as(ev, e->args[1], GM_TYPE_FLOAT);
        return append2(ev, run, GM_TYPE_FLOAT, x, y);
    }
    gm_expr_reg *x = compile(ev, e->args[0]), *y = compile(ev, e->args[1]);
    return compare(ev, e->name, x, y);
}

static gm_expr_reg *between(evaluation *ev, const gm_expr *e)
{
    gm_expr_reg *x = compile(ev, e->args[0]), *low = compile(ev, e->args[1]), *high = compile(ev, e->args[2]);
    gm_expr_reg *above = compare(ev, ">=", x, low), *below = compare(ev, "<=", x, high);
    return negated(ev, e->negated, append2(ev, gm_expr_and, GM_TYPE_BOOL, above, below));
}

static gm_expr_reg *is(evaluation *ev, const gm_expr *e)
{
    if (strcmp(e->name, "missing") != 0) {
        ev->rc = gm_err_at(ev->err, e->pos, GM_EINVALID, "\"is %s\" has no value in each row", e->name);
        return NULL;
    }
    return negated(ev, e->negated, is_missing(ev, compile(ev, e->args[0])));
}

static gm_expr_reg *compile(evaluation *ev, const gm_expr *e)
{
    if (ev->rc) return NULL;
    switch (e->op) {
    case GM_EXPR_CONST: return constant(ev, e, e->type);
    case GM_EXPR_COLUMN: return column(ev, e);
    case GM_EXPR_CALL: return call(ev, e);
    case GM_EXPR_UNARY:
        if (e->name[0] == '-') return append1(ev, gm_expr_negate, GM_TYPE_FLOAT, compile_as(ev, e->args[0], GM_TYPE_FLOAT));
        return append1(ev, gm_expr_not, GM_TYPE_BOOL, compile_as(ev, e->args[0], GM_TYPE_BOOL));
    case GM_EXPR_BINARY: return binary(ev, e);
    case GM_EXPR_IN: return in_list(ev, e);
    case GM_EXPR_BETWEEN: return between(ev, e);
    case GM_EXPR_IS: return is(ev, e);
    }
    gm_assert(false && "a node of no kind");
}

static gm_expr_reg *compile_as(evaluation *ev, const gm_expr *e, gm_type want)
{
    if (e->op == GM_EXPR_CONST && !ev->rc) return constant(ev, e, want);
    return convert(ev, compile(ev, e), want);
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static void run_blocks(const evaluation *ev, size_t rows, size_t out_width)
{
    for (size_t row = 0; row < rows; row += GM_EXPR_BLOCK) {
        size_t n = rows - row < GM_EXPR_BLOCK ? rows - row : GM_EXPR_BLOCK;
        for (gm_expr_reg *r = ev->moving; r; r = r->next) r->any = r->base + row * r->stride;
        ev->last->out.any = ev->last->out_base + row * out_width;
        for (const gm_expr_step *s = ev->first; s; s = s->next) s->run(s, n);
    }
}

/* One value for all rows. */
static void repeat(const gm_expr_reg *r, size_t width, char *out, size_t rows)
{
    for (size_t row = 0; row < rows; row += GM_EXPR_BLOCK) {
        size_t n = rows - row < GM_EXPR_BLOCK ? rows - row : GM_EXPR_BLOCK;
        memcpy(out + row * width, r->any, n * width);
    }
}

static gm_rc no_room(int64_t rows, gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to evaluate an expression over %" PRId64 " rows", rows);
}

/* The root's register, with steps for up to rows rows before it; NULL and ev->rc otherwise. */
static gm_expr_reg *make_steps(evaluation *ev, const gm_expr *e, int64_t rows)
{
    ev->block = rows < GM_EXPR_BLOCK ? (size_t)rows : GM_EXPR_BLOCK;
    gm_expr_reg *root = compile_as(ev, e, e->type);
    if (ev->rc) return NULL;
    gm_assert(root && (root->base || root->constant || (ev->last && ev->last->out.any == root->any))); /* see (1) */
    return root;
}

/* All rows of the table through the steps. result: room for them, where the root is no column. */
static void run_steps(evaluation *ev, const gm_expr_reg *root, int64_t rows, char *result, gm_column *out)
{
    *out = (gm_column){ .name = "", .type = root->type, .rows = rows, .dict = root->dict };
    if (root->base) {
        out->i64 = (const int64_t *)(const void *)root->base;
        return;
    }
    size_t width = width_of(root->type);
    if (root->constant) {
        repeat(root, width, result, (size_t)rows);
    } else {
        ev->last->out_base = result;
        run_blocks(ev, (size_t)rows, width);
    }
    out->i64 = (const int64_t *)(void *)result;
}

static gm_rc evaluate(const gm_expr *e, const gm_table *t, gm_arena *scratch, gm_buf *text, gm_arena *a, gm_column *out, gm_err *err)
{
    evaluation ev = { .t = t, .a = scratch, .text = text, .err = err };
    gm_expr_reg *root = make_steps(&ev, e, t->rows);
    if (!root) return ev.rc;
    char *result = root->base ? NULL : gm_arena_alloc(a, (size_t)t->rows, width_of(root->type));
    if (!root->base && !result) return no_room(t->rows, err);
    run_steps(&ev, root, t->rows, result, out);
    return GM_OK;
}

gm_rc gm_expr_eval(const gm_expr *e, const gm_table *t, gm_arena *a, gm_column *out, gm_err *err)
{
    /* Texts that the result points at must live as long as it; small evaluations are not worth an arena of their own. */
    bool own = e->type != GM_TYPE_STRING && t->rows > GM_EXPR_BLOCK;
    gm_arena *scratch = own ? gm_arena_new(0) : a;
    gm_buf text = { 0 };
    if (!scratch) return gm_err_set(err, GM_ENOMEM, "not enough memory to evaluate an expression");
    gm_rc rc = evaluate(e, t, scratch, &text, a, out, err);
    gm_buf_clear(&text);
    if (own) gm_arena_free(scratch);
    return rc;
}

/* ---- again and again ---------------------------------------------------------------------------------------- */

struct gm_expr_work {
    const gm_expr *e;
    gm_arena *a; /* steps and result; rewound when they are made anew */
    gm_buf text;
    evaluation ev;
    gm_expr_reg *root; /* NULL: nothing is kept       */
    int64_t capacity;  /* rows that the steps serve   */
    char *result;      /* [capacity]                  */
};

gm_rc gm_expr_work_new(const gm_expr *e, gm_expr_work **out, gm_err *err)
{
    gm_expr_work *w = calloc(1, sizeof(*w));
    if (w) *w = (gm_expr_work){ .e = e, .a = gm_arena_new(0) };
    if (!w || !w->a) {
        gm_expr_work_free(w);
        return gm_err_set(err, GM_ENOMEM, "not enough memory to evaluate an expression");
    }
    *out = w;
    return GM_OK;
}

void gm_expr_work_free(gm_expr_work *w)
{
    if (!w) return;
    gm_buf_clear(&w->text);
    gm_arena_free(w->a);
    free(w);
}

/* Point the kept steps at the columns of t; false when they do not serve for it. */
static bool serves(gm_expr_work *w, const gm_table *t)
{
    if (!w->root || w->ev.of_texts || t->rows > w->capacity) return false;
    for (gm_expr_reg *r = w->ev.moving; r; r = r->next) {
        if (r->place >= t->columns_count || t->columns[r->place].type != r->type) return false;
        r->base = (const char *)t->columns[r->place].i64;
        r->any = r->base;
    }
    return true;
}

static gm_rc remake(gm_expr_work *w, const gm_table *t, gm_err *err)
{
    w->root = NULL;
    if (w->ev.of_texts) w->capacity = t->rows; /* for this table alone */
    else if (w->capacity < 16) w->capacity = 16;
    while (w->capacity < t->rows) w->capacity *= 2;
    gm_arena_rewind(w->a);
    w->text.failed = false;
    w->ev = (evaluation){ .t = t, .a = w->a, .text = &w->text, .err = err };
    gm_expr_reg *root = make_steps(&w->ev, w->e, w->capacity);
    if (!root) return w->ev.rc;
    w->result = root->base ? NULL : gm_arena_alloc(w->a, (size_t)w->capacity, width_of(root->type));
    if (!root->base && !w->result) return no_room(w->capacity, err);
    w->root = root;
    return GM_OK;
}

gm_rc gm_expr_work_eval(gm_expr_work *w, const gm_table *t, gm_column *out, gm_err *err)
{
    gm_rc rc = serves(w, t) ? GM_OK : remake(w, t, err);
    if (!rc) run_steps(&w->ev, w->root, t->rows, w->result, out);
    return rc;
}

/* ---- one value ---------------------------------------------------------------------------------------------- */

typedef struct scalar {
    gm_expr_lookup lookup;
    void *ctx;
    gm_arena *a;
    gm_column *columns; /* [count], room for one for each node */
    size_t count;
    gm_err *err;
    gm_rc rc;
} scalar;

static bool has_text(const gm_expr *e)
{
    for (size_t i = 0; i < e->args_count; i++)
        if (e->args[i]->type == GM_TYPE_STRING) return true;
    return e->type == GM_TYPE_STRING;
}

static bool asked_of_host(const gm_expr *e)
{
    if (e->op == GM_EXPR_CONST) return e->type == GM_TYPE_STRING;
    if (e->op == GM_EXPR_COLUMN || has_text(e)) return true;
    if (e->op == GM_EXPR_IS) return strcmp(e->name, "missing") != 0;
    return e->op == GM_EXPR_CALL && !gm_expr_function_of(e);
}

/* The value that the host gives for e, as a column of one row named after its number. */
static void ask(scalar *s, const gm_expr *e, gm_expr *copy)
{
    double value = NAN;
    s->rc = s->lookup(s->ctx, e, &value, s->err);
    if (s->rc) return;
    union {
        double f64;
        int64_t i64;
    } *cell = gm_arena_alloc(s->a, 1, sizeof(*cell));
    char *name = gm_arena_printf(s->a, "%zu", s->count);
    if (!cell || !name) {
        s->rc = gm_err_set(s->err, GM_ENOMEM, "not enough memory to evaluate an expression");
        return;
    }
    gm_type type = e->type == GM_TYPE_UNKNOWN || e->type == GM_TYPE_STRING ? GM_TYPE_FLOAT : e->type;
    if (type == GM_TYPE_FLOAT)
        cell->f64 = value;
    else
        cell->i64 = value >= -9.2e18 && value <= 9.2e18 ? (int64_t)value : GM_MISSING_INT;
    s->columns[s->count++] = (gm_column){ .name = name, .type = type, .rows = 1, .i64 = &cell->i64 };
    *copy = (gm_expr){ .op = GM_EXPR_COLUMN, .type = type, .name = name, .pos = e->pos };
}

/* A copy of the tree in which the host's values are columns: then the one evaluator does the rest. */
static gm_expr *with_values(scalar *s, const gm_expr *e)
{
    gm_expr *copy = GM_ARENA_NEW(s->a, gm_expr);
    gm_expr **args = GM_ARENA_ARRAY(s->a, gm_expr *, e->args_count);
    if (!copy || !args) {
        s->rc = gm_err_set(s->err, GM_ENOMEM, "not enough memory to evaluate an expression");
        return NULL;
    }
    *copy = *e;
    if (asked_of_host(e)) {
        ask(s, e, copy);
        return copy;
    }
    copy->args = args;
    for (size_t i = 0; i < e->args_count && !s->rc; i++) args[i] = with_values(s, e->args[i]);
    return copy;
}

static size_t nodes_of(const gm_expr *e)
{
    size_t count = 1;
    for (size_t i = 0; i < e->args_count; i++) count += nodes_of(e->args[i]);
    return count;
}

gm_rc gm_expr_eval_scalar(const gm_expr *e, gm_expr_lookup lookup, void *ctx, double *out, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    scalar s = { .lookup = lookup, .ctx = ctx, .a = a, .err = err };
    if (a) s.columns = GM_ARENA_ARRAY(a, gm_column, nodes_of(e));
    if (!s.columns) {
        gm_arena_free(a);
        return gm_err_set(err, GM_ENOMEM, "not enough memory to evaluate an expression");
    }
    gm_expr *filled_in = with_values(&s, e);
    gm_rc rc = s.rc;
    gm_column result;
    if (!rc) {
        gm_table t = { .rows = 1, .columns_count = s.count, .columns = s.columns };
        rc = gm_expr_eval(filled_in, &t, a, &result, err);
    }
    if (!rc) *out = gm_column_double(&result, 0);
    gm_arena_free(a);
    return rc;
}
