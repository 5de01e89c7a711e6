/* fuzz_schedule.c - any text is a schedule, or an error with a hint. What is due comes later than what was asked after, is due at
 * no time between, and comes within eight years. */
#include <string.h>

#include "watch/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t day_us = 86400000000;

static void check_next(const gm_schedule *s, int64_t after)
{
    int64_t next = gm_schedule_next(s, after);
    gm_assert(next > after && next != INT64_MAX);
    gm_assert(s->period_us ? next - after <= s->period_us : next - after <= 8 * 366 * day_us);
    gm_assert(gm_schedule_next(s, next - 1) == next);
    gm_assert(gm_schedule_next(s, after + (next - 1 - after) / 2) == next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[256];
    gm_schedule s = { 0 };
    gm_err err = { 0 };
    size_t len = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
    if (len) memcpy(text, data, len);
    text[len] = '\0';
    if (gm_schedule_parse(text, &s, &err)) {
        gm_assert(err.rc == GM_EINVALID && err.message[0] && err.hint[0]);
        return 0;
    }
    static const int64_t times[] = { 0, -1, 1764600000000000, 951782400000000, 4107542400000000, -62135596800000000 };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) check_next(&s, times[i]);
    return 0;
}
