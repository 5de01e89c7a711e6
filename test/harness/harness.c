/* harness.c - see harness.h. */
#include "harness/harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"

enum { EXIT_SKIPPED = 77, ARENAS_MAX = 4096 };

static gm_arena *arenas[ARENAS_MAX];
static size_t arenas_count;

static char tmpdir[256];

void gm_harness_fail(const char *file, int line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stdout, "# %s:%d: ", file, line);
    vfprintf(stdout, fmt, args);
    fputc('\n', stdout);
    va_end(args);
    fflush(stdout);
    _exit(1);
}

void gm_harness_skip(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("# skipped: ", stdout);
    vfprintf(stdout, fmt, args);
    fputc('\n', stdout);
    va_end(args);
    fflush(stdout);
    _exit(EXIT_SKIPPED);
}

gm_arena *gm_harness_arena(void)
{
    gm_arena *a = gm_arena_new(0);
    if (!a || arenas_count == ARENAS_MAX) gm_harness_fail(__FILE__, __LINE__, "no arena");
    arenas[arenas_count++] = a;
    return a;
}

void gm_harness_arena_free(gm_arena *a)
{
    for (size_t i = 0; i < arenas_count; i++) {
        if (arenas[i] != a) continue;
        arenas[i] = arenas[--arenas_count];
        gm_arena_free(a);
        return;
    }
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    if (dir) {
        for (struct dirent *e; (e = readdir(dir));) {
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
            char child[1024];
            (void)snprintf(child, sizeof(child), "%s/%s", path, e->d_name);
            if (unlink(child) != 0) remove_tree(child);
        }
        (void)closedir(dir);
    }
    (void)rmdir(path);
}

const char *gm_harness_tmpdir(void)
{
    (void)snprintf(tmpdir, sizeof(tmpdir), "/tmp/gm-test-XXXXXX");
    if (!mkdtemp(tmpdir)) gm_harness_fail(__FILE__, __LINE__, "no temporary folder");
    return tmpdir;
}

int gm_harness_files_in(const char *path, const char *name)
{
    char full[1024];
    (void)snprintf(full, sizeof(full), "%s/%s", path, name);
    DIR *dir = opendir(full);
    if (!dir) return -1;
    int count = 0;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.') count++;
    (void)closedir(dir);
    return count;
}

int gm_harness_main(const gm_test_case *cases, size_t count, int argc, char **argv)
{
    int passed = 0, failed = 0, skipped = 0;
    for (size_t i = 0; i < count; i++) {
        if (argc > 1 && !strstr(cases[i].name, argv[1])) continue;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            cases[i].run();
            while (arenas_count) gm_arena_free(arenas[--arenas_count]);
            if (tmpdir[0]) remove_tree(tmpdir);
            fflush(stdout);
            exit(0); /* not _exit: the leak check runs at exit */
        }
        int status = 0;
        (void)waitpid(pid, &status, 0);
        bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        bool skip = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED;
        if (WIFSIGNALED(status)) printf("# killed by signal %d\n", WTERMSIG(status));
        printf("%s - %s%s\n", ok || skip ? "ok" : "not ok", cases[i].name, skip ? " # SKIP" : "");
        passed += ok;
        skipped += skip;
        failed += !ok && !skip;
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed ? 1 : 0;
}
