"""clean-previews.sh takes away what nobody needs, and nothing else."""
import base64

import pytest

CLEAN = ("clean-previews.sh", "development")
OLD = "2001-01-01T00:00:00Z"
NEW = "2099-01-01T00:00:00Z"
UPDATE = "run services update-traffic sim-exchange --region=europe-west1"


@pytest.fixture
def previews(papers):
    """previews({tag: (created, percent)}, branches): the service, databases and jobs of them."""
    def make(tags, branches):
        cloud = papers.cloud("acme-development")
        cloud["run services|"] = {"sim-exchange": {"metadata": {"name": "sim-exchange"}, "status": {
            "traffic": [{"tag": t, "revisionName": f"r-{t}", "url": "u", **({"percent": p} if p else {})}
                        for t, (_, p) in tags.items()]}}}
        cloud["run revisions|"] = {
            f"r-{t}": {"metadata": {"name": f"r-{t}", "creationTimestamp": made}}
            for t, (made, _) in tags.items()}
        names = ["sim_exchange", "postgres", "sim_exchange_x;y",
                 *("sim_exchange_" + t.replace("-", "_") for t in tags)]
        cloud["sql databases|sim-exchange"] = {name: {"name": name} for name in names}
        cloud["run jobs|"] = {name: {"metadata": {"name": name}} for name in
                              ["sim-exchange-migrate", *(f"sim-exchange-m-{t}" for t in tags)]}
        for branch in branches:
            papers.push(branch, "a" * 40)
        return papers

    return make


MIXED = {"gone": (NEW, 0), "old-one": (OLD, 0), "alive": (NEW, 0), "serves": (OLD, 100),
         "current": (OLD, 0), "previous": (OLD, 0), "c-aaaaaaaaaaaa": (OLD, 0),
         "c-bbbbbbbbbbbb": (NEW, 0)}


def test_gone_and_old_previews_go_with_all_they_have(previews):
    papers = previews(MIXED, ["develop", "feature/old-one", "feature/alive", "release/gone"])

    done = papers.run(*CLEAN)
    changes = papers.changes()
    papers.forget()
    again = papers.run(*CLEAN)

    assert done.returncode == 0, done.stderr
    assert changes[0] == f"{UPDATE} --remove-tags=gone,old-one,c-aaaaaaaaaaaa"
    deleted = {change.split(" --")[0].split()[-1] for change in changes[1:]}
    assert {"sim_exchange_gone", "sim_exchange_old_one", "sim-exchange-m-gone"} <= deleted
    assert not deleted & {"sim_exchange", "postgres", "sim_exchange_x;y", "sim_exchange_alive",
                          "sim_exchange_serves", "sim-exchange-migrate", "sim-exchange-m-alive"}
    assert "gone (r-gone): its branch is gone" in done.stderr
    assert again.returncode == 0 and [c for c in papers.changes() if "old_one" not in c] == []


def test_a_database_that_was_just_made_for_a_branch_stays(previews):
    papers = previews({"alive": (NEW, 100)}, ["feature/alive", "feature/coming"])
    papers.cloud("acme-development")["sql databases|sim-exchange"]["sim_exchange_coming"] = {
        "name": "sim_exchange_coming"}

    done = papers.run(*CLEAN)

    assert done.returncode == 0, done.stderr
    assert papers.changes() == []


def test_the_branches_are_asked_for_when_all_lists_are_there(previews):
    """Else a branch that is pushed in between would lose the database that it has just got."""
    papers = previews(MIXED, ["develop"])

    papers.run("clean-previews.sh", "--print", "development")

    calls = [" ".join(call[:4]) for call in papers.calls()]
    assert calls[-1].startswith("git ls-remote"), calls
    assert {"gcloud sql databases list", "gcloud run jobs list"} <= set(calls)


@pytest.mark.parametrize("how", [{"git_fails": True}, {"heads": {}}])
def test_without_the_branches_nothing_goes(previews, how):
    papers = previews(MIXED, ["develop"])
    papers.set(**how)

    done = papers.run(*CLEAN)

    assert done.returncode == 1
    assert papers.changes() == []


def test_print_changes_nothing(previews):
    papers = previews({"gone": (NEW, 0)}, ["develop"])

    done = papers.run("clean-previews.sh", "--print", "development")

    assert done.returncode == 0, done.stderr
    assert "--remove-tags=gone" in done.stdout
    assert papers.changes() == []


@pytest.mark.parametrize("command", ["run revisions list", "sql databases delete"])
def test_what_is_denied_ends_it(previews, command):
    papers = previews({"gone": (NEW, 0), "serves": (OLD, 100)}, ["develop"])
    papers.set(deny=command)

    done = papers.run(*CLEAN)

    assert done.returncode == 1 and command in done.stderr
    assert len(papers.changes()) == (2 if command.endswith("delete") else 0)


def test_a_private_repository_is_asked_with_the_token(previews):
    papers = previews({"serves": (NEW, 100)}, ["develop"])

    papers.run(*CLEAN, env={"GIT_TOKEN": "hush"})
    papers.run(*CLEAN, env={"GIT_TOKEN": "none"})

    with_token, without = papers.state["git_headers"]
    assert base64.b64decode(with_token.removeprefix("Authorization: Basic ")) == b"x-access-token:hush"
    assert without == ""
    assert "hush" not in str(papers.calls())


def test_without_a_service_there_is_nothing_to_do(papers):
    done = papers.run(*CLEAN)

    assert done.returncode == 0 and "there is no service" in done.stderr
