/* step.h - what a built-in step does, and how it talks to the runner.
 *
 * Every step runs in a process of its own: `gristmill step FOLDER` reads FOLDER/step.json, writes its outputs to FOLDER/out and
 * what it has to say to FOLDER/result.json. So a crash is one failed step, its memory and CPU time are measured by the kernel,
 * and any executor that can run a program can run it. Programs of the user's own (`run:`) get the same folder and no step.json
 * protocol.
 *
 * To add a kind: copy kinds/check.c, add its line to kind_list.h. Raise `version` whenever the same inputs would give other
 * outputs.
 */
#ifndef GM_PIPE_STEP_H
#define GM_PIPE_STEP_H

#include "base/buf.h"
#include "base/column.h"
#include "base/node.h"
#include "base/registry.h"
#include "data/engine.h"

/* Names of inputs by their role: a data set may itself be called "data". */
#define GM_JOINED_INPUT "join:"
#define GM_REFERENCED_INPUT "reference:"

typedef struct gm_step_input {
    const char *name; /* "flights", "examples", "model" ... */
    const char *type; /* dataset, features, model, metrics, report, file */
    const char *path; /* may be read, never written; a folder for packages */
    const char *digest;
} gm_step_input;

typedef struct gm_step_io {
    const char *name, *dir; /* the step's name and folder      */
    const gm_node *params;  /* what the graph gave it; part of the key            */
    const gm_node *local;   /* paths and the like: not part of the key; may be NULL */
    const gm_step_input *inputs;
    size_t inputs_count;
    int64_t threads, memory_bytes, now_us;
    gm_arena *a;       /* the step's own                  */
    gm_engine *engine; /* opened by gm_io_engine          */
    gm_json *facts;    /* an open object: members are added by the step */
    gm_json *outputs;  /* an open array: see gm_io_output */
    gm_json *notes;    /* an open array: see gm_io_note   */
    int64_t rows;      /* shown in the step's line        */
} gm_step_io;

typedef struct gm_step_kind {
    gm_item item;
    int version;
    bool uses_data; /* the data engine's version is part of the key */
    gm_rc (*run)(gm_step_io *io, gm_err *err);
} gm_step_kind;

extern const gm_registry gm_step_kinds;

/* The input of that name; GM_EINTERNAL when the graph gave none. */
gm_rc gm_io_input(const gm_step_io *io, const char *name, const gm_step_input **out, gm_err *err);
/* NULL when there is none. */
const gm_step_input *gm_io_find(const gm_step_io *io, const char *name);
/* Where to write an output file; it is kept after the step. In the step's arena. type: dataset, report, model ... */
const char *gm_io_output(gm_step_io *io, const char *name, const char *type, const char *file);
gm_rc gm_io_engine(gm_step_io *io, gm_engine **out, gm_err *err);
/* A JSON input as a tree. */
gm_rc gm_io_json(const gm_step_io *io, const char *name, const gm_node **out, gm_err *err);
/* Write text to an output file. */
gm_rc gm_io_write(gm_step_io *io, const char *name, const char *type, const char *file, const gm_buf *text, gm_err *err);
/* A line for the person who watches: printed by the runner under the step's line. */
void gm_io_note(gm_step_io *io, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A fault point (base/fs.h) of a kind of step: "step.begin.train". Errors: as injected. */
gm_rc gm_step_point(const char *point, const char *kind, gm_err *err);
/* The program of `gristmill step`. Writes result.json also when the step fails. */
gm_rc gm_step_main(const char *dir, gm_err *err);

#endif
