/* test_civil.c - days, dates and division towards the past. Each day of eight centuries by gmtime_r: test_expr_eval.c. */
#include "base/civil.h"
#include "harness/harness.h"

static void division_is_towards_the_past(void)
{
    CHECK(gm_floor_div(7, 3) == 2 && gm_floor_div(6, 3) == 2 && gm_floor_div(0, 3) == 0);
    CHECK(gm_floor_div(-1, 3) == -1 && gm_floor_div(-3, 3) == -1 && gm_floor_div(-4, 3) == -2);
    for (int64_t x = -20; x <= 20; x++) {
        CHECK(gm_floor_mod(x, 7) >= 0 && gm_floor_mod(x, 7) < 7);
        CHECK(gm_floor_div(x, 7) * 7 + gm_floor_mod(x, 7) == x);
    }
}

static void days_and_dates_lead_to_each_other(void)
{
    gm_date before = gm_date_of_day(-2000001);
    for (int64_t day = -2000000; day <= 2000000; day++) {
        gm_date d = gm_date_of_day(day);
        bool same_month = d.month == before.month && d.year == before.year;
        CHECK(gm_day_of_date(d.year, d.month, d.day) == day);
        CHECK(same_month ? d.day == before.day + 1 : d.day == 1);
        CHECK(d.year == before.year ? d.day_of_year == before.day_of_year + 1 : d.day_of_year == 1);
        before = d;
    }
}

static void known_days(void)
{
    gm_date first = gm_date_of_day(0), leap = gm_date_of_day(11016), year_0 = gm_date_of_day(-719528);
    CHECK(first.year == 1970 && first.month == 1 && first.day == 1 && first.day_of_year == 1);
    CHECK(leap.year == 2000 && leap.month == 2 && leap.day == 29 && leap.day_of_year == 60);
    CHECK(year_0.year == 0 && year_0.month == 1 && year_0.day == 1);
    CHECK(gm_weekday_of_day(0) == 3 && gm_weekday_of_day(-4) == 6 && gm_weekday_of_day(4) == 0);
}

TESTS(T(division_is_towards_the_past), T(days_and_dates_lead_to_each_other), T(known_days))
