/* term.c - words and tables on a terminal. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"

bool gm_term_color(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && (!no || !no[0]);
}

static const char *code(const char *c)
{
    return gm_term_color() ? c : "";
}
const char *gm_term_bold(void)
{
    return code("\x1b[1m");
}
const char *gm_term_dim(void)
{
    return code("\x1b[2m");
}
const char *gm_term_green(void)
{
    return code("\x1b[32m");
}
const char *gm_term_red(void)
{
    return code("\x1b[31m");
}
const char *gm_term_yellow(void)
{
    return code("\x1b[33m");
}
const char *gm_term_plain(void)
{
    return code("\x1b[0m");
}

const char *gm_show_count(int64_t n, char *out)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRId64, n < 0 ? -n : n), at = 0;
    if (n < 0) out[at++] = '-';
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

const char *gm_show_seconds(double s, char *out)
{
    if (s < 0.0995)
        (void)snprintf(out, 32, "%.0f ms", s * 1000);
    else if (s < 99.95)
        (void)snprintf(out, 32, "%.1f s", s);
    else
        (void)snprintf(out, 32, "%.0f min %02.0f s", s / 60 - 0.5 > 0 ? (double)(int)(s / 60) : 0.0,
                       s - 60 * (double)(int)(s / 60));
    return out;
}

const char *gm_show_bytes(int64_t n, char *out)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double v = (double)n;
    size_t u = 0;
    while (v >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
        v /= 1024;
        u++;
    }
    (void)snprintf(out, 32, u ? "%.1f %s" : "%.0f %s", v, units[u]);
    return out;
}

const char *gm_show_time(int64_t us, char *out)
{
    (void)gm_time_text(us - us % 1000000, out, 32);
    char *t = strchr(out, 'T');
    if (t) *t = ' ';
    return out;
}

char *gm_show_plain(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        if (*c < 0x20 || *c == 0x7f) *c = ' ';
        if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) c[0] = c[1] = ' '; /* U+0080 to U+009F */
    }
    return text;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

enum { COLUMNS_MAX = 24 };

struct gm_grid {
    gm_arena *a;
    size_t columns, rows, capacity;
    const char **cells;
    bool right[COLUMNS_MAX];
};

gm_grid *gm_grid_new(gm_arena *a, size_t columns)
{
    gm_grid *g = GM_ARENA_NEW(a, gm_grid);
    gm_assert(g != NULL && columns <= COLUMNS_MAX);
    *g = (gm_grid){ .a = a, .columns = columns };
    return g;
}

void gm_grid_right(gm_grid *g, size_t column)
{
    g->right[column] = true;
}

void gm_grid_add(gm_grid *g, const char *const *cells)
{
    if (g->rows == g->capacity) {
        size_t capacity = g->capacity ? g->capacity * 2 : 32;
        const char **more = GM_ARENA_ARRAY(g->a, const char *, capacity * g->columns);
        gm_assert(more != NULL);
        if (g->rows) memcpy(more, g->cells, g->rows * g->columns * sizeof(*more));
        g->cells = more;
        g->capacity = capacity;
    }
    for (size_t i = 0; i < g->columns; i++) {
        char *cell = gm_arena_strdup(g->a, cells[i] ? cells[i] : "");
        gm_assert(cell != NULL);
        g->cells[g->rows * g->columns + i] = gm_show_plain(cell);
    }
    g->rows++;
}

/* Characters, not bytes. */
static int width_of(const char *text)
{
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

void gm_grid_print(const gm_grid *g)
{
    int widths[COLUMNS_MAX] = { 0 };
    for (size_t r = 0; r < g->rows; r++)
        for (size_t c = 0; c < g->columns; c++) {
            int w = width_of(g->cells[r * g->columns + c]);
            if (w > widths[c]) widths[c] = w;
        }
    for (size_t r = 0; r < g->rows; r++) {
        fputs(r == 0 ? gm_term_dim() : "", stdout);
        for (size_t c = 0; c < g->columns; c++) {
            const char *cell = g->cells[r * g->columns + c];
            int pad = widths[c] - width_of(cell);
            bool last = c + 1 == g->columns;
            printf("%s%*s%s%*s", c ? "  " : "", g->right[c] ? pad : 0, "", cell, g->right[c] || last ? 0 : pad, "");
        }
        printf("%s\n", r == 0 ? gm_term_plain() : "");
    }
}

/* ---- answers ------------------------------------------------------------------------------------------------------- */

void gm_print_json(gm_buf *json)
{
    if (json->failed) { /* half a text is no answer */
        fputs("gristmill: not enough memory for the answer\n", stderr);
        exit(gm_rc_exit_code(GM_ENOMEM));
    }
    printf("%s\n", gm_buf_str(json));
    gm_buf_clear(json);
}

/* ---- errors -------------------------------------------------------------------------------------------------------- */

void gm_print_error(const gm_err *err, bool json)
{
    if (json) {
        gm_buf b = { 0 };
        gm_json j;
        gm_json_init(&j, &b, false);
        gm_json_object(&j);
        gm_json_key(&j, "error");
        gm_err_json(err, &j);
        gm_json_object_end(&j);
        fprintf(stderr, "%s\n", gm_buf_str(&b));
        gm_buf_clear(&b);
        return;
    }
    bool color = isatty(STDERR_FILENO) && gm_term_color();
    if (err->file[0]) fprintf(stderr, "%s:", err->file);
    if (err->file[0] && err->line) fprintf(stderr, "%u:%u:", err->line, err->col);
    fprintf(stderr, "%s%s%s%s\n",
            err->file[0] ? " "
            : color      ? "\x1b[31mgristmill:\x1b[0m "
                         : "gristmill: ",
            color && err->file[0] ? "\x1b[31m" : "", err->message, color && err->file[0] ? "\x1b[0m" : "");
    for (uint32_t i = 0; i < err->ctx_count; i++) fprintf(stderr, "  while %s\n", err->ctx[i]);
    if (err->hint[0]) fprintf(stderr, "  hint: %s\n", err->hint);
}
