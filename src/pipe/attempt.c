/* attempt.c - one attempt of one step: its folder, its process, its outputs.
 *
 * Invariants
 *  (1) the intent (a row `running`) is written before the process starts;
 *  (2) outputs are whole blobs before the transaction that names them;
 *  (3) a failed step leaves no entry in the action cache.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "pipe/run_internal.h"

extern char **environ;

enum { LOG_TAIL = 1500 };
static const int64_t step_memory_bytes = (int64_t)384 << 20;

static const char *file_of(const gm_artifact *artifact, gm_arena *a)
{
    gm_node *root = NULL;
    if (!artifact->meta_json || !artifact->meta_json[0] ||
        gm_json_read(artifact->meta_json, strlen(artifact->meta_json), "artifact", a, &root, NULL))
        return artifact->name;
    return gm_node_str_or(root, "file", artifact->name);
}

const char *gm_artifact_meta(gm_arena *a, const char *file)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "file", file);
    gm_json_object_end(&j);
    const char *text = gm_arena_strdup(a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return text;
}

/* Where the step finds an input: a link into the store, or the user's own file. */
static gm_rc place_input(gm_runner *r, const char *dir, size_t index, const gm_edge *e, const char **out_path, gm_err *err)
{
    if (e->path) {
        char *real = realpath(e->path, NULL);
        *out_path = gm_arena_strdup(r->a, real ? real : e->path);
        free(real);
        return GM_OK;
    }
    const char *blob = NULL, *file = e->name;
    if (e->from >= 0) file = file_of(gm_edge_artifact(r->g, e), r->a);
    const char *path = gm_arena_printf(r->a, "%s/in/%zu-%s", dir, index + 1, file);
    *out_path = path;
    if (strcmp(e->type, "package") == 0) return gm_tree_materialise(r->store, &e->digest, path, r->a, err);
    gm_rc rc = gm_blob_path(r->store, &e->digest, r->a, &blob, err);
    if (!rc && symlink(blob, path) != 0) rc = gm_err_errno(err, errno, "link", path);
    return rc;
}

static gm_rc write_step_json(gm_runner *r, const gm_step *s, const char *dir, const char *const *paths, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "name", s->name);
    gm_json_kstr(&j, "kind", s->kind->item.name);
    gm_buf_printf(&b, ",\"params\":%s", s->params_json);
    if (s->local_json) gm_buf_printf(&b, ",\"local\":%s", s->local_json);
    gm_json_kint(&j, "threads", r->g->spec->threads);
    gm_json_kint(&j, "memory_bytes", step_memory_bytes);
    gm_json_kint(&j, "now_us", r->o->now_us ? r->o->now_us : gm_now_us());
    gm_json_key(&j, "inputs");
    gm_json_array(&j);
    for (size_t i = 0; i < s->inputs_count; i++) {
        gm_json_object(&j);
        gm_json_kstr(&j, "name", s->inputs[i].name);
        gm_json_kstr(&j, "type", s->inputs[i].type);
        gm_json_kstr(&j, "digest", s->inputs[i].digest.hex);
        gm_json_kstr(&j, "path", paths[i]);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    gm_rc rc = b.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to write a step")
                        : gm_fs_write(gm_path_join(r->a, dir, "step.json"), gm_buf_str(&b), b.len, err);
    gm_buf_clear(&b);
    return rc;
}

/* ---- the user's programs ------------------------------------------------------------------------------------ */

/* What {name} stands for: an input's path, an output's path, a parameter's text. NULL when nothing does. */
static const char *placeholder(gm_runner *r, const gm_step *s, const char *dir, const char *const *paths, const char *name)
{
    const gm_user_step *u = s->user;
    for (size_t i = 0; i < s->inputs_count; i++)
        if (strcmp(s->inputs[i].name, name) == 0) return paths[i];
    for (size_t i = 0; i < u->outputs_count; i++)
        if (strcmp(u->outputs[i].name, name) == 0) return gm_arena_printf(r->a, "%s/out/%s", dir, u->outputs[i].file);
    return gm_node_str_or(u->params, name, NULL);
}

