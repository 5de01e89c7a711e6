/* read_csv.c - records of a CSV file (RFC 4180), with the place of everything that is wrong with it.
 *
 * The reader keeps one window of the file in memory and hands out cells that point into it. It accepts: a byte order
 * mark, \n or \r\n, quotes with quotes doubled inside them, line ends inside quotes, and , ; | or tab between fields (the
 * one that splits the header into most names; comma on a tie). Blank lines are skipped. It refuses, with line: a
 * record with more or fewer fields than the header, an open quote, text after a closing quote, bytes that are not UTF-8,
 * NUL bytes, two columns of one name, records over 64 MiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/utf8.h"
#include "data/data_internal.h"

enum { WINDOW_FIRST = 1 << 18, WINDOW_MAX = 64 << 20, COLUMNS_MAX = 100000 };

typedef struct csv {
    gm_text_rows rows; /* first, so that the interface's pointer is ours */
    const char *path;
    int fd;                 /* -1 while parked: hundreds of files may be open at once, only one is read */
    char *window;           /* owned */
    size_t capacity, start, len; /* unread bytes: window[start .. len) */
    bool eof;
    char delimiter;
    bool special[256];      /* ends an unquoted field */
    gm_cell *cells;         /* owned; [cells_capacity] */
    bool *escaped;          /* owned; the quoted cell holds doubled quotes */
    size_t cells_capacity, cells_count;
    bool any_quoted;        /* in the record looked at */
    int64_t next_line;      /* of window[start] */
} csv;

static gm_pos at_line(const csv *c, int64_t line)
{
    return (gm_pos){ .file = c->rows.label, .line = (uint32_t)(line < UINT32_MAX ? line : UINT32_MAX) };
}

/* ---- the window ---- */

static gm_rc refill(csv *c, gm_err *err)
{
    if (c->start > 0) {
        memmove(c->window, c->window + c->start, c->len - c->start);
        c->len -= c->start;
        c->start = 0;
    }
    if (c->len == c->capacity) {
        if (c->capacity >= WINDOW_MAX) {
            gm_rc rc = gm_err_at(err, at_line(c, c->next_line), GM_EINVALID, "a row is longer than %d MiB", WINDOW_MAX >> 20);
            gm_err_hint(err, "A quote that is never closed looks like this; look at the row named.");
            return rc;
        }
        char *more = realloc(c->window, c->capacity * 2);
        if (!more) return gm_err_set(err, GM_ENOMEM, "not enough memory to read a row of %zu bytes", c->capacity);
        c->window = more;
        c->capacity *= 2;
    }
    ssize_t n;
    do n = read(c->fd, c->window + c->len, c->capacity - c->len);
    while (n < 0 && errno == EINTR);
    if (n < 0) return gm_err_errno(err, errno, "read", c->rows.label);
    c->eof = n == 0;
    c->len += (size_t)n;
    return GM_OK;
}

/* ---- one record ---- */

static gm_rc more_cells(csv *c, gm_err *err)
{
    if (c->cells_capacity >= COLUMNS_MAX) return gm_err_at(err, at_line(c, c->next_line), GM_EINVALID, "more than %d columns", COLUMNS_MAX);
    size_t capacity = c->cells_capacity ? c->cells_capacity * 2 : 64;
    gm_cell *cells = realloc(c->cells, capacity * sizeof(*cells));
    if (cells) c->cells = cells;
    bool *escaped = realloc(c->escaped, capacity * sizeof(*escaped));
    if (escaped) c->escaped = escaped;
    if (!cells || !escaped) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", capacity);
    c->cells_capacity = capacity;
    return GM_OK;
}

/* Outcome of looking at the bytes in the window. */
typedef enum look { LOOK_RECORD, LOOK_MORE, LOOK_FAILED } look;

