/* search.c - random search: trials one after the other on data prepared once, the best model kept. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "train/trainer.h"

typedef struct search {
    const gm_trainer *t;
    gm_train_data data;      /* with what prepare() made         */
    gm_train_options options; /* out_dir: the trial's own folder */
    gm_score_fn score;
    void *score_ctx;
    gm_arena *a;             /* the caller's                     */
    gm_arena *scratch;       /* of one trial                     */
} search;

static gm_rc params_json(const search *s, const void *conf, const char **out, gm_err *err)
{
    gm_buf text = { 0 };
    gm_json j;
    gm_json_init(&j, &text, false);
    gm_json_object(&j);
    if (s->t->item.params) gm_params_json(s->t->item.params, conf, &j);
    gm_json_object_end(&j);
    *out = text.failed ? NULL : gm_arena_strdup(s->a, gm_buf_str(&text));
    gm_buf_clear(&text);
    return *out ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for a trial's parameters");
}

/* Read the trial's file back and score it on the validation rows: what is scored is what will be served. */
static gm_rc score_trial(search *s, const gm_train_result *r, gm_trial *trial, gm_err *err)
{
    gm_model *m = NULL;
    const gm_matrix *x = s->data.valid_x;
    const char *path = gm_path_join(s->scratch, s->options.out_dir, r->file);
    if (!path) return gm_err_set(err, GM_ENOMEM, "not enough memory for a path");
    gm_rc rc = gm_model_load(r->format, path, s->scratch, &m, err);
    if (rc) return rc;
    double *predicted = GM_ARENA_ARRAY(s->scratch, double, x->rows * gm_model_outputs(m));
    if (!predicted) return gm_err_set(err, GM_ENOMEM, "not enough memory for predictions of a trial");
    rc = gm_model_predict(m, x, predicted, err);
    if (!rc) rc = s->score(s->score_ctx, s->data.valid_y, predicted, x->rows, &trial->metric, &trial->score, err);
    return rc;
}

static gm_rc run_trial(search *s, const void *conf, gm_trial *trial, gm_train_result *out, gm_err *err)
{
    gm_rc rc = gm_train(s->t, conf, &s->data, &s->options, s->a, out, err);
    if (rc) return rc;
    trial->rounds = out->rounds;
    trial->score = trial->metric = NAN;
    return s->data.valid_x ? score_trial(s, out, trial, err) : GM_OK;
}

/* Draw trial `number`'s parameters into conf. */
static void draw(const search *s, const void *base_conf, int64_t number, void *conf)
{
    gm_random r;
    memcpy(conf, base_conf, s->t->item.conf_size);
    gm_random_init(&r, gm_hash_u64(s->options.seed, (uint64_t)number));
    if (s->t->sample) s->t->sample(conf, number, &r);
}

static gm_rc keep(const search *s, const char *out_dir, const char *file, gm_err *err)
{
    const char *from = gm_path_join(s->scratch, s->options.out_dir, file), *to = gm_path_join(s->scratch, out_dir, file);
    if (!from || !to) return gm_err_set(err, GM_ENOMEM, "not enough memory for a path");
    return rename(from, to) ? gm_err_errno(err, errno, "rename", from) : GM_OK;
}

/* A failure that the next trial would meet again ends the search. */
static bool ends_search(gm_rc rc, int64_t number)
{
    return number == 0 || rc == GM_ENOMEM || rc == GM_EIO || rc == GM_EUNAVAILABLE || rc == GM_ECANCELED;
}

static gm_rc run_all(search *s, const void *base_conf, int64_t trials, const char *out_dir, gm_train_result *out_best, void *out_conf,
                     gm_trial *out_trials, gm_err *err)
{
    double best = NAN;
    void *conf = gm_arena_alloc(s->a, 1, s->t->item.conf_size);
    if (!conf) return gm_err_set(err, GM_ENOMEM, "not enough memory for a trial");
    for (int64_t i = 0; i < trials; i++) {
        gm_train_result result = { 0 };
        gm_trial *trial = &out_trials[i];
        int64_t start_us = gm_monotonic_us();
        *trial = (gm_trial){ .number = i, .score = NAN, .metric = NAN, .error = "" };
        draw(s, base_conf, i, conf);
        gm_rc rc = params_json(s, conf, &trial->params_json, err);
        if (!rc) rc = run_trial(s, conf, trial, &result, err);
        trial->seconds = (double)(gm_monotonic_us() - start_us) * 1e-6;
        if (rc && ends_search(rc, i)) return gm_err_ctx(err, rc, "running trial %lld of %lld", (long long)i + 1, (long long)trials);
        if (rc) {
            trial->error = err ? gm_arena_strdup(s->a, err->message) : gm_rc_name(rc);
            if (!trial->error) return gm_err_set(err, GM_ENOMEM, "not enough memory for a trial");
        } else if (i == 0 || trial->score > best || (isnan(best) && !isnan(trial->score))) {
            rc = keep(s, out_dir, result.file, err);
            if (rc) return rc;
            best = trial->score;
            *out_best = result;
            memcpy(out_conf, conf, s->t->item.conf_size);
        }
        gm_arena_reset(s->scratch);
    }
    return GM_OK;
}

gm_rc gm_search(const gm_trainer *t, const void *base_conf, int64_t trials, const gm_train_data *d, const gm_train_options *o,
                gm_score_fn score, void *score_ctx, gm_arena *a, gm_train_result *out_best, void *out_conf, gm_trial *out_trials,
                gm_err *err)
{
    if (trials < 1) return gm_err_set(err, GM_EINVALID, "a search needs at least one trial, not %lld", (long long)trials);
    if (trials > 1 && !d->valid_x) {
        gm_rc rc = gm_err_set(err, GM_EINVALID, "a search of %lld trials has no validation rows to compare them on", (long long)trials);
        gm_err_hint(err, "Give the split a validation share, or search 1 trial.");
        return rc;
    }
    search s = { .t = t, .data = *d, .options = *o, .score = score, .score_ctx = score_ctx, .a = a, .scratch = gm_arena_new(0) };
    void *own = NULL;
    char *dir = gm_arena_printf(a, "%s/.trial", o->out_dir);
    gm_rc rc = s.scratch && dir ? gm_fs_mkdirs(dir, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for a search");
    s.options.out_dir = dir;
    if (!rc && !d->prepared && trials > 1 && t->prepare) {
        rc = gm_train_check(t, d, err);
        if (!rc) rc = t->prepare(base_conf, d, o, &own, err);
        s.data.prepared = own;
    }
    if (!rc) rc = run_all(&s, base_conf, trials, o->out_dir, out_best, out_conf, out_trials, err);
    if (own) t->release(own);
    gm_arena_free(s.scratch);
    if (dir) {
        gm_rc removed = gm_fs_remove_tree(dir, rc ? NULL : err);
        if (!rc) rc = removed;
    }
    return rc;
}
