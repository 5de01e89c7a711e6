/* deploy_to.c - see deploy_to.h. */
#include "cli/deploy_to.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "model/package.h"
#include "serve/target.h"

static const gm_param *parameter(const gm_item *target, const char *name, size_t len)
{
    for (const gm_param *p = target->params; p && p->type != GM_PARAM_END; p++)
        if (strncmp(p->name, name, len) == 0 && p->name[len] == '\0') return p;
    return NULL;
}

static gm_rc no_such_parameter(const gm_item *target, const char *name, gm_err *err)
{
    gm_buf names = { 0 };
    for (const gm_param *p = target->params; p && p->type != GM_PARAM_END; p++)
        gm_buf_printf(&names, "%s%s", names.len ? ", " : "", p->name);
    gm_rc rc = gm_err_set(err, GM_EINVALID, "target \"%s\" has no parameter \"%.60s\"", target->name, name);
    if (names.len) gm_err_hint(err, "It has: %s.", gm_buf_str(&names));
    gm_buf_clear(&names);
    return rc;
}

/* Defaults, then what --set says. */
static gm_rc read_set(const gm_item *target, const gm_strs *set, gm_arena *a, void *conf, gm_err *err)
{
    gm_rc rc = GM_OK;
    for (const gm_param *p = target->params; !rc && p && p->type != GM_PARAM_END; p++)
        if (p->fallback) rc = gm_param_parse(p, p->fallback, a, conf, err);
    for (size_t i = 0; !rc && i < set->count; i++) {
        const char *text = set->items[i], *equals = strchr(text, '=');
        if (!equals) return gm_err_set(err, GM_EINVALID, "--set takes key=value, found \"%.60s\"", text);
        const gm_param *p = parameter(target, text, (size_t)(equals - text));
        if (!p) return no_such_parameter(target, gm_arena_strndup(a, text, (size_t)(equals - text)), err);
        rc = gm_err_ctx(err, gm_param_parse(p, equals + 1, a, conf, err), "reading --set %s", text);
    }
    for (const gm_param *p = target->params; !rc && p && p->type != GM_PARAM_END; p++) {
        bool given = p->fallback != NULL;
        for (size_t i = 0; i < set->count && !given; i++)
            given = strncmp(set->items[i], p->name, strlen(p->name)) == 0 && set->items[i][strlen(p->name)] == '=';
        if (!given) rc = gm_err_set(err, GM_EINVALID, "target \"%s\" needs --set %s=...: %s", target->name, p->name, p->help);
    }
    return rc;
}

/* The package as a folder: the user's own, or a version's files in tmp. */
static gm_rc find_package(gm_cli *cli, const char *tmp, gm_target_in *in, gm_err *err)
{
    const char *ref = cli->operands[0];
    gm_store *store = NULL;
    gm_model_version v;
    gm_node *schema = NULL;
    if (gm_fs_is_dir(ref)) {
        in->package_dir = ref;
        gm_rc rc = gm_package_verify(ref, &in->digest, err);
        if (!rc) rc = gm_node_read_file(gm_path_join(cli->a, ref, "schema.json"), cli->a, &schema, err);
        in->model = gm_node_str_or(schema, "pipeline", "model");
        in->version = "1";
        return rc;
    }
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = gm_model_resolve(store, ref, cli->a, &v, err);
    in->package_dir = gm_path_join(cli->a, tmp, "package");
    if (!rc) rc = gm_tree_export(store, &v.digest, in->package_dir, cli->a, err);
    if (!rc) rc = gm_package_verify(in->package_dir, &in->digest, err);
    if (!rc && strcmp(in->digest.hex, v.digest.hex) != 0)
        rc = gm_err_set(err, GM_ECORRUPT, "the package copied is %.12s, not %.12s", in->digest.hex, v.digest.hex);
    if (!rc) {
        in->model = v.model;
        in->version = gm_arena_printf(cli->a, "%" PRId64, v.version);
        in->store_root = gm_arena_strdup(cli->a, gm_store_root(store));
    }
    gm_store_close(store);
    return rc;
}

static void tell(const gm_cli *cli, const char *target, const gm_target_in *in, gm_buf *report)
{
    if (!cli->common->json) {
        printf("%s", gm_buf_str(report));
        return;
    }
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "model", in->model);
    gm_json_kstr(&j, "version", in->version);
    gm_json_kstr(&j, "package", in->digest.hex);
    gm_json_kstr(&j, "target", target);
    gm_json_kstr(&j, "out", in->out);
    gm_json_kstr(&j, "report", gm_buf_str(report));
    gm_json_object_end(&j);
    gm_print_json(&b);
}

gm_rc gm_deploy_to(gm_cli *cli, const char *target, const char *out, const gm_strs *set, gm_err *err)
{
    const gm_item *item = NULL;
    const char *tmp = NULL;
    char program[4096];
    gm_buf report = { 0 };
    gm_target_in in = { .out = out };
    gm_rc rc = gm_registry_find(&gm_targets, target, &item, err);
    if (rc) return rc;
    if (!out[0]) {
        rc = gm_err_set(err, GM_EINVALID, "name what \"%s\" is to write", target);
        gm_err_hint(err, "`gristmill deploy %.100s --to %s --out PATH`", cli->operands[0], target);
        return rc;
    }
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[len > 0 ? len : 0] = '\0';
    in.program = program;
    void *conf = gm_arena_alloc(cli->a, 1, item->conf_size + 1);
    if (!conf) return gm_err_set(err, GM_ENOMEM, "not enough memory for a target");
    rc = read_set(item, set, cli->a, conf, err);
    if (!rc) rc = gm_cli_scratch(cli, &tmp, err);
    if (!rc) rc = find_package(cli, tmp, &in, err);
    if (!rc) rc = ((const gm_target *)item)->write(conf, &in, cli->a, &report, err);
    if (!rc) tell(cli, target, &in, &report);
    gm_buf_clear(&report);
    gm_err ignored;
    if (tmp) (void)gm_fs_remove_tree(tmp, &ignored); /* scratch */
    return rc;
}
