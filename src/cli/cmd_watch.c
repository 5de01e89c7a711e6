/* cmd_watch.c - `watch`: what is served against what was trained on, window by window. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/watch_show.h"
#include "loop/deliver.h"
#include "loop/page.h"

typedef struct watch_opts {
    bool once, all_kept;
    const char *html;
    double since, every;
    int64_t limit, rows_max;
} watch_opts;

static const gm_param watch_options[] = {
    { "once", GM_PARAM_BOOL, offsetof(watch_opts, once), "false", "judge what is due, show it, and leave", 0, 0, NULL },
    { "html", GM_PARAM_STR, offsetof(watch_opts, html), "", "also write a page with charts to this file", 0, 0, NULL },
    { "since", GM_PARAM_DURATION, offsetof(watch_opts, since), "0s",
      "only windows of the last so much time; 0s = all that are kept", 0, 0, NULL },
    { "limit", GM_PARAM_INT, offsetof(watch_opts, limit), "30", "how many windows to show, the newest", 1, 100000, NULL },
    { "every", GM_PARAM_DURATION, offsetof(watch_opts, every), "5s", "how often to look again", 1, 86400, NULL },
    { "rows_max", GM_PARAM_INT, offsetof(watch_opts, rows_max), "250000",
      "a window of more rows is looked at by an even share of so many; drift is of all", 100, 1e9, NULL },
    { "kept", GM_PARAM_BOOL, offsetof(watch_opts, all_kept), "false", "judge nothing: show what is kept already", 0, 0, NULL },
    { 0 },
};

enum { LOOK_MS = 2000 }; /* a look takes no longer where another one follows: a signal to end is heard in between */

typedef struct watching {
    gm_cli *cli;
    const watch_opts *o;
    gm_spec spec;
    gm_store *store;
    gm_watcher *watcher; /* NULL with --kept */
    int64_t show_us;     /* when the window under way is looked at again */
    gm_arena *current_arena;
    gm_shown_window current; /* as it was at the last look; in current_arena */
    int64_t said_us;         /* end of the newest window that was printed as a line */
    bool lines;              /* no screen */
    bool more;               /* the last look left windows for the next one */
} watching;

/* A message that could not leave is told; it stays in the queue. */
static void deliver(const watching *w, int64_t now_us)
{
    gm_deliver_result sent = { 0 };
    gm_err err = { 0 };
    if (!w->spec.monitor.alerts.channels_count) return;
    gm_rc rc = gm_deliver_tick(w->store, &w->spec.monitor.alerts, now_us, &(gm_deliver_options){ .model = w->spec.pipeline },
                               &sent, &err);
    if (rc)
        fprintf(stderr, "watch: %s\n", err.message);
    else if (sent.error.rc)
        fprintf(stderr, "watch: a message could not be sent: %s\n", sent.error.message);
}

/* The window under way is looked at the more seldom the larger it is; meanwhile it is shown as it was. */
static gm_rc add_current(watching *w, int64_t now_us, gm_watch_state *s, gm_err *err)
{
    int64_t began = gm_monotonic_us();
    if (!w->watcher || w->lines) return GM_OK;
    if (began >= w->show_us) {
        gm_arena_reset(w->current_arena);
        w->current = (gm_shown_window){ .current = true };
        gm_rc rc = gm_watcher_show(w->watcher, now_us, w->current_arena, &w->current.result, &w->current.version, err);
        if (rc) return rc;
        w->show_us = gm_monotonic_us() + 10 * (gm_monotonic_us() - began);
    }
    bool over = s->windows_count && s->windows[s->windows_count - 1].result.from_us >= w->current.result.from_us;
    if (w->current.version && !over) s->windows[s->windows_count++] = w->current; /* gm_watch_read leaves room for it */
    return GM_OK;
}

static void print_lines(watching *w, const gm_watch_state *s, gm_arena *a)
{
    for (size_t i = 0; i < s->windows_count; i++) {
        const gm_shown_window *shown = &s->windows[i];
        if (shown->current || shown->result.until_us <= w->said_us) continue;
        gm_watch_line(shown, a);
    }
    for (size_t i = 0; i < s->windows_count; i++)
        if (!s->windows[i].current && s->windows[i].result.until_us > w->said_us) w->said_us = s->windows[i].result.until_us;
    for (size_t i = 0; i < s->look.notes_count; i++) printf("note: %s\n", s->look.notes[i]);
}

static void print_json(const gm_watch_state *s)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_watch_json(s, &j);
    gm_print_json(&b);
}

/* Of the newest judged window. */
static gm_rc add_shapes(const watching *w, const gm_watch_state *s, gm_arena *a, gm_watch_page *page, gm_err *err)
{
    for (size_t i = s->windows_count; w->watcher && i-- > 0;) {
        const gm_shown_window *shown = &s->windows[i];
        if (!shown->result.judged || shown->current) continue;
        return gm_watcher_shapes(w->watcher, shown->version, shown->result.from_us, shown->result.until_us, a, &page->shapes,
                                 &page->shapes_count, err);
    }
    return GM_OK;
}

