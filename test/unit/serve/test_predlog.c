/* test_predlog.c - the prediction log: what was acknowledged is in it, whatever happens. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "serve/predlog_format.h"
#include "serve/predlog_internal.h"
#include "unit/serve/schema_case.h"

static gm_served served_case(gm_arena *a, gm_task task, const char *version)
{
    gm_served s = { .model = "flights", .version = version, .loaded_us = 1, .schema = schema_case(a, task) };
    gm_digest_of(version, strlen(version), &s.digest);
    return s;
}

static void fill(gm_rows *rows, const gm_served_schema *s, int64_t n, int64_t seed)
{
    gm_err err;
    CHECK_OK(gm_rows_begin(rows, s, n, &err), &err);
    for (int64_t i = 0; i < n; i++) {
        CHECK_OK(gm_rows_set_int(rows, DISTANCE, i, 100 + seed + i, &err), &err);
        CHECK_OK(gm_rows_set_double(rows, TEMP, i, 1.5, &err), &err);
        if (i % 3 != 1) CHECK_OK(gm_rows_set_text(rows, CARRIER, i, i % 2 ? "AA" : "UA", 2, &err), &err);
        CHECK_OK(gm_rows_set_bool(rows, LATE, i, i % 2, &err), &err);
        CHECK_OK(gm_rows_set_int(rows, AT, i, 1700000000000000 + i, &err), &err);
        CHECK_OK(gm_rows_set_int(rows, FLIGHT, i, 42, &err), &err);
    }
    CHECK_OK(gm_rows_finish(rows, false, &err), &err);
}

static gm_slice slice(const char *text) { return (gm_slice){ text, strlen(text) }; }

static gm_rc add(gm_predlog *l, const gm_served *s, const char *id, int64_t n, int64_t seed, gm_err *err)
{
    double values[4096];
    gm_rows rows;
    gm_rows_init(&rows);
    fill(&rows, &s->schema, n, seed);
    gm_assert(n * s->schema.outputs <= 4096);
    for (int64_t i = 0; i < n * s->schema.outputs; i++) values[i] = 1.0 / (double)(i + 2 + seed);
    gm_logged e = { .id = slice(id), .served = s, .protocol = "oip", .arm = "champion", .time_us = 1764000000000000 + seed, .latency_us = 7, .rows = &rows, .values = values };
    gm_rc rc = gm_predlog_add(l, 0, &e, err);
    gm_rows_clear(&rows);
    return rc;
}

static gm_predlog *open_log(const char *dir, gm_predlog_mode mode)
{
    gm_err err;
    gm_predlog *l = NULL;
    CHECK_OK(gm_predlog_open(&(gm_predlog_options){ .dir = dir, .mode = mode, .share = 1, .lanes = 2 }, &l, &err), &err);
    return l;
}

static gm_table read_log(const char *dir, gm_arena *a)
{
    gm_err err;
    gm_table t;
    CHECK_OK(gm_predlog_read(dir, NULL, 0, 0, a, &t, &err), &err);
    return t;
}

static int64_t count_id(const gm_table *t, const char *id)
{
    int64_t n = 0;
    const gm_column *c = gm_table_find(t, "id");
    for (int64_t i = 0; c && i < t->rows; i++) n += strcmp(gm_column_text(c, i), id) == 0;
    return n;
}

static void only_segment(const char *dir, char *path, size_t size)
{
    gm_err err;
    gm_predlog_file *files = NULL;
    size_t count = 0;
    CHECK_OK(gm_predlog_segments(dir, gm_harness_arena(), &files, &count, &err), &err);
    CHECK(count == 1);
    (void)snprintf(path, size, "%s", files[0].path);
}

/* ---- format --------------------------------------------------------------------------------------------------------------- */

