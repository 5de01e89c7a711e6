/* infer.c - what the texts of a column are: integers, decimals, dates ... and how to read them.
 *
 * Rules, in the order in which a reader would ask:
 *  (1) A column has one type. A single value that does not fit makes it text, and the reason names the first such row.
 *  (2) Nothing is guessed that could be read in two ways: 01/02/2013 is a date only where another row of the column
 *      says which number is the day; 3,14 is text, because a comma may part thousands or decimals.
 *  (3) Nothing is lost: integers beyond 64 bits and codes with leading zeros (00501) stay text.
 *  (4) Markers of missing values ("", NA, N/A, null, NaN, None, ?) hold in every column that is not text. In text columns
 *      "" is missing, and so is a marker, unquoted, that columns of the same source with a type use.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/data_internal.h"

/* Classes of a single value; the order is that of the arrays in gm_sight. */
enum {
    C_INT,
    C_FLOAT,
    C_COMMA_INT,   /* 1,234           */
    C_COMMA_FLOAT, /* 1,234.5         */
    C_SPACE_INT,   /* 1 234           */
    C_SPACE_FLOAT,
    C_BOOL,
    C_ISO,
    C_EITHER, /* 01/02/2013: day or month first */
    C_DMY,
    C_MDY,
    C_NAMED,
    C_HUGE,  /* an integer beyond 64 bits */
    C_ZEROS, /* an integer with leading zeros */
    C_DECIMAL_COMMA,
    C_TEXT,
    C_COUNT,
    C_MISSING = 32 /* + bit of the marker */
};
_Static_assert(C_COUNT == 16, "gm_sight has 16 classes");

static const char *const class_names[C_COUNT] = {
    "integers", "decimals", "numbers with thousands commas", "numbers with thousands commas", "numbers with thousands spaces",
    "numbers with thousands spaces", "true/false values", "ISO dates", "dates whose day and month could be swapped", "day/month/year dates",
    "month/day/year dates", "dates with month names", "integers beyond 64 bits", "numbers with leading zeros",
    "numbers with a decimal comma", "texts",
};

