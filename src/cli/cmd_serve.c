/* cmd_serve.c - `serve`: models as endpoints, until told to stop. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/command.h"
#include "serve/server.h"
#include "serve/supervise.h"

extern char **environ;

enum { TOKEN_MAX = 4096, SEAL_EVERY_S = 60, DRAIN_WAIT_MS = 30000 };

typedef struct serve_opts {
    const char *package, *name, *host, *unix_path, *log, *access_log, *tls_cert, *tls_key, *admin_token_file, *infer_token_file;
    int64_t port, loops;
    double drain_delay, log_age;
    bool strict, gzip;
} serve_opts;

static const gm_param serve_options[] = {
    { "package", GM_PARAM_STR, offsetof(serve_opts, package), "", "serve this package folder, without a store ($GRISTMILL_PACKAGE)", 0, 0, NULL },
    { "name", GM_PARAM_STR, offsetof(serve_opts, name), "", "the package's model name (else its pipeline's)", 0, 0, NULL },
    { "host", GM_PARAM_STR, offsetof(serve_opts, host), "", "address to listen on; 127.0.0.1 ($GRISTMILL_HOST)", 0, 0, NULL },
    { "port", GM_PARAM_INT, offsetof(serve_opts, port), "-1", "port; 8080, 0 takes a free one ($GRISTMILL_PORT)", -1, 65535, NULL },
    { "unix", GM_PARAM_STR, offsetof(serve_opts, unix_path), "", "also listen on this Unix socket", 0, 0, NULL },
    { "loops", GM_PARAM_INT, offsetof(serve_opts, loops), "0", "event loops; 0 is one for each processor that is ours", 0, 64, NULL },
    { "log", GM_PARAM_STR, offsetof(serve_opts, log), "1%", "prediction log: off, full, or a share of the requests as 1%", 0, 0, NULL },
    { "log_age", GM_PARAM_DURATION, offsetof(serve_opts, log_age), "1h", "seal a segment of the prediction log at this age", 0, 0, NULL },
    { "access_log", GM_PARAM_STR, offsetof(serve_opts, access_log), "", "a line of JSON for each request into this file; - is standard error", 0, 0, NULL },
    { "strict", GM_PARAM_BOOL, offsetof(serve_opts, strict), "false", "refuse values that training did not know", 0, 0, NULL },
    { "gzip", GM_PARAM_BOOL, offsetof(serve_opts, gzip), "true", "compress replies over 1 KiB for clients that take it", 0, 0, NULL },
    { "tls_cert", GM_PARAM_STR, offsetof(serve_opts, tls_cert), "", "certificate chain, PEM", 0, 0, NULL },
    { "tls_key", GM_PARAM_STR, offsetof(serve_opts, tls_key), "", "its private key, PEM", 0, 0, NULL },
    { "infer_token_file", GM_PARAM_STR, offsetof(serve_opts, infer_token_file), "", "predictions need this bearer token", 0, 0, NULL },
    { "admin_token_file", GM_PARAM_STR, offsetof(serve_opts, admin_token_file), "", "loading and unloading need this bearer token; without one they need loopback", 0, 0, NULL },
    { "drain_delay", GM_PARAM_DURATION, offsetof(serve_opts, drain_delay), "0s", "on SIGTERM: not ready for so long before the door closes", 0, 0, NULL },
    { 0 },
};

static const char *or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

static const char *setting(const char *option, const char *variable, const char *fallback)
{
    return or_null(option) ? option : or_null(getenv(variable)) ? getenv(variable) : fallback;
}

static gm_rc read_port(const serve_opts *o, int *out, gm_err *err)
{
    static const char *const variables[] = { "GRISTMILL_PORT", "AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT" };
    *out = o->port >= 0 ? (int)o->port : 8080;
    for (size_t i = 0; o->port < 0 && i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *text = or_null(getenv(variables[i]));
        char *end = NULL;
        long v = text ? strtol(text, &end, 10) : 0;
        if (!text) continue;
        if (*end || v < 0 || v > 65535) return gm_err_set(err, GM_EINVALID, "%s is \"%.40s\", expected a port", variables[i], text);
        *out = (int)v;
        break;
    }
    return GM_OK;
}

/* The first line of a file; a secret that a platform mounts may be readable by others, so that its mode says nothing. */
static gm_rc read_token(const char *path, gm_arena *a, const char **out, gm_err *err)
{
    gm_buf b = { 0 };
    if (!or_null(path)) return GM_OK;
    gm_rc rc = gm_fs_read(path, TOKEN_MAX, &b, err);
    const char *text = gm_buf_str(&b);
    size_t len = strcspn(text, "\r\n");
    if (!rc && !len) rc = gm_err_set(err, GM_EINVALID, "the token file \"%s\" is empty", path);
    if (!rc && !(*out = gm_arena_strndup(a, text, len))) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for a token");
    gm_buf_clear(&b);
    return rc;
}

