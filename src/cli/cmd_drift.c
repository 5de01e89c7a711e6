/* cmd_drift.c - `drift`: how far one set of rows is from another, column by column. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "cli/command.h"
#include "data/engine.h"
#include "data/profile.h"
#include "loop/page.h"
#include "pipe/examples.h"
#include "watch/drift.h"

typedef struct drift_opts {
    gm_strs columns, drift;
    const char *compat, *html;
    int64_t rows_min;
    bool fail;
} drift_opts;

static const gm_param drift_options[] = {
    { "columns", GM_PARAM_STRS, offsetof(drift_opts, columns), "", "only these columns", 0, 0, NULL },
    { "drift", GM_PARAM_STRS, offsetof(drift_opts, drift), "",
      "what is drift: 'psi > 0.2'; again for texts ('ks > 0.2,l_infinity > 0.1') or for one column ('temp: wasserstein > 1')", 0,
      0, NULL },
    { "compat", GM_PARAM_STR, offsetof(drift_opts, compat), "default",
      "whose definitions: default, evidently, nannyml, tfdv, deequ", 0, 0, NULL },
    { "rows_min", GM_PARAM_INT, offsetof(drift_opts, rows_min), "0", "columns with fewer values are not judged; 0 = 50", 0,
      1000000000, NULL },
    { "html", GM_PARAM_STR, offsetof(drift_opts, html), "", "also write a page with charts to this file", 0, 0, NULL },
    { "fail", GM_PARAM_BOOL, offsetof(drift_opts, fail), "false", "end with exit code 1 when there is drift", 0, 0, NULL },
    { 0 },
};

/* ---- the two sides ------------------------------------------------------------------------------------------------------- */

typedef struct side {
    const char *name; /* as the user wrote it; a model with its version */
    gm_drift_side data;
    gm_table table;
} side;

static gm_rc read_profile(gm_cli *cli, const char *path, side *s, gm_err *err)
{
    gm_buf b = { 0 };
    gm_profile *p = NULL;
    gm_rc rc = gm_fs_read(path, 0, &b, err);
    if (!rc) rc = gm_profile_read(gm_buf_str(&b), b.len, cli->a, &p, err);
    gm_buf_clear(&b);
    if (!rc) s->data = (gm_drift_side){ .profile = p };
    return gm_err_ctx(err, rc, "reading the profile \"%.100s\"", path);
}

/* One plain file is read as it is; what stands for several, other formats and databases go the way of a pipeline's data. */
static gm_rc read_data(gm_cli *cli, gm_engine **engine, const char *from, side *s, gm_err *err)
{
    const char *tmp = NULL, *schema = NULL, *path = from;
    gm_rc rc = *engine ? GM_OK : gm_engine_open(&(gm_engine_options){ 0 }, engine, err);
    bool plain = gm_fs_exists(from) && (gm_path_ends(from, ".parquet") || gm_path_ends(from, ".csv") || gm_path_ends(from, ".tsv"));
    if (!rc && !plain) {
        rc = gm_cli_scratch(cli, &tmp, err);
        path = rc ? NULL : gm_path_join(cli->a, tmp, "rows.parquet");
        if (!rc) rc = gm_data_snapshot(*engine, &(gm_source){ .from = from }, ".", path, cli->a, &schema, NULL, err);
    }
    if (!rc) rc = gm_data_read(*engine, path, NULL, 0, 0, cli->a, &s->table, err);
    gm_err ignored;
    if (tmp) (void)gm_fs_remove_tree(tmp, &ignored); /* scratch */
    if (!rc) s->data = (gm_drift_side){ .table = &s->table };
    return gm_err_ctx(err, rc, "reading \"%.100s\"", from);
}

/* The package's manifest names profile.bin by its digest: nothing else of the package is read. */
static gm_rc profile_of_package(gm_store *store, const gm_digest *package, gm_arena *a, void **out, size_t *out_len, gm_err *err)
{
    void *manifest = NULL;
    size_t len = 0;
    gm_node *root = NULL;
    gm_rc rc = gm_blob_get(store, package, a, &manifest, &len, err);
    if (!rc) rc = gm_json_read(manifest, len, "manifest.json", a, &root, err);
    const gm_node *files = rc ? NULL : gm_node_get(root, "files");
    for (size_t i = 0; files && i < files->count; i++) {
        gm_digest d;
        if (strcmp(gm_node_str_or(files->items[i], "name", ""), "profile.bin") != 0) continue;
        if (!gm_digest_parse(gm_node_str_or(files->items[i], "sha256", ""), &d)) break;
        return gm_blob_get(store, &d, a, out, out_len, err);
    }
    if (rc) return rc;
    rc = gm_err_set(err, GM_ENOTFOUND, "the package has no profile of its training rows");
    gm_err_hint(err, "Models that were trained elsewhere have none: compare with a file of the rows they learned from.");
    return rc;
}

