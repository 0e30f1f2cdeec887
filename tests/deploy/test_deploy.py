"""deploy.sh brings an image by git flow, and looks at it over HTTP before it gets traffic."""
import http.server
import json
import threading

import pytest

from chosen import some

A, B, C = "a" * 40, "b" * 40, "c" * 40
TESTING = "acme-testing"


def revisions(shop, project=TESTING):
    return shop.cloud(project)["run revisions|"]


def first(n):
    return f"sim-exchange-{n:05d}-abc"


def deploy(shop, branch, commit, **env):
    shop.push(branch, commit)
    shop.forget()
    return shop.branch("deploy.sh", branch, commit, **env)


def standing(shop, n=1):
    """As n deployments of develop leave it."""
    cloud, url = shop.cloud(TESTING), shop.state["urls"][""]
    tags = {"current": first(n)} | ({"previous": first(n - 1)} if n > 1 else {})
    cloud["run revisions|"] = {first(i): {"metadata": {"name": first(i)}, "spec": {}}
                               for i in range(1, n + 1)}
    cloud["run services|"] = {"sim-exchange": {"metadata": {"name": "sim-exchange"}, "status": {
        "url": url, "traffic": [{"revisionName": first(n), "percent": 100}, *(
            {"tag": tag, "revisionName": name, "url": url} for tag, name in tags.items())]}}}


def verbs(shop):
    """The changes, short: what, and of the flags only where the traffic and the tags go."""
    telling = ("--to-revisions", "--update-tags", "--remove-tags", "--tag", "--no-traffic",
               "--allow-unauthenticated", "--no-allow-unauthenticated")
    return [" ".join(w for w in change.split() if not w.startswith("--") or w.split("=")[0] in telling)
            for change in shop.changes()]


UPDATE = "run services update-traffic sim-exchange"


def test_the_first_revision_serves_and_the_next_one_takes_over_after_a_look(shop):
    one = deploy(shop, "develop", A)
    of_first = verbs(shop)
    two = deploy(shop, "develop", B)

    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    tag = f"c-{A[:12]}"
    assert of_first == [f"run deploy sim-exchange --tag={tag} --allow-unauthenticated",
                        f"{UPDATE} --update-tags=current={first(1)} --remove-tags={tag}"]
    tag = f"c-{B[:12]}"
    assert verbs(shop) == [
        f"run deploy sim-exchange --tag={tag} --no-traffic --allow-unauthenticated",
        f"{UPDATE} --to-revisions={first(2)}=100",
        f"{UPDATE} --update-tags=current={first(2)},previous={first(1)} --remove-tags={tag}"]
    assert shop.traffic() == ({first(2): 100}, {"current": first(2), "previous": first(1)})
    assert "testing serves sim-exchange-00002-abc" in two.stderr


def test_a_service_of_which_nothing_has_started_is_as_good_as_new(shop):
    """As the first deployment leaves it when its container does not start."""
    shop.cloud(TESTING)["run services|"] = {"sim-exchange": {
        "metadata": {"name": "sim-exchange"}, "status": {"url": "", "traffic": []}}}

    done = deploy(shop, "develop", A)

    assert done.returncode == 0, done.stderr
    tag = f"c-{A[:12]}"
    assert verbs(shop) == [f"run deploy sim-exchange --tag={tag} --allow-unauthenticated",
                           f"{UPDATE} --update-tags=current={first(1)} --remove-tags={tag}"]
    assert shop.traffic() == ({first(1): 100}, {"current": first(1)})


