/* predlog_profile.c - profiles of what was served, by the hour, and windows put together of them. See predlog.h and
 * predlog_internal.h.
 *
 *   file = "GMPROF1\n", one line of JSON {"model", "version", "hour_us", "rows"}, the profile (data/profile.h)
 *
 * A file belongs to the part of a segment that its name says, as the Parquet file of the same segment and number does: while the
 * segment is there, neither counts. So each row is in exactly one of: a segment, a profile (whole hours), a Parquet file (the
 * hours at a window's ends).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/node.h"
#include "serve/predlog_internal.h"

#define MAGIC "GMPROF1\n"
#define ENDING ".profile"
/* A lane's buffer may go to a segment that was begun a little later. */
#define BUFFERED_US (INT64_C(60) * 1000000)

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the profiles of the prediction log");
}

static int64_t hour_of(int64_t us)
{
    return us - us % GM_PREDLOG_HOUR_US;
}

gm_rc gm_predlog_extent(const char *dir, int64_t *out_first_us, int64_t *out_last_us, gm_err *err)
{
    gm_predlog_file *segments = NULL, *sealed = NULL;
    size_t segments_count = 0, sealed_count = 0;
    gm_predlog_parts parts = { 0 };
    gm_arena *a = gm_arena_new(0);
    if (!a) return no_memory(err);
    gm_rc rc = gm_predlog_segments(dir, a, &segments, &segments_count, err);
    if (!rc) rc = gm_predlog_sealed(dir, a, &sealed, &sealed_count, err);
    for (size_t i = 0; !rc && i < segments_count; i++) {
        int64_t begun = 0;
        if (sscanf(segments[i].segment, "%" SCNd64, &begun) == 1 && begun > BUFFERED_US)
            gm_predlog_parts_saw(&parts, begun - BUFFERED_US, gm_now_us());
    }
    for (size_t i = 0; !rc && i < sealed_count; i++) gm_predlog_parts_saw(&parts, sealed[i].first_us, sealed[i].last_us);
    gm_arena_free(a);
    if (rc) return rc;
    *out_first_us = parts.first_us;
    *out_last_us = parts.last_us;
    return GM_OK;
}

/* ---- writing ----------------------------------------------------------------------------------------------------------- */

/* The inputs of the rows [count] named by index. */
static gm_rc some_inputs(const gm_table *t, const char *const *inputs, size_t inputs_count, const int64_t *index, int64_t count,
                         gm_arena *a, gm_table *out, gm_err *err)
{
    gm_table some = { .rows = t->rows, .columns = GM_ARENA_ARRAY(a, gm_column, inputs_count) };
    if (!some.columns) return no_memory(err);
    for (size_t i = 0; i < inputs_count; i++) {
        const gm_column *c = gm_table_find(t, inputs[i]);
        if (!c) return gm_err_set(err, GM_EINVALID, "the prediction log has no column \"%.100s\"", inputs[i]);
        some.columns[some.columns_count++] = *c;
    }
    return gm_table_take(&some, index, count, a, out, err);
}

static gm_rc write_file(const char *path, const gm_predlog_part *p, int64_t hour_us, const gm_profile *profile, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_buf_text(&b, MAGIC);
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "model", p->model);
    gm_json_kstr(&j, "version", p->version);
    gm_json_kint(&j, "hour_us", hour_us);
    gm_json_kint(&j, "rows", gm_profile_rows(profile));
    gm_json_object_end(&j);
    gm_buf_char(&b, '\n');
    gm_profile_write(profile, &b);
    gm_rc rc = b.failed ? no_memory(err) : gm_fs_write_atomic(path, b.data, b.len, err);
    gm_buf_clear(&b);
    return rc;
}

