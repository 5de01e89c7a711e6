/* command.h - one command of the program: its options are a table like any other item's. */
#ifndef GM_CLI_COMMAND_H
#define GM_CLI_COMMAND_H

#include "base/registry.h"
#include "pipe/run.h"
#include "store/store.h"

/* Options that every command takes. */
typedef struct gm_common {
    const char *file; /* -f: the pipeline file */
    bool json, debug, help;
} gm_common;

typedef struct gm_cli {
    const gm_common *common;
    const char *const *operands; /* [operands_count] */
    size_t operands_count;
    gm_arena *a;   /* the command's */
    gm_errs errs;  /* mistakes of the pipeline file, printed by main */
    int exit_code; /* for a command that ends well and still says no (plan --check) */
} gm_cli;

typedef struct gm_command {
    gm_item item;
    const char *operands; /* "[STEP]", for usage */
    size_t operands_min, operands_max;
    const char *group;    /* heading in help */
    const char *examples; /* lines "command  # what it does" */
    gm_rc (*run)(gm_cli *cli, const void *conf, gm_err *err);
} gm_command;

extern const gm_registry gm_commands;
extern const gm_param gm_common_options[];

/* The store beside the pipeline file. write: lock it. */
gm_rc gm_cli_store(const gm_cli *cli, bool write, gm_store **out, gm_err *err);
/* The store for changing aliases and releases, also while a run is under way. */
gm_rc gm_cli_registry(const gm_cli *cli, gm_store **out, gm_err *err);
/* Read the pipeline file; mistakes go to cli->errs. */
gm_rc gm_cli_spec(gm_cli *cli, gm_spec *out, gm_err *err);
/* Read, load, inspect and resolve; nothing else runs. Mistakes go to cli->errs. */
gm_rc gm_cli_plan(gm_cli *cli, gm_store *store, gm_spec *spec, gm_run_result *out, gm_err *err);
/* The signal asks the command to end, which then finds it out by gm_cli_canceled (ctx is not looked at). */
void gm_cli_end_on(int signal);
bool gm_cli_canceled(void *ctx);

/* ---- words on a terminal ------------------------------------------------------------------------------------- */

bool gm_term_color(void);
const char *gm_term_bold(void), *gm_term_dim(void), *gm_term_green(void), *gm_term_red(void), *gm_term_yellow(void),
    *gm_term_plain(void);
/* "336,776"; out holds 32. */
const char *gm_show_count(int64_t n, char *out);
/* "1.24 s", "85 ms"; out holds 32. */
const char *gm_show_seconds(double s, char *out);
/* "23.4 MiB"; out holds 32. */
const char *gm_show_bytes(int64_t n, char *out);
/* "2013-11-03 14:05:09" in UTC; out holds 32. */
const char *gm_show_time(int64_t us, char *out);

/* Spaces in place of control characters (C0, DEL, C1), in place: words from outside must not move the cursor or begin a line. */
char *gm_show_plain(char *text);

/* A table with aligned columns, printed when done. Cells are copied, as gm_show_plain. */
typedef struct gm_grid gm_grid;
gm_grid *gm_grid_new(gm_arena *a, size_t columns);
void gm_grid_right(gm_grid *g, size_t column); /* align right */
void gm_grid_add(gm_grid *g, const char *const *cells);
void gm_grid_print(const gm_grid *g); /* the first row is the heading */

/* A new folder in $TMPDIR, in the command's arena; the caller removes it. Errors: GM_EIO, GM_ENOTFOUND. */
gm_rc gm_cli_scratch(const gm_cli *cli, const char **out_dir, gm_err *err);
/* A JSON text as the answer, on standard output; clears it. */
void gm_print_json(gm_buf *json);
void gm_print_error(const gm_err *err, bool json);

#endif
