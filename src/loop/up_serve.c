/* up_serve.c - see up_serve.h. */
#include "loop/up_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/node.h"

enum { PAUSE_MS = 100, PAUSE_MAX_MS = 30000, STEADY_MS = 60000, LINE_MAX_BYTES = 4096 };

void gm_up_serve_init(gm_up_serve *s)
{
    s->child = (gm_child)GM_CHILD_NONE;
    s->out = -1;
    s->line = (gm_buf){ 0 };
    s->url[0] = s->port_text[0] = '\0';
    s->ready = false;
    s->restarts = 0;
    s->pause_ms = PAUSE_MS;
    s->due_ms = 1; /* at once */
    s->ready_ms = 0;
}

static void close_out(gm_up_serve *s)
{
    if (s->out >= 0) (void)close(s->out);
    s->out = -1;
    gm_buf_clear(&s->line);
}

static void again_later(gm_up_serve *s, const char *why, int64_t now_ms)
{
    char text[200];
    if (s->ready_ms && now_ms - s->ready_ms >= STEADY_MS) s->pause_ms = PAUSE_MS;
    (void)snprintf(text, sizeof(text), "the server %s; again in %" PRId64 " ms", why, s->pause_ms);
    s->say(s->say_ctx, text);
    s->due_ms = now_ms + s->pause_ms;
    s->pause_ms = s->pause_ms * 2 < PAUSE_MAX_MS ? s->pause_ms * 2 : PAUSE_MAX_MS;
    s->restarts++;
    s->ready = false;
    s->ready_ms = 0;
}

static void start(gm_up_serve *s, int64_t now_ms)
{
    int ends[2] = { -1, -1 };
    gm_err err;
    s->due_ms = 0;
    gm_rc rc =
        pipe2(ends, O_CLOEXEC) == 0 ? GM_OK : gm_err_set(&err, GM_EUNAVAILABLE, "could not make a pipe: %s", strerror(errno));
    if (!rc)
        rc = gm_child_start(&(gm_child_spec){ .argv = s->argv, .orphan_signal = SIGTERM, .out_fd = ends[1], .err_fd = -1 },
                            &s->child, &err);
    if (ends[1] >= 0) (void)close(ends[1]);
    if (rc) {
        if (ends[0] >= 0) (void)close(ends[0]);
        again_later(s, "could not be started", now_ms);
        return;
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    s->out = ends[0];
}

/* {"url": ..., "port": ...}: it answers. */
static void take_line(gm_up_serve *s, const char *text, size_t len, int64_t now_ms)
{
    gm_node *root = NULL;
    gm_arena *a = gm_arena_new(1 << 16);
    if (a && gm_json_read(text, len, "serve", a, &root, NULL) == GM_OK && gm_node_get(root, "url")) {
        char said[200];
        (void)snprintf(s->url, sizeof(s->url), "%s", gm_node_str_or(root, "url", ""));
        (void)snprintf(s->port_text, sizeof(s->port_text), "%" PRId64, gm_node_int_or(root, "port", 0));
        if (s->port) *s->port = s->port_text;
        s->ready = true;
        s->ready_ms = now_ms;
        (void)snprintf(said, sizeof(said), "serving at %s", s->url);
        s->say(s->say_ctx, said);
    }
    gm_arena_free(a);
}

static void read_out(gm_up_serve *s, int64_t now_ms)
{
    char bytes[4096];
    ssize_t n;
    while (s->out >= 0 && (n = read(s->out, bytes, sizeof(bytes))) > 0) {
        gm_buf_add(&s->line, bytes, (size_t)n);
        char *end;
        while (s->line.len && (end = memchr(s->line.data, '\n', s->line.len))) {
            size_t len = (size_t)(end - s->line.data);
            take_line(s, s->line.data, len, now_ms);
            memmove(s->line.data, end + 1, s->line.len - len - 1);
            s->line.len -= len + 1;
        }
        if (s->line.len > LINE_MAX_BYTES) s->line.len = 0; /* nothing that we wait for */
    }
}

void gm_up_serve_look(gm_up_serve *s, int64_t now_ms)
{
    int code = 0, number = 0;
    char why[64];
    read_out(s, now_ms);
    if (gm_child_ended(&s->child, &code, &number)) {
        read_out(s, now_ms); /* what it said last */
        close_out(s);
        (void)snprintf(why, sizeof(why), number ? "ended by signal %d" : "ended with code %d", number ? number : code);
        again_later(s, why, now_ms);
    }
    if (s->due_ms && now_ms >= s->due_ms) start(s, now_ms);
}

void gm_up_serve_stop(gm_up_serve *s, int64_t wait_ms)
{
    gm_child_stop(&s->child, SIGTERM, wait_ms);
    close_out(s);
    s->due_ms = 0;
    s->ready = false;
}
