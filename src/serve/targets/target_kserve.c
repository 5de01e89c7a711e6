/* target_kserve.c - KServe's ServingRuntime and InferenceService, as one YAML file.
 *
 * The model is in the image, or it is fetched by KServe from `storage` (a URI) to /mnt/models, and then one image serves many
 * models.
 */
#include <inttypes.h>

#include "serve/targets/target_write.h"

typedef struct conf {
    const char *name, *image, *namespace, *storage, *cpu, *memory;
    int64_t replicas, replicas_max;
} conf;

static const gm_param params[] = {
    { "name", GM_PARAM_STR, offsetof(conf, name), "", "name of the service and the runtime; the model's", 0, 0, NULL },
    { "image", GM_PARAM_STR, offsetof(conf, image), "", "image with the program, see target image; MODEL:VERSION", 0, 0, NULL },
    { "namespace", GM_PARAM_STR, offsetof(conf, namespace), "default", "namespace", 0, 0, NULL },
    { "storage", GM_PARAM_STR, offsetof(conf, storage), "",
      "where KServe fetches the package from (s3://..., pvc://...); in the image", 0, 0, NULL },
    { "replicas", GM_PARAM_INT, offsetof(conf, replicas), "1", "the fewest pods; 0 scales to none where KServe can", 0, 10000,
      NULL },
    { "replicas_max", GM_PARAM_INT, offsetof(conf, replicas_max), "10", "the most pods", 1, 10000, NULL },
    { "cpu", GM_PARAM_STR, offsetof(conf, cpu), "1", "processors of a pod", 0, 0, NULL },
    { "memory", GM_PARAM_STR, offsetof(conf, memory), "256Mi", "memory of a pod, requested and most", 0, 0, NULL },
    { 0 },
};

/* Texts that stand in the file, checked or quoted. */
typedef struct plan {
    const conf *c;
    const gm_target_in *in;
    const char *name, *namespace, *image, *storage; /* storage NULL = in the image */
    unsigned loops;
} plan;

static gm_rc read_plan(const conf *c, const gm_target_in *in, gm_arena *a, plan *p, gm_err *err)
{
    *p = (plan){ .c = c, .in = in };
    gm_rc rc = gm_target_name(c->name, in->model, a, &p->name, err);
    if (!rc) rc = gm_target_name(c->namespace, "default", a, &p->namespace, err);
    if (!rc) rc = gm_target_image_name(c->image, in, a, &p->image, err);
    if (!rc) rc = gm_target_cpu(c->cpu, &p->loops, err);
    if (!rc) rc = gm_target_memory(c->memory, err);
    if (rc) return rc;
    p->image = gm_target_quoted(p->image, a);
    p->storage = c->storage[0] ? gm_target_quoted(c->storage, a) : NULL;
    if (!p->image || (c->storage[0] && !p->storage)) return gm_err_set(err, GM_ENOMEM, "not enough memory for a deployment");
    if (c->replicas_max < c->replicas)
        return gm_err_set(err, GM_EINVALID, "replicas_max %" PRId64 " is below replicas %" PRId64, c->replicas_max, c->replicas);
    return GM_OK;
}

