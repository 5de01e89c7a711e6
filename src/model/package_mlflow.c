/* package_mlflow.c - the files of a package that let MLflow's own clients load it. */
#include "package.h"

#include "base/fs.h"

/* Write text to dir/name and release it. */
static gm_rc write_file(const char *dir, const char *name, gm_buf *text, gm_err *err)
{
    gm_arena *scratch = gm_arena_new(0);
    const char *path = scratch ? gm_path_join(scratch, dir, name) : NULL;
    gm_rc rc = path && !text->failed ? gm_fs_write_atomic(path, text->data, text->len, err)
                                     : gm_err_set(err, GM_ENOMEM, "no memory for the package's file \"%s\"", name);
    gm_arena_free(scratch);
    gm_buf_clear(text);
    return rc;
}

static const char *mlflow_type(gm_type t)
{
    switch (t) {
    case GM_TYPE_BOOL: return "boolean";
    case GM_TYPE_INT:
    case GM_TYPE_TIME: return "long";
    case GM_TYPE_FLOAT: return "double";
    case GM_TYPE_STRING: return "string";
    case GM_TYPE_UNKNOWN: break;
    }
    return NULL;
}

/* The columns as MLflow writes them: a JSON text in a YAML scalar. Single quotes are doubled; JSON leaves no line ends. */
static gm_rc signature_text(const gm_signature_column *columns, size_t count, gm_buf *yaml, gm_err *err)
{
    gm_buf text = { 0 };
    gm_json j;
    gm_json_init(&j, &text, false);
    gm_json_array(&j);
    for (size_t i = 0; i < count; i++) {
        const char *type = mlflow_type(columns[i].type);
        if (!type) {
            gm_buf_clear(&text);
            return gm_err_set(err, GM_EINVALID, "column \"%s\" has no type for a signature", columns[i].name);
        }
        gm_json_object(&j);
        gm_json_kstr(&j, "type", type);
        gm_json_kstr(&j, "name", columns[i].name);
        gm_json_kbool(&j, "required", columns[i].required);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    yaml->failed |= text.failed;
    gm_buf_char(yaml, '\'');
    for (const char *c = gm_buf_str(&text); *c; c++) {
        if (*c == '\'') gm_buf_char(yaml, '\'');
        gm_buf_char(yaml, *c);
    }
    gm_buf_text(yaml, "'\n");
    gm_buf_clear(&text);
    return GM_OK;
}

/* The Python side: any Python and libraries from these on can load the model. */
#define PYTHON "3.11"
static const char *const requirements[] = { "mlflow>=3.0", "onnx>=1.15", "onnxruntime>=1.17", "pandas" };
enum { REQUIREMENTS = sizeof(requirements) / sizeof(requirements[0]) };

static gm_rc write_environment(const char *dir, gm_err *err)
{
    gm_buf list = { 0 }, conda = { 0 }, python = { 0 };
    gm_buf_text(&conda, "name: mlflow-env\nchannels:\n- conda-forge\ndependencies:\n- python=" PYTHON "\n- pip\n- pip:\n");
    for (size_t i = 0; i < REQUIREMENTS; i++) {
        gm_buf_printf(&list, "%s\n", requirements[i]);
        gm_buf_printf(&conda, "  - %s\n", requirements[i]);
    }
    gm_buf_text(&python, "python: '" PYTHON "'\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n");
    gm_rc rc = write_file(dir, "requirements.txt", &list, err);
    if (!rc) rc = write_file(dir, "conda.yaml", &conda, err);
    if (!rc) rc = write_file(dir, "python_env.yaml", &python, err);
    gm_buf_clear(&conda);
    gm_buf_clear(&python);
    return rc;
}

gm_rc gm_package_mlmodel(const char *dir, const gm_signature_column *inputs, size_t inputs_count, const gm_signature_column *outputs,
                         size_t outputs_count, gm_err *err)
{
    gm_buf text = { 0 };
    gm_buf_text(&text, "flavors:\n"
                       "  onnx:\n"
                       "    code: null\n"
                       "    data: model.onnx\n"
                       "    onnx_version: 1.15.0\n"
                       "    providers:\n"
                       "    - CPUExecutionProvider\n"
                       "  python_function:\n"
                       "    code: null\n"
                       "    data: model.onnx\n"
                       "    env:\n"
                       "      conda: conda.yaml\n"
                       "      virtualenv: python_env.yaml\n"
                       "    loader_module: mlflow.onnx\n"
                       "    python_version: " PYTHON ".0\n"
                       "mlflow_version: 3.0.0\n"
                       "signature:\n"
                       "  inputs: ");
    gm_rc rc = signature_text(inputs, inputs_count, &text, err);
    gm_buf_text(&text, "  outputs: ");
    if (!rc) rc = signature_text(outputs, outputs_count, &text, err);
    gm_buf_text(&text, "  params: null\n");
    if (!rc) rc = write_file(dir, "MLmodel", &text, err);
    gm_buf_clear(&text);
    if (!rc) rc = write_environment(dir, err);
    return rc;
}