def test_what_the_service_is_made_of(shop):
    deploy(shop, "develop", A)

    call = shop.changes()[0]
    for flag in ("--region=europe-west1", "--image=i/x@sha256:1", "--concurrency=500", "--min=0",
                 "--max-instances=4", "--timeout=3600", "--cpu=1", "--memory=512Mi", "--no-cpu-throttling",
                 "--service-account=sim-exchange-run@acme-testing.iam.gserviceaccount.com",
                 "--set-cloudsql-instances=acme-testing:europe-west1:sim-exchange"):
        assert f" {flag} " in call + " "
    assert revisions(shop)[first(1)]["spec"]["containers"][0]["env"] == {
        "SX_ENV": "testing", "DATABASE_POOL_SIZE": "2", "DATABASE_INSTANCES": "4",
        "SQL_PROXY_PATH": "/cloudsql",
        "INSTANCE_NAME1": "acme-testing:europe-west1:sim-exchange",
        "MFDB_NAME": "sim_exchange", "MFDB_USER": "sim_exchange",
        "MFDB_PASSWORD": "sm://acme-testing/sim-exchange-database-password#1",
        "APP_SECRET": "sm://acme-testing/sim-exchange-app-secret#1",
        "EXCHANGE_SECRET": "sm://acme-testing/sim-exchange-exchange-secret#1"}


def test_a_revision_that_is_not_ready_gets_no_traffic(shop, ill):
    standing(shop)
    shop.state["urls"][f"c-{B[:12]}"] = ill

    done = deploy(shop, "develop", B)

    assert done.returncode == 1
    assert "/_sx/ready: expected 200, found 503" in done.stderr and "database_away" in done.stderr
    assert f"gets no traffic: {first(1)}=100 goes on" in done.stderr
    assert verbs(shop)[1:] == [f"{UPDATE} --remove-tags=c-{B[:12]}"]
    assert shop.traffic() == ({first(1): 100}, {"current": first(1)})


def test_a_service_that_is_ill_with_the_traffic_gets_its_old_split_back(shop, ill):
    standing(shop)
    shop.set(service_url={first(2): ill})

    done = deploy(shop, "develop", C)

    assert done.returncode == 1
    assert f"the traffic went back to {first(1)}=100" in done.stderr
    assert shop.traffic() == ({first(1): 100}, {"current": first(1)})


def test_another_version_is_not_taken_for_the_new_one(shop):
    standing(shop)
    file = shop.root / "CMakeLists.txt"
    file.write_text(file.read_text().replace("VERSION 0.1.0", "VERSION 9.9.9"))

    done = deploy(shop, "develop", B)

    assert done.returncode == 1
    assert 'expected version 9.9.9, found "0.1.0"' in done.stderr
    assert shop.traffic()[0] == {first(1): 100}


@pytest.mark.thorough
def test_an_address_where_nobody_answers_is_said(shop):
    standing(shop)
    shop.state["urls"][f"c-{B[:12]}"] = "http://127.0.0.1:1"

    done = deploy(shop, "develop", B)

    assert done.returncode == 1
    assert "/_sx/live: expected 200, found" in done.stderr and "Failed to connect" in done.stderr


def test_a_preview_has_an_address_a_database_and_no_traffic(shop):
    deploy(shop, "feature/first", A)
    done = deploy(shop, "feature/Order_Book", B)

    assert done.returncode == 0, done.stderr
    tag = "order-book-ae002465"
    assert verbs(shop) == [f"run deploy sim-exchange --tag={tag} --no-traffic --allow-unauthenticated"]
    assert f"https://{tag}.development.sim-exchange.example" in done.stderr
    assert shop.traffic("acme-development") == ({first(1): 100}, {"first": first(1), tag: first(2)})
    env = revisions(shop, "acme-development")[first(2)]["spec"]["containers"][0]["env"]
    assert env["MFDB_NAME"] == "sim_exchange_order_book_ae002465"


def test_a_preview_without_a_database_names_none(shop):
    for name in ("INSTANCE_NAME1", "MFDB_NAME"):
        shop.setting("development", name, "")

    done = deploy(shop, "feature/first", A)

    assert done.returncode == 0, done.stderr
    assert "--set-cloudsql-instances" not in shop.changes()[0]
    env = revisions(shop, "acme-development")[first(1)]["spec"]["containers"][0]["env"]
    assert env["MFDB_NAME"] == ""


def test_a_preview_that_is_ill_stays_where_it_was(shop, ill):
    standing(shop)
    deploy(shop, "release/1", B)
    shop.state["urls"]["release-1"] = ill

    done = deploy(shop, "release/1", C)

    assert done.returncode == 1
    assert f"the preview of release/1 stays at {first(2)}" in done.stderr
    assert shop.traffic() == ({first(1): 100}, {"current": first(1), "release-1": first(2)})