/* A quoted field from the byte after its opening quote. *at ends after the closing one. */
static look quoted_field(csv *c, size_t *at, gm_err *err)
{
    size_t from = *at, i = from;
    bool doubled = false;
    for (;;) {
        const char *quote = memchr(c->window + i, '"', c->len - i);
        if (!quote) {
            if (!c->eof) return LOOK_MORE;
            (void)gm_err_at(err, at_line(c, c->next_line), GM_EINVALID, "a quote that is opened in this row is never closed");
            return LOOK_FAILED;
        }
        i = (size_t)(quote - c->window) + 1;
        if (i == c->len && !c->eof) return LOOK_MORE;
        if (i == c->len || c->window[i] != '"') break;
        doubled = true;
        i++;
    }
    c->cells[c->cells_count] = (gm_cell){ c->window + from, (uint32_t)(i - 1 - from), true };
    c->escaped[c->cells_count] = doubled;
    *at = i;
    return LOOK_RECORD;
}

/* One record from window[start]; *out_end after its line end. Cells still hold doubled quotes. */
static look look_at_record(csv *c, size_t *out_end, gm_err *err)
{
    size_t i = c->start;
    c->cells_count = 0;
    c->any_quoted = false;
    for (;;) {
        if (c->cells_count == c->cells_capacity && more_cells(c, err)) return LOOK_FAILED;
        if (i < c->len && c->window[i] == '"') {
            i++;
            c->any_quoted = true;
            look l = quoted_field(c, &i, err);
            if (l != LOOK_RECORD) return l;
        } else {
            size_t from = i, len = c->len;
            const char *w = c->window;
            const bool *special = c->special;
            for (;; i++) { /* \r ends a field only before \n */
                while (i < len && !special[(unsigned char)w[i]]) i++;
                if (i == len) break;
                if (w[i] != '\r' || (i + 1 < len && w[i + 1] == '\n') || i + 1 == len) break;
            }
            c->cells[c->cells_count] = (gm_cell){ w + from, (uint32_t)(i - from), false };
        }
        c->cells_count++;
        if (i == c->len || (c->window[i] == '\r' && i + 1 == c->len)) {
            if (!c->eof) return LOOK_MORE;
            *out_end = c->len;
            return LOOK_RECORD;
        }
        char after = c->window[i];
        if (after == c->delimiter) {
            i++;
        } else if (after == '\n' || (after == '\r' && c->window[i + 1] == '\n')) {
            *out_end = i + 1 + (after == '\r');
            return LOOK_RECORD;
        } else {
            gm_rc rc = gm_err_at(err, at_line(c, c->next_line), GM_EINVALID, "text after the closing quote of field %zu", c->cells_count);
            gm_err_hint(err, "A quote inside a quoted value is written twice: \"5\"\" pipe\".");
            (void)rc;
            return LOOK_FAILED;
        }
    }
}

/* ---- bytes ---- */

/* Eight bytes at a time: none with its high bit, none zero. */
static bool plain_ascii(const char *s, size_t n)
{
    const uint64_t high = 0x8080808080808080u, ones = 0x0101010101010101u;
    uint64_t seen = 0, word;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&word, s + i, 8);
        seen |= word | (word - ones);
    }
    for (; i < n; i++) seen |= (uint64_t)(unsigned char)s[i] | (s[i] == 0 ? high : 0);
    return (seen & high) == 0;
}

static gm_rc check_bytes(const csv *c, size_t end, gm_err *err)
{
    const char *s = c->window + c->start;
    size_t n = end - c->start, column = 1;
    int64_t line = c->next_line;
    if (plain_ascii(s, n)) return GM_OK;
    for (size_t i = 0; i < n;) {
        size_t len = s[i] ? gm_utf8_length(s + i, n - i) : 0;
        if (len == 0) {
            gm_rc rc = gm_err_at(err, at_line(c, line), GM_EINVALID, "byte %zu of the line (0x%02x) is not UTF-8", column, (unsigned)(unsigned char)s[i]);
            gm_err_hint(err, s[i] ? "Save the file as UTF-8; from latin-1: iconv -f latin1 -t utf-8." : "A zero byte does not belong in a CSV file.");
            return rc;
        }
        column += len;
        if (s[i] == '\n') {
            line++;
            column = 1;
        }
        i += len;
    }
    return GM_OK;
}

