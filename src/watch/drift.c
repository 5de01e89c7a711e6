/* drift.c - see drift.h: which columns are compared, by which detector, and what the numbers come to.
 *
 * Invariants
 *  (1) columns are compared one after the other, in the reference's order, each from its own memory: the same bits whatever made
 *      the tables;
 *  (2) a column that cannot be judged has a reason in `why`; none is left out silently.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "watch/drift_internal.h"
#include "watch/drift_tests.h"

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to compare the columns");
}

/* ---- the sides ---- */

size_t gm_side_count(const gm_drift_side *s)
{
    return s->prepared ? s->prepared->count : s->table ? s->table->columns_count : s->profile ? gm_profile_count(s->profile) : 0;
}

const char *gm_side_name(const gm_drift_side *s, size_t k)
{
    gm_profile_stats stats;
    if (s->prepared) return s->prepared->names[k];
    if (s->table) return s->table->columns[k].name;
    gm_profile_stats_at(s->profile, k, &stats);
    return stats.name;
}

static int64_t rows_of(const gm_drift_side *s)
{
    return s->prepared ? s->prepared->rows : s->table ? s->table->rows : s->profile ? gm_profile_rows(s->profile) : 0;
}

bool gm_side_has(const gm_drift_side *s, const char *name)
{
    for (size_t k = 0; s->prepared && k < s->prepared->count; k++)
        if (strcmp(s->prepared->names[k], name) == 0) return true;
    return (s->table && gm_table_find(s->table, name)) || (s->profile && gm_profile_find(s->profile, name) != SIZE_MAX);
}

gm_rc gm_side_sample(const gm_drift_side *s, const char *name, gm_arena *a, gm_sample *out, gm_err *err)
{
    for (size_t k = 0; s->prepared && k < s->prepared->count; k++) {
        if (strcmp(s->prepared->names[k], name) != 0) continue;
        *out = s->prepared->samples[k];
        return GM_OK;
    }
    const gm_column *c = s->table ? gm_table_find(s->table, name) : NULL;
    gm_rc rc = c ? gm_sample_of_column(c, a, out, err)
                 : gm_sample_of_profile(s->profile, gm_profile_find(s->profile, name), a, out, err);
    if (rc) return gm_err_ctx(err, rc, "comparing column \"%.100s\"", name);
    return GM_OK;
}

gm_rc gm_drift_prepare(const gm_drift_side *side, gm_arena *a, gm_drift_prepared **out, gm_err *err)
{
    gm_drift_prepared *p = GM_ARENA_NEW(a, gm_drift_prepared);
    if (!p) return no_memory(err);
    p->count = gm_side_count(side);
    p->rows = rows_of(side);
    p->names = GM_ARENA_ARRAY(a, const char *, p->count);
    p->samples = GM_ARENA_ARRAY(a, gm_sample, p->count);
    if (!p->names || !p->samples) return no_memory(err);
    for (size_t k = 0; k < p->count; k++) {
        p->names[k] = gm_arena_strdup(a, gm_side_name(side, k));
        if (!p->names[k]) return no_memory(err);
        gm_rc rc = gm_side_sample(side, p->names[k], a, &p->samples[k], err);
        if (!rc) rc = gm_sample_sum_up(&p->samples[k], a, err);
        if (rc) return rc;
        for (int64_t i = 0; i < p->samples[k].categories; i++) {        /* the table's dictionary may go */
            gm_category *c = (gm_category *)&p->samples[k].category[i]; /* made by us in a */
            c->text = gm_arena_strndup(a, c->text, c->len);
            if (!c->text) return no_memory(err);
        }
    }
    *out = p;
    return GM_OK;
}

/* ---- which detector ---- */

