/* test_estimate_sequential.c - ADWIN and Page-Hinkley see what river's see, where it sees it;
 * test/conformance/watch/make_sequential.py. */
#include "unit/watch/estimate_case.h"

enum { LONGEST = 20000 };

typedef struct stream {
    double *x;
    int count;
} stream;

static double uniform(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) / 9007199254740992.0;
}

static void add_bits(stream *s, uint64_t *state, int count, double p)
{
    for (int i = 0; i < count; i++) s->x[s->count++] = uniform(state) < p;
}

static void add_hills(stream *s, uint64_t *state, int count, double start, double end, double width)
{
    for (int i = 0; i < count; i++) {
        double a = uniform(state), b = uniform(state), c = uniform(state), d = uniform(state);
        s->x[s->count++] = start + (end - start) * i / count + width * ((a + b) + (c + d) - 2.0);
    }
}

static stream stream_named(const char *name, gm_arena *a)
{
    stream s = { .x = GM_ARENA_ARRAY(a, double, LONGEST) };
    uint64_t state = 0;
    if (strcmp(name, "wrong") == 0 || strcmp(name, "x_norm") == 0) {
        gm_table sides[2] = { read_table("estimate_reference.csv", a), read_table("estimate_current.csv", a) };
        for (int t = 0; t < 2; t++)
            for (int64_t i = 0; i < sides[t].rows; i++)
                s.x[s.count++] = strcmp(name, "x_norm") == 0 ? numbers_of(&sides[t], "x_norm")[i]
                                                             : numbers_of(&sides[t], "y")[i] != numbers_of(&sides[t], "pred")[i];
    } else if (strcmp(name, "bits") == 0) {
        state = 1;
        add_bits(&s, &state, 2000, 0.1);
        add_bits(&s, &state, 2000, 0.3);
        add_bits(&s, &state, 2000, 0.2);
    } else if (strcmp(name, "rare") == 0) {
        state = 2;
        add_bits(&s, &state, 5000, 0.01);
        add_bits(&s, &state, 5000, 0.05);
    } else if (strcmp(name, "steps") == 0) {
        state = 3;
        add_hills(&s, &state, 3000, 0, 0, 1);
        add_hills(&s, &state, 3000, 1, 1, 1);
        add_hills(&s, &state, 6000, -1, -1, 1);
    } else if (strcmp(name, "slope") == 0) {
        state = 4;
        add_hills(&s, &state, 4000, 10, 10, 2);
        add_hills(&s, &state, 8000, 10, 14, 2);
        add_hills(&s, &state, 8000, 14, 14, 2);
    } else if (strcmp(name, "far") == 0) {
        state = 5;
        add_hills(&s, &state, 2000, 1e6, 1e6, 1);
        add_hills(&s, &state, 2000, 1e6 + 3, 1e6 + 3, 1);
    } else {
        for (int i = 0; i < 3000; i++) s.x[s.count++] = 0.5;
    }
    return s;
}

static const char *const names[] = { "wrong", "x_norm", "bits", "rare", "steps", "slope", "far", "same" };
enum { STREAMS = sizeof(names) / sizeof(names[0]) };

/* Values of one stream and detector in the file, in order; returns how many. */
static int wanted(const char *name, const char *detector, double *out)
{
    char line[256];
    FILE *f = fopen(GM_SOURCE_DIR "/test/conformance/watch/sequential.csv", "r");
    CHECK(f != NULL);
    int count = 0;
    while (fgets(line, sizeof(line), f)) {
        char of[32], by[32], value[64];
        if (sscanf(line, "%31[^,],%31[^,],%63[^,\n]", of, by, value) != 3 || strcmp(of, name) != 0 || strcmp(by, detector) != 0)
            continue;
        CHECK(count < LONGEST);
        out[count++] = strtod(value, NULL);
    }
    (void)fclose(f); /* read only */
    return count;
}

