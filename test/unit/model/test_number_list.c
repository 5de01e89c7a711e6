/* test_number_list.c - numbers of a list as text are those of strtof and strtoll, bit for bit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "harness/harness.h"
#include "model/number_list.h"

/* Until the next one. */
static gm_number_list list_of(const char *text)
{
    static gm_arena *a; /* of this test's process */
    gm_node *root = NULL;
    gm_err err;
    if (!a) a = gm_harness_arena();
    gm_arena_reset(a);
    CHECK_OK(gm_json_outline(text, strlen(text), "f.json", a, &root, &err), &err);
    return gm_number_list_of(root);
}

static void same_float(const char *number)
{
    char text[200];
    float got = 0, want = strtof(number, NULL);
    (void)snprintf(text, sizeof(text), "[0, %s , 5]", number);
    gm_number_list l = list_of(text);
    CHECK(gm_number_list_float(&l, &got) && got == 0);
    CHECK(gm_number_list_float(&l, &got));
    if (memcmp(&got, &want, sizeof(got)) != 0) gm_harness_fail(__FILE__, __LINE__, "%s: %a, and strtof has %a", number, (double)got, (double)want);
    CHECK(gm_number_list_float(&l, &got) && got == 5);
    CHECK(!gm_number_list_float(&l, &got));
}

static void random_floats_keep_their_bits(void)
{
    gm_random r;
    gm_random_init(&r, 7);
    for (int i = 0; i < 20000; i++) {
        char text[64];
        uint32_t bits = (uint32_t)gm_random_u64(&r);
        float v;
        memcpy(&v, &bits, sizeof(v));
        if (!isfinite(v)) continue;
        (void)snprintf(text, sizeof(text), i % 3 == 0 ? "%.8E" : i % 3 == 1 ? "%.7e" : "%.16e", (double)v);
        same_float(text);
        (void)snprintf(text, sizeof(text), "%d.%06dE%d", (int)gm_random_below(&r, 10), (int)gm_random_below(&r, 1000000), (int)gm_random_below(&r, 60) - 30);
        same_float(text);
    }
}

/* Decimals in the middle of two float32, and a hair beside it: rounding twice would take the wrong one. */
static void the_middle_of_two_floats(void)
{
    gm_random r;
    gm_random_init(&r, 8);
    for (int i = 0; i < 5000; i++) {
        char text[120];
        uint32_t bits = (uint32_t)(gm_random_below(&r, 60) + 100) << 23 | (uint32_t)gm_random_below(&r, 1 << 23);
        float v;
        memcpy(&v, &bits, sizeof(v));
        double middle = ((double)v + (double)nextafterf(v, INFINITY)) / 2;
        (void)snprintf(text, sizeof(text), "%.40f", middle);
        same_float(text);
        for (int digits = 9; digits < 22; digits += 3) {
            (void)snprintf(text, sizeof(text), "%.*e", digits, middle);
            same_float(text);
        }
    }
    same_float("16777217");                   /* 2^24 + 1: to even */
    same_float("16777219");
    same_float("16777217.0000000001");        /* above the middle, by less than a double shows */
    same_float("16777216.9999999999");
    same_float("9007199254740993");           /* 2^53 + 1 */
}

static void odd_numbers(void)
{
    static const char *const numbers[] = { "0", "-0", "0.0", "-0.0E5", "1e38", "3.4028235e38", "3.4028236e38", "1e39", "-1e39", "1e-37", "1.1754944e-38", "1e-45", "7e-46",
                                           "1e-400", "1e400", "123456789012345678901234567890", "0.000000000000000000000000000000000001", "1E22", "1E23", "1e-22", "1e-23",
                                           "0.1", "5E-1", "1.0000000000000000000000000001", "1e00000000000001", "1e99999999999999999999" };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) same_float(numbers[i]);
}

static void whole_numbers(void)
{
    int32_t v = 0;
    gm_number_list l = list_of("[0,-1, 2147483647 ,\n-2147483648,true,false,123456789,-0]");
    static const int32_t want[] = { 0, -1, INT32_MAX, INT32_MIN, 1, 0, 123456789, 0 };
    for (size_t i = 0; i < 8; i++) {
        CHECK(gm_number_list_int(&l, &v));
        CHECK(v == want[i]);
    }
    CHECK(!gm_number_list_int(&l, &v));
    static const char *const bad[] = { "[2147483648]", "[-2147483649]", "[99999999999999999999]", "[1.0]", "[1e0]", "[\"x\"]", "[\"\"]", "[null]", "[[]]", "[]" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        l = list_of(bad[i]);
        CHECK(!gm_number_list_int(&l, &v));
    }
    l = list_of("[\"12\", 3]");
    CHECK(gm_number_list_int(&l, &v) && v == 12 && gm_number_list_int(&l, &v) && v == 3);
}

static void floats_in_quotes(void)
{
    float v = 0;
    gm_number_list l = list_of("[\"nan\", \"inf\", \"1.5\", 2]");
    CHECK(gm_number_list_float(&l, &v) && isnan(v));
    CHECK(gm_number_list_float(&l, &v) && isinf(v));
    CHECK(gm_number_list_float(&l, &v) && v == 1.5f);
    CHECK(gm_number_list_float(&l, &v) && v == 2);
    static const char *const bad[] = { "[true]", "[\"x\"]", "[\"1x\"]", "[null]", "[{}]", "[]" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        l = list_of(bad[i]);
        CHECK(!gm_number_list_float(&l, &v));
    }
}

TESTS(T(random_floats_keep_their_bits), T(the_middle_of_two_floats), T(odd_numbers), T(whole_numbers), T(floats_in_quotes))