/* The rule for a column: its own, else the first general one that has a detector for its type, else the first general one. */
static const gm_drift_rule *rule_of(const gm_drift_options *o, const char *name, bool texts)
{
    const gm_drift_rule *general = NULL;
    for (size_t i = 0; i < o->rules_count; i++)
        if (o->rules[i].column && strcmp(o->rules[i].column, name) == 0) return &o->rules[i];
    for (size_t i = 0; i < o->rules_count; i++) {
        const gm_drift_rule *r = &o->rules[i];
        if (r->column) continue;
        if (texts ? r->texts != NULL : r->numbers != NULL) return r;
        general = general ? general : r;
    }
    return general;
}

static const gm_detector *other_of(const gm_drift_rule *r)
{
    return r->numbers ? r->numbers : r->texts;
}

/* ---- one column ---- */

static bool is_texts(gm_type t)
{
    return t == GM_TYPE_STRING || t == GM_TYPE_BOOL;
}

/* A key: whole numbers of which none comes twice, and that are a counter or many (a measured amount may well be different in each
 * row of a small table). Free text: more than half of the texts are different. */
gm_drift_kind gm_drift_kind_of(const gm_sample *s)
{
    double present = (double)gm_sample_present(s);
    if (s->type == GM_TYPE_TIME) return GM_DRIFT_TIME;
    if (s->type == GM_TYPE_STRING)
        return s->distinct > 1 && 2 * (double)s->distinct > present ? GM_DRIFT_FREE_TEXT : GM_DRIFT_VALUES;
    if (s->type != GM_TYPE_INT || s->count < 2 || (double)s->distinct < (s->error > 0 ? 0.95 : 1.0) * present)
        return GM_DRIFT_VALUES;
    bool dense = s->high - s->low + 1 <= 2 * present;
    return s->increasing || dense || (present >= 1000 && s->missing == 0) ? GM_DRIFT_KEY : GM_DRIFT_VALUES;
}

static const char *why_not_by_default(const gm_sample *s, gm_arena *a)
{
    int64_t present = gm_sample_present(s);
    switch (gm_drift_kind_of(s)) {
    case GM_DRIFT_TIME: return "a time always moves on; a rule of its own judges it";
    case GM_DRIFT_KEY:
        return gm_arena_printf(
            a, "%" PRId64 " different whole numbers in %" PRId64 " rows: a key or counter; a rule of its own judges it",
            s->distinct, present);
    case GM_DRIFT_FREE_TEXT:
        return gm_arena_printf(a,
                               "%" PRId64 " different texts in %" PRId64 " rows: a key or free text; a rule of its own judges it",
                               s->distinct, present);
    case GM_DRIFT_VALUES: break;
    }
    return "";
}

/* The test that stands beside the verdict: KS for numbers, contingency chi-square over the bins for texts. */
static gm_rc p_beside(gm_pair *pair, double *out, gm_err *err)
{
    const gm_bins *b = NULL;
    double df = 0;
    if (!pair->texts) {
        *out = gm_ks_p(gm_ks_distance(pair->reference, pair->current), pair->reference->total, pair->current->total);
        return GM_OK;
    }
    gm_rc rc = gm_pair_bins(pair, &b, err);
    if (rc) return rc;
    double x2 = gm_chi_square_2(b->reference, b->current, b->count, &df);
    *out = df > 0 ? gm_chi_square_p(x2, df) : 1;
    return GM_OK;
}

typedef struct job {
    const gm_drift_options *o;
    const gm_drift_side *reference, *current;
    gm_arena *a, *scratch;
} job;

static gm_rc judge(const job *j, gm_pair *pair, const gm_drift_rule *rule, gm_drift_column *c, gm_err *err)
{
    gm_detector_value v = { 0 };
    const gm_detector *d = pair->texts ? rule->texts : rule->numbers;
    gm_compat compat = j->o->compat;
    c->detector = d;
    gm_rc rc = gm_detector_value_of(d, pair, compat, &v, err);
    if (rc == GM_EINVALID && !(d->compat >> (unsigned)compat & 1u)) return gm_err_place(err, rc, rule->pos);
    if (rc == GM_EINVALID) { /* undefined for these values: an answer, not an accident */
        c->why = gm_arena_strdup(j->a, err->message);
        return c->why ? GM_OK : no_memory(err);
    }
    if (rc) return rc;
    c->value = v.value;
    c->plain = v.plain;
    c->bound = v.bound;
    c->p_value = v.p_value;
    c->by_p = v.by_p;
    c->limit = rule->limit;
    if (isnan(c->limit)) rc = gm_compat_limit(j->o, d, j->reference, c->name, pair, j->scratch, &c->limit, err);
    if (!rc && isnan(c->p_value)) rc = p_beside(pair, &c->p_value, err);
    if (!rc && isnan(c->value)) c->why = "the statistic is not defined for these values";
    return rc;
}

