/* spec.h - gristmill.yaml as a typed value: what the file says, then what it stands for.
 *
 * gm_spec_read knows the file only; gm_spec_resolve adds what the data says (kinds of columns, task, defaults) and checks every
 * name and type. All mistakes of a file are collected, each with its place.
 */
#ifndef GM_PIPE_SPEC_H
#define GM_PIPE_SPEC_H

#include "base/digest.h"
#include "base/expr.h"
#include "base/registry.h"
#include "data/check.h"
#include "data/engine.h"
#include "data/schema.h"
#include "feature/program.h"
#include "watch/monitor_spec.h"

/* A data set as it was at a moment, out of a snapshot of all of it: rehearsal trains on such. */
typedef struct gm_cut_spec {
    gm_digest data, schema;    /* the outputs of the step that loaded all of it               */
    const char *time;          /* rows with time < until are there; one without a time is not */
    int64_t until_us;
    gm_strs hidden;            /* columns that have no value yet in rows later than ...       */
    int64_t hidden_after_us;
    bool typed;                /* the source has types of its own (gm_source_is_typed): a column without a value keeps its own */
} gm_cut_spec;

typedef struct gm_data_spec {
    const char *name;
    gm_source source;
    gm_strs key;
    const char *time;      /* event time column; NULL = none */
    gm_strs personal;      /* columns kept out of samples, logs, reports */
    const gm_node *checks; /* the list as written, or NULL */
    gm_check_spec *check_specs;
    size_t checks_count;
    gm_pos pos;
    const gm_schema *schema; /* after the data was loaded */
    const char *digest;      /* of the snapshot, after the data was loaded */
    const gm_cut_spec *cut;  /* NULL: the source is read, all of it        */
} gm_data_spec;

typedef struct gm_join_spec {
    const char *dataset;
    gm_strs by;
    double within_seconds; /* 0 = no limit */
    gm_pos pos;
} gm_join_spec;

/* A feature: a column, a joined column or an added expression, and its transforms. */
typedef struct gm_use_spec {
    const char *name;
    const char *expr_text; /* added features; else NULL */
    gm_expr *expr;
    gm_kind kind;
    gm_type type;
    const gm_node *transform; /* as written: a name, a list or a map; NULL = by kind */
    const char *reason;       /* for explain */
    int64_t distinct, missing;
    gm_pos pos;
} gm_use_spec;

typedef struct gm_drop_spec {
    const char *name, *reason;
} gm_drop_spec;

typedef struct gm_try_spec {
    const char *name;        /* trainer or step            */
    const gm_item *trainer;  /* NULL: the model comes from a step */
    const char *params_json; /* all parameters, filled     */
    bool wants_scaled;
    gm_pos pos;
} gm_try_spec;

typedef struct gm_named_expr {
    const char *name, *text;
    gm_expr *expr;
    gm_pos pos;
} gm_named_expr;

/* One entry of `steps:`. */
typedef struct gm_user_step {
    const char *name;
    gm_strs run;       /* argument array; placeholders {name} */
    const char *shell; /* shell: text, instead of run         */
    const char *sql;   /* sql: text, instead of run           */
    struct {
        const char *name, *from;
        gm_pos pos;
    } inputs[32];
    size_t inputs_count;
    struct {
        const char *name, *file;
    } outputs[32];
    size_t outputs_count;
    gm_strs code;           /* files and folders whose content is part of the key */
    const gm_node *params;  /* map of scalars */
    const gm_node *env;     /* map of declared environment variables */
    double timeout_seconds; /* 0 = none */
    int64_t retry;          /* further attempts after a failure */
    bool cache;
    gm_pos pos;
} gm_user_step;

typedef struct gm_split_spec {
    const char *by;     /* time, random, stratified, group; NULL until resolved */
    const char *column; /* time or group column */
    double validation, test;
    const char *reason;
} gm_split_spec;