static gm_rc read_log(const gm_cli *cli, const serve_opts *o, const char *store_root, gm_server_options *out, gm_err *err)
{
    double share = 0;
    char *end = NULL;
    bool full = strcmp(o->log, "full") == 0;
    if (strcmp(o->log, "off") == 0 || !store_root) return GM_OK; /* a package alone has no place to keep a log */
    share = full ? 1 : strtod(o->log, &end);
    if (!full && end && *end == '%' && end[1] == '\0') share /= 100;
    else if (!full && (end == o->log || *end)) share = -1;
    if (share < 0 || share > 1) {
        gm_rc rc = gm_err_set(err, GM_EINVALID, "\"%.40s\" says nothing about the prediction log", o->log);
        gm_err_hint(err, "Say off, full, or a share of the requests such as 1%%.");
        return rc;
    }
    out->log = (gm_predlog_options){ .dir = gm_path_join(cli->a, store_root, "predictions"), .mode = full ? GM_PREDLOG_FULL : GM_PREDLOG_SAMPLED,
                                     .share = share, .segment_age_s = (int64_t)o->log_age };
    return GM_OK;
}

static void say(void *user, const char *line)
{
    (void)user;
    fprintf(stderr, "serve: %s\n", line);
}

static gm_rc read_options(gm_cli *cli, const serve_opts *o, gm_server_options *out, gm_err *err)
{
    bool vertex = or_null(getenv("AIP_HTTP_PORT")) || or_null(getenv("AIP_PREDICT_ROUTE"));
    *out = (gm_server_options){ .refs = cli->operands, .refs_count = cli->operands_count, .strict = o->strict, .access_log_fd = -1, .say = say };
    out->package_dir = cli->operands_count ? or_null(o->package) : setting(o->package, "GRISTMILL_PACKAGE", NULL);
    out->package_name = or_null(o->name);
    out->predict_path = or_null(getenv("AIP_PREDICT_ROUTE"));
    out->health_path = or_null(getenv("AIP_HEALTH_ROUTE"));
    out->http = (gm_http_options){ .host = setting(o->host, "GRISTMILL_HOST", vertex ? "0.0.0.0" : "127.0.0.1"), .unix_path = or_null(o->unix_path),
                                   .loops = (unsigned)o->loops, .tls_cert = or_null(o->tls_cert), .tls_key = or_null(o->tls_key), .gzip = o->gzip };
    if (out->package_dir && cli->operands_count)
        return gm_err_set(err, GM_EINVALID, "a package folder is served alone, without names of models");
    gm_rc rc = read_port(o, &out->http.port, err);
    if (!rc) rc = read_token(o->infer_token_file, cli->a, &out->http.infer_token, err);
    if (!rc) rc = read_token(o->admin_token_file, cli->a, &out->http.admin_token, err);
    if (!rc && strcmp(o->access_log, "-") == 0) out->access_log_fd = STDERR_FILENO;
    if (!rc && or_null(o->access_log) && out->access_log_fd < 0) {
        out->access_log_fd = open(o->access_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (out->access_log_fd < 0) rc = gm_err_errno(err, errno, "open", o->access_log);
    }
    return rc;
}

/* Sealed segments of the log become Parquet in a process of their own: the server never loads what that takes. */
static void seal(const gm_cli *cli, pid_t *child)
{
    char program[] = "/proc/self/exe", command[] = "predictions", option[] = "--seal", file_option[] = "-f";
    char *argv[] = { program, command, option, file_option, (char *)(uintptr_t)cli->common->file, NULL };
    int status = 0;
    if (*child > 0 && waitpid(*child, &status, WNOHANG) == 0) return; /* the last one still works */
    *child = 0;
    posix_spawn_file_actions_t quiet;
    posix_spawnattr_t open_to_signals; /* those that wait_for_end has blocked */
    sigset_t none;
    sigemptyset(&none);
    if (posix_spawn_file_actions_init(&quiet) != 0) return;
    (void)posix_spawnattr_init(&open_to_signals);
    (void)posix_spawnattr_setsigmask(&open_to_signals, &none);
    (void)posix_spawnattr_setflags(&open_to_signals, POSIX_SPAWN_SETSIGMASK);
    (void)posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(child, program, &quiet, &open_to_signals, argv, environ) != 0) *child = 0;
    posix_spawnattr_destroy(&open_to_signals);
    posix_spawn_file_actions_destroy(&quiet);
}

