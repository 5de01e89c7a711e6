/* decode_csv.c - see decode.h: RFC 4180 with LF or CR LF, a byte order mark is left out. */
#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"
#include "serve/decode.h"

/* Where reading stands. */
typedef struct reader {
    const char *at, *end;
    int64_t line; /* 1-based, of `at` */
    gm_arena *a;  /* of fields that had "" within quotes */
} reader;

static gm_rc refuse(const reader *r, const char *what, gm_err *err)
{
    return gm_err_set(err, GM_EINVALID, "line %" PRId64 " of the CSV: %s", r->line, what);
}

/* Skips lines without any character; false at the end. */
static bool next_line(reader *r)
{
    while (r->at < r->end && (*r->at == '\n' || (*r->at == '\r' && (r->at + 1 == r->end || r->at[1] == '\n')))) {
        r->line += *r->at == '\n';
        r->at++;
    }
    return r->at < r->end;
}

/* After a field: at a comma, a line's end, or the end. */
static bool ends_field(const reader *r)
{
    return r->at == r->end || *r->at == ',' || *r->at == '\n' || (*r->at == '\r' && (r->at + 1 == r->end || r->at[1] == '\n'));
}

/* Text between quotes, doubled quotes made single. */
static gm_rc quoted(reader *r, gm_slice *out, gm_err *err)
{
    const char *start = ++r->at;
    size_t doubled = 0;
    for (;; r->at++) {
        if (r->at == r->end) return refuse(r, "a quote is not closed", err);
        if (*r->at == '\n') r->line++;
        if (*r->at != '"') continue;
        if (r->at + 1 == r->end || r->at[1] != '"') break;
        doubled++;
        r->at++;
    }
    *out = (gm_slice){ start, (size_t)(r->at - start) };
    r->at++;
    if (!ends_field(r)) return refuse(r, "text follows a closing quote", err);
    if (!doubled) return GM_OK;
    char *text = gm_arena_alloc(r->a, out->len + 1, 1);
    if (!text) return gm_err_set(err, GM_ENOMEM, "the request is too large for its memory");
    size_t len = 0;
    for (size_t i = 0; i < out->len; i++) {
        text[len++] = out->data[i];
        i += out->data[i] == '"';
    }
    *out = (gm_slice){ text, len };
    return GM_OK;
}

/* The next field of the line; *last when the line ends behind it. */
static gm_rc next_field(reader *r, gm_slice *out, bool *last, gm_err *err)
{
    gm_rc rc = GM_OK;
    if (r->at < r->end && *r->at == '"') {
        rc = quoted(r, out, err);
    } else {
        const char *start = r->at;
        const char *p = start;
        while (p < r->end && *p != ',' && *p != '\n' && *p != '"' && !(*p == '\r' && (p + 1 == r->end || p[1] == '\n'))) p++;
        r->at = p;
        if (p < r->end && *p == '"') return refuse(r, "a quote within a field that does not begin with one", err);
        *out = (gm_slice){ start, (size_t)(p - start) };
    }
    if (rc) return rc;
    *last = r->at == r->end || *r->at != ',';
    if (*last && r->at < r->end && *r->at == '\r') r->at++;
    if (r->at < r->end) {
        r->line += *last;
        r->at++;
    }
    return GM_OK;
}

/* Lines with anything on them, as far as a quote may span lines. */
static int64_t count_lines(gm_slice csv)
{
    int64_t lines = 0;
    bool inside = false, some = false;
    for (size_t i = 0; i < csv.len; i++) {
        char c = csv.data[i];
        inside ^= c == '"';
        if (c == '\n' && !inside) {
            lines += some;
            some = false;
        } else {
            some |= c != '\r';
        }
    }
    return lines + some;
}

