/* store_files.c - the store's own costs: adding and re-checking many small files, a run of cached steps, a real step, opening.
 *
 * The floor beside them is a plain loop over the same files: open, read, SHA-256 (for adding), and stat (for re-checking).
 * CPU is user and system time of this process; the smallest of `repeats` runs is the figure to compare, as other programs disturb
 * it least. Each run has a store of its own. Prints one JSON object per line.
 * Usage: bench_store_files [files [repeats [steps]]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/random.h"
#include "store/store.h"

enum { FILE_BYTES = 4096 };

typedef struct cost {
    int64_t wall_us, cpu_us;
} cost;

typedef struct bench {
    const char *dir;
    const char **paths; /* [files] */
    gm_digest *digests; /* [files] */
    size_t files, steps, repeats;
    gm_arena *a;
} bench;

static void check(gm_rc rc, const gm_err *err)
{
    if (!rc) return;
    (void)fprintf(stderr, "store_files: %s\n", err->message);
    exit(1);
}

static cost now(void) { return (cost){ gm_monotonic_us(), gm_cpu_us() }; }

static void least(cost *io, cost since)
{
    cost at = now();
    if (!io->wall_us || at.wall_us - since.wall_us < io->wall_us) io->wall_us = at.wall_us - since.wall_us;
    if (!io->cpu_us || at.cpu_us - since.cpu_us < io->cpu_us) io->cpu_us = at.cpu_us - since.cpu_us;
}

static gm_store *open_store(const char *root)
{
    gm_err err;
    gm_store *s = NULL;
    check(gm_store_open(root, NULL, &s, &err), &err);
    return s;
}

static const char *store_root(const bench *b, size_t repeat)
{
    const char *root = gm_arena_printf(b->a, "%s/store-%zu", b->dir, repeat);
    if (!root) exit(1);
    return root;
}

static void make_files(bench *b)
{
    gm_err err;
    gm_random random;
    unsigned char bytes[FILE_BYTES];
    gm_random_init(&random, 1);
    for (size_t i = 0; i < b->files; i++) {
        for (size_t k = 0; k < FILE_BYTES; k += 8) {
            uint64_t word = gm_random_u64(&random);
            memcpy(bytes + k, &word, 8);
        }
        b->paths[i] = gm_arena_printf(b->a, "%s/files/%04zu-%zu", b->dir, i % 100, i);
        if (!b->paths[i]) exit(1);
        check(gm_fs_write(b->paths[i], bytes, FILE_BYTES, &err), &err);
    }
    (void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL); /* older than a tick of the file system's clock */
}

static void floor_costs(const bench *b, cost *out_hash, cost *out_stat)
{
    gm_err err;
    for (size_t r = 0; r < b->repeats; r++) {
        cost since = now();
        for (size_t i = 0; i < b->files; i++) check(gm_digest_file(b->paths[i], &b->digests[i], NULL, &err), &err);
        least(out_hash, since);
        since = now();
        struct stat st;
        for (size_t i = 0; i < b->files; i++)
            if (stat(b->paths[i], &st) != 0) exit(1);
        least(out_stat, since);
    }
}

static void files_bench(const bench *b)
{
    gm_err err;
    cost add = { 0 }, again = { 0 }, recheck = { 0 }, floor_hash = { 0 }, floor_stat = { 0 };
    floor_costs(b, &floor_hash, &floor_stat);
    for (size_t r = 0; r < b->repeats; r++) {
        const char *root = store_root(b, r);
        gm_store_close(open_store(root));
        cost since = now();
        gm_store *s = open_store(root);
        check(gm_blob_put_files(s, b->paths, b->files, b->digests, &err), &err);
        gm_store_close(s);
        least(&add, since);
        since = now();
        s = open_store(root);
        check(gm_blob_put_files(s, b->paths, b->files, b->digests, &err), &err);
        gm_store_close(s);
        least(&again, since);
        since = now();
        s = open_store(root);
        for (size_t i = 0; i < b->files; i++) {
            gm_digest d;
            check(gm_stat_digest(s, b->paths[i], &d, NULL, &err), &err);
            if (strcmp(d.hex, b->digests[i].hex) != 0) exit(1);
        }
        gm_store_close(s);
        least(&recheck, since);
    }
    double ms = 1e-3;
    printf("{\"name\": \"store_add_files\", \"files\": %zu, \"bytes\": %d, \"wall_ms\": %.2f, \"cpu_ms\": %.2f, \"floor_cpu_ms\": %.2f,"
           " \"ratio\": %.2f}\n",
           b->files, FILE_BYTES, (double)add.wall_us * ms, (double)add.cpu_us * ms, (double)floor_hash.cpu_us * ms,
           (double)add.cpu_us / (double)floor_hash.cpu_us);
    printf("{\"name\": \"store_add_again\", \"files\": %zu, \"wall_ms\": %.2f, \"cpu_ms\": %.2f}\n", b->files, (double)again.wall_us * ms,
           (double)again.cpu_us * ms);
    printf("{\"name\": \"store_recheck_files\", \"files\": %zu, \"wall_ms\": %.2f, \"cpu_ms\": %.2f, \"floor_cpu_ms\": %.2f, \"ratio\": %.2f}\n",
           b->files, (double)recheck.wall_us * ms, (double)recheck.cpu_us * ms, (double)floor_stat.cpu_us * ms,
           (double)recheck.cpu_us / (double)floor_stat.cpu_us);
}

/* ---- runs ------------------------------------------------------------------------------------------------------- */

static const char *key_of(const bench *b, size_t i)
{
    gm_digest d;
    gm_digest_of(&i, sizeof(i), &d);
    return gm_arena_strdup(b->a, d.hex);
}

