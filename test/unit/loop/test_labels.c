/* test_labels.c - labels joined with a log: by value and not by spelling, the last row of a key, what is missing. */
#include <stdio.h>
#include <sys/time.h>

#include "base/fs.h"
#include "harness/harness.h"
#include "loop/labels.h"

static gm_err err;

static const char *write_labels(const char *name, const char *text)
{
    static char path[600];
    (void)snprintf(path, sizeof(path), "%s/%s", gm_harness_tmpdir(), name);
    CHECK_OK(gm_fs_write(path, text, strlen(text), &err), &err);
    return path;
}

static gm_labels_from from_of(const char *path, const char *target, const char **keys, size_t count)
{
    static const char *const classes[] = { "false", "true" };
    return (gm_labels_from){ .source = { .from = path },
                             .key = { keys, count },
                             .base_dir = "/",
                             .target = target,
                             .task = GM_TASK_BINARY,
                             .classes = classes,
                             .classes_count = 2 };
}

static gm_rc read_labels(const gm_labels_from *f, gm_arena *a, gm_labels **out)
{
    gm_engine *e = NULL;
    CHECK_OK(gm_engine_open(&(gm_engine_options){ .threads = 1 }, &e, &err), &err);
    gm_rc rc = gm_labels_read(e, f, gm_harness_tmpdir(), a, out, &err);
    gm_engine_close(e);
    return rc;
}

/* A column of texts as the log has keys; NULL is missing. */
static gm_column texts(const char *name, const char *const *values, int64_t rows, gm_arena *a)
{
    gm_dict_builder *b = gm_dict_builder_new(a);
    int32_t *codes = GM_ARENA_ARRAY(a, int32_t, rows);
    for (int64_t i = 0; i < rows; i++)
        codes[i] = values[i] ? gm_dict_builder_code(b, values[i], strlen(values[i])) : GM_MISSING_CODE;
    return (gm_column){ .name = name, .type = GM_TYPE_STRING, .rows = rows, .code = codes, .dict = gm_dict_builder_finish(b) };
}

static void keys_are_values_and_not_spellings(void)
{
    static const char *keys[] = { "carrier", "flight", "time_hour" };
    static const char *const names[] = { "carrier", "flight", "time_hour" };
    static const char *const carriers[] = { "UA", "UA", "AA", "UA", "UA", NULL, "B6" };
    static const char *const flights[] = { "1545", "1545", "7", "01545", "1545.5", "1545", "9" };
    static const char *const hours[] = { "2013-01-01 05:00:00", "2013-01-01T05:00:00Z", "2013-01-01T06:00:00",
                                         "2013-01-01T05:00:00", "2013-01-01 05:00:00",  "2013-01-01 05:00:00",
                                         "2013-01-01 05:00:00" };
    gm_arena *a = gm_harness_arena();
    gm_labels *l = NULL;
    double truth[7];
    int64_t keyed = 0;
    gm_labels_from f = from_of(
        write_labels("l.csv",
                     "carrier,flight,time_hour,arr_delay,note\nUA,1545,2013-01-01 05:00:00,11,x\nAA,7,2013-01-01 06:00:00,40,y\n"
                     "B6,9,2013-01-01 05:00:00,,z\n"),
        "arr_delay > 15", keys, 3);
    CHECK_OK(read_labels(&f, a, &l), &err);
    CHECK(gm_labels_rows(l) == 3);
    gm_column columns[] = { texts("carrier", carriers, 7, a), texts("flight", flights, 7, a), texts("time_hour", hours, 7, a) };
    gm_table t = { 7, 3, columns };
    CHECK_OK(gm_labels_join(l, &t, names, a, truth, &keyed, &err), &err);
    CHECK(truth[0] == 0);
    CHECK(truth[1] == 0);
    CHECK(truth[2] == 1);
    CHECK(isnan(truth[3]));                                       /* "01545" names something, it is no number */
    CHECK(isnan(truth[4]) && isnan(truth[5]) && isnan(truth[6])); /* no whole number; no carrier; not known yet */
    CHECK(keyed == 4);
}

