/* c_helpers.c - small C functions that a model's file needs, as text: one row's worth of the loops in base/expr_kernels.c,
 * base/expr_text.c, vocab.c and the transforms. What they compute is defined there; test_program_c.c and test_edge.c compare each
 * with its original, bit for bit.
 *
 * Missing is NaN among doubles, INT64_MIN among int64_t (bools, times, parts of times) and NULL among texts.
 */
#include <string.h>

#include "feature/c_writer.h"

typedef struct helper {
    const char *name, *needs; /* needs: names of earlier ones, each followed by a blank */
    const char *text;
} helper;

static const helper helpers[] = {
    { "gm_bool", "",
      "static int64_t gm_bool(int holds, int missing)\n"
      "{\n"
      "    return missing ? INT64_MIN : holds ? 1 : 0;\n"
      "}\n" },
    { "gm_widen", "",
      "static double gm_widen(int64_t x)\n"
      "{\n"
      "    return x == INT64_MIN ? (double)NAN : (double)x;\n"
      "}\n" },
    { "gm_narrow", "",
      "static int64_t gm_narrow(double x)\n"
      "{\n"
      "    return x >= -9.2e18 && x <= 9.2e18 ? (int64_t)x : INT64_MIN;\n"
      "}\n" },
    { "gm_mod", "",
      "/* The remainder with the sign of the divisor. */\n"
      "static double gm_mod(double x, double y)\n"
      "{\n"
      "    double r = fmod(x, y);\n"
      "    return r != 0 && (r < 0) != (y < 0) ? r + y : r;\n"
      "}\n" },
    { "gm_pow", "",
      "static double gm_pow(double x, double y)\n"
      "{\n"
      "    return isnan(x) || isnan(y) ? (double)NAN : pow(x, y);\n"
      "}\n" },
    { "gm_larger", "",
      "static double gm_larger(double x, double y)\n"
      "{\n"
      "    return isnan(x) || isnan(y) ? (double)NAN : x < y ? y : x;\n"
      "}\n" },
    { "gm_smaller", "",
      "static double gm_smaller(double x, double y)\n"
      "{\n"
      "    return isnan(x) || isnan(y) ? (double)NAN : y < x ? y : x;\n"
      "}\n" },
    { "gm_latest", "",
      "static int64_t gm_latest(int64_t x, int64_t y)\n"
      "{\n"
      "    return x == INT64_MIN || y == INT64_MIN ? INT64_MIN : x < y ? y : x;\n"
      "}\n" },
    { "gm_earliest", "",
      "static int64_t gm_earliest(int64_t x, int64_t y)\n"
      "{\n"
      "    return x == INT64_MIN || y == INT64_MIN ? INT64_MIN : x < y ? x : y;\n"
      "}\n" },
    { "gm_and", "gm_bool ",
      "static int64_t gm_and(int64_t x, int64_t y)\n"
      "{\n"
      "    return gm_bool(x == 1 && y == 1, (x < 0 || y < 0) && x != 0 && y != 0);\n"
      "}\n" },
    { "gm_or", "gm_bool ",
      "static int64_t gm_or(int64_t x, int64_t y)\n"
      "{\n"
      "    return gm_bool(x == 1 || y == 1, (x < 0 || y < 0) && x != 1 && y != 1);\n"
      "}\n" },
    { "gm_not", "gm_bool ",
      "static int64_t gm_not(int64_t x)\n"
      "{\n"
      "    return gm_bool(x == 0, x < 0);\n"
      "}\n" },
    { "gm_floor_div", "",
      "static int64_t gm_floor_div(int64_t x, int64_t y)\n"
      "{\n"
      "    return x / y - (x % y < 0);\n"
      "}\n" },
    { "gm_date_part", "gm_floor_div ",
      "/* Of microseconds since 1970 in UTC: 0 year, 1 month, 2 day, 3 weekday (Monday is 0), 4 hour, 5 day of the year, 6 "
      "minute. */\n"
      "static int64_t gm_date_part(int64_t us, int part)\n"
      "{\n"
      "    if (us == INT64_MIN) return INT64_MIN;\n"
      "    int64_t days = gm_floor_div(us, INT64_C(86400000000));\n"
      "    int64_t of_day = us - days * INT64_C(86400000000);\n"
      "    if (part == 4) return of_day / INT64_C(3600000000);\n"
      "    if (part == 6) return of_day / 60000000 % 60;\n"
      "    if (part == 3) return days + 3 - 7 * gm_floor_div(days + 3, 7);\n"
      "    int64_t since = days + 719468, era = gm_floor_div(since, 146097), day = since - era * 146097; /* from 1 March of year "
      "0 */\n"
      "    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;\n"
      "    int64_t from_march = day - (365 * year + year / 4 - year / 100), m = (5 * from_march + 2) / 153;\n"
      "    year += era * 400 + (m >= 10);\n"
      "    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;\n"
      "    if (part == 0) return year;\n"
      "    if (part == 1) return m < 10 ? m + 3 : m - 9;\n"
      "    if (part == 2) return from_march - (153 * m + 2) / 5 + 1;\n"
      "    return m >= 10 ? from_march - 305 : from_march + 60 + leap;\n"
      "}\n" },
    { "gm_seconds", "",
      "static double gm_seconds(int64_t t)\n"
      "{\n"
      "    return t == INT64_MIN ? (double)NAN : (double)t / 1e6;\n"
      "}\n" },
    { "gm_between", "",
      "/* b - a, in units of so many microseconds. */\n"
      "static double gm_between(int64_t a, int64_t b, double unit)\n"
      "{\n"
      "    if (a == INT64_MIN || b == INT64_MIN) return (double)NAN;\n"
      "    int overflow = a < 0 ? b > INT64_MAX + a : b < INT64_MIN + a;\n"
      "    return (overflow ? (double)b - (double)a : (double)(b - a)) / unit;\n"
      "}\n" },
    { "gm_text_order", "",
      "/* -1, 0 or 1 by bytes. */\n"
      "static int64_t gm_text_order(const char *x, const char *y)\n"
      "{\n"
      "    if (x == NULL || y == NULL) return INT64_MIN;\n"
      "    int order = strcmp(x, y);\n"
      "    return (order > 0) - (order < 0);\n"
      "}\n" },
    { "gm_contains", "",
      "static int64_t gm_contains(const char *x, const char *part)\n"
      "{\n"
      "    return x == NULL ? INT64_MIN : strstr(x, part) != NULL;\n"
      "}\n" },
    { "gm_starts_with", "",
      "static int64_t gm_starts_with(const char *x, const char *part)\n"
      "{\n"
      "    return x == NULL ? INT64_MIN : strncmp(x, part, strlen(part)) == 0;\n"
      "}\n" },
    { "gm_ends_with", "",
      "static int64_t gm_ends_with(const char *x, const char *part)\n"
      "{\n"
      "    if (x == NULL) return INT64_MIN;\n"
      "    size_t len = strlen(x), part_len = strlen(part);\n"
      "    return part_len <= len && strcmp(x + (len - part_len), part) == 0;\n"
      "}\n" },
    { "gm_length", "",
      "/* In characters. */\n"
      "static int64_t gm_length(const char *x)\n"
      "{\n"
      "    int64_t count = 0;\n"
      "    if (x == NULL) return INT64_MIN;\n"
      "    for (; *x; x++) count += ((unsigned char)*x & 0xc0) != 0x80;\n"
      "    return count;\n"
      "}\n" },
    { "gm_search_text", "",
      "/* Place of a text among sorted ones, -1 when it is none of them. */\n"
      "static int32_t gm_search_text(const char *pool, const uint32_t *at, int32_t count, const char *text)\n"
      "{\n"
      "    int32_t low = 0, high = count - 1;\n"
      "    while (low <= high) {\n"
      "        int32_t middle = (low + high) / 2;\n"
      "        int order = strcmp(text, pool + at[middle]);\n"
      "        if (order == 0) return middle;\n"
      "        if (order < 0) high = middle - 1;\n"
      "        else low = middle + 1;\n"
      "    }\n"
      "    return -1;\n"
      "}\n" },
    { "gm_find_text", "gm_search_text ",
      "/* The same; count for a missing text. */\n"
      "static int32_t gm_find_text(const char *pool, const uint32_t *at, int32_t count, const char *text)\n"
      "{\n"
      "    if (text == NULL || strcmp(text, \"__missing__\") == 0) return count;\n"
      "    return gm_search_text(pool, at, count, text);\n"
      "}\n" },
    { "gm_search_number", "",
      "static int32_t gm_search_number(const double *set, int32_t count, double x)\n"
      "{\n"
      "    int32_t low = 0, high = count - 1;\n"
      "    while (low <= high) {\n"
      "        int32_t middle = (low + high) / 2;\n"
      "        if (set[middle] == x) return middle;\n"
      "        if (x < set[middle]) high = middle - 1;\n"
      "        else low = middle + 1;\n"
      "    }\n"
      "    return -1;\n"
      "}\n" },
    { "gm_find_number", "gm_search_number ",
      "static int32_t gm_find_number(const double *set, int32_t count, double x)\n"
      "{\n"
      "    return isnan(x) ? count : gm_search_number(set, count, x);\n"
      "}\n" },
    { "gm_bin", "",
      "/* How many of the edges are not above x. */\n"
      "static double gm_bin(const double *edges, int32_t count, double x)\n"
      "{\n"
      "    int32_t low = 0, high = count;\n"
      "    if (isnan(x)) return (double)NAN;\n"
      "    while (low < high) {\n"
      "        int32_t middle = (low + high) / 2;\n"
      "        if (edges[middle] <= x) low = middle + 1;\n"
      "        else high = middle;\n"
      "    }\n"
      "    return (double)low;\n"
      "}\n" },
    { "gm_log1p", "",
      "/* log(1 + x) where x > -1, out of log alone. */\n"
      "static double gm_log1p(double x)\n"
      "{\n"
      "    double u = 1 + x;\n"
      "    if (isinf(u)) return u;\n"
      "    if (u == 1) return x;\n"
      "    return log(u) * x / (u - 1);\n"
      "}\n" },
};

enum { HELPERS = sizeof(helpers) / sizeof(helpers[0]) };
_Static_assert(HELPERS <= 64, "gm_c.helpers has a bit for each");

static size_t find(const char *name, size_t len)
{
    for (size_t i = 0; i < HELPERS; i++)
        if (strlen(helpers[i].name) == len && memcmp(helpers[i].name, name, len) == 0) return i;
    gm_assert(false && "no helper of that name");
    return 0;
}

const char *gm_c_use(gm_c *c, const char *name)
{
    size_t at = find(name, strlen(name));
    c->helpers |= UINT64_C(1) << at;
    for (const char *s = helpers[at].needs, *end; *s; s = end + 1) { /* one level: what is needed needs at most what is listed */
        end = strchr(s, ' ');
        c->helpers |= UINT64_C(1) << find(s, (size_t)(end - s));
    }
    return name;
}

void gm_c_helpers(const gm_c *c, gm_buf *out)
{
    for (size_t i = 0; i < HELPERS; i++)
        if (c->helpers >> i & 1) gm_buf_printf(out, "%s\n", helpers[i].text);
}
