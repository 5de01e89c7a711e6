/* xgboost_api.h - the part of XGBoost's C interface that we call: our own declarations, resolved when first used.
 *
 * Source: the interface's documentation, version 3.2. Handles are void *. Every int function answers 0 on success.
 */
#ifndef GM_TRAIN_XGBOOST_API_H
#define GM_TRAIN_XGBOOST_API_H

#include "base/err.h"

#define GM_XGBOOST_VERSION "3.2.0" /* pinned in deps/; checked when the library is loaded */

typedef int gm_xgboost_next(void *iter);
typedef void gm_xgboost_reset(void *iter);

/* Arrays travel as "array interface" texts: {"data": [address, true], "shape": [...], "strides": [...], "typestr": "<f8", "version": 3} */
#define GM_XGBOOST_API(X)                                                                                                        \
    X(void, XGBoostVersion, (int *major, int *minor, int *patch))                                                                \
    X(const char *, XGBGetLastError, (void))                                                                                     \
    X(int, XGDMatrixCreateFromDense, (const char *array, const char *config, void **out))                                        \
    X(int, XGProxyDMatrixCreate, (void **out))                                                                                   \
    X(int, XGProxyDMatrixSetDataDense, (void *proxy, const char *array))                                                         \
    X(int, XGQuantileDMatrixCreateFromCallback, (void *iter, void *proxy, void *ref, gm_xgboost_reset *reset,                    \
                                                 gm_xgboost_next *next, const char *config, void **out))                        \
    X(int, XGDMatrixSetInfoFromInterface, (void *matrix, const char *field, const char *array))                                  \
    X(int, XGDMatrixFree, (void *matrix))                                                                                        \
    X(int, XGBoosterCreate, (void *const *matrices, uint64_t count, void **out))                                                 \
    X(int, XGBoosterFree, (void *booster))                                                                                       \
    X(int, XGBoosterSetParam, (void *booster, const char *name, const char *value))                                              \
    X(int, XGBoosterUpdateOneIter, (void *booster, int round, void *matrix))                                                     \
    X(int, XGBoosterEvalOneIter, (void *booster, int round, void **matrices, const char **names, uint64_t count,                 \
                                  const char **out_text))                                                                       \
    X(int, XGBoosterSlice, (void *booster, int begin, int end, int step, void **out))                                            \
    X(int, XGBoosterSaveModelToBuffer, (void *booster, const char *config, uint64_t *out_len, const char **out))                 \
    X(int, XGBoosterLoadModelFromBuffer, (void *booster, const void *bytes, uint64_t len))                                       \
    X(int, XGBoosterPredictFromDense, (void *booster, const char *array, const char *config, void *matrix,                       \
                                       const uint64_t **out_shape, uint64_t *out_dim, const float **out))

typedef struct gm_xgboost {
#define GM_XGBOOST_MEMBER(ret, name, args) ret(*name) args;
    GM_XGBOOST_API(GM_XGBOOST_MEMBER)
#undef GM_XGBOOST_MEMBER
} gm_xgboost;

/* Resolve every function. The library stays loaded until the program ends. Any thread.
 * Errors  GM_EUNAVAILABLE (no library, a function is missing, another version) */
gm_rc gm_xgboost_load(gm_xgboost *out, gm_err *err);

#endif