static void undouble(gm_cell *cell)
{
    char *to = (char *)(uintptr_t)cell->text; /* our own window */
    uint32_t kept = 0;
    for (uint32_t i = 0; i < cell->len; i++) {
        to[kept++] = cell->text[i];
        if (cell->text[i] == '"') i++;
    }
    cell->len = kept;
}

/* The next record's cells in c->cells; *out_any false at the end of the file. Sets rows.line. */
static gm_rc next_record(csv *c, bool *out_any, gm_err *err)
{
    for (;;) {
        size_t end = 0;
        if (c->start == c->len && !c->eof) {
            gm_rc rc = refill(c, err);
            if (rc) return rc;
        }
        if (c->start == c->len && c->eof) {
            *out_any = false;
            return GM_OK;
        }
        look l = look_at_record(c, &end, err);
        if (l == LOOK_FAILED) return err ? err->rc : GM_EINVALID;
        if (l == LOOK_MORE) {
            gm_rc rc = refill(c, err);
            if (rc) return rc;
            continue;
        }
        gm_rc rc = check_bytes(c, end, err);
        if (rc) return rc;
        c->rows.line = c->next_line++;
        for (size_t k = 0; c->any_quoted && k < c->cells_count; k++) {
            gm_cell *cell = &c->cells[k];
            if (!cell->quoted) continue;
            for (const char *s = cell->text, *stop = s + cell->len; (s = memchr(s, '\n', (size_t)(stop - s))) != NULL; s++) c->next_line++;
            if (c->escaped[k]) undouble(cell);
        }
        c->start = end;
        if (c->cells_count == 1 && c->cells[0].len == 0 && !c->cells[0].quoted) continue; /* a blank line */
        *out_any = true;
        return GM_OK;
    }
}

/* ---- the header ---- */

static gm_rc wrong_format(csv *c, const char *what, const char *hint, gm_err *err)
{
    gm_rc rc = gm_err_at(err, (gm_pos){ .file = c->rows.label }, GM_EINVALID, "%s", what);
    gm_err_hint(err, "%s", hint);
    return rc;
}

/* Skip a byte order mark; refuse what is plainly not CSV. The first window is filled. */
static gm_rc look_at_start(csv *c, gm_err *err)
{
    const char *w = c->window;
    if (c->len == 0) return wrong_format(c, "the file is empty", "A CSV file begins with a line of column names.", err);
    if (c->len >= 3 && memcmp(w, "\xEF\xBB\xBF", 3) == 0) c->start = 3;
    if (c->len >= 2 && (memcmp(w, "\xFF\xFE", 2) == 0 || memcmp(w, "\xFE\xFF", 2) == 0))
        return wrong_format(c, "the file is UTF-16, not UTF-8", "Convert it: iconv -f utf-16 -t utf-8.", err);
    if (c->len >= 4 && (memcmp(w, "PK\3\4", 4) == 0 || memcmp(w, "\x1F\x8B", 2) == 0))
        return wrong_format(c, "the file is compressed, not CSV", "Unpack it first.", err);
    if (c->len >= 4 && memcmp(w, "PAR1", 4) == 0)
        return wrong_format(c, "the file is Parquet, not CSV", "Give it the ending .parquet, or say format: parquet.", err);
    return GM_OK;
}

static char find_delimiter(const csv *c)
{
    static const char candidates[] = { ',', ';', '\t', '|' };
    size_t counts[4] = { 0 }, best = 0;
    bool quoted = false;
    for (size_t i = c->start; i < c->len && (quoted || c->window[i] != '\n'); i++) {
        if (c->window[i] == '"') quoted = !quoted;
        for (size_t k = 0; !quoted && k < 4; k++) counts[k] += c->window[i] == candidates[k];
    }
    for (size_t k = 1; k < 4; k++)
        if (counts[k] > counts[best]) best = k;
    return candidates[best];
}

