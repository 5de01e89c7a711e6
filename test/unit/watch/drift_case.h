/* drift_case.h - what the tests of drift share: columns by hand, tables from files, one comparison. */
#ifndef GM_TEST_DRIFT_CASE_H
#define GM_TEST_DRIFT_CASE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "data/engine.h"
#include "harness/harness.h"
#include "watch/drift.h"

#define DRIFT_REFERENCE GM_SOURCE_DIR "/test/conformance/watch/"

static inline gm_column drift_numbers(const char *name, const double *v, int64_t rows)
{
    return (gm_column){ .name = name, .type = GM_TYPE_FLOAT, .rows = rows, .f64 = v };
}

static inline gm_column drift_integers(const char *name, const int64_t *v, int64_t rows)
{
    return (gm_column){ .name = name, .type = GM_TYPE_INT, .rows = rows, .i64 = v };
}

/* NULL = missing. */
static inline gm_column drift_texts(gm_arena *a, const char *name, const char *const *v, int64_t rows)
{
    gm_dict_builder *b = gm_dict_builder_new(a);
    int32_t *code = GM_ARENA_ARRAY(a, int32_t, rows);
    for (int64_t i = 0; i < rows; i++) code[i] = v[i] ? gm_dict_builder_code(b, v[i], strlen(v[i])) : GM_MISSING_CODE;
    return (gm_column){ .name = name, .type = GM_TYPE_STRING, .rows = rows, .code = code, .dict = gm_dict_builder_finish(b) };
}

static inline gm_table drift_table(gm_column *columns, size_t count)
{
    return (gm_table){ .rows = columns[0].rows, .columns_count = count, .columns = columns };
}

static inline gm_table drift_read(gm_engine *e, const char *name, gm_arena *a)
{
    char path[512];
    gm_table t;
    gm_err err;
    (void)snprintf(path, sizeof(path), "%s%s", DRIFT_REFERENCE, name);
    CHECK_OK(gm_data_read(e, path, NULL, 0, 0, a, &t, &err), &err);
    return t;
}

static inline const gm_detector *drift_detector(const char *name)
{
    const gm_detector *d = NULL;
    gm_err err;
    CHECK_OK(gm_detector_find(name, &d, &err), &err);
    return d;
}

/* One detector on two columns. as_texts: numbers taken as categories. */
static inline gm_rc drift_value(const gm_detector *d, const gm_column *r, const gm_column *c, bool as_texts, gm_compat compat,
                                gm_detector_value *out, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    gm_sample x, y;
    CHECK_OK(gm_sample_of_column(r, a, &x, err), err);
    CHECK_OK(gm_sample_of_column(c, a, &y, err), err);
    if (as_texts && r->type != GM_TYPE_STRING) {
        CHECK_OK(gm_sample_as_texts(&x, a, &x, err), err);
        CHECK_OK(gm_sample_as_texts(&y, a, &y, err), err);
    }
    gm_pair pair = { .reference = &x, .current = &y, .texts = as_texts, .arena = a };
    gm_rc rc = gm_detector_value_of(d, &pair, compat, out, err);
    gm_arena_free(a);
    return rc;
}

#endif
