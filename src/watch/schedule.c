/* schedule.c - see schedule.h.
 *
 * A period needs no calendar: its due times are the multiples of its length since 1970-01-01T00:00Z, so that a restart, however
 * late, finds the same ones. Everything else is five sets of numbers, as in cron, and a walk over days.
 */
#include "watch/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/civil.h"

enum { WORDS_MAX = 12, WORD_LEN = 64, DAYS_LOOKED_AT = 8 * 366 + 2, PERIOD_DAYS_MAX = 3660 };
static const int64_t minute_us = 60000000, hour_us = 3600000000, day_us = 86400000000;

static const char *const day_names[] = { "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday" };
static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec" };
static const int month_days_max[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

static const char hint[] =
    "Write `every 15 minutes`, `every day at 03:00`, `every monday at 06:30`, `every month on the 15th`, or "
    "`cron 0 3 * * 1-5` (minute, hour, day, month, weekday; all in UTC).";

static gm_rc bad(gm_err *err, const char *text, const char *what, const char *value)
{
    gm_rc rc = gm_err_set(err, GM_EINVALID, "schedule \"%.60s\": %s%s%.40s%s", text, what, value ? " \"" : "", value ? value : "",
                          value ? "\"" : "");
    gm_err_hint(err, "%s", hint);
    return rc;
}

/* Digits alone, up to max. */
static bool number(const char *word, int64_t max, int64_t *out)
{
    int64_t v = 0;
    if (!*word) return false;
    for (const char *c = word; *c; c++) {
        if (*c < '0' || *c > '9' || v > max) return false;
        v = v * 10 + (*c - '0');
    }
    *out = v;
    return v <= max;
}

/* ---- cron ------------------------------------------------------------------------------------------------------- */

typedef struct field {
    const char *what;
    int low, high;
    const char *const *names; /* three letters each count; NULL = none */
    int names_count, names_low;
} field;

static const field fields[] = {
    { "minute", 0, 59, NULL, 0, 0 },
    { "hour", 0, 23, NULL, 0, 0 },
    { "day of the month", 1, 31, NULL, 0, 0 },
    { "month", 1, 12, month_names, 12, 1 },
    { "day of the week", 0, 7, day_names, 7, 0 }, /* 7 is sunday too */
};

static bool value_of(const field *f, const char *word, int *out)
{
    int64_t v = 0;
    if (number(word, f->high, &v) && v >= f->low) {
        *out = (int)v;
        return true;
    }
    for (int i = 0; i < f->names_count; i++)
        if (strlen(word) == 3 && strncasecmp(word, f->names[i], 3) == 0) {
            *out = f->names_low + i;
            return true;
        }
    return false;
}

/* One part of a list: *, 7, 1-5, and steps of the first and the last. */
static gm_rc part_of(const field *f, const char *text, char *part, uint64_t *bits, gm_err *err)
{
    int64_t step = 1;
    int low = f->low, high = f->high;
    char *slash = strchr(part, '/');
    if (slash) *slash = '\0';
    char *dash = strchr(part, '-');
    if (dash) *dash = '\0';
    bool star = strcmp(part, "*") == 0 && !dash;
    bool ok = star || (value_of(f, part, &low) && value_of(f, dash ? dash + 1 : part, &high));
    if (slash) ok = ok && (star || dash) && number(slash + 1, f->high, &step) && step > 0;
    if (dash) *dash = '-';
    if (slash) *slash = '/';
    if (!ok) {
        char what[96];
        (void)snprintf(what, sizeof(what), "the %s, from %d to %d, cannot be", f->what, f->low, f->high);
        return bad(err, text, what, part);
    }
    if (low > high) return bad(err, text, "a range that goes down:", part);
    for (int64_t v = low; v <= high; v += step) *bits |= (uint64_t)1 << v;
    return GM_OK;
}

static gm_rc field_of(const field *f, const char *text, char *word, uint64_t *bits, gm_err *err)
{
    gm_rc rc = GM_OK;
    *bits = 0;
    for (char *part = word, *comma; part && !rc; part = comma) {
        comma = strchr(part, ',');
        if (comma) *comma++ = '\0';
        rc = part_of(f, text, part, bits, err);
    }
    return rc;
}

/* Days of the month that no month of the set has. */
static bool never_comes(const gm_schedule *s)
{
    if (!s->any_weekday) return false; /* the weekday alone is enough */
    for (int m = 1; m <= 12; m++)
        for (int d = 1; (s->months >> m & 1) && d <= month_days_max[m - 1]; d++)
            if (s->days >> d & 1) return false;
    return true;
}

static gm_rc cron(const char *text, char words[][WORD_LEN], size_t count, gm_schedule *out, gm_err *err)
{
    uint64_t bits[5];
    gm_schedule s = { 0 };
    if (count != 5) {
        char what[64];
        (void)snprintf(what, sizeof(what), "cron has five fields, here are %zu", count);
        return bad(err, text, what, NULL);
    }
    s.any_day = strcmp(words[2], "*") == 0; /* before field_of cuts the words up */
    s.any_weekday = strcmp(words[4], "*") == 0;
    for (size_t i = 0; i < 5; i++) {
        gm_rc rc = field_of(&fields[i], text, words[i], &bits[i], err);
        if (rc) return rc;
    }
    s.minutes = bits[0];
    s.hours = (uint32_t)bits[1];
    s.days = (uint32_t)bits[2];
    s.months = (uint32_t)bits[3];
    s.weekdays = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f);
    if (never_comes(&s)) return bad(err, text, "this date never comes", NULL);
    *out = s;
    return GM_OK;
}

