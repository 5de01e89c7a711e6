/* expr_kernels.c - the loops of the expression evaluator: one operation over one block of rows.
 *
 * Missing is NaN among doubles and INT64_MIN among int64; a bool is 0, 1 or missing. Each loop handles missing without a
 * branch of its own where it can, so that the compiler may use vector registers. The comparison passed to an inline
 * function below is a constant at every call, and its switch is gone after inlining.
 */
#include <math.h>
#include <string.h>

#include "base/civil.h"
#include "base/expr_internal.h"

#define MISSING GM_MISSING_INT

/* ---- arithmetic --------------------------------------------------------------------------------------------- */

static void add(const gm_expr_step *s, size_t n)
{
    const double *x = s->in[0]->f64, *y = s->in[1]->f64;
    for (size_t i = 0; i < n; i++) s->out.f64[i] = x[i] + y[i];
}

static void subtract(const gm_expr_step *s, size_t n)
{
    const double *x = s->in[0]->f64, *y = s->in[1]->f64;
    for (size_t i = 0; i < n; i++) s->out.f64[i] = x[i] - y[i];
}

static void multiply(const gm_expr_step *s, size_t n)
{
    const double *x = s->in[0]->f64, *y = s->in[1]->f64;
    for (size_t i = 0; i < n; i++) s->out.f64[i] = x[i] * y[i];
}

static void divide(const gm_expr_step *s, size_t n)
{
    const double *x = s->in[0]->f64, *y = s->in[1]->f64;
    for (size_t i = 0; i < n; i++) s->out.f64[i] = x[i] / y[i];
}

/* x % y - the remainder with the sign of the divisor.
 *
 *   r = fmod(x, y);  x % y = r + y where r and y have different signs, else r
 *
 * Zero divisor: missing. Missing in either: missing.
 * Source     Python's % of floats; Knuth, TAOCP 1, 1.2.4
 * Checked    test/unit/base/test_expr_eval.c, by hand for each combination of signs
 */
static void modulo(const gm_expr_step *s, size_t n)
{
    const double *x = s->in[0]->f64, *y = s->in[1]->f64;
    for (size_t i = 0; i < n; i++) {
        double r = fmod(x[i], y[i]);
        s->out.f64[i] = r != 0 && (r < 0) != (y[i] < 0) ? r + y[i] : r;
    }
}

/* pow(1, NaN) and pow(NaN, 0) are 1 in C; here missing stays missing. */
void gm_expr_rows_pow(const gm_expr_step *s, size_t n)
{
    const double *x = s->in[0]->f64, *y = s->in[1]->f64;
    for (size_t i = 0; i < n; i++) s->out.f64[i] = isnan(x[i]) || isnan(y[i]) ? NAN : pow(x[i], y[i]);
}

gm_expr_kernel gm_expr_arithmetic(const char *name)
{
    switch (name[0]) {
    case '+': return add;
    case '-': return subtract;
    case '*': return multiply;
    case '/': return divide;
    case '%': return modulo;
    case '^': return gm_expr_rows_pow;
    default: return NULL;
    }
}

void gm_expr_negate(const gm_expr_step *s, size_t n)
{
    const double *x = s->in[0]->f64;
    for (size_t i = 0; i < n; i++) s->out.f64[i] = -x[i];
}

/* ---- comparison --------------------------------------------------------------------------------------------- */

/* value (0 or 1), or missing where `missing` is 1: without a branch, since rows are as unpredictable as data. */
static inline int64_t bool_or_missing(uint64_t value, uint64_t missing)
{
    return (int64_t)(missing << 63 | (value & ~missing));
}

typedef enum order { LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, EQUAL, NOT_EQUAL } order;

static inline void compare_f64(const gm_expr_step *s, size_t n, order o)
{
    const double *x = s->in[0]->f64, *y = s->in[1]->f64;
    for (size_t i = 0; i < n; i++) {
        double a = x[i], b = y[i];
        int64_t holds = o == LESS            ? a < b
                        : o == LESS_EQUAL    ? a <= b
                        : o == GREATER       ? a > b
                        : o == GREATER_EQUAL ? a >= b
                        : o == EQUAL         ? a == b
                                             : a != b;
        s->out.i64[i] = bool_or_missing((uint64_t)holds, (uint64_t)((a != a) | (b != b)));
    }
}

static inline int64_t holds_i64(int64_t a, int64_t b, order o)
{
    return o == LESS            ? a < b
           : o == LESS_EQUAL    ? a <= b
           : o == GREATER       ? a > b
           : o == GREATER_EQUAL ? a >= b
           : o == EQUAL         ? a == b
                                : a != b;
}

