/* edge.c - see edge.h: the file around features and model, and the deployment target that writes it from a package. */
#include "serve/targets/edge.h"

#include <inttypes.h>
#include <string.h>

#include "pipe/scorer.h"
#include "serve/targets/target_write.h"

/* What a call needs beside its named variables: frames, saved registers and temporaries of three functions, measured on three
 * processors. */
enum { FRAMES_BYTES = 768 };

typedef struct file {
    const gm_edge_in *in;
    const char *name;          /* identifier                */
    const char *const *fields; /* of the input struct       */
    int64_t outputs, width;
    gm_c c;
    gm_buf model; /* functions of edge_model.c */
    gm_arena *a;
    gm_buf *out;
} file;

/* ---- the parts of the file ---------------------------------------------------------------------------------------- */

static void comment_text(gm_buf *out, const char *text)
{
    gm_c_comment(out, text ? text : "");
}

static const char *kind_of(const gm_edge_in *in)
{
    if (in->linear) return "linear model";
    return in->trees->float32 ? "XGBoost trees" : "LightGBM trees";
}

static void first_lines(const file *f, const gm_edge_size *size)
{
    const gm_edge_in *in = f->in;
    gm_buf *out = f->out;
    gm_buf_printf(out, "/* %s.c - model ", f->name);
    comment_text(out, in->model);
    gm_buf_text(out, ", version ");
    comment_text(out, in->version);
    gm_buf_text(out, ", as one C11 file: features, model and link, without a heap.\n *\n * Package   ");
    comment_text(out, in->digest);
    gm_buf_printf(out, "\n * Model     %s, %s, %" PRId64 " output%s of %" PRId64 " features\n", gm_task_name(in->task),
                  kind_of(in), f->outputs, f->outputs == 1 ? "" : "s", f->width);
    gm_buf_printf(out, " * ROM       %" PRId64 " bytes of constant tables, and the code\n", size->table_bytes);
    gm_buf_printf(out,
                  " * RAM       at most %" PRId64
                  " bytes of stack in %s_predict, beside what the C library takes; no heap, no static variables\n",
                  size->stack_bytes, f->name);
    gm_buf_printf(
        out,
        " * Needs     math.h, stdint.h and string.h; doubles and floats of IEEE 754. Compile with -std=c11, link with -lm\n"
        " * Equal     to the server bit for bit up to the margin; exp, log and pow are the C library's own, so that with another "
        "one the\n"
        " *           last bits of what is computed with them may differ\n"
        " *\n"
        " * Another file sees the declarations alone by defining %s_DECLARATIONS_ONLY before including this one.\n"
        " * Written by gristmill " GM_VERSION ".\n */\n",
        f->name);
}

static const char *field_type(gm_type t)
{
    return t == GM_TYPE_STRING ? "const char *" : t == GM_TYPE_TIME ? "int64_t " : "double ";
}

static const char *field_note(gm_type t)
{
    switch (t) {
    case GM_TYPE_STRING: return "text in UTF-8; NULL: missing";
    case GM_TYPE_TIME: return "microseconds since 1970-01-01T00:00 UTC; INT64_MIN: missing";
    case GM_TYPE_BOOL: return "0 or 1; NAN: missing";
    case GM_TYPE_INT: return "whole number; NAN: missing";
    default: return "NAN: missing";
    }
}

