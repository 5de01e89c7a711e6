/* trees.h - a tree ensemble as plain arrays: read from XGBoost and LightGBM files, predicted, written as ONNX.
 *
 * Margins are bit-equal to the trainer's own prediction: float32 sums in tree order for XGBoost (base score added as XGBoost does),
 * double for LightGBM.
 */
#ifndef GM_MODEL_TREES_H
#define GM_MODEL_TREES_H

#include "base/column.h"
#include "base/node.h"

typedef enum gm_tree_missing { GM_MISSING_NAN = 0, GM_MISSING_ZERO, GM_MISSING_NONE } gm_tree_missing;

typedef struct gm_tree_node {
    int32_t feature;     /* -1 = leaf */
    int32_t left, right; /* index in the tree */
    double threshold;    /* XGBoost: goes left when x < threshold; LightGBM: x <= threshold */
    double value;        /* leaf */
    bool default_left;   /* where a missing value goes */
    bool categorical;    /* LightGBM: left when the value is in the set cats[cat_begin .. cat_end) of bit words */
    gm_tree_missing missing;
    int32_t cat_begin, cat_end;
    double cover;        /* training weight that came here (XGBoost: sum of hessians; LightGBM: rows); 0 = the file does not say */
} gm_tree_node;

typedef struct gm_tree {
    gm_tree_node *nodes; /* [count]; 0 is the root */
    int32_t count;
    int32_t output;      /* class index it adds to, 0 .. outputs-1 */
} gm_tree;

typedef enum gm_link { GM_LINK_IDENTITY = 0, GM_LINK_SIGMOID, GM_LINK_SOFTMAX, GM_LINK_EXP } gm_link;

typedef struct gm_trees {
    bool less_or_equal; /* LightGBM's comparison; XGBoost's is <     */
    bool float32;       /* features, thresholds and sums are float32 */
    gm_tree *trees;
    int32_t trees_count, outputs, features;
    double *base;       /* [outputs] added to the sums                */
    gm_link link;
    double sigmoid_scale; /* LightGBM's sigmoid parameter; 1          */
    uint32_t *cats;     /* bit words of categorical splits            */
} gm_trees;

/* XGBoost's JSON. file_name is for messages. Errors: GM_EINVALID (no JSON), GM_ECORRUPT, GM_EUNSUPPORTED, GM_ENOMEM. */
gm_rc gm_trees_read_xgboost(const char *text, size_t len, const char *file_name, gm_arena *a, gm_trees **out, gm_err *err);
gm_rc gm_trees_read_lightgbm(const char *text, size_t len, gm_arena *a, gm_trees **out, gm_err *err);
/* A foreign ONNX graph that is a tree ensemble and nothing else, as trees. */
typedef struct gm_onnx_trees {
    gm_trees *trees;     /* trees->link gives the output's values; of two classes the probability of the second, one output */
    const char **inputs; /* [features] the graph's input that each feature is read from; in arena */
    bool matrix;         /* an input has several columns: its name stands once for each, in their order */
} gm_onnx_trees;
/* What the graph's output `output` needs. Sums may differ from a runtime's in their last bits: compare before use.
 * Errors: GM_EUNSUPPORTED (other nodes, modes, types), GM_EINVALID naming tree and node, GM_ENOMEM. */
gm_rc gm_trees_read_onnx(const void *bytes, size_t len, const char *output, gm_arena *a, gm_onnx_trees *out, gm_err *err);
/* out [rows * outputs] row-major margins. Reads of x are column-major as gm_matrix. */
gm_rc gm_trees_margin(const gm_trees *t, const gm_matrix *x, double *out, gm_err *err);

#endif
