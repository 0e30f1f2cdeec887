"""build-cicd.sh makes what an environment needs, once."""
import json
import re

import pytest

from chosen import some

DEVELOPMENT = """\
services enable run.googleapis.com
iam service-accounts create sim-exchange-build
iam service-accounts create sim-exchange-run
artifacts repositories create sim-exchange
secrets create sim-exchange-database-password
secrets versions add sim-exchange-database-password
secrets create sim-exchange-app-secret
secrets versions add sim-exchange-app-secret
secrets create sim-exchange-exchange-secret
secrets versions add sim-exchange-exchange-secret
secrets create sim-exchange-git-token
secrets versions add sim-exchange-git-token
sql instances create sim-exchange
sql databases create sim_exchange
sql users create sim_exchange
projects add-iam-policy-binding acme-development roles/logging.logWriter build
projects add-iam-policy-binding acme-development roles/run.admin build
projects add-iam-policy-binding acme-development roles/cloudsql.client run
artifacts repositories add-iam-policy-binding sim-exchange roles/artifactregistry.writer build
iam service-accounts add-iam-policy-binding RUN roles/iam.serviceAccountUser build
secrets add-iam-policy-binding sim-exchange-database-password roles/secretmanager.secretAccessor run
secrets add-iam-policy-binding sim-exchange-app-secret roles/secretmanager.secretAccessor run
secrets add-iam-policy-binding sim-exchange-exchange-secret roles/secretmanager.secretAccessor run
secrets add-iam-policy-binding sim-exchange-git-token roles/secretmanager.secretAccessor build
iam roles create simExchangePreviews
projects add-iam-policy-binding acme-development projects/acme-development/roles/simExchangePreviews build
projects add-iam-policy-binding acme-development roles/cloudbuild.builds.editor build
iam service-accounts add-iam-policy-binding BUILD roles/iam.serviceAccountUser build
builds triggers import development-clean.yaml
builds triggers import development-preview.yaml
scheduler jobs create http sim-exchange-clean""".splitlines()

HOSTS = """\
beta run domain-mappings create
certificate-manager dns-authorizations create sim-exchange-previews
certificate-manager certificates create sim-exchange-previews
certificate-manager maps create sim-exchange-previews
certificate-manager maps entries create sim-exchange-previews
compute addresses create sim-exchange-previews
compute network-endpoint-groups create sim-exchange-previews
compute backend-services create sim-exchange-previews
compute backend-services add-backend sim-exchange-previews
compute url-maps create sim-exchange-previews
compute target-https-proxies create sim-exchange-previews
compute forwarding-rules create sim-exchange-previews""".splitlines()

MAKE = ("build-cicd.sh", "development")


def short(change):
    """A change without its flags, but for who gets what."""
    words = [word for word in change.split(" --")[0].split() if not word.endswith(".googleapis.com")]
    if change.startswith("services"):
        words.append("run.googleapis.com")
    text = " ".join(words)
    text = re.sub(r"sim-exchange-(build|run)@\S+", lambda m: m.group(1).upper(), text)
    for flag, shape in (("role", "{}"), ("member", "{}"), ("source", "{}")):
        value = re.search(rf" --{flag}=(\S+)", change)
        if value:
            last = value.group(1).rsplit("/", 1)[-1] if flag == "source" else value.group(1)
            who = re.match(r"serviceAccount:sim-exchange-(\w+)@", last)
            text += " " + shape.format(who.group(1) if who else last)
    return re.sub(r" (build|run) (\S*roles/\S+)$", r" \2 \1", text)


def shorts(shop):
    return [short(change) for change in shop.changes()]


def everything(shop):
    """What exists, without the random values of secrets."""
    text = json.dumps(shop.state["projects"], sort_keys=True)
    return re.sub(r'("value": )"[\w=-]+"', r'\1"…"', re.sub(r"tmp\.\w+", "tmp", text))


def a_service(shop, project="acme-development"):
    shop.cloud(project)["run services|"] = {"sim-exchange": {"metadata": {"name": "sim-exchange"}}}


def test_an_empty_project_gets_all_in_order_and_a_second_run_changes_nothing(papers):
    first = papers.run(*MAKE)
    made = shorts(papers)
    exists = everything(papers)
    papers.forget()
    second = papers.run(*MAKE)

    assert first.returncode == 0, first.stderr
    assert made == DEVELOPMENT
    assert "run this again after the first deployment" in first.stderr
    assert second.returncode == 0, second.stderr
    assert papers.changes() == [] and papers.calls()
    assert everything(papers) == exists