static inline void compare_i64(const gm_expr_step *s, size_t n, order o)
{
    const int64_t *x = s->in[0]->i64, *y = s->in[1]->i64;
    for (size_t i = 0; i < n; i++)
        s->out.i64[i] = bool_or_missing((uint64_t)holds_i64(x[i], y[i], o), (uint64_t)((x[i] == MISSING) | (y[i] == MISSING)));
}

/* Ranks: int32 tables indexed by code, -1 for missing. */
static inline void compare_rank(const gm_expr_step *s, size_t n, order o)
{
    const int32_t *x = s->in[0]->code, *y = s->in[1]->code, *rank_x = s->table, *rank_y = s->table_b;
    for (size_t i = 0; i < n; i++) s->out.i64[i] = (x[i] | y[i]) < 0 ? MISSING : holds_i64(rank_x[x[i]], rank_y[y[i]], o);
}

static void lt_f64(const gm_expr_step *s, size_t n)
{
    compare_f64(s, n, LESS);
}
static void le_f64(const gm_expr_step *s, size_t n)
{
    compare_f64(s, n, LESS_EQUAL);
}
static void gt_f64(const gm_expr_step *s, size_t n)
{
    compare_f64(s, n, GREATER);
}
static void ge_f64(const gm_expr_step *s, size_t n)
{
    compare_f64(s, n, GREATER_EQUAL);
}
static void eq_f64(const gm_expr_step *s, size_t n)
{
    compare_f64(s, n, EQUAL);
}
static void ne_f64(const gm_expr_step *s, size_t n)
{
    compare_f64(s, n, NOT_EQUAL);
}
static void lt_i64(const gm_expr_step *s, size_t n)
{
    compare_i64(s, n, LESS);
}
static void le_i64(const gm_expr_step *s, size_t n)
{
    compare_i64(s, n, LESS_EQUAL);
}
static void gt_i64(const gm_expr_step *s, size_t n)
{
    compare_i64(s, n, GREATER);
}
static void ge_i64(const gm_expr_step *s, size_t n)
{
    compare_i64(s, n, GREATER_EQUAL);
}
static void eq_i64(const gm_expr_step *s, size_t n)
{
    compare_i64(s, n, EQUAL);
}
static void ne_i64(const gm_expr_step *s, size_t n)
{
    compare_i64(s, n, NOT_EQUAL);
}
static void lt_rank(const gm_expr_step *s, size_t n)
{
    compare_rank(s, n, LESS);
}
static void le_rank(const gm_expr_step *s, size_t n)
{
    compare_rank(s, n, LESS_EQUAL);
}
static void gt_rank(const gm_expr_step *s, size_t n)
{
    compare_rank(s, n, GREATER);
}
static void ge_rank(const gm_expr_step *s, size_t n)
{
    compare_rank(s, n, GREATER_EQUAL);
}
static void eq_rank(const gm_expr_step *s, size_t n)
{
    compare_rank(s, n, EQUAL);
}
static void ne_rank(const gm_expr_step *s, size_t n)
{
    compare_rank(s, n, NOT_EQUAL);
}

static const struct comparison {
    const char *name;
    gm_expr_kernel f64, i64, rank;
} comparisons[] = {
    { "<", lt_f64, lt_i64, lt_rank },  { "<=", le_f64, le_i64, le_rank }, { ">", gt_f64, gt_i64, gt_rank },
    { ">=", ge_f64, ge_i64, ge_rank }, { "==", eq_f64, eq_i64, eq_rank }, { "!=", ne_f64, ne_i64, ne_rank },
};

static const struct comparison *comparison(const char *name)
{
    for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++)
        if (strcmp(comparisons[i].name, name) == 0) return &comparisons[i];
    return NULL;
}

gm_expr_kernel gm_expr_comparison(const char *name, bool ints)
{
    const struct comparison *c = comparison(name);
    return !c ? NULL : ints ? c->i64 : c->f64;
}

gm_expr_kernel gm_expr_comparison_ranks(const char *name)
{
    const struct comparison *c = comparison(name);
    return c ? c->rank : NULL;
}

/* ---- logic: Kleene's three values --------------------------------------------------------------------------- */

void gm_expr_and(const gm_expr_step *s, size_t n)
{
    const int64_t *x = s->in[0]->i64, *y = s->in[1]->i64;
    for (size_t i = 0; i < n; i++)
        s->out.i64[i] =
            bool_or_missing((uint64_t)((x[i] == 1) & (y[i] == 1)), (uint64_t)(((x[i] | y[i]) < 0) & (x[i] != 0) & (y[i] != 0)));
}

