/* date_parts.c - numbers out of a time: hour, weekday, ... in UTC.
 *
 *   days    = floor(t / 86,400,000,000), t in microseconds since 1970-01-01T00:00
 *   hour    = 0 .. 23;   weekday = (days + 3) mod 7, Monday is 0;   month, day = 1 ..;   day_of_year = 1 .. 366
 *   year, month, day: the proleptic Gregorian calendar, counted in eras of 400 years from 1 March, so that the leap day is
 *   the last day of a year (Hinnant 2013, "chrono-Compatible Low-Level Date Algorithms")
 *
 * By default hour and weekday: they come round within any period of training. A year, a month or a day of the year that
 * training has not seen sends a tree down the branch of the nearest one it has, so these are only given when asked for.
 * Missing     NaN in every part
 * Checked     test/unit/feature/test_transforms.c: every day of 1583 .. 2400 by counting days one at a time
 */
#include <string.h>

#include "base/civil.h"
#include "feature/transform.h"

typedef struct conf {
    gm_strs parts;
} conf;

static const gm_param params[] = {
    { "parts", GM_PARAM_STRS, offsetof(conf, parts), "hour,weekday", .help = "of year, month, day, weekday, hour, day_of_year" },
    { 0 },
};

enum { YEAR, MONTH, DAY, WEEKDAY, HOUR, DAY_OF_YEAR, PARTS }; /* the numbers of gm_date_part in c_helpers.c too */
static const char *const part_names[PARTS] = { "year", "month", "day", "weekday", "hour", "day_of_year" };

static const int64_t us_per_day = 86400000000, us_per_hour = 3600000000;

typedef struct state {
    int64_t count;
    int parts[PARTS];
} state;

/* PARTS when there is none of that name. */
static int part_from_name(const char *text)
{
    int part = 0;
    while (part < PARTS && strcmp(text, part_names[part]) != 0) part++;
    return part;
}

bool gm_is_date_part(const char *name) { return part_from_name(name) < PARTS; }

static gm_rc new_state(const conf *c, gm_arena *a, void **out_state, gm_err *err)
{
    state *s = GM_ARENA_NEW(a, state);
    if (!s) return gm_err_set(err, GM_ENOMEM, "not enough memory for date parts");
    if (!c->parts.count || c->parts.count > PARTS) return gm_err_set(err, GM_EINVALID, "parts needs 1 to %d names", PARTS);
    for (size_t i = 0; i < c->parts.count; i++) {
        int part = part_from_name(c->parts.items[i]);
        if (part == PARTS) {
            gm_rc rc = gm_err_set(err, GM_EINVALID, "unrecognized part of a date \"%.60s\"", c->parts.items[i]);
            gm_err_hint(err, "One of: year, month, day, weekday, hour, day_of_year.");
            return rc;
        }
        s->parts[s->count++] = part;
    }
    *out_state = s;
    return GM_OK;
}

static gm_rc fit(const void *conf_in, const gm_values *in, const gm_truth *y, gm_arena *a, gm_arena *scratch,
                 void **out_state, gm_err *err)
{
    (void)in;
    (void)y;
    (void)scratch;
    return new_state(conf_in, a, out_state, err);
}

static gm_rc read(const void *conf_in, const gm_node *json, gm_type type, int64_t width_in, gm_arena *a,
                  void **out_state, gm_err *err)
{
    (void)type;
    (void)json;
    (void)width_in;
    return new_state(conf_in, a, out_state, err);
}

static int64_t width(const void *conf_in, const void *opaque, int64_t width_in)
{
    (void)conf_in;
    (void)width_in;
    return ((const state *)opaque)->count;
}

static const char *name(const void *conf_in, const void *opaque, const char *const *in_names, int64_t width_in, int64_t i,
                        gm_arena *a)
{
    (void)conf_in;
    (void)width_in;
    return gm_arena_printf(a, "%s.%s", in_names[0], part_names[((const state *)opaque)->parts[i]]);
}

static double part_of(int part, int64_t us)
{
    int64_t days = gm_floor_div(us, us_per_day);
    switch (part) {
    case YEAR: return (double)gm_date_of_day(days).year;
    case MONTH: return (double)gm_date_of_day(days).month;
    case DAY: return (double)gm_date_of_day(days).day;
    case DAY_OF_YEAR: return (double)gm_date_of_day(days).day_of_year;
    case WEEKDAY: return (double)gm_weekday_of_day(days);
    default: return (double)(gm_floor_mod(us, us_per_day) / us_per_hour);
    }
}

static void apply(const void *conf_in, const void *opaque, const gm_values *in, double *out, int64_t out_stride)
{
    (void)conf_in;
    const state *s = opaque;
    const int64_t *us = in->column->i64 + in->first;
    for (int64_t i = 0; i < s->count; i++) {
        double *to = out + i * out_stride;
        for (int64_t r = 0; r < in->rows; r++) to[r] = us[r] == GM_MISSING_INT ? (double)NAN : part_of(s->parts[i], us[r]);
    }
}

/* ---- ONNX: the same, in int64. Div cuts towards zero and Mod takes the divisor's sign, so that x - Mod(x, n) is a multiple of n
 * and its quotient is the floor. ---------------------------------------------------------------------------- */

