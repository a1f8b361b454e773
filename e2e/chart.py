"""What e2e/chart wants to know of rendered manifests, given as JSON."""

import json
import re
import sys

OURS = ("Deployment", "StatefulSet")


def read(file):
    """The objects of a file, one after another."""
    text, at, objects = open(file, encoding="utf-8").read(), 0, []
    while at < len(text.rstrip()):
        value, at = json.JSONDecoder().raw_decode(text, at)
        objects.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return objects


def name(thing):
    return f"{thing['kind']} {thing['metadata']['name']}"


def key(thing):
    return (thing["kind"], thing["metadata"].get("namespace", ""), thing["metadata"]["name"])


def pod(thing):
    """The pod that an object makes, as (metadata, spec)."""
    if thing["kind"] == "Pod":
        return thing["metadata"], thing["spec"]
    template = thing.get("spec", {}).get("template") if thing["kind"] in (*OURS, "Job") else None
    return (template["metadata"], template["spec"]) if template else None


def restricted(thing, spec):
    """What a pod lacks of the restricted standard, and of our own."""
    context = spec["securityContext"]
    if not context.get("runAsNonRoot"):
        yield "may run as root"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "no seccomp profile"
    if "fsGroup" in context and context.get("fsGroupChangePolicy") != "OnRootMismatch":
        yield "walks through volumes"
    if spec.get("hostNetwork") or spec.get("hostPID") or spec.get("hostIPC"):
        yield "is in the host's namespaces"
    account = spec.get("serviceAccountName", "")
    needs = account.endswith(("-operator", "-prepare", "-unwatched"))
    if spec.get("automountServiceAccountToken") is not needs:
        yield "an account's token where none is needed, or none where one is"
    if spec.get("enableServiceLinks") is not False:
        yield "has the variables of Services"
    for volume in spec.get("volumes", []):
        if not set(volume) <= {"name", "secret", "persistentVolumeClaim", "emptyDir", "configMap"}:
            yield f"volume {volume['name']}"
    for container in spec["containers"] + spec.get("initContainers", []):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False:
            yield "may gain privileges"
        if not own.get("readOnlyRootFilesystem"):
            yield "may write to its root"
        if own.get("capabilities") != {"drop": ["ALL"]}:
            yield "has capabilities"
        if not container.get("resources"):
            yield "asks for no resources"
        names = [variable["name"] for variable in container.get("env", [])]
        if len(names) != len(set(names)):
            yield "a variable is set twice"
        for variable in container.get("env", []):
            if re.search(r"mongodb.*://", variable.get("value") or ""):
                yield "a URL in the environment"


def reach(value):
    """Every string in a rule."""
    return [text for field in value.values() for text in field]


def objects(file):
    """What is wrong with a render."""
    things = read(file)
    keys = [key(thing) for thing in things]
    for twice in sorted({k for k in keys if keys.count(k) > 1}):
        yield f"{twice} is there twice"
    for thing in things:
        labels, kind = thing["metadata"]["labels"], thing["kind"]
        for label in ("name", "instance", "component"):
            if f"app.kubernetes.io/{label}" not in labels:
                yield f"{name(thing)}: no label {label}"
        if kind != "Pod" and not {"helm.sh/chart", "app.kubernetes.io/version"} <= set(labels):
            yield f"{name(thing)}: no label of a version"
        most = 63 if kind in ("Service", "Pod") else 52 if kind == "StatefulSet" else 253
        if len(thing["metadata"]["name"]) > most:
            yield f"{name(thing)}: longer than {most}"
        if kind == "Service" and not re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", thing["metadata"]["name"]):
            yield f"{name(thing)}: no name for a Service"
        if "namespace" not in thing["metadata"] and "files." not in thing["metadata"]["name"]:
            yield f"{name(thing)}: does not name its namespace"
        if kind == "CustomResourceDefinition":
            yield "a CRD among the templates"
        for rule in thing.get("rules", []) if kind in ("Role", "ClusterRole") else []:
            if any("*" in text for text in reach(rule)):
                yield f"{name(thing)}: a wildcard"
            if "statefulsets" in rule["resources"] and "delete" in rule["verbs"]:
                yield f"{name(thing)}: may delete StatefulSets"
            reads = {"get", "list", "watch", "patch", "update"} & set(rule["verbs"])
            if "secrets" in rule["resources"] and reads and not rule.get("resourceNames"):
                yield f"{name(thing)}: may read every Secret"
            # Hooks run at once where the chart is applied as a plain manifest.
            if any(r.startswith("deployments") for r in rule["resources"]) and not {"get", "list", "watch"} >= set(rule["verbs"]):
                yield f"{name(thing)}: may stop the operator"
        found = pod(thing)
        if not found:
            continue
        metadata, spec = found
        for fault in restricted(thing, spec):
            yield f"{name(thing)}: {fault}"
        if kind in OURS and any(label.startswith("helm.sh/") for label in metadata["labels"]):
            yield f"{name(thing)}: a version in its pods"
        selector = thing["spec"].get("selector", {}).get("matchLabels", {})
        if not selector.items() <= metadata["labels"].items():
            yield f"{name(thing)}: does not select its own pods"


