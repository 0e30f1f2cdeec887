"""image.sh: the steps of a build that need docker."""
NAME = "europe-west1-docker.pkg.dev/acme-testing/sim-exchange/sim-exchange"
COMMIT = "c" * 40


def step(papers, name, branch="feature/order-book"):
    return papers.run("image.sh", name, env={"_IMAGE": NAME, "BRANCH_NAME": branch,
                                             "COMMIT_SHA": COMMIT})


def test_a_build_without_a_cache_goes_on_and_leaves_one(papers):
    for name in ("cache", "test", "runtime", "push"):
        done = step(papers, name)
        assert done.returncode == 0, done.stderr
    papers.forget()
    again = step(papers, "cache")

    assert (papers.root / ".state/image").read_text().startswith(f"{NAME}@sha256:")
    assert papers.state["images"] == [f"{NAME}:{COMMIT}", f"{NAME}:cache-order-book", f"{NAME}:cache"]
    assert again.returncode == 0
    assert papers.calls() == [["docker", "pull", f"{NAME}:cache-order-book"]]


def test_a_branch_that_is_new_begins_with_what_was_built_last(papers):
    for name in ("cache", "runtime", "push"):
        step(papers, name)
    papers.forget()

    done = step(papers, "cache", branch="feature/another")

    assert done.returncode == 0 and "there is no cache" not in done.stderr
    assert papers.calls()[-1] == ["docker", "pull", f"{NAME}:cache"]


def test_the_calls_of_docker(papers):
    for name in ("cache", "test", "runtime", "push"):
        step(papers, name)

    def build(stage, tag):
        return ["docker", "build", "--target", stage, "--tag", f"{NAME}:{tag}",
                "--cache-from", f"{NAME}:cache-order-book", "--cache-from", f"{NAME}:cache",
                "--build-arg", "BUILDKIT_INLINE_CACHE=1", "--build-arg", f"COMMIT={COMMIT[:12]}",
                "--build-arg", "BRANCH=feature/order-book", str(papers.root)]

    assert [call for call in papers.calls() if call[1] != "inspect"] == [
        ["docker", "pull", f"{NAME}:cache-order-book"], ["docker", "pull", f"{NAME}:cache"],
        build("test", f"test-{COMMIT}"), build("runtime", COMMIT), ["docker", "push", f"{NAME}:{COMMIT}"],
        build("build", "cache-order-book"),
        ["docker", "tag", f"{NAME}:cache-order-book", f"{NAME}:cache"],
        ["docker", "push", f"{NAME}:cache-order-book"], ["docker", "push", f"{NAME}:cache"]]


def test_a_test_that_fails_fails_the_build(papers):
    papers.set(failing_stage="test")

    assert step(papers, "test").returncode == 1


def test_an_image_in_many_repositories_is_pushed_by_its_digest_in_ours(papers):
    papers.set(other_digests=500)
    step(papers, "runtime")

    done = step(papers, "push")

    assert done.returncode == 0, done.stderr
    assert (papers.root / ".state/image").read_text().startswith(f"{NAME}@sha256:")
    assert f"{NAME}:cache" in papers.state["images"]


def test_what_was_not_built_is_not_pushed(papers):
    done = step(papers, "push")

    assert done.returncode == 1
    assert not (papers.root / ".state/image").exists()