enum { MARKER_EMPTY = 1, NUMBER_MAX = 100, TIME_MAX = 48 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static inline void trim(const char **s, uint32_t *n)
{
    if (*n && **s > ' ' && (*s)[*n - 1] > ' ') return; /* nearly always */
    while (*n && (**s == ' ' || **s == '\t')) (*s)++, (*n)--;
    while (*n && ((*s)[*n - 1] == ' ' || (*s)[*n - 1] == '\t')) (*n)--;
}

/* Bit of the marker, 0 when it is a value. s is trimmed. */
static uint32_t marker_of(const char *s, uint32_t n)
{
    switch (n) {
    case 0: return MARKER_EMPTY;
    case 1: return s[0] == '?' ? 64 : 0;
    case 2: return s[0] == 'N' && s[1] == 'A' ? 2 : 0;
    case 3:
        if (memcmp(s, "N/A", 3) == 0 || memcmp(s, "n/a", 3) == 0) return 4;
        return memcmp(s, "NaN", 3) == 0 || memcmp(s, "nan", 3) == 0 ? 16 : 0;
    case 4:
        if (memcmp(s, "null", 4) == 0 || memcmp(s, "NULL", 4) == 0) return 8;
        return memcmp(s, "None", 4) == 0 ? 32 : 0;
    default: return 0;
    }
}

static int bool_of(const char *s, uint32_t n)
{
    char first = (char)(s[0] | 32);
    if (first != 't' && first != 'y' && first != 'f' && first != 'n') return -1;
    if (n == 4 && strncasecmp(s, "true", 4) == 0) return 1;
    if (n == 3 && strncasecmp(s, "yes", 3) == 0) return 1;
    if (n == 5 && strncasecmp(s, "false", 5) == 0) return 0;
    if (n == 2 && strncasecmp(s, "no", 2) == 0) return 0;
    return -1;
}

/* ---- numbers ---- */

/* 19 digits without sign: do they fit into int64? INT64_MIN itself stands for missing and does not. */
static bool fits(const char *digits) { return memcmp(digits, "9223372036854775807", 19) <= 0; }

/* Groups of three after the first separator; *at stands on it. */
static bool groups(const char *s, uint32_t n, uint32_t *at, char separator)
{
    uint32_t i = *at;
    while (i < n && s[i] == separator) {
        if (n - i < 4 || !is_digit(s[i + 1]) || !is_digit(s[i + 2]) || !is_digit(s[i + 3])) return false;
        i += 4;
    }
    *at = i;
    return true;
}

static uint32_t number_class(const char *s, uint32_t n)
{
    uint32_t i = s[0] == '-' || s[0] == '+', start = i;
    while (i < n && is_digit(s[i])) i++;
    uint32_t whole = i - start;
    if (i == n) {
        if (whole == 0) return C_TEXT;
        if (whole > 1 && s[start] == '0') return C_ZEROS;
        return whole < 19 || (whole == 19 && fits(s + start)) ? C_INT : C_HUGE;
    }
    uint32_t plain = C_FLOAT, fraction = 0;
    if (s[i] == ',' || s[i] == ' ') {
        char separator = s[i];
        if (whole < 1) return C_TEXT;
        if (whole > 3 || !groups(s, n, &i, separator)) {
            if (separator == ' ') return C_TEXT;
            for (i++; i < n && is_digit(s[i]); i++) {}
            return i == n ? C_DECIMAL_COMMA : C_TEXT;
        }
        plain = separator == ',' ? C_COMMA_FLOAT : C_SPACE_FLOAT;
        if (i == n && i - start <= 23) return separator == ',' ? C_COMMA_INT : C_SPACE_INT; /* 18 digits, 5 separators */
        if (i == n) return plain;
    }
    if (s[i] == '.') {
        for (i++; i < n && is_digit(s[i]); i++) fraction++;
    }
    if (whole + fraction == 0) return C_TEXT;
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        if (i < n && (s[i] == '-' || s[i] == '+')) i++;
        if (i == n || !is_digit(s[i])) return C_TEXT;
        while (i < n && is_digit(s[i])) i++;
    }
    return i == n ? plain : C_TEXT;
}

static bool infinity_of(const char *s, uint32_t n, double *out)
{
    bool minus = n > 1 && s[0] == '-';
    if (minus || (n > 1 && s[0] == '+')) s++, n--;
    if ((s[0] | 32) != 'i') return false;
    if (!(n == 3 && strncasecmp(s, "inf", 3) == 0) && !(n == 8 && strncasecmp(s, "infinity", 8) == 0)) return false;
    *out = minus ? -INFINITY : INFINITY;
    return true;
}

/* The digits after e, capped: beyond 9999 every double is 0 or infinite. */
static int exponent_of(const char *s, uint32_t n)
{
    int v = 0;
    bool minus = n > 0 && s[0] == '-';
    for (uint32_t i = n > 0 && (minus || s[0] == '+'); i < n; i++)
        if (v < 9999) v = v * 10 + (s[i] - '0');
    return minus ? -v : v;
}

/* decimal to double - the double nearest to the text, ties to even.
 *
 *   m * 10^e with m < 2^53 and |e| <= 22: both are exact doubles and one correctly rounded operation joins them;
 *   anything else goes to strtod, which rounds correctly.
 *
 * Source   W. D. Clinger, How to Read Floating Point Numbers Accurately (1990), the exact case
 * Checked  test_infer.c: equal to strtod on 100,000 random texts
 */
