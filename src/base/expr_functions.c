/* expr_functions.c - the table of functions and the reference page made from it. See expr_functions.h. */
#include <string.h>

#include "base/expr_internal.h"

#define ROWS(f) .rows = gm_expr_rows_##f

static const gm_expr_function functions[] = {
    { "abs", "abs(x)", GM_EXPR_NUMBERS, "n", GM_TYPE_FLOAT, "x without its sign", "abs(-2.5)", "2.5", "Abs", ROWS(abs) },
    { "ceil", "ceil(x)", GM_EXPR_NUMBERS, "n", GM_TYPE_FLOAT, "the smallest whole number that is not below x", "ceil(2.1)", "3.0",
      "Ceil", ROWS(ceil) },
    { "clip", "clip(x, low, high)", GM_EXPR_NUMBERS, "nnn", GM_TYPE_FLOAT,
      "x, moved to the nearer end when it is not between low and high", "clip(12, 0, 10)", "10.0", "Max Min Where", ROWS(clip) },
    { "coalesce", "coalesce(a, b, ...)", GM_EXPR_CHOICE, "cc+", GM_TYPE_UNKNOWN, "the first of its arguments that is not missing",
      "coalesce(missing, 0)", "0", "IsNaN Where", .rows = NULL },
    { "concat", "concat(a, b, ...)", GM_EXPR_TEXTS, "ss+", GM_TYPE_STRING, "the texts joined", "concat('JFK', '-', 'LAX')",
      "'JFK-LAX'", "", .rows = NULL },
    { "contains", "contains(x, 'part')", GM_EXPR_TEXTS, "sq", GM_TYPE_BOOL, "does the text hold this part?",
      "contains('overseas', 'sea')", "true", "", .of_text = gm_expr_text_contains },
    { "day", "day(t)", GM_EXPR_TIMES, "t", GM_TYPE_INT, "day of the month, 1 to 31", "day('2013-06-09')", "9",
      "Mod Sub Div Mul Add", ROWS(day) },
    { "day_of_year", "day_of_year(t)", GM_EXPR_TIMES, "t", GM_TYPE_INT, "day of the year, 1 to 366", "day_of_year('2013-02-01')",
      "32", "Mod Sub Div Mul Add", ROWS(day_of_year) },
    { "days_between", "days_between(a, b)", GM_EXPR_TIMES, "tt", GM_TYPE_FLOAT,
      "days from a to b, with fractions; negative when b is earlier", "days_between('2013-01-01', '2013-01-02 12:00:00')", "1.5",
      "Sub Cast Div", ROWS(days_between) },
    { "ends_with", "ends_with(x, 'part')", GM_EXPR_TEXTS, "sq", GM_TYPE_BOOL, "does the text end with this part?",
      "ends_with('N14228', '28')", "true", "", .of_text = gm_expr_text_ends_with },
    { "exp", "exp(x)", GM_EXPR_NUMBERS, "n", GM_TYPE_FLOAT, "e to the power of x", "exp(0)", "1.0", "Exp", ROWS(exp) },
    { "floor", "floor(x)", GM_EXPR_NUMBERS, "n", GM_TYPE_FLOAT, "the largest whole number that is not above x",
      "floor(1517 / 100)", "15.0", "Floor", ROWS(floor) },
    { "hour", "hour(t)", GM_EXPR_TIMES, "t", GM_TYPE_INT, "hour of the day, 0 to 23", "hour('2013-01-31T05:17:00')", "5",
      "Mod Div", ROWS(hour) },
    { "hours_between", "hours_between(a, b)", GM_EXPR_TIMES, "tt", GM_TYPE_FLOAT,
      "hours from a to b, with fractions; negative when b is earlier", "hours_between('2013-01-01', '2013-01-02')", "24.0",
      "Sub Cast Div", ROWS(hours_between) },
    { "if", "if(condition, a, b)", GM_EXPR_CHOICE, "bcc", GM_TYPE_UNKNOWN,
      "a where the condition holds, else b; missing where it is missing", "if(2 > 1, 'yes', 'no')", "'yes'", "Where",
      .rows = NULL },
    { "is_missing", "is_missing(x)", GM_EXPR_CHOICE, "a", GM_TYPE_BOOL, "the same as x is missing", "is_missing(missing)", "true",
      "IsNaN", .rows = NULL },
    { "length", "length(x)", GM_EXPR_TEXTS, "s", GM_TYPE_INT, "characters of the text", "length('naïve')", "5", "",
      .of_text = gm_expr_text_length },
    { "log", "log(x)", GM_EXPR_NUMBERS, "n", GM_TYPE_FLOAT, "natural logarithm; missing below 0", "log(1)", "0.0", "Log",
      ROWS(log) },
    { "log1p", "log1p(x)", GM_EXPR_NUMBERS, "n", GM_TYPE_FLOAT, "log(1 + x), exact for small x", "log1p(0)", "0.0", "Add Log",
      ROWS(log1p) },
    { "lower", "lower(x)", GM_EXPR_TEXTS, "s", GM_TYPE_STRING, "the text with the letters A to Z made small", "lower('JFK')",
      "'jfk'", "", .to_text = gm_expr_text_lower },
    { "matches", "matches(x, 'pattern')", GM_EXPR_TEXTS, "sq", GM_TYPE_BOOL,
      "does the POSIX extended regular expression match somewhere in the text? ^ and $ tie it to the ends",
      "matches('N14228', '^N[0-9]+$')", "true", "", .of_text = gm_expr_text_matches },
    { "max", "max(a, b, ...)", GM_EXPR_NUMBERS, "oo+", GM_TYPE_UNKNOWN, "the largest of its arguments, numbers or times",
      "max(1, 3, 2)", "3.0", "Max Where", ROWS(max) },
    { "min", "min(a, b, ...)", GM_EXPR_NUMBERS, "oo+", GM_TYPE_UNKNOWN, "the smallest of its arguments, numbers or times",
      "min(1, 3, 2)", "1.0", "Min Where", ROWS(min) },
    { "minute", "minute(t)", GM_EXPR_TIMES, "t", GM_TYPE_INT, "minute of the hour, 0 to 59", "minute('2013-01-31T05:17:00')",
      "17", "Mod Div", ROWS(minute) },
    { "month", "month(t)", GM_EXPR_TIMES, "t", GM_TYPE_INT, "month, 1 to 12", "month('2013-06-09')", "6", "Mod Sub Div Mul Add",
      ROWS(month) },
    { "number", "number(x)", GM_EXPR_TEXTS, "s", GM_TYPE_FLOAT, "the number that the text says, missing when it says none",
      "number(' 12.5 ')", "12.5", "", .of_text = gm_expr_text_number },
    { "pow", "pow(x, y)", GM_EXPR_NUMBERS, "nn", GM_TYPE_FLOAT, "x to the power of y, the same as x ^ y", "pow(2, 10)", "1024.0",
      "Pow Where", ROWS(pow) },
    { "round", "round(x)", GM_EXPR_NUMBERS, "n", GM_TYPE_FLOAT, "the nearest whole number; from the middle to the even one",
      "round(2.5)", "2.0", "Round", ROWS(round) },
    { "seconds", "seconds(t)", GM_EXPR_TIMES, "t", GM_TYPE_FLOAT, "seconds since 1970-01-01", "seconds('1970-01-02')", "86400.0",
      "Cast Div", ROWS(seconds) },
    { "seconds_between", "seconds_between(a, b)", GM_EXPR_TIMES, "tt", GM_TYPE_FLOAT,
      "seconds from a to b; negative when b is earlier", "seconds_between('2013-01-01', '2013-01-01T00:01:00')", "60.0",
      "Sub Cast Div", ROWS(seconds_between) },
    { "sqrt", "sqrt(x)", GM_EXPR_NUMBERS, "n", GM_TYPE_FLOAT, "square root; missing below 0", "sqrt(9)", "3.0", "Sqrt",
      ROWS(sqrt) },
    { "starts_with", "starts_with(x, 'part')", GM_EXPR_TEXTS, "sq", GM_TYPE_BOOL, "does the text begin with this part?",
      "starts_with('N14228', 'N')", "true", "", .of_text = gm_expr_text_starts_with },
    { "text", "text(x)", GM_EXPR_TEXTS, "a", GM_TYPE_STRING, "the value as text: the shortest that reads back equal", "text(0.5)",
      "'0.5'", "", .rows = NULL },
    { "trim", "trim(x)", GM_EXPR_TEXTS, "s", GM_TYPE_STRING, "the text without blanks at its ends", "trim('  JFK ')", "'JFK'", "",
      .to_text = gm_expr_text_trim },
    { "upper", "upper(x)", GM_EXPR_TEXTS, "s", GM_TYPE_STRING, "the text with the letters a to z made large", "upper('jfk')",
      "'JFK'", "", .to_text = gm_expr_text_upper },
    { "weekday", "weekday(t)", GM_EXPR_TIMES, "t", GM_TYPE_INT, "day of the week, 0 (Monday) to 6 (Sunday)",
      "weekday('2013-06-09')", "6", "Mod Sub Div Add", ROWS(weekday) },
    { "year", "year(t)", GM_EXPR_TIMES, "t", GM_TYPE_INT, "year", "year('2013-06-09')", "2013", "Mod Sub Div Mul Add",
      ROWS(year) },
};