/* ---- plain words ------------------------------------------------------------------------------------------------- */

/* Words that are still to be read. */
typedef struct words {
    char (*items)[WORD_LEN];
    size_t count, at;
} words;

static const char *peek(const words *w)
{
    return w->at < w->count ? w->items[w->at] : "";
}

static bool take(words *w, const char *word)
{
    if (strcasecmp(peek(w), word) != 0) return false;
    w->at++;
    return true;
}

/* 03:00 */
static bool clock_time(const char *word, int *hour, int *minute)
{
    char h[3] = "", m[3] = "";
    int64_t hv = 0, mv = 0;
    const char *colon = strchr(word, ':');
    if (!colon || colon - word > 2 || strlen(colon + 1) != 2) return false;
    memcpy(h, word, (size_t)(colon - word));
    memcpy(m, colon + 1, 2);
    if (!number(h, 23, &hv) || !number(m, 59, &mv)) return false;
    *hour = (int)hv;
    *minute = (int)mv;
    return true;
}

/* 15, 15th, 1st, 2nd, 3rd */
static bool ordinal(const char *word, int *out)
{
    char digits[3] = "";
    size_t n = strspn(word, "0123456789");
    int64_t v = 0;
    const char *end = word + n;
    if (n < 1 || n > 2) return false;
    memcpy(digits, word, n);
    bool ok = !*end || !strcasecmp(end, "st") || !strcasecmp(end, "nd") || !strcasecmp(end, "rd") || !strcasecmp(end, "th");
    if (!ok || !number(digits, 31, &v) || v < 1) return false;
    *out = (int)v;
    return true;
}

static int weekday(const char *word)
{
    for (int i = 0; i < 7; i++)
        if (strcasecmp(word, day_names[i]) == 0) return i;
    return -1;
}

/* every 15 minutes, every hour: true when the words are that. */
static gm_rc period(const char *text, words *w, int64_t *out, gm_err *err)
{
    static const struct {
        const char *one, *many;
        const int64_t *unit_us;
    } units[] = { { "minute", "minutes", &minute_us }, { "hour", "hours", &hour_us }, { "day", "days", &day_us } };
    int64_t n = 0;
    const char *word = peek(w);
    bool counted = number(word, 1000000000, &n);
    if (counted) w->at++;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        bool day_alone = !counted && i == 2; /* `every day` may have a time after it */
        if (day_alone || !(take(w, units[i].one) || (counted && take(w, units[i].many)))) continue;
        if (counted && n < 1) return bad(err, text, "a period of", word);
        if (counted && n > PERIOD_DAYS_MAX * day_us / *units[i].unit_us)
            return bad(err, text, "the longest period is ten years, not", word);
        *out = (counted ? n : 1) * *units[i].unit_us;
        return GM_OK;
    }
    return counted ? bad(err, text, "after a number come minutes, hours or days, not", peek(w)) : GM_OK;
}

