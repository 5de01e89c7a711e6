/* help.c - `gristmill help`, --help, completion, the man page and the reference pages: one source, the tables. */
#include "cli/help.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/expr_functions.h"
#include "data/check.h"
#include "eval/metric.h"
#include "feature/program.h"
#include "pipe/sections.h"
#include "serve/target.h"
#include "train/trainer.h"
#include "watch/channels.h"
#include "watch/detector.h"

static const char *const groups[] = { "Run", "Look", "Models", "Care", "More" };

static bool hidden(const gm_command *c)
{
    return !c->group[0];
}

static void option_name(const gm_param *p, char *out, size_t out_size)
{
    static const char *const values[] = {
        [GM_PARAM_BOOL] = "",      [GM_PARAM_INT] = " N",         [GM_PARAM_DOUBLE] = " X", [GM_PARAM_STR] = " TEXT",
        [GM_PARAM_EXPR] = " EXPR", [GM_PARAM_DURATION] = " TIME", [GM_PARAM_STRS] = " A,B", [GM_PARAM_NODE] = " TEXT"
    };
    (void)snprintf(out, out_size, "--%s%s", p->name, values[p->type]);
    for (char *c = out; *c && *c != ' '; c++)
        if (*c == '_') *c = '-';
}

static void print_options(const gm_param *params)
{
    for (const gm_param *p = params; p && p->type != GM_PARAM_END; p++) {
        char name[80];
        option_name(p, name, sizeof(name));
        printf("  %-22s %s", name, p->help);
        if (p->choices) printf(" (%s)", p->choices);
        if (p->type != GM_PARAM_BOOL && p->fallback && p->fallback[0]) printf(" [%s]", p->fallback);
        putchar('\n');
    }
}