static gm_rc read_model(gm_cli *cli, const char *ref, side *s, gm_err *err)
{
    gm_store *store = NULL;
    gm_model_version v;
    gm_profile *p = NULL;
    void *bytes = NULL;
    size_t len = 0;
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = gm_model_resolve(store, ref, cli->a, &v, err);
    if (rc == GM_ENOTFOUND) {
        gm_err why = *err;
        rc = gm_err_set(err, GM_ENOTFOUND, "\"%.100s\" is no file, and no model: %.200s", ref, why.message);
        gm_err_hint(err, "Name a data file, a model such as flights@champion or flights/3, or a profile.bin.%s%.200s",
                    why.hint[0] ? " " : "", why.hint);
    }
    if (!rc) rc = profile_of_package(store, &v.digest, cli->a, &bytes, &len, err);
    if (!rc) rc = gm_profile_read(bytes, len, cli->a, &p, err);
    if (!rc) s->name = gm_arena_printf(cli->a, "%s/%" PRId64 "'s training rows", v.model, v.version);
    gm_store_close(store);
    if (!rc && !s->name) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for a model's name");
    if (!rc) s->data = (gm_drift_side){ .profile = p };
    return rc;
}

static gm_rc read_side(gm_cli *cli, gm_engine **engine, const char *what, side *s, gm_err *err)
{
    s->name = what;
    if (gm_fs_is_dir(what)) {
        const char *inside = gm_path_join(cli->a, what, "profile.bin");
        if (inside && gm_fs_exists(inside)) return read_profile(cli, inside, s, err);
        return read_data(cli, engine, gm_arena_printf(cli->a, "%s/*", what), s, err);
    }
    if (gm_fs_exists(what))
        return gm_path_ends(what, ".bin") ? read_profile(cli, what, s, err) : read_data(cli, engine, what, s, err);
    if (strpbrk(what, "*?") || strstr(what, "://") || strncmp(what, "sqlite:", 7) == 0)
        return read_data(cli, engine, what, s, err);
    if (strchr(what, '.') && !strchr(what, '@')) {
        gm_rc rc = gm_err_set(err, GM_ENOTFOUND, "no file \"%.200s\"", what);
        gm_err_hint(err, "Name a data file, a model such as flights@champion or flights/3, or a profile.bin.");
        return rc;
    }
    return read_model(cli, what, s, err);
}

/* ---- rules ----------------------------------------------------------------------------------------------------------------- */

/* "psi > 0.2" or "temp: psi > 0.2". */
static gm_rc read_rule(const char *text, gm_arena *a, gm_drift_rule *out, gm_err *err)
{
    gm_errs errs = { .arena = a };
    const char *colon = strrchr(text, ':');
    gm_rc rc = gm_drift_rule_read(colon ? colon + 1 : text, (gm_pos){ 0 }, a, out, &errs);
    if (rc) return gm_err_ctx(err, gm_errs_first(&errs, rc, err), "reading --drift '%.100s'", text);
    if (!colon) return GM_OK;
    out->column = gm_arena_strndup(a, text, (size_t)(colon - text));
    return out->column ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for a rule");
}

static gm_rc read_rules(const drift_opts *o, gm_arena *a, gm_drift_options *options, gm_err *err)
{
    gm_drift_rule *rules = GM_ARENA_ARRAY(a, gm_drift_rule, o->drift.count);
    if (!rules) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu rules", o->drift.count);
    for (size_t i = 0; i < o->drift.count; i++) {
        gm_rc rc = read_rule(o->drift.items[i], a, &rules[i], err);
        if (rc) return rc;
    }
    options->rules = rules;
    options->rules_count = o->drift.count;
    return GM_OK;
}

/* ---- the answer ------------------------------------------------------------------------------------------------------------ */

/* What deserves a look first: flagged ones, then by how near the limit, then those that were not judged, each in the reference's
 * order. */
static double interest(const gm_drift_column *c)
{
    double near = isnan(c->value)                      ? -1
                  : isnan(c->limit) || !(c->limit > 0) ? c->value
                  : c->by_p                            ? 1 - c->value
                                                       : c->value / c->limit;
    return gm_drift_moved(c) ? 1e300 : near;
}

static int by_interest(const void *x, const void *y)
{
    const gm_drift_column *a = *(const gm_drift_column *const *)x, *b = *(const gm_drift_column *const *)y;
    double u = interest(a), v = interest(b);
    if (u != v) return u < v ? 1 : -1;
    return (a > b) - (a < b); /* one array */
}