/* Steps that really end: begin, one small blob, commit. */
static void real_steps(const bench *b, gm_store *s, int64_t run)
{
    gm_err err;
    for (size_t i = 0; i < b->steps; i++) {
        char name[32], text[64];
        (void)snprintf(name, sizeof(name), "step-%zu", i);
        (void)snprintf(text, sizeof(text), "output of step %zu in run %" PRId64, i, run);
        gm_step_record r = { .run_id = run, .name = name, .kind = "run", .key = key_of(b, i + (size_t)run * 1000) };
        r.key_fields = "{\"code\":\"4f0c1a\",\"params\":\"77de02\",\"inputs\":\"1b5a9e\"}";
        gm_artifact out = { .name = "out", .type = "dataset", .size_bytes = (int64_t)strlen(text) };
        check(gm_step_begin(s, &r, &err), &err);
        check(gm_step_set_pid(s, r.id, 1, 1, &err), &err);
        check(gm_blob_put(s, text, strlen(text), &out.digest, &err), &err);
        check(gm_step_commit(s, &r, NULL, &(gm_artifacts){ &out, 1 }, &err), &err);
    }
}

static int64_t begin_run(gm_store *s)
{
    gm_err err;
    int64_t run = 0;
    check(gm_run_begin(s, &(gm_run_record){ .pipeline = "bench", .environment_json = "{}" }, &run, &err), &err);
    return run;
}

/* A whole process of which every step is cached: open, look up, record, close. */
static void cached_run(const bench *b, const char *root, gm_step_record *records)
{
    gm_err err;
    gm_store *s = open_store(root);
    for (size_t i = 0; i < b->steps; i++) {
        gm_artifacts out;
        check(gm_action_get(s, records[i].key, b->a, &out, NULL, &err), &err);
        if (out.count != 1 || !gm_blob_exists(s, &out.items[0].digest)) exit(1);
    }
    int64_t run = begin_run(s);
    for (size_t i = 0; i < b->steps; i++) records[i].run_id = run;
    check(gm_steps_cached(s, records, b->steps, &err), &err);
    check(gm_run_end(s, run, "done", "{}", &err), &err);
    gm_store_close(s);
}

static int64_t size_of(const char *root, const char *name, gm_arena *a)
{
    struct stat st;
    const char *path = gm_arena_printf(a, "%s/%s", root, name);
    return path && stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static void runs_bench(const bench *b)
{
    gm_err err;
    cost real = { 0 }, cached = { 0 }, opened = { 0 };
    const char *root = store_root(b, b->repeats);
    gm_step_record *records = GM_ARENA_ARRAY(b->a, gm_step_record, b->steps);
    if (!records) exit(1);
    gm_store_close(open_store(root));
    int64_t first_run = 0;
    for (size_t r = 0; r < b->repeats; r++) {
        cost since = now();
        gm_store *s = open_store(root);
        first_run = begin_run(s);
        real_steps(b, s, first_run);
        check(gm_run_end(s, first_run, "done", "{}", &err), &err);
        gm_store_close(s);
        least(&real, since);
    }
    for (size_t i = 0; i < b->steps; i++) {
        const char *name = gm_arena_printf(b->a, "step-%zu", i);
        records[i] = (gm_step_record){ .name = name, .kind = "run", .key = key_of(b, i + (size_t)first_run * 1000), .attempt = 1 };
    }
    int64_t before = size_of(root, "meta.db", b->a) + size_of(root, "meta.db-wal", b->a);
    for (size_t r = 0; r < b->repeats; r++) {
        cost since = now();
        cached_run(b, root, records);
        least(&cached, since);
        since = now();
        gm_store_close(open_store(root));
        least(&opened, since);
    }
    int64_t after = size_of(root, "meta.db", b->a) + size_of(root, "meta.db-wal", b->a);
    double ms = 1e-3, steps = (double)b->steps;
    printf("{\"name\": \"store_real_step\", \"steps\": %zu, \"wall_ms_each\": %.3f, \"cpu_ms_each\": %.3f}\n", b->steps,
           (double)real.wall_us * ms / steps, (double)real.cpu_us * ms / steps);
    printf("{\"name\": \"store_cached_run\", \"steps\": %zu, \"wall_ms\": %.2f, \"cpu_ms\": %.2f, \"grown_bytes_each\": %" PRId64 "}\n", b->steps,
           (double)cached.wall_us * ms, (double)cached.cpu_us * ms, (after - before) / (int64_t)b->repeats);
    printf("{\"name\": \"store_open_close\", \"wall_ms\": %.3f, \"cpu_ms\": %.3f}\n", (double)opened.wall_us * ms, (double)opened.cpu_us * ms);
}

int main(int argc, char **argv)
{
    gm_err err;
    char dir[] = "bench-store-XXXXXX", files[64];
    bench b = { .files = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000, .repeats = argc > 2 ? strtoul(argv[2], NULL, 10) : 5 };
    b.steps = argc > 3 ? strtoul(argv[3], NULL, 10) : 100;
    if (!b.files || !b.repeats || !b.steps || !mkdtemp(dir)) return 2;
    b.dir = dir;
    b.a = gm_arena_new(0);
    b.paths = b.a ? GM_ARENA_ARRAY(b.a, const char *, b.files) : NULL;
    b.digests = b.a ? GM_ARENA_ARRAY(b.a, gm_digest, b.files) : NULL;
    if (!b.paths || !b.digests) return 1;
    (void)snprintf(files, sizeof(files), "%s/files", dir);
    check(gm_fs_mkdirs(files, &err), &err);
    make_files(&b);
    files_bench(&b);
    runs_bench(&b);
    check(gm_fs_remove_tree(dir, &err), &err);
    gm_arena_free(b.a);
    return 0;
}
