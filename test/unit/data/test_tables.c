/* test_tables.c - tables in and out: the same bytes for the same content, sources of several files, databases and SQL. */
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "unit/data/data_case.h"

static void digest_of(data_case *c, const char *name, gm_digest *out)
{
    CHECK_OK(gm_digest_file(case_path(c, name), out, NULL, &c->err), &c->err);
}

/* 150,000 rows: several chunks and row groups. */
static void big_csv(gm_buf *text)
{
    gm_buf_text(text, "i,f,s,t,b\n");
    for (int i = 0; i < 150000; i++)
        gm_buf_printf(text, "%d,%g,%s%d,2013-01-%02dT%02d:00:00Z,%s\n", i, i % 7 ? (double)i / 8 : 0.0, i % 3 ? "long text number " : "k", i % 5000, i % 28 + 1, i % 24,
                      i % 11 ? i % 2 ? "true" : "false" : "");
}

static void snapshots_do_not_depend_on_threads(void)
{
    gm_buf text = { 0 };
    gm_digest d[3];
    big_csv(&text);
    for (int64_t threads = 1; threads <= 3; threads++) {
        data_case c;
        int64_t rows = 0;
        case_open(&c, threads);
        case_file(&c, "t.csv", text.data, text.len);
        CHECK_OK(case_snapshot(&c, &(gm_source){ .from = "t.csv" }, &rows), &c.err);
        CHECK(rows == 150000);
        digest_of(&c, "out.parquet", &d[threads - 1]);
        CHECK_OK(gm_data_write(c.engine, &c.table, case_path(&c, "again.parquet"), &c.err), &c.err);
        gm_digest again;
        digest_of(&c, "again.parquet", &again);
        CHECK_STR(again.hex, d[threads - 1].hex); /* a table that was read writes the same bytes */
        for (int64_t i = 0; i < rows; i += 997) {
            CHECK(case_column(&c, "i")->i64[i] == i); /* in the file's order */
            CHECK(gm_column_is_missing(case_column(&c, "b"), i) == (i % 11 == 0));
        }
        case_close(&c);
    }
    CHECK_STR(d[0].hex, d[1].hex);
    CHECK_STR(d[0].hex, d[2].hex);
    gm_buf_clear(&text);
}

static void every_type_and_missing_value_survives(void)
{
    data_case c;
    case_open(&c, 2);
    const double f[] = { 0.1, NAN, -0.0, INFINITY, 5e-324 };
    const int64_t i[] = { INT64_MAX, GM_MISSING_INT, -INT64_MAX, 0, 1 }, b[] = { 1, 0, GM_MISSING_INT, 1, 0 };
    const int64_t t[] = { 0, -1, GM_MISSING_INT, 1357034400000001, 253402300799999999 };
    const int32_t s[] = { 0, 1, 2, GM_MISSING_CODE, 3 };
    const char *const texts[] = { "", "a", "twelve bytes", "longer than twelve bytes \xC3\xA9" };
    const uint32_t lens[] = { 0, 1, 12, 27 };
    const gm_dict dict = { .texts = texts, .text_lens = lens, .count = 4 };
    gm_column columns[] = { { .name = "f", .type = GM_TYPE_FLOAT, .rows = 5, .f64 = f }, { .name = "i \"q\"", .type = GM_TYPE_INT, .rows = 5, .i64 = i },
                            { .name = "b'", .type = GM_TYPE_BOOL, .rows = 5, .i64 = b }, { .name = "t", .type = GM_TYPE_TIME, .rows = 5, .i64 = t },
                            { .name = "s", .type = GM_TYPE_STRING, .rows = 5, .code = s, .dict = &dict } };
    gm_table table = { .rows = 5, .columns_count = 5, .columns = columns }, back;
    CHECK_OK(gm_data_write(c.engine, &table, case_path(&c, "a[1]*.parquet"), &c.err), &c.err);
    CHECK_OK(gm_data_read(c.engine, case_path(&c, "a[1]*.parquet"), NULL, 0, 0, c.arena, &back, &c.err), &c.err);
    CHECK(back.rows == 5 && back.columns_count == 5);
    for (size_t k = 0; k < 5; k++) {
        CHECK_STR(back.columns[k].name, columns[k].name);
        CHECK(back.columns[k].type == columns[k].type);
        for (int64_t row = 0; row < 5; row++) {
            char x[64], y[64];
            CHECK(gm_column_is_missing(&back.columns[k], row) == gm_column_is_missing(&columns[k], row));
            CHECK_STR(gm_column_show(&back.columns[k], row, x, sizeof(x)), gm_column_show(&columns[k], row, y, sizeof(y)));
        }
    }
    const char *const two[] = { "s", "f" }, *const wrong[] = { "ff" };
    CHECK_OK(gm_data_read(c.engine, case_path(&c, "a[1]*.parquet"), two, 2, 3, c.arena, &back, &c.err), &c.err);
    CHECK(back.rows == 3 && back.columns_count == 2 && back.columns[0].type == GM_TYPE_STRING);
    CHECK_RC(gm_data_read(c.engine, case_path(&c, "a[1]*.parquet"), wrong, 1, 0, c.arena, &back, &c.err), GM_EINVALID);
    CHECK_HAS(c.err.message, "no column \"ff\"");
    CHECK_HAS(c.err.hint, "\"f\"");
    CHECK_RC(gm_data_read(c.engine, case_path(&c, "none.parquet"), NULL, 0, 0, c.arena, &back, &c.err), GM_ENOTFOUND);
    CHECK_OK(gm_data_write(c.engine, &table, case_path(&c, "t.csv"), &c.err), &c.err);
    CHECK_OK(gm_data_read(c.engine, case_path(&c, "t.csv"), NULL, 0, 0, c.arena, &back, &c.err), &c.err);
    CHECK(back.rows == 5 && back.columns[1].i64[0] == INT64_MAX);
    case_close(&c);
}

