/* target_systemd.c - a folder with a hardened unit, its environment file, the program and the model's package.
 *
 *   NAME.service   Type=notify: the server tells when it answers; SIGTERM drains it
 *   NAME.env       address and port, for the administrator to change
 *   bin/gristmill  lib/gristmill/...  package/...
 *
 * The unit speaks of the folder where all this will lie (--set dir=...), which need not be where it is written.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/targets/target_write.h"

typedef struct conf {
    const char *name, *dir, *host, *memory, *user;
    int64_t port;
    bool follow;
} conf;

static const gm_param params[] = {
    { "name", GM_PARAM_STR, offsetof(conf, name), "", "name of the unit; gristmill-MODEL", 0, 0, NULL },
    { "dir", GM_PARAM_STR, offsetof(conf, dir), "", "where the folder will lie on the machine; /opt/NAME", 0, 0, NULL },
    { "host", GM_PARAM_STR, offsetof(conf, host), "127.0.0.1", "address to listen on", 0, 0, NULL },
    { "port", GM_PARAM_INT, offsetof(conf, port), "8080", "port", 1, 65535, NULL },
    { "memory", GM_PARAM_STR, offsetof(conf, memory), "512M", "most memory the server may have", 0, 0, NULL },
    { "follow", GM_PARAM_BOOL, offsetof(conf, follow), "false",
      "serve the registry's champion and follow it, instead of a copy of this version", 0, 0, NULL },
    { "user", GM_PARAM_STR, offsetof(conf, user), "", "follow: who the server runs as; must own the store", 0, 0, NULL },
    { 0 },
};

/* What the unit's text needs, checked. */
typedef struct unit {
    const conf *c;
    const gm_target_in *in;
    const char *name, *dir, *project,
        *model; /* project: folder of the store's pipeline, follow only; model: quoted for ExecStart */
} unit;

/* A path that stands in a unit without quotes: what systemd would read as words or specifiers is refused. */
static gm_rc check_path(const char *path, const char *what, gm_err *err)
{
    bool good = path[0] == '/';
    for (const char *c = path; *c && good; c++) good = isalnum((unsigned char)*c) || strchr("/._-+@", *c);
    if (good) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "%s \"%.200s\" cannot stand in a unit", what, path);
    gm_err_hint(err, "Use an absolute path of letters, digits and / . _ - + @.");
    return rc;
}

static gm_rc check_word(const char *text, const char *what, gm_err *err)
{
    bool good = text[0] != '\0' && text[0] != '-';
    for (const char *c = text; *c && good; c++) good = isalnum((unsigned char)*c) || strchr("._-:", *c);
    return good ? GM_OK
                : gm_err_set(err, GM_EINVALID, "%s \"%.100s\" is not one word of letters, digits and . _ - :", what, text);
}

/* systemd's quotes are C's, in which % and $ are written twice. */
static const char *quoted_argument(const char *text, gm_arena *a)
{
    const char *quoted = gm_target_quoted(text, a);
    char *out = quoted ? gm_arena_alloc(a, 2 * strlen(quoted) + 1, 1) : NULL;
    size_t len = 0;
    for (const char *c = quoted; out && *c; c++) {
        if (*c == '%' || *c == '$') out[len++] = *c;
        out[len++] = *c;
    }
    return out;
}

