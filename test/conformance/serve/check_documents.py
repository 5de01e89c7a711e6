#!/usr/bin/env python3
"""What other programs read of a server: /metrics by Prometheus's parsers and rules, /openapi.json by its validator: `check_documents.py GRISTMILL`.

The rules are those of `promtool check metrics`; promtool itself is asked as well where it is installed.
"""
import collections
import re
import shutil
import subprocess
import sys

import peer

peer.run_in("clients")

import jsonschema  # noqa: E402
import openapi_spec_validator  # noqa: E402
from prometheus_client.parser import text_string_to_metric_families as parse  # noqa: E402
from served import Served  # noqa: E402

NOT_BASE = ("milliseconds", "microseconds", "nanoseconds", "minutes", "hours", "days", "kilobytes", "megabytes", "gigabytes", "bits", "percent",
            "millis", "ms", "us")
LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)( -?\d+)?')
PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count", "")}


def problems(text):
    """What `promtool check metrics` and the text format's own words have against it."""
    found, types, helps, closed, current, seen = [], {}, {}, set(), None, set()
    for number, line in enumerate(text.split("\n")[:-1], 1):
        comment = re.fullmatch(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)", line)
        match = None if comment else LINE.fullmatch(line)
        if not comment and not match:
            found.append(f"line {number} is no line of the format: {line}")
            continue
        if comment:
            kind, name, rest = comment.groups()
            known = helps if kind == "HELP" else types
            if name in known:
                found.append(f"{name}: a second {kind}")
            known[name] = rest
            family = name
        else:
            name = match[1]
            family = next((f for f, t in types.items() if name in [f + p for p in PARTS.get(t, ("",))]), None)
            if family is None:
                found.append(f"{name}: no TYPE before it")
                continue
            if (name, match[2]) in seen:
                found.append(f"{name}{match[2]} stands twice")
            seen.add((name, match[2]))
            float(match[3])
        if family != current:
            if family in closed:
                found.append(f"{family}: its lines are not together")
            closed.add(current)
            current = family
    if not text.endswith("\n"):
        found.append("the last line has no end")
    for name, kind in types.items():
        if name not in helps:
            found.append(f"{name}: no HELP")
        if kind == "counter" and not name.endswith("_total"):
            found.append(f"{name}: a counter's name ends in _total")
        if kind != "counter" and name.endswith("_total"):
            found.append(f"{name}: only a counter's name ends in _total")
        if name.endswith(("_bucket", "_sum", "_count", "_info")) and not (name.endswith("_info") and kind == "gauge"):
            found.append(f"{name}: its ending is that of a part")
        if re.search(r"[A-Z:]", name) or kind in name.split("_"):
            found.append(f"{name}: capitals, colons and the type do not belong into a name")
        if any(word in NOT_BASE for word in name.split("_")):
            found.append(f"{name}: not in base units")
    return found


def histogram_problems(text):
    """Buckets that ascend and accumulate up to +Inf = count."""
    found, series = [], collections.defaultdict(dict)
    for family in parse(text):
        if family.type == "histogram":
            for s in family.samples:
                labels = tuple(sorted((k, v) for k, v in s.labels.items() if k != "le"))
                series[family.name, labels][s.name.removeprefix(family.name), float(s.labels["le"]) if "le" in s.labels else None] = s.value
    for name, values in series.items():
        bounds = [le for part, le in values if part == "_bucket"]
        counts = [values["_bucket", le] for le in bounds]
        if bounds != sorted(bounds) or counts != sorted(counts) or not bounds or bounds[-1] != float("inf"):
            found.append(f"{name}: buckets do not ascend to +Inf")
        elif values.get(("_count", None)) != counts[-1] or ("_sum", None) not in values:
            found.append(f"{name}: count or sum does not fit the buckets")
    return found, len(series)


def check_the_rules_find_mistakes(a):
    """Each of these breaks one rule."""
    for text in ("a 1\n", "# TYPE a counter\n# HELP a x\na 1\n", "# HELP a_total x\n# TYPE a_total gauge\na_total 1\n", "# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1\n",
                 "# TYPE a gauge\na 1\n", "# HELP a x\n# TYPE a gauge\na 1\na 1\n", "# HELP a x\n# TYPE a gauge\na 1", '# HELP a x\n# TYPE a gauge\na{b="\n"} 1\n',
                 "# HELP a x\n# TYPE a gauge\n# HELP b x\n# TYPE b gauge\na 1\nb 1\na{} 2\n"):
        assert problems(text), text
    broken = '# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} 3\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\n'
    assert not problems(broken) and histogram_problems(broken)[0]


def check_metrics(a):
    """Before and after requests of every sort, so that labels have values."""
    s = a.server
    first = s.get("/metrics")
    s.post("/v1/models/churn:predict", {"instances": a.rows})
    s.post("/v1/models/churn:predict", {"instances": [{**a.rows[0], "plan": 'go"ld\\\n', "monthly": None, "age": 900}]})
    s.post("/v1/models/churn:predict", {"instances": [{}]})
    s.post("/invocations", b"\x00", {"Content-Type": "text/csv"})
    s.get("/nowhere")
    for reply in (first, s.get("/metrics")):
        assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4"), reply.headers
        text = reply.body.decode()
        found = problems(text)
        bad, histograms = histogram_problems(text)
        assert not found and not bad, "\n".join(found + bad)
        families = list(parse(text))
        assert histograms and all(f.name.startswith(("gristmill_", "process_")) for f in families), [f.name for f in families]
        if promtool := shutil.which("promtool"):
            asked = subprocess.run([promtool, "check", "metrics"], input=reply.body, capture_output=True)
            assert asked.returncode == 0, asked.stderr.decode() + asked.stdout.decode()
    values = {(m.name, tuple(sorted(m.labels.items()))): m.value for f in families for m in f.samples}
    assert sum(v for (n, _), v in values.items() if n == "gristmill_inference_rows_total") == len(a.rows) + 1
    return f"{len(families)} families, {len(values)} series" + (", promtool agrees" if shutil.which("promtool") else "; promtool is not installed")


def check_openapi(a):
    document = a.server.get("/openapi.json").json()
    openapi_spec_validator.validate(document)
    broken = {**document, "paths": {"no-slash": {"get": {}}}}
    try:
        openapi_spec_validator.validate(broken)
    except Exception:
        pass
    else:
        raise AssertionError("the validator finds nothing wrong")
    schemas = [s for n, s in document["components"]["schemas"].items() if "age" in s.get("properties", {})]
    assert schemas, list(document["components"]["schemas"])
    for schema in schemas:
        checker = jsonschema.Draft202012Validator(schema)
        for row in a.rows:
            checker.validate(row)
        assert not checker.is_valid({**a.rows[0], "age": "old"}) and not checker.is_valid({})
    ids = [o["operationId"] for p in document["paths"].values() for o in p.values() if isinstance(o, dict) and "operationId" in o]
    assert len(ids) == len(set(ids)), "two operations share an id"
    for path, methods in document["paths"].items():
        real = re.sub(r"\{model\}", "churn", re.sub(r"\{version\}", "2", re.sub(r"\{region\}", "r", path)))
        if "get" in methods:
            status = a.server.get(real).status
            assert {str(status), f"{status // 100}XX"} & set(methods["get"]["responses"]), (path, status)
            assert status != 404 or "region" in path, path
    return f"{len(document['paths'])} paths"


CHECKS = [check_the_rules_find_mistakes, check_metrics, check_openapi]

if __name__ == "__main__":
    with Served("--log", "off") as served:
        code = peer.run(CHECKS, "metrics and OpenAPI", served)
    sys.exit(code)