static void check_adwin(const char *detector, double delta)
{
    for (size_t k = 0; k < STREAMS; k++) {
        gm_arena *a = gm_arena_new(0);
        stream s = stream_named(names[k], a);
        double *want = GM_ARENA_ARRAY(a, double, LONGEST), last[1];
        char name[32];
        int count = wanted(names[k], detector, want), seen = 0;
        gm_adwin *d = NULL;
        gm_err err;
        CHECK_OK(gm_adwin_new(delta, &d, &err), &err);
        for (int i = 0; i < s.count; i++)
            if (gm_adwin_add(d, s.x[i])) {
                if (seen >= count || want[seen] != i)
                    gm_harness_fail(__FILE__, __LINE__, "%s: %s cut at %d", names[k], detector, i);
                seen++;
            }
        CHECK(seen == count);
        (void)snprintf(name, sizeof(name), "%s_width", detector);
        CHECK(wanted(names[k], name, last) == 1);
        CHECK(gm_adwin_width(d) == (int64_t)last[0]);
        (void)snprintf(name, sizeof(name), "%s_mean", detector);
        CHECK(wanted(names[k], name, last) == 1);
        CHECK_NEAR(gm_adwin_mean(d), last[0], 0);
        gm_adwin_free(d);
        gm_arena_free(a);
    }
}

static void adwin_cuts_where_river_does(void)
{
    check_adwin("adwin", 0);
}
static void adwin_of_another_delta(void)
{
    check_adwin("adwin_0.05", 0.05);
}

static void check_page_hinkley(const char *detector, gm_page_hinkley settings)
{
    for (size_t k = 0; k < STREAMS; k++) {
        gm_arena *a = gm_arena_new(0);
        stream s = stream_named(names[k], a);
        double *want = GM_ARENA_ARRAY(a, double, LONGEST);
        int count = wanted(names[k], detector, want), seen = 0;
        gm_page_hinkley d = settings;
        for (int i = 0; i < s.count; i++)
            if (gm_page_hinkley_add(&d, s.x[i])) {
                if (seen >= count || want[seen] != i) gm_harness_fail(__FILE__, __LINE__, "%s: %s at %d", names[k], detector, i);
                seen++;
            }
        CHECK(seen == count);
        CHECK(d.threshold == settings.threshold && d.values_min == settings.values_min); /* settings survive an alarm */
        gm_arena_free(a);
    }
}

static void page_hinkley_where_river_does(void)
{
    check_page_hinkley("page_hinkley", (gm_page_hinkley){ 0 });
    check_page_hinkley("page_hinkley_15", (gm_page_hinkley){ .threshold = 15 });
    check_page_hinkley("page_hinkley_own", (gm_page_hinkley){ .values_min = 10, .delta = 0.01, .threshold = 15, .alpha = 0.999 });
}

static void what_is_no_number_is_passed_over(void)
{
    gm_adwin *d = NULL, *e = NULL;
    gm_err err;
    gm_page_hinkley p = { 0 }, q = { 0 };
    uint64_t state = 9;
    CHECK_OK(gm_adwin_new(0, &d, &err), &err);
    CHECK_OK(gm_adwin_new(0, &e, &err), &err);
    for (int i = 0; i < 5000; i++) {
        double x = uniform(&state) + (i > 3000 ? 2 : 0);
        CHECK(gm_adwin_add(d, x) == gm_adwin_add(e, x));
        CHECK(gm_page_hinkley_add(&p, x) == gm_page_hinkley_add(&q, x));
        CHECK(!gm_adwin_add(e, NAN) && !gm_adwin_add(e, INFINITY) && !gm_page_hinkley_add(&q, NAN));
    }
    CHECK(gm_adwin_width(d) == gm_adwin_width(e) && gm_adwin_mean(d) == gm_adwin_mean(e));
    CHECK(memcmp(&p, &q, sizeof(p)) == 0);
    gm_adwin_free(d);
    gm_adwin_free(e);
}

static void a_long_stream_needs_no_more_memory(void)
{
    gm_adwin *d = NULL;
    gm_err err;
    CHECK_OK(gm_adwin_new(0, &d, &err), &err);
    CHECK(gm_adwin_mean(d) == 0 && gm_adwin_width(d) == 0);
    for (int i = 0; i < 3000000; i++) CHECK(!gm_adwin_add(d, i % 2));
    CHECK(gm_adwin_width(d) == 3000000);
    CHECK_NEAR(gm_adwin_mean(d), 0.5, 0);
    gm_adwin_free(d);
    d = NULL;
    CHECK_RC(gm_adwin_new(1.5, &d, &err), GM_EINVALID);
    CHECK_HAS(err.message, "between 0 and 1");
    CHECK(d == NULL);
    gm_adwin_free(NULL);
}

TESTS(T(adwin_cuts_where_river_does), T(adwin_of_another_delta), T(page_hinkley_where_river_does),
      T(what_is_no_number_is_passed_over), T(a_long_stream_needs_no_more_memory))
