/* engine_internal.h - what the files of the tree engine share. For engine*.c only.
 *
 * Every decision of every tree is one comparison of bytes: go right when q[column] > cut. A feature's distinct thresholds are
 * sorted; the rank of a value among them takes ceil(thresholds / 255) byte columns, and each way of treating a missing value that
 * some node asks for is a column set of its own, in which the missing value already stands as 0 (left) or 255 (right). A
 * categorical split is a column that holds 0 (member) or 255. So kernels know neither missing values nor kinds of splits.
 *
 * Invariants
 *  (1) cut <= 254 in splits; the cut of a leaf is 255, so that no byte is above it;
 *  (2) sums are made in the order of the trees, one addition per tree, whatever kernel found the leaf;
 *  (3) only nodes that a walk from the root reaches are in the engine.
 */
#ifndef GM_MODEL_ENGINE_INTERNAL_H
#define GM_MODEL_ENGINE_INTERNAL_H

#include "model/engine.h"

enum {
    GM_TREE_ENGINE_ROWS = 512,          /* rows of a block, at most                           */
    GM_TREE_ENGINE_CHUNK = 255,         /* ranks that one byte column tells apart, less one   */
    GM_TREE_ENGINE_DEPTH_MIN = 4,       /* a padded tree has at least and                     */
    GM_TREE_ENGINE_DEPTH_MAX = 8,       /* at most so many levels                             */
    GM_TREE_ENGINE_GROUP = 64,          /* trees that one AVX-512 instruction takes           */
    GM_TREE_ENGINE_COLUMNS_MAX = 65535, /* beyond: the plain walk                             */
    GM_TREE_ENGINE_BUCKETS = 1024,
    GM_TREE_ENGINE_STEPS_MAX = 4
};

/* Before a loop of at most 8 rounds that must be straight code. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

/* What a node does with a missing value; (feature, way) is a set of byte columns. */
typedef enum gm_tree_engine_way {
    WAY_NAN_LEFT,
    WAY_NAN_RIGHT,
    WAY_NAN_ZERO,
    WAY_ZERO_LEFT,
    WAY_ZERO_RIGHT,
    WAYS
} gm_tree_engine_way;

/* One feature with numeric splits. rank(v) = thresholds <= v (float32), or < v (double): those that send v to the right. */
typedef struct gm_tree_engine_feature {
    int32_t feature;
    uint32_t cuts_count, chunks;
    int32_t column[WAYS]; /* first of `chunks` byte columns; -1: no node asks for it */
    int32_t used[WAYS];   /* the ways in use; the first is the base */
    int32_t used_count;
    int32_t pair[2];      /* columns of the first two ways; the same twice when there is one */
    bool more;            /* than two ways or one byte */
    float *cuts32;        /* ascending, NaN behind them up to 2^levels - 1 and STEPS_MAX more */
    double *cuts64;
    uint32_t levels;      /* of a binary search */
    /* Where in the cuts to begin: start[bucket(v)], then at most `steps` comparisons. steps 0: the cuts are too unevenly spread. */
    uint32_t steps;
    uint16_t *start;      /* [GM_TREE_ENGINE_BUCKETS] */
    double low, scale;
    uint32_t zero_rank;
    float *levels32;      /* [256] the same cuts level by level: the 2^l of level l from index 2^l; NULL when more than 255 */
} gm_tree_engine_feature;

/* One feature with categorical splits: sets_count columns from `column`, filled from table[id][set], id 0 = a member of no set. */
typedef struct gm_tree_engine_categories {
    int32_t feature, column, sets_count;
    int64_t limit;   /* categories are below it */
    uint32_t *id;    /* [limit] */
    uint8_t *table;  /* [ids, sets_count] */
} gm_tree_engine_categories;

typedef enum gm_tree_engine_kind { TREE_PADDED, TREE_WALK } gm_tree_engine_kind;

