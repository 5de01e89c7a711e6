/* test_csv.c - what people write into CSV files, and what is refused with which place. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/data/data_case.h"

static void a_plain_file_has_its_types(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "i,f,s,t\n1,1.5,a,2013-01-31\n2,2,b,2013-02-01\n"), &c.err);
    CHECK(c.table.rows == 2 && c.table.columns_count == 4);
    CHECK(case_column(&c, "i")->type == GM_TYPE_INT && case_column(&c, "i")->i64[1] == 2);
    CHECK(case_column(&c, "f")->type == GM_TYPE_FLOAT && case_column(&c, "f")->f64[0] == 1.5);
    CHECK_STR(gm_column_text(case_column(&c, "s"), 1), "b");
    CHECK(case_column(&c, "t")->type == GM_TYPE_TIME && case_column(&c, "t")->i64[0] == 15736ll * 86400 * 1000000);
    case_close(&c);
}

static void mark_crlf_and_odd_names_are_read(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "\xEF\xBB\xBF\"Customer Status\",\"say \"\"hi\"\"\",a;b\r\nnew,\"x,\r\ny\",1\r\n\r\nold,z,2\r\n"), &c.err);
    CHECK(c.table.rows == 2);
    CHECK_STR(c.table.columns[0].name, "Customer Status");
    CHECK_STR(c.table.columns[1].name, "say \"hi\"");
    CHECK_STR(c.table.columns[2].name, "a;b");
    CHECK_STR(gm_column_text(&c.table.columns[1], 0), "x,\r\ny");
    CHECK(c.table.columns[2].i64[1] == 2);
    case_close(&c);
}

static void other_separators_are_found_in_the_header(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "a;b;c, d\n1;2;x,y\n"), &c.err);
    CHECK(c.table.columns_count == 3);
    CHECK_STR(gm_column_text(case_column(&c, "c, d"), 0), "x,y");
    case_close(&c);
    CHECK_OK(case_csv(&c, "a\tb\n1\t2\n"), &c.err);
    CHECK(case_column(&c, "b")->i64[0] == 2);
    case_close(&c);
}

static void two_columns_of_one_name_are_refused(void)
{
    data_case c;
    CHECK_RC(case_csv(&c, "a,b,a\n1,2,3\n"), GM_EINVALID);
    CHECK_STR(c.err.file, "t.csv");
    CHECK(c.err.line == 1);
    CHECK_HAS(c.err.message, "column 3 has the same name as column 1, \"a\"");
    CHECK(!gm_fs_exists(case_path(&c, "out.parquet")));
    case_close(&c);
}

static void thousands_are_numbers_and_decimal_commas_are_not_guessed(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "comma,blank,mixed,decimal\n\"1,234,567\",1 234,\"1,234.5\",\"3,14\"\n12,-12 345,NA,\"2,5\"\n"), &c.err);
    CHECK(case_column(&c, "comma")->type == GM_TYPE_INT && case_column(&c, "comma")->i64[0] == 1234567 && case_column(&c, "comma")->i64[1] == 12);
    CHECK(case_column(&c, "blank")->i64[0] == 1234 && case_column(&c, "blank")->i64[1] == -12345);
    CHECK(case_column(&c, "mixed")->type == GM_TYPE_FLOAT && case_column(&c, "mixed")->f64[0] == 1234.5 && isnan(case_column(&c, "mixed")->f64[1]));
    CHECK_STR(case_field(&c, "comma")->format, "thousands separators");
    CHECK(case_column(&c, "decimal")->type == GM_TYPE_STRING);
    CHECK_HAS(case_field(&c, "decimal")->reason, "decimal comma, which is not guessed; first \"3,14\" in row 1");
    case_close(&c);
}

static void dates_in_several_forms(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "iso,dmy,mdy,named,zone,either,dots\n"
                          "2013-01-31,31/01/2013,01/31/2013,31 Jan 2013,2013-01-31T10:00:00+02:00,01/02/2013,31.01.2013\n"
                          "2013-02-01,01/02/2013,02/01/2013,1 February 2013,2013-02-01T00:00:00Z,02/03/2013,01.02.2013\n"),
             &c.err);
    const int64_t day = 86400ll * 1000000, jan31 = 15736 * day, feb1 = 15737 * day;
    const char *const names[] = { "iso", "dmy", "mdy", "named", "dots" };
    for (size_t k = 0; k < 5; k++) {
        CHECK(case_column(&c, names[k])->type == GM_TYPE_TIME);
        CHECK(case_column(&c, names[k])->i64[0] == jan31 && case_column(&c, names[k])->i64[1] == feb1);
        CHECK(case_field(&c, names[k])->kind == GM_KIND_TIME);
    }
    CHECK(case_column(&c, "zone")->i64[0] == jan31 + 8 * day / 24 && case_column(&c, "zone")->i64[1] == feb1);
    CHECK(case_column(&c, "either")->type == GM_TYPE_STRING);
    CHECK_HAS(case_field(&c, "either")->reason, "the day and the month of every date could be swapped, as in \"01/02/2013\"");
    CHECK_STR(case_field(&c, "dmy")->format, "%d/%m/%Y");
    CHECK_STR(case_field(&c, "mdy")->format, "%m/%d/%Y");
    case_close(&c);
    CHECK_OK(case_csv(&c, "t\n31/01/2013\n01/31/2013\n"), &c.err); /* both ways: neither */
    CHECK(case_column(&c, "t")->type == GM_TYPE_STRING);
    case_close(&c);
    CHECK_OK(case_csv(&c, "t\n2013-02-30\n2013-01-01\n"), &c.err); /* no such day */
    CHECK(case_column(&c, "t")->type == GM_TYPE_STRING);
    case_close(&c);
}