static void several_files_are_one_source(void)
{
    data_case c;
    case_open(&c, 1);
    CHECK(mkdir(case_path(&c, "in"), 0700) == 0);
    case_file(&c, "in/b.csv", "y,x\nq,2\n", 8);
    case_file(&c, "in/a.csv", "x,y\n1,p\n", 8);
    case_file(&c, "in/c.csv", "x,y\n2.5,\n", 9);
    CHECK_OK(case_snapshot(&c, &(gm_source){ .from = "in" }, NULL), &c.err);
    CHECK(c.table.rows == 3 && case_column(&c, "x")->type == GM_TYPE_FLOAT); /* integers and decimals are decimals */
    CHECK(case_column(&c, "x")->f64[0] == 1 && case_column(&c, "x")->f64[1] == 2 && case_column(&c, "x")->f64[2] == 2.5);
    CHECK_STR(gm_column_text(case_column(&c, "y"), 1), "q");
    CHECK_OK(case_snapshot(&c, &(gm_source){ .from = "in/[ab].csv" }, NULL), &c.err);
    CHECK(c.table.rows == 2);
    case_file(&c, "in/d.csv", "x,z\n1,p\n", 8);
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "in/*.csv" }, NULL), GM_EINVALID);
    CHECK_STR(c.err.file, "in/d.csv");
    CHECK_HAS(c.err.message, "no column \"y\", which \"in/a.csv\" has");
    case_file(&c, "in/d.csv", "x,y\n1,p\nlate,q\n", 15);
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "in/*.csv" }, NULL), GM_EINVALID);
    CHECK_STR(c.err.file, "in/d.csv");
    CHECK_HAS(c.err.message, "column \"x\" is string here and int in \"in/a.csv\"");
    CHECK_HAS(c.err.hint, "late");
    case_file(&c, "in/d.csv", "x,y,more\n1,p,1\n", 15);
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "in" }, NULL), GM_EINVALID);
    CHECK_HAS(c.err.message, "a column \"more\" that \"in/a.csv\" does not have");
    case_close(&c);
}

