/* check.h - statements about a table that must hold.
 *
 * Written as expressions: a row check is a bool per row (`distance between 0 and 5000`), a table check compares an aggregate
 * (`rows >= 100000`, `missing(dep_time) < 5%`, `mean(x) between 0 and 1`, `quantile(x, 0.95) < 10`, `carrier in [...]`, `id is unique`,
 * `name matches '^[A-Z]+$'` spelled matches(name, '...'), `length(name) <= 20`, `freshness(time) < 2 days`, `increasing(time)`,
 * `col in other.col` spelled references(carrier, airlines.carrier), `columns include [...]` spelled has_columns('a', 'b'),
 * `type(x) == 'int'`). A check is a text, or a map { check: <text>, severity: error|warning, allow: 1%, where: <expr>, name: ... }.
 * Missing values: a row check does not consider the rows where it gives missing (`x > 0` where x is missing); say
 * `x is not missing` to forbid them. A table check whose value cannot be computed (the mean of nothing) is broken.
 *
 * One file per check form in checks/, one line in check_list.h. What several checks need is computed once.
 */
#ifndef GM_DATA_CHECK_H
#define GM_DATA_CHECK_H

#include "base/expr.h"
#include "base/node.h"
#include "base/registry.h"

struct gm_check_args; /* checks_internal.h */
struct gm_check_scope;
struct gm_check_value;

typedef struct gm_check_spec {
    const char *text;     /* as written                              */
    const char *name;     /* for reports; the text when none is given */
    gm_expr *expr;        /* parsed                                  */
    gm_expr *where;       /* rows looked at; NULL = all              */
    bool warning;         /* severity: warning                       */
    double allow;         /* share of considered rows that may break it, 0 .. 1 */
    gm_pos pos;
    const struct gm_check_plan *plan; /* by gm_checks_validate; expr and where stay as parsed */
} gm_check_spec;

typedef struct gm_check_result {
    const gm_check_spec *spec;
    bool ok;
    bool row_check;
    int64_t considered, broken; /* rows; for table checks rows of the table, 0 */
    double observed;            /* table checks: the aggregate; row checks: share broken */
    const char *observed_text;  /* for people: "412 of 336,776 rows (0.1%)", "missing 2.45%" */
    int64_t sample_rows[20];    /* first broken rows (0-based)      */
    const char *sample_values[20]; /* the values there, as text; columns marked personal are not shown */
    size_t sample_count;
} gm_check_result;

/* Read the `checks:` list. Errors to errs with places. */
gm_rc gm_checks_read(const gm_node *list, gm_arena *a, gm_check_spec **out, size_t *out_count, gm_errs *errs);
/* Names and types against a table's columns, before anything runs. others: tables named in references(). */
typedef struct gm_check_tables {
    const char **names;
    const gm_table *tables;
    size_t count;
} gm_check_tables;
gm_rc gm_checks_validate(gm_check_spec *specs, size_t count, const gm_table *t, const gm_check_tables *others,
                         gm_arena *a, gm_errs *errs);
/* Run all; gm_checks_validate came before, on a table of the same columns. out [count]. broken_rows (may be NULL): [t->rows] set to 1 + index of the first error-severity row check that the row breaks.
 * now_us: the run's logical time, for freshness. */
gm_rc gm_checks_run(const gm_check_spec *specs, size_t count, const gm_table *t, const gm_check_tables *others,
                    int64_t now_us, gm_arena *a, gm_check_result *out, int32_t *broken_rows, gm_err *err);
void gm_check_results_json(const gm_check_result *r, size_t count, gm_json *j);

/* A form: a function (or `rows`, `is unique`) that only checks have, or a documented way to write an ordinary expression. */
typedef struct gm_check_form {
    gm_item item;
    const char *signature; /* "quantile(x, p)", "x between low and high" */
    const char *example;   /* a whole check                              */
    bool per_row;          /* a bool for each row; else one value for the table */
    /* NULL both: an ordinary expression. accept: arguments and type of the result. compute: its value. */
    gm_rc (*accept)(const struct gm_check_args *args, gm_type *out_type, gm_err *err);
    gm_rc (*compute)(struct gm_check_scope *scope, const struct gm_check_args *args, struct gm_check_value *out, gm_err *err);
} gm_check_form;

extern const gm_registry gm_checks; /* the forms, for `schema`, docs and help */

#endif