static gm_rc detect(const job *j, gm_pair *pair, gm_drift_column *c, gm_err *err)
{
    const gm_drift_options *o = j->o;
    gm_drift_rule chosen;
    const gm_drift_rule *rule = o->rules_count ? rule_of(o, c->name, pair->texts) : NULL;
    bool own = rule && rule->column;
    int64_t rows_min = o->rows_min < 0 ? 1 : o->rows_min ? o->rows_min : o->compat ? 1 : GM_DRIFT_ROWS_MIN;
    if (!rule) {
        gm_rc rc = gm_compat_choose(o->compat, pair, &chosen, &c->why, err);
        if (rc) return rc;
        rule = &chosen;
    }
    if (!rule->numbers && !rule->texts) {
        if (!c->why[0]) c->why = "not looked at";
        return GM_OK;
    }
    if (pair->texts ? !rule->texts : !rule->numbers) {
        if (own) {
            gm_rc rc = gm_err_at(err, rule->pos, GM_EINVALID, "detector \"%s\" judges %s, column \"%.100s\" holds %s",
                                 other_of(rule)->item.name, pair->texts ? "numbers" : "texts", c->name,
                                 pair->texts ? "texts" : "numbers");
            gm_err_hint(err, "psi, jensen_shannon, hellinger, l_infinity and chi_square judge both.");
            return rc;
        }
        c->why = gm_arena_printf(j->a, "%s judges %s", other_of(rule)->item.name, pair->texts ? "numbers" : "texts");
        return c->why ? GM_OK : no_memory(err);
    }
    if (!own && !o->compat) c->why = why_not_by_default(pair->reference, j->a);
    if (!c->why) return no_memory(err);
    if (c->why[0]) return GM_OK;
    c->detector = pair->texts ? rule->texts : rule->numbers;
    for (int side = 0; side < 2; side++) {
        const gm_sample *s = side ? pair->current : pair->reference;
        const char *of = side ? "current" : "reference";
        if (s->total >= (double)rows_min && (s->count || s->categories || s->rest > 0)) continue;
        c->why = s->total > 0
                     ? gm_arena_printf(j->a, "%.0f values in the %s side, %" PRId64 " are needed", s->total, of, rows_min)
                     : gm_arena_printf(j->a, "no value in the %s side", of);
        return c->why ? GM_OK : no_memory(err);
    }
    return judge(j, pair, rule, c, err);
}

/* Two columns as one pair: texts beside texts, numbers beside numbers; a bool beside a number is a number. */
static bool comparable(gm_sample *r, gm_sample *c, gm_pair *pair)
{
    if ((r->type == GM_TYPE_STRING) != (c->type == GM_TYPE_STRING)) return false;
    if ((r->type == GM_TYPE_TIME) != (c->type == GM_TYPE_TIME)) return false;
    pair->texts = is_texts(r->type) && is_texts(c->type);
    return true;
}

