/* cmd_care.c - `gc`, `fsck`, `schema`, `version`, and the inside of a step's process. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/command.h"
#include "model/model.h"

typedef struct gc_opts {
    bool dry_run;
    int64_t keep_runs;
    double keep_age;
} gc_opts;

static const gm_param gc_options[] = {
    { "dry_run", GM_PARAM_BOOL, offsetof(gc_opts, dry_run), "false", "only say what would be removed", 0, 0, NULL },
    { "keep_runs", GM_PARAM_INT, offsetof(gc_opts, keep_runs), "0", "newest runs to keep; 0 = as the file says, else 20", 0, 0,
      NULL },
    { "keep_age", GM_PARAM_DURATION, offsetof(gc_opts, keep_age), "0s", "keep younger runs; 0s = as the file says, else 30 days",
      0, 0, NULL },
    { 0 },
};

static gm_rc gc(gm_cli *cli, const void *conf, gm_err *err)
{
    const gc_opts *o = conf;
    gm_store *store = NULL;
    gm_spec spec = { 0 };
    gm_errs ignored = { .arena = cli->a };
    gm_gc_report r;
    char removed[32], kept[32];
    (void)gm_spec_read(cli->common->file, cli->a, &spec, &ignored); /* only for its `keep:`; gc works without the file */
    gm_gc_options options = { .dry_run = o->dry_run,
                              .keep_runs = o->keep_runs ? o->keep_runs : spec.keep_runs,
                              .keep_seconds = o->keep_age > 0 ? o->keep_age : spec.keep_seconds };
    gm_rc rc = gm_cli_store(cli, true, &store, err);
    if (!rc) rc = gm_store_gc(store, &options, &r, err);
    gm_store_close(store);
    if (rc) return rc;
    if (cli->common->json)
        printf("{\"blobs_removed\":%" PRId64 ",\"bytes_removed\":%" PRId64 ",\"runs_removed\":%" PRId64 ",\"blobs_kept\":%" PRId64
               ",\"bytes_kept\":%" PRId64 "}\n",
               r.blobs_removed, r.bytes_removed, r.runs_removed, r.blobs_kept, r.bytes_kept);
    else
        printf("%s %" PRId64 " blobs (%s) and %" PRId64 " runs; %" PRId64 " blobs (%s) are kept\n",
               o->dry_run ? "would remove" : "removed", r.blobs_removed, gm_show_bytes(r.bytes_removed, removed), r.runs_removed,
               r.blobs_kept, gm_show_bytes(r.bytes_kept, kept));
    return GM_OK;
}

const gm_command gm_command_gc = {
    .item = { .name = "gc",
              .help = "remove what no kept run and no registered model needs",
              .params = gc_options,
              .conf_size = sizeof(gc_opts) },
    .operands = "",
    .group = "Care",
    .examples = "gristmill gc --dry-run\ngristmill gc --keep-runs 5 --keep-age '7 days'",
    .run = gc,
};

static void say(void *ctx, const char *line)
{
    (void)ctx;
    printf("%s\n", line);
}

static gm_rc fsck(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    gm_store *store = NULL;
    gm_fsck_report r;
    char bytes[32];
    gm_rc rc = gm_cli_store(cli, true, &store, err);
    if (!rc) rc = gm_store_fsck(store, say, NULL, &r, err);
    gm_store_close(store);
    if (rc) return rc;
    if (cli->common->json)
        printf("{\"blobs\":%" PRId64 ",\"bytes\":%" PRId64 ",\"corrupt\":%" PRId64 ",\"missing\":%" PRId64
               ",\"unreferenced\":%" PRId64 "}\n",
               r.blobs, r.bytes, r.corrupt, r.missing, r.unreferenced);
    else
        printf("%" PRId64 " blobs, %s: %" PRId64 " corrupt, %" PRId64 " missing, %" PRId64
               " that nothing names (gc removes these)\n",
               r.blobs, gm_show_bytes(r.bytes, bytes), r.corrupt, r.missing, r.unreferenced);
    if (!r.corrupt && !r.missing) return GM_OK;
    rc = gm_err_set(err, GM_ECORRUPT, "the store has %" PRId64 " corrupt and %" PRId64 " missing blobs", r.corrupt, r.missing);
    gm_err_hint(err, "`gristmill run` makes again what steps can make; restore the others from a copy of the store.");
    return rc;
}

const gm_command gm_command_fsck = {
    .item = { .name = "fsck", .help = "read every blob and check every name of the store" },
    .operands = "",
    .group = "Care",
    .examples = "gristmill fsck",
    .run = fsck,
};

static gm_rc schema(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)cli;
    (void)conf;
    (void)err;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_spec_schema(&j);
    gm_print_json(&b);
    return GM_OK;
}

const gm_command gm_command_schema = {
    .item = { .name = "schema", .help = "print the JSON Schema of gristmill.yaml, for editors" },
    .operands = "",
    .group = "Look",
    .examples = "gristmill schema > gristmill.schema.json",
    .run = schema,
};

static gm_rc version(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    (void)err;
    if (cli->common->json)
        printf("{\"gristmill\":\"%s\",\"duckdb\":\"%s\",\"onnxruntime\":\"%s\"}\n", GM_VERSION, gm_engine_version(),
               gm_ort_version());
    else
        printf("gristmill %s\n", GM_VERSION);
    return GM_OK;
}

const gm_command gm_command_version = {
    .item = { .name = "version", .help = "print the version; --json adds those of the libraries" },
    .operands = "",
    .group = "More",
    .examples = "gristmill version --json",
    .run = version,
};

static gm_rc step(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    return gm_step_main(cli->operands[0], err);
}

const gm_command gm_command_step = {
    .item = { .name = "step", .help = "run one step in its folder; the runner calls it" },
    .operands = "FOLDER",
    .operands_min = 1,
    .operands_max = 1,
    .group = "",
    .run = step,
};