static const char *number(double v, const char *format, char *out)
{
    out[0] = '\0';
    if (isnan(v)) return out;
    int n = format[0] == '%' ? snprintf(out, 32, v != 0 && fabs(v) < 5e-4 ? "%.1e" : "%.3f", v)
                             : snprintf(out, 32, "%.1f%%", 100 * v);
    gm_assert(n > 0 && n < 32);
    return out;
}

static const char *limit_text(const gm_drift_column *c, char *out)
{
    out[0] = '\0';
    if (!isnan(c->limit) && !isnan(c->value)) (void)snprintf(out, 32, "%s%.3g", c->by_p ? "p < " : "", c->limit);
    return out;
}

/* "drifted, outside 1 to 3: 40 of 40", "not judged: no value in the current side". A reason that says it already stands for its
 * word. */
static const char *verdict(const gm_drift_column *c, gm_arena *a)
{
    const char *words[6], *text = "";
    bool names_new = strncmp(c->why, "new values", 10) == 0, names_range = strncmp(c->why, "outside", 7) == 0;
    size_t n = 0;
    if (c->drifted) words[n++] = "drifted";
    if (c->missing_rose) words[n++] = "more missing";
    if (c->new_values && !names_new) words[n++] = "new values";
    if (c->out_of_range && !names_range) words[n++] = "out of range";
    if (c->by_chance) words[n++] = "above, by chance";
    if (n == 0 && isnan(c->value) && !gm_drift_moved(c)) words[n++] = "not judged";
    if (n == 0 && !c->why[0] && !isnan(c->limit)) words[n++] = "as before";
    for (size_t i = 0; i < n; i++) text = gm_arena_printf(a, "%s%s%s", text, i ? ", " : "", words[i]);
    if (c->why[0]) text = gm_arena_printf(a, "%s%s%s", text, n == 0 ? "" : names_new || names_range ? ", " : ": ", c->why);
    return gm_arena_printf(a, "%s%s%s",
                           gm_drift_moved(c) ? gm_term_red()
                           : c->by_chance    ? gm_term_yellow()
                                             : gm_term_dim(),
                           text, gm_term_plain());
}

static const char *missing_text(const gm_drift_column *c, gm_arena *a)
{
    char from[32], to[32];
    (void)number(c->missing_reference, "share", from);
    (void)number(c->missing_current, "share", to);
    return strcmp(from, to) == 0 ? gm_arena_strdup(a, to) : gm_arena_printf(a, "%s -> %s", from, to);
}

static void print_columns(const gm_drift_result *r, gm_arena *a)
{
    const gm_drift_column **order = GM_ARENA_ARRAY(a, const gm_drift_column *, r->count);
    gm_grid *g = gm_grid_new(a, 9);
    gm_assert(order != NULL);
    for (size_t k = 0; k < r->count; k++) order[k] = &r->columns[k];
    qsort(order, r->count, sizeof(*order), by_interest);
    gm_grid_add(g, (const char *[]){ "column", "detector", "value", "limit", "p", "missing", "new", "outside", "" });
    for (size_t c = 2; c < 8; c++) gm_grid_right(g, c);
    for (size_t k = 0; k < r->count; k++) {
        const gm_drift_column *c = order[k];
        char value[32], bound[32], limit[32], p[32], fresh[32], outside[32];
        const char *shown = gm_arena_strdup(a, number(c->value, "%", value));
        if (c->bound > 0 && !isnan(c->value)) shown = gm_arena_printf(a, "%s +- %s", shown, number(c->bound, "%", bound));
        gm_grid_add(g, (const char *[]){ c->name, c->detector && !isnan(c->value) ? c->detector->item.name : "", shown,
                                         limit_text(c, limit), number(isnan(c->value) ? (double)NAN : c->p_adjusted, "%", p),
                                         missing_text(c, a), number(c->new_share, "share", fresh),
                                         number(c->range_share, "share", outside), verdict(c, a) });
    }
    gm_grid_print(g);
}

static void print_only(const gm_drift_result *r, char sign, const char *name)
{
    bool any = false;
    for (size_t k = 0; k < r->missing_columns_count; k++) {
        if (r->missing_columns[k][0] != sign) continue;
        if (!any) printf("only in %s: ", name);
        printf("%s%s", any ? ", " : "", r->missing_columns[k] + 1);
        any = true;
    }
    if (any) putchar('\n');
}