static gm_rc compare_column(const job *j, gm_drift_column *c, gm_err *err)
{
    gm_sample r, s;
    gm_rc rc = gm_side_sample(j->reference, c->name, j->scratch, &r, err);
    if (!rc) rc = gm_side_sample(j->current, c->name, j->scratch, &s, err);
    if (rc) return rc;
    gm_pair pair = { .reference = &r, .current = &s, .arena = j->scratch };
    c->type = r.type;
    c->rows_reference = gm_sample_present(&r);
    c->rows_current = gm_sample_present(&s);
    c->missing_reference = r.rows ? (double)r.missing / (double)r.rows : (double)NAN;
    c->missing_current = s.rows ? (double)s.missing / (double)s.rows : (double)NAN;
    if (!comparable(&r, &s, &pair)) {
        bool empty = c->rows_reference == 0 || c->rows_current == 0;
        c->why = empty ? gm_arena_printf(j->a, "no value in the %s side", c->rows_reference ? "current" : "reference")
                       : gm_arena_printf(j->a, "%s in the reference, %s in the current side", gm_type_name(r.type),
                                         gm_type_name(s.type));
        c->drifted = !empty;
        if (!c->why) return no_memory(err);
        return j->o->no_rates ? GM_OK : gm_drift_rates(j->o, &pair, c, j->a, err);
    }
    if (pair.texts && r.type == GM_TYPE_BOOL) rc = gm_sample_as_texts(&r, j->scratch, &r, err);
    if (!rc && pair.texts && s.type == GM_TYPE_BOOL) rc = gm_sample_as_texts(&s, j->scratch, &s, err);
    if (rc) return rc;
    if (!pair.texts && r.type != GM_TYPE_TIME) {
        c->mean_reference = r.mean / r.scale;
        c->mean_current = s.mean / s.scale;
    }
    rc = detect(j, &pair, c, err);
    if (!rc && !j->o->no_rates) rc = gm_drift_rates(j->o, &pair, c, j->a, err);
    return rc;
}

/* ---- all columns ---- */

static const char *near_name(const gm_drift_side *r, const char *name, gm_arena *a)
{
    size_t count = gm_side_count(r);
    const char **names = GM_ARENA_ARRAY(a, const char *, count);
    for (size_t k = 0; names && k < count; k++) names[k] = gm_side_name(r, k);
    return names ? gm_nearest(name, names, count) : NULL;
}

/* err says what is wrong; a near name is a help. */
static gm_rc unknown_column(const gm_drift_side *r, const gm_drift_side *c, const char *name, gm_arena *a, gm_err *err)
{
    const char *near = near_name(r, name, a);
    if (!near) near = near_name(c, name, a);
    if (near) gm_err_hint(err, "Did you mean \"%s\"?", near);
    return GM_EINVALID;
}

static gm_rc check_options(const gm_drift_side *r, const gm_drift_side *c, const gm_drift_options *o, gm_arena *a, gm_err *err)
{
    for (size_t i = 0; i < o->rules_count; i++) {
        const char *name = o->rules[i].column;
        if (!name || gm_side_has(r, name) || gm_side_has(c, name)) continue;
        (void)gm_err_at(err, o->rules[i].pos, GM_EINVALID,
                        "the rule for column \"%.100s\" is for neither side: there is no such column", name);
        return unknown_column(r, c, name, a, err);
    }
    for (size_t i = 0; i < o->columns_count; i++) {
        const char *name = o->columns[i];
        if (gm_side_has(r, name) || gm_side_has(c, name)) continue;
        (void)gm_err_set(err, GM_EINVALID, "neither side has a column \"%.100s\"", name);
        return unknown_column(r, c, name, a, err);
    }
    return GM_OK;
}

static bool wanted(const gm_drift_options *o, const char *name)
{
    for (size_t i = 0; i < o->columns_count; i++)
        if (strcmp(o->columns[i], name) == 0) return true;
    return o->columns == NULL;
}