static gm_rc read_names(csv *c, gm_arena *a, gm_err *err)
{
    bool any = false;
    gm_rc rc = next_record(c, &any, err);
    if (rc) return rc;
    if (!any) return wrong_format(c, "the file is empty", "A CSV file begins with a line of column names.", err);
    size_t count = c->cells_count;
    const char **names = GM_ARENA_ARRAY(a, const char *, count);
    for (size_t k = 0; names && k < count; k++) {
        names[k] = c->cells[k].len ? gm_arena_strndup(a, c->cells[k].text, c->cells[k].len) : gm_arena_printf(a, "column_%zu", k + 1);
        if (!names[k]) names = NULL;
    }
    if (!names) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu column names", count);
    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < k; i++) {
            if (strcmp(names[i], names[k]) != 0) continue;
            rc = gm_err_at(err, at_line(c, c->rows.line), GM_EINVALID, "column %zu has the same name as column %zu, \"%.100s\"", k + 1, i + 1, names[k]);
            gm_err_hint(err, "Give every column a name of its own in the first line.");
            return rc;
        }
    }
    c->rows.names = names;
    c->rows.count = count;
    return GM_OK;
}

/* ---- the interface ---- */

/* Give back what reading needs; rewind takes it again. */
static void park(csv *c)
{
    if (c->fd >= 0) (void)close(c->fd); /* opened for reading */
    free(c->window);
    free(c->cells);
    free(c->escaped);
    c->fd = -1;
    c->window = NULL;
    c->cells = NULL;
    c->escaped = NULL;
    c->cells_capacity = 0;
}

static gm_rc csv_next(gm_text_rows *rows, const gm_cell **out_cells, gm_err *err)
{
    csv *c = (csv *)rows;
    bool any = false;
    gm_rc rc = next_record(c, &any, err);
    if (rc) return rc;
    if (any && c->cells_count != rows->count) {
        rc = gm_err_at(err, at_line(c, rows->line), GM_EINVALID, "the row has %zu field%s, the header has %zu", c->cells_count,
                       c->cells_count == 1 ? "" : "s", rows->count);
        gm_err_hint(err, c->cells_count > rows->count ? "A value that holds the separator '%c' needs quotes around it." : "Every row needs a value, or nothing between two '%c', for each column.",
                    c->delimiter);
        return rc;
    }
    *out_cells = any ? c->cells : NULL;
    if (!any) park(c);
    return GM_OK;
}

static gm_rc start_over(csv *c, gm_err *err)
{
    if (c->fd < 0) c->fd = open(c->path, O_RDONLY | O_CLOEXEC);
    if (c->fd < 0) return gm_err_errno(err, errno, "open", c->rows.label);
    (void)posix_fadvise(c->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice only */
    if (lseek(c->fd, 0, SEEK_SET) < 0) return gm_err_errno(err, errno, "read from the start of", c->rows.label);
    if (!c->window) {
        c->capacity = WINDOW_FIRST;
        c->window = malloc(c->capacity);
        if (!c->window) return gm_err_set(err, GM_ENOMEM, "not enough memory to read \"%s\"", c->rows.label);
    }
    c->start = c->len = 0;
    c->eof = false;
    c->next_line = 1;
    gm_rc rc = refill(c, err);
    return rc ? rc : look_at_start(c, err);
}

static gm_rc csv_rewind(gm_text_rows *rows, gm_err *err)
{
    csv *c = (csv *)rows;
    bool any = false;
    gm_rc rc = start_over(c, err);
    return rc ? rc : next_record(c, &any, err);
}

static void csv_close(gm_text_rows *rows) { park((csv *)rows); }

gm_rc gm_csv_open(const char *path, const char *label, gm_arena *a, gm_text_rows **out, gm_err *err)
{
    csv *c = GM_ARENA_NEW(a, csv);
    if (!c) return gm_err_set(err, GM_ENOMEM, "not enough memory to open \"%s\"", label);
    *c = (csv){ .rows = { .label = label, .next = csv_next, .rewind = csv_rewind, .close = csv_close }, .path = path, .fd = -1 };
    gm_rc rc = start_over(c, err);
    if (!rc) {
        c->delimiter = find_delimiter(c);
        c->special[(unsigned char)c->delimiter] = c->special['\n'] = c->special['\r'] = true;
        rc = read_names(c, a, err);
    }
    park(c);
    if (!rc) *out = &c->rows;
    return rc;
}