static void parquet_and_json_of_others_get_our_types(void)
{
    data_case c;
    char sql[1024];
    case_open(&c, 1);
    const char json[] = "{\"a\": 1, \"b\": \"x\", \"d\": \"2013-01-31\"}\n{\"a\": null, \"b\": \"y\", \"d\": \"2013-02-01\"}\n";
    case_file(&c, "t.jsonl", json, strlen(json));
    CHECK_OK(case_snapshot(&c, &(gm_source){ .from = "t.jsonl" }, NULL), &c.err);
    CHECK(case_column(&c, "a")->type == GM_TYPE_INT && gm_column_is_missing(case_column(&c, "a"), 1));
    CHECK(case_column(&c, "d")->type == GM_TYPE_TIME && case_column(&c, "d")->i64[0] == 15736ll * 86400 * 1000000);
    /* the query is how a test makes foreign types: nothing in it is read from a file */
    (void)snprintf(sql, sizeof(sql), "SELECT 7::TINYINT AS tiny, 1.25::DECIMAL(9,2) AS dec, 0.5::FLOAT AS f, DATE '2013-01-31' AS day, 9::UBIGINT AS wide, "
                                     "170141183460469231731687303715884105727::HUGEINT AS huge, TIMESTAMPTZ '2013-01-31 02:00:00+02' AS tz, NULL AS none");
    CHECK_OK(gm_data_sql(c.engine, sql, NULL, NULL, 0, case_path(&c, "types.parquet"), NULL, &c.err), &c.err);
    CHECK_OK(case_snapshot(&c, &(gm_source){ .from = "types.parquet" }, NULL), &c.err);
    CHECK(case_column(&c, "tiny")->i64[0] == 7 && case_column(&c, "dec")->f64[0] == 1.25 && case_column(&c, "f")->f64[0] == 0.5);
    CHECK(case_column(&c, "day")->i64[0] == 15736ll * 86400 * 1000000 && case_column(&c, "tz")->i64[0] == 15736ll * 86400 * 1000000);
    CHECK(case_column(&c, "wide")->type == GM_TYPE_INT && case_column(&c, "wide")->i64[0] == 9);
    CHECK_STR(gm_column_text(case_column(&c, "huge"), 0), "170141183460469231731687303715884105727");
    CHECK(case_field(&c, "none")->kind == GM_KIND_EMPTY);
    CHECK_RC(gm_data_sql(c.engine, "SELECT [1, 2] AS list", NULL, NULL, 0, case_path(&c, "l.parquet"), NULL, &c.err), GM_EUNSUPPORTED);
    CHECK_HAS(c.err.message, "column \"list\" holds lists");
    case_file(&c, "broken.parquet", "PAR1 no", 7);
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "broken.parquet" }, NULL), GM_EINVALID);
    CHECK_HAS(c.err.message, "broken.parquet");
    case_close(&c);
}

static void a_query_sees_its_inputs_and_nothing_else(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "x,g\n1,a\n2,b\n3,a\n"), &c.err);
    const char *name = "my table", *path = case_path(&c, "out.parquet");
    int64_t rows = 0;
    CHECK_OK(gm_data_sql(c.engine, "SELECT g, sum(x)::BIGINT AS total FROM \"my table\" GROUP BY g ORDER BY g -- done", &name, &path, 1, case_path(&c, "q.parquet"), &rows, &c.err), &c.err);
    CHECK(rows == 2);
    CHECK_OK(gm_data_read(c.engine, case_path(&c, "q.parquet"), NULL, 0, 0, c.arena, &c.table, &c.err), &c.err);
    CHECK(case_column(&c, "total")->i64[0] == 4);
    char sql[512];
    (void)snprintf(sql, sizeof(sql), "SELECT * FROM read_csv('%s')", case_path(&c, "t.csv"));
    CHECK_RC(gm_data_sql(c.engine, sql, &name, &path, 1, case_path(&c, "r.parquet"), NULL, &c.err), GM_EINVALID);
    CHECK(!gm_fs_exists(case_path(&c, "r.parquet")));
    CHECK_RC(gm_data_sql(c.engine, "SELECT * FROM \"my table\"); SET threads = 2; (SELECT 1", &name, &path, 1, case_path(&c, "r.parquet"), NULL, &c.err), GM_EINVALID);
    CHECK_RC(gm_data_sql(c.engine, "SELEC 1", NULL, NULL, 0, case_path(&c, "r.parquet"), NULL, &c.err), GM_EINVALID);
    CHECK_HAS(c.err.message, "could not run the query");
    CHECK_OK(case_snapshot(&c, &(gm_source){ .from = "t.csv", .query = "SELECT x * 2 AS y FROM source WHERE g = 'a'" }, &rows), &c.err);
    CHECK(rows == 2 && case_column(&c, "y")->i64[1] == 6);
    CHECK(gm_harness_files_in(c.dir, ".") == 3); /* t.csv, out.parquet, q.parquet: no scratch is left */
    case_close(&c);
}