void gm_expr_or(const gm_expr_step *s, size_t n)
{
    const int64_t *x = s->in[0]->i64, *y = s->in[1]->i64;
    for (size_t i = 0; i < n; i++)
        s->out.i64[i] =
            bool_or_missing((uint64_t)((x[i] == 1) | (y[i] == 1)), (uint64_t)(((x[i] | y[i]) < 0) & (x[i] != 1) & (y[i] != 1)));
}

void gm_expr_not(const gm_expr_step *s, size_t n)
{
    const int64_t *x = s->in[0]->i64;
    for (size_t i = 0; i < n; i++) s->out.i64[i] = bool_or_missing((uint64_t)(x[i] == 0), (uint64_t)(x[i] < 0));
}

/* ---- sets --------------------------------------------------------------------------------------------------- */

/* Where the list is short, looking at all of it is faster than halving it. */
enum { LOOK_AT_ALL = 12 };

void gm_expr_in_f64(const gm_expr_step *s, size_t n)
{
    const double *x = s->in[0]->f64, *set = s->table;
    for (size_t i = 0; i < n; i++) {
        size_t low = 0, high = s->table_count;
        while (high - low > LOOK_AT_ALL) {
            size_t middle = (low + high) / 2;
            if (set[middle] <= x[i])
                low = middle;
            else
                high = middle;
        }
        int64_t found = 0;
        for (; low < high; low++) found |= set[low] == x[i];
        s->out.i64[i] = bool_or_missing((uint64_t)found, (uint64_t)(x[i] != x[i]));
    }
}

void gm_expr_in_i64(const gm_expr_step *s, size_t n)
{
    const int64_t *x = s->in[0]->i64, *set = s->table;
    for (size_t i = 0; i < n; i++) {
        size_t low = 0, high = s->table_count;
        while (high - low > LOOK_AT_ALL) {
            size_t middle = (low + high) / 2;
            if (set[middle] <= x[i])
                low = middle;
            else
                high = middle;
        }
        int64_t found = 0;
        for (; low < high; low++) found |= set[low] == x[i];
        s->out.i64[i] = bool_or_missing((uint64_t)found, (uint64_t)(x[i] == MISSING));
    }
}

/* ---- missing, conversions, choice ---------------------------------------------------------------------------- */

void gm_expr_missing_f64(const gm_expr_step *s, size_t n)
{
    for (size_t i = 0; i < n; i++) s->out.i64[i] = isnan(s->in[0]->f64[i]) ? 1 : 0;
}

void gm_expr_missing_i64(const gm_expr_step *s, size_t n)
{
    for (size_t i = 0; i < n; i++) s->out.i64[i] = s->in[0]->i64[i] == MISSING;
}

void gm_expr_missing_code(const gm_expr_step *s, size_t n)
{
    for (size_t i = 0; i < n; i++) s->out.i64[i] = s->in[0]->code[i] < 0;
}

void gm_expr_widen(const gm_expr_step *s, size_t n)
{
    const int64_t *x = s->in[0]->i64;
    for (size_t i = 0; i < n; i++) s->out.f64[i] = x[i] == MISSING ? NAN : (double)x[i];
}

/* Only whole numbers come here (an int that a table holds as float); what does not fit is missing. */
void gm_expr_narrow(const gm_expr_step *s, size_t n)
{
    const double *x = s->in[0]->f64;
    for (size_t i = 0; i < n; i++) s->out.i64[i] = x[i] >= -9.2e18 && x[i] <= 9.2e18 ? (int64_t)x[i] : MISSING;
}

static void if_f64(const gm_expr_step *s, size_t n)
{
    const int64_t *c = s->in[0]->i64;
    const double *x = s->in[1]->f64, *y = s->in[2]->f64;
    for (size_t i = 0; i < n; i++) s->out.f64[i] = c[i] == MISSING ? NAN : c[i] ? x[i] : y[i];
}

static void if_i64(const gm_expr_step *s, size_t n)
{
    const int64_t *c = s->in[0]->i64, *x = s->in[1]->i64, *y = s->in[2]->i64;
    for (size_t i = 0; i < n; i++) s->out.i64[i] = c[i] == MISSING ? MISSING : c[i] ? x[i] : y[i];
}

static void if_code(const gm_expr_step *s, size_t n)
{
    const int64_t *c = s->in[0]->i64;
    const int32_t *x = s->in[1]->code, *y = s->in[2]->code;
    for (size_t i = 0; i < n; i++) s->out.code[i] = c[i] == MISSING ? GM_MISSING_CODE : c[i] ? x[i] : y[i];
}