def test_a_tag_of_another_branch_is_left_alone(papers):
    papers.cloud("acme-development").update({
        "run services|": {"sim-exchange": {"metadata": {"name": "sim-exchange"}, "status": {
            "traffic": [{"tag": "book", "revisionName": first(1), "url": "u"}]}}},
        "run revisions|": {first(1): {"metadata": {"name": first(1),
                                                   "labels": {"sx_branch": "of another"}}}}})

    done = deploy(papers, "feature/book", A)

    assert done.returncode == 1
    assert 'the tag "book" belongs to another branch' in done.stderr
    assert papers.changes() == []


@pytest.mark.parametrize("head, said", [(B, "it is at bbbbbbbbbbbb now"), (None, "the branch is gone")])
def test_a_build_that_comes_late_changes_nothing(papers, head, said):
    if head:
        papers.push("develop", head)

    done = papers.branch("deploy.sh", "develop", A)

    assert done.returncode == 0 and said in done.stderr
    assert papers.changes() == []


def test_a_branch_whose_name_ends_like_another_does_not_stand_for_it(papers):
    papers.push("release/1", B)
    papers.push("feature/refs/heads/release/1", A)

    done = papers.branch("deploy.sh", "release/1", A)

    assert done.returncode == 0 and "it is at bbbbbbbbbbbb now" in done.stderr
    assert papers.changes() == []


def test_without_the_git_host_nothing_is_deployed(papers):
    papers.set(git_fails=True)

    done = papers.branch("deploy.sh", "develop", A, GIT_TOKEN="hush")

    assert done.returncode == 1 and "cannot ask for the branches" in done.stderr
    assert papers.changes() == [] and "hush" not in done.stderr


@pytest.mark.parametrize("branch", ["main", "feature/", "xfeature/y"])
def test_a_branch_outside_of_git_flow_is_refused(papers, branch):
    done = papers.branch("deploy.sh", branch, A)

    assert done.returncode == 1 and "no environment for the branch" in done.stderr
    assert papers.calls() == []


def test_a_build_in_another_project_is_refused(papers):
    done = papers.branch("deploy.sh", "develop", A, PROJECT_ID="acme-production")

    assert done.returncode == 1
    assert 'testing is project "acme-testing", this build runs in "acme-production"' in done.stderr