static const char *number(gm_onnx *g, int64_t v) { return gm_onnx_int64s(g, &v, NULL, 0); }
static const char *add(gm_onnx *g, const char *x, int64_t v) { return gm_onnx_op2(g, "Add", x, number(g, v)); }
static const char *times(gm_onnx *g, const char *x, int64_t v) { return gm_onnx_op2(g, "Mul", x, number(g, v)); }
static const char *over(gm_onnx *g, const char *x, int64_t v) { return gm_onnx_op2(g, "Div", x, number(g, v)); } /* x >= 0 */
static const char *minus(gm_onnx *g, const char *x, const char *y) { return gm_onnx_op2(g, "Sub", x, y); }
static const char *plus(gm_onnx *g, const char *x, const char *y) { return gm_onnx_op2(g, "Add", x, y); }
static const char *mod(gm_onnx *g, const char *x, int64_t v) { return gm_onnx_op2(g, "Mod", x, number(g, v)); }
static const char *floor_over(gm_onnx *g, const char *x, int64_t v) { return over(g, minus(g, x, mod(g, x, v)), v); }

static const char *choose(gm_onnx *g, const char *condition, const char *x, const char *y)
{
    return gm_onnx_op3(g, "Where", condition, x, y);
}

static const char *is_zero_mod(gm_onnx *g, const char *x, int64_t v) { return gm_onnx_op2(g, "Equal", mod(g, x, v), number(g, 0)); }

/* out [PARTS]: tensors of year, month, day and day_of_year of `days`. */
static void emit_date(gm_onnx *g, const char *days, const char **out)
{
    const char *shifted = add(g, days, 719468), *era = floor_over(g, shifted, 146097), *of_era = mod(g, shifted, 146097);
    const char *year = over(g, minus(g, plus(g, minus(g, of_era, over(g, of_era, 1460)), over(g, of_era, 36524)),
                                     over(g, of_era, 146096)), 365);
    const char *before = minus(g, plus(g, times(g, year, 365), over(g, year, 4)), over(g, year, 100));
    const char *from_march = minus(g, of_era, before), *m = over(g, add(g, times(g, from_march, 5), 2), 153);
    const char *is_late = gm_onnx_op2(g, "Less", m, number(g, 10)); /* March .. December */
    out[DAY] = add(g, minus(g, from_march, over(g, add(g, times(g, m, 153), 2), 5)), 1);
    out[MONTH] = choose(g, is_late, add(g, m, 3), add(g, m, -9));
    const char *march_year = plus(g, year, times(g, era, 400));
    out[YEAR] = choose(g, is_late, march_year, add(g, march_year, 1));
    const char *century = gm_onnx_op2(g, "And", is_zero_mod(g, out[YEAR], 100), gm_onnx_op1(g, "Not", is_zero_mod(g, out[YEAR], 400)));
    const char *leap = gm_onnx_op2(g, "And", is_zero_mod(g, out[YEAR], 4), gm_onnx_op1(g, "Not", century));
    const char *late_day = plus(g, add(g, from_march, 60), gm_onnx_cast(g, leap, GM_ONNX_INT64));
    out[DAY_OF_YEAR] = choose(g, is_late, late_day, add(g, from_march, -305));
}

/* parts [count] of `us`, an int64 tensor [N, 1], as double tensors [N, 1] in out. */
static void emit_parts(gm_onnx *g, const char *us, const int *parts, int64_t count, const char **out)
{
    const char *is_missing = gm_onnx_op2(g, "Equal", us, number(g, GM_MISSING_INT));
    const char *known = choose(g, is_missing, number(g, 0), us), *days = floor_over(g, known, us_per_day);
    const char *tensors[PARTS] = { 0 };
    bool needs_date = false;
    for (int64_t i = 0; i < count; i++) needs_date = needs_date || (parts[i] != HOUR && parts[i] != WEEKDAY);
    if (needs_date) emit_date(g, days, tensors);
    tensors[HOUR] = over(g, mod(g, known, us_per_day), us_per_hour);
    tensors[WEEKDAY] = mod(g, add(g, days, 3), 7);
    for (int64_t i = 0; i < count; i++)
        out[i] = choose(g, is_missing, gm_onnx_double(g, (double)NAN), gm_onnx_cast(g, tensors[parts[i]], GM_ONNX_DOUBLE));
}

static const char *emit(const void *conf_in, const void *opaque, const gm_emit_in *in, gm_onnx *g)
{
    (void)conf_in;
    const state *s = opaque;
    const char *parts[PARTS];
    emit_parts(g, in->tensor, s->parts, s->count, parts);
    return gm_emit_concat(g, parts, s->count);
}

const char *gm_emit_date_part(gm_onnx *g, const char *us, const char *part)
{
    const char *tensor = NULL;
    int i = part_from_name(part);
    if (i < PARTS) emit_parts(g, us, &i, 1, &tensor);
    return tensor;
}

static void emit_c(const void *conf_in, const void *opaque, gm_type type, int64_t width_in, gm_c *c)
{
    (void)conf_in;
    (void)type;
    (void)width_in;
    const state *s = opaque;
    for (int64_t i = 0; i < s->count; i++)
        gm_c_line(c, "o[%lld] = %s(%s(a, %d));", (long long)i, gm_c_use(c, "gm_widen"), gm_c_use(c, "gm_date_part"), s->parts[i]);
}

const gm_transform gm_transform_date_parts = {
    .item = { .name = "date_parts", .help = "hour, weekday and other parts of a time", .params = params, .conf_size = sizeof(conf) },
    .accepts = 1u << GM_TYPE_TIME,
    .fit = fit,
    .width = width,
    .name = name,
    .apply = apply,
    .read = read,
    .emit = emit,
    .emit_c = emit_c,
};
