/* step.c - the inside of a step's process; see step.h. */
#include "pipe/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"

gm_rc gm_step_point(const char *point, const char *kind, gm_err *err)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s.%s", point, kind);
    int fault = gm_fault(name);
    return fault ? gm_err_errno(err, fault, "do a step of the kind", kind) : GM_OK;
}

const gm_step_input *gm_io_find(const gm_step_io *io, const char *name)
{
    for (size_t i = 0; i < io->inputs_count; i++)
        if (strcmp(io->inputs[i].name, name) == 0) return &io->inputs[i];
    return NULL;
}

gm_rc gm_io_input(const gm_step_io *io, const char *name, const gm_step_input **out, gm_err *err)
{
    const gm_step_input *found = gm_io_find(io, name);
    if (!found) return gm_err_set(err, GM_EINTERNAL, "step \"%s\" has no input \"%s\"", io->name, name);
    *out = found;
    return GM_OK;
}

const char *gm_io_output(gm_step_io *io, const char *name, const char *type, const char *file)
{
    gm_json_object(io->outputs);
    gm_json_kstr(io->outputs, "name", name);
    gm_json_kstr(io->outputs, "type", type);
    gm_json_kstr(io->outputs, "file", file);
    gm_json_object_end(io->outputs);
    const char *path = gm_arena_printf(io->a, "%s/out/%s", io->dir, file);
    return path ? path : "";
}

gm_rc gm_io_engine(gm_step_io *io, gm_engine **out, gm_err *err)
{
    if (!io->engine) {
        gm_engine_options o = { .threads = io->threads,
                                .memory_bytes = io->memory_bytes,
                                .temp_dir = gm_arena_printf(io->a, "%s/tmp", io->dir) };
        gm_rc rc = gm_engine_open(&o, &io->engine, err);
        if (rc) return rc;
    }
    *out = io->engine;
    return GM_OK;
}

gm_rc gm_io_json(const gm_step_io *io, const char *name, const gm_node **out, gm_err *err)
{
    const gm_step_input *in = NULL;
    gm_buf b = { 0 };
    gm_node *root = NULL;
    gm_rc rc = gm_io_input(io, name, &in, err);
    if (!rc) rc = gm_fs_read(in->path, 0, &b, err);
    if (!rc) rc = gm_json_read(gm_buf_str(&b), b.len, in->name, io->a, &root, err);
    gm_buf_clear(&b);
    if (!rc) *out = root;
    return rc;
}

gm_rc gm_io_write(gm_step_io *io, const char *name, const char *type, const char *file, const gm_buf *text, gm_err *err)
{
    if (text->failed) return gm_err_set(err, GM_ENOMEM, "not enough memory to write \"%s\"", file);
    return gm_fs_write(gm_io_output(io, name, type, file), gm_buf_str(text), text->len, err);
}

void gm_io_note(gm_step_io *io, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *line = gm_arena_vprintf(io->a, fmt, args);
    va_end(args);
    if (line) gm_json_str(io->notes, line);
}

static gm_rc read_step(const char *dir, gm_arena *a, const gm_node **out, gm_step_io *io, gm_err *err)
{
    gm_node *root = NULL;
    gm_rc rc = gm_node_read_file(gm_path_join(a, dir, "step.json"), a, &root, err);
    if (rc) return rc;
    const gm_node *inputs = gm_node_get(root, "inputs");
    *io = (gm_step_io){ .a = a,
                        .dir = dir,
                        .name = gm_node_str_or(root, "name", "?"),
                        .params = gm_node_get(root, "params"),
                        .local = gm_node_get(root, "local"),
                        .threads = gm_node_int_or(root, "threads", 1),
                        .memory_bytes = gm_node_int_or(root, "memory_bytes", 0),
                        .now_us = gm_node_int_or(root, "now_us", 0),
                        .rows = -1 };
    io->inputs_count = inputs ? inputs->count : 0;
    gm_step_input *list = GM_ARENA_ARRAY(a, gm_step_input, io->inputs_count);
    if (!list) return gm_err_set(err, GM_ENOMEM, "not enough memory for the inputs of \"%s\"", io->name);
    for (size_t i = 0; i < io->inputs_count; i++) {
        const gm_node *n = inputs->items[i];
        list[i] = (gm_step_input){ .name = gm_node_str_or(n, "name", ""),
                                   .type = gm_node_str_or(n, "type", ""),
                                   .path = gm_node_str_or(n, "path", ""),
                                   .digest = gm_node_str_or(n, "digest", "") };
    }
    io->inputs = list;
    *out = root;
    return GM_OK;
}

/* result.json: {"rc", "rows", "error": {...}, "facts": {...}, "outputs": [...], "notes": [...]} */
static gm_rc write_result(const gm_step_io *io, gm_rc rc, const gm_err *failure, const gm_buf *facts, const gm_buf *outputs,
                          const gm_buf *notes, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_buf_printf(&b, "{\"rc\":%d,\"rows\":%lld,\"error\":", (int)rc, (long long)io->rows);
    gm_json_init(&j, &b, false);
    if (rc)
        gm_err_json(failure, &j);
    else
        gm_json_null(&j);
    gm_buf_printf(&b, ",\"facts\":%s,\"outputs\":%s,\"notes\":%s}", gm_buf_str(facts), gm_buf_str(outputs), gm_buf_str(notes));
    gm_rc written = gm_fs_write(gm_path_join(io->a, io->dir, "result.json"), gm_buf_str(&b), b.len, err);
    gm_buf_clear(&b);
    return written;
}

gm_rc gm_step_main(const char *dir, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory to begin");
    gm_step_io io;
    const gm_node *root = NULL;
    const gm_item *item = NULL;
    gm_buf facts_text = { 0 }, outputs_text = { 0 }, notes_text = { 0 };
    gm_json facts, outputs, notes;
    gm_rc rc = read_step(dir, a, &root, &io, err);
    if (!rc) rc = gm_registry_find(&gm_step_kinds, gm_node_str_or(root, "kind", ""), &item, err);
    if (rc) goto out;

    gm_json_init(&facts, &facts_text, false);
    gm_json_init(&outputs, &outputs_text, false);
    gm_json_init(&notes, &notes_text, false);
    gm_json_array(&notes);
    gm_json_object(&facts);
    gm_json_array(&outputs);
    io.facts = &facts;
    io.outputs = &outputs;
    io.notes = &notes;
    rc = gm_step_point("step.begin", item->name, err);
    if (!rc) rc = ((const gm_step_kind *)item)->run(&io, err);
    if (!rc) rc = gm_step_point("step.work", item->name, err);
    gm_json_object_end(&facts);
    gm_json_array_end(&outputs);
    gm_json_array_end(&notes);
    gm_err second;
    gm_rc written = write_result(&io, rc, err, &facts_text, &outputs_text, &notes_text, &second);
    if (!rc && written) {
        rc = written;
        *err = second;
    }
    gm_engine_close(io.engine);
    if (!rc) (void)gm_step_point("step.end", item->name, NULL); /* the answer is written: only a death can still change it */
out:
    gm_buf_clear(&facts_text);
    gm_buf_clear(&outputs_text);
    gm_buf_clear(&notes_text);
    gm_arena_free(a);
    return rc;
}
