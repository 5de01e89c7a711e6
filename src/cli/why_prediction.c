/* why_prediction.c - `why prediction ID`: from a logged answer back to its model, run and data, and what each feature added to it.
 *
 * The answer is computed again from the logged inputs and the package, and compared bit for bit.
 */
#include "cli/why_prediction.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "govern/lineage.h"
#include "serve/explain.h"
#include "serve/predlog.h"

typedef struct why_facts {
    gm_table logged;      /* one row */
    int64_t rows_of_id;   /* logged under the id, shadow's too */
    const char *id, *model, *version, *package;
    bool registered;      /* the package is in the registry under that name and version */
    gm_model_version registry;
    bool has_run;
    gm_run_record run;
    gm_node *lineage;     /* NULL: not known */
    gm_scorer scorer;
    gm_table inputs;      /* one row */
    double *logged_values, *again; /* [outputs] */
    const char *not_again; /* why it was not computed again; NULL */
    bool equal;
    gm_explanation explanation;
    const char *not_explained; /* NULL */
} why_facts;

static const char *text_of(const gm_table *t, const char *name, gm_arena *a)
{
    char text[256];
    const gm_column *c = gm_table_find(t, name);
    return gm_arena_strdup(a, c && t->rows ? gm_column_show(c, 0, text, sizeof(text)) : "");
}

/* ---- the record and the registry --------------------------------------------------------------------------------------------- */

static gm_rc find_record(gm_cli *cli, const char *id, why_facts *w, gm_err *err)
{
    const char *dir = NULL;
    gm_table all;
    int64_t first = 0;
    gm_rc rc = gm_cli_predictions_dir(cli, &dir, err);
    if (!rc) rc = gm_predlog_find(dir, id, cli->a, &all, err);
    if (!rc) rc = gm_table_take(&all, &first, 1, cli->a, &w->logged, err);
    if (rc) return rc;
    w->rows_of_id = all.rows;
    w->id = text_of(&w->logged, "id", cli->a);
    w->model = text_of(&w->logged, "model", cli->a);
    w->version = text_of(&w->logged, "version", cli->a);
    w->package = text_of(&w->logged, "package", cli->a);
    return w->id && w->model && w->version && w->package ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to explain a prediction");
}

/* Run and lineage, as far as the store still knows them: a prediction may outlive its registry. */
static void find_origin(gm_cli *cli, gm_store *store, why_facts *w)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_err ignored;
    const char *ref = gm_arena_printf(cli->a, "%s/%s", w->model, w->version);
    if (!ref || gm_model_resolve(store, ref, cli->a, &w->registry, &ignored) || strcmp(w->registry.digest.hex, w->package) != 0) return;
    w->registered = true;
    w->has_run = gm_run_get(store, w->registry.run_id, cli->a, &w->run, &ignored) == GM_OK;
    gm_json_init(&j, &b, false);
    if (gm_lineage_json(store, ref, &j, &ignored) == GM_OK && gm_json_read(gm_buf_str(&b), b.len, "lineage", cli->a, &w->lineage, &ignored)) w->lineage = NULL;
    gm_buf_clear(&b);
}

/* ---- the answer again -------------------------------------------------------------------------------------------------------- */

/* The scorer's inputs from the log; personal ones are not there. */
static bool take_inputs(gm_cli *cli, why_facts *w)
{
    const gm_scorer *s = &w->scorer;
    w->inputs = (gm_table){ .rows = 1, .columns = GM_ARENA_ARRAY(cli->a, gm_column, s->inputs_count) };
    for (size_t i = 0; w->inputs.columns && i < s->inputs_count; i++) {
        const char *name = gm_predlog_column(s->inputs[i], cli->a);
        const gm_column *c = name ? gm_table_find(&w->logged, name) : NULL;
        if (!c) {
            w->not_again = gm_arena_printf(cli->a, "column \"%s\" is not in the log (personal columns never are)", s->inputs[i]);
            return false;
        }
        gm_column *to = &w->inputs.columns[w->inputs.columns_count++];
        *to = *c;
        to->name = s->inputs[i];
    }
    return w->inputs.columns != NULL;
}