gm_expr_kernel gm_expr_if(gm_type type)
{
    return type == GM_TYPE_FLOAT ? if_f64 : type == GM_TYPE_STRING ? if_code : if_i64;
}

static void coalesce_f64(const gm_expr_step *s, size_t n)
{
    memcpy(s->out.f64, s->in[0]->f64, n * sizeof(double));
    for (size_t k = 1; k < s->in_count; k++)
        for (size_t i = 0; i < n; i++)
            if (isnan(s->out.f64[i])) s->out.f64[i] = s->in[k]->f64[i];
}

static void coalesce_i64(const gm_expr_step *s, size_t n)
{
    memcpy(s->out.i64, s->in[0]->i64, n * sizeof(int64_t));
    for (size_t k = 1; k < s->in_count; k++)
        for (size_t i = 0; i < n; i++)
            if (s->out.i64[i] == MISSING) s->out.i64[i] = s->in[k]->i64[i];
}

static void coalesce_code(const gm_expr_step *s, size_t n)
{
    memcpy(s->out.code, s->in[0]->code, n * sizeof(int32_t));
    for (size_t k = 1; k < s->in_count; k++)
        for (size_t i = 0; i < n; i++)
            if (s->out.code[i] < 0) s->out.code[i] = s->in[k]->code[i];
}

gm_expr_kernel gm_expr_coalesce(gm_type type)
{
    return type == GM_TYPE_FLOAT ? coalesce_f64 : type == GM_TYPE_STRING ? coalesce_code : coalesce_i64;
}

void gm_expr_gather_i64(const gm_expr_step *s, size_t n)
{
    const int64_t *table = s->table;
    for (size_t i = 0; i < n; i++) s->out.i64[i] = table[s->in[0]->code[i]];
}

void gm_expr_gather_f64(const gm_expr_step *s, size_t n)
{
    const double *table = s->table;
    for (size_t i = 0; i < n; i++) s->out.f64[i] = table[s->in[0]->code[i]];
}

void gm_expr_gather_code(const gm_expr_step *s, size_t n)
{
    const int32_t *table = s->table;
    for (size_t i = 0; i < n; i++) s->out.code[i] = table[s->in[0]->code[i]];
}

/* ---- functions of numbers ----------------------------------------------------------------------------------- */

static inline void map(const gm_expr_step *s, size_t n, double (*f)(double))
{
    for (size_t i = 0; i < n; i++) s->out.f64[i] = f(s->in[0]->f64[i]);
}

void gm_expr_rows_abs(const gm_expr_step *s, size_t n)
{
    map(s, n, fabs);
}
void gm_expr_rows_ceil(const gm_expr_step *s, size_t n)
{
    map(s, n, ceil);
}
void gm_expr_rows_exp(const gm_expr_step *s, size_t n)
{
    map(s, n, exp);
}
void gm_expr_rows_floor(const gm_expr_step *s, size_t n)
{
    map(s, n, floor);
}
void gm_expr_rows_log(const gm_expr_step *s, size_t n)
{
    map(s, n, log);
}
void gm_expr_rows_log1p(const gm_expr_step *s, size_t n)
{
    map(s, n, log1p);
}
void gm_expr_rows_round(const gm_expr_step *s, size_t n)
{
    map(s, n, rint);
} /* the rounding mode is never changed */
void gm_expr_rows_sqrt(const gm_expr_step *s, size_t n)
{
    map(s, n, sqrt);
}

static inline double larger(double x, double y)
{
    return isunordered(x, y) ? NAN : x < y ? y : x;
}

static inline double smaller(double x, double y)
{
    return isunordered(x, y) ? NAN : y < x ? y : x;
}

void gm_expr_rows_max(const gm_expr_step *s, size_t n)
{
    memcpy(s->out.f64, s->in[0]->f64, n * sizeof(double));
    for (size_t k = 1; k < s->in_count; k++)
        for (size_t i = 0; i < n; i++) s->out.f64[i] = larger(s->out.f64[i], s->in[k]->f64[i]);
}

void gm_expr_rows_min(const gm_expr_step *s, size_t n)
{
    memcpy(s->out.f64, s->in[0]->f64, n * sizeof(double));
    for (size_t k = 1; k < s->in_count; k++)
        for (size_t i = 0; i < n; i++) s->out.f64[i] = smaller(s->out.f64[i], s->in[k]->f64[i]);
}

