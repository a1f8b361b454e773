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


def value_of(spec, name):
    """The value of a variable of a pod's containers."""
    values = [v.get("value") for c in spec["containers"] for v in c.get("env", []) if v["name"] == name]
    return values[0] if values else None


def only_token(volume):
    """Whether all that a projected volume has is a token for somebody else than the API server."""
    sources = volume["projected"]["sources"]
    return all(set(s) == {"serviceAccountToken"} and s["serviceAccountToken"].get("audience") for s in sources)


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
    # The manager asks the API server about callers in that mode alone.
    asks = account.endswith("-manager") and "kubernetes" in (value_of(spec, "DFS_AUTH") or "").split(",")
    needs = account.endswith(("-operator", "-prepare", "-unwatched")) or asks
    if spec.get("automountServiceAccountToken") is not needs:
        yield "an account's token where none is needed, or none where one is"
    if spec.get("enableServiceLinks") is not False:
        yield "has the variables of Services"
    for volume in spec.get("volumes", []):
        if not set(volume) <= {"name", "secret", "persistentVolumeClaim", "emptyDir", "configMap", "projected"}:
            yield f"volume {volume['name']}"
        if "projected" in volume and not only_token(volume):
            yield f"volume {volume['name']}: more than a token"
    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    if len(volumes) != len(set(volumes)):
        yield "a volume is there twice"
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


def callers(things):
    """Where what is there does not fit the way in which the manager knows callers."""
    found = [(t, pod(t)[1]) for t in things if t["kind"] in OURS and t["metadata"]["name"].endswith("-manager")]
    if len(found) != 1:
        yield f"{len(found)} managers"
        return
    thing, spec = found[0]
    # Never left to a default: the address is open.
    ways = (value_of(spec, "DFS_AUTH") or "").split(",")
    if ways not in (["none"], ["tokens:/etc/dfs/clients/tokens"], ["kubernetes"], ["tokens:/etc/dfs/clients/tokens", "kubernetes"]):
        yield f"{name(thing)}: DFS_AUTH={','.join(ways)}"
    asks, file = "kubernetes" in ways, "tokens:/etc/dfs/clients/tokens" in ways
    volumes = {v["name"]: v.get("secret") for v in spec["volumes"]}
    mounts = {m["name"]: m for m in spec["containers"][0]["volumeMounts"]}
    for folder, volume, needed in (("/etc/dfs/clients", "clients", file), ("/etc/dfs/link-key", "link-key", value_of(spec, "DFS_LINK_KEY_FILE"))):
        if (volume in mounts) != bool(needed) or (volume in volumes) != bool(needed):
            yield f"{name(thing)}: {volume} without its use, or its use without it"
        elif needed and (mounts[volume]["mountPath"] != folder or "subPath" in mounts[volume] or not mounts[volume].get("readOnly")):
            yield f"{name(thing)}: {mounts[volume]}"
    for container in spec.get("initContainers", []):
        if {m["name"] for m in container["volumeMounts"]} & {"clients", "link-key"}:
            yield f"{name(thing)}: {container['name']} has what it does not need"
    account = (thing["metadata"]["namespace"], spec["serviceAccountName"])
    delegates = [t for t in things if t["kind"] == "ClusterRoleBinding" and t["roleRef"]["name"] == "system:auth-delegator"]
    subjects = [(s.get("namespace"), s["name"]) for t in delegates for s in t["subjects"]]
    makes_roles = any(t["kind"] == "Role" for t in things)
    if subjects != ([account] if asks and makes_roles else []):
        yield f"system:auth-delegator is bound to {subjects}"
    roles = {t["metadata"]["name"].rsplit("-", 1)[1]: t for t in things if t["kind"] == "ClusterRole" and "-files-" in t["metadata"]["name"]}
    rights = {role: t["rules"] for role, t in roles.items()}
    read, write = ["get", "list"], ["get", "list", "create", "delete"]
    wanted = {"reader": read, "writer": write, "admin": [*write, "admin"]} if asks and makes_roles else {}
    if rights != {role: [{"apiGroups": ["fileserver.dev"], "resources": ["files"], "verbs": verbs}] for role, verbs in wanted.items()}:
        yield f"roles on files: {rights}"
    aggregated = [{k.rsplit("-", 1)[1] for k in t["metadata"]["labels"] if "aggregate-to-" in k} for t in (roles.get(r) for r in ("reader", "writer", "admin")) if t]
    if aggregated and aggregated not in ([set()] * 3, [{"view"}, {"edit"}, {"admin"}]):
        yield f"roles on files go into {aggregated}"
    for check in (t for t in things if t["kind"] == "Pod"):
        own = check["spec"]["serviceAccountName"].endswith("-check")
        sends = value_of(check["spec"], "DFS_BEARER_FILE")
        if (ways != ["none"] and not sends) or own != any("projected" in v for v in check["spec"].get("volumes", [])):
            yield f"{name(check)}: no token, or one of somebody else"
        known = {key(t) for t in things if t["kind"] == "ServiceAccount"}
        if ("ServiceAccount", check["metadata"]["namespace"], check["spec"]["serviceAccountName"]) not in known:
            yield f"{name(check)}: its account is not there"


