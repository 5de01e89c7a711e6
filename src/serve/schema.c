/* schema.c - see schema.h. */
#include "serve/schema.h"

#include <math.h>
#include <string.h>

#include "base/digest.h"
#include "serve/text_set.h"

static gm_rc out_of_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the model's schema");
}

static const gm_node *find_input(const gm_node *inputs, const char *name)
{
    for (size_t i = 0; inputs && inputs->kind == GM_NODE_SEQ && i < inputs->count; i++)
        if (strcmp(gm_node_str_or(inputs->items[i], "name", ""), name) == 0) return inputs->items[i];
    return NULL;
}

static gm_rc read_categories(const gm_node *list, gm_arena *a, gm_served_column *c, gm_err *err)
{
    if (!list || list->kind != GM_NODE_SEQ) return GM_OK;
    const char **texts = GM_ARENA_ARRAY(a, const char *, list->count);
    if (!texts) return out_of_memory(err);
    for (size_t i = 0; i < list->count; i++) {
        gm_rc rc = gm_node_text(list->items[i], &texts[i], err);
        if (rc) return rc;
    }
    c->categories = texts;
    c->categories_count = list->count;
    c->known = gm_text_set_new(texts, list->count, a);
    return c->known ? GM_OK : out_of_memory(err);
}

/* entry: of schema.json's inputs; NULL for a foreign model's input that nobody profiled. */
static gm_rc read_input(const gm_node *entry, const gm_scorer *s, size_t i, gm_arena *a, gm_served_column *c, gm_err *err)
{
    *c = (gm_served_column){ .name = s->inputs[i], .type = s->input_types[i], .input = true, .low = NAN, .high = NAN };
    c->required = gm_node_bool_or(entry, "required", false);
    const char *format = s->input_formats ? s->input_formats[i] : NULL;
    c->format = format && format[0] ? format : NULL;
    if (c->type != GM_TYPE_STRING && c->type != GM_TYPE_TIME) {
        c->low = gm_node_double_or(entry, "min", (double)NAN);
        c->high = gm_node_double_or(entry, "max", (double)NAN);
    }
    return c->type == GM_TYPE_STRING ? read_categories(gm_node_get(entry, "categories"), a, c, err) : GM_OK;
}

static gm_served_column *column_named(gm_served_schema *s, const char *name)
{
    for (size_t i = 0; i < s->columns_count; i++)
        if (strcmp(s->columns[i].name, name) == 0) return &s->columns[i];
    return NULL;
}

/* The column of that name, added behind the others when it is no input. */
static gm_served_column *also(gm_served_schema *s, const char *name, gm_type type)
{
    gm_served_column *c = column_named(s, name);
    if (c) return c;
    c = &s->columns[s->columns_count++];
    *c = (gm_served_column){ .name = name, .type = type, .low = NAN, .high = NAN };
    return c;
}

static gm_rc read_roles(const gm_node *root, gm_served_schema *s, gm_err *err)
{
    const gm_node *key = gm_node_get(root, "key"), *personal = gm_node_get(root, "personal");
    const char *time = gm_node_str_or(root, "time", NULL), *name = NULL;
    if (time && time[0]) also(s, time, GM_TYPE_TIME)->time = true;
    for (size_t i = 0; key && key->kind == GM_NODE_SEQ && i < key->count; i++) {
        gm_rc rc = gm_node_text(key->items[i], &name, err);
        if (rc) return rc;
        also(s, name, GM_TYPE_STRING)->key = true;
    }
    for (size_t i = 0; i < s->columns_count; i++) s->columns[i].personal = gm_node_lists(personal, s->columns[i].name);
    return GM_OK;
}

/* Keys of joins, by which a server looks joined columns up. */
static gm_rc read_join_keys(const gm_node *joins, gm_served_schema *s, gm_err *err)
{
    for (size_t i = 0; joins && joins->kind == GM_NODE_SEQ && i < joins->count; i++) {
        const gm_node *by = gm_node_get(joins->items[i], "by");
        for (size_t k = 0; by && by->kind == GM_NODE_SEQ && k < by->count; k++) {
            gm_type type;
            const char *name = gm_node_str_or(by->items[k], "name", NULL);
            if (!name || !gm_type_from_name(gm_node_str_or(by->items[k], "type", ""), &type))
                return gm_err_at(err, by->items[k]->pos, GM_EINVALID, "a join's key needs a name and a type");
            (void)also(s, name, type);
        }
    }
    return GM_OK;
}