static void the_last_row_of_a_key_wins_unless_it_knows_nothing(void)
{
    static const char *keys[] = { "id" };
    static const char *const names[] = { "id_" };
    gm_arena *a = gm_harness_arena();
    gm_labels *l = NULL;
    double truth[3];
    int64_t keyed = 0;
    gm_labels_from f = from_of(write_labels("l.csv", "id,churned\n1,true\n1,false\n2,false\n2,\n3,true\n"), "churned", keys, 1);
    CHECK_OK(read_labels(&f, a, &l), &err);
    int64_t ids[] = { 1, 2, 3 };
    gm_column column = { .name = "id_", .type = GM_TYPE_INT, .rows = 3, .i64 = ids };
    gm_table t = { 3, 1, &column };
    CHECK_OK(gm_labels_join(l, &t, names, a, truth, &keyed, &err), &err);
    CHECK(truth[0] == 0 && truth[1] == 0 && truth[2] == 1 && keyed == 3);
    double floats[] = { 1.0, 2.5, NAN };
    gm_column decimals = { .name = "id_", .type = GM_TYPE_FLOAT, .rows = 3, .f64 = floats };
    t.columns = &decimals;
    CHECK_OK(gm_labels_join(l, &t, names, a, truth, &keyed, &err), &err);
    CHECK(truth[0] == 0 && isnan(truth[1]) && isnan(truth[2]) && keyed == 1);
}

static void many_keys_all_find_their_labels(void)
{
    static const char *keys[] = { "id" };
    static const char *const names[] = { "id" };
    enum { N = 20000 };
    gm_arena *a = gm_harness_arena();
    gm_labels *l = NULL;
    gm_buf b = { 0 };
    int64_t keyed = 0, *ids = GM_ARENA_ARRAY(a, int64_t, N);
    double *truth = GM_ARENA_ARRAY(a, double, N);
    gm_buf_text(&b, "id,y\n");
    for (int i = 0; i < N; i++) gm_buf_printf(&b, "%d,%s\n", i * 7, i % 3 ? "false" : "true");
    gm_labels_from f = from_of(write_labels("l.csv", gm_buf_str(&b)), "y", keys, 1);
    gm_buf_clear(&b);
    CHECK_OK(read_labels(&f, a, &l), &err);
    for (int i = 0; i < N; i++) ids[i] = (N - 1 - i) * 7 + (i % 2); /* every second one is nobody's */
    gm_column column = { .name = "id", .type = GM_TYPE_INT, .rows = N, .i64 = ids };
    gm_table t = { N, 1, &column };
    CHECK_OK(gm_labels_join(l, &t, names, a, truth, &keyed, &err), &err);
    for (int i = 0; i < N; i++) {
        if (i % 2)
            CHECK(isnan(truth[i]));
        else
            CHECK(truth[i] == ((N - 1 - i) % 3 == 0));
    }
}

static void mistakes_are_told(void)
{
    static const char *keys[] = { "customer" };
    gm_arena *a = gm_harness_arena();
    gm_labels *l = NULL;
    const char *path = write_labels("l.csv", "custmer,churned\n1,true\n2,false\n");
    gm_labels_from f = from_of(path, "churned", keys, 1);
    f.source.pos = (gm_pos){ "gristmill.yaml", 9, 5 };
    CHECK_RC(read_labels(&f, a, &l), GM_EINVALID);
    CHECK_HAS(err.message, "no column \"customer\"");
    CHECK_HAS(err.hint, "custmer");
    CHECK(err.line == 9);
    keys[0] = "custmer";
    f.target = "chrned";
    CHECK_RC(read_labels(&f, a, &l), GM_EINVALID);
    CHECK_HAS(err.message, "chrned");
    f = from_of("/nowhere/labels-*.csv", "churned", keys, 1);
    CHECK_RC(read_labels(&f, a, &l), GM_ENOTFOUND);
    CHECK(gm_labels_look_at(&f).stamp == 0);
}

static void a_changed_source_is_seen(void)
{
    static const char *keys[] = { "id" };
    const char *path = write_labels("l.csv", "id,y\n1,true\n");
    gm_labels_from f = from_of(path, "y", keys, 1);
    gm_labels_look first = gm_labels_look_at(&f);
    CHECK(first.stamp && first.changed_us > 0 && first.stamp == gm_labels_look_at(&f).stamp);
    (void)write_labels("l.csv", "id,y\n1,true\n2,false\n");
    gm_labels_look second = gm_labels_look_at(&f);
    CHECK(second.stamp != first.stamp && second.changed_us >= first.changed_us);
    /* A file put there with an old time of its own is new here. */
    const struct timeval old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
    CHECK(utimes(path, old) == 0);
    CHECK(gm_labels_look_at(&f).changed_us >= second.changed_us);
}

TESTS(T(keys_are_values_and_not_spellings), T(the_last_row_of_a_key_wins_unless_it_knows_nothing),
      T(many_keys_all_find_their_labels), T(mistakes_are_told), T(a_changed_source_is_seen))
