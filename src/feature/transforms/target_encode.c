/* target_encode.c - the mean of the target over a category, drawn towards the mean over all rows.
 *
 *   enc_i = l mean_i + (1 - l) mean
 *   smooth auto   l = v n_i / (v n_i + s_i / n_i);  v = variance of the target (ddof 0), s_i = sum (y - mean_i)^2 within i
 *   smooth m      l = n_i / (n_i + m)
 *   binary: y is 0 or 1; regression: y is the value; multiclass: one column per class k, y is 1 where the class is k
 *
 * Training    rows of fold f are encoded from the rows of the other folds (5 folds, chosen by a hash of the row's key; not
 *             stratified, since a row's fold must not depend on the other rows). Everything else is encoded from all
 *             training rows
 * Missing     is a category
 * Unknown     (and missing that training did not have, and l undefined): mean
 * Numerics    sums of y - mean and of its square, so that large targets do not cancel
 * Source      Micci-Barreca (2001), SIGKDD Explorations 3(1); scikit-learn 1.9, TargetEncoder
 * Checked     test/conformance/feature/transforms.json, scikit-learn 1.9.1, fit().transform() and fit_transform(), to 1e-12
 */
#include <stdlib.h>
#include <string.h>

#include "feature/vocab.h"

typedef struct conf {
    const char *smooth;
} conf;

static const gm_param params[] = {
    { "smooth", GM_PARAM_STR, offsetof(conf, smooth), "auto", .help = "weight of the overall mean in rows; auto: by the variances" },
    { 0 },
};

typedef struct state {
    gm_vocab vocab;
    int64_t width;
    double *codes; /* [count + 2][width]: categories, missing, unknown */
} state;

/* Sums over some rows, of y minus the mean over all training rows. */
typedef struct sums {
    double rows, sum, squares;
} sums;

static gm_rc out_of_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to encode categories"); }

/* m >= 0, or -1 for auto. */
static gm_rc read_smooth(const conf *c, double *out, gm_err *err)
{
    char *end = NULL;
    *out = -1;
    if (strcmp(c->smooth, "auto") == 0) return GM_OK;
    *out = strtod(c->smooth, &end);
    if (end != c->smooth && !*end && *out >= 0 && isfinite(*out)) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "smooth is \"%.60s\"", c->smooth);
    gm_err_hint(err, "Write auto or a number of rows, such as 10.");
    return rc;
}

/* The block comment's formula, relative to the mean that was taken off. */
static double encode(sums i, sums all, double m)
{
    double mean = all.rows > 0 ? all.sum / all.rows : 0;
    if (i.rows <= 0) return mean;
    double own = i.sum / i.rows, weight;
    if (m >= 0) {
        weight = i.rows / (i.rows + m);
    } else {
        double variance = fmax(0, all.squares / all.rows - mean * mean);
        double within = fmax(0, i.squares - i.sum * own);
        weight = variance * i.rows / (variance * i.rows + within / i.rows);
    }
    return isnan(weight) ? mean : weight * own + (1 - weight) * mean;
}

static double value_of(const gm_truth *y, int64_t row, int64_t k)
{
    return y->task == GM_TASK_MULTICLASS ? (double)(y->target[row] == (double)k) : y->target[row];
}

static int64_t width_of(const gm_truth *y) { return y->task == GM_TASK_MULTICLASS ? y->classes : 1; }

static gm_rc target_means(const gm_truth *y, int64_t rows, gm_arena *scratch, double **out, gm_err *err)
{
    double *mean = GM_ARENA_ARRAY(scratch, double, width_of(y));
    if (!mean) return out_of_memory(err);
    for (int64_t k = 0; k < width_of(y); k++) {
        gm_long_sum s = { 0 };
        for (int64_t r = 0; r < rows; r++) gm_long_sum_add(&s, value_of(y, r, k));
        mean[k] = rows ? (s.sum + s.lost) / (double)rows : 0;
    }
    *out = mean;
    return GM_OK;
}

