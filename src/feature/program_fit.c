/* program_fit.c - fitting a feature program on training rows, and these rows' own matrix.
 *
 * A chain is fitted step by step over all training rows: each step learns from what the one before gives for them, out of fold where a
 * step looks at the target.
 */
#include <inttypes.h>
#include <string.h>

#include "base/random.h"
#include "feature/program_internal.h"

static gm_rc out_of_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to fit the features"); }

static bool looks_at_target(const gm_feature *f)
{
    for (size_t k = 0; k < f->steps_count; k++)
        if (f->steps[k].transform->apply_train) return true;
    return false;
}

static gm_rc make_truth(const double *target, const gm_fit_options *o, int64_t rows, gm_arena *scratch, gm_truth *out, gm_err *err)
{
    uint8_t *fold = GM_ARENA_ARRAY(scratch, uint8_t, rows);
    if (!fold) return out_of_memory(err);
    for (int64_t r = 0; r < rows; r++)
        fold[r] = (uint8_t)(gm_hash_u64(o->seed, o->row_keys ? o->row_keys[r] : (uint64_t)r) % GM_FOLDS);
    if (target && o->task == GM_TASK_MULTICLASS && o->classes < 2)
        return gm_err_set(err, GM_EINVALID, "a multiclass target needs at least 2 classes, not %" PRId64, o->classes);
    for (int64_t r = 0; target && r < rows; r++)
        if (!isfinite(target[r])) return gm_err_set(err, GM_EINVALID, "the target of training row %" PRId64 " is no number", r);
    *out = (gm_truth){ .target = target, .task = o->task, .classes = o->classes, .fold = fold };
    return GM_OK;
}

/* The training rows through the whole chain, one step after the other. Fits each step first where `fit`; the values go to out [width][rows],
 * or nowhere when it is NULL. */
static gm_rc train_chain(gm_feature *f, const gm_column *c, const gm_truth *y, bool fit, gm_arena *a, gm_arena *scratch, double *out,
                         gm_err *err)
{
    int64_t rows = c->rows;
    double *buffer = GM_ARENA_ARRAY(scratch, double, c->type == GM_TYPE_FLOAT ? 0 : rows);
    if (!buffer) return out_of_memory(err);
    gm_values in = gm_first_values(c, 0, rows, buffer);
    for (size_t k = 0; k < f->steps_count; k++) {
        gm_step *s = &f->steps[k];
        const gm_transform *t = s->transform;
        gm_rc rc = GM_OK;
        if (fit) {
            s->width_in = in.width;
            if (t->fit) rc = t->fit(s->conf, &in, y, a, scratch, &s->state, err);
            if (rc) return gm_err_ctx(err, rc, "fitting transform \"%s\" of feature \"%.80s\"", t->item.name, f->name);
            s->width = t->width ? t->width(s->conf, s->state, in.width) : in.width;
        }
        bool last = k + 1 == f->steps_count;
        if (last && !out) return GM_OK;
        double *to = last ? out : GM_ARENA_ARRAY(scratch, double, rows * s->width);
        if (!to) return out_of_memory(err);
        if (k == 0 && t->prepare) rc = t->prepare(s->state, c, scratch, &in.memo, err);
        if (rc) return rc;
        if (t->apply_train) rc = t->apply_train(s->conf, s->state, &in, y, scratch, to, rows, err);
        else t->apply(s->conf, s->state, &in, to, rows);
        if (rc) return rc;
        in = (gm_values){ .numbers = to, .stride = rows, .rows = rows, .width = s->width };
    }
    return GM_OK;
}

static int64_t count_distinct(const gm_column *c, gm_arena *scratch)
{
    if (c->type != GM_TYPE_STRING) return 0;
    bool *seen = GM_ARENA_ARRAY(scratch, bool, c->dict->count);
    int64_t distinct = 0;
    for (int64_t r = 0; seen && r < c->rows; r++) {
        if (c->code[r] < 0 || seen[c->code[r]]) continue;
        seen[c->code[r]] = true;
        distinct++;
    }
    return distinct;
}