static void print_examples(const gm_command *c)
{
    printf("\nExamples\n");
    for (const char *line = c->examples; *line;) {
        size_t len = strcspn(line, "\n");
        printf("  %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

void gm_help_command(const gm_command *c)
{
    printf("gristmill %s - %s\n\nUsage: gristmill %s%s%s [options]\n\nOptions\n", c->item.name, c->item.help, c->item.name,
           c->operands[0] ? " " : "", c->operands);
    print_options(c->item.params);
    print_options(gm_common_options);
    if (c->examples) print_examples(c);
}

void gm_help_all(void)
{
    printf("gristmill " GM_VERSION
           " - one file describes the loop: data, checks, features, training, evaluation, gates, registry\n\n"
           "Usage: gristmill COMMAND [options]\n");
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        printf("\n%s\n", groups[g]);
        for (size_t i = 0; i < gm_commands.count; i++) {
            const gm_command *c = (const gm_command *)gm_commands.items[i];
            if (strcmp(c->group, groups[g]) == 0) printf("  %-12s %s\n", c->item.name, c->item.help);
        }
    }
    printf(
        "\n`gristmill COMMAND --help` has options and examples. The smallest file:\n\n  data: churn.csv\n  target: churned\n\n");
}

/* ---- help ------------------------------------------------------------------------------------------------------ */

static void list_items(const char *title, const gm_registry *r)
{
    printf("%s\n", title);
    for (size_t i = 0; i < r->count; i++) printf("  %-22s %s\n", r->items[i]->name, r->items[i]->help);
}

typedef struct topic {
    const char *name, *title;
    const gm_param *params;
    const gm_registry *registry;
} topic;

static const topic topics[] = {
    { "file", "gristmill.yaml: sections", gm_section_top, NULL },
    { "data", "data: one data set", gm_section_data, NULL },
    { "features", "features: what the model sees", gm_section_features, NULL },
    { "join", "features: join: one data set", gm_section_join, NULL },
    { "train", "train: how candidates are made", gm_section_train, NULL },
    { "split", "train: split:", gm_section_split, NULL },
    { "steps", "steps: one step of your own", gm_section_step, NULL },
    { "deploy", "deploy: how a new version comes out", gm_section_deploy, NULL },
    { "monitor", "monitor: what is watched while it serves", gm_section_monitor, NULL },
    { "labels", "monitor: labels: where the truth comes from", gm_section_labels, NULL },
    { "alert", "monitor: alert: rules, and where they go", gm_section_alert, NULL },
    { "rule", "monitor: alert: rules: one rule", gm_section_alert_rule, NULL },
    { "retrain", "retrain: what starts a training", gm_section_retrain, NULL },
    { "govern", "govern: who answers for it", gm_section_govern, NULL },
    { "keep", "keep: what gc keeps", gm_section_keep, NULL },
    { "checks", "Forms of checks", NULL, &gm_checks },
    { "transforms", "Transforms", NULL, &gm_transforms },
    { "trainers", "Trainers", NULL, &gm_trainers },
    { "metrics", "Metrics", NULL, &gm_metrics },
    { "targets", "Deployment targets", NULL, &gm_targets },
    { "channels", "Channels of alerts", NULL, &gm_channels },
    { "detectors", "Detectors of drift", NULL, &gm_detectors },
};

static gm_rc help(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    const gm_item *item = NULL;
    if (cli->operands_count == 0) {
        gm_help_all();
        printf("Topics: ");
        for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) printf("%s%s", i ? ", " : "", topics[i].name);
        printf("  (`gristmill help TOPIC`)\n");
        return GM_OK;
    }
    if (gm_registry_find(&gm_commands, cli->operands[0], &item, err) == GM_OK) {
        gm_help_command((const gm_command *)item);
        return GM_OK;
    }
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        if (strcmp(topics[i].name, cli->operands[0]) != 0) continue;
        if (topics[i].registry) {
            list_items(topics[i].title, topics[i].registry);
            return GM_OK;
        }
        printf("%s\n", topics[i].title);
        for (const gm_param *p = topics[i].params; p->type != GM_PARAM_END; p++)
            printf("  %-14s %s%s%s%s\n", p->name, p->help, p->fallback && p->fallback[0] ? " [" : "",
                   p->fallback && p->fallback[0] ? p->fallback : "", p->fallback && p->fallback[0] ? "]" : "");
        return GM_OK;
    }
    const gm_registry *registries[] = { &gm_trainers, &gm_transforms, &gm_metrics, &gm_checks, &gm_channels, &gm_detectors };
    for (size_t i = 0; i < sizeof(registries) / sizeof(registries[0]); i++) {
        if (gm_registry_find(registries[i], cli->operands[0], &item, NULL)) continue;
        printf("%s %s - %s\n", registries[i]->kind, item->name, item->help);
        if (registries[i] == &gm_checks)
            printf("  %s\n  as in: %s\n", ((const gm_check_form *)item)->signature, ((const gm_check_form *)item)->example);
        for (const gm_param *p = item->params; p && p->type != GM_PARAM_END; p++)
            printf("  %-22s %s [%s]\n", p->name, p->help, p->fallback ? p->fallback : "must be given");
        return GM_OK;
    }
    return gm_err_set(err, GM_ENOTFOUND, "no command, topic or item \"%.60s\"", cli->operands[0]);
}

const gm_command gm_command_help = {
    .item = { .name = "help", .help = "show commands, topics, trainers, transforms, metrics, checks" },
    .operands = "[COMMAND|TOPIC|NAME]",
    .operands_max = 1,
    .group = "More",
    .examples = "gristmill help run       # a command\ngristmill help train     # a section of the file\ngristmill help lightgbm "
                " # a trainer and its parameters",
    .run = help,
};

/* ---- completion, man, reference ---------------------------------------------------------------------------------- */

static void bash_words(const gm_param *params)
{
    for (const gm_param *p = params; p && p->type != GM_PARAM_END; p++) {
        char name[80];
        option_name(p, name, sizeof(name));
        name[strcspn(name, " ")] = '\0';
        printf("%s ", name);
    }
}

