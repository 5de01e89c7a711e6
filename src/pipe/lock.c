/* lock.c - gristmill.lock: what the last good run was made of, for the version control beside the file. No times, no paths of one
 * machine. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "pipe/run.h"

static void put_step(const gm_step *s, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "name", s->name);
    gm_json_kstr(j, "key", s->key);
    gm_json_key(j, "inputs");
    gm_json_object(j);
    for (size_t i = 0; i < s->inputs_count; i++) gm_json_kstr(j, s->inputs[i].name, s->inputs[i].digest.hex);
    gm_json_object_end(j);
    gm_json_key(j, "outputs");
    gm_json_object(j);
    for (size_t i = 0; i < s->outputs.count; i++) gm_json_kstr(j, s->outputs.items[i].name, s->outputs.items[i].digest.hex);
    gm_json_object_end(j);
    gm_json_object_end(j);
}

gm_rc gm_lock_write(const gm_run_result *r, gm_err *err)
{
    const gm_spec *p = r->graph.spec;
    const char *path = gm_path_join(p->a, p->base_dir, gm_arena_printf(p->a, "%s.lock", gm_spec_stem(p)));
    gm_buf b = { 0 }, before = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kstr(&j, "pipeline", p->pipeline);
    gm_json_kstr(&j, "program", "gristmill " GM_VERSION);
    gm_json_kstr(&j, "engine", gm_engine_version());
    if (r->model) {
        gm_json_kstr(&j, "model", r->model);
        gm_json_kstr(&j, "package", r->package.hex);
    }
    gm_json_key(&j, "steps");
    gm_json_array(&j);
    for (size_t i = 0; i < r->graph.count; i++)
        if (r->graph.steps[i].cacheable) put_step(&r->graph.steps[i], &j); /* timing steps are not part of it */
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    gm_buf_char(&b, '\n');
    gm_rc rc = b.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to write \"%s\"", path) : GM_OK;
    bool same =
        !rc && gm_fs_read(path, 0, &before, NULL) == GM_OK && before.len == b.len && memcmp(before.data, b.data, b.len) == 0;
    if (!rc && !same) rc = gm_fs_write_atomic(path, gm_buf_str(&b), b.len, err);
    gm_buf_clear(&b);
    gm_buf_clear(&before);
    return rc;
}