static bool take_logged_values(gm_cli *cli, why_facts *w)
{
    const gm_scorer *s = &w->scorer;
    w->logged_values = GM_ARENA_ARRAY(cli->a, double, s->outputs);
    w->again = GM_ARENA_ARRAY(cli->a, double, s->outputs);
    for (int64_t k = 0; w->logged_values && w->again && k < s->outputs; k++) {
        const char *name = s->task == GM_TASK_BINARY ? "probability" : s->task == GM_TASK_REGRESSION ? "prediction" : gm_arena_printf(cli->a, "probability_%s", s->classes[k]);
        const gm_column *c = name ? gm_predlog_answer(&w->logged, name) : NULL;
        if (!c) return false;
        w->logged_values[k] = gm_column_double(c, 0);
    }
    return w->logged_values && w->again;
}

static void explain(gm_cli *cli, why_facts *w)
{
    gm_matrix x = { 0 };
    gm_err err = { 0 };
    const gm_scorer *s = &w->scorer;
    gm_rc rc = s->program ? gm_program_apply(s->program, &w->inputs, cli->a, &x, &err) : GM_OK;
    if (!rc) rc = gm_scorer_explain(s, s->program ? &x : NULL, cli->a, &w->explanation, &err);
    if (rc) w->not_explained = gm_arena_strdup(cli->a, err.message);
}

static gm_rc answer_again(gm_cli *cli, gm_store *store, const char *tmp, why_facts *w, gm_err *err)
{
    gm_digest digest;
    gm_err failed = { 0 };
    const char *package = gm_path_join(cli->a, tmp, "package");
    w->not_again = w->not_explained = NULL;
    if (!package) return gm_err_set(err, GM_ENOMEM, "not enough memory to explain a prediction");
    gm_rc rc = gm_digest_parse(w->package, &digest) ? gm_tree_materialise(store, &digest, package, cli->a, &failed)
                                                    : gm_err_set(&failed, GM_ENOTFOUND, "the log names no package");
    if (!rc) rc = gm_scorer_package(package, cli->a, &w->scorer, &failed);
    if (rc) w->not_again = gm_arena_printf(cli->a, "its package could not be opened: %s", failed.message);
    else if (!take_inputs(cli, w) || !take_logged_values(cli, w)) w->not_again = w->not_again ? w->not_again : "the log does not hold its answer";
    else if (gm_scorer_predict(&w->scorer, &w->inputs, w->again, &failed)) w->not_again = gm_arena_strdup(cli->a, failed.message);
    if (w->not_again) {
        w->not_explained = w->not_again;
        return GM_OK;
    }
    w->equal = memcmp(w->again, w->logged_values, (size_t)w->scorer.outputs * sizeof(double)) == 0;
    explain(cli, w);
    return GM_OK;
}

/* ---- showing ------------------------------------------------------------------------------------------------------------------ */

/* Data sets and code files of a lineage, each once. */
typedef struct origins {
    const gm_node *datasets[64], *code[64];
    size_t datasets_count, code_count;
} origins;

static bool listed(const gm_node *const *list, size_t count, const gm_node *n)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(gm_node_str_or(list[i], "digest", ""), gm_node_str_or(n, "digest", "")) == 0) return true;
    return false;
}

static void collect(const gm_node *n, origins *o)
{
    if (!n) return;
    if (n->kind == GM_NODE_MAP) {
        if (gm_node_get(n, "dataset") && o->datasets_count < 64 && !listed(o->datasets, o->datasets_count, n)) o->datasets[o->datasets_count++] = n;
        if (strncmp(gm_node_str_or(n, "name", ""), "code:", 5) == 0 && o->code_count < 64 && !listed(o->code, o->code_count, n)) o->code[o->code_count++] = n;
    }
    for (size_t i = 0; n->kind != GM_NODE_SCALAR && i < n->count; i++)
        if (n->kind == GM_NODE_SEQ || strcmp(n->keys[i], "used_by") != 0) collect(n->items[i], o);
}