static gm_rc read_unit(const conf *c, const gm_target_in *in, gm_arena *a, unit *u, gm_err *err)
{
    *u = (unit){ .c = c, .in = in };
    const char *made = gm_arena_printf(a, "gristmill-%s", in->model);
    gm_rc rc = gm_target_name(c->name, made ? made : "gristmill", a, &u->name, err);
    if (rc) return rc;
    u->dir = c->dir[0] ? c->dir : gm_arena_printf(a, "/opt/%s", u->name);
    u->model = quoted_argument(in->model, a);
    if (!u->dir || !u->model) return gm_err_set(err, GM_ENOMEM, "not enough memory for a unit");
    rc = check_path(u->dir, "the folder", err);
    if (!rc) rc = check_word(c->host, "the host", err);
    if (!rc) rc = gm_target_memory(c->memory, err);
    if (rc || !c->follow) return rc;
    if (!in->store_root)
        return gm_err_set(err, GM_EINVALID, "only a model of a store can be followed, and this is a package's folder");
    if (!c->user[0]) {
        rc = gm_err_set(err, GM_EINVALID, "a server that follows the store writes to it: as whom does it run?");
        gm_err_hint(err, "Say --set user=NAME, the owner of the store.");
        return rc;
    }
    rc = check_word(c->user, "the user", err);
    char *root = rc ? NULL : realpath(in->store_root, NULL);
    char *slash = root ? strrchr(root, '/') : NULL;
    if (!rc && !slash) rc = gm_err_set(err, GM_ENOTFOUND, "there is no store at \"%s\"", in->store_root);
    if (!rc) u->project = gm_arena_strndup(a, root, slash == root ? 1 : (size_t)(slash - root));
    if (!rc && !u->project) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for a unit");
    free(root);
    return rc ? rc : check_path(u->project, "the store's folder", err);
}

/* What the server does not need is taken from it. It reads its folder, listens, and writes nothing but its log. */
static const char hardening[] = "NoNewPrivileges=yes\n"
                                "ProtectSystem=strict\n"
                                "PrivateTmp=yes\n"
                                "PrivateDevices=yes\n"
                                "ProtectClock=yes\n"
                                "ProtectControlGroups=yes\n"
                                "ProtectHostname=yes\n"
                                "ProtectKernelLogs=yes\n"
                                "ProtectKernelModules=yes\n"
                                "ProtectKernelTunables=yes\n"
                                "ProtectProc=invisible\n"
                                "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n"
                                "RestrictNamespaces=yes\n"
                                "RestrictRealtime=yes\n"
                                "RestrictSUIDSGID=yes\n"
                                "RemoveIPC=yes\n"
                                "LockPersonality=yes\n"
                                "MemoryDenyWriteExecute=yes\n"
                                "SystemCallArchitectures=native\n"
                                "SystemCallErrorNumber=EPERM\n"
                                "SystemCallFilter=@system-service\n"
                                "SystemCallFilter=~@privileged @resources\n"
                                "UMask=0077\n";

static void who(const unit *u, gm_buf *b)
{
    bool home = strncmp(u->dir, "/home/", 6) == 0 || strncmp(u->dir, "/root/", 6) == 0;
    if (u->project) {
        home = home || strncmp(u->project, "/home/", 6) == 0 || strncmp(u->project, "/root", 5) == 0;
        gm_buf_printf(b, "User=%s\nReadWritePaths=%s\n", u->c->user, u->project);
    } else {
        gm_buf_text(b, "DynamicUser=yes\n");
    }
    gm_buf_printf(b, "ProtectHome=%s\n", home ? "read-only" : "yes");
    const char *capabilities = u->c->port < 1024 ? "CAP_NET_BIND_SERVICE" : "";
    gm_buf_printf(b, "CapabilityBoundingSet=%s\nAmbientCapabilities=%s\n", capabilities, capabilities);
}