/* {{.Name}} is KServe's: the name of the InferenceService, which is the model's name in its URLs. */
static void runtime(const plan *p, gm_buf *b)
{
    gm_buf_printf(b,
                  "---\n"
                  "apiVersion: serving.kserve.io/v1alpha1\n"
                  "kind: ServingRuntime\n"
                  "metadata:\n"
                  "  name: \"%s\"\n"
                  "  namespace: \"%s\"\n"
                  "spec:\n"
                  "  annotations:\n"
                  "    prometheus.kserve.io/port: \"%d\"\n"
                  "    prometheus.kserve.io/path: /metrics\n"
                  "  supportedModelFormats:\n"
                  "    - { name: gristmill, version: \"1\", autoSelect: true, priority: 1 }\n"
                  "  protocolVersions: [v1, v2]\n"
                  "  containers:\n"
                  "    - name: kserve-container\n"
                  "      image: %s\n"
                  "      args: [serve, --package, %s, --name, \"{{.Name}}\", --host, 0.0.0.0, --port, \"%d\", --loops, \"%u\", "
                  "--drain_delay, %ds]\n"
                  "      ports:\n"
                  "        - { name: http1, containerPort: %d, protocol: TCP }\n"
                  "      readinessProbe:\n"
                  "        httpGet: { path: /v2/health/ready, port: %d }\n"
                  "        periodSeconds: 2\n"
                  "      livenessProbe:\n"
                  "        httpGet: { path: /v2/health/live, port: %d }\n"
                  "        periodSeconds: 10\n"
                  "        timeoutSeconds: 5\n"
                  "      resources:\n"
                  "        requests: { cpu: \"%s\", memory: \"%s\" }\n"
                  "        limits: { memory: \"%s\" }\n"
                  "      securityContext:\n"
                  "        runAsNonRoot: true\n"
                  "        allowPrivilegeEscalation: false\n"
                  "        readOnlyRootFilesystem: true\n"
                  "        capabilities: { drop: [ALL] }\n"
                  "        seccompProfile: { type: RuntimeDefault }\n",
                  p->name, p->namespace, GM_TARGET_PORT, p->image, p->storage ? "/mnt/models" : "/opt/ml/model", GM_TARGET_PORT,
                  p->loops, GM_TARGET_DRAIN_S, GM_TARGET_PORT, GM_TARGET_PORT, GM_TARGET_PORT, p->c->cpu, p->c->memory,
                  p->c->memory);
}

static void service(const plan *p, gm_buf *b)
{
    gm_buf_printf(b,
                  "---\n"
                  "apiVersion: serving.kserve.io/v1beta1\n"
                  "kind: InferenceService\n"
                  "metadata:\n"
                  "  name: \"%s\"\n"
                  "  namespace: \"%s\"\n"
                  "  annotations:\n"
                  "    gristmill/package: \"sha256:%s\"\n"
                  "spec:\n"
                  "  predictor:\n"
                  "    minReplicas: %" PRId64 "\n"
                  "    maxReplicas: %" PRId64 "\n"
                  "    terminationGracePeriodSeconds: %d\n"
                  "    automountServiceAccountToken: false\n"
                  "    model:\n"
                  "      modelFormat: { name: gristmill, version: \"1\" }\n"
                  "      runtime: \"%s\"\n"
                  "      protocolVersion: v2\n",
                  p->name, p->namespace, p->in->digest.hex, p->c->replicas, p->c->replicas_max, GM_TARGET_STOP_S, p->name);
    if (p->storage) gm_buf_printf(b, "      storageUri: %s\n", p->storage);
}

static gm_rc write_kserve(const void *opaque, const gm_target_in *in, gm_arena *a, gm_buf *report, gm_err *err)
{
    plan p;
    gm_buf b = { 0 };
    gm_rc rc = read_plan(opaque, in, a, &p, err);
    if (rc) return rc;
    gm_buf_printf(&b, "# Written by gristmill deploy --to kserve; package sha256:%s\n", in->digest.hex);
    runtime(&p, &b);
    service(&p, &b);
    rc = gm_target_put(in->out, &b, err);
    gm_buf_clear(&b);
    if (rc) return gm_err_ctx(err, rc, "writing what KServe takes");
    gm_buf_printf(report, "wrote %s for the image %s\n", in->out, p.image);
    if (p.storage) gm_buf_printf(report, "copy the package's files to %s\n", p.storage);
    gm_buf_printf(report,
                  "next, when the image is where the cluster finds it:\n"
                  "  kubectl apply -f %s\n"
                  "  kubectl -n %s wait --for=condition=Ready inferenceservice/%s\n",
                  in->out, p.namespace, p.name);
    return GM_OK;
}

const gm_target gm_target_kserve = {
    .item = { "kserve", "KServe's ServingRuntime and InferenceService, as one YAML file", params, sizeof(conf) },
    .write = write_kserve,
};