static void checksum(void)
{
    unsigned char bytes[48];
    memset(bytes, 0, 32);
    CHECK(gm_crc32c(bytes, 32) == 0x8a9136aa);
    memset(bytes, 0xff, 32);
    CHECK(gm_crc32c(bytes, 32) == 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++) bytes[i] = (unsigned char)i;
    CHECK(gm_crc32c(bytes, 32) == 0x46dd794e);
    for (unsigned i = 0; i < 32; i++) bytes[i] = (unsigned char)(31 - i);
    CHECK(gm_crc32c(bytes, 32) == 0x113fdb5c);
    CHECK(gm_crc32c("123456789", 9) == 0xe3069283);
}

static void comes_back(void)
{
    gm_arena *a = gm_harness_arena();
    const char *dir = gm_harness_tmpdir();
    gm_err err;
    char path[600];
    gm_served s = served_case(a, GM_TASK_BINARY, "3");
    (void)snprintf(path, sizeof(path), "%s/log", dir);
    gm_predlog *l = open_log(path, GM_PREDLOG_FULL);
    CHECK_OK(add(l, &s, "one", 3, 0, &err), &err);
    CHECK_OK(add(l, &s, "two", 1, 5, &err), &err);
    gm_table t = read_log(path, a);
    CHECK(t.rows == 4);
    CHECK_STR(gm_column_text(gm_table_find(&t, "id"), 2), "one");
    CHECK_STR(gm_column_text(gm_table_find(&t, "version"), 3), "3");
    CHECK_STR(gm_column_text(gm_table_find(&t, "package"), 0), s.digest.hex);
    CHECK(gm_table_find(&t, "row")->i64[2] == 2 && gm_table_find(&t, "row")->i64[3] == 0);
    CHECK(gm_table_find(&t, "distance")->type == GM_TYPE_INT && gm_table_find(&t, "distance")->i64[3] == 105);
    CHECK(gm_column_text(gm_table_find(&t, "carrier"), 1) == NULL);
    CHECK_STR(gm_column_text(gm_table_find(&t, "carrier"), 2), "UA");
    CHECK(gm_table_find(&t, "late")->type == GM_TYPE_BOOL && gm_table_find(&t, "late")->i64[1] == 1);
    CHECK(gm_table_find(&t, "at")->type == GM_TYPE_TIME && gm_table_find(&t, "at")->i64[2] == 1700000000000002);
    CHECK_STR(gm_column_text(gm_table_find(&t, "flight"), 0), "42");
    CHECK(!gm_table_find(&t, "temp")); /* personal */
    CHECK(gm_table_find(&t, "probability")->f64[1] == 1.0 / 3);
    CHECK_STR(gm_column_text(gm_table_find(&t, "label"), 0), "true");
    CHECK_STR(gm_column_text(gm_table_find(&t, "label"), 1), "false");
    int64_t rows = 0, lost = 0, bytes = 0;
    gm_predlog_counts(l, &rows, &lost, &bytes);
    CHECK(rows == 4 && lost == 0 && bytes > 0);
    gm_predlog_close(l);
    t = read_log(path, a);
    CHECK(t.rows == 4);
}

static void names_of_its_own(void)
{
    gm_arena *a = gm_harness_arena();
    CHECK_STR(gm_predlog_column("distance", a), "distance");
    CHECK_STR(gm_predlog_column("id", a), "id_");
    CHECK_STR(gm_predlog_column("Time", a), "Time_");
}

static void multiclass_and_regression(void)
{
    gm_arena *a = gm_harness_arena();
    char path[600];
    gm_err err;
    gm_served m = served_case(a, GM_TASK_MULTICLASS, "1"), r = served_case(a, GM_TASK_REGRESSION, "2");
    (void)snprintf(path, sizeof(path), "%s/log", gm_harness_tmpdir());
    gm_predlog *l = open_log(path, GM_PREDLOG_SAMPLED);
    CHECK_OK(add(l, &m, "m", 2, 0, &err), &err);
    CHECK_OK(add(l, &r, "r", 1, 1, &err), &err);
    CHECK(read_log(path, a).rows == 0); /* still in the buffer */
    gm_predlog_tick(l, 0);
    gm_table t = read_log(path, a);
    CHECK(t.rows == 3);
    CHECK_STR(gm_column_text(gm_table_find(&t, "label"), 0), "false");
    CHECK(gm_table_find(&t, "probability_may\"be")->f64[0] == 1.0 / 4);
    CHECK(gm_table_find(&t, "probability_true")->f64[1] == 1.0 / 6);
    CHECK(isnan(gm_table_find(&t, "prediction")->f64[0]) && gm_table_find(&t, "prediction")->f64[2] == 1.0 / 3);
    CHECK(gm_column_is_missing(gm_table_find(&t, "label"), 2));
    gm_predlog_close(l);
}