def tls(things):
    """Where what is there does not fit the way in which the REST API speaks TLS."""
    found = [(t, pod(t)[1]) for t in things if t["kind"] in OURS and t["metadata"]["name"].endswith("-manager")]
    service = [t for t in things if t["kind"] == "Service" and t["metadata"]["name"].endswith("-manager")]
    if len(found) != 1 or len(service) != 1:
        yield f"{len(found)} managers, {len(service)} Services of theirs"
        return
    (thing, spec), service = found[0], service[0]
    namespace = service["metadata"]["namespace"]
    values = [value_of(spec, f"DFS_{v}") for v in ("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "HTTP_PLAIN")]
    cert, _, authorities, plain = values
    secure = cert is not None
    if values[:2] != ["/etc/dfs/http-tls/tls.crt", "/etc/dfs/http-tls/tls.key"] if secure else any(values):
        yield f"{name(thing)}: {values}"
    volumes = {v["name"]: v.get("secret") for v in spec["volumes"]}
    container = spec["containers"][0]
    mounts = {m["name"]: m for m in container["volumeMounts"]}
    for folder, file, needed in (("http-tls", "tls.crt", secure), ("http-client-ca", (authorities or "").rsplit("/", 1)[-1], authorities)):
        if (folder in mounts) != bool(needed) or (folder in volumes) != bool(needed):
            yield f"{name(thing)}: {folder} without its use, or its use without it"
        # A file that is mounted by itself would not change with its Secret.
        elif needed and mounts[folder] != {"name": folder, "mountPath": f"/etc/dfs/{folder}", "readOnly": True}:
            yield f"{name(thing)}: {mounts[folder]}"
        elif needed and file not in [i["path"] for i in volumes[folder]["items"]]:
            yield f"{name(thing)}: {folder} has no {file}"
    if authorities and authorities != f"/etc/dfs/http-client-ca/{volumes['http-client-ca']['items'][0]['key']}":
        yield f"{name(thing)}: {authorities}"
    for other in spec.get("initContainers", []):
        if {m["name"] for m in other["volumeMounts"]} & {"http-tls", "http-client-ca"}:
            yield f"{name(thing)}: {other['name']} has what it does not need"
    # The second port is everywhere or nowhere.
    wanted = {"http": 8000, **({"http-plain": 8080} if plain else {})}
    ports = {p["name"]: p["containerPort"] for p in container["ports"] if p["name"].startswith("http")}
    if ports != wanted or plain not in (None, "[::]:8080"):
        yield f"{name(thing)}: ports {ports}, DFS_HTTP_PLAIN={plain}"
    spoken = [(p["name"], p["targetPort"], p["appProtocol"]) for p in service["spec"]["ports"]]
    if spoken != [("http", "http", "https" if secure else "http")] + ([("http-plain", "http-plain", "http")] if plain else []):
        yield f"{name(service)}: {spoken}"
    policy = [t for t in things if t["kind"] == "NetworkPolicy" and t["metadata"]["name"] == thing["metadata"]["name"]]
    for rule in (r for t in policy for r in t["spec"]["ingress"]):
        reached = [p["port"] for p in rule["ports"]]
        if (8000 in reached or 8080 in reached) and reached != list(wanted.values()):
            yield f"clients reach the ports {reached}"
    certificates = [t for t in things if t["kind"] == "Certificate" and "dnsNames" in t["spec"]]
    # Nobody else makes a Secret of this name.
    if len(certificates) != (secure and volumes["http-tls"]["secretName"].endswith("-http-tls")):
        yield f"{len(certificates)} certificates"
    own = service["metadata"]["name"]
    names = {own, *(f"{own}.{namespace}{end}" for end in ("", ".svc", ".svc.cluster.local")), "localhost"}
    for certificate in certificates:
        made = certificate["spec"]
        if not names <= set(made["dnsNames"]) or len(made["dnsNames"]) != len(set(made["dnsNames"])):
            yield f"{name(certificate)}: {made['dnsNames']}"
        if not secure or made["secretName"] != volumes["http-tls"]["secretName"]:
            yield f"{name(certificate)}: {made['secretName']} is not what the manager has"
        if made["privateKey"] != {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"} or not made["issuerRef"]["name"]:
            yield f"{name(certificate)}: {made}"
    for check in (t for t in things if t["kind"] == "Pod"):
        url, trusts = check["spec"]["containers"][0]["args"][-1], value_of(check["spec"], "DFS_TLS_CA")
        number = next(p["port"] for p in service["spec"]["ports"])
        direct = f"https://{own}.{namespace}.svc:{number}" if secure else f"http://{own}:{number}"
        if url not in ([direct] if not authorities else []) + ([f"http://{own}:8080"] if plain else []):
            yield f"{name(check)}: {url}"
        files = {v["name"]: v.get("secret") for v in check["spec"].get("volumes", [])}
        if (trusts is not None) != url.startswith("https") or ("http-ca" in files) != bool(trusts):
            yield f"{name(check)}: {url} with DFS_TLS_CA={trusts}"
        elif trusts and (files["http-ca"]["secretName"], [i["path"] for i in files["http-ca"]["items"]]) != (volumes["http-tls"]["secretName"], ["ca.crt"]):
            yield f"{name(check)}: {files['http-ca']}"
    # The account of helm test is there only with its pod.
    accounts = [t for t in things if t["kind"] in ("ServiceAccount", "RoleBinding") and t["metadata"]["name"].endswith("-check")]
    if accounts and not any(t["kind"] == "Pod" for t in things):
        yield "an account of helm test without its pod"


def inner_tls(things):
    """Where managers, operator, its rights and the Job before an upgrade differ about certificates."""
    def of(kind, end):
        return [t for t in things if t["kind"] in kind and t["metadata"]["name"].endswith(end)]

    managers, operators, jobs = of(OURS, "-manager"), of(OURS, "-operator"), of(("Job",), "-prepare")
    if not (len(managers) == len(operators) == len(jobs) == 1):
        yield f"{len(managers)} managers, {len(operators)} operators, {len(jobs)} Jobs"
        return
    (_, manager), (_, operator), (_, job) = pod(managers[0]), pod(operators[0]), pod(jobs[0])
    issued = value_of(operator, "DFS_ISSUER") is not None
    own, ends = [value_of(operator, f"DFS_{v}") for v in ("AUTHORITY_SECRET", "MANAGERS_SECRET")], value_of(operator, "DFS_CERTIFICATE_LIFE")
    lives = [value_of(operator, f"DFS_{v}") for v in ("AUTHORITY_LIFE", "AUTHORITY_SPREAD")]
    asked = [value_of(operator, f"DFS_{v}") for v in ("ISSUER_KIND", "ISSUER_GROUP", "OPERATOR_SECRET")]
    secure, plain = value_of(manager, "DFS_CERTS"), value_of(manager, "DFS_ACCEPT_PLAIN")
    there = [(v is not None, bool(secure and not issued)) for v in own + lives] + [(v is not None, issued) for v in asked]
    if secure not in (None, "/etc/dfs/certs") or (ends is not None) != bool(secure) or (issued and not secure) or any(a != b for a, b in there):
        yield f"DFS_CERTS={secure}, {ends}, {own}, {lives}, {asked}, issued: {issued}"
        return
    without = value_of(operator, "DFS_PLAIN_NODES")
    if {plain, without} - {None, "true"} or (plain and not secure) or (without and not plain):
        yield f"DFS_ACCEPT_PLAIN={plain} with DFS_CERTS={secure} and DFS_PLAIN_NODES={without}"
    checked = [value_of(job, f"DFS_{v}") for v in ("CERTIFICATES", "CERTIFICATES_BY")]
    if checked != ["optional" if plain else "required" if secure else "none", "cert-manager" if issued else None]:
        yield f"the Job checks for {checked}"
    volumes = [v["secret"] for v in manager["volumes"] if v["name"] == "certs"]
    certificates = {t["spec"]["uris"][0].rsplit("/")[-1]: t for t in things if t["kind"] == "Certificate" and "uris" in t["spec"]}
    if sorted(certificates) != (["manager", "operator"] if issued else []):
        yield f"certificates of {sorted(certificates)}"
        return
    made = {role: t["spec"]["secretName"] for role, t in certificates.items()}
    if [v["secretName"] for v in volumes] != ([made["manager"] if issued else own[1]] if secure else []) or made.get("operator") != asked[2]:
        yield f"the managers have {volumes}, the operator reads {asked[2]}, and cert-manager writes {made}"
    for role, thing in certificates.items():
        yield from inner_certificate(thing, role, operators[0])
    if any(sorted(i["path"] for i in files["items"]) != ["ca.crt", "tls.crt", "tls.key"] for files in volumes):
        yield f"the managers have {volumes}"
    for container in manager["containers"] + manager.get("initContainers", []):
        mounted = [m["mountPath"] for m in container["volumeMounts"] if m["name"] == "certs"]
        if mounted != ([secure] if secure else []):
            yield f"{container['name']} has certificates at {mounted}"
    for role in of(("Role",), "-operator"):
        at_home = role["metadata"]["namespace"] == operators[0]["metadata"]["namespace"]
        named = {n: set(r["verbs"]) for r in role["rules"] if "secrets" in r["resources"] for n in r.get("resourceNames", [])}
        lacks = secure and at_home and not ({asked[2]} if issued else set(own)) <= set(named)
        writes = issued and at_home and named.get(asked[2]) != {"get"}
        if lacks or writes or any(n.endswith("-authority") for n in named) != (at_home and bool(secure) and not issued):
            yield f"the operator may do with Secrets: {named}"
        asks = [r["verbs"] for r in role["rules"] if "cert-manager.io" in r["apiGroups"]]
        if asks != ([["get", "list", "create", "patch"]] if issued else []):
            yield f"{name(role)}: may {asks} certificates"


def inner_certificate(thing, role, operator):
    """Where a Certificate of the inner ports is not what proto/src/identity.rs reads."""
    made, release = thing["spec"], operator["metadata"]["labels"]["app.kubernetes.io/instance"]
    if made["uris"] != [f"spiffe://{release}.{operator['metadata']['namespace']}/{role}"] or "dnsNames" in made:
        yield f"{name(thing)}: {made}"
    lasts, before = (int(re.fullmatch("([0-9]+)s", made[v])[1]) for v in ("duration", "renewBefore"))
    if lasts < 3600 or before != lasts // 3 or not made["issuerRef"]["name"]:
        yield f"{name(thing)}: {made}"
    if (made["usages"], made["privateKey"]) != (["digital signature", "server auth", "client auth"], {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"}):
        yield f"{name(thing)}: {made['usages']}, {made['privateKey']}"


def clients_policy(things):
    """Who reaches the REST API, where a policy says so."""
    for thing in things:
        if thing["kind"] == "NetworkPolicy" and thing["metadata"]["name"].endswith("-manager"):
            rules = [r for r in thing["spec"]["ingress"] if 8000 in (p["port"] for p in r["ports"])]
            return [rule.get("from") for rule in rules]
    return None


def reach_of(file, wanted):
    """Whether the policy lets in who is wanted, as JSON."""
    found = clients_policy(read(file))
    if found != json.loads(wanted):
        yield f"{found} are let in"


def policed(things):
    """Where policies hold for pods that are not theirs, or leave out what goes out."""
    about = [t for t in things if t["kind"] == "NetworkPolicy"]
    for thing in about:
        spec = thing["spec"]
        selector = spec["podSelector"]["matchLabels"].items()
        own = [name(t) for t in things if pod(t) and selector <= pod(t)[0]["labels"].items()]
        # The Jobs of the hooks and the pod of helm test may call whom they need.
        if [o for o in own if o.split()[0] not in OURS] or len(own) != 1:
            yield f"{name(thing)}: selects {own}"
        if ("Egress" in spec["policyTypes"]) != ("egress" in spec):
            yield f"{name(thing)}: {spec['policyTypes']}"
        for rule in spec.get("egress", []):
            # A name is looked up where a connection goes to.
            if not all(isinstance(p["port"], int) for p in rule.get("ports", [])):
                yield f"{name(thing)}: {rule['ports']}"
        # In the policies of manager and operator or in none.
        if "egress" not in spec and any("egress" in t["spec"] for t in about):
            yield f"{name(thing)}: no rule for what goes out"


def peer(value):
    """A destination in a word."""
    if "ipBlock" in value:
        return value["ipBlock"]["cidr"]
    labels = value.get("podSelector", {}).get("matchLabels", {})
    among = [e["values"] for e in value.get("namespaceSelector", {}).get("matchExpressions", [])]
    within = [f" of {','.join(values)}" for values in among]
    return (labels.get("app.kubernetes.io/component") or json.dumps(value, sort_keys=True)) + "".join(within)


def rule(value):
    """What a rule lets out, in a few words: DNS, or TCP ports and where they may be."""
    ports = [(p["port"], p["protocol"]) for p in value.get("ports", [])]
    if value.keys() == {"ports"} and ports == [(port, way) for port in (53, 5353) for way in ("UDP", "TCP")]:
        return "dns"
    said = ",".join(str(port) if way == "TCP" else f"{port}/{way}" for port, way in ports)
    return " ".join([said, *(f"to {peer(p)}" for p in value.get("to", []))])


def egress_of(file, *wanted):
    """Whether manager, operator and nodes reach what is wanted."""
    things = read(file)
    found = []
    for part in ("manager", "operator"):
        own = [t["spec"] for t in things if t["kind"] == "NetworkPolicy" and t["metadata"]["name"].endswith(f"-{part}")]
        rules = [r for spec in own for r in spec.get("egress", [])]
        limited = any("Egress" in spec["policyTypes"] for spec in own)
        found.append(f"{part}: " + ("; ".join(rule(r) for r in rules) if limited else "anything"))
    operator = [pod(t)[1] for t in things if t["kind"] == "Deployment" and t["metadata"]["name"].endswith("-operator")]
    for spec in operator:
        flags = [value_of(spec, "DFS_NODE_EGRESS"), value_of(spec, "DFS_NODE_EGRESS_EXTRA")]
        found.append("nodes: " + " ".join(flag for flag in flags if flag is not None))
    for line in wanted:
        if line not in found:
            yield f"not {line!r}, but {found}"


def objects(file):
    """What is wrong with a render."""
    things = read(file)
    yield from callers(things)
    yield from tls(things)
    yield from inner_tls(things)
    yield from policed(things)
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
    free = {"annotations", "labels", "objects", "affinity", "nodeSelector", "matchLabels", "resources", "valueFrom", "podAnnotations", "quantities"}

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
    checks = {"objects": objects, "reach": reach_of, "egress": egress_of, "same-pods": same_pods, "apart": apart, "plain": plain, "families": families, "policies": policies, "schema": schema}
    faults = list(checks[sys.argv[1]](*sys.argv[2:]))
    print(*faults, sep="\n")
    sys.exit(1 if faults else 0)


main()
