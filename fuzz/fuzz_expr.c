/* fuzz_expr.c - any bytes are an expression, or errors that have a place. An expression prints and reads back as the same
 * tree; what passes the checker has a value in every row. */
#include <stdlib.h>
#include <string.h>

#include "base/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const texts[] = { "AA", "b", "", "größe" };
static const uint32_t lens[] = { 2, 1, 0, 7 };
static const gm_dict dict = { texts, lens, 4 };
static const double numbers[] = { 1.5, NAN, -3 };
static const int64_t wholes[] = { 7, GM_MISSING_INT, INT64_MAX }, bools[] = { 1, GM_MISSING_INT, 0 },
                     times[] = { 1359609462000000, GM_MISSING_INT, INT64_MIN + 1 };
static const int32_t codes[] = { 0, -1, 3 };
static gm_column columns[] = {
    { .name = "x", .type = GM_TYPE_FLOAT, .rows = 3, .f64 = numbers }, { .name = "n", .type = GM_TYPE_INT, .rows = 3, .i64 = wholes },
    { .name = "b", .type = GM_TYPE_BOOL, .rows = 3, .i64 = bools },    { .name = "t", .type = GM_TYPE_TIME, .rows = 3, .i64 = times },
    { .name = "s", .type = GM_TYPE_STRING, .rows = 3, .code = codes, .dict = &dict },
};
static const gm_table table = { .rows = 3, .columns_count = 5, .columns = columns };

static void check_places(const gm_errs *errs)
{
    gm_assert(errs->count > 0);
    for (size_t i = 0; i < errs->count; i++) gm_assert(errs->items[i].line > 0 && errs->items[i].col > 0 && errs->items[i].message[0]);
}

static void check_round_trip(const gm_expr *e, gm_arena *a)
{
    gm_buf b = { 0 };
    gm_errs errs = { .arena = a };
    gm_expr *again = NULL;
    gm_expr_print(e, &b);
    if (b.len <= 4096) { /* blanks may make it longer than what it was read from */
        gm_rc rc = gm_expr_parse(gm_buf_str(&b), (gm_pos){ 0 }, a, &again, &errs);
        /* parentheses about a folded constant may bring what was just within the levels above them */
        gm_assert(rc == GM_OK || (errs.count == 1 && strstr(errs.items[0].message, "nested deeper")));
        gm_assert(rc || gm_expr_equal(e, again));
    }
    gm_buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gm_arena *a = gm_arena_new(256 << 20);
    char *text = a ? gm_arena_strndup(a, (const char *)data, size) : NULL;
    gm_errs errs = { .arena = a };
    gm_expr *e = NULL;
    if (!text) abort();
    if (gm_expr_parse(text, (gm_pos){ 0 }, a, &e, &errs)) {
        check_places(&errs);
    } else {
        check_round_trip(e, a);
        gm_expr_host host = gm_expr_table_host(&table);
        if (gm_expr_check(e, &host, GM_TYPE_UNKNOWN, a, &errs)) {
            check_places(&errs);
        } else {
            gm_column out;
            gm_err err;
            check_round_trip(e, a);
            gm_assert(gm_expr_eval(e, &table, a, &out, &err) == GM_OK);
            gm_assert(out.rows == 3 && (e->type == GM_TYPE_UNKNOWN || out.type == e->type));
            char shown[64];
            for (int64_t i = 0; i < 3; i++) (void)gm_column_show(&out, i, shown, sizeof(shown));
        }
    }
    gm_arena_free(a);
    return 0;
}