/* How a new version comes out: section `deploy`. */
typedef struct gm_deploy_spec {
    const gm_node *node; /* as written; NULL: no such section            */
    const char *to;      /* "local", or the name of a target             */
    int mode;            /* gm_release_mode; 0 = at once                 */
    double share;        /* 0 .. 1                                       */
    int64_t for_us;      /* 0 = promoted by hand only                    */
    int64_t requests_min;
    const char *rollback, *sticky; /* as in gm_release */
    const gm_node *sticky_node;
    gm_pos pos;
} gm_deploy_spec;

typedef struct gm_spec {
    gm_arena *a; /* borrowed; everything below lives there */
    const char *file, *base_dir, *pipeline;
    const gm_node *root;
    gm_data_spec *data;
    size_t data_count;
    gm_data_spec *primary; /* the data set that features are of */
    /* target */
    const char *target_text;
    gm_pos target_pos;
    gm_expr *target_expr; /* resolved: a column or an expression */
    gm_task task;
    const char *task_reason;
    const char **classes; /* [classes_count] labels in index order; NULL for regression */
    size_t classes_count;
    /* features */
    gm_join_spec *joins;
    size_t joins_count;
    gm_named_expr *adds;
    size_t adds_count;
    gm_strs use_names, drop_names;
    const gm_node *transforms; /* map column -> transform */
    gm_use_spec *uses;         /* resolved */
    size_t uses_count;
    gm_drop_spec *drops; /* resolved, with reasons */
    size_t drops_count;
    /* train */
    gm_split_spec split;
    gm_try_spec *tries;
    size_t tries_count;
    int64_t trials;     /* 1 = no search */
    const char *metric; /* NULL until resolved */
    const char *metric_reason;
    uint64_t seed;
    int64_t threads;
    /* the rest */
    const gm_node *gates;    /* list or NULL */
    const char **gate_texts; /* resolved */
    size_t gates_count;
    bool gates_inferred;
    bool by_trigger; /* a trigger began this: without a comparison with the champion in the file, it must not be worse */
    const gm_node *govern;
    gm_deploy_spec deploy;
    gm_monitor_spec monitor; /* defaults where the file has no such section */
    gm_retrain_spec retrain;
    gm_user_step *steps;
    size_t steps_count;
    int64_t keep_runs;
    double keep_seconds;
} gm_spec;

/* The data set of that name, NULL when there is none. */
gm_data_spec *gm_spec_data(const gm_spec *s, const char *name);
/* "gristmill" of path/gristmill.yaml: names what a run leaves beside the file. In s->a. */
const char *gm_spec_stem(const gm_spec *s);

/* Read the file. Errors are all in errs; then the result is GM_EINVALID (or GM_ENOTFOUND when there is no file). */
gm_rc gm_spec_read(const char *path, gm_arena *a, gm_spec *out, gm_errs *errs);

/* What the data says of the target: from the inspect step's report. */
/* Fill defaults and check names and types. inspect: the report of the inspect step, NULL when the file has no target. */
gm_rc gm_spec_resolve(gm_spec *s, const gm_node *inspect, gm_errs *errs);

/* spec_deploy.c: the section `deploy`; after the data is known, its columns. */
void gm_spec_deploy_read(gm_spec *s, const gm_node *n, gm_errs *errs);
void gm_spec_deploy_check(const gm_spec *s, gm_errs *errs);

/* spec_monitor.c: the sections `monitor` and `retrain`; after the data is known, their columns. */
void gm_spec_monitor_read(gm_spec *s, const gm_node *n, gm_errs *errs);
void gm_spec_retrain_read(gm_spec *s, const gm_node *n, gm_errs *errs);
void gm_spec_monitor_check(const gm_spec *s, gm_errs *errs);
/* One entry of `retrain: when`. text is borrowed as long as out is. */
void gm_trigger_read(const char *text, gm_pos pos, gm_arena *a, gm_trigger_spec *out, gm_errs *errs);

/* The full file it stands for, as YAML with a reason beside every choice that was made. */
void gm_spec_explain(const gm_spec *s, gm_buf *out);

/* A table of no rows with the columns of the examples: primary columns, joined ones (weather.temp), for type checks. In s->a. */
gm_rc gm_spec_columns(const gm_spec *s, bool with_adds, gm_table *out, gm_err *err);
/* The JSON Schema of gristmill.yaml. */
void gm_spec_schema(gm_json *j);

#endif