/* out [folds][count + 1][width], then their total over categories [folds][width] in out_all; folds is 1 or GM_FOLDS. */
static gm_rc collect(const gm_vocab *v, const gm_values *in, const gm_truth *y, const double *mean, int64_t folds,
                     gm_arena *scratch, sums **out, sums **out_all, gm_err *err)
{
    int64_t width = width_of(y), categories = v->count + 1;
    sums *cell = GM_ARENA_ARRAY(scratch, sums, folds * categories * width);
    sums *all = GM_ARENA_ARRAY(scratch, sums, folds * width);
    if (!cell || !all) return out_of_memory(err);
    for (int64_t r = 0; r < in->rows; r++) {
        int64_t fold = folds == 1 ? 0 : y->fold[r];
        sums *at = cell + (fold * categories + gm_vocab_at(v, in, 0, r)) * width;
        for (int64_t k = 0; k < width; k++) {
            double d = value_of(y, r, k) - mean[k];
            at[k].rows++;
            at[k].sum += d;
            at[k].squares += d * d;
        }
    }
    for (int64_t f = 0; f < folds; f++)
        for (int64_t i = 0; i < categories; i++)
            for (int64_t k = 0; k < width; k++) {
                const sums *from = cell + (f * categories + i) * width + k;
                sums *to = all + f * width + k;
                *to = (sums){ to->rows + from->rows, to->sum + from->sum, to->squares + from->squares };
            }
    *out = cell;
    *out_all = all;
    return GM_OK;
}

static gm_rc check_input(const gm_values *in, const gm_truth *y, gm_err *err)
{
    if (in->width != 1) return gm_err_set(err, GM_EINVALID, "target_encode takes one column, not %lld", (long long)in->width);
    if (!y || !y->target) return gm_err_set(err, GM_EINVALID, "target_encode needs a target");
    return GM_OK;
}

static gm_rc fit(const void *opaque, const gm_values *in, const gm_truth *y, gm_arena *a, gm_arena *scratch,
                 void **out_state, gm_err *err)
{
    double m = 0, *mean = NULL;
    int64_t *counts = NULL;
    sums *cell = NULL, *all = NULL;
    state *s = GM_ARENA_NEW(a, state);
    if (!s) return out_of_memory(err);
    gm_rc rc = read_smooth(opaque, &m, err);
    if (!rc) rc = check_input(in, y, err);
    if (!rc) rc = gm_vocab_fit(in, 0, a, scratch, &s->vocab, &counts, err);
    if (!rc) rc = target_means(y, in->rows, scratch, &mean, err);
    if (!rc) rc = collect(&s->vocab, in, y, mean, 1, scratch, &cell, &all, err);
    if (rc) return rc;

    s->width = width_of(y);
    s->codes = GM_ARENA_ARRAY(a, double, (s->vocab.count + 2) * s->width);
    if (!s->codes) return out_of_memory(err);
    for (int64_t i = 0; i <= s->vocab.count + 1; i++) /* the last two, missing not seen and unknown, have no rows */
        for (int64_t k = 0; k < s->width; k++) {
            sums own = i <= s->vocab.count ? cell[i * s->width + k] : (sums){ 0 };
            s->codes[i * s->width + k] = mean[k] + encode(own, all[k], m);
        }
    *out_state = s;
    return GM_OK;
}

static gm_rc apply_train(const void *opaque, const void *state_in, const gm_values *in, const gm_truth *y,
                         gm_arena *scratch, double *out, int64_t out_stride, gm_err *err)
{
    const state *s = state_in;
    double m = 0, *mean = NULL;
    sums *cell = NULL, *all = NULL;
    gm_rc rc = check_input(in, y, err);
    if (!rc) rc = read_smooth(opaque, &m, err);
    if (!rc) rc = target_means(y, in->rows, scratch, &mean, err);
    if (!rc) rc = collect(&s->vocab, in, y, mean, GM_FOLDS, scratch, &cell, &all, err);
    if (rc) return rc;

    /* codes[fold][category][class] from the rows of the other folds */
    int64_t width = s->width, categories = s->vocab.count + 1;
    double *codes = GM_ARENA_ARRAY(scratch, double, GM_FOLDS * categories * width);
    if (!codes) return out_of_memory(err);
    for (int64_t f = 0; f < GM_FOLDS; f++)
        for (int64_t i = 0; i < categories; i++)
            for (int64_t k = 0; k < width; k++) {
                sums own = { 0 }, rest = { 0 };
                for (int64_t other = 0; other < GM_FOLDS; other++) {
                    if (other == f) continue;
                    sums c = cell[(other * categories + i) * width + k], t = all[other * width + k];
                    own = (sums){ own.rows + c.rows, own.sum + c.sum, own.squares + c.squares };
                    rest = (sums){ rest.rows + t.rows, rest.sum + t.sum, rest.squares + t.squares };
                }
                codes[(f * categories + i) * width + k] = mean[k] + encode(own, rest, m);
            }
    for (int64_t r = 0; r < in->rows; r++) {
        const double *code = codes + (y->fold[r] * categories + gm_vocab_at(&s->vocab, in, 0, r)) * width;
        for (int64_t k = 0; k < width; k++) out[k * out_stride + r] = code[k];
    }
    return GM_OK;
}