static void booleans_are_words_and_zero_one_stays_a_number(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "a,b,c\ntrue,Yes,0\nFALSE,no,1\nNA,,1\n"), &c.err);
    CHECK(case_column(&c, "a")->type == GM_TYPE_BOOL && case_column(&c, "a")->i64[0] == 1 && case_column(&c, "a")->i64[1] == 0);
    CHECK(case_column(&c, "a")->i64[2] == GM_MISSING_INT);
    CHECK(case_column(&c, "b")->type == GM_TYPE_BOOL && case_column(&c, "b")->i64[0] == 1);
    CHECK(case_column(&c, "c")->type == GM_TYPE_INT);
    CHECK(case_field(&c, "a")->kind == GM_KIND_BOOL);
    case_close(&c);
}

static void missing_markers_hold_in_typed_columns(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "x,w\n1,a\n,b\nNA,c\nN/A,d\nnull,e\nNaN,f\nNone,g\n?,h\n  ,i\n2.5,j\n"), &c.err);
    const gm_column *x = case_column(&c, "x");
    CHECK(x->type == GM_TYPE_FLOAT && x->f64[0] == 1 && x->f64[9] == 2.5);
    for (int64_t i = 1; i < 9; i++) CHECK(isnan(x->f64[i]));
    CHECK(case_field(&c, "x")->missing == 8);
    case_close(&c);
}

/* "NA" is Namibia where no number is missing as NA, and missing where one is; in quotes it is always a text. */
static void a_marker_in_text_needs_evidence(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "country,n\nNA,1\nDE,2\n,3\n"), &c.err);
    CHECK_STR(gm_column_text(case_column(&c, "country"), 0), "NA");
    CHECK(gm_column_text(case_column(&c, "country"), 2) == NULL);
    case_close(&c);
    CHECK_OK(case_csv(&c, "tail,n\nNA,1\nN14228,NA\n\"NA\",3\n?,4\n"), &c.err);
    CHECK(gm_column_text(case_column(&c, "tail"), 0) == NULL);
    CHECK_STR(gm_column_text(case_column(&c, "tail"), 2), "NA");
    CHECK_STR(gm_column_text(case_column(&c, "tail"), 3), "?");
    case_close(&c);
}

static void large_integers_lose_nothing(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "a,b,zip\n9007199254740993,9223372036854775808,00501\n-9223372036854775807,1,10115\n"), &c.err);
    CHECK(case_column(&c, "a")->type == GM_TYPE_INT && case_column(&c, "a")->i64[0] == 9007199254740993 && case_column(&c, "a")->i64[1] == -INT64_MAX);
    CHECK_STR(gm_column_text(case_column(&c, "b"), 0), "9223372036854775808");
    CHECK_HAS(case_field(&c, "b")->reason, "1 of 2 values are integers beyond 64 bits, first \"9223372036854775808\" in row 1");
    CHECK_STR(gm_column_text(case_column(&c, "zip"), 0), "00501");
    CHECK_HAS(case_field(&c, "zip")->reason, "leading zeros");
    case_close(&c);
}

