/* civil.h - days and dates of the Gregorian calendar, extended to all years, and division towards the past.
 *
 * A day is counted from 1970-01-01 = 0, before it negative.
 * Years are taken to begin in March, so that the leap day is the last of its year: then month m (0 = March) begins on day
 * floor((153 m + 2) / 5), and 400 years have 146,097 days.
 * Source     the calendar's rule; Richards 2013, in Urban & Seidelmann, Explanatory Supplement, 15.11
 * Checked    against gmtime_r for each day of the years 1600 to 2400, test/unit/base/test_expr_eval.c; test_civil.c
 */
#ifndef GM_BASE_CIVIL_H
#define GM_BASE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

/* The largest whole number that is not above x / y. y > 0. */
static inline int64_t gm_floor_div(int64_t x, int64_t y)
{
    return x / y - (x % y < 0);
}

/* x - y * gm_floor_div(x, y): 0 .. y - 1. y > 0. */
static inline int64_t gm_floor_mod(int64_t x, int64_t y)
{
    int64_t rest = x % y;
    return rest < 0 ? rest + y : rest;
}

typedef struct gm_date {
    int64_t year, month, day; /* month 1 .. 12, day 1 .. 31 */
    int64_t day_of_year;      /* 1 = 1 January              */
} gm_date;

static inline gm_date gm_date_of_day(int64_t days)
{
    int64_t since = days + 719468; /* days since 0000-03-01 */
    int64_t era = gm_floor_div(since, 146097);
    int64_t day = since - era * 146097;                                   /* 0 .. 146096 */
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365; /* 0 .. 399    */
    int64_t from_march = day - (365 * year + year / 4 - year / 100);      /* 0 .. 365    */
    int64_t m = (5 * from_march + 2) / 153;                               /* 0 = March   */
    gm_date d = { .year = year + era * 400 + (m >= 10), .month = m < 10 ? m + 3 : m - 9 };
    bool leap = (d.year % 4 == 0 && d.year % 100 != 0) || d.year % 400 == 0;
    d.day = from_march - (153 * m + 2) / 5 + 1;
    d.day_of_year = m >= 10 ? from_march - 305 : from_march + 60 + leap;
    return d;
}

/* month 1 .. 12, day 1 .. the month's last. */
static inline int64_t gm_day_of_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = gm_floor_div(year, 400), of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* 0 = Monday .. 6 = Sunday; 1970-01-01 was a Thursday. */
static inline int64_t gm_weekday_of_day(int64_t days)
{
    return gm_floor_mod(days + 3, 7);
}

#endif