static void decimals_in_a_column_of_whole_numbers(void)
{
    gm_arena *a = gm_harness_arena();
    char path[600];
    gm_err err;
    double value = 0.25;
    gm_served s = served_case(a, GM_TASK_BINARY, "3");
    gm_rows rows;
    (void)snprintf(path, sizeof(path), "%s/log", gm_harness_tmpdir());
    gm_predlog *l = open_log(path, GM_PREDLOG_FULL);
    CHECK_OK(add(l, &s, "whole", 1, 0, &err), &err);
    gm_rows_init(&rows);
    fill(&rows, &s.schema, 1, 0);
    CHECK_OK(gm_rows_begin(&rows, &s.schema, 1, &err), &err);
    CHECK_OK(gm_rows_set_double(&rows, DISTANCE, 0, 3.5, &err), &err);
    CHECK_OK(gm_rows_set_text(&rows, CARRIER, 0, "UA", 2, &err), &err);
    CHECK_OK(gm_rows_finish(&rows, false, &err), &err);
    gm_logged e = { .id = slice("half"), .served = &s, .protocol = "oip", .arm = "named", .time_us = 1, .rows = &rows, .values = &value };
    CHECK_OK(gm_predlog_add(l, 1, &e, &err), &err);
    gm_rows_clear(&rows);
    gm_table t = read_log(path, a);
    CHECK(t.rows == 2 && gm_table_find(&t, "distance")->type == GM_TYPE_FLOAT);
    CHECK(gm_table_find(&t, "distance")->f64[0] == 3.5 && gm_table_find(&t, "distance")->f64[1] == 100);
    gm_predlog_close(l);
}

static void large_requests_in_parts(void)
{
    gm_arena *a = gm_harness_arena();
    char path[600], id[16];
    gm_err err;
    gm_predlog *l = NULL;
    gm_served s = served_case(a, GM_TASK_BINARY, "3");
    (void)snprintf(path, sizeof(path), "%s/log", gm_harness_tmpdir());
    gm_predlog_options o = { .dir = path, .mode = GM_PREDLOG_SAMPLED, .share = 1, .lanes = 1, .buffer_bytes = 2048, .segment_bytes = 5000 };
    CHECK_OK(gm_predlog_open(&o, &l, &err), &err);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(id, sizeof(id), "r%d", i);
        CHECK_OK(add(l, &s, id, 997, i, &err), &err);
        gm_predlog_tick(l, 0);
    }
    gm_predlog_close(l);
    gm_table t = read_log(path, a);
    CHECK(t.rows == 20 * 997);
    for (int64_t i = 0; i < t.rows; i++) CHECK(gm_table_find(&t, "distance")->i64[i] == 100 + i / 997 + i % 997 && gm_table_find(&t, "row")->i64[i] == i % 997);
    CHECK(gm_harness_files_in(path, "raw") > 10);
}

/* ---- damage --------------------------------------------------------------------------------------------------------------- */