def same_pods(old, new):
    """Which pods and claims differ between two versions of the chart."""
    def parts(file):
        specs = {key(t): t["spec"] for t in read(file) if t["kind"] in OURS}
        return {k: {f: s.get(f) for f in ("template", "selector", "volumeClaimTemplates", "serviceName")} for k, s in specs.items()}
    before, after = parts(old), parts(new)
    if len(before) != 2 or set(before) != set(after):
        yield f"{sorted(before)} became {sorted(after)}"
    for each in before:
        if before[each] != after.get(each):
            yield f"{each} differs"


def apart(*files):
    """Which objects several releases would share."""
    seen = {}
    for file in files:
        for thing in read(file):
            if key(thing) in seen:
                yield f"{name(thing)} is in {seen[key(thing)]} and {file}"
        seen.update({key(thing): file for thing in read(file)})


def plain(file):
    """What harm a render would do where all of it is applied as it is, hooks too."""
    for thing in read(file):
        found = pod(thing)
        if not found:
            continue
        for container in found[1]["containers"] + found[1].get("initContainers", []):
            if container["args"][0] not in ("serve", "run", "rebuild", "prepare", "leave", "check"):
                yield f"{name(thing)}: {container['args']} is not known to do no harm"
        if thing["kind"] == "Job" and not thing["spec"].get("ttlSecondsAfterFinished"):
            yield f"{name(thing)}: stays, and the next version can't be applied"


def families(file):
    """Where a render is bound to one family of addresses."""
    listens = 0
    for thing in read(file):
        if pod(thing):
            for container in pod(thing)[1]["containers"]:
                for variable in container.get("env", []):
                    if re.search(r"\b[0-9]+(\.[0-9]+){3}\b", variable.get("value", "")):
                        yield f"{name(thing)}: {variable['name']}={variable['value']}"
                    listens += variable.get("value", "").startswith("[::]:")
        if thing["kind"] == "Service" and thing["spec"].get("ipFamilies", ["IPv6", "IPv4"]) != ["IPv6", "IPv4"]:
            yield f"{name(thing)}: {thing['spec']['ipFamilies']}"
    if listens < 4:
        yield f"{listens} addresses are listened on"


def policies(file, owner):
    """Which admission policies do not name whose objects they are about."""
    about = [t for t in read(file) if t["kind"] == "ValidatingAdmissionPolicy"]
    if not about:
        yield "no policies"
    for thing in about:
        resources = reach({"all": [r for rule in thing["spec"]["matchConstraints"]["resourceRules"] for r in rule["resources"]]})
        # A Scale has neither labels nor annotations of the object.
        if resources != ["statefulsets/scale"] and f"'{owner}'" not in json.dumps(thing["spec"]["matchConditions"]):
            yield f"{name(thing)}: does not name {owner}"


def schema(file):
    """Where a schema lets a misspelt name pass."""
    # Objects whose names are Kubernetes's or a person's own.
    free = {"annotations", "labels", "objects", "affinity", "nodeSelector", "resources", "valueFrom", "podAnnotations", "quantities"}

    def walk(value, path):
        if isinstance(value, dict):
            # What lies in `global` is other charts' too, but for names nearly ours.
            if path == ["properties", "global"] and "propertyNames" in value:
                pass
            elif value.get("type") == "object" and value.get("additionalProperties") is not False:
                if not any(part in free for part in path):
                    yield "/".join(path)
            for part, inner in value.items():
                if part not in ("if", "then", "else"):
                    yield from walk(inner, [*path, part])

    yield from walk(json.load(open(file, encoding="utf-8")), [])


def main():
    checks = {"objects": objects, "same-pods": same_pods, "apart": apart, "plain": plain, "families": families, "policies": policies, "schema": schema}
    faults = list(checks[sys.argv[1]](*sys.argv[2:]))
    print(*faults, sep="\n")
    sys.exit(1 if faults else 0)


main()