static gm_rc list_columns(const job *j, gm_drift_result *out, gm_err *err)
{
    size_t nr = gm_side_count(j->reference), nc = gm_side_count(j->current);
    out->columns = GM_ARENA_ARRAY(j->a, gm_drift_column, nr);
    out->missing_columns = GM_ARENA_ARRAY(j->a, const char *, nr + nc);
    if (!out->columns || !out->missing_columns) return no_memory(err);
    for (size_t k = 0; k < nr + nc; k++) {
        const char *name = k < nr ? gm_side_name(j->reference, k) : gm_side_name(j->current, k - nr);
        if (!wanted(j->o, name)) continue;
        if (k < nr && gm_side_has(j->current, name)) {
            const char *copy = gm_arena_strdup(j->a, name);
            if (!copy) return no_memory(err);
            double none = NAN;
            out->columns[out->count++] = (gm_drift_column){ .name = copy,
                                                            .value = none,
                                                            .plain = none,
                                                            .limit = none,
                                                            .p_value = none,
                                                            .p_adjusted = none,
                                                            .new_share = none,
                                                            .range_share = none,
                                                            .mean_reference = none,
                                                            .mean_current = none,
                                                            .why = "" };
        } else if (k < nr || !gm_side_has(j->reference, name)) {
            const char *text = gm_arena_printf(j->a, "%c%s", k < nr ? '-' : '+', name);
            if (!text) return no_memory(err);
            out->missing_columns[out->missing_columns_count++] = text;
        }
    }
    if (out->count) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "the two sides have no column in common");
    if (nr && nc)
        gm_err_hint(err, "The reference begins with column \"%.60s\", the current side with \"%.60s\".",
                    gm_side_name(j->reference, 0), gm_side_name(j->current, 0));
    return rc;
}

/* Verdicts, once all p-values are there. */
static gm_rc conclude(const job *j, gm_drift_result *out, gm_err *err)
{
    const gm_drift_options *o = j->o;
    double *p = GM_ARENA_ARRAY(j->a, double, out->count), p_limit = o->p_limit > 0 ? o->p_limit
                                                                    : o->compat    ? GM_DRIFT_P_LIMIT_COMPAT
                                                                                   : GM_DRIFT_P_LIMIT;
    if (!p) return no_memory(err);
    for (size_t k = 0; k < out->count; k++) p[k] = isnan(out->columns[k].value) ? (double)NAN : out->columns[k].p_value;
    gm_benjamini_hochberg(p, out->count, j->a);
    for (size_t k = 0; k < out->count; k++) {
        gm_drift_column *c = &out->columns[k];
        const gm_drift_rule *rule = o->rules_count && c->detector ? rule_of(o, c->name, is_texts(c->type)) : NULL;
        c->p_adjusted = p[k];
        if (!isnan(c->value)) {
            bool above = gm_compat_drifted(o->compat, c, rule && rule->inclusive, p_limit);
            c->by_chance = above && !o->compat && c->p_adjusted > p_limit;
            c->drifted = above && !c->by_chance;
        }
        bool any = gm_drift_moved(c);
        out->judged += any || !isnan(c->value);
        out->drifted += any;
    }
    out->drifted_share = out->judged ? (double)out->drifted / (double)out->judged : (double)NAN;
    out->dataset_drifted = o->compat == GM_COMPAT_EVIDENTLY ? out->judged && out->drifted_share >= 0.5 : out->drifted > 0;
    return GM_OK;
}

gm_rc gm_drift_compare(const gm_drift_side *reference, const gm_drift_side *current, const gm_drift_options *o, gm_arena *a,
                       gm_drift_result *out, gm_err *err)
{
    static const gm_drift_options defaults;
    gm_err own;
    if (!err) err = &own; /* why is taken from it */
    job j = { .o = o ? o : &defaults, .reference = reference, .current = current, .a = a, .scratch = gm_arena_new(0) };
    gm_drift_result r = { .compat = j.o->compat, .rows_reference = rows_of(reference), .rows_current = rows_of(current) };
    gm_rc rc = j.scratch ? check_options(reference, current, j.o, a, err) : no_memory(err);
    if (!rc) rc = list_columns(&j, &r, err);
    for (size_t k = 0; !rc && k < r.count; k++) {
        rc = compare_column(&j, &r.columns[k], err);
        gm_arena_rewind(j.scratch);
    }
    if (!rc) rc = conclude(&j, &r, err);
    gm_arena_free(j.scratch);
    if (!rc) *out = r;
    return rc;
}
