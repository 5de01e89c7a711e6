/* test_map.c - gm_data_map: every row once and in order, whole or not at all. */
#include "unit/data/data_case.h"

typedef struct watch {
    gm_arena *a;      /* of one call                     */
    int64_t rows;     /* taken                           */
    int calls;
    int64_t fail_at;  /* fail at this row; -1 never      */
} watch;

/* Keeps column i and adds its double. */
static gm_rc doubled(void *ctx, const gm_table *in, int64_t first_row, gm_table *out, gm_err *err)
{
    watch *w = ctx;
    const gm_column *i = gm_table_find(in, "i");
    CHECK(i && first_row == w->rows && in->rows <= 65536);
    if (w->fail_at >= first_row && w->fail_at < first_row + in->rows)
        return gm_err_set(err, GM_EINVALID, "row %lld is not wanted", (long long)w->fail_at + 1);
    gm_arena_rewind(w->a);
    double *twice = GM_ARENA_ARRAY(w->a, double, in->rows);
    gm_column *columns = GM_ARENA_ARRAY(w->a, gm_column, 2);
    for (int64_t r = 0; r < in->rows; r++) twice[r] = 2 * gm_column_double(i, r);
    columns[0] = *i;
    columns[1] = (gm_column){ .name = "twice", .type = GM_TYPE_FLOAT, .rows = in->rows, .f64 = twice };
    *out = (gm_table){ .rows = in->rows, .columns_count = 2, .columns = columns };
    w->rows += in->rows;
    w->calls++;
    return GM_OK;
}

static void numbers_csv(data_case *c, int64_t rows)
{
    gm_buf text = { 0 };
    gm_buf_text(&text, "s,i\n");
    for (int64_t r = 0; r < rows; r++) gm_buf_printf(&text, "text %lld,%lld\n", (long long)r % 100, (long long)r);
    case_file(c, "t.csv", text.data, text.len);
    gm_buf_clear(&text);
}

static gm_rc map_to(data_case *c, watch *w, const char *from, const char *to, int64_t *rows)
{
    *w = (watch){ .a = gm_harness_arena(), .fail_at = w->fail_at };
    return gm_data_map(c->engine, &(gm_source){ .from = from }, c->dir, doubled, w, case_path(c, to), rows, &c->err);
}

/* CSV to Parquet, that to Parquet again, that to CSV. */
static void all_rows_in_order_through_every_format(void)
{
    static const char *const files[] = { "t.csv", "a.parquet", "b.parquet", "c.csv" };
    enum { ROWS = 150000 };
    data_case c;
    watch w = { .fail_at = -1 };
    case_open(&c, 1);
    numbers_csv(&c, ROWS);
    for (int k = 0; k < 3; k++) {
        int64_t rows = 0;
        gm_table t;
        CHECK_OK(map_to(&c, &w, files[k], files[k + 1], &rows), &c.err);
        CHECK(rows == ROWS && w.rows == ROWS && w.calls == 3);
        CHECK_OK(gm_data_read(c.engine, case_path(&c, files[k + 1]), NULL, 0, 0, c.arena, &t, &c.err), &c.err);
        CHECK(t.rows == ROWS && t.columns_count == 2);
        for (int64_t r = 0; r < ROWS; r++)
            CHECK(gm_column_double(&t.columns[0], r) == (double)r && gm_column_double(&t.columns[1], r) == 2 * (double)r);
    }
    case_close(&c);
}

static void an_empty_source_still_has_columns(void)
{
    data_case c;
    watch w = { .fail_at = -1 };
    gm_buf text = { 0 };
    int64_t rows = -1;
    case_open(&c, 1);
    numbers_csv(&c, 0);
    CHECK_OK(map_to(&c, &w, "t.csv", "out.csv", &rows), &c.err);
    CHECK(rows == 0 && w.calls == 1);
    CHECK_OK(gm_fs_read(case_path(&c, "out.csv"), 0, &text, &c.err), &c.err);
    CHECK_STR(gm_buf_str(&text), "i,twice\n");
    gm_buf_clear(&text);
    case_close(&c);
}

static void nothing_is_left_when_a_block_fails(void)
{
    static const int64_t places[] = { 0, 70000, 149999 };
    for (int k = 0; k < 3; k++) {
        data_case c;
        watch w = { .fail_at = places[k] };
        char message[64];
        case_open(&c, 1);
        numbers_csv(&c, 150000);
        CHECK_RC(map_to(&c, &w, "t.csv", "out.parquet", NULL), GM_EINVALID);
        (void)snprintf(message, sizeof(message), "row %lld is not wanted", (long long)places[k] + 1);
        CHECK_STR(c.err.message, message);
        CHECK(c.err.ctx_count == 0);
        CHECK(gm_harness_files_in(c.dir, ".") == 1);
        case_close(&c);
    }
}

static void a_source_that_is_not_there(void)
{
    data_case c;
    watch w = { .fail_at = -1 };
    case_open(&c, 1);
    CHECK_RC(map_to(&c, &w, "none.csv", "out.parquet", NULL), GM_ENOTFOUND);
    CHECK_HAS(c.err.ctx[0], "reading data from \"none.csv\"");
    case_close(&c);
}

TESTS(T(all_rows_in_order_through_every_format), T(an_empty_source_still_has_columns), T(nothing_is_left_when_a_block_fails),
      T(a_source_that_is_not_there))
