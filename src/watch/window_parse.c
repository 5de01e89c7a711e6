/* window_parse.c - windows as text, and the names of severities and triggers. See monitor_spec.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/monitor_spec.h"

#define DAY_US (INT64_C(86400) * 1000000)

static gm_rc not_a_window(const char *text, gm_err *err)
{
    gm_rc rc = gm_err_set(err, GM_EINVALID, "expected a window, found \"%.60s\"", text);
    gm_err_hint(err, "Write `1 day`, `7 days every 1 day` or `5000 rows`.");
    return rc;
}

/* A length of time; "day" stands for "1 day". */
static gm_rc read_length(const char *text, const char *whole, int64_t *out_us, gm_err *err)
{
    char one[64];
    double seconds = 0;
    bool number = *text >= '0' && *text <= '9';
    (void)snprintf(one, sizeof(one), "%s%.48s", number ? "" : "1 ", text);
    if (gm_duration_parse(one, &seconds, NULL)) return not_a_window(whole, err);
    if (!(seconds >= 1 && seconds <= 366.0 * 86400))
        return gm_err_set(err, GM_EINVALID, "a window is from 1s to 366 days long, \"%.60s\" is not", text);
    *out_us = llround(seconds * 1e6);
    return GM_OK;
}

gm_rc gm_window_parse(const char *text, gm_window_spec *out, gm_err *err)
{
    gm_window_spec w = { 0 };
    char length[64], *end = NULL;
    long long rows = strtoll(text, &end, 10);
    if (end != text && (strcmp(end, " rows") == 0 || strcmp(end, " row") == 0)) {
        if (rows < 1 || rows > 100000000)
            return gm_err_set(err, GM_EINVALID, "a window is of 1 to 100,000,000 rows, \"%.60s\" is not", text);
        *out = (gm_window_spec){ .rows = rows };
        return GM_OK;
    }
    const char *every = strstr(text, " every ");
    size_t len = every ? (size_t)(every - text) : strlen(text);
    if (!len || len >= sizeof(length)) return not_a_window(text, err);
    memcpy(length, text, len);
    length[len] = '\0';
    gm_rc rc = read_length(length, text, &w.length_us, err);
    if (!rc && every) rc = read_length(every + strlen(" every "), text, &w.step_us, err);
    if (rc) return rc;
    if (!every) w.step_us = w.length_us;
    if (w.step_us > w.length_us) {
        rc = gm_err_set(err, GM_EINVALID, "window \"%.60s\" leaves gaps: it begins less often than it is long", text);
        gm_err_hint(err, "Write the length first: `7 days every 1 day`.");
        return rc;
    }
    *out = w;
    return GM_OK;
}

/* "1 day", "3 hours", "90 minutes", "45 seconds" */
static const char *length_text(int64_t us, gm_arena *a)
{
    static const struct {
        int64_t us;
        const char *name;
    } units[] = { { DAY_US, "day" }, { DAY_US / 24, "hour" }, { DAY_US / 1440, "minute" }, { 1000000, "second" } };
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (us % units[i].us == 0) {
            int64_t n = us / units[i].us;
            return gm_arena_printf(a, "%" PRId64 " %s%s", n, units[i].name, n == 1 ? "" : "s");
        }
    return gm_arena_printf(a, "%g seconds", (double)us / 1e6);
}

const char *gm_window_text(const gm_window_spec *w, gm_arena *a)
{
    if (w->rows) return gm_arena_printf(a, "%" PRId64 " row%s", w->rows, w->rows == 1 ? "" : "s");
    const char *length = length_text(w->length_us, a), *step = w->step_us == w->length_us ? NULL : length_text(w->step_us, a);
    return step && length ? gm_arena_printf(a, "%s every %s", length, step) : length;
}

const char *gm_severity_name(gm_severity s)
{
    static const char *const names[] = { [GM_SEVERITY_INFO] = "info",
                                         [GM_SEVERITY_WARNING] = "warning",
                                         [GM_SEVERITY_CRITICAL] = "critical" };
    return names[s];
}

const char *gm_trigger_kind_name(gm_trigger_kind k)
{
    static const char *const names[] = { [GM_TRIGGER_MANUAL] = "manual",     [GM_TRIGGER_SCHEDULE] = "schedule",
                                         [GM_TRIGGER_NEW_DATA] = "new data", [GM_TRIGGER_DRIFT] = "drift",
                                         [GM_TRIGGER_DECAY] = "decay",       [GM_TRIGGER_WEBHOOK] = "webhook" };
    return names[k];
}
