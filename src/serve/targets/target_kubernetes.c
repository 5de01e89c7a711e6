/* target_kubernetes.c - one YAML file: Deployment, Service, autoscaler, disruption budget and service account for an image of the
 * model.
 *
 * Ending: a pod is told to end and taken out of the Service at the same time, and the proxies follow a moment later. So the
 * server answers "not ready" first and goes on serving for some seconds, then finishes what it began; the grace period is longer
 * than both.
 */
#include <inttypes.h>

#include "serve/targets/target_write.h"

typedef struct conf {
    const char *name, *image, *namespace, *cpu, *memory;
    int64_t replicas, replicas_max, load;
    bool network_policy;
} conf;

static const gm_param params[] = {
    { "name", GM_PARAM_STR, offsetof(conf, name), "", "name of every object; the model's", 0, 0, NULL },
    { "image", GM_PARAM_STR, offsetof(conf, image), "", "image with the model, see target image; MODEL:VERSION", 0, 0, NULL },
    { "namespace", GM_PARAM_STR, offsetof(conf, namespace), "default", "namespace", 0, 0, NULL },
    { "replicas", GM_PARAM_INT, offsetof(conf, replicas), "2", "pods, and the fewest when they are scaled", 1, 10000, NULL },
    { "replicas_max", GM_PARAM_INT, offsetof(conf, replicas_max), "10", "the most pods; as many as replicas = no autoscaler", 1,
      10000, NULL },
    { "load", GM_PARAM_INT, offsetof(conf, load), "70", "percent of the requested CPU at which pods are added", 1, 100, NULL },
    { "cpu", GM_PARAM_STR, offsetof(conf, cpu), "1", "processors of a pod", 0, 0, NULL },
    { "memory", GM_PARAM_STR, offsetof(conf, memory), "256Mi", "memory of a pod, requested and most", 0, 0, NULL },
    { "network_policy", GM_PARAM_BOOL, offsetof(conf, network_policy), "false",
      "let in only pods of the namespace, and nothing out", 0, 0, NULL },
    { 0 },
};

/* Texts that stand in the file, checked or quoted. */
typedef struct plan {
    const conf *c;
    const gm_target_in *in;
    const char *name, *namespace, *image, *model, *version;
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
    const char *version = gm_target_label(in->version ? in->version : "", a);
    p->image = gm_target_quoted(p->image, a);
    p->model = gm_target_quoted(in->model, a);
    p->version = version ? gm_target_quoted(version, a) : NULL;
    if (!p->image || !p->model || !p->version) return gm_err_set(err, GM_ENOMEM, "not enough memory for a deployment");
    if (c->replicas_max < c->replicas)
        return gm_err_set(err, GM_EINVALID, "replicas_max %" PRId64 " is below replicas %" PRId64, c->replicas_max, c->replicas);
    return GM_OK;
}

/* Begin an object; what follows its metadata comes after. */
static void object(const plan *p, const char *version, const char *kind, gm_buf *b)
{
    gm_buf_printf(
        b,
        "---\napiVersion: %s\nkind: %s\nmetadata:\n  name: \"%s\"\n  namespace: \"%s\"\n  labels:\n"
        "    app.kubernetes.io/name: \"%s\"\n    app.kubernetes.io/version: %s\n    app.kubernetes.io/managed-by: gristmill\n",
        version, kind, p->name, p->namespace, p->name, p->version);
}

static void selector(const plan *p, const char *indent, gm_buf *b)
{
    gm_buf_printf(b, "%smatchLabels:\n%s  app.kubernetes.io/name: \"%s\"\n", indent, indent, p->name);
}

static void account(const plan *p, gm_buf *b)
{
    object(p, "v1", "ServiceAccount", b);
    gm_buf_text(b, "automountServiceAccountToken: false\n");
}

static void container(const plan *p, gm_buf *b)
{
    gm_buf_printf(b,
                  "      containers:\n"
                  "        - name: server\n"
                  "          image: %s\n"
                  "          args: [serve, --package, /opt/ml/model, --name, %s, --host, 0.0.0.0, --port, \"%d\", --loops, "
                  "\"%u\", --drain_delay, %ds]\n"
                  "          ports:\n"
                  "            - { name: http, containerPort: %d }\n"
                  "          startupProbe:\n"
                  "            httpGet: { path: /v2/health/ready, port: http }\n"
                  "            periodSeconds: 1\n"
                  "            failureThreshold: 60\n"
                  "          readinessProbe:\n"
                  "            httpGet: { path: /v2/health/ready, port: http }\n"
                  "            periodSeconds: 2\n"
                  "            failureThreshold: 2\n"
                  "          livenessProbe:\n"
                  "            httpGet: { path: /v2/health/live, port: http }\n"
                  "            periodSeconds: 10\n"
                  "            timeoutSeconds: 5\n"
                  "            failureThreshold: 3\n",
                  p->image, p->model, GM_TARGET_PORT, p->loops, GM_TARGET_DRAIN_S, GM_TARGET_PORT);
    /* No limit on the CPU: its throttling shows as latency, and the request already shares it out. */
    gm_buf_printf(b,
                  "          resources:\n"
                  "            requests: { cpu: \"%s\", memory: \"%s\" }\n"
                  "            limits: { memory: \"%s\" }\n"
                  "          securityContext:\n"
                  "            allowPrivilegeEscalation: false\n"
                  "            readOnlyRootFilesystem: true\n"
                  "            capabilities: { drop: [ALL] }\n",
                  p->c->cpu, p->c->memory, p->c->memory);
}