static void torn_at_every_byte(void)
{
    gm_arena *a = gm_harness_arena();
    char dir[600], path[700];
    gm_err err;
    struct stat before, after;
    gm_served s = served_case(a, GM_TASK_BINARY, "3");
    (void)snprintf(dir, sizeof(dir), "%s/log", gm_harness_tmpdir());
    gm_predlog *l = open_log(dir, GM_PREDLOG_FULL);
    CHECK_OK(add(l, &s, "first", 2, 0, &err), &err);
    only_segment(dir, path, sizeof(path));
    CHECK(stat(path, &before) == 0);
    CHECK_OK(add(l, &s, "second", 2, 1, &err), &err);
    CHECK(stat(path, &after) == 0);
    gm_predlog_close(l);
    only_segment(dir, path, sizeof(path));
    for (off_t size = after.st_size - 1; size >= before.st_size; size--) {
        CHECK(truncate(path, size) == 0);
        gm_table t = read_log(dir, a);
        CHECK(t.rows == 2 && count_id(&t, "first") == 2);
    }
    for (off_t size = before.st_size - 1; size >= 0; size -= 7) {
        CHECK(truncate(path, size) == 0);
        CHECK(read_log(dir, a).rows == 0);
    }
}

static void one_record_damaged(void)
{
    gm_arena *a = gm_harness_arena();
    char dir[600], path[700], byte;
    gm_err err;
    struct stat st[2];
    gm_served s = served_case(a, GM_TASK_BINARY, "3");
    (void)snprintf(dir, sizeof(dir), "%s/log", gm_harness_tmpdir());
    gm_predlog *l = open_log(dir, GM_PREDLOG_FULL);
    CHECK_OK(add(l, &s, "first", 1, 0, &err), &err);
    only_segment(dir, path, sizeof(path));
    CHECK(stat(path, &st[0]) == 0);
    CHECK_OK(add(l, &s, "second", 1, 1, &err), &err);
    CHECK(stat(path, &st[1]) == 0);
    CHECK_OK(add(l, &s, "third", 1, 2, &err), &err);
    gm_predlog_close(l);
    only_segment(dir, path, sizeof(path));
    int fd = open(path, O_RDWR);
    for (off_t at = st[0].st_size + GM_PREDLOG_FRAME; at < st[1].st_size; at++) {
        CHECK(pread(fd, &byte, 1, at) == 1);
        char flipped = (char)(byte ^ 16);
        CHECK(pwrite(fd, &flipped, 1, at) == 1);
        gm_table t = read_log(dir, a);
        CHECK(t.rows == 2 && count_id(&t, "first") == 1 && count_id(&t, "third") == 1);
        CHECK(pwrite(fd, &byte, 1, at) == 1);
    }
    CHECK(read_log(dir, a).rows == 3);
    (void)close(fd);
}

/* ---- disks that fail ------------------------------------------------------------------------------------------------------ */

static int said;
static char last_said[512];
static void hear(void *user, const char *line)
{
    (void)user;
    said++;
    (void)snprintf(last_said, sizeof(last_said), "%s", line);
}

static gm_predlog *open_heard(const char *dir, gm_predlog_mode mode)
{
    gm_err err;
    gm_predlog *l = NULL;
    gm_predlog_options o = { .dir = dir, .mode = mode, .share = 1, .lanes = 1, .say = hear };
    CHECK_OK(gm_predlog_open(&o, &l, &err), &err);
    return l;
}

static void full_mode_refuses(void)
{
    gm_arena *a = gm_harness_arena();
    char dir[600], fault[64], id[16];
    gm_err err;
    gm_served s = served_case(a, GM_TASK_BINARY, "3");
    for (int n = 1; n <= 4; n++) {
        int64_t rows = 0, lost = 0, bytes = 0;
        bool acknowledged[6];
        said = 0;
        (void)snprintf(dir, sizeof(dir), "%s/log%d", gm_harness_tmpdir(), n);
        (void)snprintf(fault, sizeof(fault), "full:%d@predlog", 5 * (n - 1) + n); /* points are counted since the process began */
        gm_predlog *l = open_heard(dir, GM_PREDLOG_FULL);
        int refused = 0;
        for (int i = 0; i < 6; i++) {
            if (i == 1) CHECK(setenv("GRISTMILL_FAULT", fault, 1) == 0);
            (void)snprintf(id, sizeof(id), "r%d", i);
            gm_rc rc = add(l, &s, id, 1, i, &err);
            CHECK(!rc || rc == GM_EUNAVAILABLE);
            acknowledged[i] = !rc;
            refused += rc != GM_OK;
        }
        CHECK(unsetenv("GRISTMILL_FAULT") == 0);
        gm_predlog_counts(l, &rows, &lost, &bytes);
        CHECK(refused == 1 && lost == 1 && rows == 5);
        CHECK(said == 2);
        CHECK_HAS(last_said, "written again; 1 rows");
        gm_predlog_close(l);
        gm_table t = read_log(dir, a);
        CHECK(t.rows == 5);
        for (int i = 0; i < 6; i++) {
            (void)snprintf(id, sizeof(id), "r%d", i);
            CHECK(count_id(&t, id) == acknowledged[i]);
        }
    }
}