gm_rc gm_predlog_profiles_write(const char *dir, const char *segment, size_t number, const gm_predlog_part *p, gm_arena *a,
                                gm_err *err)
{
    const gm_column *time = gm_table_find(&p->table, "time");
    const char *model = gm_predlog_folder(p->model, a), *version = gm_predlog_folder(p->version, a);
    const char *folder = model && version ? gm_arena_printf(a, "%s/" GM_PREDLOG_PROFILES "/%s/%s", dir, model, version) : NULL;
    int64_t *index = GM_ARENA_ARRAY(a, int64_t, p->table.rows);
    if (!folder || !index) return no_memory(err);
    gm_rc rc = gm_fs_mkdirs(folder, err);
    /* From hour to hour that has rows: where a clock jumped there may be decades between them. */
    for (int64_t hour = hour_of(p->first_us), next; !rc && hour != INT64_MAX; hour = next) {
        gm_table some;
        gm_profile *profile = NULL;
        int64_t count = 0;
        next = INT64_MAX;
        for (int64_t i = 0; i < p->table.rows; i++) {
            int64_t of = hour_of(time->i64[i]);
            if (of == hour) index[count++] = i;
            if (of > hour && of < next) next = of;
        }
        if (!count) continue;
        gm_arena *scratch = gm_arena_new(0);
        rc = scratch ? some_inputs(&p->table, p->inputs, p->inputs_count, index, count, scratch, &some, err) : no_memory(err);
        if (!rc) rc = gm_profile_of(&some, scratch, &profile, err);
        const char *path =
            gm_arena_printf(a, "%s/%016" PRId64 "-%" PRId64 "-%s-%zu" ENDING, folder, hour, count, segment, number);
        if (!rc) rc = path ? write_file(path, p, hour, profile, err) : no_memory(err);
        gm_arena_free(scratch);
    }
    return gm_err_ctx(err, rc, "profiling the hours of %.100s/%.40s", p->model, p->version);
}

/* ---- what is there ----------------------------------------------------------------------------------------------------- */

typedef struct hour_file {
    const char *path, *part; /* part: "<segment>-<number>" */
    int64_t hour_us, rows;
} hour_file;

typedef struct hour_list {
    hour_file *items; /* [count] */
    size_t count, capacity;
} hour_list;

static gm_rc list(const char *dir, gm_arena *a, const char ***out, size_t *out_count, gm_err *err)
{
    *out_count = 0;
    return gm_fs_is_dir(dir) ? gm_fs_list(dir, a, out, out_count, err) : GM_OK;
}

/* "<hour>-<rows>-<segment>-<number>.profile" */
static bool parse_name(const char *name, gm_arena *a, hour_file *out)
{
    int at = 0;
    size_t len = strlen(name), ending = strlen(ENDING);
    if (len <= ending || strcmp(name + len - ending, ENDING) != 0) return false;
    if (sscanf(name, "%" SCNd64 "-%" SCNd64 "-%n", &out->hour_us, &out->rows, &at) < 2 || !at || (size_t)at >= len - ending)
        return false;
    out->part = gm_arena_strndup(a, name + at, len - ending - (size_t)at);
    return out->part != NULL;
}

static gm_rc list_hours(const char *folder, gm_arena *a, hour_list *l, gm_err *err)
{
    const char **names = NULL;
    size_t count = 0;
    gm_rc rc = list(folder, a, &names, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        hour_file f = { .path = gm_path_join(a, folder, names[i]) };
        if (!f.path) return no_memory(err);
        if (!parse_name(names[i], a, &f)) continue;
        if (l->count == l->capacity) {
            size_t capacity = l->capacity ? 2 * l->capacity : 64;
            hour_file *items = GM_ARENA_ARRAY(a, hour_file, capacity);
            if (!items) return no_memory(err);
            if (l->count) memcpy(items, l->items, l->count * sizeof(*items));
            l->items = items;
            l->capacity = capacity;
        }
        l->items[l->count++] = f;
    }
    return rc;
}

/* Of a model's version, NULL = of all its versions; model NULL = of all models. */
static gm_rc list_profiles(const char *dir, const char *model, const char *version, gm_arena *a, hour_list *l, gm_err *err)
{
    const char *top = gm_path_join(a, dir, GM_PREDLOG_PROFILES), **models = NULL, **versions = NULL;
    size_t models_count = 0, versions_count = 0;
    const char *only_model = model ? gm_predlog_folder(model, a) : NULL,
               *only_version = version ? gm_predlog_folder(version, a) : NULL;
    gm_rc rc = top ? list(top, a, &models, &models_count, err) : no_memory(err);
    for (size_t i = 0; !rc && i < models_count; i++) {
        if (only_model && strcmp(models[i], only_model) != 0) continue;
        const char *folder = gm_path_join(a, top, models[i]);
        rc = folder ? list(folder, a, &versions, &versions_count, err) : no_memory(err);
        for (size_t k = 0; !rc && k < versions_count; k++)
            if (!only_version || strcmp(versions[k], only_version) == 0)
                rc = list_hours(gm_path_join(a, folder, versions[k]), a, l, err);
    }
    return rc;
}