static void print_result(const gm_drift_result *r, const side *a, const side *b, gm_arena *arena)
{
    char rows[32], judged[32];
    printf("%s%s%s: %s rows, against ", gm_term_bold(), b->name, gm_term_plain(), gm_show_count(r->rows_current, rows));
    printf("%s%s%s: %s rows", gm_term_bold(), a->name, gm_term_plain(), gm_show_count(r->rows_reference, rows));
    printf(r->compat ? ", as %s has it\n\n" : "\n\n", gm_compat_name(r->compat));
    print_columns(r, arena);
    printf("\n%s%zu of %s columns drifted%s", r->drifted ? gm_term_red() : gm_term_green(), r->drifted,
           gm_show_count((int64_t)r->judged, judged), gm_term_plain());
    if (r->compat == GM_COMPAT_EVIDENTLY)
        printf("; the data set %s (from half of them on)", r->dataset_drifted ? "drifted" : "did not");
    putchar('\n');
    print_only(r, '-', a->name);
    print_only(r, '+', b->name);
}

/* The column that a package profiles beside its inputs has no name that a user knows. */
static void forget_internal(gm_drift_result *r)
{
    size_t kept = 0;
    for (size_t k = 0; k < r->missing_columns_count; k++)
        if (strcmp(r->missing_columns[k] + 1, GM_TARGET_COLUMN) != 0) r->missing_columns[kept++] = r->missing_columns[k];
    r->missing_columns_count = kept;
}

static gm_rc profile_of(const side *s, gm_arena *a, const gm_profile **out, gm_err *err)
{
    gm_profile *made = NULL;
    *out = s->data.profile;
    gm_rc rc = *out ? GM_OK : gm_profile_of(s->data.table, a, &made, err);
    if (made) *out = made;
    return rc;
}

static gm_rc write_page(gm_cli *cli, const char *path, const gm_drift_result *r, const side *a, const side *b, gm_err *err)
{
    const gm_profile *reference = NULL, *current = NULL;
    gm_page_shape *shapes = NULL;
    gm_buf page = { 0 };
    gm_drift_page p = { .reference = a->name, .current = b->name, .result = r };
    const char **names = GM_ARENA_ARRAY(cli->a, const char *, r->count);
    if (!names) return gm_err_set(err, GM_ENOMEM, "not enough memory for the page");
    for (size_t k = 0; k < r->count; k++) names[k] = r->columns[k].name;
    gm_rc rc = profile_of(a, cli->a, &reference, err);
    if (!rc) rc = profile_of(b, cli->a, &current, err);
    if (!rc) rc = gm_page_shapes(reference, current, names, r->count, cli->a, &shapes, &p.shapes_count, err);
    if (rc) return rc;
    p.shapes = shapes;
    gm_drift_page_html(&p, &page);
    rc = page.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for the page")
                     : gm_fs_write_atomic(path, gm_buf_str(&page), page.len, err);
    gm_buf_clear(&page);
    return rc;
}

static gm_rc drift(gm_cli *cli, const void *conf, gm_err *err)
{
    const drift_opts *o = conf;
    gm_engine *engine = NULL;
    side a = { 0 }, b = { 0 };
    gm_drift_result r;
    gm_drift_options options = { .rows_min = o->rows_min,
                                 .columns = o->columns.count ? o->columns.items : NULL,
                                 .columns_count = o->columns.count };
    gm_rc rc = gm_compat_from_name(o->compat, &options.compat, err);
    options.no_rates = options.compat != GM_COMPAT_DEFAULT;
    if (!rc) rc = read_rules(o, cli->a, &options, err);
    if (!rc) rc = read_side(cli, &engine, cli->operands[0], &a, err);
    if (!rc) rc = read_side(cli, &engine, cli->operands[1], &b, err);
    gm_engine_close(engine);
    if (!rc) rc = gm_drift_compare(&a.data, &b.data, &options, cli->a, &r, err);
    if (rc) return rc;
    forget_internal(&r);
    if (o->html[0]) rc = write_page(cli, o->html, &r, &a, &b, err);
    if (rc) return rc;
    if (cli->common->json) {
        gm_buf buf = { 0 };
        gm_json j;
        gm_json_init(&j, &buf, true);
        gm_drift_json(&r, &j);
        gm_print_json(&buf);
    } else {
        print_result(&r, &a, &b, cli->a);
    }
    cli->exit_code = o->fail && r.dataset_drifted ? 1 : 0;
    return GM_OK;
}

const gm_command gm_command_drift = {
    .item = { .name = "drift",
              .help = "compare two sets of rows, column by column: files, a model's training rows, or stored profiles",
              .params = drift_options,
              .conf_size = sizeof(drift_opts) },
    .operands = "REFERENCE CURRENT",
    .operands_min = 2,
    .operands_max = 2,
    .group = "Look",
    .examples = "gristmill drift january.csv april.csv\ngristmill drift flights@champion today.parquet --fail   # against the "
                "rows the model learned from\n"
                "gristmill drift a.csv b.csv --drift 'wasserstein > 0.5,l_infinity > 0.1'\ngristmill drift a.csv b.csv --compat "
                "evidently",
    .run = drift,
};
