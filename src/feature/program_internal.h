/* program_internal.h - what a feature program is made of; for program*.c and expr_emit.c only. */
#ifndef GM_FEATURE_PROGRAM_INTERNAL_H
#define GM_FEATURE_PROGRAM_INTERNAL_H

#include "feature/transform.h"

/* A raw column that the program reads. */
typedef struct gm_input {
    const char *name;
    gm_type type;  /* as in training */
    bool in_expr;  /* read by an expression                    */
    bool in_graph; /* read by the ONNX graph as it is          */
} gm_input;

/* What a feature begins with; features with the same column or the same expression share one. */
typedef struct gm_source {
    size_t input;           /* the raw column, when expr is NULL                         */
    gm_expr *expr;          /* checked with whole numbers as floats, see widened()       */
    const char *text;       /* of expr                                                   */
    gm_type type;           /* of the values                                             */
    bool computed;          /* cannot be said in ONNX: a computed input of the graph     */
    const char *graph_name; /* of the graph's input when computed or a column            */
} gm_source;

typedef struct gm_step {
    const gm_transform *transform;
    void *conf, *state;
    int64_t width_in, width;
} gm_step;

typedef struct gm_feature {
    const char *name;
    size_t source;
    gm_step *steps; /* [steps_count], >= 1 */
    size_t steps_count;
    int64_t offset, width; /* columns of the matrix */
} gm_feature;

struct gm_program {
    gm_input *inputs;
    size_t inputs_count, inputs_capacity;
    gm_source *sources;
    size_t sources_count, sources_capacity;
    gm_feature *features; /* [features_count] */
    size_t features_count;
    int64_t width;   /* columns of the matrix                           */
    int64_t widest;  /* of what lies between two steps of any chain     */
    const char **names; /* [width]            */
    size_t *feature_of; /* [width]            */
    gm_graph_input *graph_inputs; /* [graph_inputs_count] */
    size_t graph_inputs_count;
};

/* The input of that name, added when new. */
gm_rc gm_program_add_input(gm_program *p, const char *name, gm_type type, gm_arena *a, size_t *out, gm_err *err);
/* The source of a raw column, or of an expression in text form over inputs already there. */
gm_rc gm_program_add_column(gm_program *p, const char *name, gm_type type, gm_arena *a, size_t *out, gm_err *err);
gm_rc gm_program_add_expr(gm_program *p, const char *text, gm_pos at, gm_arena *a, size_t *out, gm_err *err);
/* Conf of a step from a map of parameters (NULL: defaults), and whether it can stand there. */
gm_rc gm_step_init(gm_step *s, const char *name, const gm_node *params, bool first, gm_type source_type, gm_arena *a, gm_err *err);
/* When all features are there: offsets, names, inputs of the graph. */
gm_rc gm_program_finish(gm_program *p, gm_arena *a, gm_err *err);
/* Values of every source over t: columns of t itself or made in scratch. [sources_count]; only computed ones where only_computed. */
gm_rc gm_program_sources(const gm_program *p, const gm_table *t, bool only_computed, gm_arena *scratch, const gm_column *const **out,
                         gm_err *err);
/* The same into room of the caller's. */
typedef struct gm_source_room {
    const gm_column **raw;    /* [inputs_count]                                             */
    const gm_column **values; /* [sources_count] the result                                 */
    gm_column *converted;     /* [inputs_count] behind raw: where the table's own do not do */
    gm_column *wide;          /* [inputs_count] columns as expressions see them             */
    gm_column *computed;      /* [sources_count] behind values: of expressions              */
    gm_expr_work **work;      /* [sources_count] kept steps of expressions; NULL: none are  */
    bool placed;              /* t is the inputs in their order: no name is looked at       */
} gm_source_room;
/* Without work; false when memory is out. */
bool gm_source_room_make(const gm_program *p, gm_arena *a, gm_source_room *out);
gm_rc gm_program_sources_into(const gm_program *p, const gm_table *t, bool only_computed, const gm_source_room *room, gm_arena *scratch,
                              gm_err *err);

bool gm_column_all_missing(const gm_column *c);

/* Rows first .. first + rows of a source; buffer [rows] takes bools and whole numbers as doubles. */
gm_values gm_first_values(const gm_column *c, int64_t first, int64_t rows, double *buffer);
/* What gm_feature_apply needs to work in; NULL when memory is out. */
double *gm_block_buffers(const gm_program *p, int64_t rows, gm_arena *scratch);
/* A feature over all rows of its source, block by block: out [width][rows]. */
gm_rc gm_feature_apply(const gm_program *p, const gm_feature *f, const gm_column *c, int64_t rows, double *buffers, double *out,
                       gm_arena *scratch, gm_err *err);
/* All features into data [width][rows]. */
gm_rc gm_features_apply(const gm_program *p, const gm_column *const *sources, int64_t rows, double *buffers, double *data, gm_arena *scratch,
                        gm_err *err);
/* An empty matrix of the program's width. */
gm_rc gm_program_new_matrix(const gm_program *p, int64_t rows, gm_arena *a, gm_matrix *out, gm_err *err);

/* Can the expression be said in standard operators, by gm_expr_emit? e is checked. */
bool gm_expr_emits(const gm_expr *e);
/* Tensor [N, 1] double of e: booleans are 0 and 1, missing is NaN. Graph inputs are named as the columns. */
const char *gm_expr_emit(const gm_expr *e, gm_onnx *g);
/* A C expression with the value of e, after the statements that compute it: a double (also of bools and whole numbers), int64_t of a time,
 * const char * of a text. fields: names of p's inputs in the struct `in` points at. */
const char *gm_expr_c(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e);

#endif