/* "<segment>-<number>" of a Parquet file's name. */
static const char *part_of(const gm_predlog_file *f, gm_arena *a)
{
    const char *name = strrchr(f->path, '/'), *end = strrchr(f->path, '.');
    const char *at = name ? strstr(name, f->segment) : NULL;
    return at && end > at ? gm_arena_strndup(a, at, (size_t)(end - at)) : NULL;
}

static bool is_among(const char *const *parts, size_t count, const char *part)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(parts[i], part) == 0) return true;
    return false;
}

gm_rc gm_predlog_profiles_retain(const char *dir, int64_t oldest_us, const gm_predlog_file *removed, size_t removed_count,
                                 gm_arena *a, gm_err *err)
{
    hour_list l = { 0 };
    const char **parts = GM_ARENA_ARRAY(a, const char *, removed_count + 1);
    if (!parts) return no_memory(err);
    for (size_t i = 0; i < removed_count; i++)
        if (!(parts[i] = part_of(&removed[i], a))) return no_memory(err);
    gm_rc rc = list_profiles(dir, NULL, NULL, a, &l, err);
    for (size_t i = 0; !rc && i < l.count; i++) {
        bool over = l.items[i].hour_us + GM_PREDLOG_HOUR_US <= oldest_us || is_among(parts, removed_count, l.items[i].part);
        if (over && unlink(l.items[i].path) && errno != ENOENT) rc = gm_err_errno(err, errno, "remove", l.items[i].path);
    }
    return rc;
}

static bool is_raw(const gm_predlog_file *segments, size_t count, const char *part)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(segments[i].segment);
        if (strncmp(segments[i].segment, part, len) == 0 && part[len] == '-') return true;
    }
    return false;
}

gm_rc gm_predlog_rows_sealed(const char *dir, const char *model, const char *version, int64_t since_us, int64_t until_us,
                             int64_t *out_rows, gm_err *err)
{
    hour_list l = { 0 };
    gm_predlog_file *segments = NULL;
    size_t segments_count = 0;
    int64_t rows = 0;
    gm_arena *a = gm_arena_new(0);
    gm_rc rc = a ? gm_predlog_segments(dir, a, &segments, &segments_count, err) : no_memory(err);
    if (!rc) rc = list_profiles(dir, model, version, a, &l, err);
    for (size_t i = 0; !rc && i < l.count; i++)
        if (l.items[i].hour_us + GM_PREDLOG_HOUR_US > since_us && l.items[i].hour_us < until_us &&
            !is_raw(segments, segments_count, l.items[i].part))
            rows += l.items[i].rows;
    gm_arena_free(a);
    if (!rc) *out_rows = rows;
    return rc;
}

/* ---- a window ---------------------------------------------------------------------------------------------------------- */

typedef struct window {
    const char *model, *version;
    int64_t since_us, until_us;
    const char *const *columns; /* [columns_count] */
    size_t columns_count;
    gm_arena *a;
    gm_profile *profile; /* so far; NULL = nothing */
    int64_t rows;
} window;

static gm_rc add_profile(window *w, gm_profile *p, gm_err *err)
{
    gm_rc rc = w->profile ? gm_profile_merge(w->profile, p, w->a, err) : GM_OK;
    if (!w->profile) w->profile = p;
    if (!rc) w->rows += gm_profile_rows(p);
    return rc;
}

/* Folders are named by a part of the alphabet, so that the name inside decides. */
static gm_rc add_file(window *w, const hour_file *f, gm_err *err)
{
    gm_buf b = { 0 };
    gm_node *head = NULL;
    gm_profile *p = NULL;
    size_t magic = strlen(MAGIC);
    gm_rc rc = gm_fs_read(f->path, 0, &b, err);
    const char *line = !rc && b.len > magic && memcmp(b.data, MAGIC, magic) == 0 ? b.data + magic : NULL;
    const char *end = line ? memchr(line, '\n', b.len - magic) : NULL;
    if (!rc && !end) rc = gm_err_set(err, GM_ECORRUPT, "\"%s\" is no profile of a prediction log", f->path);
    if (!rc) rc = gm_json_read(line, (size_t)(end - line), f->path, w->a, &head, err);
    bool ours = !rc && strcmp(gm_node_str_or(head, "model", ""), w->model) == 0 &&
                strcmp(gm_node_str_or(head, "version", ""), w->version) == 0;
    if (ours) rc = gm_profile_read(end + 1, b.len - (size_t)(end + 1 - b.data), w->a, &p, err);
    gm_buf_clear(&b);
    return rc || !ours ? rc : add_profile(w, p, err);
}

