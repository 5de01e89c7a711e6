/* metrics.c - what the server says of itself in Prometheus' text format: names in base units, one HELP and TYPE each.
 *
 * A scrape runs on a worker: it takes each lane's lock for the time of a copy, and no request waits for the printing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/server_internal.h"

/* One version with its sums, copied before anything is printed, because a metric's lines stand together. */
typedef struct gm_metric_row {
    const gm_endpoint *endpoint;
    gm_served *served;
    const char *role;
    gm_served_lane sum;
} gm_metric_row;

typedef struct gm_metric_rows {
    gm_metric_row *rows; /* [count] */
    size_t count;
} gm_metric_rows;

static void head(gm_buf *b, const char *name, const char *type, const char *help)
{
    gm_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void gm_metrics_label(gm_buf *b, const char *name, const char *value)
{
    gm_buf_printf(b, "%s=\"", name);
    for (const char *c = value; *c; c++) {
        if (*c == '\\' || *c == '"') gm_buf_char(b, '\\');
        if (*c == '\n')
            gm_buf_text(b, "\\n");
        else
            gm_buf_char(b, *c);
    }
    gm_buf_char(b, '"');
}

static void version_labels(gm_buf *b, const char *metric, const gm_metric_row *row)
{
    gm_buf_text(b, metric);
    gm_buf_char(b, '{');
    gm_metrics_label(b, "model", row->served->model);
    gm_buf_char(b, ',');
    gm_metrics_label(b, "version", row->served->version);
}

static void add_row(gm_server *s, gm_arena *a, const gm_endpoint *e, gm_served *served, const char *role, gm_metric_rows *out)
{
    if (!served) return;
    gm_metric_row *row = &out->rows[out->count];
    *row = (gm_metric_row){ .endpoint = e, .served = served, .role = role };
    row->sum.breaches = GM_ARENA_ARRAY(a, gm_breaches, served->schema.columns_count);
    row->sum.online = gm_arena_alloc(a, served->joins_count, sizeof(*row->sum.online));
    if (!row->sum.breaches || !row->sum.online) return;
    gm_server_seen(s, served, &row->sum);
    out->count++;
}

static gm_metric_rows collect(gm_server *s, const gm_routing *routing, gm_arena *a)
{
    gm_metric_rows rows = { 0 };
    size_t count = 0;
    for (size_t i = 0; i < routing->count; i++) count += 2 + routing->endpoints[i].others_count;
    rows.rows = GM_ARENA_ARRAY(a, gm_metric_row, count);
    for (size_t i = 0; rows.rows && i < routing->count; i++) {
        const gm_endpoint *e = &routing->endpoints[i];
        add_row(s, a, e, e->champion, "champion", &rows);
        add_row(s, a, e, e->candidate, "candidate", &rows);
        for (size_t k = 0; k < e->others_count; k++) add_row(s, a, e, e->others[k], "other", &rows);
    }
    return rows;
}

typedef int64_t (*gm_metric_value)(const gm_metric_row *);
static int64_t requests_of(const gm_metric_row *r) { return r->sum.seen.requests; }
static int64_t errors_of(const gm_metric_row *r) { return r->sum.seen.errors; }
static int64_t rows_of(const gm_metric_row *r) { return r->sum.rows; }
static int64_t refused_of(const gm_metric_row *r) { return r->sum.refused; }

static void counter(gm_buf *b, const gm_metric_rows *rows, const char *name, const char *help, gm_metric_value value)
{
    if (!rows->count) return;
    head(b, name, "counter", help);
    for (size_t i = 0; i < rows->count; i++) {
        version_labels(b, name, &rows->rows[i]);
        gm_buf_printf(b, "} %" PRId64 "\n", value(&rows->rows[i]));
    }
}

static void models(gm_buf *b, const gm_metric_rows *rows)
{
    if (!rows->count) return;
    head(b, "gristmill_model_info", "gauge", "The versions that answer, by role; always 1.");
    for (size_t i = 0; i < rows->count; i++) {
        const gm_metric_row *row = &rows->rows[i];
        version_labels(b, "gristmill_model_info", row);
        gm_buf_printf(b, ",role=\"%s\",package=\"%s\"} 1\n", row->role, row->served->digest.hex);
    }
    counter(b, rows, "gristmill_inference_requests_total", "Requests answered by a version, or failed in it.", requests_of);
    counter(b, rows, "gristmill_inference_errors_total", "Requests that a version failed to answer with numbers.", errors_of);
    counter(b, rows, "gristmill_inference_refused_total", "Requests refused because their rows did not fit the schema.", refused_of);
    counter(b, rows, "gristmill_inference_rows_total", "Rows answered.", rows_of);
}

/* Whole powers of two of the fine buckets: 23 lines a version. */
static void durations(gm_buf *b, const gm_metric_rows *rows)
{
    static const char name[] = "gristmill_inference_duration_seconds";
    if (!rows->count) return;
    head(b, name, "histogram", "From a request's first byte to its answer being ready.");
    for (size_t i = 0; i < rows->count; i++) {
        const gm_metric_row *row = &rows->rows[i];
        int64_t total = 0;
        for (unsigned k = 0; k < GM_LATENCY_BUCKETS; k++) {
            total += row->sum.seen.latency_us[k];
            if (k % 8 != 7 || k == GM_LATENCY_BUCKETS - 1) continue;
            version_labels(b, "gristmill_inference_duration_seconds_bucket", row);
            gm_buf_printf(b, ",le=\"%.9g\"} %" PRId64 "\n", (double)gm_latency_bucket_us(k) / 1e6, total);
        }
        version_labels(b, "gristmill_inference_duration_seconds_bucket", row);
        gm_buf_printf(b, ",le=\"+Inf\"} %" PRId64 "\n", total);
        version_labels(b, "gristmill_inference_duration_seconds_sum", row);
        gm_buf_printf(b, "} %.9g\n", (double)row->sum.latency_us / 1e6);
        version_labels(b, "gristmill_inference_duration_seconds_count", row);
        gm_buf_printf(b, "} %" PRId64 "\n", total);
    }
}

static void breach(gm_buf *b, const gm_metric_row *row, const char *column, const char *kind, int64_t count)
{
    if (!count) return;
    version_labels(b, "gristmill_schema_breaches_total", row);
    gm_buf_char(b, ',');
    gm_metrics_label(b, "column", column);
    gm_buf_printf(b, ",kind=\"%s\"} %" PRId64 "\n", kind, count);
}

static void breaches(gm_buf *b, const gm_metric_rows *rows)
{
    head(b, "gristmill_schema_breaches_total", "counter", "Values that training did not know: missing, out of range, unknown category.");
    for (size_t i = 0; i < rows->count; i++)
        for (size_t k = 0; k < rows->rows[i].served->schema.columns_count; k++) {
            const gm_metric_row *row = &rows->rows[i];
            const char *column = row->served->schema.columns[k].name;
            breach(b, row, column, "missing", row->sum.breaches[k].missing);
            breach(b, row, column, "range", row->sum.breaches[k].range);
            breach(b, row, column, "unknown_category", row->sum.breaches[k].unknown_category);
        }
}

static void lookups(gm_buf *b, const gm_metric_rows *rows)
{
    bool any = false;
    for (size_t i = 0; i < rows->count; i++)
        for (size_t k = 0; k < rows->rows[i].served->joins_count; k++)
            for (int status = 0; status < GM_ONLINE_STATUSES; status++) {
                const gm_metric_row *row = &rows->rows[i];
                if (!any) head(b, "gristmill_online_lookups_total", "counter", "Rows whose joined columns were looked up by key, by what was found.");
                any = true;
                version_labels(b, "gristmill_online_lookups_total", row);
                gm_buf_char(b, ',');
                gm_metrics_label(b, "dataset", row->served->joins[k].dataset);
                gm_buf_printf(b, ",status=\"%s\"} %" PRId64 "\n", gm_online_status_name((gm_online_status)status), row->sum.online[k][status]);
            }
}

static void releases(gm_buf *b, const gm_routing *routing)
{
    bool any = false;
    for (size_t i = 0; i < routing->count; i++) {
        const gm_endpoint *e = &routing->endpoints[i];
        if (e->release.mode == GM_RELEASE_NONE) continue;
        if (!any) head(b, "gristmill_release_share", "gauge", "Share of the requests that a running release sends to its candidate.");
        any = true;
        gm_buf_text(b, "gristmill_release_share{");
        gm_metrics_label(b, "model", e->name);
        gm_buf_printf(b, ",candidate=\"%" PRId64 "\"} %.9g\n", e->release.candidate, e->release.paused ? 0.0 : e->release.share);
    }
}

static void statuses(gm_server *s, gm_buf *b)
{
    int64_t sum[6] = { 0 };
    for (unsigned i = 0; i < s->lanes_count; i++)
        for (int k = 1; k < 6; k++) sum[k] += s->lanes[i].statuses[k];
    head(b, "gristmill_http_replies_total", "counter", "HTTP replies by class of status.");
    for (int k = 1; k < 6; k++) gm_buf_printf(b, "gristmill_http_replies_total{code=\"%dxx\"} %" PRId64 "\n", k, sum[k]);
}

static void one(gm_buf *b, const char *name, const char *type, const char *help, double value)
{
    head(b, name, type, help);
    gm_buf_printf(b, "%s %.15g\n", name, value);
}

static double resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%*s %ld", &pages) != 1) pages = 0;
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void process(gm_server *s, gm_buf *b)
{
    gm_http_stats http;
    gm_http_stats_get(s->http, &http);
    one(b, "gristmill_http_connections", "gauge", "Connections that are open.", (double)http.connections_open);
    one(b, "gristmill_http_connections_total", "counter", "Connections accepted.", (double)http.connections_total);
    one(b, "gristmill_http_refused_total", "counter", "Connections and requests refused by a limit.", (double)http.refused_total);
    one(b, "gristmill_http_deferred", "gauge", "Requests that wait for or run on a worker.", (double)http.deferred_now);
    one(b, "gristmill_model_load_failures_total", "counter", "Versions that could not be loaded.",
        (double)__atomic_load_n(&s->load_failures, __ATOMIC_RELAXED));
    if (s->log) {
        int64_t rows = 0, lost = 0, bytes = 0;
        gm_predlog_counts(s->log, &rows, &lost, &bytes);
        one(b, "gristmill_prediction_log_rows_total", "counter", "Rows written to the prediction log.", (double)rows);
        one(b, "gristmill_prediction_log_lost_rows_total", "counter", "Rows that could not be written.", (double)lost);
        one(b, "gristmill_prediction_log_bytes_total", "counter", "Bytes written to the prediction log.", (double)bytes);
    }
    one(b, "process_cpu_seconds_total", "counter", "User and system time.", (double)gm_cpu_us() / 1e6);
    one(b, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    one(b, "process_start_time_seconds", "gauge", "Start, in seconds since 1970.", (double)s->started_us / 1e6);
}

static void scrape(gm_http_request *r, void *user)
{
    gm_server *s = r->server_user;
    uint64_t generation = 0;
    gm_routing *routing = gm_routing_ref(s, &generation);
    gm_buf *b = gm_http_out(r);
    gm_metric_rows rows = collect(s, routing, r->arena);
    (void)user;
    models(b, &rows);
    durations(b, &rows);
    breaches(b, &rows);
    lookups(b, &rows);
    releases(b, routing);
    gm_metrics_watched(s, b);
    statuses(s, b);
    process(s, b);
    gm_routing_unref(routing);
    gm_http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8");
}

void gm_metrics_handle(gm_http_request *r, void *user)
{
    (void)gm_http_defer(r, scrape, user);
}
