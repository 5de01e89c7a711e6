/* drift.h - how far what is served is from what was trained on, column by column.
 *
 * Sides come as raw columns, as a profile, or both (then the raw columns count, and the profile for what they lack). Raw columns
 * give every statistic exactly. Profiles are exact up to 10,000 different values of a column; beyond that the values say how far
 * they may be off (bound).
 * Our own verdict is by effect size; a p-value only takes a verdict back, when the rows are so few that chance could do the
 * same. p-values are adjusted over the columns by Benjamini and Hochberg (1995).
 * compat: another program's binning, fill, normalisation and verdict, so that its users find their numbers again;
 * docs/numerics/drift.md has each definition with its source. Rates that no detector sees (missing, new categories, outside the
 * range) are verdicts of their own.
 */
#ifndef GM_WATCH_DRIFT_H
#define GM_WATCH_DRIFT_H

#include "data/profile.h"
#include "watch/detector.h"

/* A side whose columns are sorted and counted already; see gm_drift_prepare. */
typedef struct gm_drift_prepared gm_drift_prepared;

/* One side of a comparison. All borrowed. Columns of the two sides are matched by name. */
typedef struct gm_drift_side {
    const gm_table *table;             /* raw rows; NULL = none */
    const gm_profile *profile;         /* NULL = none           */
    const gm_drift_prepared *prepared; /* comes before both; NULL = none */
} gm_drift_side;

/* Do once what each comparison with the same side would do again: a reference against many windows. In a, which must live as long
 * as *out is used; the side itself is no longer needed. Errors: GM_ENOMEM. */
gm_rc gm_drift_prepare(const gm_drift_side *side, gm_arena *a, gm_drift_prepared **out, gm_err *err);

/* Which detector judges which column, and from which value on. */
typedef struct gm_drift_rule {
    const char *column; /* NULL = all columns without a rule of their own: the first such rule that has a detector for the type */
    const gm_detector *numbers; /* for numbers and times; NULL = the column is not looked at               */
    const gm_detector *texts;   /* for texts and bools (the same where the detector takes both)            */
    double limit;               /* drifted when value > limit (compat: as that program compares); NaN = the detector's own */
    bool inclusive;             /* drifted at the limit too */
    gm_pos pos;
} gm_drift_rule;

typedef struct gm_drift_options {
    gm_compat compat;
    const gm_drift_rule *rules; /* [rules_count]; columns without one: psi > 0.2; compat: what that program takes by default */
    size_t rules_count;
    const char *const *columns; /* [columns_count] the columns looked at; NULL = all that both sides have */
    size_t columns_count;
    double missing_limit; /* a rise of the missing share by more is drift; 0 = 0.05   */
    double new_limit;     /* share of values never seen in the reference; 0 = 0.05    */
    double range_limit;   /* share outside the reference's smallest and largest; 0 = 0.05 */
    double p_limit;       /* an adjusted p-value above it takes a verdict back; 0 = 0.001. compat: of tests; 0 = 0.05 */
    int64_t rows_min;     /* below so many present values a column is not judged; 0 = 50, -1 = always judged */
    int64_t chunk_rows;   /* compat nannyml: rows of a chunk of the reference, whose values give the limit; 0 = a tenth */
    bool no_rates;        /* leave the three rates out (compat numbers alone)         */
} gm_drift_options;

typedef struct gm_drift_column {
    const char *name;
    gm_type type;
    const gm_detector *detector; /* NULL: not looked at */
    double value, limit;         /* NaN value: could not be judged, why says so; NaN limit: nothing to compare with */
    double plain; /* value before the part that chance is expected to give was taken off (psi, jensen_shannon, hellinger,
                     chi_square) */
    double bound; /* how far value may be off because a side is a sketch; 0 = exact */
    double p_value, p_adjusted;                /* of KS (numbers) or contingency chi-square (texts); NaN = none */
    bool by_p;                                 /* compat: value is a p-value, and drifted when it is below the limit */
    int64_t rows_reference, rows_current;      /* present values */
    double missing_reference, missing_current; /* shares of all rows */
    double new_share, range_share;             /* of the present current values; NaN where it does not apply */
    double mean_reference, mean_current;       /* numbers; NaN */
    bool drifted; /* value above the limit and, by our own definitions, p_adjusted not above p_limit; or another type of value */
    bool by_chance;                              /* above the limit, and taken back by p_adjusted */
    bool missing_rose, new_values, out_of_range; /* the rates above their limits, and surely so */
    const char *why; /* "" or why it was not judged, or what the rates say: "new values: XX (31 of 900)" */
} gm_drift_column;

/* Any of the four flags. */
static inline bool gm_drift_moved(const gm_drift_column *c)
{
    return c->drifted || c->missing_rose || c->new_values || c->out_of_range;
}

typedef struct gm_drift_result {
    gm_compat compat;
    gm_drift_column *columns; /* [count] in the reference's order */
    size_t count;
    size_t judged, drifted; /* columns judged; with any of the four flags (gm_drift_moved) */
    double drifted_share;   /* drifted / judged; NaN when none was */
    bool dataset_drifted;   /* compat evidently: a share of 0.5 or more; others: any column */
    int64_t rows_reference, rows_current;
    const char **missing_columns; /* [missing_columns_count] in one side only: "-name" absent from current, "+name" new there */
    size_t missing_columns_count;
} gm_drift_result;

/* Compare. In a. Errors: GM_EINVALID no column in common, a rule or an option for a column that is in neither side, a detector
 * that cannot judge a column's type, a compat that has no such detector; GM_ENOMEM. */
gm_rc gm_drift_compare(const gm_drift_side *reference, const gm_drift_side *current, const gm_drift_options *o, gm_arena *a,
                       gm_drift_result *out, gm_err *err);
void gm_drift_json(const gm_drift_result *r, gm_json *j);

/* Adjusted p-values, in place; NaN stay NaN and do not count. [count] */
void gm_benjamini_hochberg(double *p, size_t count, gm_arena *scratch);

/* "psi > 0.2", "wasserstein", "jensen_shannon >= 0.1", "none": the detector and the limit. Errors with places from at. */
gm_rc gm_drift_rule_read(const char *text, gm_pos at, gm_arena *a, gm_drift_rule *out, gm_errs *errs);

#endif
