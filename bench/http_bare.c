/* http_bare.c - the HTTP server with nothing behind it: a fixed reply of 150 bytes, what a model server is measured against.
 *
 *   bench_http_bare [PORT [LOOPS]]     serves POST /v2/models/m/infer and GET /health until it is interrupted or its input ends
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/http.h"

static const char fixed[] = "{\"model_name\":\"m\",\"model_version\":\"1\",\"id\":\"0123456789\",\"outputs\":[{\"name\":"
                            "\"predict\",\"datatype\":\"FP64\","
                            "\"shape\":[1],\"data\":[0.123456789012345]}]}     ";

static void reply(gm_http_request *r, void *user)
{
    (void)user;
    gm_buf_add(gm_http_out(r), fixed, sizeof(fixed) - 1);
    gm_http_reply(r, 200, "application/json");
}

static const gm_http_route routes[] = {
    { "GET", "/health", GM_HTTP_OPEN, 0, reply, "health" },
    { "POST", "/v2/models/{model}/infer", GM_HTTP_INFER, 1 << 20, reply, "a fixed reply" },
};

static void on_signal(int number)
{
    (void)number; /* read() below returns */
}

int main(int argc, char **argv)
{
    gm_http_options o = { .port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0,
                          .loops = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0,
                          .routes = routes,
                          .routes_count = 2,
                          .gzip = true };
    const struct sigaction action = { .sa_handler = on_signal };
    gm_http *h = NULL;
    gm_err err;
    char byte;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    if (gm_http_start(&o, &h, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("port %d, %u loops\n", gm_http_port(h), gm_http_loops(h));
    (void)fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
    gm_http_stats s;
    gm_http_stats_get(h, &s);
    int64_t cpu_us = gm_cpu_us();
    gm_http_drain(h, 1000);
    gm_http_stop(h);
    printf("{\"requests\":%" PRId64 ",\"cpu_us\":%" PRId64 ",\"cpu_us_per_request\":%.2f}\n", s.requests_total, cpu_us,
           s.requests_total ? (double)cpu_us / (double)s.requests_total : 0);
    return 0;
}
