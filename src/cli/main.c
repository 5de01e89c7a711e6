/* main.c - the program's entry: find the command, read its options, run it, report what failed. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "cli/command.h"
#include "cli/help.h"

enum { OPERANDS_MAX = 256, EXIT_USAGE = 2 };

static const gm_param *find_option(const gm_param *params, const char *name, size_t len)
{
    for (const gm_param *p = params; p && p->type != GM_PARAM_END; p++) {
        size_t i = 0;
        while (i < len && p->name[i] && (p->name[i] == name[i] || (p->name[i] == '_' && name[i] == '-'))) i++;
        if (i == len && p->name[i] == '\0') return p;
    }
    return NULL;
}

static gm_rc unknown_option(const gm_command *c, const char *word, size_t len, gm_err *err)
{
    const char *names[64];
    char name[64];
    size_t count = 0;
    (void)snprintf(name, sizeof(name), "%.*s", (int)len, word);
    for (const gm_param *p = c->item.params; p && p->type != GM_PARAM_END && count < 32; p++) names[count++] = p->name;
    for (const gm_param *p = gm_common_options; p->type != GM_PARAM_END && count < 64; p++) names[count++] = p->name;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "unrecognized option \"--%s\" of `gristmill %s`", name, c->item.name);
    const char *near = gm_nearest(name, names, count);
    if (near)
        gm_err_hint(err, "Did you mean \"--%s\"? `gristmill %s --help` lists the options.", near, c->item.name);
    else
        gm_err_hint(err, "`gristmill %s --help` lists the options.", c->item.name);
    return rc;
}

/* A list that is given again grows: --policy never --policy monthly. */
static gm_rc read_value(const gm_param *p, const char *value, bool again, gm_arena *a, void *into, gm_err *err)
{
    gm_strs *list = again && p->type == GM_PARAM_STRS ? (gm_strs *)(void *)((char *)into + p->offset) : NULL,
            before = list ? *list : (gm_strs){ 0 };
    gm_rc rc = gm_param_parse(p, value, a, into, err);
    if (rc || !before.count) return rc;
    const char **items = GM_ARENA_ARRAY(a, const char *, before.count + list->count);
    if (!items) return gm_err_set(err, GM_ENOMEM, "not enough memory to read the options");
    memcpy(items, before.items, before.count * sizeof(*items));
    memcpy(items + before.count, list->items, list->count * sizeof(*items));
    *list = (gm_strs){ .items = items, .count = before.count + list->count };
    return GM_OK;
}

/* --name value, --name=value, --flag, -f value, -h; "--" ends options. */
static gm_rc read_words(const gm_command *c, int argc, char **argv, gm_common *common, void *conf, const char **operands,
                        size_t *out_count, gm_arena *a, gm_err *err)
{
    enum { GIVEN_MAX = 64 }; /* more different options than any command has */
    const gm_param *given[GIVEN_MAX];
    size_t count = 0, given_count = 0;
    bool only_operands = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "-f") == 0) word = "--file";
        if (strcmp(word, "-h") == 0) word = "--help";
        if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
            continue;
        }
        if (only_operands || word[0] != '-' || word[1] == '\0') {
            if (count == OPERANDS_MAX) return gm_err_set(err, GM_EINVALID, "more than %d operands", OPERANDS_MAX);
            operands[count++] = word;
            continue;
        }
        if (word[1] != '-') {
            gm_rc rc = gm_err_set(err, GM_EINVALID, "unrecognized option \"%s\"", word);
            gm_err_hint(err, "Options are long: `gristmill %s --help` lists them.", c->item.name);
            return rc;
        }
        const char *name = word + 2, *equals = strchr(name, '=');
        size_t len = equals ? (size_t)(equals - name) : strlen(name);
        const gm_param *p = find_option(c->item.params, name, len);
        void *into = conf;
        if (!p) {
            p = find_option(gm_common_options, name, len);
            into = common;
        }
        if (!p) return unknown_option(c, name, len, err);
        const char *value = equals ? equals + 1 : p->type == GM_PARAM_BOOL ? "true" : i + 1 < argc ? argv[++i] : NULL;
        if (!value) return gm_err_set(err, GM_EINVALID, "the option \"--%s\" needs a value: %s", p->name, p->help);
        bool again = false;
        for (size_t k = 0; k < given_count; k++) again = again || given[k] == p;
        if (!again && given_count < GIVEN_MAX) given[given_count++] = p;
        gm_rc rc = read_value(p, value, again, a, into, err);
        if (rc) return gm_err_ctx(err, rc, "reading the option \"--%s\"", p->name);
    }
    *out_count = count;
    return GM_OK;
}

