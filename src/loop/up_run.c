/* up_run.c - see up_run.h. */
#include "loop/up_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

enum { STOP_MS = 15000 };

void gm_up_trainer_init(gm_up_trainer *r, const char *program, const char *file, const char *dir)
{
    *r = (gm_up_trainer){ .program = program, .file = file, .child = GM_CHILD_NONE };
    (void)snprintf(r->out_path, sizeof(r->out_path), "%s/run.log", dir);
    (void)snprintf(r->err_path, sizeof(r->err_path), "%s/run.err", dir);
}

static int open_new(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
}

static gm_rc start(void *ctx, int64_t trigger, gm_err *err)
{
    gm_up_trainer *r = ctx;
    char id[24];
    (void)snprintf(id, sizeof(id), "%" PRId64, trigger);
    const char *argv[] = { r->program, "run", "-f", r->file, "--trigger", id, NULL };
    int out = open_new(r->out_path), errors = open_new(r->err_path);
    gm_rc rc = out >= 0 && errors >= 0 ? GM_OK : gm_err_errno(err, errno, "create", out < 0 ? r->out_path : r->err_path);
    if (!rc)
        rc = gm_child_start(&(gm_child_spec){ .argv = argv, .orphan_signal = SIGKILL, .out_fd = out, .err_fd = errors },
                            &r->child, err);
    if (out >= 0) (void)close(out);
    if (errors >= 0) (void)close(errors);
    return rc;
}

static bool ended(void *ctx, int *out_code, const char **out_words)
{
    gm_up_trainer *r = ctx;
    int number = 0;
    gm_buf b = { 0 };
    *out_code = -1;
    if (r->child.pid > 0 && !gm_child_ended(&r->child, out_code, &number)) return false;
    r->words[0] = '\0';
    if (gm_fs_read(r->err_path, 1 << 20, &b, NULL) == GM_OK) {
        const char *text = gm_buf_str(&b);
        text += strspn(text, "\n ");
        (void)snprintf(r->words, sizeof(r->words), "%.*s", (int)strcspn(text, "\n"), text);
    }
    gm_buf_clear(&b);
    *out_words = r->words;
    return true;
}

static void stop(void *ctx)
{
    gm_up_trainer *r = ctx;
    gm_child_stop(&r->child, SIGTERM, STOP_MS);
}

gm_retrain_runner gm_up_runner(gm_up_trainer *r)
{
    return (gm_retrain_runner){ .ctx = r, .start = start, .ended = ended, .stop = stop };
}