static void spread(const plan *p, const char *over, gm_buf *b)
{
    gm_buf_printf(b,
                  "        - topologyKey: %s\n          maxSkew: 1\n          whenUnsatisfiable: ScheduleAnyway\n          "
                  "labelSelector:\n",
                  over);
    selector(p, "            ", b);
}

static void deployment(const plan *p, gm_buf *b)
{
    object(p, "apps/v1", "Deployment", b);
    gm_buf_text(b, "spec:\n");
    if (p->c->replicas_max == p->c->replicas) /* else the autoscaler's, which applying the file again must not undo */
        gm_buf_printf(b, "  replicas: %" PRId64 "\n", p->c->replicas);
    gm_buf_text(b, "  selector:\n");
    selector(p, "    ", b);
    gm_buf_printf(b,
                  "  strategy:\n"
                  "    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }\n"
                  "  template:\n"
                  "    metadata:\n"
                  "      labels:\n"
                  "        app.kubernetes.io/name: \"%s\"\n"
                  "        app.kubernetes.io/version: %s\n"
                  "        app.kubernetes.io/managed-by: gristmill\n"
                  "      annotations:\n"
                  "        gristmill/package: \"sha256:%s\"\n"
                  "        prometheus.io/scrape: \"true\"\n"
                  "        prometheus.io/port: \"%d\"\n"
                  "        prometheus.io/path: /metrics\n"
                  "    spec:\n"
                  "      serviceAccountName: \"%s\"\n"
                  "      automountServiceAccountToken: false\n"
                  "      enableServiceLinks: false\n"
                  "      terminationGracePeriodSeconds: %d\n"
                  "      securityContext:\n"
                  "        runAsNonRoot: true\n"
                  "        runAsUser: 65532\n"
                  "        runAsGroup: 65532\n"
                  "        seccompProfile: { type: RuntimeDefault }\n"
                  "      topologySpreadConstraints:\n",
                  p->name, p->version, p->in->digest.hex, GM_TARGET_PORT, p->name, GM_TARGET_STOP_S);
    spread(p, "kubernetes.io/hostname", b);
    spread(p, "topology.kubernetes.io/zone", b);
    container(p, b);
}

static void service(const plan *p, gm_buf *b)
{
    object(p, "v1", "Service", b);
    gm_buf_printf(
        b, "spec:\n  selector:\n    app.kubernetes.io/name: \"%s\"\n  ports:\n    - { name: http, port: 80, targetPort: http }\n",
        p->name);
}

static void autoscaler(const plan *p, gm_buf *b)
{
    if (p->c->replicas_max == p->c->replicas) return;
    object(p, "autoscaling/v2", "HorizontalPodAutoscaler", b);
    gm_buf_printf(b,
                  "spec:\n"
                  "  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: \"%s\" }\n"
                  "  minReplicas: %" PRId64 "\n"
                  "  maxReplicas: %" PRId64 "\n"
                  "  metrics:\n"
                  "    - type: Resource\n"
                  "      resource: { name: cpu, target: { type: Utilization, averageUtilization: %" PRId64 " } }\n"
                  "  behavior:\n"
                  "    scaleDown: { stabilizationWindowSeconds: 300 }\n",
                  p->name, p->c->replicas, p->c->replicas_max, p->c->load);
}

/* One at a time: a minimum of pods would keep a node with the only one from ever being drained. */
static void budget(const plan *p, gm_buf *b)
{
    object(p, "policy/v1", "PodDisruptionBudget", b);
    gm_buf_text(b, "spec:\n  maxUnavailable: 1\n  selector:\n");
    selector(p, "    ", b);
}

static void network(const plan *p, gm_buf *b)
{
    if (!p->c->network_policy) return;
    object(p, "networking.k8s.io/v1", "NetworkPolicy", b);
    gm_buf_text(b, "spec:\n  podSelector:\n");
    selector(p, "    ", b);
    gm_buf_text(b, "  policyTypes: [Ingress, Egress]\n"
                   "  ingress:\n"
                   "    - from: [{ podSelector: {} }]\n"
                   "      ports: [{ port: http }]\n"
                   "  egress: []\n");
}

static gm_rc write_kubernetes(const void *opaque, const gm_target_in *in, gm_arena *a, gm_buf *report, gm_err *err)
{
    plan p;
    gm_buf b = { 0 };
    gm_rc rc = read_plan(opaque, in, a, &p, err);
    if (rc) return rc;
    gm_buf_printf(&b, "# Written by gristmill deploy --to kubernetes.\n# Model %s, package sha256:%s\n", p.model, in->digest.hex);
    account(&p, &b);
    deployment(&p, &b);
    service(&p, &b);
    autoscaler(&p, &b);
    budget(&p, &b);
    network(&p, &b);
    rc = gm_target_put(in->out, &b, err);
    gm_buf_clear(&b);
    if (rc) return gm_err_ctx(err, rc, "writing what Kubernetes takes");
    gm_buf_printf(report,
                  "wrote %s for the image %s\n"
                  "next, when the image is where the cluster finds it:\n"
                  "  kubectl apply -f %s\n"
                  "  kubectl -n %s rollout status deployment/%s\n"
                  "  kubectl -n %s port-forward service/%s 8080:80\n",
                  in->out, p.image, in->out, p.namespace, p.name, p.namespace, p.name);
    return GM_OK;
}

const gm_target gm_target_kubernetes = {
    .item = { "kubernetes", "Deployment, Service, autoscaler and disruption budget, as one YAML file", params, sizeof(conf) },
    .write = write_kubernetes,
};
