/* up_serve.h - the server of `gristmill up`: a process that is started again whenever it ends, after pauses that grow. */
#ifndef GM_LOOP_UP_SERVE_H
#define GM_LOOP_UP_SERVE_H

#include "base/buf.h"
#include "loop/up_child.h"

typedef struct gm_up_serve {
    const char **argv; /* NULL-terminated; borrowed until stop */
    const char **port; /* the place in argv that holds the port: once known, the same again; NULL = none */
    void (*say)(void *ctx, const char *line);
    void *say_ctx;
    /* What is known. */
    gm_child child;
    int out; /* its standard output; -1 = none */
    gm_buf line;
    char url[160], port_text[16]; /* "" until it answered */
    bool ready;
    int64_t restarts;
    int64_t pause_ms, due_ms, ready_ms; /* monotonic; due 0 = nothing is due */
} gm_up_serve;

/* argv and the rest of the first block are the caller's. Started by the first look. */
void gm_up_serve_init(gm_up_serve *s);
/* Start, read what it says, notice its end. Never fails: a server that cannot be started is tried again. */
void gm_up_serve_look(gm_up_serve *s, int64_t monotonic_ms);
/* SIGTERM, and SIGKILL when it still answers after wait_ms. */
void gm_up_serve_stop(gm_up_serve *s, int64_t wait_ms);

#endif