static gm_kind kind_of(gm_type t)
{
    static const gm_kind kinds[] = { [GM_TYPE_BOOL] = GM_KIND_BOOL, [GM_TYPE_INT] = GM_KIND_NUMBER, [GM_TYPE_FLOAT] = GM_KIND_NUMBER,
                                     [GM_TYPE_STRING] = GM_KIND_CATEGORY, [GM_TYPE_TIME] = GM_KIND_TIME };
    return kinds[t];
}

/* The named transforms, or those of the feature's kind. */
static gm_rc choose_steps(const gm_feature_spec *spec, const gm_column *c, gm_feature *f, gm_arena *a, gm_arena *scratch, gm_err *err)
{
    const char *const *names = spec->transforms, *why = "";
    f->steps_count = spec->transforms_count;
    if (!names) {
        gm_kind kind = spec->kind == GM_KIND_UNKNOWN ? kind_of(c->type) : spec->kind;
        f->steps_count = gm_feature_defaults(kind, count_distinct(c, scratch), spec->for_linear, &names, &why);
    }
    if (!f->steps_count) {
        gm_rc rc = gm_err_set(err, GM_EINVALID, "feature \"%.80s\" has no transform%s%s", spec->name, why[0] ? ": " : "", why);
        gm_err_hint(err, "Leave it out of the features, or name a transform for it.");
        return rc;
    }
    f->steps = GM_ARENA_ARRAY(a, gm_step, f->steps_count);
    if (!f->steps) return out_of_memory(err);
    for (size_t k = 0; k < f->steps_count; k++) {
        gm_rc rc = gm_step_init(&f->steps[k], names[k], spec->transforms && spec->params ? spec->params[k] : NULL, k == 0, c->type, a, err);
        if (rc) return gm_err_ctx(err, rc, "reading feature \"%.80s\"", spec->name);
    }
    return GM_OK;
}

/* The source of a spec: an expression enters as its text, see (1). */
static gm_rc find_source(gm_program *p, const gm_feature_spec *spec, const gm_table *t, gm_arena *a, size_t *out, gm_err *err)
{
    const gm_column *c = NULL;
    if (!spec->expr) {
        gm_rc rc = gm_table_column(t, spec->name, &c, err);
        return rc ? rc : gm_program_add_column(p, c->name, c->type, a, out, err);
    }
    const char **names = NULL;
    size_t count = 0;
    gm_rc rc = gm_expr_columns(spec->expr, a, &names, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        size_t input;
        rc = gm_table_column(t, names[i], &c, err);
        if (!rc) rc = gm_program_add_input(p, c->name, c->type, a, &input, err);
    }
    if (rc) return rc;
    gm_buf text = { 0 };
    gm_expr_print(spec->expr, &text);
    rc = text.failed ? out_of_memory(err) : gm_program_add_expr(p, gm_buf_str(&text), spec->pos, a, out, err);
    gm_buf_clear(&text);
    return rc;
}

static gm_rc begin_features(gm_program *p, const gm_feature_spec *specs, size_t count, const gm_table *t, gm_arena *a, gm_err *err)
{
    p->features_count = count;
    p->features = GM_ARENA_ARRAY(a, gm_feature, count);
    if (!p->features) return out_of_memory(err);
    for (size_t i = 0; i < count; i++) {
        gm_feature *f = &p->features[i];
        gm_rc rc = GM_OK;
        for (size_t k = 0; !rc && k < i; k++)
            if (strcmp(p->features[k].name, specs[i].name) == 0)
                rc = gm_err_set(err, GM_EINVALID, "feature \"%.80s\" is named twice", specs[i].name);
        f->name = gm_arena_strdup(a, specs[i].name);
        if (!f->name) return out_of_memory(err);
        if (!rc) rc = find_source(p, &specs[i], t, a, &f->source, err);
        if (rc) return gm_err_place(err, rc, specs[i].pos);
    }
    return GM_OK;
}

