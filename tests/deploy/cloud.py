"""What there is in the double's cloud, and what each command of gcloud does to it.

A resource is kept by its project, kind ("sql databases"), parent and name.  Shapes are the
vendor's, as far as the scripts look at them."""
import copy
import json
import pathlib
import re

NUMBER = "123456789"  # of each project
PARENTS = ("--instance", "--zone", "--map", "--job", "--service", "--secret")
NAMED_BY_PATH = {  # kinds whose "name" is a path
    "artifacts repositories", "secrets", "secrets versions", "iam roles", "scheduler jobs",
    "certificate-manager dns-authorizations", "certificate-manager certificates",
    "certificate-manager maps", "certificate-manager maps entries"}


class Refusal(Exception):
    """What a program says on standard error, and the status it ends with."""

    def __init__(self, command, text, status=1):
        super().__init__(f"ERROR: ({command.replace(' ', '.')}) {text}")
        self.status = status


def fail(command, text):
    raise Refusal(command, text)


class Cloud:
    def __init__(self, state, project):
        self.state, self.project = state, project
        self.all = state["projects"][project]

    def run(self, command, names, flags, stdin):
        kind, _, verb = command.rpartition(" ")
        special = re.sub(r"[ -]", "_", command)
        if hasattr(self, special):
            return getattr(self, special)(names, flags, stdin)
        handler = getattr(self, "any_" + verb.replace("-", "_"), None)
        if not handler:
            fail(command, "the double cannot do that")
        return handler(command, kind, names, flags)

    # -- any kind

    def group(self, kind, flags, parent=""):
        for flag in PARENTS:
            if flag in flags and kind not in ("run revisions", "beta run domain-mappings"):
                parent = flags[flag]
        return self.all.setdefault(f"{kind}|{parent}", {})

    def any_list(self, _command, kind, names, flags):
        rows = list(self.group(kind, flags, names[0] if names else "").values())
        if "--filter" in flags:
            key, _, wanted = flags["--filter"].partition("=")
            rows = [row for row in rows if row[key] == wanted]
        return rows

    def any_create(self, command, kind, names, flags):
        name = names[-1]
        there = self.group(kind, flags)
        if name in there:
            fail(command, f"ALREADY_EXISTS: {name}")
        there[name] = self.made(kind, name, flags)
        return []

    def any_describe(self, command, kind, names, flags):
        there = self.group(kind, flags)
        name = names[0] if names else flags["--domain"]
        if name not in there:
            fail(command, f"NOT_FOUND: {name}")
        return [there[name]]

    def any_delete(self, command, kind, names, flags):
        if self.group(kind, flags).pop(names[0], None) is None:
            fail(command, f"NOT_FOUND: {names[0]}")
        return []

    def made(self, kind, name, flags):
        path = f"projects/{NUMBER}/{kind.rsplit(' ', maxsplit=1)[-1]}/{name}"
        return {"name": path if kind in NAMED_BY_PATH else name, "metadata": {"name": name},
                "flags": {k: v for k, v in flags.items() if k not in ("--project", "--quiet")}}

    def any_get_iam_policy(self, _command, kind, names, _flags):
        return [self.all.setdefault(f"policy {kind} {names[0]}", {"bindings": []})]

    def any_add_iam_policy_binding(self, command, kind, names, flags):
        policy, = self.any_get_iam_policy(command, kind, names, flags)
        for binding in policy["bindings"]:
            if binding["role"] == flags["--role"]:
                binding["members"].append(flags["--member"])
                return []
        policy["bindings"].append({"role": flags["--role"], "members": [flags["--member"]]})
        return []

    # -- what behaves otherwise

    def services_list(self, _names, _flags, _stdin):
        return [{"config": {"name": name}} for name in self.all.setdefault("services", [])]

    def services_enable(self, names, _flags, _stdin):
        self.all.setdefault("services", []).extend(names)
        return []

    def iam_service_accounts_create(self, names, flags, _stdin):
        email = f"{names[0]}@{self.project}.iam.gserviceaccount.com"
        self.any_create("iam service-accounts create", "iam service-accounts", [email], flags)
        self.group("iam service-accounts", {})[email]["email"] = email
        return []

    def secrets_versions_add(self, names, flags, stdin):
        there = self.group("secrets versions", {}, names[0])
        if names[0] not in self.group("secrets", {}):
            fail("secrets versions add", f"NOT_FOUND: {names[0]}")
        name = str(len(there) + 1)
        there[name] = {**self.made("secrets versions", name, flags), "state": "ENABLED",
                       "value": stdin}
        return []

    def secrets_versions_access(self, names, flags, _stdin):
        there = self.group("secrets versions", {}, flags["--secret"])
        name = str(len(there)) if names[0] == "latest" else names[0]
        if name not in there:
            fail("secrets versions access", f"NOT_FOUND: {name}")
        return there[name]["value"]

    def beta_run_domain_mappings_create(self, _names, flags, _stdin):
        if flags["--service"] not in self.group("run services", {}):
            fail("beta run domain-mappings create", f"NOT_FOUND: {flags['--service']}")
        self.any_create("beta run domain-mappings create", "beta run domain-mappings",
                        [flags["--domain"]], flags)
        self.group("beta run domain-mappings", {})[flags["--domain"]]["status"] = {
            "resourceRecords": [{"type": "CNAME", "rrdata": "ghs.googlehosted.com."}]}
        return []

    def compute_addresses_create(self, names, flags, _stdin):
        self.any_create("compute addresses create", "compute addresses", names, flags)
        self.group("compute addresses", {})[names[0]]["address"] = "203.0.113.7"
        return []

    def certificate_manager_dns_authorizations_create(self, names, flags, _stdin):
        kind = "certificate-manager dns-authorizations"
        self.any_create(f"{kind} create", kind, names, flags)
        self.group(kind, {})[names[0]]["dnsResourceRecord"] = {
            "name": f"_acme-challenge.{flags['--domain']}.", "type": "CNAME",
            "data": "1234.authorize.certificatemanager.goog."}
        return []

    def compute_backend_services_add_backend(self, names, flags, _stdin):
        backend = {"group": f"https://compute/negs/{flags['--network-endpoint-group']}"}
        self.group("compute backend-services", {})[names[0]].setdefault("backends", []).append(backend)
        return []

    def dns_record_sets_create(self, names, flags, _stdin):
        kind = self.group("dns record-sets", flags)
        name, type_ = names[0], flags["--type"]
        if f"{name} {type_}" in kind:
            fail("dns record-sets create", f"ALREADY_EXISTS: {name} {type_}")
        kind[f"{name} {type_}"] = {"name": name, "type": type_, "rrdatas": [flags["--rrdatas"]]}
        return []

    def builds_triggers_import(self, _names, flags, _stdin):
        """Lines as the files have them; test_types.py reads them as YAML."""
        text = pathlib.Path(flags["--source"]).read_text(encoding="utf-8")
        name = re.search(r"^name: (.+)$", text, re.MULTILINE).group(1)
        tags = re.search(r"^tags: \[(.+)\]$", text, re.MULTILINE).group(1).split(", ")
        self.group("builds triggers", {})[name] = {"name": name, "tags": tags, "text": text}
        return []

    def scheduler_jobs_create_http(self, names, flags, _stdin):
        return self.any_create("scheduler jobs create http", "scheduler jobs", names, flags)

    def auth_print_identity_token(self, _names, flags, _stdin):
        return f"token-for-{flags['--audiences']}\n"

    # -- Cloud Run

    def run_deploy(self, names, flags, _stdin):
        services = self.group("run services", {})
        name = names[0]
        if ("--allow-unauthenticated" in flags) == ("--no-allow-unauthenticated" in flags):
            fail("run deploy", "a prompt: allow unauthenticated invocations?")
        if name not in services and "--no-traffic" in flags:
            fail("run deploy", "--no-traffic not supported when creating a new service.")
        tag = flags.get("--tag", "")
        if len(tag) + len(name) > 46 or not re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", tag):
            fail("run deploy", f"spec.traffic.tag: {tag}")
        revisions = self.group("run revisions", {})
        revision = f"{name}-{len(revisions) + 1:05d}-abc"
        variables = json.loads(pathlib.Path(flags["--env-vars-file"]).read_text(encoding="utf-8"))
        revisions[revision] = {
            "metadata": {"name": revision, "creationTimestamp": self.state["now"],
                         "labels": dict(p.split("=", 1) for p in flags["--labels"].split(","))},
            "spec": {"containers": [{"image": flags["--image"], "env": variables}]}}
        service = services.setdefault(name, {"metadata": {"name": name},
                                             "status": {"traffic": [], "url": ""}})
        if "--no-traffic" not in flags:
            self.send(service, {revision: 100})
        self.tag(service, {tag: revision})
        return []

    def run_services_update_traffic(self, names, flags, _stdin):
        service, = self.any_describe("run services update-traffic", "run services", names, {})
        pairs = {k: dict(p.split("=") for p in flags[k].split(",") if p)
                 for k in ("--to-revisions", "--update-tags") if k in flags}
        for revision in [*pairs.get("--to-revisions", {}), *pairs.get("--update-tags", {}).values()]:
            if revision not in self.group("run revisions", {}):
                fail("run services update-traffic", f"NOT_FOUND: {revision}")
        if "--to-revisions" in pairs:
            self.send(service, {k: int(v) for k, v in pairs["--to-revisions"].items()})
        for tag in flags.get("--remove-tags", "").split(","):
            service["status"]["traffic"] = [t for t in service["status"]["traffic"]
                                            if not tag or t.get("tag") != tag]
        self.tag(service, pairs.get("--update-tags", {}))
        return []

    def send(self, service, split):
        tagged = [{k: v for k, v in t.items() if k != "percent"}
                  for t in service["status"]["traffic"] if "tag" in t]
        service["status"]["traffic"] = [
            *({"revisionName": r, "percent": p} for r, p in split.items()), *tagged]
        largest = max(split, key=split.get)
        urls = self.state.get("service_url", {})
        service["status"]["url"] = urls.get(largest) or self.state["urls"][""]

    def tag(self, service, tags):
        kept = [t for t in service["status"]["traffic"] if t.get("tag") not in tags]
        service["status"]["traffic"] = kept + [
            {"tag": t, "revisionName": r, "url": self.state["urls"].get(t) or self.state["urls"][""]}
            for t, r in tags.items()]

    def run_jobs_deploy(self, names, flags, _stdin):
        self.group("run jobs", {})[names[0]] = self.made("run jobs", names[0], flags)
        self.group("run jobs", {})[names[0]]["env"] = json.loads(
            pathlib.Path(flags["--env-vars-file"]).read_text(encoding="utf-8"))
        executions = self.group("run jobs executions", {}, names[0])
        name = f"{names[0]}-{len(executions)}"
        executions[name] = {"metadata": {"name": name}, "status": {"completionTime": "2026-01-01"}}
        if self.state.get("migration_fails"):
            fail("run jobs deploy", "The execution failed.")
        return []

    def run_jobs_executions_list(self, _names, flags, _stdin):
        """What runs is done when it was looked at for the last time that the test wants."""
        there = self.group("run jobs executions", {}, flags["--job"])
        rows = copy.deepcopy(list(there.values()))
        for execution in there.values():
            if execution.get("looks", 0) > 0:
                execution["looks"] -= 1
                if execution["looks"] == 0:
                    execution["status"]["completionTime"] = "2026-01-01"
        return rows
