/* target_vertex.c - what Google's Vertex AI takes: an image with the model, and the flags of `gcloud ai models upload`.
 *
 * Vertex AI tells the server its port and routes in AIP_HTTP_PORT, AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE, and takes the routes
 * from here.
 */
#include <inttypes.h>

#include "serve/targets/oci.h"

typedef struct conf {
    const char *name, *image, *region, *machine;
    int64_t replicas, replicas_max;
} conf;

static const gm_param params[] = {
    { "name", GM_PARAM_STR, offsetof(conf, name), "", "name of the model there; the model's", 0, 0, NULL },
    { "image", GM_PARAM_STR, offsetof(conf, image), NULL,
      "where the image will be: REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG", 0, 0, NULL },
    { "region", GM_PARAM_STR, offsetof(conf, region), NULL, "region, such as europe-west1", 0, 0, NULL },
    { "machine", GM_PARAM_STR, offsetof(conf, machine), "n2-standard-2", "kind of machine", 0, 0, NULL },
    { "replicas", GM_PARAM_INT, offsetof(conf, replicas), "1", "the fewest machines", 1, 10000, NULL },
    { "replicas_max", GM_PARAM_INT, offsetof(conf, replicas_max), "3", "the most machines", 1, 10000, NULL },
    { 0 },
};

/* Texts of the two files, checked and quoted. */
typedef struct plan {
    const char *name, *image, *image_quoted, *region, *machine, *model;
} plan;

static gm_rc read_plan(const conf *c, const gm_target_in *in, gm_arena *a, plan *p, gm_err *err)
{
    gm_rc rc = gm_target_name(c->name, in->model, a, &p->name, err);
    if (!rc) rc = gm_target_image_name(c->image, in, a, &p->image, err);
    if (!rc && !c->region[0]) rc = gm_err_set(err, GM_EINVALID, "the region is empty");
    if (!rc) rc = gm_target_name(c->region, "", a, &p->region, err);
    if (!rc) rc = gm_target_name(c->machine, "", a, &p->machine, err);
    if (!rc && c->replicas_max < c->replicas)
        rc = gm_err_set(err, GM_EINVALID, "replicas_max %" PRId64 " is below replicas %" PRId64, c->replicas_max, c->replicas);
    if (rc) return rc;
    p->image_quoted = gm_target_quoted(p->image, a);
    p->model = gm_arena_printf(a, "%s version %s, package sha256:%s", in->model, in->version ? in->version : "", in->digest.hex);
    p->model = p->model ? gm_target_quoted(p->model, a) : NULL;
    return p->image_quoted && p->model ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for a deployment");
}

static gm_rc put_image(const gm_stage *s, const gm_target_in *in, const plan *p, gm_err *err)
{
    gm_oci_image image;
    gm_buf b = { 0 };
    gm_rc rc = gm_oci_build(in, p->image, false, s->a, &image, err);
    if (!rc) rc = gm_oci_archive(&image, &b, err);
    if (!rc) rc = gm_stage_put(s, "image.tar", b.data, b.len, 0644, err);
    gm_buf_clear(&b);
    return rc;
}

static gm_rc put_flags(const gm_stage *s, const conf *c, const gm_target_in *in, const plan *p, gm_err *err)
{
    gm_buf b = { 0 };
    gm_buf_printf(&b,
                  "--region: \"%s\"\n"
                  "--display-name: \"%s\"\n"
                  "--description: %s\n"
                  "--container-image-uri: %s\n"
                  "--container-ports: [%d]\n"
                  "--container-health-route: /vertex/health\n"
                  "--container-predict-route: /vertex/predict\n"
                  "--labels: { gristmill-package: \"%.12s\" }\n",
                  p->region, p->name, p->model, p->image_quoted, GM_TARGET_PORT, in->digest.hex);
    gm_rc rc = b.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for a deployment")
                        : gm_stage_put(s, "upload.yaml", b.data, b.len, 0644, err);
    gm_buf_clear(&b);
    if (rc) return rc;
    gm_buf_printf(&b,
                  "--region: \"%s\"\n--display-name: \"%s\"\n--machine-type: \"%s\"\n--min-replica-count: %" PRId64
                  "\n--max-replica-count: %" PRId64 "\n--traffic-split: { \"0\": 100 }\n",
                  p->region, p->name, p->machine, c->replicas, c->replicas_max);
    rc = b.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for a deployment")
                  : gm_stage_put(s, "deploy.yaml", b.data, b.len, 0644, err);
    gm_buf_clear(&b);
    return rc;
}

static gm_rc write_vertex(const void *opaque, const gm_target_in *in, gm_arena *a, gm_buf *report, gm_err *err)
{
    plan p;
    gm_stage s;
    gm_rc rc = read_plan(opaque, in, a, &p, err);
    if (!rc) rc = gm_stage_begin(in->out, a, &s, err);
    if (rc) return rc;
    rc = put_image(&s, in, &p, err);
    if (!rc) rc = put_flags(&s, opaque, in, &p, err);
    rc = gm_stage_end(&s, rc, err);
    if (rc) return gm_err_ctx(err, rc, "writing what Vertex AI takes");
    gm_buf_printf(report,
                  "wrote image.tar, upload.yaml and deploy.yaml to %s\n"
                  "next:\n"
                  "  skopeo copy oci-archive:%s/image.tar docker://%s\n"
                  "  gcloud ai models upload --flags-file=%s/upload.yaml\n"
                  "  gcloud ai endpoints create --region=%s --display-name=%s\n"
                  "  gcloud ai endpoints deploy-model ENDPOINT_ID --model=MODEL_ID --flags-file=%s/deploy.yaml\n",
                  s.out, s.out, p.image, s.out, p.region, p.name, s.out);
    return GM_OK;
}

const gm_target gm_target_vertex = {
    .item = { "vertex", "Google Vertex AI: an image with the model, and the flags that upload it", params, sizeof(conf) },
    .write = write_vertex,
};