/* A file stands where the folder was: said once, not per row. A folder that is merely gone is made again. */
static void sampled_mode_goes_on(void)
{
    gm_arena *a = gm_harness_arena();
    char dir[600], raw[620];
    gm_err err;
    int64_t rows = 0, lost = 0, bytes = 0;
    gm_served s = served_case(a, GM_TASK_BINARY, "3");
    (void)snprintf(dir, sizeof(dir), "%s/log", gm_harness_tmpdir());
    (void)snprintf(raw, sizeof(raw), "%s/raw", dir);
    gm_predlog *l = open_heard(dir, GM_PREDLOG_SAMPLED);
    CHECK(rmdir(raw) == 0);
    int file = open(raw, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(file >= 0 && close(file) == 0);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(add(l, &s, "x", 2, i, &err), &err);
        gm_predlog_tick(l, 0);
    }
    gm_predlog_counts(l, &rows, &lost, &bytes);
    CHECK(rows == 0 && lost == 100 && said == 1);
    CHECK_HAS(last_said, "Not a directory");
    CHECK(unlink(raw) == 0);
    CHECK_OK(add(l, &s, "y", 2, 0, &err), &err);
    gm_predlog_close(l);
    CHECK(said == 2 && read_log(dir, a).rows == 2);
}

/* ---- being killed --------------------------------------------------------------------------------------------------------- */

/* Adds requests until it dies, and says each number that was acknowledged. */
static void child_adds(const char *dir, const gm_served *s, const char *fault, int out)
{
    gm_err err;
    gm_predlog *l = NULL;
    gm_predlog_options o = { .dir = dir, .mode = GM_PREDLOG_FULL, .lanes = 1, .segment_bytes = 2500 };
    (void)setenv("GRISTMILL_FAULT", fault, 1);
    if (gm_predlog_open(&o, &l, &err)) _exit(3);
    for (int i = 0; i < 40; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "r%d", i);
        if (add(l, s, id, 2, i, &err) == GM_OK && write(out, &i, sizeof(i)) != sizeof(i)) _exit(4);
        if (i % 4 == 0) gm_predlog_tick(l, 0);
    }
    gm_predlog_close(l);
    _exit(0);
}

