/* table_facts.c - forms about the table itself: rows, columns, has_columns, type. */
#include <string.h>

#include "data/checks_internal.h"

static gm_rc accept_rows(const gm_check_args *args, gm_type *out_type, gm_err *err)
{
    *out_type = GM_TYPE_FLOAT;
    return args->call->op == GM_EXPR_CALL ? gm_check_count(args, &gm_check_form_rows, 0, err) : GM_OK;
}

static gm_rc compute_rows(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    (void)args;
    (void)err;
    out->number = (double)scope->table->rows;
    return GM_OK;
}

const gm_check_form gm_check_form_rows = {
    .item = { .name = "rows", .help = "the number of rows" },
    .signature = "rows",
    .example = "rows >= 100000",
    .accept = accept_rows,
    .compute = compute_rows,
};

static gm_rc compute_columns(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    (void)args;
    (void)err;
    out->number = (double)scope->table->columns_count;
    return GM_OK;
}

const gm_check_form gm_check_form_columns = {
    .item = { .name = "columns", .help = "the number of columns; with has_columns, exactly these" },
    .signature = "columns",
    .example = "columns == 2 and has_columns('carrier', 'name')",
    .accept = accept_rows,
    .compute = compute_columns,
};

static gm_rc accept_has_columns(const gm_check_args *args, gm_type *out_type, gm_err *err)
{
    *out_type = GM_TYPE_BOOL;
    for (size_t i = 0; i < args->call->args_count; i++) {
        const gm_expr *name = args->call->args[i];
        if (name->op != GM_EXPR_CONST || !name->text) return gm_err_at(err, name->pos, GM_EINVALID, "has_columns() takes names in quotes");
    }
    if (args->call->args_count == 0) return gm_check_count(args, &gm_check_form_has_columns, 1, err);
    return GM_OK;
}

static gm_rc compute_has_columns(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    (void)err;
    out->number = 1;
    for (size_t i = 0; i < args->call->args_count; i++)
        if (!gm_table_find(scope->table, args->call->args[i]->text)) out->number = 0;
    return GM_OK;
}

const gm_check_form gm_check_form_has_columns = {
    .item = { .name = "has_columns", .help = "the table has these columns, and maybe others" },
    .signature = "has_columns('a', 'b', ...)",
    .example = "has_columns('carrier', 'dest')",
    .accept = accept_has_columns,
    .compute = compute_has_columns,
};

static gm_rc accept_type(const gm_check_args *args, gm_type *out_type, gm_err *err)
{
    const gm_column *c = NULL;
    *out_type = GM_TYPE_STRING;
    gm_rc rc = gm_check_count(args, &gm_check_form_type, 1, err);
    return rc ? rc : gm_check_column(args, 0, &c, err);
}

static gm_rc compute_type(gm_check_scope *scope, const gm_check_args *args, gm_check_value *out, gm_err *err)
{
    const gm_column *c = NULL;
    (void)scope;
    gm_rc rc = gm_check_column(args, 0, &c, err);
    if (!rc) out->text = gm_type_name(c->type);
    return rc;
}

const gm_check_form gm_check_form_type = {
    .item = { .name = "type", .help = "the column's type: bool, int, float, string or time" },
    .signature = "type(x)",
    .example = "type(dep_time) == 'int'",
    .accept = accept_type,
    .compute = compute_type,
};