static int64_t width(const void *conf_in, const void *opaque, int64_t width_in)
{
    (void)conf_in;
    (void)width_in;
    return ((const state *)opaque)->width;
}

static const char *name(const void *conf_in, const void *opaque, const char *const *in_names, int64_t width_in, int64_t i,
                        gm_arena *a)
{
    (void)conf_in;
    (void)width_in;
    if (((const state *)opaque)->width == 1) return in_names[0];
    return gm_arena_printf(a, "%s[%lld]", in_names[0], (long long)i);
}

static gm_rc prepare(const void *opaque, const gm_column *column, gm_arena *scratch, const void **out_memo, gm_err *err)
{
    return gm_vocab_prepare(&((const state *)opaque)->vocab, column, scratch, out_memo, err);
}

static void apply(const void *conf_in, const void *opaque, const gm_values *in, double *out, int64_t out_stride)
{
    (void)conf_in;
    const state *s = opaque;
    for (int64_t r = 0; r < in->rows; r++) {
        int32_t i = gm_vocab_at(&s->vocab, in, 0, r);
        const double *code = s->codes + (i < 0 ? s->vocab.count + 1 : i) * s->width;
        for (int64_t k = 0; k < s->width; k++) out[k * out_stride + r] = code[k];
    }
}

static void write(const void *opaque, gm_json *j)
{
    const state *s = opaque;
    gm_vocab_write(&s->vocab, j);
    gm_json_kint(j, "width", s->width);
    gm_state_write_doubles(j, "codes", s->codes, (s->vocab.count + 2) * s->width);
}

static gm_rc read(const void *conf_in, const gm_node *json, gm_type type, int64_t width_in, gm_arena *a,
                  void **out_state, gm_err *err)
{
    (void)conf_in;
    state *s = GM_ARENA_NEW(a, state);
    if (!s) return out_of_memory(err);
    if (width_in != 1) return gm_err_set(err, GM_EINVALID, "target_encode takes one column");
    gm_rc rc = gm_vocab_read(json, type, a, &s->vocab, err);
    if (rc) return rc;
    s->width = gm_node_int_or(json, "width", 0);
    if (s->width < 1 || s->width > 100000) return gm_err_set(err, GM_EINVALID, "expected a \"width\" of at least 1");
    rc = gm_state_read_doubles(json, "codes", (s->vocab.count + 2) * s->width, a, &s->codes, NULL, err);
    if (!rc) *out_state = s;
    return rc;
}

static const char *emit(const void *conf_in, const void *opaque, const gm_emit_in *in, gm_onnx *g)
{
    (void)conf_in;
    const state *s = opaque;
    const int64_t flat = -1;
    gm_arena *scratch = gm_arena_new(0);
    int64_t *to = scratch ? GM_ARENA_ARRAY(scratch, int64_t, s->vocab.count + 1) : NULL;
    const char *result = NULL;
    if (to) {
        for (int32_t i = 0; i <= s->vocab.count; i++) to[i] = i;
        const char *index = gm_vocab_emit(&s->vocab, g, in->tensor, to, s->vocab.count + 1);
        const char *rows = gm_onnx_op2(g, "Reshape", index, gm_onnx_int64s(g, &flat, (int64_t[]){ 1 }, 1));
        result = gm_onnx_op2(g, "Gather", gm_onnx_doubles(g, s->codes, (int64_t[]){ s->vocab.count + 2, s->width }, 2), rows);
    }
    gm_arena_free(scratch);
    return result;
}

static void emit_c(const void *conf_in, const void *opaque, gm_type type, int64_t width_in, gm_c *c)
{
    (void)conf_in;
    (void)type;
    (void)width_in;
    const state *s = opaque;
    const char *k = gm_vocab_c(&s->vocab, 0, c), *codes = gm_c_doubles(c, s->codes, (s->vocab.count + 2) * s->width);
    gm_c_line(c, "const double *const code = %s + (%s < 0 ? %d : %s) * %lld;", codes, k, s->vocab.count + 1, k, (long long)s->width);
    gm_c_line(c, "for (int32_t i = 0; i < %lld; i++) o[i] = code[i];", (long long)s->width);
    c->stack_bytes += 8;
}

const gm_transform gm_transform_target_encode = {
    .item = { .name = "target_encode", .help = "the smoothed mean of the target over a category, out of fold in training",
              .params = params, .conf_size = sizeof(conf) },
    .accepts = GM_ACCEPTS_NUMBERS | (1u << GM_TYPE_STRING),
    .chains = true,
    .fit = fit,
    .width = width,
    .name = name,
    .prepare = prepare,
    .apply = apply,
    .apply_train = apply_train,
    .write = write,
    .read = read,
    .emit = emit,
    .emit_c = emit_c,
};