static double decimal(const char *s, uint32_t n, char separator)
{
    static const double ten[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    char plain[NUMBER_MAX + 1];
    uint64_t m = 0;
    uint32_t len = 0, i = 0;
    int digits = 0, exponent = 0;
    bool minus = s[0] == '-', point = false;
    for (i = minus || s[0] == '+'; i < n; i++) {
        char c = s[i];
        if (is_digit(c)) {
            if (digits < 19) m = m * 10 + (uint64_t)(c - '0');
            digits += m > 0;
            exponent -= point;
        } else if (c == '.') {
            point = true;
        } else if (c != separator) {
            break; /* e */
        }
    }
    if (i < n) exponent += exponent_of(s + i + 1, n - i - 1);
    if (digits <= 19 && m <= (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22) {
        double v = exponent < 0 ? (double)m / ten[-exponent] : (double)m * ten[exponent];
        return minus ? -v : v;
    }
    for (i = 0; i < n && len < NUMBER_MAX; i++)
        if (!separator || s[i] != separator) plain[len++] = s[i];
    plain[len] = '\0';
    return strtod(plain, NULL);
}

static int64_t integer(const char *s, uint32_t n, char separator)
{
    int64_t v = 0;
    bool minus = s[0] == '-';
    for (uint32_t i = minus || s[0] == '+'; i < n; i++)
        if (s[i] != separator || !separator) v = v * 10 + (s[i] - '0');
    return minus ? -v : v;
}

/* ---- dates ---- */

static uint32_t small_number(const char *s, uint32_t n, uint32_t *at, uint32_t max_digits)
{
    uint32_t v = 0, from = *at;
    while (*at < n && *at - from < max_digits && is_digit(s[*at])) v = v * 10 + (uint32_t)(s[(*at)++] - '0');
    return *at == from ? UINT32_MAX : v;
}

/* year, month, day and what follows (a time of day) as ISO text, read by gm_time_parse, which knows the calendar. */
static bool civil(uint32_t year, uint32_t month, uint32_t day, const char *rest, uint32_t rest_len, int64_t *out_us)
{
    char iso[TIME_MAX + 16], *p = iso;
    if (rest_len > TIME_MAX - 10 || year > 9999 || month > 12 || day > 31) return false;
    for (uint32_t div = 1000; div; div /= 10) *p++ = (char)('0' + year / div % 10);
    *p++ = '-', *p++ = (char)('0' + month / 10), *p++ = (char)('0' + month % 10);
    *p++ = '-', *p++ = (char)('0' + day / 10), *p++ = (char)('0' + day % 10);
    if (rest_len) {
        memcpy(p, rest, rest_len);
        p += rest_len;
    }
    *p = '\0';
    return gm_time_parse(iso, out_us);
}

static bool iso(const char *s, uint32_t n, int64_t *out_us)
{
    if (n < 10 || n > TIME_MAX || (s[4] != '-' && s[4] != '/') || s[7] != s[4]) return false;
    uint32_t at = 0, year = small_number(s, n, &at, 4), month, day;
    if (at != 4) return false;
    at = 5, month = small_number(s, n, &at, 2);
    if (at != 7) return false;
    at = 8, day = small_number(s, n, &at, 2);
    return at == 10 && civil(year, month, day, s + 10, n - 10, out_us);
}

/* a/b/yyyy with / - or . between. day_first: read a as the day. */
static bool numbered(const char *s, uint32_t n, uint32_t *a, uint32_t *b, bool day_first, int64_t *out_us)
{
    uint32_t at = 0;
    *a = small_number(s, n, &at, 2);
    if (*a > 31 || at + 1 >= n || !(s[at] == '/' || s[at] == '-' || s[at] == '.')) return false;
    char separator = s[at++];
    *b = small_number(s, n, &at, 2);
    if (*b > 31 || at + 1 >= n || s[at] != separator) return false;
    at++;
    uint32_t from = at, year = small_number(s, n, &at, 4);
    if (at - from != 4) return false;
    return civil(year, day_first ? *b : *a, day_first ? *a : *b, s + at, n - at, out_us);
}

static uint32_t numbered_class(const char *s, uint32_t n)
{
    uint32_t a, b;
    int64_t us;
    bool dmy = numbered(s, n, &a, &b, true, &us), mdy = numbered(s, n, &a, &b, false, &us);
    if (!dmy && !mdy) return C_TEXT;
    bool dots = s[1] == '.' || s[2] == '.'; /* the day comes first */
    return dmy && mdy && !dots ? C_EITHER : dmy ? C_DMY : C_MDY;
}

/* 31 Jan 2013, 31-Jan-2013, 31 January 2013, Jan 31, 2013, each with a time of day or not. */
static bool named(const char *s, uint32_t n, int64_t *out_us)
{
    static const char *const months[] = { "january", "february", "march",     "april",   "may",      "june",
                                          "july",    "august",   "september", "october", "november", "december" };
    uint32_t at = 0, day = UINT32_MAX, month = 0;
    if (n < 9 || n > TIME_MAX) return false;
    if (is_digit(s[0])) {
        day = small_number(s, n, &at, 2);
        if (at >= n || (s[at] != ' ' && s[at] != '-')) return false;
        at++;
    }
    uint32_t from = at;
    while (at < n && (s[at] | 32) >= 'a' && (s[at] | 32) <= 'z') at++;
    uint32_t len = at - from;
    for (uint32_t m = 0; m < 12 && !month; m++)
        if (len >= 3 && (len == 3 || len == strlen(months[m])) && strncasecmp(s + from, months[m], len) == 0) month = m + 1;
    if (!month || at >= n || (s[at] != ' ' && s[at] != '-')) return false;
    at++;
    if (day == UINT32_MAX) {
        day = small_number(s, n, &at, 2);
        if (at < n && s[at] == ',') at++;
        if (at >= n || s[at] != ' ') return false;
        at++;
    }
    from = at;
    uint32_t year = small_number(s, n, &at, 4);
    return at - from == 4 && day <= 31 && civil(year, month, day, s + at, n - at, out_us);
}

/* ---- one value ---- */

static uint32_t class_of(const char *s, uint32_t n)
{
    int64_t us;
    double inf;
    trim(&s, &n);
    if (n == 0) return C_MISSING + MARKER_EMPTY;
    char c = s[0];
    if (is_digit(c) || c == '-' || c == '+' || c == '.') {
        if (n > NUMBER_MAX) return C_TEXT;
        if (n < 8) { /* too short for a date */
            uint32_t short_number = number_class(s, n);
            return short_number != C_TEXT ? short_number : infinity_of(s, n, &inf) ? C_FLOAT : C_TEXT;
        }
        if (n >= 8 && is_digit(c)) {
            if ((s[4] == '-' || s[4] == '/') && iso(s, n, &us)) return C_ISO;
            if (n <= TIME_MAX && (s[1] == '/' || s[1] == '-' || s[1] == '.' || s[2] == '/' || s[2] == '-' || s[2] == '.')) {
                uint32_t as_date = numbered_class(s, n);
                if (as_date != C_TEXT) return as_date;
            }
        }
        uint32_t as_number = number_class(s, n);
        if (as_number != C_TEXT) return as_number;
        if (is_digit(c) && named(s, n, &us)) return C_NAMED;
        return infinity_of(s, n, &inf) ? C_FLOAT : C_TEXT;
    }
    uint32_t marker = n <= 4 ? marker_of(s, n) : 0;
    if (marker) return C_MISSING + marker;
    if (n <= 8 && (bool_of(s, n) >= 0)) return C_BOOL;
    if (n <= 8 && infinity_of(s, n, &inf)) return C_FLOAT;
    if (n >= 9 && n <= TIME_MAX && is_digit(s[n - 1]) && named(s, n, &us)) return C_NAMED;
    return C_TEXT;
}

void gm_sight_add(gm_sight *s, const gm_cell *cell, int64_t line)
{
    uint32_t c = cell->text ? class_of(cell->text, cell->len) : C_MISSING + MARKER_EMPTY;
    int64_t row = s->rows++;
    if (c >= C_MISSING) {
        s->missing++;
        s->markers |= c - C_MISSING;
        return;
    }
    if (s->count[c]++ > 0) return;
    s->first_row[c] = row;
    s->first_line[c] = line;
    uint32_t kept = cell->len < sizeof(s->example[c]) - 1 ? cell->len : (uint32_t)sizeof(s->example[c]) - 1;
    while (kept > 0 && kept < cell->len && ((unsigned char)cell->text[kept] & 0xC0) == 0x80) kept--;
    memcpy(s->example[c], cell->text, kept);
    s->example[c][kept] = '\0';
}

void gm_sight_merge(gm_sight *into, const gm_sight *other)
{
    for (size_t c = 0; c < C_COUNT; c++) {
        if (other->count[c] > 0 && into->count[c] == 0) {
            into->first_row[c] = into->rows + other->first_row[c];
            into->first_line[c] = other->first_line[c];
            memcpy(into->example[c], other->example[c], sizeof(into->example[c]));
        }
        into->count[c] += other->count[c];
    }
    into->markers |= other->markers;
    into->rows += other->rows;
    into->missing += other->missing;
}

/* ---- a column ---- */

static gm_rule decided(gm_form form, gm_type type, char separator, const char *format)
{
    return (gm_rule){ .form = form, .type = type, .separator = separator, .missing = UINT32_MAX, .format = format };
}

/* The rule when all present values agree; form TEXT when they do not. */
static gm_rule agree(const gm_sight *s)
{
    const int64_t *k = s->count;
    int64_t present = s->rows - s->missing, plain = k[C_INT] + k[C_FLOAT], comma = k[C_COMMA_INT] + k[C_COMMA_FLOAT],
            space = k[C_SPACE_INT] + k[C_SPACE_FLOAT];
    if (present == 0) return decided(GM_FORM_EMPTY, GM_TYPE_FLOAT, 0, "");
    if (k[C_INT] == present) return decided(GM_FORM_INT, GM_TYPE_INT, 0, "");
    if (plain == present || (k[C_FLOAT] > 0 && plain + k[C_HUGE] == present)) return decided(GM_FORM_FLOAT, GM_TYPE_FLOAT, 0, "");
    if (comma > 0 && plain + comma == present)
        return k[C_FLOAT] + k[C_COMMA_FLOAT] ? decided(GM_FORM_THOUSANDS_FLOAT, GM_TYPE_FLOAT, ',', "thousands separators")
                                             : decided(GM_FORM_THOUSANDS_INT, GM_TYPE_INT, ',', "thousands separators");
    if (space > 0 && plain + space == present)
        return k[C_FLOAT] + k[C_SPACE_FLOAT] ? decided(GM_FORM_THOUSANDS_FLOAT, GM_TYPE_FLOAT, ' ', "thousands separators")
                                             : decided(GM_FORM_THOUSANDS_INT, GM_TYPE_INT, ' ', "thousands separators");
    if (k[C_BOOL] == present) return decided(GM_FORM_BOOL, GM_TYPE_BOOL, 0, "");
    if (k[C_ISO] == present) return decided(GM_FORM_TIME, GM_TYPE_TIME, 0, "%Y-%m-%d");
    if (k[C_DMY] > 0 && k[C_DMY] + k[C_EITHER] == present) return decided(GM_FORM_TIME_DMY, GM_TYPE_TIME, 0, "%d/%m/%Y");
    if (k[C_MDY] > 0 && k[C_MDY] + k[C_EITHER] == present) return decided(GM_FORM_TIME_MDY, GM_TYPE_TIME, 0, "%m/%d/%Y");
    if (k[C_NAMED] == present) return decided(GM_FORM_TIME_NAMED, GM_TYPE_TIME, 0, "%d %b %Y");
    return decided(GM_FORM_TEXT, GM_TYPE_STRING, 0, "");
}

/* Why a column is text although some of its values could be something else; NULL when all are texts. */
static const char *text_reason(const gm_sight *s, gm_arena *a)
{
    int64_t present = s->rows - s->missing;
    if (s->count[C_TEXT] == present) return NULL;
    if (s->count[C_EITHER] == present)
        return gm_arena_printf(a, "text: the day and the month of every date could be swapped, as in \"%s\" (row %" PRId64 ")",
                               s->example[C_EITHER], s->first_row[C_EITHER] + 1);
    if (s->count[C_DECIMAL_COMMA] > 0 && s->count[C_TEXT] == 0)
        return gm_arena_printf(a, "text: %" PRId64 " of %" PRId64 " values have a decimal comma, which is not guessed; first \"%s\" in row %" PRId64,
                               s->count[C_DECIMAL_COMMA], present, s->example[C_DECIMAL_COMMA], s->first_row[C_DECIMAL_COMMA] + 1);

    /* The largest class is what the column would be; the others stand in its way. */
    size_t most = 0, first = C_COUNT;
    for (size_t c = 0; c < C_COUNT; c++)
        if (s->count[c] > s->count[most]) most = c;
    if (most == C_TEXT || ((s->count[C_HUGE] || s->count[C_ZEROS]) && s->count[C_HUGE] + s->count[C_ZEROS] + s->count[C_INT] == present)) {
        if (most != C_TEXT) {
            most = s->count[C_ZEROS] ? C_ZEROS : C_HUGE;
            return gm_arena_printf(a, "text: %" PRId64 " of %" PRId64 " values are %s, first \"%s\" in row %" PRId64, s->count[most], present,
                                   class_names[most], s->example[most], s->first_row[most] + 1);
        }
        return gm_arena_printf(a, "text: %" PRId64 " of %" PRId64 " values are texts, first \"%s\" in row %" PRId64, s->count[C_TEXT], present,
                               s->example[C_TEXT], s->first_row[C_TEXT] + 1);
    }
    for (size_t c = 0; c < C_COUNT; c++)
        if (c != most && s->count[c] > 0 && (first == C_COUNT || s->first_row[c] < s->first_row[first])) first = c;
    return gm_arena_printf(a, "text: mixed, %" PRId64 " of %" PRId64 " values are %s; the first other is \"%s\" in row %" PRId64, s->count[most],
                           present, class_names[most], s->example[first], s->first_row[first] + 1);
}

gm_rc gm_rules_decide(const gm_sight *sights, const bool *declared_text, size_t count, gm_arena *a, gm_rule *out, gm_err *err)
{
    uint32_t markers = MARKER_EMPTY;
    for (size_t k = 0; k < count; k++) {
        out[k] = declared_text && declared_text[k] ? decided(GM_FORM_TEXT, GM_TYPE_STRING, 0, "") : agree(&sights[k]);
        if (out[k].form != GM_FORM_TEXT && out[k].form != GM_FORM_EMPTY) markers |= sights[k].markers;
    }
    for (size_t k = 0; k < count; k++) {
        if (out[k].form != GM_FORM_TEXT) continue;
        out[k].missing = declared_text && declared_text[k] ? 0 : markers;
        if (declared_text && declared_text[k]) continue;
        out[k].reason = text_reason(&sights[k], a);
        if (!out[k].reason && sights[k].count[C_TEXT] < sights[k].rows - sights[k].missing)
            return gm_err_set(err, GM_ENOMEM, "not enough memory to describe %zu columns", count);
    }
    return GM_OK;
}

/* ---- reading by a rule ---- */

/* Rule (4). s and n are trimmed for columns with a type. */
bool gm_rule_missing(const gm_rule *r, const gm_cell *cell)
{
    if (!cell->text) return true;
    if (cell->len > 4) return false;
    uint32_t marker = marker_of(cell->text, cell->len);
    if (r->form == GM_FORM_TEXT && cell->quoted) marker &= MARKER_EMPTY;
    return (marker & r->missing) != 0;
}

bool gm_rule_double(const gm_rule *r, const gm_cell *cell, double *out)
{
    const char *s = cell->text;
    uint32_t n = cell->len;
    *out = NAN;
    if (!s) return true;
    trim(&s, &n);
    uint32_t c = n > NUMBER_MAX ? C_TEXT : n == 0 ? C_TEXT : number_class(s, n);
    bool number = c == C_INT || c == C_FLOAT || c == C_HUGE || (r->separator == ',' && (c == C_COMMA_INT || c == C_COMMA_FLOAT)) ||
                  (r->separator == ' ' && (c == C_SPACE_INT || c == C_SPACE_FLOAT));
    if (number) {
        *out = decimal(s, n, r->separator);
        return r->form != GM_FORM_EMPTY;
    }
    return marker_of(s, n) || (r->form != GM_FORM_EMPTY && infinity_of(s, n, out));
}

static bool time_by(gm_form form, const char *s, uint32_t n, int64_t *out)
{
    uint32_t a, b;
    switch (form) {
    case GM_FORM_TIME: return iso(s, n, out);
    case GM_FORM_TIME_DMY: return numbered(s, n, &a, &b, true, out);
    case GM_FORM_TIME_MDY: return numbered(s, n, &a, &b, false, out);
    case GM_FORM_TIME_NAMED: return named(s, n, out);
    default: return false;
    }
}

bool gm_rule_int(const gm_rule *r, const gm_cell *cell, int64_t *out)
{
    const char *s = cell->text;
    uint32_t n = cell->len;
    *out = GM_MISSING_INT;
    if (!s) return true;
    trim(&s, &n);
    if (n == 0) return true;
    if (r->form == GM_FORM_INT || r->form == GM_FORM_THOUSANDS_INT) {
        uint32_t c = n > NUMBER_MAX ? C_TEXT : number_class(s, n);
        bool number = c == C_INT || (c == C_COMMA_INT && r->separator == ',') || (c == C_SPACE_INT && r->separator == ' ');
        if (!number) return marker_of(s, n) != 0;
        *out = integer(s, n, r->separator);
        return true;
    }
    if (r->form == GM_FORM_BOOL) {
        int b = bool_of(s, n);
        if (b < 0) return marker_of(s, n) != 0;
        *out = b;
        return true;
    }
    int64_t us = 0;
    if (!time_by(r->form, s, n, &us)) return marker_of(s, n) != 0;
    *out = us;
    return true;
}

/* ---- one value, later -------------------------------------------------------------------------------------- */

static gm_form form_of(gm_type type, const char *format)
{
    static const struct {
        const char *format;
        gm_form form;
    } times[] = { { "%d/%m/%Y", GM_FORM_TIME_DMY }, { "%m/%d/%Y", GM_FORM_TIME_MDY }, { "%d %b %Y", GM_FORM_TIME_NAMED } };
    switch (type) {
    case GM_TYPE_INT: return GM_FORM_THOUSANDS_INT;
    case GM_TYPE_FLOAT: return GM_FORM_THOUSANDS_FLOAT;
    case GM_TYPE_BOOL: return GM_FORM_BOOL;
    case GM_TYPE_TIME:
        for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
            if (strcmp(format, times[i].format) == 0) return times[i].form;
        return GM_FORM_TIME;
    default: return GM_FORM_TEXT;
    }
}

bool gm_field_parse(gm_type type, const char *format, const char *text, double *out_number, int64_t *out_whole)
{
    if (!format) format = "";
    gm_rule rule = { .form = form_of(type, format), .type = type, .separator = ',', .missing = UINT32_MAX };
    gm_cell cell = { .text = text, .len = (uint32_t)strlen(text) };
    if (type == GM_TYPE_FLOAT) return gm_rule_double(&rule, &cell, out_number);
    if (type != GM_TYPE_INT && type != GM_TYPE_BOOL && type != GM_TYPE_TIME) return false;
    if (gm_rule_int(&rule, &cell, out_whole)) return true;
    rule.form = GM_FORM_TIME; /* whoever wrote 31/01/2013 then may write 2013-01-31 now: it can only mean one day */
    return type == GM_TYPE_TIME && gm_rule_int(&rule, &cell, out_whole);
}