static void one_text_among_numbers_makes_the_column_text_with_a_reason(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "x\n1\n2\n3\nabout 4\n5\n"), &c.err);
    CHECK(case_column(&c, "x")->type == GM_TYPE_STRING);
    CHECK_HAS(case_field(&c, "x")->reason, "mixed, 4 of 5 values are integers; the first other is \"about 4\" in row 4");
    case_close(&c);
}

static void a_ragged_row_is_refused_with_its_line(void)
{
    data_case c;
    CHECK_RC(case_csv(&c, "a,b,c\n1,2,3\n\"x\ny\",2,3\n4,5\n"), GM_EINVALID);
    CHECK_STR(c.err.file, "t.csv");
    CHECK(c.err.line == 5); /* the quoted line end counts */
    CHECK_HAS(c.err.message, "the row has 2 fields, the header has 3");
    CHECK(gm_harness_files_in(c.dir, ".") == 1); /* nothing half-written */
    case_close(&c);
    CHECK_RC(case_csv(&c, "a,b\n1,2,3\n"), GM_EINVALID);
    CHECK(c.err.line == 2);
    CHECK_HAS(c.err.message, "the row has 3 fields, the header has 2");
    case_close(&c);
}

static void bytes_that_are_not_utf8_are_refused_with_their_place(void)
{
    data_case c;
    CHECK_RC(case_csv(&c, "name,n\nAnna,1\nJos\xE9,2\n"), GM_EINVALID); /* latin-1 */
    CHECK(c.err.line == 3);
    CHECK_HAS(c.err.message, "byte 4 of the line (0xe9) is not UTF-8");
    CHECK_HAS(c.err.hint, "latin1");
    case_close(&c);
    CHECK_RC(case_csv_bytes(&c, "a,b\n1,\0\n", 8), GM_EINVALID);
    CHECK_HAS(c.err.message, "0x00");
    case_close(&c);
    CHECK_RC(case_csv_bytes(&c, "\xFF\xFE" "a\0\n\0", 6), GM_EINVALID);
    CHECK_HAS(c.err.message, "UTF-16");
    case_close(&c);
    CHECK_OK(case_csv(&c, "name\nJos\xC3\xA9\n\xF0\x9F\x9A\x80\n"), &c.err);
    CHECK_STR(gm_column_text(case_column(&c, "name"), 1), "\xF0\x9F\x9A\x80");
    case_close(&c);
}

static void broken_quotes_are_refused(void)
{
    data_case c;
    CHECK_RC(case_csv(&c, "a,b\n1,2\n3,\"open\n4,5\n"), GM_EINVALID);
    CHECK(c.err.line == 3);
    CHECK_HAS(c.err.message, "never closed");
    case_close(&c);
    CHECK_RC(case_csv(&c, "a,b\n\"x\"y,2\n"), GM_EINVALID);
    CHECK(c.err.line == 2);
    CHECK_HAS(c.err.message, "text after the closing quote of field 1");
    case_close(&c);
}

static void empty_missing_and_unreadable_files(void)
{
    data_case c;
    CHECK_RC(case_csv(&c, ""), GM_EINVALID);
    CHECK_STR(c.err.file, "t.csv");
    CHECK_HAS(c.err.message, "the file is empty");
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "absent.csv", .pos = { "gristmill.yaml", 1, 7 } }, NULL), GM_ENOTFOUND);
    CHECK_HAS(c.err.message, "no file \"absent.csv\"");
    CHECK_STR(c.err.file, "gristmill.yaml");
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "*.parquet" }, NULL), GM_ENOTFOUND);
    if (geteuid() != 0) {
        case_file(&c, "secret.csv", "a\n1\n", 4);
        CHECK(chmod(case_path(&c, "secret.csv"), 0) == 0);
        CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "secret.csv" }, NULL), GM_EIO);
        CHECK_HAS(c.err.message, "ermission denied");
    }
    CHECK(mkdir(case_path(&c, "d.csv"), 0700) == 0); /* a folder that ends in .csv, empty */
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = "d.csv" }, NULL), GM_ENOTFOUND);
    case_close(&c);
}

static void a_header_alone_is_a_table_of_no_rows(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "a,b"), &c.err);
    CHECK(c.table.rows == 0 && c.table.columns_count == 2);
    CHECK(case_field(&c, "a")->kind == GM_KIND_EMPTY);
    case_close(&c);
}

