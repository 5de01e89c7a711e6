/* target_sagemaker.c - what Amazon SageMaker takes: the image of the program, the model as an archive, and the requests that make
 * an endpoint.
 *
 *   image.tar             for the account's registry; without the model
 *   model.tar.gz          for the bucket: SageMaker unpacks it to /opt/ml/model and starts `IMAGE serve`
 *   create-*.json         inputs of the AWS command line, in this order: model, endpoint-config, endpoint
 */
#include <inttypes.h>
#include <string.h>

#include "serve/targets/oci.h"
#include "serve/targets/tar.h"

typedef struct conf {
    const char *name, *image, *model_data, *role, *instance;
    int64_t instances;
} conf;

static const gm_param params[] = {
    { "name", GM_PARAM_STR, offsetof(conf, name), "", "name of model and endpoint; the model's", 0, 0, NULL },
    { "image", GM_PARAM_STR, offsetof(conf, image), NULL,
      "where the image will be: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG", 0, 0, NULL },
    { "model_data", GM_PARAM_STR, offsetof(conf, model_data), NULL, "where the model will be: s3://BUCKET/KEY/model.tar.gz", 0, 0,
      NULL },
    { "role", GM_PARAM_STR, offsetof(conf, role), NULL, "role that may read both: arn:aws:iam::ACCOUNT:role/NAME", 0, 0, NULL },
    { "instance", GM_PARAM_STR, offsetof(conf, instance), "ml.c7i.large", "kind of machine", 0, 0, NULL },
    { "instances", GM_PARAM_INT, offsetof(conf, instances), "1", "how many machines", 1, 10000, NULL },
    { 0 },
};

/* What is being written. */
typedef struct work {
    const conf *c;
    const gm_target_in *in;
    const char *name, *image, *version_name;
    gm_stage s;
} work;

static gm_rc starts_with(const char *text, const char *start, const char *what, gm_err *err)
{
    if (strncmp(text, start, strlen(start)) == 0) return GM_OK;
    return gm_err_set(err, GM_EINVALID, "%s is \"%.100s\", expected %s...", what, text, start);
}

static gm_rc read_work(const conf *c, const gm_target_in *in, gm_arena *a, work *w, gm_err *err)
{
    *w = (work){ .c = c, .in = in };
    gm_rc rc = gm_target_name(c->name, in->model, a, &w->name, err);
    if (!rc) rc = gm_target_image_name(c->image, in, a, &w->image, err);
    if (!rc) rc = starts_with(c->model_data, "s3://", "model_data", err);
    if (!rc) rc = starts_with(c->role, "arn:", "role", err);
    /* Models and configurations are never changed there, only replaced: each package has its own. */
    if (!rc && !(w->version_name = gm_arena_printf(a, "%s-%.12s", w->name, in->digest.hex)))
        rc = gm_err_set(err, GM_ENOMEM, "not enough memory");
    return rc;
}

static gm_rc put(const work *w, const char *name, gm_buf *b, gm_err *err)
{
    gm_rc rc = b->failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for \"%s\"", name)
                         : gm_stage_put(&w->s, name, b->data, b->len, 0644, err);
    gm_buf_clear(b);
    return rc;
}

static gm_rc put_image(const work *w, gm_err *err)
{
    gm_oci_image image;
    gm_buf b = { 0 };
    gm_rc rc = gm_oci_build(w->in, w->image, true, w->s.a, &image, err);
    if (!rc) rc = gm_oci_archive(&image, &b, err);
    if (!rc) return put(w, "image.tar", &b, err);
    gm_buf_clear(&b);
    return rc;
}

static gm_rc put_model(const work *w, gm_err *err)
{
    gm_target_files files = { 0 };
    gm_buf tar = { 0 }, b = { 0 };
    gm_rc rc = gm_target_package(w->in->package_dir, "", w->s.a, &files, err);
    if (!rc) rc = gm_tar_write(&files, &tar, err);
    if (!rc) rc = gm_gzip(tar.data, tar.len, &b, err);
    gm_buf_clear(&tar);
    if (!rc) return put(w, "model.tar.gz", &b, err);
    gm_buf_clear(&b);
    return rc;
}

static void begin(gm_json *j, gm_buf *b)
{
    gm_json_init(j, b, true);
    gm_json_object(j);
}

static void end(gm_json *j, gm_buf *b)
{
    gm_json_object_end(j);
    gm_buf_char(b, '\n');
}

static gm_rc put_requests(const work *w, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    begin(&j, &b);
    gm_json_kstr(&j, "ModelName", w->version_name);
    gm_json_key(&j, "PrimaryContainer");
    gm_json_object(&j);
    gm_json_kstr(&j, "Image", w->image);
    gm_json_kstr(&j, "ModelDataUrl", w->c->model_data);
    gm_json_object_end(&j);
    gm_json_kstr(&j, "ExecutionRoleArn", w->c->role);
    gm_json_kbool(&j, "EnableNetworkIsolation", true); /* the server calls nobody */
    end(&j, &b);
    gm_rc rc = put(w, "create-model.json", &b, err);
    if (rc) return rc;
    begin(&j, &b);
    gm_json_kstr(&j, "EndpointConfigName", w->version_name);
    gm_json_key(&j, "ProductionVariants");
    gm_json_array(&j);
    gm_json_object(&j);
    gm_json_kstr(&j, "VariantName", "champion");
    gm_json_kstr(&j, "ModelName", w->version_name);
    gm_json_kint(&j, "InitialInstanceCount", w->c->instances);
    gm_json_kstr(&j, "InstanceType", w->c->instance);
    gm_json_object_end(&j);
    gm_json_array_end(&j);
    end(&j, &b);
    rc = put(w, "create-endpoint-config.json", &b, err);
    if (rc) return rc;
    begin(&j, &b);
    gm_json_kstr(&j, "EndpointName", w->name);
    gm_json_kstr(&j, "EndpointConfigName", w->version_name);
    end(&j, &b);
    return put(w, "create-endpoint.json", &b, err);
}

static gm_rc write_sagemaker(const void *opaque, const gm_target_in *in, gm_arena *a, gm_buf *report, gm_err *err)
{
    work w;
    gm_rc rc = read_work(opaque, in, a, &w, err);
    if (!rc) rc = gm_stage_begin(in->out, a, &w.s, err);
    if (rc) return rc;
    rc = put_image(&w, err);
    if (!rc) rc = put_model(&w, err);
    if (!rc) rc = put_requests(&w, err);
    rc = gm_stage_end(&w.s, rc, err);
    if (rc) return gm_err_ctx(err, rc, "writing what SageMaker takes");
    const char *out = w.s.out;
    gm_buf_printf(report,
                  "wrote image.tar, model.tar.gz and the requests to %s\n"
                  "next:\n"
                  "  skopeo copy oci-archive:%s/image.tar docker://%s\n"
                  "  aws s3 cp %s/model.tar.gz %s\n"
                  "  aws sagemaker create-model --cli-input-json file://%s/create-model.json\n"
                  "  aws sagemaker create-endpoint-config --cli-input-json file://%s/create-endpoint-config.json\n"
                  "  aws sagemaker create-endpoint --cli-input-json file://%s/create-endpoint.json   (later: update-endpoint)\n",
                  out, out, w.image, out, w.c->model_data, out, out, out);
    return GM_OK;
}

const gm_target gm_target_sagemaker = {
    .item = { "sagemaker", "Amazon SageMaker: image, model archive and the requests for an endpoint", params, sizeof(conf) },
    .write = write_sagemaker,
};