static gm_rc expand(gm_runner *r, const gm_step *s, const char *dir, const char *const *paths, const char *word, const char **out,
                    gm_err *err)
{
    gm_buf b = { 0 };
    gm_rc rc = GM_OK;
    while (*word && !rc) {
        const char *close = *word == '{' ? strchr(word, '}') : NULL;
        if (!close) {
            gm_buf_char(&b, *word++);
            continue;
        }
        const char *name = gm_arena_strndup(r->a, word + 1, (size_t)(close - word) - 1),
                   *value = placeholder(r, s, dir, paths, name);
        if (!value) {
            rc = gm_err_at(err, s->pos, GM_EINVALID, "step \"%s\" names {%s}, which is no input, output or parameter", s->name,
                           name);
            gm_err_hint(err, "Write {{ as shell text in `shell:` only; add the name to in, out or params.");
            break;
        }
        gm_buf_text(&b, value);
        word = close + 1;
    }
    if (!rc) *out = gm_arena_strdup(r->a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return rc;
}

static bool passes(const char *variable)
{
    static const char *const names[] = { "PATH=",   "HOME=", "LANG=",        "LC_ALL=",
                                         "TMPDIR=", "USER=", "VIRTUAL_ENV=", "LD_LIBRARY_PATH=" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0) return true;
    return false;
}

/* A user's program sees a short list of variables, those the file declares, and its own places. */
static const char *const *user_env(gm_runner *r, const gm_step *s, const char *dir, const char *const *paths)
{
    const gm_user_step *u = s->user;
    size_t count = 0,
           capacity = 16 + s->inputs_count + u->outputs_count + (u->env ? u->env->count : 0) + (u->params ? u->params->count : 0);
    const char **env = GM_ARENA_ARRAY(r->a, const char *, capacity + 1);
    if (!env) return NULL;
    for (char **e = environ; *e && count < 10; e++)
        if (passes(*e)) env[count++] = *e;
    env[count++] = gm_arena_printf(r->a, "GRISTMILL_STEP=%s", s->name);
    for (size_t i = 0; i < s->inputs_count; i++)
        env[count++] = gm_arena_printf(r->a, "GRISTMILL_IN_%s=%s", s->inputs[i].name, paths[i]);
    for (size_t i = 0; i < u->outputs_count; i++)
        env[count++] = gm_arena_printf(r->a, "GRISTMILL_OUT_%s=%s/out/%s", u->outputs[i].name, dir, u->outputs[i].file);
    for (size_t i = 0; u->params && i < u->params->count; i++)
        env[count++] = gm_arena_printf(r->a, "GRISTMILL_PARAM_%s=%s", u->params->keys[i], u->params->items[i]->text);
    for (size_t i = 0; u->env && i < u->env->count; i++)
        env[count++] = gm_arena_printf(r->a, "%s=%s", u->env->keys[i], u->env->items[i]->text);
    return env;
}

static gm_rc user_job(gm_runner *r, const gm_step *s, const char *dir, const char *const *paths, gm_job_spec *job, gm_err *err)
{
    const gm_user_step *u = s->user;
    size_t words = u->shell ? 3 : u->run.count;
    const char **argv = GM_ARENA_ARRAY(r->a, const char *, words + 1);
    if (!argv) return gm_err_set(err, GM_ENOMEM, "not enough memory for step \"%s\"", s->name);
    gm_rc rc = GM_OK;
    if (u->shell) {
        argv[0] = "/bin/sh";
        argv[1] = "-c";
        argv[2] =
            u->shell; /* its inputs and outputs are in $GRISTMILL_IN_name, $GRISTMILL_OUT_name: no text is pasted into a shell */
    }
    for (size_t i = 0; !u->shell && !rc && i < words; i++) rc = expand(r, s, dir, paths, u->run.items[i], &argv[i], err);
    job->argv = argv;
    job->env = user_env(r, s, dir, paths);
    job->cwd = r->g->spec->base_dir;
    return rc || job->env ? rc : gm_err_set(err, GM_ENOMEM, "not enough memory for step \"%s\"", s->name);
}

static gm_rc own_job(gm_runner *r, const gm_step *s, const char *dir, const char *const *paths, gm_job_spec *job, gm_err *err)
{
    const char **argv = GM_ARENA_ARRAY(r->a, const char *, 4);
    if (!argv) return gm_err_set(err, GM_ENOMEM, "not enough memory for step \"%s\"", s->name);
    argv[0] = "/proc/self/exe";
    argv[1] = "step";
    argv[2] = dir;
    job->argv = argv;
    job->env = (const char *const *)environ;
    job->cwd = ".";
    return write_step_json(r, s, dir, paths, err);
}

/* ---- start and finish ---------------------------------------------------------------------------------------- */

static gm_rc inputs_of(const gm_runner *r, const gm_step *s, gm_artifacts *out, gm_err *err)
{
    out->items = GM_ARENA_ARRAY(r->a, gm_artifact, s->inputs_count);
    out->count = s->inputs_count;
    if (!out->items) return gm_err_set(err, GM_ENOMEM, "not enough memory for the inputs of \"%s\"", s->name);
    for (size_t i = 0; i < s->inputs_count; i++)
        out->items[i] =
            (gm_artifact){ .name = s->inputs[i].name, .type = s->inputs[i].type, .digest = s->inputs[i].digest, .meta_json = "" };
    return GM_OK;
}

gm_rc gm_attempt_start(gm_runner *r, size_t index, int64_t number, gm_attempt *out, gm_err *err)
{
    gm_step *s = &r->g->steps[index];
    const char **paths = GM_ARENA_ARRAY(r->a, const char *, s->inputs_count);
    *out = (gm_attempt){ .step = index, .dir = gm_arena_printf(r->a, "%s/%zu-%lld", r->dir, index, (long long)number) };
    if (!paths || !out->dir) return gm_err_set(err, GM_ENOMEM, "not enough memory for step \"%s\"", s->name);
    gm_rc rc = gm_fs_mkdirs(gm_path_join(r->a, out->dir, "out"), err);
    if (!rc) rc = gm_fs_mkdirs(gm_path_join(r->a, out->dir, "in"), err);
    if (!rc) rc = gm_fs_mkdirs(gm_path_join(r->a, out->dir, "tmp"), err);
    for (size_t i = 0; !rc && i < s->inputs_count; i++) rc = place_input(r, out->dir, i, &s->inputs[i], &paths[i], err);
    gm_job_spec job = { .name = s->name, .log_path = gm_path_join(r->a, out->dir, "log.txt") };
    if (!rc) rc = s->user ? user_job(r, s, out->dir, paths, &job, err) : own_job(r, s, out->dir, paths, &job, err);
    if (!rc) rc = gm_runner_begin(r, err);
    if (rc) return rc;

    s->record = (gm_step_record){ .run_id = r->run_id,
                                  .name = s->name,
                                  .kind = s->kind ? s->kind->item.name : "run",
                                  .key = s->key,
                                  .key_fields = s->key_fields,
                                  .state = "running",
                                  .attempt = number,
                                  .started_us = gm_now_us(),
                                  .rows = -1,
                                  .error = "",
                                  .result_json = "",
                                  .log_digest = "" };
    rc = gm_step_begin(r->store, &s->record, err);
    if (rc) return rc;
    rc = r->executor->submit(&job, &out->job, err);
    if (rc) { /* the intent is on record: say how it ended */
        gm_err second;
        s->record.state = "failed";
        s->record.error = err->message;
        s->record.ended_us = gm_now_us();
        (void)gm_step_end(r->store, &s->record, &second); /* the first failure is the one to report */
        return gm_err_place(err, rc, s->pos);
    }
    if (s->timeout_seconds > 0) out->deadline_us = gm_monotonic_us() + (int64_t)(s->timeout_seconds * 1e6);
    rc = gm_step_set_pid(r->store, s->record.id, out->job.id, out->job.start, err);
    if (rc) (void)r->executor->kill(&out->job, 1, NULL); /* nobody would wait for it */
    return rc;
}

/* The last lines of a program's output, for the person who must mend it. */
static const char *log_tail(gm_runner *r, const char *dir)
{
    gm_buf b = { 0 };
    if (gm_fs_read(gm_path_join(r->a, dir, "log.txt"), (size_t)64 << 20, &b, NULL) != GM_OK) {
        gm_buf_clear(&b);
        return "";
    }
    while (b.len && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == ' ')) b.data[--b.len] = '\0';
    const char *text = gm_buf_str(&b), *tail = b.len > LOG_TAIL ? text + b.len - LOG_TAIL : text;
    const char *kept = gm_arena_strdup(r->a, tail);
    gm_buf_clear(&b);
    return kept ? kept : "";
}