static inline void extreme_time(const gm_expr_step *s, size_t n, bool latest)
{
    memcpy(s->out.i64, s->in[0]->i64, n * sizeof(int64_t));
    for (size_t k = 1; k < s->in_count; k++) {
        for (size_t i = 0; i < n; i++) {
            int64_t x = s->out.i64[i], y = s->in[k]->i64[i];
            bool missing = (x == MISSING) | (y == MISSING);
            s->out.i64[i] = missing ? MISSING : (x < y) == latest ? y : x;
        }
    }
}

static void latest(const gm_expr_step *s, size_t n)
{
    extreme_time(s, n, true);
}
static void earliest(const gm_expr_step *s, size_t n)
{
    extreme_time(s, n, false);
}

gm_expr_kernel gm_expr_extreme_time(const char *name)
{
    return strcmp(name, "max") == 0 ? latest : earliest;
}

void gm_expr_rows_clip(const gm_expr_step *s, size_t n)
{
    const double *x = s->in[0]->f64, *low = s->in[1]->f64, *high = s->in[2]->f64;
    for (size_t i = 0; i < n; i++) s->out.f64[i] = smaller(larger(x[i], low[i]), high[i]);
}

/* ---- functions of times ------------------------------------------------------------------------------------- */

static const int64_t us_per_second = 1000000, us_per_day = 86400 * INT64_C(1000000);

static inline int64_t us_of_day(int64_t us)
{
    return gm_floor_mod(us, us_per_day);
}

typedef enum part { YEAR, MONTH, DAY, DAY_OF_YEAR, WEEKDAY, HOUR, MINUTE } part;

static inline int64_t part_of(int64_t us, part p)
{
    int64_t days = gm_floor_div(us, us_per_day);
    if (p == WEEKDAY) return gm_weekday_of_day(days);
    if (p == HOUR) return us_of_day(us) / (3600 * us_per_second);
    if (p == MINUTE) return us_of_day(us) / (60 * us_per_second) % 60;
    gm_date d = gm_date_of_day(days);
    return p == YEAR ? d.year : p == MONTH ? d.month : p == DAY ? d.day : d.day_of_year;
}

static inline void parts(const gm_expr_step *s, size_t n, part p)
{
    const int64_t *x = s->in[0]->i64;
    for (size_t i = 0; i < n; i++) s->out.i64[i] = x[i] == MISSING ? MISSING : part_of(x[i], p);
}

void gm_expr_rows_year(const gm_expr_step *s, size_t n)
{
    parts(s, n, YEAR);
}
void gm_expr_rows_month(const gm_expr_step *s, size_t n)
{
    parts(s, n, MONTH);
}
void gm_expr_rows_day(const gm_expr_step *s, size_t n)
{
    parts(s, n, DAY);
}
void gm_expr_rows_day_of_year(const gm_expr_step *s, size_t n)
{
    parts(s, n, DAY_OF_YEAR);
}
void gm_expr_rows_weekday(const gm_expr_step *s, size_t n)
{
    parts(s, n, WEEKDAY);
}
void gm_expr_rows_hour(const gm_expr_step *s, size_t n)
{
    parts(s, n, HOUR);
}
void gm_expr_rows_minute(const gm_expr_step *s, size_t n)
{
    parts(s, n, MINUTE);
}

void gm_expr_rows_seconds(const gm_expr_step *s, size_t n)
{
    const int64_t *x = s->in[0]->i64;
    for (size_t i = 0; i < n; i++) s->out.f64[i] = x[i] == MISSING ? NAN : (double)x[i] / 1e6;
}

/* b - a in units of unit_us. Microseconds up to 2^53 (285 years) are exact; longer spans round once. */
static inline void between(const gm_expr_step *s, size_t n, double unit_us)
{
    const int64_t *a = s->in[0]->i64, *b = s->in[1]->i64;
    for (size_t i = 0; i < n; i++) {
        bool missing = (a[i] == MISSING) | (b[i] == MISSING);
        int64_t difference;
        bool overflow = __builtin_sub_overflow(b[i], a[i], &difference);
        double us = overflow ? (double)b[i] - (double)a[i] : (double)difference;
        s->out.f64[i] = missing ? NAN : us / unit_us;
    }
}

void gm_expr_rows_seconds_between(const gm_expr_step *s, size_t n)
{
    between(s, n, 1e6);
}
void gm_expr_rows_hours_between(const gm_expr_step *s, size_t n)
{
    between(s, n, 3600e6);
}
void gm_expr_rows_days_between(const gm_expr_step *s, size_t n)
{
    between(s, n, 86400e6);
}
