/* test_double_text.c - gm_double_text gives the text that trying 15, 16 and 17 digits gives, for every kind of double. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/random.h"
#include "harness/harness.h"

static void check(double v)
{
    char want[40], got[40];
    memset(got, 'x', sizeof(got));
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(want, sizeof(want), "%.*g", digits, v);
        if (strtod(want, NULL) == v) break;
    }
    CHECK_STR(gm_double_text(v, got), want);
    CHECK(strlen(got) < 32);
}

static double of_bits(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

static void any_bits(void)
{
    gm_random r;
    gm_random_init(&r, 53); /* the seed */
    for (int i = 0; i < 30000; i++) {
        double v = of_bits(gm_random_u64(&r));
        if (isfinite(v)) check(v);
    }
}

static void what_people_write(void)
{
    gm_random r;
    gm_random_init(&r, 54);
    for (int i = 0; i < 30000; i++) {
        double x = gm_random_normal(&r);
        check(x);
        check(rint(x * 1000) / 100);
        check(rint(x * 1e6) * pow(10, (double)gm_random_below(&r, 40) - 20));
        check((double)(gm_random_below(&r, INT64_MAX) >> gm_random_below(&r, 63)));
        check((double)(gm_random_below(&r, INT64_C(1) << 52) | INT64_C(1) << 51) * ldexp(1, (int)gm_random_below(&r, 8) - 4)); /* halves at the end */
    }
}

static void the_edges(void)
{
    static const double edges[] = { 0, -0.0, 1, -1, 0.1, 0.5, 1e15, 1e15 - 1, 1e15 + 2, 999999999999999.9, 1e16, 1e17, 123456789012345678.0, 1e20, 1e21, 1e22, 1e23,
                                    1e-4, 9.9999e-5, 1e-5, 0.0001234, 1e-100, 1e100, DBL_MAX, DBL_MIN, -DBL_MAX, 9007199254740991, 9007199254740993.0, 5e-324, 1e-310,
                                    0.3, 2.0 / 3, 1.7976931348623157e308, 4.35, 5e-5, 1.5e300, 12345678901234567890.0 };
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) check(edges[i]);
    for (int e = -1074; e < 1024; e++) { /* powers of two and their neighbours */
        double v = ldexp(1, e);
        check(v);
        check(nextafter(v, 0));
        check(nextafter(v, INFINITY));
    }
    for (int e = -320; e < 309; e++) check(pow(10, e));
    char text[32];
    CHECK_STR(gm_double_text((double)NAN, text), "nan");
    CHECK_STR(gm_double_text(INFINITY, text), "inf");
    CHECK_STR(gm_double_text(-INFINITY, text), "-inf");
    CHECK_STR(gm_double_text(1e20, text), "1e+20");
    CHECK_STR(gm_double_text(-2.5, text), "-2.5");
}

TESTS(T(any_bits), T(what_people_write), T(the_edges))