static gm_rc completion(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    const char *shell = cli->operands_count ? cli->operands[0] : "bash";
    if (strcmp(shell, "bash") != 0 && strcmp(shell, "zsh") != 0)
        return gm_err_set(err, GM_EINVALID, "unrecognized shell \"%.40s\"; bash and zsh are known", shell);
    if (strcmp(shell, "zsh") == 0) printf("autoload -U +X bashcompinit && bashcompinit\n");
    printf(
        "_gristmill() {\n  local cur=${COMP_WORDS[COMP_CWORD]}\n  if [ \"$COMP_CWORD\" = 1 ]; then COMPREPLY=($(compgen -W \"");
    for (size_t i = 0; i < gm_commands.count; i++)
        if (!hidden((const gm_command *)gm_commands.items[i])) printf("%s ", gm_commands.items[i]->name);
    printf("\" -- \"$cur\")); return; fi\n  case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < gm_commands.count; i++) {
        if (hidden((const gm_command *)gm_commands.items[i])) continue;
        printf("    %s) words=\"", gm_commands.items[i]->name);
        bash_words(gm_commands.items[i]->params);
        bash_words(gm_common_options);
        printf("\";;\n");
    }
    printf("  esac\n  case $cur in -*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"));; *) COMPREPLY=($(compgen -f -- "
           "\"$cur\"));; esac\n}\n"
           "complete -o filenames -F _gristmill gristmill\n");
    return GM_OK;
}

const gm_command gm_command_completion = {
    .item = { .name = "completion", .help = "print completions for a shell" },
    .operands = "[bash|zsh]",
    .operands_max = 1,
    .group = "More",
    .examples = "gristmill completion bash > /etc/bash_completion.d/gristmill",
    .run = completion,
};

/* Text for troff: a hyphen that is typed, a line that does not begin with a dot. */
static void roff(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '-')
            fputs("\\-", stdout);
        else if (*c == '\\')
            fputs("\\e", stdout);
        else
            putchar(*c);
    }
}

static void roff_options(const gm_param *params)
{
    for (const gm_param *p = params; p && p->type != GM_PARAM_END; p++) {
        char name[80];
        option_name(p, name, sizeof(name));
        printf(".TP\n.B ");
        roff(name);
        printf("\n");
        roff(p->help);
        printf("\n");
    }
}

static gm_rc man(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)cli;
    (void)conf;
    (void)err;
    printf(".TH GRISTMILL 1 \"\" \"gristmill " GM_VERSION
           "\" \"User commands\"\n.SH NAME\ngristmill \\- the life of a machine\\-learning model from one file\n"
           ".SH SYNOPSIS\n.B gristmill\n.I command\n[options]\n.SH COMMANDS\n");
    for (size_t i = 0; i < gm_commands.count; i++) {
        const gm_command *c = (const gm_command *)gm_commands.items[i];
        if (hidden(c)) continue;
        printf(".SS ");
        roff(c->item.name);
        printf(" ");
        roff(c->operands);
        printf("\n");
        roff(c->item.help);
        printf("\n");
        roff_options(c->item.params);
        if (c->examples) {
            printf(".PP\nExamples:\n.nf\n");
            roff(c->examples);
            printf("\n.fi\n");
        }
    }
    printf(".SH COMMON OPTIONS\n");
    roff_options(gm_common_options);
    printf(".SH EXIT STATUS\n");
    for (int rc = GM_OK; rc < GM_RC_COUNT; rc++) printf(".TP\n.B %d\n%s\n", gm_rc_exit_code((gm_rc)rc), gm_rc_name((gm_rc)rc));
    printf(".TP\n.B 2\nwrong usage of the command line\n.SH FILES\n.TP\n.I gristmill.yaml\nthe pipeline\n.TP\n.I "
           "gristmill.lock\nwhat the last good run was made of\n"
           ".TP\n.I .gristmill/\nthe store\n");
    return GM_OK;
}

