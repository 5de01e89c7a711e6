/* edge.h - a model as one C11 file that needs no heap, no files and no library but the C compiler's: features, model and link.
 *
 * The file computes what the server computes: the features through gm_program_emit_c, the margins as gm_trees_margin and
 * gm_linear_margin define them, the links as gm_link_apply does. Its ROM (tables) and RAM (stack) are stated in its first lines.
 */
#ifndef GM_SERVE_TARGETS_EDGE_H
#define GM_SERVE_TARGETS_EDGE_H

#include "feature/c_writer.h"
#include "feature/program.h"
#include "model/model.h"

typedef struct gm_edge_in {
    const char *name;                     /* before all names of the file; any text */
    const char *model, *version, *digest; /* for the first lines  */
    const gm_program *program;
    const gm_trees *trees; /* one of the two */
    const gm_linear *linear;
    gm_task task;
    const char *const *classes; /* [classes_count]; of a regression none */
    int64_t classes_count;
    bool with_main; /* add a main() that reads CSV, for tests */
} gm_edge_in;

/* What the file states. Stack is that of predict, from its caller's frame on; main() is not counted. */
typedef struct gm_edge_size {
    int64_t table_bytes, stack_bytes;
} gm_edge_size;

/* Append the file to out. out_size may be NULL. Errors: GM_EUNSUPPORTED, naming the feature; GM_ENOMEM. */
gm_rc gm_edge_write(const gm_edge_in *in, gm_arena *a, gm_buf *out, gm_edge_size *out_size, gm_err *err);

/* edge_model.c: the functions `gm_margins(const double *x, double *out)` and gm_link, into out; their tables and stack into c. */
void gm_edge_model(const gm_edge_in *in, gm_c *c, gm_buf *out);
/* edge_main.c: main(), for inputs of these fields. */
void gm_edge_main(const gm_edge_in *in, const char *name, const char *const *fields, gm_buf *out);

#endif