def test_the_hosts_come_with_the_service_and_once(papers):
    a_service(papers)

    first = papers.run(*MAKE)
    made = papers.changes()[len(DEVELOPMENT):]
    papers.forget()
    papers.run(*MAKE)

    assert [short(change) for change in made] == HOSTS
    assert "--cloud-run-url-mask=<tag>.development.sim-exchange.example" in " ".join(made)
    for wanted in ("development.sim-exchange.example. CNAME ghs.googlehosted.com.",
                   "*.development.sim-exchange.example. A 203.0.113.7",
                   "_acme-challenge.development.sim-exchange.example. CNAME 1234."):
        assert f"wanted in the DNS: {wanted}" in first.stderr
    assert papers.changes() == []


@pytest.mark.thorough
def test_records_are_made_where_the_zone_is_ours(papers):
    papers.setting("development", "DEPLOY_DNS_ZONE", "zone")
    a_service(papers)

    papers.run(*MAKE)
    records = [c for c in papers.changes() if c.startswith("dns")]
    papers.forget()
    papers.run(*MAKE)

    assert [c.split()[3] for c in records] == [
        "development.sim-exchange.example.", "*.development.sim-exchange.example.",
        "_acme-challenge.development.sim-exchange.example."]
    assert papers.changes() == []


def test_production_has_an_approval_and_no_previews(papers):
    done = papers.run("build-cicd.sh", "production")

    assert done.returncode == 0, done.stderr
    cloud = papers.cloud("acme-production")
    assert list(cloud["builds triggers|"]) == ["sim-exchange-deploy"]
    assert "approvalRequired: true" in cloud["builds triggers|"]["sim-exchange-deploy"]["text"]
    assert not any("simExchangePreviews" in c or "scheduler" in c for c in papers.changes())
    assert papers.cloud("acme-testing") == {}


def test_the_password_is_in_the_secret_and_in_no_argument(papers):
    done = papers.run(*MAKE, env={"GIT_TOKEN": "the-token-of-git"})

    versions = {name: group["1"]["value"] for name, group in papers.cloud("acme-development").items()
                if name.startswith("secrets versions")}
    assert versions.pop("secrets versions|sim-exchange-git-token") == "the-token-of-git"
    assert len(versions) == 3 and all(len(value) >= 43 for value in versions.values())
    password = versions["secrets versions|sim-exchange-database-password"]
    assert papers.files[0] == f'--password: "{password}"\n'
    said = done.stdout + done.stderr + str(papers.calls())
    assert not any(value in said for value in [*versions.values(), "the-token-of-git"])
    assert not list(papers.home.glob("tmp.*"))  # what it wrote down is gone


def test_print_shows_the_commands_and_runs_none(papers):
    printed = papers.run("build-cicd.sh", "--print", "production", "development")

    assert printed.returncode == 0, printed.stderr
    assert papers.calls() == []
    lines = printed.stdout.splitlines()
    for name in ("production", "development"):
        assert any(f"--project=acme-{name} " in line for line in lines)
    assert all(line.startswith("gcloud ") for line in lines)
    plain = [short(line.removeprefix("gcloud ")) for line in lines if "acme-development" in line]
    assert len(plain) == len(DEVELOPMENT) + len(HOSTS)



MADE_AFTER = {  # a look, and what is made when it finds nothing
    "iam service-accounts list": DEVELOPMENT[1:], "services list": DEVELOPMENT,
    "secrets list": DEVELOPMENT[4:], "secrets versions list": DEVELOPMENT[5:],
    "sql users list": DEVELOPMENT[14:], "projects get-iam-policy": DEVELOPMENT[15:],
    "builds triggers list": DEVELOPMENT[28:]}


@pytest.mark.parametrize("command", some(
    "sql users create", "services enable", "iam service-accounts create",
    "artifacts repositories create", "secrets create", "secrets versions add",
    "sql instances create", "sql databases create", "projects add-iam-policy-binding",
    "secrets add-iam-policy-binding", "iam roles create", "builds triggers import",
    "scheduler jobs create"))
