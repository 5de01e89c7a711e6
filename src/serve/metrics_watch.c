/* metrics_watch.c - what monitoring found last, among the server's metrics: the newest whole window of each model, and the alerts
 * that fire.
 *
 * Printed by the control thread whenever the store's data version moved; a scrape copies the text.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/node.h"
#include "serve/server_internal.h"
#include "store/alerts.h"
#include "store/windows.h"

enum { WINDOWS_LOOKED_AT = 16 };

/* The newest window of a model. */
typedef struct watched {
    const char *model, *version;
    int64_t until_us;
    const gm_node *result; /* docs/formats/windows.md */
} watched;

typedef struct watched_list {
    watched *items; /* [count] */
    size_t count;
    gm_alert_record *alerts; /* [alerts_count] */
    size_t alerts_count;
} watched_list;

static void head(gm_buf *b, const char *name, const char *help)
{
    gm_buf_printf(b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void labels(gm_buf *b, const char *name, const watched *w)
{
    gm_buf_text(b, name);
    gm_buf_char(b, '{');
    gm_metrics_label(b, "model", w->model);
    gm_buf_char(b, ',');
    gm_metrics_label(b, "version", w->version);
}

/* One value of each window; windows that do not know it are left out, and the heading with the last of them. */
static void values(gm_buf *b, const watched_list *l, const char *name, const char *help, double (*value)(const watched *w),
                   bool metric)
{
    bool any = false;
    for (size_t i = 0; i < l->count; i++) {
        double v = value(&l->items[i]);
        if (isnan(v)) continue;
        if (!any) head(b, name, help);
        any = true;
        labels(b, name, &l->items[i]);
        if (metric) {
            gm_buf_char(b, ',');
            gm_metrics_label(b, "metric", gm_node_str_or(gm_node_get(l->items[i].result, "performance"), "metric", ""));
        }
        gm_buf_printf(b, "} %.17g\n", v);
    }
}

static double number(const gm_node *map, const char *key)
{
    return gm_node_double_or(map, key, (double)NAN);
}

static double truth(const gm_node *map, const char *key)
{
    const gm_node *n = gm_node_get(map, key);
    return n ? strcmp(n->text ? n->text : "", "true") == 0 : (double)NAN;
}

static double end_of(const watched *w)
{
    return (double)w->until_us / 1e6;
}
static double rows_of(const watched *w)
{
    return number(w->result, "rows");
}
static double judged_of(const watched *w)
{
    return truth(w->result, "judged");
}
static double drifted_of(const watched *w)
{
    return truth(w->result, "drifted");
}
static double drifted_columns_of(const watched *w)
{
    return judged_of(w) > 0 ? number(w->result, "drifted_columns") : (double)NAN;
}
static double labelled_of(const watched *w)
{
    return number(gm_node_get(w->result, "performance"), "labelled");
}
static double late_of(const watched *w)
{
    return number(gm_node_get(w->result, "performance"), "labels_late");
}
static double realised_of(const watched *w)
{
    return number(gm_node_get(gm_node_get(w->result, "performance"), "realised"), "value");
}
static double estimated_of(const watched *w)
{
    return number(gm_node_get(gm_node_get(w->result, "performance"), "estimated"), "value");
}
static double reference_of(const watched *w)
{
    return number(gm_node_get(w->result, "performance"), "reference");
}
static double decay_of(const watched *w)
{
    return number(gm_node_get(w->result, "performance"), "decay");
}
static double checks_of(const watched *w)
{
    return number(gm_node_get(w->result, "checks"), "failed");
}
static double skewed_of(const watched *w)
{
    return number(gm_node_get(w->result, "traffic"), "skewed");
}

static void columns(gm_buf *b, const watched_list *l, const char *name, const char *help, const char *key)
{
    bool any = false;
    for (size_t i = 0; i < l->count; i++) {
        const gm_node *list = gm_node_get(gm_node_get(l->items[i].result, "drift"), "columns");
        for (size_t k = 0; list && list->kind == GM_NODE_SEQ && k < list->count; k++) {
            const gm_node *c = list->items[k], *detector = gm_node_get(c, "detector");
            double v = number(c, key);
            if (isnan(v) || !detector || detector->is_null || isnan(number(c, "value"))) continue;
            if (!any) head(b, name, help);
            any = true;
            labels(b, name, &l->items[i]);
            gm_buf_char(b, ',');
            gm_metrics_label(b, "column", gm_node_str_or(c, "name", ""));
            gm_buf_char(b, ',');
            gm_metrics_label(b, "detector", detector->text);
            gm_buf_printf(b, "} %.17g\n", v);
        }
    }
}

static void alerts(gm_buf *b, const watched_list *l)
{
    if (l->alerts_count) head(b, "gristmill_alert_firing", "Alerts that fire; always 1.");
    for (size_t i = 0; i < l->alerts_count; i++) {
        gm_buf_text(b, "gristmill_alert_firing{");
        gm_metrics_label(b, "model", l->alerts[i].model);
        gm_buf_char(b, ',');
        gm_metrics_label(b, "rule", l->alerts[i].rule);
        gm_buf_char(b, ',');
        gm_metrics_label(b, "severity", l->alerts[i].severity);
        gm_buf_text(b, "} 1\n");
    }
}

static void print(gm_buf *b, const watched_list *l)
{
    values(b, l, "gristmill_window_end_timestamp_seconds", "End of the newest whole window that was watched.", end_of, false);
    values(b, l, "gristmill_window_rows", "Rows answered in it.", rows_of, false);
    values(b, l, "gristmill_window_judged", "1 when it has enough rows.", judged_of, false);
    values(b, l, "gristmill_window_drifted", "1 when it drifted by the rule of the file.", drifted_of, false);
    values(b, l, "gristmill_window_drifted_columns", "Columns that drifted, or are absent.", drifted_columns_of, false);
    values(b, l, "gristmill_window_labelled_rows", "Rows whose label is there.", labelled_of, false);
    values(b, l, "gristmill_window_late_rows", "Rows whose label should be there and is not.", late_of, false);
    values(b, l, "gristmill_window_failed_checks", "Data checks that its rows break.", checks_of, false);
    values(b, l, "gristmill_window_skewed_rows", "Rows that the package, asked again, answers otherwise than was served.",
           skewed_of, false);
    values(b, l, "gristmill_metric_realised", "The metric on the labelled rows.", realised_of, true);
    values(b, l, "gristmill_metric_estimated", "The metric, estimated without labels.", estimated_of, true);
    values(b, l, "gristmill_metric_reference", "The metric on the reference.", reference_of, true);
    values(b, l, "gristmill_metric_decay", "How much worse the metric is than on the reference, in its units.", decay_of, true);
    columns(b, l, "gristmill_drift_value", "How far a column is from training, by its detector.", "value");
    columns(b, l, "gristmill_drift_limit", "The value from which on the column counts as drifted.", "limit");
    alerts(b, l);
}

/* The newest window in which somebody answered; of several versions the one with most rows. */
static void add_model(gm_store *store, const char *model, gm_arena *a, watched_list *l)
{
    gm_window_record *r = NULL;
    size_t count = 0;
    const gm_window_record *newest = NULL;
    gm_node *root = NULL;
    gm_err err;
    if (gm_window_list(store, model, 0, 0, WINDOWS_LOOKED_AT, a, &r, &count, &err)) return;
    for (size_t i = 0; i < count; i++) {
        bool later =
            !newest || r[i].until_us > newest->until_us || (r[i].until_us == newest->until_us && r[i].rows > newest->rows);
        if (later) newest = &r[i];
    }
    if (!newest || gm_json_read(newest->result_json, strlen(newest->result_json), "window", a, &root, &err)) return;
    l->items[l->count++] = (watched){ model, gm_arena_printf(a, "%" PRId64, newest->version), newest->until_us, root };
}

/* What is not there (an older store, no monitoring) is left out. */
static void print_all(gm_store *store, const gm_routing *routing, gm_buf *out)
{
    gm_err err;
    watched_list l = { 0 };
    gm_arena *a = gm_arena_new(0);
    l.items = a ? GM_ARENA_ARRAY(a, watched, routing->count) : NULL;
    for (size_t i = 0; l.items && i < routing->count; i++) {
        bool there = false;
        for (size_t k = 0; k < l.count && !there; k++) there = strcmp(l.items[k].model, routing->endpoints[i].name) == 0;
        if (!there) add_model(store, routing->endpoints[i].name, a, &l);
    }
    if (a && gm_alert_list(store, NULL, true, 0, a, &l.alerts, &l.alerts_count, &err)) l.alerts_count = 0;
    if (l.items) print(out, &l);
    gm_arena_free(a);
}

void gm_metrics_watched_renew(gm_server *s)
{
    gm_follow *f = s->follow;
    gm_buf text = { 0 };
    if (!s->routing) return;
    print_all(f->store, s->routing, &text);
    pthread_mutex_lock(&f->watched_lock);
    gm_buf old = f->watched;
    f->watched = text;
    pthread_mutex_unlock(&f->watched_lock);
    gm_buf_clear(&old);
}

void gm_metrics_watched(gm_server *s, gm_buf *out)
{
    gm_follow *f = s->follow;
    if (!f) return;
    pthread_mutex_lock(&f->watched_lock);
    if (f->watched.len && !f->watched.failed) gm_buf_add(out, f->watched.data, f->watched.len);
    pthread_mutex_unlock(&f->watched_lock);
}