static void acknowledged_rows_survive(void)
{
    gm_arena *a = gm_harness_arena();
    char dir[600], fault[64], id[16];
    gm_err err;
    int killed = 0;
    gm_served s = served_case(a, GM_TASK_BINARY, "3");
    for (int n = 1; n < 90; n += 4) {
        int pipes[2], i, status = 0, acknowledged = 0;
        (void)snprintf(dir, sizeof(dir), "%s/log%d", gm_harness_tmpdir(), n);
        (void)snprintf(fault, sizeof(fault), "kill:%d@predlog", n);
        CHECK(pipe(pipes) == 0);
        pid_t pid = fork();
        if (pid == 0) child_adds(dir, &s, fault, pipes[1]);
        (void)close(pipes[1]);
        bool seen[40] = { false };
        while (read(pipes[0], &i, sizeof(i)) == sizeof(i)) {
            seen[i] = true;
            acknowledged++;
        }
        (void)close(pipes[0]);
        CHECK(waitpid(pid, &status, 0) == pid);
        bool dead = WIFSIGNALED(status);
        CHECK(dead || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
        killed += dead;
        for (int sealed = 0; sealed < (n % 12 == 1 ? 2 : 1); sealed++) { /* DuckDB is loaded for a few of them only */
            int64_t files = 0;
            if (sealed) CHECK_OK(gm_predlog_seal(dir, 40000, 0, &files, &err), &err);
            gm_table t = read_log(dir, a);
            for (i = 0; i < 40; i++) {
                (void)snprintf(id, sizeof(id), "r%d", i);
                CHECK(!seen[i] || count_id(&t, id) == 2);
                CHECK(count_id(&t, id) == 0 || count_id(&t, id) == 2);
            }
            CHECK(t.rows >= 2 * acknowledged);
            if (sealed) CHECK(gm_harness_files_in(dir, "raw") <= 1); /* a name without a lock is kept for a minute */
        }
    }
    CHECK(killed > 11);
}

static void fill_log(const char *dir, const gm_served *s, const gm_served *other)
{
    gm_err err;
    gm_predlog *l = open_log(dir, GM_PREDLOG_FULL);
    CHECK_OK(add(l, s, "one", 3, 0, &err), &err);
    CHECK_OK(add(l, other, "two", 2, 1, &err), &err);
    gm_predlog_close(l);
    l = open_log(dir, GM_PREDLOG_FULL);
    CHECK_OK(add(l, s, "three", 1, 2, &err), &err);
    gm_predlog_close(l);
}

static void equal_tables(const gm_table *x, const gm_table *y)
{
    CHECK(x->rows == y->rows && x->columns_count == y->columns_count);
    for (size_t i = 0; i < x->columns_count; i++) {
        const gm_column *c = &x->columns[i], *d = gm_table_find(y, c->name);
        CHECK(d && c->type == d->type);
        for (int64_t row = 0; row < x->rows; row++) {
            char p[128], q[128];
            CHECK_STR(gm_column_show(c, row, p, sizeof(p)), gm_column_show(d, row, q, sizeof(q)));
            if (c->type == GM_TYPE_FLOAT) CHECK(memcmp(&c->f64[row], &d->f64[row], 8) == 0 || isnan(c->f64[row]));
        }
    }
}

static void sealed_is_the_same(void)
{
    gm_arena *a = gm_harness_arena();
    char dir[600], path[700];
    gm_err err;
    int64_t files = 0;
    gm_served s = served_case(a, GM_TASK_BINARY, "3"), other = served_case(a, GM_TASK_MULTICLASS, "4");
    (void)snprintf(dir, sizeof(dir), "%s/log", gm_harness_tmpdir());
    fill_log(dir, &s, &other);
    gm_table before = read_log(dir, a), found;
    CHECK_OK(gm_predlog_seal(dir, 40000, 0, &files, &err), &err);
    CHECK(files == 2);
    gm_table after = read_log(dir, a);
    equal_tables(&before, &after);
    (void)snprintf(path, sizeof(path), "%s/sealed/flights", dir);
    CHECK(gm_harness_files_in(path, "3") == 2 && gm_harness_files_in(path, "4") == 1);

    CHECK_OK(gm_predlog_find(dir, "one", a, &found, &err), &err);
    CHECK(found.rows == 3);
    CHECK_OK(gm_predlog_find(dir, "one/2", a, &found, &err), &err);
    CHECK(found.rows == 1 && gm_table_find(&found, "distance")->i64[0] == 102);
    CHECK_OK(gm_predlog_find(dir, "two", a, &found, &err), &err);
    CHECK(found.rows == 2);
    CHECK_RC(gm_predlog_find(dir, "nobody", a, &found, &err), GM_ENOTFOUND);
    CHECK_HAS(err.hint, "2025-11-24");
    CHECK_OK(gm_predlog_read(dir, "flights", 1764000000000001, 1764000000000002, a, &found, &err), &err);
    CHECK(found.rows == 2);
    CHECK_OK(gm_predlog_read(dir, "others", 0, 0, a, &found, &err), &err);
    CHECK(found.rows == 0);

    CHECK_OK(gm_predlog_seal(dir, 40000, 1, &files, &err), &err); /* retention: nothing fits into one byte */
    CHECK(files == 0 && read_log(dir, a).rows == 0);
}

static void sealing_killed_anywhere(void)
{
    gm_arena *a = gm_harness_arena();
    gm_err err;
    gm_served s = served_case(a, GM_TASK_BINARY, "3"), other = served_case(a, GM_TASK_REGRESSION, "4");
    int killed = 0;
    for (int n = 1; n <= 12; n++) {
        char dir[600], fault[64];
        int status = 0;
        int64_t files = 0;
        (void)snprintf(dir, sizeof(dir), "%s/log%d", gm_harness_tmpdir(), n);
        (void)snprintf(fault, sizeof(fault), "kill:%d", n);
        fill_log(dir, &s, &other);
        gm_table before = read_log(dir, a);
        pid_t pid = fork();
        if (pid == 0) {
            (void)setenv("GRISTMILL_FAULT", fault, 1);
            _exit(gm_predlog_seal(dir, 40000, 0, &files, &err) ? 1 : 0);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        killed += WIFSIGNALED(status);
        gm_table t = read_log(dir, a);
        equal_tables(&before, &t);
        CHECK_OK(gm_predlog_seal(dir, 40000, 0, &files, &err), &err);
        t = read_log(dir, a);
        equal_tables(&before, &t);
        CHECK(gm_harness_files_in(dir, "raw") == 0);
    }
    CHECK(killed >= 10);
}

static void a_living_server_keeps_its_segment(void)
{
    gm_arena *a = gm_harness_arena();
    char dir[600];
    gm_err err;
    int64_t files = 0;
    gm_served s = served_case(a, GM_TASK_BINARY, "3");
    (void)snprintf(dir, sizeof(dir), "%s/log", gm_harness_tmpdir());
    gm_predlog *l = open_log(dir, GM_PREDLOG_FULL);
    CHECK_OK(add(l, &s, "one", 1, 0, &err), &err);
    CHECK_OK(gm_predlog_seal(dir, 0, 0, &files, &err), &err);
    CHECK(files == 0);
    CHECK_OK(add(l, &s, "two", 1, 0, &err), &err);
    CHECK(read_log(dir, a).rows == 2);
    gm_predlog_close(l);
}

/* ---- sampling ------------------------------------------------------------------------------------------------------------- */

static void sample_of_the_share(void)
{
    gm_err err;
    gm_predlog *l = NULL, *twin = NULL;
    char dir[600], id[40];
    int64_t wanted = 0;
    (void)snprintf(dir, sizeof(dir), "%s/log", gm_harness_tmpdir());
    gm_predlog_options o = { .dir = dir, .mode = GM_PREDLOG_SAMPLED, .share = 0.01, .lanes = 1 };
    CHECK_OK(gm_predlog_open(&o, &l, &err), &err);
    o.lanes = 3;
    CHECK_OK(gm_predlog_open(&o, &twin, &err), &err);
    for (int i = 0; i < 200000; i++) {
        (void)snprintf(id, sizeof(id), "request-%d", i);
        wanted += gm_predlog_wants(l, slice(id));
        CHECK(gm_predlog_wants(l, slice(id)) == gm_predlog_wants(twin, slice(id)));
    }
    CHECK_NEAR((double)wanted, 2000, 4 * 45); /* four standard deviations */
    gm_predlog_close(l);
    gm_predlog_close(twin);
    o.share = 2;
    CHECK_RC(gm_predlog_open(&o, &l, &err), GM_EINVALID);
}

TESTS(T(checksum), T(comes_back), T(names_of_its_own), T(multiclass_and_regression), T(decimals_in_a_column_of_whole_numbers), T(large_requests_in_parts),
      T(torn_at_every_byte), T(one_record_damaged), T(full_mode_refuses), T(sampled_mode_goes_on), T(acknowledged_rows_survive), T(sealed_is_the_same),
      T(sealing_killed_anywhere), T(a_living_server_keeps_its_segment), T(sample_of_the_share))
