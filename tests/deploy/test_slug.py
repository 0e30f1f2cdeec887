"""The tags of previews: what Cloud Run takes, and never the same for two branches."""
import itertools
import random
import re
import subprocess

from conftest import CHECKOUT

LOOP = '. "$0/deploy/lib.sh"; while IFS= read -r branch; do slug "$branch" "$1"; echo; done'


def slugs(branches, service="sim-exchange"):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", LOOP, CHECKOUT, service],
                          input="".join(branch + "\n" for branch in branches), check=True,
                          capture_output=True, text=True)
    return done.stdout.splitlines()


SHAPES = [
    ("feature/order-book", "order-book"), ("feature/v2", "v2"), ("release/1", "release-1"),
    ("hotfix/x", "hotfix-x"), ("release/1.2.0", "release-1-2-0-#"),
    ("feature/Order_Book", "order-book-#"), ("feature/a/b", "a-b-#"), ("feature/a--b", "a-b-#"),
    ("feature/-a-", "a-#"), ("feature/2fast", "b-2fast-#"), ("feature/日本", "b-#"),
    ("feature/é", "b-#"), ("feature/current", "current-#"), ("feature/previous", "previous-#"),
    ("feature/c-0123abcd", "c-0123abcd-#"), ("feature/x-0123abcd", "x-0123abcd-#"),
    ("feature/$(reboot)", "reboot-#"), ("feature/-n", "n-#"), ("feature/*", "b-#"),
    ("feature/" + "a" * 34, "a" * 34), ("feature/" + "a" * 35, "a" * 25 + "-#"),
    ("feature/" + "a" * 24 + "-" + "b" * 20, "a" * 24 + "-#")]


def test_a_branch_gets_this_tag():
    found = slugs([branch for branch, _ in SHAPES])

    assert len(found) == len(SHAPES)
    for (branch, shape), tag in zip(SHAPES, found):
        assert re.fullmatch(re.escape(shape).replace(r"\#", "[0-9a-f]{8}"), tag), (branch, tag)


def test_no_two_branches_share_a_tag_and_all_are_taken_by_cloud_run():
    rng = random.Random(5)
    kinds = ("feature/", "release/", "hotfix/")
    close = [kind + a + mid + b for kind, a, mid, b in itertools.product(
        kinds, ("x", "X"), ("-", "_", "/", "--", "-/"), ("y",))]
    odd = ["feature/" + "".join(rng.choice("aZ09-_/.é ~") for _ in range(rng.randint(1, 60)))
           for _ in range(20)]
    made = slugs(["feature/x-y"])  # and what looks like the tag of another branch
    hashed = slugs(["feature/x_y"])
    branches = list(dict.fromkeys([*close, *odd, *("feature/" + t for t in made + hashed)]))

    for service in ("sim-exchange", "s" * 29):
        tags = slugs(branches, service)
        assert len(set(tags)) == len(branches)
        for tag in tags:
            assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", tag), tag
            assert len(tag) + len(service) <= 46