static void print_origin(const why_facts *w)
{
    char when[32];
    origins o = { 0 };
    printf("%sModel%s        %s/%s, package %.12s\n", gm_term_bold(), gm_term_plain(), w->model, w->version, w->package);
    if (!w->registered) {
        printf("%sMade by%s      the registry does not have this package under that name\n", gm_term_bold(), gm_term_plain());
        return;
    }
    printf("%sMade by%s      ", gm_term_bold(), gm_term_plain());
    if (w->has_run)
        printf("run %" PRId64 " of %s, %s UTC, pipeline file %.12s, %s\n", w->run.id, w->run.pipeline, gm_show_time(w->run.started_us, when),
               w->run.spec_digest, w->registry.trainer);
    else
        printf("run %" PRId64 ", whose record is gone\n", w->registry.run_id);
    collect(w->lineage, &o);
    for (size_t i = 0; i < o.datasets_count; i++) {
        const gm_node *d = gm_node_get(o.datasets[i], "dataset");
        printf("%s%s%s         %s version %s from %s, %.12s\n", gm_term_bold(), i ? "    " : "Data", gm_term_plain(), gm_node_str_or(d, "name", ""),
               gm_node_str_or(d, "version", "?"), gm_node_str_or(d, "source", ""), gm_node_str_or(o.datasets[i], "digest", ""));
    }
    for (size_t i = 0; i < o.code_count; i++)
        printf("%s%s%s         %s %.12s\n", gm_term_bold(), i ? "    " : "Code", gm_term_plain(), gm_node_str_or(o.code[i], "name", "") + 5,
               gm_node_str_or(o.code[i], "digest", ""));
}

static void print_again(const why_facts *w)
{
    printf("%sAgain%s        ", gm_term_bold(), gm_term_plain());
    if (w->not_again)
        printf("not computed: %s\n", w->not_again);
    else if (w->equal)
        printf("computed from the logged inputs and the package: the same bits\n");
    else
        printf("%scomputed from the logged inputs and the package: %.17g, and %.17g was logged%s\n", gm_term_red(), w->again[0], w->logged_values[0], gm_term_plain());
}

/* Columns that a feature reads are its own, or those of its expression; a value is shown where the feature is a column. */
static void print_contributions(gm_cli *cli, const why_facts *w, int64_t output)
{
    const gm_explanation *e = &w->explanation;
    const double *v = e->values + (size_t)output * (e->features_count + 1);
    size_t *order = GM_ARENA_ARRAY(cli->a, size_t, e->features_count);
    gm_grid *g = gm_grid_new(cli->a, 3);
    if (!order) return;
    gm_explanation_order(e, 0, output, order);
    gm_grid_right(g, 2);
    gm_grid_add(g, (const char *[]){ "feature", "value", "adds" });
    for (size_t i = 0; i < e->features_count; i++) {
        char value[128] = "", adds[32];
        const gm_column *c = gm_table_find(&w->inputs, e->features[order[i]]);
        if (c) (void)gm_column_show(c, 0, value, sizeof(value));
        (void)snprintf(adds, sizeof(adds), "%+.5f", v[order[i]]);
        gm_grid_add(g, (const char *[]){ e->features[order[i]], value, adds });
    }
    gm_grid_print(g);
    printf("base %+.5f and these make the margin %+.5f; %s gives %.6g\n", v[e->features_count], gm_explanation_margin(e, 0, output), e->link, w->again[output]);
}

static void print_inputs(const why_facts *w)
{
    char text[256];
    printf("\n%sInputs%s\n", gm_term_bold(), gm_term_plain());
    for (size_t i = 0; i < w->inputs.columns_count; i++)
        printf("  %s = %s\n", w->inputs.columns[i].name,
               gm_column_is_missing(&w->inputs.columns[i], 0) ? "missing" : gm_column_show(&w->inputs.columns[i], 0, text, sizeof(text)));
}