typedef struct gm_tree_engine_tree {
    uint32_t node, count; /* its nodes, breadth first: brothers are neighbours */
    int32_t depth, output;
    gm_tree_engine_kind kind;
    int32_t levels;       /* padded: levels; 2^levels leaves */
    size_t ids;           /* padded: 2^levels - 1 predicates, level by level */
    size_t planes;        /* padded: byte b of leaf p at planes + b * leaf_slots + p */
    int32_t leaf_slots;   /* padded: max(64, 2^levels) */
} gm_tree_engine_tree;

/* The distinct comparisons of all padded trees, made once per block of rows. Number 0 is never true. */
typedef struct gm_tree_engine_program {
    uint32_t count;
    uint32_t *column; /* [count] */
    uint8_t *cut;     /* [count] */
    uint32_t *ids;    /* indexed by gm_tree_engine_tree.ids */
} gm_tree_engine_program;

/* 64 trees side by side: the nodes at one place of all of them are one vector. */
typedef struct gm_tree_engine_group {
    int32_t levels;
    uint64_t walked;  /* trees that are walked instead */
    uint8_t *columns; /* [2^levels - 1][64] */
    uint8_t *cuts;    /* [2^levels - 1][64] */
    float *leaves32;  /* [64][2^levels] */
    double *leaves64;
} gm_tree_engine_group;

typedef void gm_tree_engine_one_fn(const gm_tree_engine *e, gm_tree_engine_work *w, double *out);
typedef void gm_tree_engine_block_fn(const gm_tree_engine *e, gm_tree_engine_work *w, int32_t rows, bool clean, double *out);

typedef struct gm_tree_engine_kernel {
    const char *name;
    gm_tree_engine_level level;
    gm_tree_engine_one_fn *one;     /* w->row is quantised; out [outputs] */
    gm_tree_engine_block_fn *block; /* w->q is quantised; out [rows, outputs] */
    int32_t rows;           /* of a block; also the stride of w->q */
} gm_tree_engine_kernel;

struct gm_tree_engine {
    const gm_trees *t;
    gm_tree_engine_level level;
    bool plain; /* too wide for bytes: only the plain walk */
    bool wide_ranks;
    uint32_t steps; /* the most of any feature */
    int32_t columns;
    int32_t features_count, categories_count;
    gm_tree_engine_feature *features;
    gm_tree_engine_categories *categories;
    gm_tree_engine_tree *trees;
    size_t nodes_count;
    bool compact;     /* at most 256 columns and 65536 nodes a tree: nodes4, else nodes8 */
    uint32_t *nodes4; /* column << 24 | child << 8 | cut: the left child; the right one stands just before it */
    uint64_t *nodes8; /* column << 40 | child << 8 | cut */
    float *leaves32;  /* [nodes_count], where float32 */
    double *leaves64;
    gm_tree_engine_program full, clean; /* clean: for rows in which no way of a feature with several differs */
    uint8_t *planes;
    int32_t groups_count;
    gm_tree_engine_group *groups; /* AVX-512 */
    /* the choice */
    const gm_tree_engine_kernel *one, *block;
    int32_t block_from;  /* fewer rows go one by one */
    double one_us, small_us, large_us; /* per row, as measured; 0 = not measured */
    uint32_t left_out;   /* kernels that gave other bits */
};

struct gm_tree_engine_work {
    uint8_t *row;    /* [max(columns, 256)] one row */
    uint8_t *q;      /* [columns][rows of the block] */
    uint8_t *packed; /* [columns][128] the block again, eight rows at a time */
    uint8_t *masks;  /* [predicates][64 or 32 bytes] */
    void *sums;      /* [outputs][GM_TREE_ENGINE_ROWS] float or double */
    float *values;   /* [GM_TREE_ENGINE_ROWS] a feature in float32 */
    double *wide;    /* [GM_TREE_ENGINE_ROWS] in double */
    uint32_t *ranks; /* [GM_TREE_ENGINE_ROWS] */
    double *plain;   /* what the plain walk works in */
};

/* engine_build.c */
gm_rc gm_tree_engine_build(gm_tree_engine *e, gm_arena *a, gm_arena *scratch, gm_err *err);
void *gm_tree_engine_alloc(gm_arena *a, size_t count, size_t size); /* aligned to 64 */
/* engine_pad.c: padded trees, their predicates, groups of 64. */
gm_rc gm_tree_engine_pad(gm_tree_engine *e, gm_arena *a, gm_arena *scratch, gm_err *err);
/* engine_quantize.c. x's row `first` and the rows after it. gm_tree_engine_quantize_block: false when a way of treating missing
 * values made a difference in some row. */
