/* test_schedule.c - when things are due: each form of words, the calendar at its edges, and against a plain walk over minutes. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/column.h"
#include "harness/harness.h"
#include "watch/schedule.h"

static gm_err err;

static gm_schedule parse(const char *text)
{
    gm_schedule s = { 0 };
    CHECK_OK(gm_schedule_parse(text, &s, &err), &err);
    return s;
}

static int64_t us(const char *text)
{
    int64_t t = 0;
    CHECK(gm_time_parse(text, &t));
    return t;
}

static const char *next(const char *schedule, const char *after)
{
    static char text[2][40];
    static int turn;
    gm_schedule s = parse(schedule);
    turn = !turn;
    return gm_time_text(gm_schedule_next(&s, us(after)), text[turn], sizeof(text[turn]));
}

static void each_form_of_words(void)
{
    static const char *const rows[][3] = {
        { "every 15 minutes", "2026-12-01T10:07:30", "2026-12-01T10:15:00" },
        { "every 15 minutes", "2026-12-01T10:15:00", "2026-12-01T10:30:00" }, /* later than, not at */
        { "every minute", "2026-12-01T10:15:59.999999", "2026-12-01T10:16:00" },
        { "every hour", "2026-12-01T10:15:00", "2026-12-01T11:00:00" },
        { "every 6 hours", "2026-12-01T18:00:01", "2026-12-02T00:00:00" },
        { "every day", "2026-12-01T00:00:00", "2026-12-02T00:00:00" },
        { "every 2 days", "1970-01-01T00:00:00", "1970-01-03T00:00:00" },
        { "every day at 03:00", "2026-12-01T02:59:59", "2026-12-01T03:00:00" },
        { "every day at 3:00", "2026-12-01T03:00:00", "2026-12-02T03:00:00" },
        { "Every  Monday at 06:30", "2026-12-01T15:00:00", "2026-12-07T06:30:00" },
        { "every sunday", "2026-12-05T23:59:00", "2026-12-06T00:00:00" },
        { "every weekday at 07:00", "2026-12-04T07:00:00", "2026-12-07T07:00:00" },
        { "every week", "2026-12-01T00:00:00", "2026-12-07T00:00:00" },
        { "every month", "2026-12-01T00:00:00", "2027-01-01T00:00:00" },
        { "every month on the 15th at 02:00", "2026-12-01T00:00:00", "2026-12-15T02:00:00" },
        { "every month on the 31st", "2027-01-31T00:00:00", "2027-03-31T00:00:00" },
        { "every year", "2026-12-01T00:00:00", "2027-01-01T00:00:00" },
        { "cron 0 3 * * 1-5", "2026-12-04T03:00:00", "2026-12-07T03:00:00" },
        { "cron */20 8-10 * * *", "2026-12-01T10:40:00", "2026-12-02T08:00:00" },
        { "cron 5,35 0 1 jan,JUL *", "2026-12-01T00:00:00", "2027-01-01T00:05:00" },
        { "cron 0 0 * * sun", "2026-12-01T00:00:00", "2026-12-06T00:00:00" },
        { "cron 0 0 * * 7", "2026-12-01T00:00:00", "2026-12-06T00:00:00" },
        { "cron 10-50/20 * * * *", "2026-12-01T00:10:00", "2026-12-01T00:30:00" },
        { "cron 0 0 13 * 5", "2026-12-01T00:00:00", "2026-12-04T00:00:00" }, /* either: a friday before the 13th */
        { "cron 0 0 13 * 5", "2026-12-11T00:00:00", "2026-12-13T00:00:00" }, /* and a 13th that is no friday */
        { "cron 0 0 31 2 5", "2026-12-01T00:00:00", "2027-02-05T00:00:00" }, /* the weekday alone is enough */
        { "cron 0 0 29 2 *", "2026-12-01T00:00:00", "2028-02-29T00:00:00" },
        { "cron 0 0 29 2 *", "2096-02-29T00:00:00", "2104-02-29T00:00:00" }, /* 2100 is no leap year */
        { "every day at 23:59", "1969-12-31T23:58:00", "1969-12-31T23:59:00" },
        { "every 15 minutes", "1969-12-31T23:50:00", "1970-01-01T00:00:00" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *got = next(rows[i][0], rows[i][1]);
        if (strcmp(got, rows[i][2]) != 0)
            gm_harness_fail(__FILE__, __LINE__, "\"%s\" after %s is %s, want %s", rows[i][0], rows[i][1], got, rows[i][2]);
    }
}