static gm_rc defaults(const gm_param *params, gm_arena *a, void *conf, gm_err *err)
{
    for (const gm_param *p = params; p && p->type != GM_PARAM_END; p++) {
        gm_rc rc = p->fallback ? gm_param_parse(p, p->fallback, a, conf, err) : GM_OK;
        if (rc) return rc;
    }
    return GM_OK;
}

static int report(gm_cli *cli, gm_rc rc, const gm_err *err, bool json)
{
    (void)fflush(stdout); /* what was said before stands before the error, also in a file; main looks at the stream's state */
    for (size_t i = 0; i < cli->errs.count; i++) gm_print_error(&cli->errs.items[i], json);
    if (cli->errs.dropped) fprintf(stderr, "... and %zu more mistakes\n", cli->errs.dropped);
    if (!rc) return cli->exit_code;
    if (!cli->errs.count) gm_print_error(err, json);
    return gm_rc_exit_code(rc);
}

static int run_command(const gm_command *c, int argc, char **argv)
{
    gm_err err = { 0 };
    const char *operands[OPERANDS_MAX];
    gm_arena *a = gm_arena_new(0);
    gm_common common = { 0 };
    gm_cli cli = { .common = &common, .operands = operands, .a = a, .errs = { .arena = a } };
    void *conf = a ? gm_arena_alloc(a, 1, c->item.conf_size + 1) : NULL;
    if (!conf) {
        fputs("gristmill: not enough memory to begin\n", stderr);
        return gm_rc_exit_code(GM_ENOMEM);
    }
    gm_rc rc = defaults(gm_common_options, a, &common, &err);
    if (!rc) rc = defaults(c->item.params, a, conf, &err);
    if (!rc) rc = read_words(c, argc, argv, &common, conf, operands, &cli.operands_count, a, &err);
    int code = EXIT_USAGE;
    if (rc) {
        gm_print_error(&err, common.json);
    } else if (common.help) {
        gm_help_command(c);
        code = 0;
    } else if (cli.operands_count < c->operands_min || cli.operands_count > c->operands_max) {
        fprintf(stderr, "gristmill %s: %s operand%s; usage: gristmill %s %s\n", c->item.name,
                cli.operands_count < c->operands_min ? "missing" : "too many", c->operands_max == 1 ? "" : "s", c->item.name,
                c->operands);
    } else {
        rc = c->run(&cli, conf, &err);
        code = report(&cli, rc, &err, common.json);
    }
    gm_arena_free(a);
    return code;
}

int main(int argc, char **argv)
{
    gm_err err;
    const gm_item *item = NULL;
    (void)signal(SIGPIPE, SIG_IGN); /* a closed pager is an ordinary write error */
    const char *word = argc > 1 ? argv[1] : "help";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) word = "help";
    if (strcmp(word, "--version") == 0) word = "version";
    if (gm_registry_find(&gm_commands, word, &item, &err)) {
        gm_print_error(&err, false);
        return EXIT_USAGE;
    }
    int code = run_command((const gm_command *)item, argc > 2 ? argc - 2 : 0, argv + 2);
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0 && errno != EPIPE) { /* EPIPE: the reader had enough */
        fputs("gristmill: could not write the answer\n", stderr);
        code = gm_rc_exit_code(GM_EIO);
    }
    return code;
}