static gm_rc write_page(const watching *w, const gm_watch_state *s, int64_t now_us, gm_arena *a, gm_err *err)
{
    gm_buf b = { 0 };
    gm_page_window *windows = GM_ARENA_ARRAY(a, gm_page_window, s->windows_count);
    if (!windows) return gm_err_set(err, GM_ENOMEM, "not enough memory for the page");
    for (size_t i = 0; i < s->windows_count; i++)
        windows[i] = (gm_page_window){ .version = s->windows[i].version,
                                       .current = s->windows[i].current,
                                       .result = &s->windows[i].result };
    gm_watch_page page = { .model = w->spec.pipeline,
                           .windows = windows,
                           .windows_count = s->windows_count,
                           .alerts = s->alerts,
                           .alerts_count = s->alerts_count,
                           .cause = s->cause,
                           .made_us = now_us };
    gm_rc rc = add_shapes(w, s, a, &page, err);
    if (rc) return rc;
    gm_watch_page_html(&page, &b);
    rc = b.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for the page")
                  : gm_fs_write_atomic(w->o->html, gm_buf_str(&b), b.len, err);
    gm_buf_clear(&b);
    return rc;
}

/* Look, keep, tell, show. */
static gm_rc look(watching *w, gm_err *err)
{
    gm_watch_state s;
    gm_watcher_look seen = { 0 };
    int64_t now = gm_now_us();
    gm_arena *a = gm_arena_new(0);
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory to watch");
    gm_rc rc = w->watcher ? gm_watcher_tick(w->watcher, now, &seen, err) : GM_OK;
    w->more = !rc && seen.more;
    if (!rc && w->watcher) deliver(w, now);
    if (!rc)
        rc = gm_watch_read(w->store, &w->spec, w->o->since > 0 ? now - (int64_t)(w->o->since * 1e6) : 0, w->o->limit, a, &s, err);
    if (!rc) {
        s.look = seen;
        for (size_t i = 0; i < seen.notes_count; i++) s.look.notes[i] = gm_arena_strdup(a, seen.notes[i]);
        rc = add_current(w, now, &s, err);
    }
    if (!rc && w->cli->common->json)
        print_json(&s);
    else if (!rc && w->lines)
        print_lines(w, &s, a);
    else if (!rc) {
        if (!w->o->once && !w->o->all_kept) fputs("\x1b[H\x1b[J", stdout); /* over the last one */
        gm_watch_print(&s, a);
    }
    if (!rc && w->o->html[0]) rc = write_page(w, &s, now, a, err);
    fflush(stdout);
    gm_arena_free(a);
    return rc;
}

/* Until a signal to end. A look that fails for want of a busy thing is told, and the next one tries again. */
static gm_rc look_again_and_again(watching *w, gm_err *err)
{
    sigset_t ends;
    const struct timespec at_once = { 0 };
    struct timespec every = { (time_t)w->o->every, (long)((w->o->every - (double)(time_t)w->o->every) * 1e9) };
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    for (;;) {
        gm_rc rc = look(w, err);
        if (rc && !gm_rc_may_retry(rc)) return rc;
        if (rc) fprintf(stderr, "watch: %s\n", err->message);
        if (sigtimedwait(&ends, NULL, w->more ? &at_once : &every) > 0) return GM_OK;
    }
}

static gm_rc open_parts(watching *w, const char *scratch, gm_err *err)
{
    gm_watcher_options o = {
        .spec = &w->spec, .scratch = scratch, .rows_max = w->o->rows_max, .budget_ms = w->o->once ? 0 : LOOK_MS
    };
    gm_rc rc = w->o->all_kept ? gm_cli_store(w->cli, false, &w->store, err) : gm_cli_registry(w->cli, &w->store, err);
    if (rc || w->o->all_kept) return rc;
    o.store = w->store;
    if (w->o->since > 0) o.since_us = gm_now_us() - (int64_t)(w->o->since * 1e6);
    return gm_watcher_open(&o, &w->watcher, err);
}

static gm_rc run(gm_cli *cli, const void *conf, gm_err *err)
{
    watching w = { .cli = cli, .o = conf };
    const char *scratch = NULL;
    gm_err ignored;
    gm_rc rc = gm_cli_spec(cli, &w.spec, err);
    if (!rc && cli->operands_count && strcmp(cli->operands[0], w.spec.pipeline) != 0) {
        rc = gm_err_set(err, GM_ENOTFOUND, "\"%s\" makes no model \"%.60s\"", cli->common->file, cli->operands[0]);
        gm_err_hint(err, "Its model is \"%s\"; `-f` names another pipeline file.", w.spec.pipeline);
    }
    w.current_arena = gm_arena_new(0);
    if (!rc && !w.current_arena) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to watch");
    if (!rc) rc = gm_cli_scratch(cli, &scratch, err);
    if (!rc) rc = open_parts(&w, scratch, err);
    w.lines = !isatty(STDOUT_FILENO) && !w.o->once && !w.o->all_kept;
    if (!rc) rc = w.o->once || w.o->all_kept ? look(&w, err) : look_again_and_again(&w, err);
    gm_watcher_close(w.watcher);
    gm_store_close(w.store);
    gm_arena_free(w.current_arena);
    if (scratch) (void)gm_fs_remove_tree(scratch, &ignored); /* scratch */
    return rc;
}

const gm_command gm_command_watch = {
    .item = { .name = "watch",
              .help = "judge what was served, window by window: drift, decay, checks, alerts",
              .params = watch_options,
              .conf_size = sizeof(watch_opts) },
    .operands = "[MODEL]",
    .operands_max = 1,
    .group = "Look",
    .examples = "gristmill watch                       # a table that keeps itself up to date\n"
                "gristmill watch --once --json         # for a timer; sends the alerts that are due\n"
                "gristmill watch --once --html watch.html",
    .run = run,
};