static void print_why(gm_cli *cli, const why_facts *w)
{
    char when[32], answer[96];
    const gm_column *row = gm_table_find(&w->logged, "row");
    printf("%sPrediction%s   %s, row %" PRId64 "\n", gm_term_bold(), gm_term_plain(), w->id, row ? row->i64[0] : 0);
    printf("%sAnswered%s     %s, %s UTC, in %.3f ms, by %s over %s\n", gm_term_bold(), gm_term_plain(), gm_show_answer(&w->logged, 0, answer, sizeof(answer)),
           gm_show_time(gm_table_find(&w->logged, "time")->i64[0], when), gm_column_double(gm_table_find(&w->logged, "latency_us"), 0) / 1e3,
           text_of(&w->logged, "arm", cli->a), text_of(&w->logged, "protocol", cli->a));
    print_origin(w);
    print_again(w);
    if (w->inputs.columns_count) print_inputs(w);
    if (w->not_explained) {
        printf("\nNot explained: %s\n", w->not_explained);
    } else {
        for (int64_t k = 0; k < w->explanation.outputs; k++) {
            printf("\n%sContributions%s", gm_term_bold(), gm_term_plain());
            if (w->explanation.outputs > 1 && k < w->explanation.classes_count) printf(" to class %s", w->explanation.classes[k]);
            putchar('\n');
            print_contributions(cli, w, k);
        }
    }
    if (w->rows_of_id > 1) printf("\n%" PRId64 " rows are logged under this id; ID/ROW names one of them.\n", w->rows_of_id);
}

static gm_rc print_why_json(gm_cli *cli, const why_facts *w, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_rc rc = GM_OK;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_key(&j, "logged");
    gm_json_row(&w->logged, 0, &j);
    gm_json_kint(&j, "rows_of_id", w->rows_of_id);
    gm_json_kbool(&j, "registered", w->registered);
    gm_json_key(&j, "run");
    if (w->registered) gm_json_int(&j, w->registry.run_id);
    else gm_json_null(&j);
    if (w->has_run) gm_json_kstr(&j, "pipeline_digest", w->run.spec_digest);
    gm_json_key(&j, "lineage");
    gm_node_json(w->lineage, &j);
    gm_json_key(&j, "again");
    gm_json_object(&j);
    if (w->not_again) gm_json_kstr(&j, "not_computed", w->not_again);
    else {
        gm_json_key(&j, "values");
        gm_json_array(&j);
        for (int64_t k = 0; k < w->scorer.outputs; k++) gm_json_double(&j, w->again[k]);
        gm_json_array_end(&j);
        gm_json_kbool(&j, "equal", w->equal);
    }
    gm_json_object_end(&j);
    if (w->not_explained) gm_json_kstr(&j, "not_explained", w->not_explained);
    else {
        gm_json_key(&j, "explanation");
        rc = gm_explanation_json(&w->explanation, 0, cli->a, &j, err);
    }
    gm_json_object_end(&j);
    if (!rc) gm_print_json(&b);
    gm_buf_clear(&b);
    return rc;
}

gm_rc gm_why_prediction(gm_cli *cli, const char *id, gm_err *err)
{
    why_facts w = { 0 };
    gm_store *store = NULL;
    const char *tmp = NULL;
    gm_rc rc = find_record(cli, id, &w, err);
    if (!rc) rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = gm_cli_scratch(cli, &tmp, err);
    if (!rc) {
        find_origin(cli, store, &w);
        rc = answer_again(cli, store, tmp, &w, err);
    }
    gm_store_close(store);
    if (!rc && cli->common->json) rc = print_why_json(cli, &w, err);
    else if (!rc) print_why(cli, &w);
    gm_err ignored;
    if (tmp) (void)gm_fs_remove_tree(tmp, &ignored); /* scratch */
    return rc;
}