static void kinds_of_hard_columns(void)
{
    data_case c;
    gm_buf text = { 0 };
    gm_buf_text(&text, "empty,many,sparse,same,user_id,amount,word,score\n");
    for (int i = 0; i < 3000; i++) {
        gm_buf_printf(&text, ",c%d,", i % 1000);
        if (i % 10 == 0) gm_buf_printf(&text, "%d", i % 7);
        gm_buf_printf(&text, ",7,%d,%d,w%d x,%d.%03d\n", 700000 - i, (i * 7919) % 3001 * 37, i, i % 97, i);
    }
    CHECK_OK(case_csv_bytes(&c, text.data, text.len), &c.err);
    CHECK(case_field(&c, "empty")->kind == GM_KIND_EMPTY && case_field(&c, "empty")->missing == 3000);
    CHECK(case_field(&c, "many")->kind == GM_KIND_CATEGORY && case_field(&c, "many")->distinct == 1000);
    CHECK(case_field(&c, "sparse")->kind == GM_KIND_NUMBER && case_field(&c, "sparse")->missing == 2700);
    CHECK(case_field(&c, "same")->kind == GM_KIND_CONSTANT);
    CHECK(case_field(&c, "user_id")->kind == GM_KIND_ID);
    CHECK_HAS(case_field(&c, "user_id")->reason, "3,000 distinct of 3,000 rows");
    CHECK(case_field(&c, "amount")->kind == GM_KIND_ID); /* whole, and none twice in 3,000 */
    CHECK(case_field(&c, "word")->kind == GM_KIND_TEXT); /* unique, but with spaces */
    CHECK(case_field(&c, "score")->kind == GM_KIND_NUMBER);
    gm_buf_clear(&text);
    case_close(&c);
}

/* Unique whole numbers in a small table are an id only by name or shape. */
static void an_id_in_a_small_table_needs_more_than_uniqueness(void)
{
    data_case c;
    gm_buf text = { 0 };
    gm_buf_text(&text, "n,price,order_id\n");
    for (int i = 0; i < 50; i++) gm_buf_printf(&text, "%d,%d,%d\n", i + 1, (i * 17 % 50) * 613 + 40000, (i * 17 % 50) * 613 + 40000);
    CHECK_OK(case_csv_bytes(&c, text.data, text.len), &c.err);
    CHECK(case_field(&c, "n")->kind == GM_KIND_ID);
    CHECK(case_field(&c, "price")->kind == GM_KIND_NUMBER);
    CHECK(case_field(&c, "order_id")->kind == GM_KIND_ID);
    gm_buf_clear(&text);
    case_close(&c);
}

/* A window's end falls everywhere: inside fields, quotes and line ends. */
static void long_files_are_read_across_windows(void)
{
    data_case c;
    gm_buf text = { 0 };
    gm_buf_text(&text, "i,s\r\n");
    for (int i = 0; i < 60000; i++) gm_buf_printf(&text, i % 3 ? "%d,text %d\r\n" : "%d,\"te\"\"xt,\r\n%d\"\r\n", i, i);
    CHECK_OK(case_csv_bytes(&c, text.data, text.len), &c.err);
    CHECK(c.table.rows == 60000);
    for (int i = 0; i < 60000; i++) {
        char want[32];
        (void)snprintf(want, sizeof(want), i % 3 ? "text %d" : "te\"xt,\r\n%d", i);
        CHECK(case_column(&c, "i")->i64[i] == i);
        CHECK_STR(gm_column_text(case_column(&c, "s"), i), want);
    }
    gm_buf_clear(&text);
    case_close(&c);
}

TESTS(T(a_plain_file_has_its_types), T(mark_crlf_and_odd_names_are_read), T(other_separators_are_found_in_the_header),
      T(two_columns_of_one_name_are_refused), T(thousands_are_numbers_and_decimal_commas_are_not_guessed), T(dates_in_several_forms),
      T(booleans_are_words_and_zero_one_stays_a_number), T(missing_markers_hold_in_typed_columns), T(a_marker_in_text_needs_evidence),
      T(large_integers_lose_nothing), T(one_text_among_numbers_makes_the_column_text_with_a_reason), T(a_ragged_row_is_refused_with_its_line),
      T(bytes_that_are_not_utf8_are_refused_with_their_place), T(broken_quotes_are_refused), T(empty_missing_and_unreadable_files),
      T(a_header_alone_is_a_table_of_no_rows), T(kinds_of_hard_columns), T(an_id_in_a_small_table_needs_more_than_uniqueness),
      T(long_files_are_read_across_windows))