static gm_rc add_rows(window *w, const gm_table *t, gm_err *err)
{
    gm_table some;
    gm_profile *p = NULL;
    const gm_column *time = gm_table_find(t, "time"), *version = gm_table_find(t, "version");
    int64_t *index = GM_ARENA_ARRAY(w->a, int64_t, t->rows), count = 0;
    if (!index) return no_memory(err);
    for (int64_t i = 0; i < t->rows; i++) {
        const char *is = version && version->type == GM_TYPE_STRING ? gm_column_text(version, i) : NULL;
        if (is && strcmp(is, w->version) == 0 && time->i64[i] >= w->since_us && time->i64[i] < w->until_us) index[count++] = i;
    }
    if (!count) return GM_OK;
    gm_rc rc = some_inputs(t, w->columns, w->columns_count, index, count, w->a, &some, err);
    if (!rc) rc = gm_profile_of(&some, w->a, &p, err);
    return rc ? rc : add_profile(w, p, err);
}

static bool whole_hour(const window *w, int64_t hour_us)
{
    return hour_us >= w->since_us && hour_us + GM_PREDLOG_HOUR_US <= w->until_us;
}

/* The hours at the window's ends; all of it when nothing profiled it. */
static gm_rc add_sealed(window *w, gm_engine **e, const gm_predlog_file *f, bool profiled, gm_err *err)
{
    int64_t from = w->since_us, until = w->until_us;
    for (int end = 0; end < (profiled ? 2 : 1); end++) {
        gm_predlog_parts parts = { 0 };
        if (profiled && end == 0) until = hour_of(w->since_us) == w->since_us ? from : hour_of(w->since_us) + GM_PREDLOG_HOUR_US;
        if (profiled && end == 1) from = hour_of(w->until_us) > until ? hour_of(w->until_us) : until, until = w->until_us;
        if (until > w->until_us) until = w->until_us;
        if (from >= until || f->last_us < from || f->first_us >= until) continue;
        const gm_predlog_filter filter = { from, until, w->model, NULL, -1, 0 };
        gm_rc rc = *e ? GM_OK : gm_engine_open(&(gm_engine_options){ .threads = 1 }, e, err);
        if (!rc) rc = gm_predlog_read_sealed(*e, f, &filter, w->a, &parts, err);
        for (size_t i = 0; !rc && i < parts.count; i++) rc = add_rows(w, &parts.items[i].table, err);
        if (rc) return rc;
    }
    return GM_OK;
}

gm_rc gm_predlog_profile(const char *dir, const char *model, const char *version, int64_t since_us, int64_t until_us,
                         const char *const *columns, size_t columns_count, gm_arena *a, gm_profile **out, int64_t *out_rows,
                         gm_err *err)
{
    window w = { model, version, since_us, until_us, columns, columns_count, a, NULL, 0 };
    const gm_predlog_filter filter = { since_us, until_us, model, NULL, -1, 0 };
    gm_predlog_parts raw = { 0 };
    gm_predlog_file *segments = NULL, *sealed = NULL;
    size_t segments_count = 0, sealed_count = 0;
    hour_list hours = { 0 };
    gm_engine *e = NULL;
    gm_rc rc = gm_predlog_read_segments(dir, &filter, a, &raw, &segments, &segments_count, err);
    if (!rc) rc = gm_predlog_sealed(dir, a, &sealed, &sealed_count, err);
    if (!rc) rc = list_profiles(dir, model, version, a, &hours, err);
    for (size_t i = 0; !rc && i < hours.count; i++)
        if (whole_hour(&w, hours.items[i].hour_us) && !is_raw(segments, segments_count, hours.items[i].part))
            rc = add_file(&w, &hours.items[i], err);
    for (size_t i = 0; !rc && i < sealed_count; i++) {
        const char *part = part_of(&sealed[i], a);
        bool profiled = false;
        if (!part) rc = no_memory(err);
        if (rc || is_raw(segments, segments_count, part)) continue;
        for (size_t k = 0; k < hours.count && !profiled; k++) profiled = strcmp(hours.items[k].part, part) == 0;
        rc = add_sealed(&w, &e, &sealed[i], profiled, err);
    }
    for (size_t i = 0; !rc && i < raw.count; i++) rc = add_rows(&w, &raw.items[i].table, err);
    gm_engine_close(e);
    if (rc) return gm_err_ctx(err, rc, "putting a window together of the hours of %.100s/%.40s", model, version);
    *out = w.profile;
    *out_rows = w.rows;
    return GM_OK;
}