static void declarations(const file *f)
{
    const gm_edge_in *in = f->in;
    gm_buf *out = f->out;
    gm_buf_printf(out, "#ifndef %s_DECLARED\n#define %s_DECLARED\n\n#include <stdint.h>\n\n", f->name, f->name);
    gm_buf_printf(out, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\ntypedef struct %s_input {\n", f->name);
    for (size_t i = 0; i < gm_program_inputs_count(in->program); i++) {
        gm_type type;
        const char *column = gm_program_input_name(in->program, i, &type);
        gm_buf_printf(out, "    %s%s; /* ", field_type(type), f->fields[i]);
        comment_text(out, column);
        gm_buf_printf(out, ": %s */\n", field_note(type));
    }
    gm_buf_printf(out,
                  "} %s_input;\n\nenum { %s_FEATURES = %" PRId64 ", %s_OUTPUTS = %" PRId64 ", %s_CLASSES = %" PRId64 " };\n\n",
                  f->name, f->name, f->width, f->name, f->outputs, f->name, in->classes_count);
    const char *what = in->task == GM_TASK_MULTICLASS ? "the probability of each class"
                       : in->task == GM_TASK_BINARY   ? "the probability of class 1"
                                                      : "the value";
    gm_buf_printf(out, "/* out [%s_OUTPUTS]: %s. Returns 0, or -1 when in or out is NULL. */\n", f->name, what);
    gm_buf_printf(out, "int %s_predict(const %s_input *in, double *out);\n", f->name, f->name);
    gm_buf_printf(
        out,
        "/* The same before the link (%s): sums alone, which need no exp. */\nint %s_margin(const %s_input *in, double *out);\n",
        gm_link_name(in->trees ? in->trees->link : in->linear->link), f->name, f->name);
    gm_buf_printf(out, "/* x [%s_FEATURES]: what the model sees; its columns are named at the end of this file. */\n", f->name);
    gm_buf_printf(out, "void %s_features(const %s_input *in, double *x);\n", f->name, f->name);
    if (in->classes_count)
        gm_buf_printf(out, "/* Name of class i, in UTF-8; NULL when there is no such class. */\nconst char *%s_class(int i);\n",
                      f->name);
    gm_buf_printf(out, "\n#ifdef __cplusplus\n}\n#endif\n#endif /* %s_DECLARED */\n\n", f->name);
}

static void features(const file *f)
{
    gm_buf_printf(f->out, "void %s_features(const %s_input *in, double *x)\n{\n%s}\n\n", f->name, f->name,
                  gm_buf_str(&f->c.body));
}

static void predict(const file *f)
{
    gm_link link = f->in->trees ? f->in->trees->link : f->in->linear->link;
    gm_buf_printf(f->out,
                  "int %s_margin(const %s_input *in, double *out)\n"
                  "{\n"
                  "    double x[%s_FEATURES];\n"
                  "    if (in == NULL || out == NULL) return -1;\n"
                  "    %s_features(in, x);\n"
                  "    gm_margins(x, out);\n"
                  "    return 0;\n"
                  "}\n\n",
                  f->name, f->name, f->name, f->name);
    gm_buf_printf(f->out,
                  "int %s_predict(const %s_input *in, double *out)\n"
                  "{\n"
                  "    if (%s_margin(in, out) != 0) return -1;\n"
                  "%s"
                  "    return 0;\n"
                  "}\n\n",
                  f->name, f->name, f->name, link == GM_LINK_IDENTITY ? "" : "    gm_link(out);\n");
}

static void class_names(const file *f)
{
    if (!f->in->classes_count) return;
    gm_buf_printf(f->out, "const char *%s_class(int i)\n{\n    switch (i) {\n", f->name);
    for (int64_t i = 0; i < f->in->classes_count; i++) {
        gm_buf_printf(f->out, "    case %" PRId64 ": return ", i);
        gm_c_string(f->out, f->in->classes[i]);
        gm_buf_text(f->out, ";\n");
    }
    gm_buf_text(f->out, "    default: return NULL;\n    }\n}\n\n");
}

static void feature_names(const file *f)
{
    gm_buf_text(f->out, "/* Columns of x:\n");
    for (int64_t i = 0; i < f->width; i++) {
        gm_buf_printf(f->out, " * %4" PRId64 "  ", i);
        comment_text(f->out, gm_program_output_name(f->in->program, (size_t)i));
        gm_buf_char(f->out, '\n');
    }
    gm_buf_text(f->out, " */\n");
}

/* Arithmetic that is not as the standard says would give other answers in silence. */
static const char conditions[] =
    "#include <math.h>\n"
    "#include <string.h>\n"
    "\n"
    "#ifdef __FAST_MATH__\n"
    "#error \"compile without -ffast-math: NaN is a missing value\"\n"
    "#endif\n"
    "#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16\n"
    "#error \"floats must be computed as floats and doubles as doubles (on i386: -msse2 -mfpmath=sse)\"\n"
    "#endif\n"
    "#ifdef __clang__\n"
    "#pragma STDC FP_CONTRACT OFF\n"
    "#elif defined(__GNUC__) && !defined(__STRICT_ANSI__)\n"
    "#pragma GCC optimize(\"fp-contract=off\")\n"
    "#endif\n"
    "\n";

static void definitions(const file *f)
{
    gm_buf_printf(f->out, "#ifndef %s_DECLARATIONS_ONLY\n\n%s", f->name, conditions);
    gm_buf_printf(
        f->out,
        "/* ---- tables ----------------------------------------------------------------------------------------- */\n\n%s\n",
        gm_buf_str(&f->c.tables));
    gm_buf_text(
        f->out,
        "/* ---- features --------------------------------------------------------------------------------------- */\n\n");
    gm_c_helpers(&f->c, f->out);
    features(f);
    gm_buf_printf(
        f->out,
        "/* ---- model ------------------------------------------------------------------------------------------ */\n\n%s",
        gm_buf_str(&f->model));
    predict(f);
    class_names(f);
    if (f->in->with_main) gm_edge_main(f->in, f->name, f->fields, f->out);
    gm_buf_printf(f->out, "\n#endif /* %s_DECLARATIONS_ONLY */\n\n", f->name);
    feature_names(f);
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static gm_rc check_fit(const file *f, gm_err *err)
{
    int64_t takes = f->in->trees ? f->in->trees->features : f->in->linear->features;
    if (takes == f->width) return GM_OK;
    return gm_err_set(err, GM_EINVALID, "the model takes %" PRId64 " features, the program gives %" PRId64, takes, f->width);
}

static gm_rc write_file(file *f, gm_edge_size *size, gm_err *err)
{
    gm_rc rc = check_fit(f, err);
    if (!rc) rc = gm_program_c_fields(f->in->program, f->a, &f->fields, err);
    if (!rc) rc = gm_program_emit_c(f->in->program, f->fields, &f->c);
    if (rc) return rc;
    gm_edge_model(f->in, &f->c, &f->model);
    if (f->c.rc) return f->c.rc;
    *size = (gm_edge_size){ .table_bytes = f->c.table_bytes, .stack_bytes = 8 * f->width + f->c.stack_bytes + FRAMES_BYTES };
    first_lines(f, size);
    declarations(f);
    definitions(f);
    bool failed = f->out->failed || f->c.tables.failed || f->c.body.failed || f->model.failed;
    return failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to write a model as C") : GM_OK;
}

gm_rc gm_edge_write(const gm_edge_in *in, gm_arena *a, gm_buf *out, gm_edge_size *out_size, gm_err *err)
{
    gm_edge_size size = { 0 };
    file f = {
        .in = in, .name = gm_c_identifier(a, in->name), .width = (int64_t)gm_program_width(in->program), .a = a, .out = out
    };
    if (!f.name) return gm_err_set(err, GM_ENOMEM, "not enough memory to write a model as C");
    f.outputs = in->trees ? in->trees->outputs : in->linear->outputs;
    gm_c_init(&f.c, a, err);
    gm_rc rc = write_file(&f, &size, err);
    gm_c_clear(&f.c);
    gm_buf_clear(&f.model);
    if (!rc && out_size) *out_size = size;
    return rc;
}

/* ---- the target ---------------------------------------------------------------------------------------------------- */

typedef struct conf {
    const char *name;
    bool with_main;
} conf;

static const gm_param params[] = {
    { "name", GM_PARAM_STR, offsetof(conf, name), "", "before all names in the file; the model's", 0, 0, NULL },
    { "main", GM_PARAM_BOOL, offsetof(conf, with_main), "false", "add a main() that reads rows of CSV, to try it", 0, 0, NULL },
    { 0 },
};

static gm_rc write(const void *opaque, const gm_target_in *in, gm_arena *a, gm_buf *report, gm_err *err)
{
    const conf *c = opaque;
    gm_scorer s;
    gm_buf text = { 0 };
    gm_edge_size size;
    gm_rc rc = gm_scorer_package(in->package_dir, a, &s, err);
    if (rc) return rc;
    if (!s.program) {
        rc = gm_err_set(err, GM_EUNSUPPORTED, "a model that came as ONNX cannot be written as C");
        gm_err_hint(err, "Linear, xgboost and lightgbm models can.");
        return rc;
    }
    gm_edge_in edge = { .name = c->name[0] ? c->name : in->model,
                        .model = in->model,
                        .version = in->version,
                        .digest = in->digest.hex,
                        .program = s.program,
                        .trees = gm_model_trees(s.model),
                        .linear = gm_model_linear(s.model),
                        .task = s.task,
                        .classes = s.classes,
                        .classes_count = s.classes_count,
                        .with_main = c->with_main };
    rc = gm_edge_write(&edge, a, &text, &size, err);
    if (!rc) rc = gm_target_put(in->out, &text, err);
    gm_buf_clear(&text);
    if (rc) return rc;
    const char *name = gm_c_identifier(a, edge.name);
    gm_buf_printf(report, "wrote %s: %" PRId64 " bytes of tables, at most %" PRId64 " bytes of stack\n", in->out,
                  size.table_bytes, size.stack_bytes);
    gm_buf_printf(report, "next: cc -std=c11 -O2 %s%s -lm, and call %s_predict\n", c->with_main ? "" : "-c ", in->out,
                  name ? name : "");
    return GM_OK;
}

const gm_target gm_target_edge = {
    .item = { .name = "edge",
              .help = "one C11 file with features and model, no heap",
              .params = params,
              .conf_size = sizeof(conf) },
    .write = write,
};
