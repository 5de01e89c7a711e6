/* schema_case.h - a small model's schema for tests: every type, a category list, a range, a key that is no input. */
#ifndef GM_TEST_SCHEMA_CASE_H
#define GM_TEST_SCHEMA_CASE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "harness/harness.h"
#include "serve/schema.h"

/* distance int 80..4983 required, temp float, carrier string of UA AA B6 required, late bool, at time (d/m/y too); key flight. */
static inline gm_served_schema schema_case(gm_arena *a, gm_task task)
{
    static const char *const classes[] = { "false", "true", "may\"be" };
    static const char *inputs[] = { "distance", "temp", "carrier", "late", "at" };
    static gm_type types[] = { GM_TYPE_INT, GM_TYPE_FLOAT, GM_TYPE_STRING, GM_TYPE_BOOL, GM_TYPE_TIME };
    static const char *formats[] = { NULL, NULL, NULL, NULL, "%d/%m/%Y" };
    static const char json[] =
        "{\"pipeline\":\"flights\",\"target\":\"late_by\",\"key\":[\"carrier\",\"flight\"],\"time\":\"at\",\"personal\":["
        "\"temp\"],\"inputs\":["
        "{\"name\":\"carrier\",\"type\":\"string\",\"required\":true,\"categories\":[\"UA\",\"AA\",\"B6\"]},"
        "{\"name\":\"distance\",\"type\":\"int\",\"required\":true,\"min\":80,\"max\":4983},"
        "{\"name\":\"temp\",\"type\":\"float\",\"required\":false,\"min\":-10.5,\"max\":40},"
        "{\"name\":\"at\",\"type\":\"time\",\"required\":false,\"min\":1e15,\"max\":2e15}]}";
    gm_scorer s = { .task = task,
                    .classes = (const char **)(uintptr_t)classes,
                    .classes_count = task == GM_TASK_REGRESSION ? 0
                                     : task == GM_TASK_BINARY   ? 2
                                                                : 3,
                    .outputs = task == GM_TASK_MULTICLASS ? 3 : 1,
                    .inputs = inputs,
                    .input_types = types,
                    .input_formats = formats,
                    .inputs_count = 5 };
    gm_served_schema out;
    gm_err err = { 0 };
    const char *dir = gm_harness_tmpdir();
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/schema.json", dir);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(json, f) >= 0 && fclose(f) == 0);
    if (gm_served_schema_read(dir, &s, a, &out, &err)) gm_harness_fail(__FILE__, __LINE__, "%s", err.message);
    return out;
}

enum { DISTANCE, TEMP, CARRIER, LATE, AT, FLIGHT };

#endif
