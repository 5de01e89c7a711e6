/* spec_schema.c - the JSON Schema of gristmill.yaml, from the tables that read it. */
#include "pipe/sections.h"
#include "pipe/spec.h"
#include "train/trainer.h"
#include "watch/channels.h"

static void named(gm_json *j, const char *name, const gm_param *params)
{
    gm_json_key(j, name);
    gm_params_schema(params, j);
}

static void items(gm_json *j, const char *name, const gm_registry *r)
{
    gm_json_key(j, name);
    gm_json_object(j);
    for (size_t i = 0; i < r->count; i++) named(j, r->items[i]->name, r->items[i]->params);
    gm_json_object_end(j);
}

static void reference(gm_json *j, const char *to)
{
    gm_json_object(j);
    gm_json_kstr(j, "$ref", to);
    gm_json_object_end(j);
}

void gm_spec_schema(gm_json *j)
{
    static const struct {
        const char *key, *to;
    } parts[] = { { "features", "#/$defs/features" },
                  { "train", "#/$defs/train" },
                  { "deploy", "#/$defs/deploy" },
                  { "monitor", "#/$defs/monitor" },
                  { "retrain", "#/$defs/retrain" },
                  { "govern", "#/$defs/govern" },
                  { "keep", "#/$defs/keep" } };
    gm_json_object(j);
    gm_json_kstr(j, "$schema", "https://json-schema.org/draft/2020-12/schema");
    gm_json_kstr(j, "title", "gristmill.yaml");
    gm_json_key(j, "allOf");
    gm_json_array(j);
    gm_params_schema(gm_section_top, j);
    gm_json_object(j);
    gm_json_key(j, "properties");
    gm_json_object(j);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        gm_json_key(j, parts[i].key);
        reference(j, parts[i].to);
    }
    gm_json_key(j, "data");
    gm_json_object(j);
    gm_json_key(j, "anyOf");
    gm_json_array(j);
    gm_json_object(j);
    gm_json_kstr(j, "type", "string");
    gm_json_object_end(j);
    reference(j, "#/$defs/data");
    gm_json_object(j);
    gm_json_kstr(j, "type", "object");
    gm_json_key(j, "additionalProperties");
    gm_json_object(j);
    gm_json_key(j, "anyOf");
    gm_json_array(j);
    gm_json_object(j);
    gm_json_kstr(j, "type", "string");
    gm_json_object_end(j);
    reference(j, "#/$defs/data");
    gm_json_array_end(j);
    gm_json_object_end(j);
    gm_json_object_end(j);
    gm_json_array_end(j);
    gm_json_object_end(j);
    gm_json_key(j, "steps");
    gm_json_object(j);
    gm_json_kstr(j, "type", "object");
    gm_json_key(j, "additionalProperties");
    reference(j, "#/$defs/step");
    gm_json_object_end(j);
    gm_json_object_end(j);
    gm_json_object_end(j);
    gm_json_array_end(j);
    gm_json_key(j, "$defs");
    gm_json_object(j);
    named(j, "data", gm_section_data);
    named(j, "features", gm_section_features);
    named(j, "join", gm_section_join);
    named(j, "train", gm_section_train);
    named(j, "split", gm_section_split);
    named(j, "step", gm_section_step);
    named(j, "deploy", gm_section_deploy);
    named(j, "monitor", gm_section_monitor);
    named(j, "labels", gm_section_labels);
    named(j, "alert", gm_section_alert);
    named(j, "alert_rule", gm_section_alert_rule);
    named(j, "retrain", gm_section_retrain);
    named(j, "govern", gm_section_govern);
    named(j, "keep", gm_section_keep);
    items(j, "trainers", &gm_trainers);
    items(j, "channels", &gm_channels);
    gm_json_object_end(j);
    gm_json_object_end(j);
}
