/* openapi.c - the OpenAPI 3.1 document, from the route table and the models' schemas. */
#include <math.h>
#include <string.h>

#include "serve/protocols.h"

/* ---- one record of a model as JSON Schema -------------------------------------------------------------------------------- */

static void type_json(gm_json *j, const gm_served_column *c)
{
    const char *name = c->type == GM_TYPE_BOOL                              ? "boolean"
                       : c->type == GM_TYPE_INT || c->type == GM_TYPE_FLOAT ? "number"
                                                                            : "string";
    gm_json_key(j, "type");
    gm_json_array(j);
    gm_json_str(j, name);
    if (c->type == GM_TYPE_TIME || (!c->input && c->type == GM_TYPE_STRING))
        gm_json_str(j, c->type == GM_TYPE_TIME ? "integer" : "number");
    gm_json_str(j, "null");
    gm_json_array_end(j);
}

static void column_json(gm_json *j, const gm_served_column *c)
{
    gm_json_key(j, c->name);
    gm_json_object(j);
    type_json(j, c);
    if (c->type == GM_TYPE_TIME)
        gm_json_kstr(j, "description", "a time as 2013-01-31T05:00:00, or microseconds since 1970 in UTC");
    if (isfinite(c->low)) gm_json_kdouble(j, "x-training-minimum", c->low);
    if (isfinite(c->high)) gm_json_kdouble(j, "x-training-maximum", c->high);
    if (c->categories && !c->personal) {
        gm_json_key(j, "examples");
        gm_json_array(j);
        for (size_t i = 0; i < c->categories_count && i < 20; i++) gm_json_str(j, c->categories[i]);
        gm_json_array_end(j);
    }
    gm_json_object_end(j);
}

static void record_json(gm_json *j, const gm_served *model)
{
    const gm_served_schema *s = &model->schema;
    gm_json_object(j);
    gm_json_kstr(j, "type", "object");
    gm_json_key(j, "properties");
    gm_json_object(j);
    for (size_t i = 0; i < s->columns_count; i++) column_json(j, &s->columns[i]);
    gm_json_object_end(j);
    gm_json_key(j, "required");
    gm_json_array(j);
    for (size_t i = 0; i < s->inputs_count; i++)
        if (s->columns[i].required) gm_json_str(j, s->columns[i].name);
    gm_json_array_end(j);
    gm_json_object_end(j);
}

static void number_property(gm_json *j, const char *name, bool list)
{
    gm_json_key(j, name);
    gm_json_raw(j, list ? "{\"type\":\"array\",\"items\":{\"type\":[\"number\",\"null\"]}}" : "{\"type\":[\"number\",\"null\"]}");
}

static void prediction_json(gm_json *j, const gm_served *model)
{
    const gm_served_schema *s = &model->schema;
    gm_json_object(j);
    gm_json_kstr(j, "type", "object");
    gm_json_key(j, "properties");
    gm_json_object(j);
    if (s->task == GM_TASK_REGRESSION) {
        number_property(j, "prediction", false);
    } else {
        number_property(j, s->task == GM_TASK_BINARY ? "probability" : "probabilities", s->task == GM_TASK_MULTICLASS);
        gm_json_key(j, "label");
        gm_json_object(j);
        gm_json_kstr(j, "type", "string");
        gm_json_key(j, "enum");
        gm_json_array(j);
        for (int64_t i = 0; i < s->classes_count; i++) gm_json_str(j, s->classes[i]);
        gm_json_array_end(j);
        gm_json_object_end(j);
    }
    gm_json_object_end(j);
    gm_json_object_end(j);
}

/* Names of components take letters, digits, dot, dash and underscore only. */
static void component_key(gm_json *j, const char *kind, const char *model)
{
    char name[300];
    size_t len = strlen(kind);
    memcpy(name, kind, len);
    for (; *model && len + 1 < sizeof(name); model++) {
        char c = *model;
        bool good =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
        name[len++] = good ? c : '_';
    }
    name[len] = '\0';
    gm_json_key(j, name);
}

static void components_json(gm_json *j, const gm_served *const *models, size_t count)
{
    gm_json_key(j, "components");
    gm_json_object(j);
    gm_json_key(j, "schemas");
    gm_json_object(j);
    for (size_t i = 0; i < count; i++) {
        component_key(j, "record.", models[i]->model);
        record_json(j, models[i]);
        component_key(j, "prediction.", models[i]->model);
        prediction_json(j, models[i]);
    }
    gm_json_object_end(j);
    gm_json_key(j, "securitySchemes");
    gm_json_raw(j, "{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}}");
    gm_json_object_end(j);
}

/* ---- routes --------------------------------------------------------------------------------------------------------------- */

static void parameters_json(gm_json *j, const char *path)
{
    gm_json_key(j, "parameters");
    gm_json_array(j);
    for (const char *open = strchr(path, '{'); open; open = strchr(open + 1, '{')) {
        char name[64];
        size_t len = strcspn(open + 1, "}");
        if (len >= sizeof(name)) continue;
        memcpy(name, open + 1, len);
        name[len] = '\0';
        gm_json_object(j);
        gm_json_kstr(j, "name", name);
        gm_json_kstr(j, "in", "path");
        gm_json_kbool(j, "required", true);
        gm_json_key(j, "schema");
        gm_json_raw(j, "{\"type\":\"string\"}");
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void operation_json(gm_json *j, const gm_http_route *route)
{
    char method[8];
    size_t len = 0;
    for (; route->method[len] && len + 1 < sizeof(method); len++) method[len] = (char)(route->method[len] | 32);
    method[len] = '\0';
    gm_json_key(j, method);
    gm_json_object(j);
    gm_json_kstr(j, "summary", route->summary);
    parameters_json(j, route->path);
    if (route->body_max_bytes) {
        gm_json_key(j, "requestBody");
        gm_json_raw(j, "{\"content\":{\"application/json\":{}}}");
    }
    gm_json_key(j, "responses");
    gm_json_raw(j, "{\"200\":{\"description\":\"done\"},\"4XX\":{\"description\":\"the request is wrong, and "
                   "how\"},\"5XX\":{\"description\":\"not now\"}}");
    if (route->access != GM_HTTP_OPEN) {
        gm_json_key(j, "security");
        gm_json_raw(j, route->access == GM_HTTP_ADMIN ? "[{\"token\":[]}]" : "[{},{\"token\":[]}]");
    }
    gm_json_object_end(j);
}

/* Each path once, with all of its methods, in the order of the table. */
static void paths_json(gm_json *j, const gm_http_route *routes, size_t count)
{
    gm_json_key(j, "paths");
    gm_json_object(j);
    for (size_t i = 0; i < count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++) seen = strcmp(routes[k].path, routes[i].path) == 0;
        if (seen) continue;
        gm_json_key(j, routes[i].path);
        gm_json_object(j);
        for (size_t k = i; k < count; k++)
            if (strcmp(routes[k].path, routes[i].path) == 0) operation_json(j, &routes[k]);
        gm_json_object_end(j);
    }
    gm_json_object_end(j);
}

void gm_openapi_write(const gm_http_route *routes, size_t routes_count, const gm_served *const *models, size_t models_count,
                      gm_buf *out)
{
    gm_json j;
    gm_json_init(&j, out, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "openapi", "3.1.0");
    gm_json_key(&j, "info");
    gm_json_object(&j);
    gm_json_kstr(&j, "title", "gristmill serve");
    gm_json_kstr(&j, "version", GM_VERSION);
    gm_json_object_end(&j);
    paths_json(&j, routes, routes_count);
    components_json(&j, models, models_count);
    gm_json_object_end(&j);
}
