/* schedule.h - when something is due: five cron fields or plain words, in UTC.
 *
 * "every 15 minutes", "every 6 hours", "every day", "every day at 03:00", "every monday at 06:30", "every week" (monday 00:00),
 * "every month" (the 1st, 00:00), "every month on the 15th at 02:00", "every year"; "cron 0 3 * * 1-5" with lists, ranges, steps,
 * names of months and days; the day matches when either of the two day fields does, as in POSIX crontab, where both are given.
 */
#ifndef GM_WATCH_SCHEDULE_H
#define GM_WATCH_SCHEDULE_H

#include "base/err.h"

/* A plain value. Either a period from midnight UTC of 1970-01-01 (period_us > 0), or sets of fields as bits. */
typedef struct gm_schedule {
    int64_t period_us;
    uint64_t minutes;             /* bit 0..59 */
    uint32_t hours, days, months; /* bits 0..23, 1..31, 1..12 */
    uint8_t weekdays;             /* bits 0..6, 0 = sunday */
    bool any_day, any_weekday;    /* the field was a star */
} gm_schedule;

/* Errors: GM_EINVALID: what stands there and what is allowed; a date that never comes (31 of february). */
gm_rc gm_schedule_parse(const char *text, gm_schedule *out, gm_err *err);
/* The first due time later than after_us; INT64_MAX when none within 8 years. Microseconds since 1970. */
int64_t gm_schedule_next(const gm_schedule *s, int64_t after_us);

#endif