const gm_command gm_command_man = {
    .item = { .name = "man", .help = "print the man page" },
    .operands = "",
    .group = "More",
    .examples = "gristmill man | man -l -",
    .run = man,
};

/* A bar would end the cell of a table. */
static void md_cell(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '|') putchar('\\');
        putchar(*c);
    }
}

static void md_params(const gm_param *params, bool options)
{
    if (!params || params->type == GM_PARAM_END) return;
    printf("\n| %s | default | what |\n| --- | --- | --- |\n", options ? "option" : "key");
    for (const gm_param *p = params; p->type != GM_PARAM_END; p++) {
        char name[80];
        if (options)
            option_name(p, name, sizeof(name));
        else
            (void)snprintf(name, sizeof(name), "%s", p->name);
        printf("| `%s` | %s%s%s | ", name, p->fallback && p->fallback[0] ? "`" : "", p->fallback ? p->fallback : "must be given",
               p->fallback && p->fallback[0] ? "`" : "");
        md_cell(p->help);
        printf("%s%s%s |\n", p->choices ? " (" : "", p->choices ? p->choices : "", p->choices ? ")" : "");
    }
}

static void md_registry(const char *title, const gm_registry *r)
{
    printf("\n## %s\n", title);
    for (size_t i = 0; i < r->count; i++) {
        printf("\n### %s\n\n%s\n", r->items[i]->name, r->items[i]->help);
        if (r == &gm_checks)
            printf("\n`%s`, as in `%s`\n", ((const gm_check_form *)r->items[i])->signature,
                   ((const gm_check_form *)r->items[i])->example);
        md_params(r->items[i]->params, false);
    }
}

static gm_rc reference(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    const char *page = cli->operands[0];
    printf("<!-- Made by `gristmill reference %s`; not edited by hand. -->\n\n", page);
    if (strcmp(page, "commands") == 0) {
        printf("# Commands\n");
        for (size_t i = 0; i < gm_commands.count; i++) {
            const gm_command *c = (const gm_command *)gm_commands.items[i];
            if (hidden(c)) continue;
            printf("\n## gristmill %s %s\n\n%s\n", c->item.name, c->operands, c->item.help);
            md_params(c->item.params, true);
            if (c->examples) printf("\n```sh\n%s\n```\n", c->examples);
        }
        printf("\n## Options of every command\n");
        md_params(gm_common_options, true);
        printf("\n## Exit codes\n\n| code | means |\n| --- | --- |\n| 2 | wrong usage of the command line |\n");
        for (int rc = GM_OK; rc < GM_RC_COUNT; rc++) printf("| %d | %s |\n", gm_rc_exit_code((gm_rc)rc), gm_rc_name((gm_rc)rc));
        return GM_OK;
    }
    if (strcmp(page, "file") == 0) {
        printf("# gristmill.yaml\n");
        for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
            if (topics[i].params) {
                printf("\n## %s\n", topics[i].title);
                md_params(topics[i].params, false);
            }
        return GM_OK;
    }
    if (strcmp(page, "items") == 0) {
        printf("# Checks, transforms, trainers, metrics, targets, channels, detectors\n");
        for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
            if (topics[i].registry) md_registry(topics[i].title, topics[i].registry);
        return GM_OK;
    }
    if (strcmp(page, "expressions") == 0) {
        gm_buf b = { 0 };
        gm_expr_functions_markdown(&b);
        fputs(gm_buf_str(&b), stdout);
        gm_buf_clear(&b);
        return GM_OK;
    }
    return gm_err_set(err, GM_EINVALID, "unrecognized page \"%.40s\"; there are commands, file, items, expressions", page);
}

const gm_command gm_command_reference = {
    .item = { .name = "reference", .help = "print a reference page as Markdown" },
    .operands = "commands|file|items|expressions",
    .operands_min = 1,
    .operands_max = 1,
    .group = "More",
    .examples = "gristmill reference file > docs/reference/file.md",
    .run = reference,
};