static void what_is_no_schedule_says_why(void)
{
    static const char *const rows[][2] = {
        { "", "neither every nor cron" },
        { "   ", "neither every nor cron" },
        { "daily", "neither every nor cron" },
        { "every", "every what?" },
        { "every fortnight", "fortnight" },
        { "every 0 minutes", "a period of" },
        { "every 15", "after a number" },
        { "every 15 seconds", "seconds" },
        { "every 4000 days", "ten years" },
        { "every 999999999999999999999 days", "999999" },
        { "every 15 minutes at 03:00", "not understood: \"at\"" },
        { "every day at", "a time is" },
        { "every day at 24:00", "24:00" },
        { "every day at 03:60", "03:60" },
        { "every day at 3", "\"3\"" },
        { "every day at 03:00 sharp", "sharp" },
        { "every month on the 32nd", "32nd" },
        { "every month on the 0th", "0th" },
        { "every month on the 5rth", "5rth" },
        { "every monday every tuesday", "every" },
        { "cron", "five fields, here are 0" },
        { "cron 0 3 * *", "five fields, here are 4" },
        { "cron 0 3 * * * *", "five fields, here are 6" },
        { "cron 60 3 * * *", "minute, from 0 to 59" },
        { "cron 0 24 * * *", "hour, from 0 to 23" },
        { "cron 0 3 0 * *", "day of the month" },
        { "cron 0 3 * 13 *", "month, from 1 to 12" },
        { "cron 0 3 * * 8", "day of the week" },
        { "cron 0 3 * * 5-1", "goes down" },
        { "cron */0 3 * * *", "*/0" },
        { "cron 5/10 3 * * *", "5/10" },
        { "cron 1,,2 3 * * *", "minute" },
        { "cron 1- 3 * * *", "1-" },
        { "cron *-3 3 * * *", "*-3" },
        { "cron @ 3 * * *", "@" },
        { "cron 0 0 31 2 *", "never comes" },
        { "cron 0 0 31 4,6,9,11 *", "never comes" },
        { "every a b c d e f g h i j k l m n o", "too long" },
        { "every 0123456789012345678901234567890123456789012345678901234567890123456789", "too long" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gm_schedule s = { .period_us = 77 };
        if (gm_schedule_parse(rows[i][0], &s, &err) != GM_EINVALID)
            gm_harness_fail(__FILE__, __LINE__, "\"%s\" was taken", rows[i][0]);
        CHECK_HAS(err.message, rows[i][1]);
        CHECK_HAS(err.hint, "every day at 03:00");
        CHECK(s.period_us == 77); /* left alone */
    }
}

/* The plain definition: minute after minute, with the C library's calendar. */
static int64_t walk(const gm_schedule *s, int64_t after_us)
{
    int64_t m = after_us / 60000000 + 1; /* times here are after 1970 */
    for (int64_t end = m + 1440 * 400; m < end; m++) {
        struct tm t;
        time_t at = (time_t)(m * 60);
        (void)gmtime_r(&at, &t);
        bool day = s->days >> t.tm_mday & 1, weekday = s->weekdays >> t.tm_wday & 1;
        bool days = s->any_day || s->any_weekday ? day && weekday : day || weekday;
        if ((s->minutes >> t.tm_min & 1) && (s->hours >> t.tm_hour & 1) && (s->months >> (t.tm_mon + 1) & 1) && days)
            return m * 60000000;
    }
    return -1;
}

static void agrees_with_a_walk_over_minutes(void)
{
    unsigned seed = 4711;
    for (int i = 0; i < 300; i++) {
        char text[80];
        unsigned r[8];
        for (size_t k = 0; k < 8; k++) r[k] = (seed = seed * 1664525u + 1013904223u) >> 8;
        char day[8] = "*", month[8] = "*", weekday[8] = "*";
        if (r[0] % 2) (void)snprintf(day, sizeof(day), "%u", 1 + r[1] % 28);
        if (r[0] % 4 > 1) (void)snprintf(weekday, sizeof(weekday), "%u", r[2] % 8);
        if (r[0] % 8 > 3) (void)snprintf(month, sizeof(month), "%u", 1 + r[3] % 12);
        (void)snprintf(text, sizeof(text), "cron %u */%u %s %s %s", r[4] % 60, 1 + r[5] % 23, day, month, weekday);
        gm_schedule s = parse(text);
        int64_t after = (int64_t)(r[6] % 36500) * 86400000000 + (int64_t)(r[7] % 86400) * 1000000;
        int64_t got = gm_schedule_next(&s, after), want = walk(&s, after);
        if (want > 0 && got != want)
            gm_harness_fail(__FILE__, __LINE__, "\"%s\" after %lld: %lld, want %lld (seed 4711)", text, (long long)after,
                            (long long)got, (long long)want);
        CHECK(got > after);
    }
}

static void at_the_end_of_time_there_is_none(void)
{
    gm_schedule s = parse("every 15 minutes"), c = parse("every month");
    CHECK(gm_schedule_next(&s, INT64_MAX) == INT64_MAX);
    CHECK(gm_schedule_next(&c, INT64_MAX - 1000) == INT64_MAX);
    CHECK(gm_schedule_next(&c, INT64_MIN) < 0);
    CHECK(gm_schedule_next(&s, INT64_MIN) < 0);
}

TESTS(T(each_form_of_words), T(what_is_no_schedule_says_why), T(agrees_with_a_walk_over_minutes),
      T(at_the_end_of_time_there_is_none))