static gm_rc calendar(const char *text, words *w, gm_schedule *s, gm_err *err)
{
    int hour = 0, minute = 0, day = 0, weekday_at = weekday(peek(w));
    s->months = 0x1ffe;
    s->days = 0xfffffffe;
    s->weekdays = 0x7f;
    s->any_day = s->any_weekday = true;
    if (weekday_at >= 0) {
        w->at++;
        s->weekdays = (uint8_t)(1u << weekday_at);
        s->any_weekday = false;
    } else if (take(w, "week")) {
        s->weekdays = 1u << 1;
        s->any_weekday = false;
    } else if (take(w, "weekday")) {
        s->weekdays = 0x3e;
        s->any_weekday = false;
    } else if (take(w, "month") || take(w, "year")) {
        bool month = !strcasecmp(w->items[w->at - 1], "month");
        s->days = 1u << 1;
        s->any_day = false;
        if (!month) s->months = 1u << 1;
        if (month && take(w, "on")) {
            (void)take(w, "the");
            if (!ordinal(peek(w), &day)) return bad(err, text, "a day of the month is 1st to 31st, not", peek(w));
            w->at++;
            s->days = 1u << day;
        }
    } else if (!take(w, "day")) {
        return bad(err, text, w->at < w->count ? "nothing comes every" : "every what?", w->at < w->count ? peek(w) : NULL);
    }
    if (take(w, "at")) {
        if (!clock_time(peek(w), &hour, &minute)) return bad(err, text, "a time is 00:00 to 23:59, not", peek(w));
        w->at++;
    }
    s->hours = 1u << hour;
    s->minutes = (uint64_t)1 << minute;
    return GM_OK;
}

gm_rc gm_schedule_parse(const char *text, gm_schedule *out, gm_err *err)
{
    char items[WORDS_MAX][WORD_LEN];
    words w = { .items = items };
    gm_schedule s = { 0 };
    gm_rc rc = GM_OK;
    for (const char *at = text + strspn(text, " \t"); *at; at += strspn(at, " \t")) {
        size_t n = strcspn(at, " \t");
        if (w.count == WORDS_MAX || n >= WORD_LEN) return bad(err, text, "it is too long", NULL);
        memcpy(items[w.count], at, n);
        items[w.count++][n] = '\0';
        at += n;
    }
    if (take(&w, "cron")) return cron(text, items + 1, w.count - 1, out, err);
    if (!take(&w, "every")) return bad(err, text, "it begins with neither every nor cron", NULL);
    rc = period(text, &w, &s.period_us, err);
    if (!rc && !s.period_us) rc = calendar(text, &w, &s, err);
    if (!rc && w.at < w.count) rc = bad(err, text, "not understood:", peek(&w));
    if (rc) return rc;
    *out = s;
    return GM_OK;
}

/* ---- the next time ------------------------------------------------------------------------------------------------ */

static bool day_matches(const gm_schedule *s, int64_t days)
{
    gm_date d = gm_date_of_day(days);
    int64_t weekday_at = (gm_weekday_of_day(days) + 1) % 7; /* cron's weeks begin on Sunday */
    bool by_day = s->days >> d.day & 1, by_weekday = s->weekdays >> weekday_at & 1;
    bool either = !s->any_day && !s->any_weekday;
    return (s->months >> d.month & 1) && (either ? by_day || by_weekday : by_day && by_weekday);
}

/* The first minute of the day at or after `from` that is in both sets; -1 = none. */
static int minute_from(const gm_schedule *s, int from)
{
    for (int m = from; m < 1440; m++)
        if ((s->hours >> (m / 60) & 1) && (s->minutes >> (m % 60) & 1)) return m;
    return -1;
}

int64_t gm_schedule_next(const gm_schedule *s, int64_t after_us)
{
    if (after_us > INT64_MAX - (DAYS_LOOKED_AT + PERIOD_DAYS_MAX) * day_us) return INT64_MAX;
    if (s->period_us > 0) return (gm_floor_div(after_us, s->period_us) + 1) * s->period_us;
    int64_t first_minute = gm_floor_div(after_us, minute_us) + 1, day = gm_floor_div(first_minute, 1440);
    int from = (int)(first_minute - day * 1440);
    for (int i = 0; i < DAYS_LOOKED_AT; i++, day++, from = 0) {
        int m = day_matches(s, day) ? minute_from(s, from) : -1;
        if (m >= 0) return (day * 1440 + m) * minute_us;
    }
    return INT64_MAX;
}