void gm_tree_engine_quantize_row(const gm_tree_engine *e, gm_tree_engine_work *w, const gm_matrix *x, int64_t first);
bool gm_tree_engine_quantize_block(const gm_tree_engine *e, gm_tree_engine_work *w, const gm_matrix *x, int64_t first,
                                   int32_t rows, int32_t stride);
/* engine_walk.c */
void gm_tree_engine_walk_one(const gm_tree_engine *e, gm_tree_engine_work *w, double *out);
void gm_tree_engine_walk_block(const gm_tree_engine *e, gm_tree_engine_work *w, int32_t rows, bool clean, double *out);
uint32_t gm_tree_engine_bucket32(const gm_tree_engine_feature *f, float v);
uint32_t gm_tree_engine_bucket64(const gm_tree_engine_feature *f, double v);
uint32_t gm_tree_engine_walk_tree(const gm_tree_engine *e, const gm_tree_engine_tree *t, const uint8_t *q,
                                  size_t stride); /* the leaf's node */
/* Add tree t's leaves to sums [GM_TREE_ENGINE_ROWS] for rows that stand at place[r] in w->q. */
void gm_tree_engine_walk_add(const gm_tree_engine *e, const gm_tree_engine_tree *t, const uint8_t *q, int32_t stride,
                             const uint16_t *place, int32_t rows, void *sums);
void gm_tree_engine_sums_begin(const gm_tree_engine *e, gm_tree_engine_work *w);
/* The sums of `slots` places, place s being row place[s] (NULL: s), to out; rows beyond the last are left out. */
void gm_tree_engine_sums_end(const gm_tree_engine *e, const gm_tree_engine_work *w, const uint16_t *place, int32_t slots,
                             int32_t rows, double *out);
/* engine.c. Rows first .. first + rows of x with this kernel, whatever was chosen. */
void gm_tree_engine_run_one(const gm_tree_engine *e, const gm_tree_engine_kernel *k, gm_tree_engine_work *w, const gm_matrix *x,
                            int64_t first, double *out);
void gm_tree_engine_run_block(const gm_tree_engine *e, const gm_tree_engine_kernel *k, gm_tree_engine_work *w, const gm_matrix *x,
                              int64_t first, int32_t rows, double *out);
bool gm_tree_engine_usable(const gm_tree_engine *e, const gm_tree_engine_kernel *k);
/* What is not left out; without the scalar kernel the plain walk. */
void gm_tree_engine_choose(gm_tree_engine *e);
/* engine_check.c. Leave out the kernels that differ from the plain walk on rows made from the thresholds. Errors: GM_ENOMEM. */
gm_rc gm_tree_engine_check(gm_tree_engine *e, gm_err *err);

#if defined(__x86_64__)
#define GM_TREE_ENGINE_X86 1
void gm_tree_engine_avx2_block(const gm_tree_engine *e, gm_tree_engine_work *w, int32_t rows, bool clean, double *out);
void gm_tree_engine_avx512_one(const gm_tree_engine *e, gm_tree_engine_work *w, double *out);
void gm_tree_engine_avx512_block(const gm_tree_engine *e, gm_tree_engine_work *w, int32_t rows, bool clean, double *out);
void gm_tree_engine_avx512_rank(const gm_tree_engine_feature *f, const float *values, int32_t rows,
                                uint8_t *ranks); /* whole 16 rows */
/* rows % 8 == 0. values in float32 and their buckets; true when one is NaN. */
bool gm_tree_engine_avx2_buckets32(const gm_tree_engine_feature *f, const double *x, int32_t rows, float *values,
                                   uint32_t *buckets);
#else
#define GM_TREE_ENGINE_X86 0
#endif

/* The kernels, fastest last; of one row and of blocks. */
extern const gm_tree_engine_kernel gm_tree_engine_kernels[];
extern const int32_t gm_tree_engine_kernels_count;

#endif