static void sqlite_tables_are_read_by_their_values(void)
{
    data_case c;
    sqlite3 *db = NULL;
    case_open(&c, 1);
    CHECK(sqlite3_open(case_path(&c, "shop.db"), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db,
                       "CREATE TABLE \"the orders\"(id INTEGER, price REAL, day TEXT, note TEXT, flag);"
                       "INSERT INTO \"the orders\" VALUES (1, 0.1, '2013-01-31', 'a,b', 'yes'), (2, 3, '2013-02-01', NULL, 'no'), (3, NULL, NULL, 'NA', NULL)",
                       NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
    CHECK_OK(case_snapshot(&c, &(gm_source){ .from = "sqlite:shop.db?table=the orders" }, NULL), &c.err);
    CHECK(c.table.rows == 3 && case_column(&c, "id")->type == GM_TYPE_INT);
    CHECK(case_column(&c, "price")->f64[0] == 0.1 && case_column(&c, "price")->f64[1] == 3 && isnan(case_column(&c, "price")->f64[2]));
    CHECK(case_column(&c, "day")->type == GM_TYPE_TIME && case_column(&c, "flag")->type == GM_TYPE_BOOL);
    CHECK_STR(gm_column_text(case_column(&c, "note"), 2), "NA");
    CHECK(gm_column_text(case_column(&c, "note"), 1) == NULL);
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "sqlite:shop.db?table=nothing" }, NULL), GM_EINVALID);
    CHECK_HAS(c.err.message, "no such table");
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "sqlite:shop.db" }, NULL), GM_EINVALID);
    CHECK_HAS(c.err.hint, "?table=");
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "sqlite:absent.db?table=x" }, NULL), GM_ENOTFOUND);
    case_close(&c);
}

static void sources_that_cannot_be_read_say_so(void)
{
    data_case c;
    case_open(&c, 1);
    const gm_pos at = { "g.yaml", 1, 7 };
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "https://example.com/x.csv", .pos = at }, NULL), GM_EUNSUPPORTED);
    CHECK_HAS(c.err.message, "cannot read \"https://\" sources");
    CHECK(c.err.line == 1 && c.err.hint[0]);
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "s3://bucket/x.csv", .pos = at }, NULL), GM_EUNSUPPORTED);
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "postgres://user:secret@127.0.0.1:1/db?table=t", .pos = at }, NULL), GM_EUNAVAILABLE);
    CHECK(!strstr(c.err.message, "secret") && !strstr(c.err.hint, "secret"));
    case_file(&c, "t.xls", "x", 1);
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "t.xls", .pos = at }, NULL), GM_EINVALID);
    CHECK_HAS(c.err.message, "does not tell the format");
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "t.xls", .format = "excel", .pos = at }, NULL), GM_EINVALID);
    case_file(&c, "t.csv.gz", "x", 1);
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "t.csv.gz", .pos = at }, NULL), GM_EUNSUPPORTED);
    case_close(&c);
}

/* Each operation that can fail, failed in turn: the old file stays (or, past the rename, the new one), no scratch is left. */
static void a_write_is_whole_or_not_at_all(void)
{
    data_case c;
    gm_digest before, after, wanted;
    CHECK_OK(case_csv(&c, "x\n1\n"), &c.err);
    gm_column more = { .name = "y", .type = GM_TYPE_INT, .rows = 1, .i64 = (const int64_t[]){ 5 } };
    gm_table t = { .rows = 1, .columns_count = 1, .columns = &more };
    CHECK_OK(gm_data_write(c.engine, &t, case_path(&c, "wanted.parquet"), &c.err), &c.err);
    digest_of(&c, "wanted.parquet", &wanted);
    digest_of(&c, "out.parquet", &before);
    for (int n = 1;; n++) {
        char fault[32];
        (void)snprintf(fault, sizeof(fault), "fail:%d", n * (n + 1) / 2); /* points are counted over the whole process */
        CHECK(setenv("GRISTMILL_FAULT", fault, 1) == 0);
        gm_rc rc = gm_data_write(c.engine, &t, case_path(&c, "out.parquet"), &c.err);
        digest_of(&c, "out.parquet", &after);
        CHECK(gm_harness_files_in(c.dir, ".") == 3);
        if (rc == GM_OK) {
            CHECK(n == 5); /* write, sync, rename, sync the folder */
            CHECK_STR(after.hex, wanted.hex);
            break;
        }
        CHECK_RC(rc, GM_EIO);
        CHECK_STR(after.hex, n < 4 ? before.hex : wanted.hex);
    }
    case_close(&c);
}

TESTS(T(snapshots_do_not_depend_on_threads), T(every_type_and_missing_value_survives), T(several_files_are_one_source),
      T(parquet_and_json_of_others_get_our_types), T(a_query_sees_its_inputs_and_nothing_else), T(sqlite_tables_are_read_by_their_values),
      T(sources_that_cannot_be_read_say_so), T(a_write_is_whole_or_not_at_all))