gm_rc gm_frame_csv(gm_slice body, gm_arena *a, gm_frame *out, gm_err *err)
{
    if (body.len >= 3 && memcmp(body.data, "\xEF\xBB\xBF", 3) == 0) body = (gm_slice){ body.data + 3, body.len - 3 };
    if (!gm_utf8_valid(body.data, body.len)) return gm_err_set(err, GM_EINVALID, "the CSV is not valid UTF-8 text");
    *out = (gm_frame){ .form = GM_FRAME_CSV, .csv = body, .rows = count_lines(body), .arena = a };
    return out->rows ? GM_OK : gm_err_set(err, GM_EINVALID, "the CSV has no rows");
}

/* The columns of the fields: by the header when there is one (r stands behind it then), else NULL. */
static gm_rc read_header(reader *r, const gm_served_schema *s, int **out_map, size_t *out_count, gm_err *err)
{
    reader ahead = *r;
    gm_slice field;
    size_t count = 0, named = 0;
    bool last = false;
    for (gm_rc rc; !last; count++) {
        rc = next_field(&ahead, &field, &last, err);
        if (rc) return rc;
        named += gm_served_schema_find(s, field.data, field.len, count) >= 0;
    }
    *out_map = NULL;
    *out_count = count;
    if (!named) return GM_OK;
    int *map = GM_ARENA_ARRAY(r->a, int, count);
    bool *taken = GM_ARENA_ARRAY(r->a, bool, s->columns_count);
    if (!map || !taken) return gm_err_set(err, GM_ENOMEM, "the request is too large for its memory");
    for (size_t i = 0; i < count; i++) {
        gm_rc rc = next_field(r, &field, &last, err);
        if (rc) return rc;
        map[i] = gm_served_schema_find(s, field.data, field.len, i);
        if (map[i] >= 0 && taken[map[i]])
            return gm_err_set(err, GM_EINVALID, "column \"%.*s\" stands twice in the CSV's header",
                              (int)(field.len < 100 ? field.len : 100), field.data);
        if (map[i] >= 0) taken[map[i]] = true;
    }
    *out_map = map;
    return GM_OK;
}

static gm_rc read_row(reader *r, gm_rows *rows, int64_t row, const int *map, size_t count, gm_err *err)
{
    gm_slice field;
    bool last = false;
    int64_t line = r->line;
    size_t i = 0;
    for (; !last; i++) {
        gm_rc rc = next_field(r, &field, &last, err);
        if (!rc && i < count && (!map || map[i] >= 0))
            rc = gm_rows_set_field(rows, map ? (size_t)map[i] : i, row, field.data, field.len, err);
        if (rc) return rc;
    }
    return i == count ? GM_OK
                      : gm_err_set(err, GM_EINVALID, "line %" PRId64 " of the CSV has %zu fields, expected %zu", line, i, count);
}

gm_rc gm_frame_decode_csv(const gm_frame *f, const gm_served_schema *s, gm_rows *rows, gm_err *err)
{
    reader r = { .at = f->csv.data, .end = f->csv.data + f->csv.len, .line = 1, .a = f->arena };
    int *map = NULL;
    size_t count = 0;
    (void)next_line(&r); /* there is one: see gm_frame_csv */
    gm_rc rc = read_header(&r, s, &map, &count, err);
    if (rc) return rc;
    if (!map && count != s->inputs_count && count != s->columns_count) {
        gm_err_set(err, GM_EINVALID, "the CSV has %zu columns and no header that the model knows; it takes %zu", count,
                   s->inputs_count);
        gm_err_hint(err, "Without a header the columns are the model's inputs in order.");
        return GM_EINVALID;
    }
    rc = gm_rows_begin(rows, s, f->rows - (map ? 1 : 0), err);
    for (size_t i = 0; !rc && map && i < count; i++) rows->unknown_columns += map[i] < 0;
    int64_t row = 0;
    for (; !rc && next_line(&r); row++) {
        if (row == rows->rows) return refuse(&r, "a quote or a carriage return is out of place", err);
        rc = read_row(&r, rows, row, map, count, err);
    }
    return rc || row == rows->rows ? rc : refuse(&r, "a quote or a carriage return is out of place", err);
}
