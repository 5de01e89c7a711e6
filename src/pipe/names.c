/* names.c - see names.h.
 *
 * A name becomes part of file names, of environment variables, of SQL and of expressions; one rule for all of them keeps every
 * such place simple.
 */
#include "pipe/names.h"

#include <stdio.h>
#include <string.h>

#include "pipe/examples.h"
#include "store/model_names.h"
#include "train/trainer.h"

enum { NAME_MAX_BYTES = 100, STEPS_MAX = 1000 };

static const char name_hint[] = "Use letters, digits, _ and -, with a letter or _ first.";

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

/* A word of letters, digits, _ and -, at most 100 bytes. */
static bool is_name(const char *name)
{
    if (!is_letter(name[0]) || strlen(name) > NAME_MAX_BYTES) return false;
    for (const char *c = name; *c; c++)
        if (!is_letter(*c) && *c != '-' && (*c < '0' || *c > '9')) return false;
    return true;
}

static void check(const char *what, const char *name, gm_pos pos, gm_errs *errs)
{
    if (!is_name(name)) gm_errs_at(errs, pos, GM_EINVALID, name_hint, "%s cannot be called \"%.60s\"", what, name);
}

/* Steps of our own: a step of the user's with the same name could not be told from them. ("load t" and the like have a space.) */
static bool is_built_in(const char *name)
{
    static const char *const names[] = { "inspect", "examples", "select",  "package", "gates",
                                         "latency", "register", "deploy", "predict", "card" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static void check_pipeline(const gm_spec *s, gm_errs *errs)
{
    gm_err err;
    const gm_node *n = gm_node_get(s->root, "pipeline");
    gm_rc rc = gm_model_name_check(s->pipeline, &err);
    if (!rc) return;
    if (n) (void)gm_err_place(&err, rc, n->pos);
    gm_err_hint(&err, "The pipeline's name is the name of its model.");
    gm_errs_add(errs, &err);
}

static void check_files(const gm_user_step *u, gm_errs *errs)
{
    for (size_t i = 0; i < u->inputs_count; i++) {
        check("an input", u->inputs[i].name, u->inputs[i].pos, errs);
        for (size_t k = 0; k < i; k++)
            if (strcmp(u->inputs[k].name, u->inputs[i].name) == 0)
                gm_errs_at(errs, u->inputs[i].pos, GM_EINVALID, "Name them: `in: { a: one.csv, b: other/one.csv }`.",
                           "step \"%s\" has two inputs \"%s\"", u->name, u->inputs[i].name);
    }
    for (size_t i = 0; i < u->outputs_count; i++) {
        check("an output", u->outputs[i].name, u->pos, errs);
        for (size_t k = 0; u->run.count && k < u->inputs_count; k++)
            if (strcmp(u->inputs[k].name, u->outputs[i].name) == 0)
                gm_errs_at(errs, u->pos, GM_EINVALID, "Give the output another name; {name} stands for one of them.",
                           "step \"%s\" has an input and an output \"%s\"", u->name, u->outputs[i].name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(u->outputs[k].file, u->outputs[i].file) == 0 || strcmp(u->outputs[k].name, u->outputs[i].name) == 0)
                gm_errs_at(errs, u->pos, GM_EINVALID, "Each output has a name and a file of its own.",
                           "step \"%s\" has two outputs \"%s\"", u->name, u->outputs[i].file);
    }
}

static void check_step(const gm_spec *s, const gm_user_step *u, gm_errs *errs)
{
    check("a step", u->name, u->pos, errs);
    if (is_built_in(u->name))
        gm_errs_at(errs, u->pos, GM_EINVALID, "Give the step another name.", "\"%s\" is a step of every pipeline", u->name);
    for (size_t i = 0; i < s->data_count; i++)
        if (strcmp(s->data[i].name, u->name) == 0)
            gm_errs_at(errs, u->pos, GM_EINVALID, "Give one of them another name.", "\"%s\" is the name of a data set too",
                       u->name);
    check_files(u, errs);
}

static void check_try(const gm_spec *s, size_t index, gm_errs *errs)
{
    const gm_item *trainer = NULL;
    const gm_try_spec *t = &s->tries[index];
    for (size_t i = 0; i < index; i++)
        if (!t->trainer && strcmp(s->tries[i].name, t->name) == 0)
            gm_errs_at(errs, t->pos, GM_EINVALID, "Take one of them out.", "step \"%s\" stands twice", t->name);
    if (!t->trainer && gm_registry_find(&gm_trainers, t->name, &trainer, NULL) == GM_OK)
        gm_errs_at(errs, t->pos, GM_EINVALID, "Give the step another name.", "\"%s\" is the name of a step and of a trainer",
                   t->name);
}

void gm_names_check(const gm_spec *s, gm_errs *errs)
{
    check_pipeline(s, errs);
    for (size_t i = 0; i < s->data_count; i++) check("a data set", s->data[i].name, s->data[i].pos, errs);
    if (s->steps_count > STEPS_MAX || s->data_count > STEPS_MAX) {
        gm_errs_at(errs, s->root->pos, GM_EINVALID, NULL, "a pipeline has at most %d steps and %d data sets", STEPS_MAX,
                   STEPS_MAX);
        return;
    }
    for (size_t i = 0; i < s->steps_count; i++) check_step(s, &s->steps[i], errs);
    for (size_t i = 0; i < s->tries_count; i++) check_try(s, i, errs);
}

/* ---- columns -------------------------------------------------------------------------------------------------- */

void gm_names_check_columns(const gm_spec *s, gm_errs *errs)
{
    static const char *const taken[] = { GM_TARGET_COLUMN, GM_SPLIT_COLUMN };
    for (size_t i = 0; i < 2; i++)
        if (gm_schema_find(s->primary->schema, taken[i]))
            gm_errs_at(errs, s->primary->pos, GM_EINVALID, "Rename it with `query: SELECT * RENAME (...) FROM source`.",
                       "data \"%s\" has a column \"%s\", a name that the program uses itself", s->primary->name, taken[i]);
    for (size_t i = 0; i < s->joins_count; i++) {
        const gm_data_spec *d = gm_spec_data(s, s->joins[i].dataset);
        for (size_t k = 0; d && k < d->schema->count; k++) {
            const char *name = gm_arena_printf(s->a, "%s.%s", d->name, d->schema->fields[k].name);
            if (name && gm_schema_find(s->primary->schema, name))
                gm_errs_at(errs, s->joins[i].pos, GM_EINVALID, "Give the joined data another name.",
                           "the join would give a second column \"%s\"", name);
        }
    }
}