enum { FUNCTIONS_COUNT = sizeof(functions) / sizeof(functions[0]) };

const gm_expr_function *gm_expr_functions(size_t *out_count)
{
    *out_count = FUNCTIONS_COUNT;
    return functions;
}

const gm_expr_function *gm_expr_function_find(const char *name)
{
    for (size_t i = 0; i < FUNCTIONS_COUNT; i++)
        if (strcmp(functions[i].name, name) == 0) return &functions[i];
    return NULL;
}

const gm_expr_function *gm_expr_function_of(const gm_expr *call)
{
    if (call->op != GM_EXPR_CALL || call->by || call->where) return NULL;
    const gm_expr_function *f = gm_expr_function_find(call->name);
    if (!f) return NULL;
    size_t count = strlen(f->args);
    bool more = f->args[count - 1] == '+';
    if (more) count--;
    return call->args_count == count || (more && call->args_count > count) ? f : NULL;
}

/* ---- the reference page -------------------------------------------------------------------------------------- */

static const char introduction[] =
    "# Expressions\n"
    "\n"
    "One small language serves the checks, features, targets, gates, triggers and policies of `gristmill.yaml`. An expression\n"
    "always ends and changes nothing. It is checked before anything runs, and all its mistakes are shown at once, each with its\n"
    "place. This page is made from the table of functions in the program.\n"
    "\n"
    "## Operators\n"
    "\n"
    "From the loosest to the tightest; operators of one row go from left to right.\n"
    "\n"
    "| written | gives | remarks |\n"
    "|---|---|---|\n"
    "| `a or b` | bool | |\n"
    "| `a and b` | bool | |\n"
    "| `not a` | bool | |\n"
    "| `a < b` `<=` `>` `>=` `==` `!=` | bool | `=` means `==`; not chained: `a < b and b < c` |\n"
    "| `x in ['A', 'B']`, `x not in [1, 2]` | bool | |\n"
    "| `x between low and high`, `x not between ...` | bool | both ends belong to it |\n"
    "| `x is missing`, `x is not missing` | bool | never missing itself |\n"
    "| `x is unique` | bool | in checks only |\n"
    "| `a + b`, `a - b` | float | |\n"
    "| `a * b`, `a / b`, `a % b` | float | the remainder has the sign of `b` |\n"
    "| `-a` | float | |\n"
    "| `a ^ b` | float | from right to left, tighter than the sign: `-2 ^ 2` is -4 |\n"
    "| `f(a, b)`, `(a)` | | |\n"
    "\n"
    "## Values\n"
    "\n"
    "| written | is |\n"
    "|---|---|\n"
    "| `12`, `1.5e3` | a number |\n"
    "| `5%` | 0.05; with a blank before the sign, `a % b` is a remainder |\n"
    "| `90s`, `15 min`, `3h`, `2 days`, `1 week`, `250 ms` | a duration: a number of seconds |\n"
    "| `'text'`, `\"text\"` | a text; the quote itself is written twice, nothing else is special |\n"
    "| `true`, `false` | a bool |\n"
    "| `missing` | no value |\n"
    "| `distance`, `weather.temp` | a column |\n"
    "| `col('Customer Status')` | a column with any name |\n"
    "| `min(roc_auc by carrier, rows >= 500)` | in gates: over the groups of a column that meet a condition |\n"
    "\n"
    "Arithmetic is done in double precision; int and bool widen to float. Whole numbers are compared as such, and with a float "
    "as\n"
    "floats. Texts are compared byte by byte. A time is compared with a quoted time: `time_hour >= '2013-06-01'`. A text and a\n"
    "number are never compared: `number(x)` and `text(x)` turn one into the other. Times are in UTC.\n"
    "\n"
    "## Missing values\n"
    "\n"
    "Arithmetic with a missing value is missing, and so is a comparison. `and`, `or` and `not` know three values:\n"
    "`false and missing` is false, `true or missing` is true, every other pair with a missing side is missing. A function of a\n"
    "missing argument is missing, except `coalesce`, `is_missing` and the branch that `if` does not take. What has no value in "
    "real\n"
    "numbers (`0 / 0`, `sqrt(-1)`) is missing; `1 / 0` is infinite. Where a condition decides about a row, missing counts as\n"
    "not fulfilled unless the page of that section says otherwise.\n"
    "\n"
    "## Limits\n"
    "\n"
    "4,096 bytes, 64 levels of nesting, 256 operations in a row; patterns of 256 bytes without references back.\n";

static const struct {
    gm_expr_group group;
    const char *title;
} groups[] = {
    { GM_EXPR_NUMBERS, "Functions of numbers" },
    { GM_EXPR_CHOICE, "Choosing a value" },
    { GM_EXPR_TEXTS, "Functions of texts" },
    { GM_EXPR_TIMES, "Functions of times" },
};

static const char *result_name(const gm_expr_function *f)
{
    if (f->result) return gm_type_name(f->result);
    return f->args[0] == 'o' ? "float or time" : "as its arguments";
}

void gm_expr_functions_markdown(gm_buf *out)
{
    gm_buf_text(out, introduction);
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        gm_buf_printf(out, "\n## %s\n\n| function | gives | what | for example |\n|---|---|---|---|\n", groups[g].title);
        for (size_t i = 0; i < FUNCTIONS_COUNT; i++) {
            const gm_expr_function *f = &functions[i];
            if (f->group != groups[g].group) continue;
            gm_buf_printf(out, "| `%s` | %s | %s | `%s` is `%s` |\n", f->signature, result_name(f), f->help, f->example,
                          f->gives);
        }
    }
}