static gm_rc fit_feature(const gm_feature_spec *spec, gm_feature *f, const gm_column *c, const gm_truth *y, gm_arena *a, gm_err *err)
{
    gm_arena *scratch = gm_arena_new(0);
    if (!scratch) return out_of_memory(err);
    gm_rc rc = gm_column_all_missing(c) ? gm_err_set(err, GM_EINVALID, "feature \"%.80s\" is missing in all %" PRId64 " training rows", spec->name, c->rows)
                              : GM_OK;
    if (rc) gm_err_hint(err, "Leave it out of the features.");
    if (!rc) rc = choose_steps(spec, c, f, a, scratch, err);
    if (!rc) rc = train_chain(f, c, y, true, a, scratch, NULL, err);
    gm_arena_free(scratch);
    return gm_err_place(err, rc, spec->pos);
}

gm_rc gm_program_fit(const gm_feature_spec *specs, size_t count, const gm_table *t, const double *target, const gm_fit_options *o,
                     gm_arena *a, gm_program **out, gm_err *err)
{
    if (!count) return gm_err_set(err, GM_EINVALID, "there are no features");
    if (!t->rows) return gm_err_set(err, GM_EINVALID, "there are no training rows");
    gm_program *p = GM_ARENA_NEW(a, gm_program);
    gm_arena *scratch = gm_arena_new(0);
    if (!p || !scratch) {
        gm_arena_free(scratch);
        return out_of_memory(err);
    }
    gm_truth y = { 0 };
    const gm_column *const *sources = NULL;
    gm_rc rc = begin_features(p, specs, count, t, a, err);
    if (!rc) rc = make_truth(target, o, t->rows, scratch, &y, err);
    if (!rc) rc = gm_program_sources(p, t, false, scratch, &sources, err);
    for (size_t i = 0; !rc && i < count; i++) rc = fit_feature(&specs[i], &p->features[i], sources[p->features[i].source], &y, a, err);
    if (!rc) rc = gm_program_finish(p, a, err);
    gm_arena_free(scratch);
    if (!rc) *out = p;
    return rc;
}

/* Features that look at the target go through train_chain, which fits nothing here; the others through apply's blocks. */
static gm_rc train_matrix(const gm_program *p, const gm_table *t, const double *target, const gm_fit_options *o, gm_arena *scratch,
                          gm_matrix *m, gm_err *err)
{
    gm_truth y = { 0 };
    const gm_column *const *sources = NULL;
    double *buffers = gm_block_buffers(p, t->rows, scratch);
    if (!buffers) return out_of_memory(err);
    gm_rc rc = make_truth(target, o, t->rows, scratch, &y, err);
    if (!rc) rc = gm_program_sources(p, t, false, scratch, &sources, err);
    for (size_t f = 0; !rc && f < p->features_count; f++) {
        gm_feature feature = p->features[f];
        double *to = m->data + feature.offset * t->rows;
        gm_arena *of_feature = gm_arena_new(0);
        if (!of_feature) return out_of_memory(err);
        if (looks_at_target(&feature)) rc = train_chain(&feature, sources[feature.source], &y, false, NULL, of_feature, to, err);
        else rc = gm_feature_apply(p, &feature, sources[feature.source], t->rows, buffers, to, of_feature, err);
        gm_arena_free(of_feature);
    }
    return rc;
}

gm_rc gm_program_fit_matrix(const gm_program *p, const gm_table *t, const double *target, const gm_fit_options *o, gm_arena *a,
                            gm_matrix *out, gm_err *err)
{
    gm_matrix m;
    gm_rc rc = gm_program_new_matrix(p, t->rows, a, &m, err);
    if (rc) return rc;
    gm_arena *scratch = gm_arena_new(0);
    if (!scratch) return out_of_memory(err);
    rc = train_matrix(p, t, target, o, scratch, &m, err);
    gm_arena_free(scratch);
    if (!rc) *out = m;
    return rc;
}
