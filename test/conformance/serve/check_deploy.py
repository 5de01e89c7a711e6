#!/usr/bin/env python3
"""What `gristmill deploy` writes for Kubernetes and KServe, against their own schemas: `check_deploy.py GRISTMILL`.

Needs kubernetes-validate, which carries the API's OpenAPI schemas of each release. KServe's are those of its Go module, which the `go` command
fetches; without it that half is left out, and said. With KUBECONFIG set, an API server is asked too (kubectl apply --dry-run=server).
Unknown fields count as mistakes everywhere; each check is also shown to find a mistake that was put in.
"""
import copy
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import jsonschema
import kubernetes_validate
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "integration"))
import gm  # noqa: E402

KUBERNETES = ("1.27", "1.31", "1.34")
KSERVE = "v0.15.2"
TRAINED = "data: churn.csv\ntarget: churned\npipeline: churn\ntrain: { try: [logistic], split: { by: random } }\n"
VARIANTS = {
    "kubernetes": [[], ["replicas=3", "replicas_max=3"], ["network_policy=true", "cpu=500m", "memory=1Gi", "namespace=ml", "name=yes", "image=r.example/a/b:1"]],
    "kserve": [[], ["storage=s3://models/churn", "replicas=0", "name=on", "namespace=no"]],
}


def documents(p, target, settings, n):
    """Where the file is, and the objects in it."""
    out = f"{target}-{n}.yaml"
    args = ["--set", ",".join(settings)] if settings else []
    result = p.gm("deploy", "churn/1", "--to", target, "--out", out, *args)
    assert result.code == 0, result
    found = list(yaml.safe_load_all(p.read(out)))
    assert all(found), f"{out}: an empty document"
    return p.dir / out, found


def refuses(check, document):
    """Whether the check finds an unknown field, and a text where a number or a map must be."""
    for change in (lambda d: d.setdefault("spec", {}).update(gristmill=1), lambda d: d.update(spec="text")):
        broken = copy.deepcopy(document)
        change(broken)
        try:
            check(broken)
        except Exception:
            continue
        return False
    return True


def check_kubernetes(p):
    count = 0
    for n, settings in enumerate(VARIANTS["kubernetes"]):
        _, found = documents(p, "kubernetes", settings, n)
        for document in found:
            for version in KUBERNETES:
                kubernetes_validate.validate(document, version, strict=True)
                count += 1
            if document["kind"] != "ServiceAccount":
                assert refuses(lambda d: kubernetes_validate.validate(d, "1.34", strict=True), document), document["kind"]
    kinds = {d["kind"] for n in range(len(VARIANTS["kubernetes"])) for d in yaml.safe_load_all(p.read(f"kubernetes-{n}.yaml"))}
    assert kinds == {"ServiceAccount", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"}, kinds
    return count


def strict(schema):
    """The schema with the API server's rule that a field which is not listed is a mistake."""
    if isinstance(schema, dict):
        schema = {k: strict(v) for k, v in schema.items()}
        if schema.get("x-kubernetes-int-or-string"):
            return {"type": ["integer", "string"]}
        if isinstance(schema.get("properties"), dict) and "type" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        return schema
    return [strict(v) for v in schema] if isinstance(schema, list) else schema


def kserve_schemas():
    go = shutil.which("go")
    if not go:
        return None
    with tempfile.TemporaryDirectory() as tmp:
        pathlib.Path(tmp, "go.mod").write_text("module check\n")
        r = subprocess.run([go, "mod", "download", "-json", f"github.com/kserve/kserve@{KSERVE}"], cwd=tmp, capture_output=True, text=True)
    if r.returncode != 0:
        return None
    schemas = {}
    folder = pathlib.Path(json.loads(r.stdout)["Dir"], "config/crd/full")
    for name in ("inferenceservices", "servingruntimes"):
        crd = yaml.safe_load((folder / f"serving.kserve.io_{name}.yaml").read_text())
        for version in crd["spec"]["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            schemas[f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]] = jsonschema.Draft202012Validator(schema)
    return schemas


def check_kserve(p):
    schemas = kserve_schemas()
    count = 0
    for n, settings in enumerate(VARIANTS["kserve"]):
        _, found = documents(p, "kserve", settings, n)
        assert [d["kind"] for d in found] == ["ServingRuntime", "InferenceService"]
        for document in found if schemas else []:
            validator = schemas[document["apiVersion"], document["kind"]]
            validator.validate(document)
            assert refuses(validator.validate, document), document["kind"]
            count += 1
    return count


def ask_server(p):
    """A real API server's own opinion, where there is one."""
    if not os.environ.get("KUBECONFIG") or not shutil.which("kubectl"):
        return 0
    count = 0
    for n, settings in enumerate(VARIANTS["kubernetes"]):
        if "namespace=ml" in settings:
            subprocess.run(["kubectl", "create", "namespace", "ml"], capture_output=True)
        r = subprocess.run(["kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", str(p.dir / f"kubernetes-{n}.yaml")],
                           capture_output=True, text=True)
        assert r.returncode == 0 and "warning" not in r.stderr.lower(), r.stdout + r.stderr
        count += len(r.stdout.splitlines())
    return count


def main():
    gm.PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
    p = gm.Project(TRAINED, **{"churn.csv": gm.churn(400, 7)})
    try:
        result = p.gm("run")
        assert result.code == 0, result
        kubernetes, kserve, served = check_kubernetes(p), check_kserve(p), ask_server(p)
    finally:
        p.close()
    print(f"{kubernetes} objects fit the schemas of Kubernetes {', '.join(KUBERNETES)}; "
          + (f"{kserve} those of KServe {KSERVE}; " if kserve else "KServe's schemas are not here; ")
          + (f"{served} were taken by the API server" if served else "no API server was asked"))


if __name__ == "__main__":
    main()
