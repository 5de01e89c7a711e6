/* lightgbm_api.h - the part of LightGBM's C interface that we call: our own declarations, resolved when first used.
 *
 * Source: the interface's documentation, version 4.7. Handles are void *. Every int function answers 0 on success.
 */
#ifndef GM_TRAIN_LIGHTGBM_API_H
#define GM_TRAIN_LIGHTGBM_API_H

#include "base/err.h"

#define GM_LIGHTGBM_VERSION "4.7.0" /* pinned in deps/; the library cannot be asked */

enum { GM_LIGHTGBM_FLOAT32 = 0, GM_LIGHTGBM_FLOAT64 = 1 };              /* data types       */
enum { GM_LIGHTGBM_PREDICT_NORMAL = 0, GM_LIGHTGBM_PREDICT_RAW = 1 };   /* predict types    */
enum { GM_LIGHTGBM_IMPORTANCE_SPLIT = 0, GM_LIGHTGBM_IMPORTANCE_GAIN = 1 };

#define GM_LIGHTGBM_API(X)                                                                                                       \
    X(const char *, LGBM_GetLastError, (void))                                                                                   \
    X(int, LGBM_DatasetCreateFromMat, (const void *data, int type, int32_t rows, int32_t cols, int is_row_major,                 \
                                       const char *params, const void *reference, void **out))                                  \
    X(int, LGBM_DatasetSetField, (void *dataset, const char *field, const void *data, int count, int type))                      \
    X(int, LGBM_DatasetFree, (void *dataset))                                                                                    \
    X(int, LGBM_BoosterCreate, (const void *dataset, const char *params, void **out))                                            \
    X(int, LGBM_BoosterFree, (void *booster))                                                                                    \
    X(int, LGBM_BoosterAddValidData, (void *booster, const void *dataset))                                                       \
    X(int, LGBM_BoosterUpdateOneIter, (void *booster, int *out_finished))                                                        \
    X(int, LGBM_BoosterGetEval, (void *booster, int data_index, int *out_count, double *out))                                    \
    X(int, LGBM_BoosterFeatureImportance, (void *booster, int rounds, int importance, double *out))                              \
    X(int, LGBM_BoosterGetCurrentIteration, (void *booster, int *out))                                                           \
    X(int, LGBM_BoosterSaveModelToString, (void *booster, int first, int count, int importance, int64_t capacity,                \
                                           int64_t *out_len, char *out))                                                        \
    X(int, LGBM_BoosterLoadModelFromString, (const char *text, int *out_rounds, void **out))                                     \
    X(int, LGBM_BoosterPredictForMat, (void *booster, const void *data, int type, int32_t rows, int32_t cols, int is_row_major,  \
                                       int predict, int first, int count, const char *params, int64_t *out_len, double *out))

typedef struct gm_lightgbm {
#define GM_LIGHTGBM_MEMBER(ret, name, args) ret(*name) args;
    GM_LIGHTGBM_API(GM_LIGHTGBM_MEMBER)
#undef GM_LIGHTGBM_MEMBER
} gm_lightgbm;

/* Resolve every function. The library stays loaded until the program ends. Any thread.
 * Errors  GM_EUNAVAILABLE (no library, a function is missing) */
gm_rc gm_lightgbm_load(gm_lightgbm *out, gm_err *err);

#endif
