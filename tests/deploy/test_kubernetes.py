"""The manifests hold together, in each environment: what names something names what is there."""
import json

import pytest

import manifests
from conftest import CHECKOUT

pytestmark = pytest.mark.skipif(bool(manifests.why_not()), reason=manifests.why_not())


@pytest.fixture(scope="module", params=manifests.ENVIRONMENTS)
def made(request):
    """({kind: document}, the environment)"""
    found = {document["kind"]: document for document in manifests.documents(request.param)}
    return found, request.param


def pod(document):
    return document["spec"]["template"]["spec"]


def containers(document):
    return pod(document)["containers"] + pod(document).get("initContainers", [])


def test_all_is_there_once(made):
    found, environment = made

    assert len(manifests.documents(environment)) == len(found)
    assert set(found) == {"ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Job", "NetworkPolicy",
                          "PodDisruptionBudget", "Service", "ServiceAccount"}
    assert {d["metadata"]["namespace"] for d in found.values()} == {f"sim-exchange-{environment}"}


def test_no_container_has_more_rights_than_it_needs(made):
    found, _ = made

    for document in (found["Deployment"], found["Job"]):
        spec = pod(document)
        assert spec["automountServiceAccountToken"] is False
        rights = spec["securityContext"]
        assert rights["runAsNonRoot"] and rights["runAsUser"] == rights["runAsGroup"] == 10001
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(document):
            rights = container["securityContext"]
            assert rights == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                              "capabilities": {"drop": ["ALL"]}}
            assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]


def test_probes_ask_where_the_server_answers(made):
    found, _ = made
    container, = pod(found["Deployment"])["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    for probe, path in (("startup", "started"), ("liveness", "live"), ("readiness", "ready")):
        asked = container[f"{probe}Probe"]["httpGet"]
        assert asked == {"path": f"/_sx/{path}", "port": "http"}
    assert str(ports["http"]) == found["ConfigMap"]["data"]["PORT"]
    assert found["Service"]["spec"]["ports"][0]["targetPort"] in ports


def test_selectors_find_the_pods_of_the_server_and_no_others(made):
    found, _ = made
    server = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    job = found["Job"]["spec"]["template"]["metadata"]["labels"]

    selectors = [found["Service"]["spec"]["selector"],
                 found["Deployment"]["spec"]["selector"]["matchLabels"],
                 found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
                 *(c["labelSelector"]["matchLabels"]
                   for c in pod(found["Deployment"])["topologySpreadConstraints"])]
    for selector in selectors:
        assert selector.items() <= server.items() and not selector.items() <= job.items()
    rule, = found["NetworkPolicy"]["spec"]["podSelector"]["matchExpressions"]
    assert {server[rule["key"]], job[rule["key"]]} == set(rule["values"])
    target = found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == found["Deployment"]["metadata"]["name"]


def test_volumes_and_variables_are_those_that_there_are(made):
    found, environment = made
    data = found["ConfigMap"]["data"]

    for document in (found["Deployment"], found["Job"]):
        volumes = {volume["name"] for volume in pod(document)["volumes"]}
        assert {m["name"] for c in containers(document) for m in c["volumeMounts"]} <= volumes
        name = found["ConfigMap"]["metadata"]["name"]
        assert {ref["configMapRef"]["name"] for c in containers(document)
                for ref in c.get("envFrom", [])} == {name}
        for variable in (v for c in containers(document) for v in c.get("env", [])):
            ref = variable["valueFrom"]["configMapKeyRef"]
            assert ref["name"] == name and ref["key"] in data
    assert data["SX_ENV"] == environment
    assert pod(found["Job"])["containers"][0]["args"] == ["migrate"]


def test_a_pod_has_the_time_that_the_server_takes_to_end(made):
    found, _ = made
    server = json.loads((CHECKOUT / "config/base.json").read_text())["server"]
    delay = int(found["ConfigMap"]["data"]["DRAIN_DELAY_MS"])

    assert server["drain_delay_ms"] == "${DRAIN_DELAY_MS:-0}"
    assert delay == 5000
    assert pod(found["Deployment"])["terminationGracePeriodSeconds"] * 1000 > delay + server["drain_ms"]


def test_the_database_has_connections_for_all(made):
    """The same budget that deploy.sh holds: twice, as old and new pods overlap."""
    found, environment = made
    settings = dict(line.split("=", 1) for line in
                    (CHECKOUT / f"deploy/env/{environment}.env").read_text().splitlines()
                    if line.startswith("DEPLOY_"))
    most = found["HorizontalPodAutoscaler"]["spec"]["maxReplicas"]
    assert found["ConfigMap"]["data"]["DATABASE_INSTANCES"] == str(most)
    cpus = int(pod(found["Deployment"])["containers"][0]["resources"]["limits"]["cpu"])

    needed = 2 * most * cpus * int(found["ConfigMap"]["data"]["DATABASE_POOL_SIZE"]) + 10
    assert needed <= int(settings["DEPLOY_DATABASE_CONNECTIONS"])


def test_the_variables_are_those_of_cloud_run(made):
    found, environment = made
    lines = (CHECKOUT / f"deploy/env/{environment}.env").read_text().splitlines()
    service = dict(line.split("=", 1) for line in lines if line and line[0] not in "#D"
                   or line.startswith("DATABASE_"))

    assert found["ConfigMap"]["data"].items() >= service.items()
