/* c_writer.c - see c_writer.h. */
#include "feature/c_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void gm_c_init(gm_c *c, gm_arena *a, gm_err *err)
{
    *c = (gm_c){ .a = a, .err = err, .depth = 1 };
}

void gm_c_clear(gm_c *c)
{
    gm_buf_clear(&c->tables);
    gm_buf_clear(&c->body);
}

void gm_c_fail(gm_c *c, gm_rc rc, const char *fmt, ...)
{
    char message[400];
    va_list args;
    if (c->rc) return;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    c->rc = gm_err_set(c->err, rc, "%s", message);
}

static const char *kept(gm_c *c, const char *text)
{
    if (text) return text;
    gm_c_fail(c, GM_ENOMEM, "not enough memory to write a model as C");
    return "";
}

/* ---- statements -------------------------------------------------------------------------------------------- */

void gm_c_line(gm_c *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = kept(c, gm_arena_vprintf(c->a, fmt, args));
    va_end(args);
    size_t len = strlen(text);
    for (int i = 0; i < c->depth; i++) gm_buf_text(&c->body, "    ");
    gm_buf_add(&c->body, text, len);
    gm_buf_char(&c->body, '\n');
    if (len && text[len - 1] == '{') c->depth++;
}

void gm_c_close(gm_c *c)
{
    c->depth--;
    gm_c_line(c, "}");
}

const char *gm_c_name(gm_c *c, char letter)
{
    return kept(c, gm_arena_printf(c->a, "%c%d", letter, c->numbered++));
}

const char *gm_c_text(gm_c *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = kept(c, gm_arena_vprintf(c->a, fmt, args));
    va_end(args);
    return text;
}

const char *gm_c_value(gm_c *c, const char *type, const char *text)
{
    const char *name = gm_c_name(c, 'v');
    bool pointer = type[strlen(type) - 1] == '*';
    gm_c_line(c, pointer ? "%sconst %s = %s;" : "const %s%s = %s;", type, name, text);
    c->stack_bytes += 8;
    return name;
}

/* ---- constants --------------------------------------------------------------------------------------------- */

const char *gm_c_double(double v, char *out)
{
    if (isnan(v)) return "(double)NAN";
    if (isinf(v)) return v > 0 ? "(double)INFINITY" : "(-(double)INFINITY)";
    (void)gm_double_text(v, out);
    if (!strpbrk(out, ".e")) memcpy(out + strlen(out), ".0", 3);
    return out;
}

const char *gm_c_float(float v, char *out)
{
    if (isinf(v)) return v > 0 ? "INFINITY" : "(-INFINITY)";
    (void)snprintf(out, 32, "%.9g", (double)v);
    bool whole = !strpbrk(out, ".e");
    memcpy(out + strlen(out), whole ? ".0f" : "f", whole ? 4 : 2);
    return out;
}

const char *gm_c_whole(int64_t v, char *out)
{
    if (v == INT64_MIN) return "INT64_MIN";
    if (v > INT32_MIN && v <= INT32_MAX)
        (void)snprintf(out, 40, "%" PRId64, v);
    else
        (void)snprintf(out, 40, "INT64_C(%" PRId64 ")", v);
    return out;
}

/* ---- tables ------------------------------------------------------------------------------------------------ */

static void open_table(gm_c *c, const char *type, const char *name)
{
    gm_buf_printf(&c->tables, "static const %s %s[] = {", type, name);
}

/* Before element i: a comma, and a new line now and then. */
static void separate(gm_c *c, int64_t i, int per_line)
{
    gm_buf_text(&c->tables, i ? "," : "");
    gm_buf_text(&c->tables, i % per_line == 0 ? "\n    " : " ");
}

static void close_table(gm_c *c, int64_t count, int64_t element_bytes)
{
    if (!count) gm_buf_text(&c->tables, " 0");
    gm_buf_text(&c->tables, "\n};\n");
    c->table_bytes += (count ? count : 1) * element_bytes;
}

const char *gm_c_doubles(gm_c *c, const double *v, int64_t count)
{
    char text[40];
    const char *name = gm_c_name(c, 't');
    open_table(c, "double", name);
    for (int64_t i = 0; i < count; i++) {
        separate(c, i, 5);
        gm_buf_text(&c->tables, gm_c_double(v[i], text));
    }
    close_table(c, count, 8);
    return name;
}

const char *gm_c_wholes(gm_c *c, const int64_t *v, int64_t count)
{
    int64_t low = 0, high = 0;
    char text[40];
    const char *name = gm_c_name(c, 't');
    for (int64_t i = 0; i < count; i++) {
        low = v[i] < low ? v[i] : low;
        high = v[i] > high ? v[i] : high;
    }
    int bytes = low >= INT8_MIN && high <= INT8_MAX     ? 1
                : low >= INT16_MIN && high <= INT16_MAX ? 2
                : low >= INT32_MIN && high <= INT32_MAX ? 4
                                                        : 8;
    open_table(c, bytes == 1 ? "int8_t" : bytes == 2 ? "int16_t" : bytes == 4 ? "int32_t" : "int64_t", name);
    for (int64_t i = 0; i < count; i++) {
        separate(c, i, 16);
        gm_buf_text(&c->tables, gm_c_whole(v[i], text));
    }
    close_table(c, count, bytes);
    return name;
}

