/* harness.h - a test program: a list of functions, each run in a process of its own, reported as TAP.
 *
 *   static void adds_up(void) { CHECK(1 + 1 == 2); }
 *   TESTS(T(adds_up))
 *
 * A failed CHECK ends its test. A crash is one failed test. The last line is `N passed, N failed`.
 */
#ifndef GM_TEST_HARNESS_H
#define GM_TEST_HARNESS_H

#include <math.h>
#include <string.h>

#include "base/err.h"

typedef struct gm_test_case {
    const char *name;
    void (*run)(void);
} gm_test_case;

int gm_harness_main(const gm_test_case *cases, size_t count, int argc, char **argv);
_Noreturn void gm_harness_fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The test ends here and counts as skipped, with the reason printed. */
_Noreturn void gm_harness_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A new empty folder, removed when the test ends well; static until the next call. */
const char *gm_harness_tmpdir(void);
/* An arena that is freed when the test ends, or sooner. */
struct gm_arena *gm_harness_arena(void);
void gm_harness_arena_free(struct gm_arena *a);
/* Entries in path/name, -1 when there is no such folder. */
int gm_harness_files_in(const char *path, const char *name);

#define T(fn) { #fn, fn }
#define TESTS(...)                                                                               \
    int main(int argc, char **argv)                                                              \
    {                                                                                            \
        static const gm_test_case cases[] = { __VA_ARGS__ };                                     \
        return gm_harness_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);             \
    }

#define CHECK(x)                                                                                 \
    do {                                                                                         \
        if (!(x)) gm_harness_fail(__FILE__, __LINE__, "%s", #x);                                 \
    } while (0)
#define CHECK_NEAR(got, want, tolerance)                                                         \
    do {                                                                                         \
        double gm_got = (got), gm_want = (want);                                                 \
        if (!(fabs(gm_got - gm_want) <= (tolerance)))                                            \
            gm_harness_fail(__FILE__, __LINE__, "%s is %.17g, want %.17g", #got, gm_got, gm_want); \
    } while (0)
#define CHECK_STR(got, want)                                                                     \
    do {                                                                                         \
        const char *gm_got = (got), *gm_want = (want);                                           \
        if (strcmp(gm_got, gm_want) != 0)                                                        \
            gm_harness_fail(__FILE__, __LINE__, "%s is \"%s\", want \"%s\"", #got, gm_got, gm_want); \
    } while (0)
#define CHECK_HAS(text, part)                                                                    \
    do {                                                                                         \
        const char *gm_text = (text);                                                            \
        if (!strstr(gm_text, (part)))                                                            \
            gm_harness_fail(__FILE__, __LINE__, "\"%s\" not in \"%s\"", (part), gm_text);        \
    } while (0)
#define CHECK_OK(call, errp)                                                                     \
    do {                                                                                         \
        const gm_err *gm_errp = (errp);                                                          \
        gm_rc gm_got_rc = (call);                                                                \
        if (gm_got_rc)                                                                           \
            gm_harness_fail(__FILE__, __LINE__, "%s: %s: %s", #call, gm_rc_name(gm_got_rc),      \
                            gm_errp ? gm_errp->message : "");                                    \
    } while (0)
#define CHECK_RC(call, want)                                                                     \
    do {                                                                                         \
        gm_rc gm_got_rc = (call);                                                                \
        if (gm_got_rc != (want))                                                                 \
            gm_harness_fail(__FILE__, __LINE__, "%s gives %s, want %s", #call,                   \
                            gm_rc_name(gm_got_rc), gm_rc_name(want));                            \
    } while (0)

#endif