static size_t join_keys_count(const gm_node *joins)
{
    size_t count = 0;
    for (size_t i = 0; joins && joins->kind == GM_NODE_SEQ && i < joins->count; i++) {
        const gm_node *by = gm_node_get(joins->items[i], "by");
        count += by && by->kind == GM_NODE_SEQ ? by->count : 0;
    }
    return count;
}

/* Whatever a decoder looks at: whoever adds a field of that kind adds it here. */
static gm_rc make_digest(gm_served_schema *s, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_digest digest;
    gm_json_init(&j, &b, false);
    gm_json_array(&j);
    for (size_t i = 0; i < s->columns_count; i++) {
        const gm_served_column *c = &s->columns[i];
        gm_json_object(&j);
        gm_json_kstr(&j, "name", c->name);
        gm_json_kstr(&j, "type", gm_type_name(c->type));
        gm_json_kstr(&j, "format", c->format);
        gm_json_kbool(&j, "input", c->input);
        gm_json_kbool(&j, "required", c->required);
        gm_json_kdouble(&j, "low", c->low);
        gm_json_kdouble(&j, "high", c->high);
        gm_json_key(&j, "categories");
        gm_json_array(&j);
        for (size_t k = 0; k < c->categories_count; k++) gm_json_str(&j, c->categories[k]);
        gm_json_array_end(&j);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    bool failed = b.failed;
    if (!failed) gm_digest_of(b.data, b.len, &digest);
    gm_buf_clear(&b);
    if (failed) return out_of_memory(err);
    memcpy(s->digest, digest.hex, sizeof(s->digest));
    return GM_OK;
}

static gm_rc index_names(gm_served_schema *s, gm_arena *a, gm_err *err)
{
    const char **names = GM_ARENA_ARRAY(a, const char *, s->columns_count);
    if (!names) return out_of_memory(err);
    for (size_t i = 0; i < s->columns_count; i++) {
        names[i] = s->columns[i].name;
        s->columns[i].name_len = strlen(names[i]);
    }
    s->names = gm_text_set_new(names, s->columns_count, a);
    return s->names ? GM_OK : out_of_memory(err);
}

gm_rc gm_served_schema_read(const char *dir, const gm_scorer *scorer, gm_arena *a, gm_served_schema *out, gm_err *err)
{
    gm_node *root = NULL;
    char *path = gm_arena_printf(a, "%s/schema.json", dir);
    if (!path) return out_of_memory(err);
    gm_rc rc = gm_node_read_file(path, a, &root, err);
    if (rc) return rc;
    const gm_node *inputs = gm_node_get(root, "inputs"), *key = gm_node_get(root, "key");
    gm_served_schema s = { .task = scorer->task,
                           .classes = scorer->classes,
                           .classes_count = scorer->classes_count,
                           .outputs = scorer->outputs,
                           .target = gm_node_str_or(root, "target", ""),
                           .inputs_count = scorer->inputs_count,
                           .columns_count = scorer->inputs_count };
    const gm_node *joins = gm_node_get(root, "joins");
    s.columns = GM_ARENA_ARRAY(a, gm_served_column, scorer->inputs_count + (key ? key->count : 0) + join_keys_count(joins) + 1);
    if (!s.columns) return out_of_memory(err);
    for (size_t i = 0; !rc && i < scorer->inputs_count; i++)
        rc = read_input(find_input(inputs, scorer->inputs[i]), scorer, i, a, &s.columns[i], err);
    if (!rc) rc = read_join_keys(joins, &s, err); /* first: a key of the data set too has its type */
    if (!rc) rc = read_roles(root, &s, err);
    if (!rc) rc = index_names(&s, a, err);
    if (!rc) rc = make_digest(&s, err);
    if (!rc) *out = s;
    return gm_err_ctx(err, rc, "reading the schema of a model");
}

int gm_served_schema_find(const gm_served_schema *s, const char *name, size_t len, size_t hint)
{
    if (hint < s->columns_count && s->columns[hint].name_len == len && memcmp(s->columns[hint].name, name, len) == 0)
        return (int)hint;
    return gm_text_set_find(s->names, name, len);
}