static void pool_byte(gm_buf *out, unsigned char b)
{
    if (b == '\'' || b == '\\')
        gm_buf_printf(out, "'\\%c'", b);
    else if (b >= ' ' && b < 127)
        gm_buf_printf(out, "'%c'", b);
    else
        gm_buf_printf(out, "'\\%o'", b);
}

void gm_c_texts(gm_c *c, const char *const *v, int64_t count, const char **out_pool, const char **out_at)
{
    int64_t *at = GM_ARENA_ARRAY(c->a, int64_t, count + 1), bytes = 0;
    *out_pool = gm_c_name(c, 't');
    *out_at = *out_pool;
    if (!at) {
        gm_c_fail(c, GM_ENOMEM, "not enough memory to write a model as C");
        return;
    }
    open_table(c, "char", *out_pool);
    for (int64_t i = 0; i < count; i++) {
        at[i] = bytes;
        gm_buf_text(&c->tables, i ? ",\n    " : "\n    ");
        for (const char *s = v[i]; *s; s++) {
            pool_byte(&c->tables, (unsigned char)*s);
            gm_buf_text(&c->tables, ", ");
        }
        gm_buf_text(&c->tables, "0");
        bytes += (int64_t)strlen(v[i]) + 1;
    }
    close_table(c, bytes, 1);
    char text[40];
    *out_at = gm_c_name(c, 't');
    open_table(c, "uint32_t", *out_at);
    for (int64_t i = 0; i < count; i++) {
        separate(c, i, 16);
        gm_buf_text(&c->tables, gm_c_whole(at[i], text));
    }
    close_table(c, count, 4);
}

/* ---- texts of users ---------------------------------------------------------------------------------------- */

void gm_c_string(gm_buf *out, const char *text)
{
    gm_buf_char(out, '"');
    for (const char *s = text; *s; s++) {
        unsigned char b = (unsigned char)*s;
        if (b == '"' || b == '\\' || b == '?')
            gm_buf_printf(out, "\\%c", b); /* \?: two of them may begin a trigraph */
        else if (b >= ' ' && b < 127)
            gm_buf_char(out, *s);
        else
            gm_buf_printf(out, "\\%03o", b); /* always three digits: a digit may follow */
    }
    gm_buf_char(out, '"');
}

void gm_c_comment(gm_buf *out, const char *text)
{
    for (const char *s = text; *s; s++) {
        unsigned char b = (unsigned char)*s;
        if (b < ' ' || b == 127 || b == '\\')
            gm_buf_char(out, b == '\\' ? '/' : ' ');
        else if (b < 127)
            gm_buf_char(out, *s);
        else
            gm_buf_printf(out, "<%02x>", b);
        bool ends = (*s == '*' || *s == '/' || *s == '\\') && (s[1] == '/' || s[1] == '*' || s[1] == '\\');
        if (ends || (*s == '?' && s[1] == '?')) gm_buf_char(out, ' ');
    }
}

/* Keywords of C11 and C++, and macros without arguments that the headers or compilers have in lower case or short. */
static bool is_reserved(const char *word)
{
    static const char *const words[] = {
        "alignas",      "alignof",
        "and",          "and_eq",
        "asm",          "auto",
        "bitand",       "bitor",
        "bool",         "break",
        "case",         "catch",
        "char",         "char16_t",
        "char32_t",     "char8_t",
        "class",        "compl",
        "concept",      "const",
        "const_cast",   "consteval",
        "constexpr",    "constinit",
        "continue",     "co_await",
        "co_return",    "co_yield",
        "decltype",     "default",
        "delete",       "do",
        "double",       "dynamic_cast",
        "else",         "enum",
        "errno",        "explicit",
        "export",       "extern",
        "false",        "float",
        "for",          "friend",
        "goto",         "i386",
        "if",           "inline",
        "int",          "linux",
        "long",         "mutable",
        "namespace",    "new",
        "noexcept",     "not",
        "not_eq",       "nullptr",
        "operator",     "or",
        "or_eq",        "private",
        "protected",    "public",
        "register",     "reinterpret_cast",
        "requires",     "restrict",
        "return",       "short",
        "signed",       "sizeof",
        "static",       "static_assert",
        "static_cast",  "stderr",
        "stdin",        "stdout",
        "struct",       "switch",
        "template",     "this",
        "thread_local", "throw",
        "true",         "try",
        "typedef",      "typeid",
        "typename",     "union",
        "unix",         "unsigned",
        "using",        "virtual",
        "void",         "volatile",
        "wchar_t",      "while",
        "xor",          "xor_eq",
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(word, words[i]) == 0) return true;
    return false;
}

/* Macros of the headers are in capitals (NAN, INT64_MIN): such a word gets a _ at its end. */
static bool all_capitals(const char *word)
{
    for (; *word; word++)
        if (*word >= 'a' && *word <= 'z') return false;
    return true;
}

char *gm_c_identifier(gm_arena *a, const char *text)
{
    size_t len = strlen(text), n = 0;
    len = len < 80 ? len : 80;
    char *out = GM_ARENA_ARRAY(a, char, len + 4);
    if (!out) return NULL;
    bool letter_first = (text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z');
    if (!letter_first) out[n++] = 'c';
    for (size_t i = 0; i < len; i++) {
        char b = text[i];
        bool good = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9');
        if (good)
            out[n++] = b;
        else if (n && out[n - 1] != '_')
            out[n++] = '_';
    }
    if (n > 1 && out[n - 1] == '_') n--;
    out[n] = '\0';
    if (is_reserved(out) || all_capitals(out)) out[n++] = '_';
    out[n] = '\0';
    return out;
}