def test_a_service_that_is_not_public_is_asked_with_a_token(papers):
    asked = []

    class Service(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            body = b'{"info": {"version": "0.1.0"}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    papers.setting("testing", "DEPLOY_PUBLIC", "false")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{one.server_port}"
        papers.state["urls"][""] = url
        done = deploy(papers, "develop", A)
        one.shutdown()

    assert done.returncode == 0, done.stderr
    assert verbs(papers)[0].endswith("--no-allow-unauthenticated")
    assert asked == [(p, f"Bearer token-for-{url}") for p in ("/_sx/live", "/_sx/ready", "/openapi.json")]
    assert "token-for" not in done.stderr


@pytest.mark.parametrize("command", some("run services update-traffic", "run deploy"))
def test_what_is_denied_leaves_the_traffic(shop, command):
    standing(shop)
    shop.set(deny=command)
    done = deploy(shop, "develop", B)
    split = shop.traffic()[0]
    shop.set(deny=None)
    again = deploy(shop, "develop", B)

    assert done.returncode == 1 and f"failed: gcloud {command}" in done.stderr
    assert split == {first(1): 100}
    assert again.returncode == 0, again.stderr
    last = max(revisions(shop))
    assert shop.traffic() == ({last: 100}, {"current": last, "previous": first(1)})


@pytest.mark.parametrize("n", some(2, 1, 3))
def test_a_deployment_that_was_killed_is_repeated(shop, n):
    standing(shop)
    shop.set(kill_after=n)
    killed = deploy(shop, "develop", B)
    again = deploy(shop, "develop", B)

    assert killed.returncode == -9
    assert again.returncode == 0, again.stderr
    last = first(3 if n == 1 else 2)
    assert shop.traffic() == ({last: 100}, {"current": last, "previous": first(1)})


def test_what_a_killed_deployment_left_is_finished_only_when_it_is_well(shop, ill):
    standing(shop)
    shop.set(service_url={first(2): ill}, kill_after=2)  # it has the traffic, but is not "current" yet
    killed = deploy(shop, "develop", B)
    unwell = deploy(shop, "develop", B)
    changes = verbs(shop)
    service = shop.cloud(TESTING)["run services|"]["sim-exchange"]
    service["status"]["url"] = shop.state["urls"][""]
    well = deploy(shop, "develop", B)

    assert killed.returncode == -9
    assert unwell.returncode == 1 and f"{first(2)} has the traffic and is not well" in unwell.stderr
    assert changes == []
    assert well.returncode == 0, well.stderr
    assert shop.traffic() == ({first(2): 100}, {"current": first(2), "previous": first(1)})


@pytest.mark.parametrize("branch", ["develop", "feature/order-book"])
def test_the_same_commit_again_changes_nothing(shop, branch):
    deploy(shop, branch, A)
    again = deploy(shop, branch, A)
    changes = verbs(shop)
    anew = deploy(shop, branch, A, DEPLOY_ANEW="true")

    assert (again.returncode, changes) == (0, []), again.stderr
    assert f"{first(1)} is of {branch} at {A[:12]} already" in again.stderr
    assert anew.returncode == 0 and verbs(shop)[0].startswith("run deploy "), anew.stderr


def test_rollback_goes_to_the_revision_before_and_forward_again(shop):
    standing(shop, 2)

    back = shop.run("deploy.sh", "rollback", "testing")
    calls = verbs(shop)
    again = shop.run("deploy.sh", "rollback", "testing")
    same = shop.run("deploy.sh", "rollback", "testing", first(1))
    unknown = shop.run("deploy.sh", "rollback", "testing", first(9))
    forward = shop.run("deploy.sh", "rollback", "testing", first(2))

    assert back.returncode == 0, back.stderr
    assert calls == [f"{UPDATE} --to-revisions={first(1)}=100",
                     f"{UPDATE} --update-tags=current={first(1)} --remove-tags=previous"]
    assert again.returncode == 1 and "name one: deploy.sh rollback testing REVISION" in again.stderr
    assert same.returncode == 1 and "has all the traffic already" in same.stderr
    assert unknown.returncode == 1 and f'has no revision "{first(9)}"' in unknown.stderr
    assert forward.returncode == 0, forward.stderr
    assert shop.traffic() == ({first(2): 100}, {"current": first(2)})


def test_rollback_to_what_is_ill_moves_nothing(shop, ill):
    standing(shop, 2)
    for entry in shop.cloud(TESTING)["run services|"]["sim-exchange"]["status"]["traffic"]:
        if entry.get("tag") == "previous":
            entry["url"] = ill

    done = shop.run("deploy.sh", "rollback", "testing")

    assert done.returncode == 1 and "is not well either" in done.stderr
    assert shop.traffic()[0] == {first(2): 100}


@pytest.mark.parametrize("n, tags", [(3, {"current": first(3), "previous": first(2)}),
                                     (1, {"current": first(1)})])
def test_rollback_to_a_named_one_that_is_ill_forgets_it(shop, ill, n, tags):
    standing(shop, n)
    revisions(shop)[first(9)] = {"metadata": {"name": first(9)}, "spec": {}}
    shop.state["urls"]["previous"] = ill

    done = shop.run("deploy.sh", "rollback", "testing", first(9))

    assert done.returncode == 1 and f"{first(9)} is not well either" in done.stderr
    assert shop.traffic() == ({first(n): 100}, tags)


def test_values_of_variables_arrive_as_they_are(shop):
    value = "a 'b' \\\"c\\\\d, e=f: {g} #h"
    shop.setting("testing", "ODD", f'"{value}"')

    done = deploy(shop, "develop", A)

    assert done.returncode == 0, done.stderr
    assert json.loads(shop.files[0])["ODD"] == "a 'b' \"c\\d, e=f: {g} #h"
