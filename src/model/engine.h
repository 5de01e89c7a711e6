/* engine.h - the tree engine: a tree ensemble prepared for speed, with answers bit-equal to gm_trees_margin.
 *
 * Thresholds of a feature are sorted once; a value is replaced by its rank among them (uint8 up to 255 cuts, uint16 beyond), so
 * that x < t is exactly a comparison of small whole numbers. Kernels for AVX-512, AVX2 and plain C are chosen at run time;
 * whatever a kernel cannot do (a very deep tree, say) another one does, tree by tree, without a change of the order of sums.
 */
#ifndef GM_MODEL_ENGINE_H
#define GM_MODEL_ENGINE_H

#include "base/buf.h"
#include "model/trees.h"

typedef enum gm_tree_engine_level { GM_TREE_ENGINE_SCALAR = 0, GM_TREE_ENGINE_AVX2, GM_TREE_ENGINE_AVX512 } gm_tree_engine_level;

typedef struct gm_tree_engine gm_tree_engine; /* constant once made; shared by threads; borrows the trees */
typedef struct gm_tree_engine_work gm_tree_engine_work; /* what one thread works in */

/* What this processor can do; GRISTMILL_ENGINE=scalar|avx2|avx512 lowers it. */
gm_tree_engine_level gm_tree_engine_level_here(void);
const char *gm_tree_engine_level_name(gm_tree_engine_level l);

/* Prepare for kernels up to `level`, and leave out those that differ in a bit from gm_trees_margin on rows made from the thresholds.
 * In a; borrows t until a is reset. Errors: GM_ENOMEM; GM_ECORRUPT (trees that gm_tree_check refuses). */
gm_rc gm_tree_engine_new(const gm_trees *t, gm_tree_engine_level level, gm_arena *a, gm_tree_engine **out, gm_err *err);
/* What gm_tree_engine_margin works in, for any number of rows (larger batches are cut into blocks); in a. Errors: GM_ENOMEM. */
gm_rc gm_tree_engine_work_new(const gm_tree_engine *e, gm_arena *a, gm_tree_engine_work **out, gm_err *err);
/* The same, smaller, for batches of at most `rows` rows. */
gm_rc gm_tree_engine_work_for(const gm_tree_engine *e, int64_t rows, gm_arena *a, gm_tree_engine_work **out, gm_err *err);
/* Margins, as gm_trees_margin: x column-major with stride x->rows, out [rows * outputs]. Allocates nothing, cannot fail; width
 * was checked. */
void gm_tree_engine_margin(const gm_tree_engine *e, gm_tree_engine_work *w, const gm_matrix *x, double *out);
/* Time the kernels on these rows (1, 64 and all of them) for at most budget_ms, keep the fastest for each batch size, after
 * comparing each bit for bit with gm_trees_margin: a kernel that differs is left out and the reason kept. rows of the model's own
 * reference sample. */
gm_rc gm_tree_engine_measure(gm_tree_engine *e, const gm_matrix *rows, int64_t budget_ms, gm_err *err);
/* {"one_row": {"kernel", "us"}, "small": ..., "large": {"kernel", "rows_per_s"}, "cuts": 8 | 16, "left_out": [...]} */
void gm_tree_engine_json(const gm_tree_engine *e, gm_json *j);

#endif
