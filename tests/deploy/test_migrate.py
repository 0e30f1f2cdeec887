"""migrate.sh migrates before the deployment, and never twice at once."""
import json

import pytest

A, B = "a" * 40, "b" * 40
JOB = "sim-exchange-migrate"


def migrate(papers, branch, **env):
    papers.push(branch, A)
    papers.forget()
    return papers.branch("migrate.sh", branch, A, **env)


def running(papers, looks):
    """The job has an execution that is done after so many looks; 0: never."""
    papers.cloud("acme-testing").update({
        "run jobs|": {JOB: {"metadata": {"name": JOB}}},
        f"run jobs executions|{JOB}": {
            "e1": {"metadata": {"name": f"{JOB}-e1"}, "status": {}, "looks": looks}}})


def test_a_job_migrates_with_the_variables_and_the_account_of_the_service(papers):
    done = migrate(papers, "develop")

    assert done.returncode == 0, done.stderr
    change, = papers.changes()
    assert change.startswith(f"run jobs deploy {JOB} ")
    for flag in ("--args=migrate", "--execute-now", "--wait", "--tasks=1", "--parallelism=1",
                 "--max-retries=0", "--image=i/x@sha256:1",
                 "--service-account=sim-exchange-run@acme-testing.iam.gserviceaccount.com",
                 "--set-cloudsql-instances=acme-testing:europe-west1:sim-exchange"):
        assert f" {flag} " in change + " "
    env = json.loads(papers.files[0])
    assert env["MFDB_NAME"] == "sim_exchange" and env["SX_ENV"] == "testing"


def test_a_preview_has_a_database_and_a_job_of_its_own_made_once(papers):
    papers.cloud("acme-development")["sql databases|sim-exchange"] = {"sim_exchange": {"name": "sim_exchange"}}

    first = migrate(papers, "feature/order-book")
    made = papers.changes()
    second = migrate(papers, "feature/order-book")

    assert first.returncode == 0, first.stderr
    assert [change.split(" --")[0] for change in made] == [
        "sql databases create sim_exchange_order_book", "run jobs deploy sim-exchange-m-order-book"]
    assert json.loads(papers.files[0])["MFDB_NAME"] == "sim_exchange_order_book"
    assert second.returncode == 0, second.stderr
    assert [change.split()[1] for change in papers.changes()] == ["jobs"]


def test_it_waits_for_a_run_that_is_under_way(papers):
    running(papers, looks=2)

    done = migrate(papers, "develop")

    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"waiting for {JOB}-e1") == 2
    assert len(papers.changes()) == 1


def test_a_run_that_does_not_end_stops_it(papers):
    running(papers, looks=0)

    done = migrate(papers, "develop", DEPLOY_MIGRATE_WAIT_S="0")

    assert done.returncode == 1
    assert f"still running after 0 s: {JOB}-e1" in done.stderr
    assert papers.changes() == []


def test_a_migration_that_fails_fails_the_build(papers):
    papers.set(migration_fails=True)

    done = migrate(papers, "develop")

    assert done.returncode == 1
    assert f"failed: gcloud run jobs deploy {JOB}" in done.stderr


@pytest.mark.thorough
def test_executions_that_cannot_be_looked_at_stop_it(papers):
    running(papers, looks=1)
    papers.set(deny="run jobs executions list")

    done = migrate(papers, "develop")

    assert done.returncode == 1
    assert papers.changes() == []


def test_an_old_build_migrates_nothing(papers):
    papers.push("develop", B)

    done = papers.branch("migrate.sh", "develop", A)

    assert done.returncode == 0 and papers.changes() == []