static void wait_for_end(const gm_cli *cli, bool seals, const sigset_t *ends)
{
    pid_t child = 0;
    struct timespec every = { SEAL_EVERY_S, 0 };
    for (;;) {
        int signal_number = sigtimedwait(ends, NULL, &every);
        if (signal_number > 0) break;
        if (errno == EAGAIN && seals) seal(cli, &child);
    }
    if (child > 0) { /* it may be ended at any moment, and must not hold up the last answers */
        (void)kill(child, SIGTERM);
        (void)waitpid(child, NULL, 0);
    }
}

static void announce(const gm_cli *cli, const gm_server_options *o, gm_server *server)
{
    const char *scheme = o->http.tls_cert ? "https" : "http";
    if (cli->common->json) {
        printf("{\"url\":\"%s://%s:%d\",\"port\":%d}\n", scheme, o->http.host, gm_server_port(server), gm_server_port(server));
    } else {
        printf("serving at %s://%s:%d\n", scheme, o->http.host, gm_server_port(server));
        if (o->http.unix_path) printf("serving at %s\n", o->http.unix_path);
    }
    fflush(stdout);
    gm_supervise_ready();
}

/* store is taken: it stays open until the server has one of its own, for whom much is ready then. */
static gm_rc serve(gm_cli *cli, const serve_opts *o, gm_server_options *so, gm_store *store, gm_err *err)
{
    gm_server *server = NULL;
    sigset_t ends;
    (void)signal(SIGXFSZ, SIG_IGN); /* a log at the limit of a file's size is an ordinary write error */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL); /* before any thread: all of them leave these to us */
    gm_rc rc = gm_server_start(so, &server, err);
    gm_store_close(store);
    if (rc) return rc;
    announce(cli, so, server);
    wait_for_end(cli, so->log.mode != GM_PREDLOG_OFF, &ends);
    (void)pthread_sigmask(SIG_UNBLOCK, &ends, NULL); /* a second one ends at once */
    fprintf(stderr, "serve: draining\n");
    gm_server_drain(server, (int64_t)(o->drain_delay * 1000), DRAIN_WAIT_MS);
    gm_server_stop(server);
    return GM_OK;
}

static gm_rc run(gm_cli *cli, const void *conf, gm_err *err)
{
    const serve_opts *o = conf;
    gm_server_options so;
    gm_store *store = NULL;
    gm_rc rc = read_options(cli, o, &so, err);
    if (!rc && !so.package_dir) rc = gm_cli_store(cli, false, &store, err); /* says what to do when there is none */
    if (!rc && store) so.store_root = gm_arena_strdup(cli->a, gm_store_root(store));
    if (!rc) rc = read_log(cli, o, so.store_root, &so, err);
    if (!rc && so.store_root) rc = gm_cli_scratch(cli, &so.scratch_dir, err);
    if (!rc)
        rc = serve(cli, o, &so, store, err);
    else
        gm_store_close(store);
    gm_err second;
    if (so.scratch_dir) (void)gm_fs_remove_tree(so.scratch_dir, &second);
    return rc;
}

const gm_command gm_command_serve = {
    .item = { "serve", "answer predictions over HTTP, in every client's protocol", serve_options, sizeof(serve_opts) },
    .operands = "[MODEL[@ALIAS|/VERSION] ...]",
    .operands_max = 256,
    .group = "Models",
    .examples = "gristmill serve                          # every model that has a champion, at http://127.0.0.1:8080\n"
                "gristmill serve flights --log full       # one model; every prediction is kept\n"
                "gristmill serve --package model/ --host 0.0.0.0 --port 9000\n",
    .run = run,
};
