/* test_infer.c - numbers are read exactly, and the look at a column agrees with the reading of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "data/data_internal.h"
#include "harness/harness.h"

static gm_cell cell_of(const char *text) { return (gm_cell){ text, (uint32_t)strlen(text), false }; }

/* The fast way is compared with the C library on random texts of every shape that it accepts. */
static void decimals_are_the_nearest_doubles(void)
{
    gm_random r;
    gm_random_init(&r, 20130101);
    gm_rule rule = { .form = GM_FORM_FLOAT, .type = GM_TYPE_FLOAT, .missing = UINT32_MAX };
    for (int i = 0; i < 100000; i++) {
        char text[96];
        double want, got = NAN;
        switch (gm_random_below(&r, 5)) {
        case 0: (void)snprintf(text, sizeof(text), "%" PRId64 ".%0*" PRId64, gm_random_below(&r, 1000000), (int)gm_random_below(&r, 8) + 1, gm_random_below(&r, 10)); break;
        case 1: (void)snprintf(text, sizeof(text), "%.17g", gm_random_normal(&r) * 1e3); break;
        case 2: (void)snprintf(text, sizeof(text), "%.*e", (int)gm_random_below(&r, 20), gm_random_normal(&r) * 1e-300); break;
        case 3: (void)snprintf(text, sizeof(text), "-%" PRIu64 "%" PRIu64 ".5E+%d", gm_random_u64(&r), gm_random_u64(&r), (int)gm_random_below(&r, 300)); break;
        default: (void)snprintf(text, sizeof(text), "+.%05" PRId64 "e-%d", gm_random_below(&r, 100000), (int)gm_random_below(&r, 30));
        }
        gm_cell cell = cell_of(text);
        want = strtod(text, NULL);
        if (!gm_rule_double(&rule, &cell, &got) || memcmp(&got, &want, sizeof(got)) != 0)
            gm_harness_fail(__FILE__, __LINE__, "\"%s\" is read as %.17g, strtod says %.17g", text, got, want);
    }
}

/* A column of one value is decided and then read without a failure: any text at all. */
static void every_text_can_be_read_by_the_rule_made_from_it(void)
{
    static const char alphabet[] = "0123456789-+.,/: eETZNAanJnfulltrueyso?\"'x";
    gm_random r;
    gm_random_init(&r, 7);
    for (int i = 0; i < 200000; i++) {
        char text[24];
        size_t n = (size_t)gm_random_below(&r, 20);
        for (size_t k = 0; k < n; k++) text[k] = alphabet[gm_random_below(&r, (int64_t)sizeof(alphabet) - 1)];
        text[n] = '\0';
        gm_cell cell = cell_of(text);
        gm_sight sight = { 0 };
        gm_rule rule;
        gm_err err;
        double x;
        int64_t whole;
        gm_arena *a = gm_arena_new(0);
        gm_sight_add(&sight, &cell, 1);
        CHECK_OK(gm_rules_decide(&sight, NULL, 1, a, &rule, &err), &err);
        bool good = rule.type == GM_TYPE_STRING || (rule.type == GM_TYPE_FLOAT ? gm_rule_double(&rule, &cell, &x) : gm_rule_int(&rule, &cell, &whole));
        if (!good) gm_harness_fail(__FILE__, __LINE__, "\"%s\" was taken for %s and could not be read", text, gm_type_name(rule.type));
        gm_arena_free(a);
    }
}

static gm_form form_of(const char *const *texts)
{
    gm_sight sight = { 0 };
    gm_rule rule;
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    for (; *texts; texts++) {
        gm_cell cell = cell_of(*texts);
        gm_sight_add(&sight, &cell, 1);
    }
    CHECK_OK(gm_rules_decide(&sight, NULL, 1, a, &rule, &err), &err);
    gm_arena_free(a);
    return rule.form;
}

#define FORM(...) form_of((const char *const[]){ __VA_ARGS__, NULL })

static void forms_at_their_edges(void)
{
    CHECK(FORM("1", "-2", "+3", " 4 ") == GM_FORM_INT);
    CHECK(FORM("9223372036854775807", "-9223372036854775807") == GM_FORM_INT);
    CHECK(FORM("-9223372036854775808") == GM_FORM_TEXT); /* stands for missing in memory */
    CHECK(FORM("1", "1e3") == GM_FORM_FLOAT);
    CHECK(FORM("1.", ".5", "inf", "-Infinity") == GM_FORM_FLOAT);
    CHECK(FORM("1.5e-100", "2.25e-10") == GM_FORM_FLOAT);
    CHECK(FORM(".", "1") == GM_FORM_TEXT);
    CHECK(FORM("1e", "1") == GM_FORM_TEXT);
    CHECK(FORM("0x10") == GM_FORM_TEXT);
    CHECK(FORM("0", "0.5", "-0") == GM_FORM_FLOAT);
    CHECK(FORM("007") == GM_FORM_TEXT);
    CHECK(FORM("1,234", "12") == GM_FORM_THOUSANDS_INT);
    CHECK(FORM("1,23", "12") == GM_FORM_TEXT);
    CHECK(FORM("1234,567") == GM_FORM_TEXT);
    CHECK(FORM("1,234", "1 234") == GM_FORM_TEXT); /* two ways in one column */
    CHECK(FORM("9,999,999,999,999,999,999", "1,000") == GM_FORM_THOUSANDS_FLOAT);
    CHECK(FORM("true", "No") == GM_FORM_BOOL);
    CHECK(FORM("true", "1") == GM_FORM_TEXT);
    CHECK(FORM("2013-02-28 10:00", "2013/02/28") == GM_FORM_TIME);
    CHECK(FORM("2013-02-29") == GM_FORM_TEXT);
    CHECK(FORM("1/2/2013", "13/2/2013") == GM_FORM_TIME_DMY);
    CHECK(FORM("1/2/2013", "2/13/2013 10:30") == GM_FORM_TIME_MDY);
    CHECK(FORM("5/5/2013") == GM_FORM_TEXT);
    CHECK(FORM("05.05.2013") == GM_FORM_TIME_DMY);
    CHECK(FORM("1/2/13") == GM_FORM_TEXT); /* no century */
    CHECK(FORM("Jan 31, 2013", "1 Feb 2013 05:00:00") == GM_FORM_TIME_NAMED);
    CHECK(FORM("31 Janx 2013") == GM_FORM_TEXT);
    CHECK(FORM("NA", "", "?") == GM_FORM_EMPTY);
    CHECK(FORM("12:30") == GM_FORM_TEXT);
    CHECK(FORM("192.168.0.1") == GM_FORM_TEXT);
}

TESTS(T(decimals_are_the_nearest_doubles), T(every_text_can_be_read_by_the_rule_made_from_it), T(forms_at_their_edges))
