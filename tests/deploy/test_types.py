"""What deploy/ declares has the shapes of the vendors: each document becomes a literal of its type,
which the compiler reads strictly, so that a key that does not exist is named."""
import copy
import json
import re
import shutil
import subprocess

import pytest
import yaml

import manifests
from conftest import CHECKOUT

TYPES = CHECKOUT / ".state/types"
BUILD = "import('@googleapis/cloudbuild').cloudbuild_v1.Schema$Build"
TRIGGER = "import('@googleapis/cloudbuild').cloudbuild_v1.Schema$BuildTrigger"
SERVICE = "import('@googleapis/run').run_v1.Schema$Service"
REVISION = "import('@googleapis/run').run_v1.Schema$Revision"
OPTIONS = {"strict": True, "noEmit": True, "skipLibCheck": True, "types": [], "module": "node16",
           "moduleResolution": "node16"}
MISSPELT = {  # a key of each kind of document, and what it becomes
    BUILD: ("secretEnv", "secretEnvs"), TRIGGER: ("approvalRequired", "aprovalRequired"),
    SERVICE: ("revisionName", "revision"), REVISION: ("containers", "container"),
    "Deployment": ("readOnlyRootFilesystem", "readonlyRootFilesystem"),
    "Job": ("backoffLimit", "backofLimit"), "Service": ("targetPort", "target"),
    "HorizontalPodAutoscaler": ("averageUtilization", "averageUtilisation"),
    "PodDisruptionBudget": ("maxUnavailable", "maxUnavailible"),
    "NetworkPolicy": ("policyTypes", "types"), "ConfigMap": ("data", "datas"),
    "ServiceAccount": ("automountServiceAccountToken", "automountToken")}


def why_not():
    if not shutil.which("node"):
        return "node is not installed"
    if not (TYPES / "node_modules/.lock").exists():
        return f"{TYPES} has no packages: ./dev test installs them where npm can"
    return ""


def kubernetes_type(document):
    group, _, version = document["apiVersion"].rpartition("/")
    group = group.removesuffix(".k8s.io") or "core"
    return f"import('kubernetes-types/{group}/{version}').{document['kind']}"


def declared():
    """(name, type, document) of all there is."""
    for name in ("cloudbuild.yaml", "deploy/cloudbuild-clean.yaml"):
        yield name, BUILD, yaml.safe_load((CHECKOUT / name).read_text())
    for file in sorted((CHECKOUT / "deploy/triggers").iterdir()):
        yield file.name, TRIGGER, yaml.safe_load(re.sub(r"@[A-Z]+@", "some", file.read_text()))
    if not manifests.why_not():
        for environment in manifests.ENVIRONMENTS:
            for document in manifests.documents(environment):
                yield f"{environment}/{document['kind']}", kubernetes_type(document), document


def answered(papers):
    """What the double makes of a deployment has the shapes of Cloud Run, too."""
    papers.push("develop", "a" * 40)
    papers.branch("deploy.sh", "develop", "a" * 40, DEPLOY_SMOKE_S="0")
    cloud = papers.cloud("acme-testing")
    service = cloud["run services|"]["sim-exchange"]
    revision = copy.deepcopy(next(iter(cloud["run revisions|"].values())))
    for container in revision["spec"]["containers"]:
        container["env"] = [{"name": k, "value": v} for k, v in container["env"].items()]
    yield "the double's service", SERVICE, service
    yield "the double's revision", REVISION, revision


def misspelt(type_, document):
    """The document with one wrong key, and that key; None where it has none of those."""
    known = MISSPELT.get(type_) or MISSPELT[document["kind"]]
    right, wrong = (f'"{word}": ' for word in known)
    text = json.dumps(document)
    if right not in text:
        return None, None
    return json.loads(text.replace(right, wrong, 1)), known[1]


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_each_document_is_of_its_type_and_a_misspelt_key_is_named(papers, tmp_path):
    good, bad, wrong = [], [], []
    for name, type_, document in [*declared(), *answered(papers)]:
        good.append(f"export const v{len(good)}: {type_} = {json.dumps(document)} // {name}")
        document, key = misspelt(type_, document)
        if key and (type_, key) not in wrong:
            wrong.append((type_, key))
            bad.append(f"export const v{len(bad)}: {type_} = {json.dumps(document)}")
    folder = tmp_path / "types"
    folder.mkdir()
    (folder / "node_modules").symlink_to(TYPES / "node_modules")
    (folder / "good.ts").write_text("\n".join(good))
    (folder / "bad.ts").write_text("\n".join(bad))
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS}))

    done = subprocess.run(["node", TYPES / "node_modules/typescript/bin/tsc", "-p", folder],
                          capture_output=True, text=True, check=False, cwd=folder)

    faults = [line for line in done.stdout.splitlines() if re.match(r"\S", line)]
    assert not [line for line in faults if not line.startswith("bad.ts(")], done.stdout
    for n, (_, key) in enumerate(wrong, 1):
        assert [line for line in faults if line.startswith(f"bad.ts({n},") and f"'\"{key}\"'" in line], \
            f"{key}:\n{done.stdout}"
    kinds = len(MISSPELT) if not manifests.why_not() else 4
    assert len(wrong) == kinds and len(good) > kinds


def test_what_is_pinned_comes_from_wherever_npm_gets_it():
    lock = (CHECKOUT / "tests/deploy/types/package-lock.json").read_text()

    assert '"resolved"' not in lock