static const char *last_line(const char *text)
{
    const char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

static gm_rc rebuild_error(const gm_node *n, gm_rc rc, gm_err *out)
{
    (void)gm_err_set(out, rc, "%s", gm_node_str_or(n, "message", "the step failed"));
    gm_err_hint(out, "%s", gm_node_str_or(n, "hint", ""));
    (void)snprintf(out->file, sizeof(out->file), "%s", gm_node_str_or(n, "file", ""));
    out->line = (uint32_t)gm_node_int_or(n, "line", 0);
    out->col = (uint32_t)gm_node_int_or(n, "col", 0);
    const gm_node *context = gm_node_get(n, "context");
    for (size_t i = 0; context && i < context->count; i++) (void)gm_err_ctx(out, rc, "%s", context->items[i]->text);
    return rc;
}

/* A built-in step that could not even say how it ended: its code tells the class, its last words the rest. */
static gm_rc no_result(gm_runner *r, const gm_attempt *t, const gm_step *s, gm_err *step_err)
{
    gm_rc rc = GM_EINTERNAL;
    for (gm_rc candidate = GM_OK + 1; candidate < GM_RC_COUNT; candidate++)
        if (gm_rc_exit_code(candidate) == t->job.exit_code) rc = candidate;
    (void)gm_err_at(step_err, s->pos, rc, "step \"%s\" ended with code %d and left no result: %.300s", s->name, t->job.exit_code,
                    last_line(log_tail(r, t->dir)));
    gm_err_hint(step_err,
                rc == GM_EIO ? "Check the disk and the space on it, then run again." : "Its output is in `gristmill log`.");
    return rc;
}

/* What the step says of itself; rc is GM_OK only when it ended well and said so. */
static gm_rc read_answer(gm_runner *r, const gm_attempt *t, const gm_step *s, const gm_node **out_result, gm_err *step_err)
{
    gm_node *root = NULL;
    const char *result = gm_path_join(r->a, t->dir, "result.json");
    *out_result = NULL;
    if (t->timed_out)
        return gm_err_at(step_err, s->pos, GM_ECANCELED, "step \"%s\" ran longer than its timeout of %g s and was stopped",
                         s->name, s->timeout_seconds);
    if (t->job.exit_code < 0 || t->job.state == GM_JOB_LOST) {
        gm_rc rc = gm_err_at(step_err, s->pos, GM_EUNAVAILABLE, "step \"%s\" was ended by signal %d (%s)", s->name, t->job.signal,
                             t->job.signal ? strsignal(t->job.signal) : "lost");
        gm_err_hint(step_err, t->job.signal == 9 ? "Memory may have run out; look at `gristmill log`."
                                                 : "Its output is in `gristmill log`.");
        return rc;
    }
    if (!s->user) {
        gm_err unread;
        if (gm_node_read_file(result, r->a, &root, &unread)) return no_result(r, t, s, step_err);
        *out_result = root;
        gm_rc rc = (gm_rc)gm_node_int_or(root, "rc", GM_EINTERNAL);
        return rc ? gm_err_place(step_err, rebuild_error(gm_node_get(root, "error"), rc, step_err), s->pos) : GM_OK;
    }
    if (t->job.exit_code != 0) {
        gm_rc rc = gm_err_at(step_err, s->pos, GM_EINVALID, "the program of step \"%s\" ended with code %d: %.300s", s->name,
                             t->job.exit_code, last_line(log_tail(r, t->dir)));
        gm_err_hint(step_err, "Its whole output: `gristmill log \"%s\"`.", s->name);
        return rc;
    }
    return GM_OK;
}

static gm_rc keep_output(gm_runner *r, const char *dir, const char *name, const char *type, const char *file, gm_artifact *out,
                         gm_err *err)
{
    const char *path = gm_arena_printf(r->a, "%s/out/%s", dir, file);
    *out = (gm_artifact){ .name = name, .type = type, .meta_json = gm_artifact_meta(r->a, file) };
    if (gm_fs_is_dir(path)) return gm_tree_put(r->store, path, r->a, &out->digest, &out->size_bytes, err);
    return gm_blob_put_file(r->store, path, true, &out->digest, &out->size_bytes, err);
}

static gm_rc keep_outputs(gm_runner *r, const gm_attempt *t, const gm_step *s, const gm_node *result, gm_artifacts *out,
                          gm_err *err)
{
    const gm_node *list = gm_node_get(result, "outputs");
    size_t count = s->user ? s->user->outputs_count : list ? list->count : 0;
    gm_rc rc = GM_OK;
    out->items = GM_ARENA_ARRAY(r->a, gm_artifact, count);
    out->count = 0;
    if (!out->items) return gm_err_set(err, GM_ENOMEM, "not enough memory for the outputs of \"%s\"", s->name);
    for (size_t i = 0; !rc && i < count; i++) {
        const gm_node *n = s->user ? NULL : list->items[i];
        const char *name = s->user ? s->user->outputs[i].name : gm_node_str_or(n, "name", ""),
                   *file = s->user ? s->user->outputs[i].file : gm_node_str_or(n, "file", "");
        const char *dot = strrchr(file, '.');
        bool table = dot && (strcmp(dot, ".parquet") == 0 || strcmp(dot, ".csv") == 0);
        const char *type = s->user ? (strcmp(name, "model") == 0 ? "model"
                                      : table                    ? "dataset"
                                                                 : "report")
                                   : gm_node_str_or(n, "type", "report");
        if (s->user && !gm_fs_exists(gm_arena_printf(r->a, "%s/out/%s", t->dir, file))) {
            return gm_err_at(err, s->pos, GM_EINVALID, "step \"%s\" ended well but wrote no \"%s\" for its output \"%s\"",
                             s->name, file, name);
        }
        rc = keep_output(r, t->dir, name, type, file, &out->items[out->count], err);
        if (!rc) out->count++;
    }
    return rc;
}

static const char *result_text(gm_runner *r, const gm_node *result, const gm_artifacts *outputs, const char *dir)
{
    gm_buf b = { 0 };
    const char *text = "{}";
    if (result && gm_fs_read(gm_path_join(r->a, dir, "result.json"), 0, &b, NULL) == GM_OK) {
        if (b.len) b.data[--b.len] = '\0'; /* reopen the object, whose last byte is its brace */
        gm_json j;
        gm_json_init(&j, &b, false);
        gm_buf_text(&b, ",\"kept\":");
        gm_json_object(&j);
        for (size_t i = 0; i < outputs->count; i++) gm_json_kstr(&j, outputs->items[i].name, outputs->items[i].digest.hex);
        gm_json_object_end(&j);
        gm_buf_char(&b, '}');
        text = gm_arena_strdup(r->a, gm_buf_str(&b));
    }
    gm_buf_clear(&b);
    return text;
}

gm_rc gm_attempt_finish(gm_runner *r, gm_attempt *t, gm_rc *out_step_rc, gm_err *step_err, gm_err *err)
{
    gm_step *s = &r->g->steps[t->step];
    const gm_node *result = NULL;
    gm_artifacts inputs = { 0 }, outputs = { 0 };
    gm_digest log = { 0 };
    gm_rc step_rc = read_answer(r, t, s, &result, step_err), rc = GM_OK;
    if (!step_rc || step_rc == GM_EREFUSED) {
        gm_rc kept = keep_outputs(r, t, s, result, &outputs, step_err);
        if (kept) step_rc = kept;
    }
    const char *log_path = gm_path_join(r->a, t->dir, "log.txt");
    if (gm_fs_exists(log_path)) rc = gm_blob_put_file(r->store, log_path, true, &log, NULL, err);
    s->record.log_digest = log.hex[0] ? gm_arena_strdup(r->a, log.hex) : "";
    s->record.ended_us = gm_now_us();
    s->record.cpu_us = t->job.cpu_us;
    s->record.peak_rss_bytes = t->job.peak_rss_bytes;
    s->record.rows = result ? gm_node_int_or(result, "rows", -1) : -1;
    s->record.result_json = result_text(r, result, &outputs, t->dir);
    const gm_node *notes = gm_node_get(result, "notes");
    for (size_t i = 0; notes && r->o->watch.note && i < notes->count; i++)
        r->o->watch.note(r->o->watch.ctx, s, notes->items[i]->text);
    if (!rc) rc = inputs_of(r, s, &inputs, err);
    if (!rc && !step_rc) {
        s->record.state = "done";
        rc = gm_step_commit(r->store, &s->record, &inputs, &outputs, err);
        s->outputs = outputs;
    } else if (!rc) {
        s->record.state = step_rc == GM_ECANCELED ? "canceled" : "failed";
        s->record.error = gm_arena_strdup(r->a, step_err->message);
        s->outputs = outputs; /* reports of a refusal can be read; nobody may build on them */
        rc = gm_step_end(r->store, &s->record, err);
    }
    *out_step_rc = step_rc;
    gm_err second;
    if (!step_rc) (void)gm_fs_remove_tree(t->dir, &second); /* only scratch is left in it; the next start clears tmp */
    return rc;
}