static void unit_text(const unit *u, gm_buf *b)
{
    gm_buf_printf(b,
                  "# Written by gristmill deploy --to systemd.\n"
                  "# Model %s, package sha256:%s\n"
                  "[Unit]\n"
                  "Description=Gristmill model server (%s)\n"
                  "After=network-online.target\n"
                  "Wants=network-online.target\n"
                  "\n"
                  "[Service]\n"
                  "Type=notify\n"
                  "EnvironmentFile=-%s/%s.env\n",
                  u->model, u->in->digest.hex, u->name, u->dir, u->name);
    if (u->project)
        gm_buf_printf(b, "WorkingDirectory=%s\nExecStart=%s/bin/gristmill serve %s --drain_delay %ds\n", u->project, u->dir,
                      u->model, GM_TARGET_DRAIN_S);
    else
        gm_buf_printf(b, "ExecStart=%s/bin/gristmill serve --package %s/package --name %s --drain_delay %ds\n", u->dir, u->dir,
                      u->model, GM_TARGET_DRAIN_S);
    gm_buf_printf(b,
                  "Restart=on-failure\n"
                  "RestartSec=1\n"
                  "TimeoutStartSec=60\n"
                  "TimeoutStopSec=%d\n"
                  "MemoryMax=%.*s\n"
                  "TasksMax=256\n"
                  "LimitNOFILE=65536\n"
                  "\n",
                  GM_TARGET_STOP_S, (int)strcspn(u->c->memory, "i"), u->c->memory); /* systemd's M is Mi elsewhere */
    who(u, b);
    gm_buf_printf(b, "%s\n[Install]\nWantedBy=multi-user.target\n", hardening);
}

static gm_rc put_text(const gm_stage *s, const char *name, gm_buf *b, gm_err *err)
{
    gm_rc rc = !name || b->failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for a unit")
                                  : gm_stage_put(s, name, b->data, b->len, 0644, err);
    gm_buf_clear(b);
    return rc;
}

static gm_rc put_texts(const gm_stage *s, const unit *u, gm_err *err)
{
    gm_buf b = { 0 };
    unit_text(u, &b);
    gm_rc rc = put_text(s, gm_arena_printf(s->a, "%s.service", u->name), &b, err);
    if (rc) return rc;
    gm_buf_printf(&b, "# Read by %s.service when it starts.\nGRISTMILL_HOST=%s\nGRISTMILL_PORT=%" PRId64 "\n", u->name,
                  u->c->host, u->c->port);
    return put_text(s, gm_arena_printf(s->a, "%s.env", u->name), &b, err);
}

static gm_rc put_files(const gm_stage *s, const unit *u, gm_err *err)
{
    const char *library = NULL, *library_path = NULL;
    gm_target_files files = { 0 };
    gm_rc rc = gm_target_files_add(&files, s->a, "bin/gristmill", u->in->program, 0755, err);
    if (!rc) rc = gm_target_library(u->in->package_dir, s->a, &library, &library_path, err);
    if (!rc && library)
        rc = gm_target_files_add(&files, s->a, gm_path_join(s->a, "lib/gristmill", library), library_path, 0644, err);
    if (!rc && !u->project) rc = gm_target_package(u->in->package_dir, "package", s->a, &files, err);
    if (!rc) rc = gm_stage_files(s, &files, err);
    return rc;
}

static gm_rc write_systemd(const void *opaque, const gm_target_in *in, gm_arena *a, gm_buf *report, gm_err *err)
{
    unit u;
    gm_stage s;
    gm_rc rc = read_unit(opaque, in, a, &u, err);
    if (!rc) rc = gm_stage_begin(in->out, a, &s, err);
    if (rc) return rc;
    rc = put_texts(&s, &u, err);
    if (!rc) rc = put_files(&s, &u, err);
    rc = gm_stage_end(&s, rc, err);
    if (rc) return gm_err_ctx(err, rc, "writing the unit \"%s.service\"", u.name);
    gm_buf_printf(report,
                  "wrote %s.service and what it runs to %s\n"
                  "next, on the machine:\n"
                  "  sudo cp -r %s %s\n"
                  "  sudo systemctl link %s/%s.service\n"
                  "  sudo systemctl enable --now %s\n",
                  u.name, s.out, s.out, u.dir, u.dir, u.name, u.name);
    return GM_OK;
}

const gm_target gm_target_systemd = {
    .item = { "systemd", "a hardened unit with the program and the model beside it", params, sizeof(conf) },
    .write = write_systemd,
};