def test_a_change_that_is_denied_ends_it_and_the_next_run_goes_on(papers, command):
    papers.set(deny=command)
    denied = papers.run(*MAKE)
    before = shorts(papers)
    papers.set(deny=None)
    papers.forget()
    again = papers.run(*MAKE)

    assert denied.returncode == 1
    assert f"failed: gcloud {command}" in denied.stderr
    assert before == DEVELOPMENT[:len(before)] and before[-1].startswith(command)
    assert again.returncode == 0, again.stderr
    assert shorts(papers) == DEVELOPMENT[len(before) - 1:]


@pytest.mark.parametrize("command", some(
    "iam service-accounts list", "services list", "secrets list", "secrets versions list",
    "sql users list", "projects get-iam-policy", "builds triggers list"))
def test_a_look_that_is_denied_is_not_taken_for_an_absence(papers, command):
    papers.set(deny=command)

    done = papers.run(*MAKE)

    assert done.returncode == 1
    assert f"cannot look: gcloud {command}" in done.stderr
    assert not {short(c) for c in papers.changes()} & set(MADE_AFTER[command])


@pytest.mark.parametrize("n", some(13, *(n for n in range(1, len(DEVELOPMENT) + 1) if n != 13)))
def test_a_run_that_was_killed_is_repeated(papers, n):
    papers.run(*MAKE)
    whole = everything(papers)
    papers.set(projects={"acme-development": {}}, kill_after=n)
    papers.forget()

    killed = papers.run(*MAKE)
    made = len(papers.changes())
    again = papers.run(*MAKE)

    assert killed.returncode == -9 and made == n
    assert again.returncode == 0, again.stderr
    assert shorts(papers) == DEVELOPMENT
    assert json.loads(everything(papers))["acme-development"] == json.loads(whole)["acme-development"]


@pytest.mark.thorough
def test_a_trigger_is_imported_again_when_its_file_has_changed(papers):
    papers.run(*MAKE)
    papers.forget()
    file = papers.root / "deploy/triggers/development-preview.yaml"
    file.write_text(file.read_text().replace("^feature/", "^features?/"))

    papers.run(*MAKE)

    assert shorts(papers) == ["builds triggers import development-preview.yaml"]


def test_a_version_that_is_pinned_and_not_there_is_named(papers):
    papers.setting("development", "APP_SECRET", "sm://acme-development/sim-exchange-app-secret#7")

    done = papers.run(*MAKE)

    assert done.returncode == 1
    assert 'secret "sim-exchange-app-secret" has no enabled version 7' in done.stderr


@pytest.mark.parametrize("name, value, said", [
    ("DEPLOY_PROJECT", "example-x", "DEPLOY_PROJECT: still the example"),
    ("DEPLOY_REGION", "Europe", 'DEPLOY_REGION: expected [a-z]+-[a-z]+[0-9]+, found "Europe"'),
    ("DEPLOY_MIN_INSTANCE", "1", "DEPLOY_MIN_INSTANCE: unknown setting"),
    ("DEPLOY_MAX_INSTANCES", "40", "the database does not fit: 2 × 40 instances"),
    ("INSTANCE_NAME1", "acme-testing:europe-west1:x", "INSTANCE_NAME1: expected acme-development:"),
    ("APP_SECRET", "sm://a/b/c", "APP_SECRET: not a reference"),
    ("MFDB_PASSWORD", "hush", "MFDB_PASSWORD: expected a reference")])
def test_a_fault_of_the_file_is_named(papers, name, value, said):
    papers.setting("development", name, value)

    done = papers.run(*MAKE)

    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.thorough
def test_what_is_in_the_environment_changes_no_variable_of_the_service(papers):
    done = papers.run("build-cicd.sh", "testing", env={"MFDB_NAME": "mine", "DEPLOY_REGION": "x",
                                                       "APP_SECRET": "of my shell"})

    assert done.returncode == 0, done.stderr
    assert "sim_exchange" in papers.cloud("acme-testing")["sql databases|sim-exchange"]


@pytest.mark.parametrize("name", ["staging", "", "--print"])
def test_an_unknown_environment_is_refused(papers, name):
    done = papers.run("build-cicd.sh", name)

    assert done.returncode == 1
    assert "unknown environment" in done.stderr or "usage:" in done.stderr
    assert papers.calls() == []
