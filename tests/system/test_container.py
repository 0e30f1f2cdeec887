"""What can be said of the container image without building it, which ./dev image does: its recipe,
the versions of its packages, and the list of what is in it."""
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from harness import process

CHECKOUT = process.CHECKOUT
sys.path.insert(0, str(CHECKOUT / "deploy/image"))

import collect  # noqa: E402
import spdx  # noqa: E402
import spdx_rules  # noqa: E402


# -- the recipe

def instructions():
    """Lines of the Dockerfile, those that go on joined, without comments."""
    text = re.sub(r"^#.*\n", "", (CHECKOUT / "Dockerfile").read_text(), flags=re.MULTILINE)
    return [line for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]


def stages():
    return [match[1] for line in instructions() if (match := re.match(r"FROM \S+ AS (\S+)", line))]


def test_image_has_its_stages_and_ends_with_the_runtime():
    assert stages() == ["packages", "build", "tests", "test", "collect", "runtime"]


def test_image_asks_no_registry_but_for_its_base():
    text = (CHECKOUT / "Dockerfile").read_text()

    assert not re.search(r"^#\s*(syntax|escape|check)\s*=", text, re.MULTILINE)  # fetches a parser
    sources = [line.split()[1] for line in instructions() if line.startswith("FROM")]
    assert sources == ["${BASE}", "packages", "packages", "scratch", "build", "scratch"]
    for line in instructions():
        assert "<<" not in line and "--link" not in line and not line.startswith("ADD"), line
        copied = re.search(r"--from=(\S+)", line)
        assert not copied or copied[1] in stages(), line


def test_image_runs_without_a_shell_as_nobody():
    runtime = instructions()[instructions().index("FROM scratch AS runtime"):]

    for line in runtime:
        assert not line.startswith("RUN"), line
        if line.split()[0] in ("ENTRYPOINT", "CMD"):
            assert json.loads(line.split(" ", 1)[1])
    assert f"USER {collect.USER}:{collect.USER}" in runtime
    assert "STOPSIGNAL SIGTERM" in runtime and "EXPOSE 5009" in runtime
    health = next(line for line in runtime if line.startswith("HEALTHCHECK"))
    assert json.loads(health[health.index("["):])[1] == "health"


def test_image_copies_what_is_there():
    for line in instructions():
        words = [word for word in line.split()[1:] if not word.startswith("--")]
        if line.startswith("COPY") and "--from" not in line:
            for name in words[:-1]:
                assert (CHECKOUT / name).exists(), line
        for name in re.findall(r"(?:\./)?deploy/image/\w+(?:\.py)?(?= )", line):
            assert (CHECKOUT / name).exists(), line


def test_editors_open_a_stage_of_the_image_and_forward_the_port():
    settings = json.loads((CHECKOUT / ".devcontainer/devcontainer.json").read_text())

    folder = CHECKOUT / ".devcontainer"
    assert (folder / settings["build"]["dockerfile"]).resolve() == CHECKOUT / "Dockerfile"
    assert (folder / settings["build"]["context"]).resolve() == CHECKOUT
    assert settings["build"]["target"] in stages()
    arguments = {line.split()[1].split("=")[0] for line in instructions() if line.startswith("ARG")}
    assert set(settings["build"]["args"]) <= arguments
    assert settings["forwardPorts"] == [5009]
    assert settings["workspaceMount"].split("target=")[1].split(",")[0] == \
        settings["workspaceFolder"]


# -- packages.lock

def lock():
    return dict(line.split() for line in (CHECKOUT / "packages.lock").read_text().splitlines()
                if not line.startswith("#"))


@pytest.mark.parametrize("name", sorted(p.name for p in CHECKOUT.glob("packages*.txt")))
def test_lock_has_every_package_of_the_lists(name):
    text = re.sub("#.*", "", (CHECKOUT / name).read_text())

    missing = set(text.split()) - set(lock())
    assert not missing, f"not in packages.lock, which ./dev lock renews: {missing}"


PACKAGES = (f'say() {{ echo "dev: $*"; }}; die() {{ exit 1; }}; '
            f'. "{CHECKOUT}/scripts/packages.sh"; ')


def bash(text, cwd, path):
    return subprocess.run(["bash", "-euo", "pipefail", "-c", PACKAGES + text], cwd=cwd,
                          env={"PATH": f"{path}:/usr/bin:/bin"}, capture_output=True, text=True,
                          check=False)


@pytest.fixture
def system(tmp_path):
    """system("installed a 1 amd64", …): what dpkg-query says, beside a lock and a list."""
    (tmp_path / "list.txt").write_text("one  # a reason\ntwo\n")
    (tmp_path / "packages.lock").write_text("# A lock\n# Architecture: amd64\none 1:1.0-1\n"
                                            "two 2.0\n")

    def install(*lines):
        query = tmp_path / "dpkg-query"
        query.write_text("#!/bin/sh\ncat <<'END'\n" + "".join(f"{line}\n" for line in lines)
                         + "END\n")
        query.chmod(0o755)
        return tmp_path

    return install


@pytest.mark.parametrize("found, said", [
    (["installed one 1:1.0-1 amd64", "installed two 2.0 all"], []),
    (["installed one 1:1.0-2 amd64", "installed two 2.0 all"], ["one 1:1.0-1 1:1.0-2"]),
    (["installed three 3 amd64"], ["three - 3"]),
    (["config-files one 0.9 amd64"], []),
    (["installed one 0.9 i386"], []),  # a second architecture is nobody's matter
])
def test_versions_are_compared_with_the_lock(system, found, said):
    folder = system(*found)

    done = bash("packages_differing packages.lock", folder, folder)

    assert (done.returncode, done.stdout.splitlines()) == (0, said), done.stderr


def test_another_version_is_a_warning_here(system):
    folder = system("installed one 1:1.0-2 amd64", "installed two 2.0 all")

    done = bash("packages_warn list.txt", folder, folder)

    assert done.returncode == 0
    assert done.stdout == ("dev: warning: package one: locked 1:1.0-1, found 1:1.0-2 "
                           "(packages.lock; ./dev lock renews)\n")


@pytest.mark.parametrize("mode, status", [("required", 1), ("warn", 0), ("", 1)])
def test_another_version_is_refused_in_the_image(system, mode, status, tmp_path):
    """Not with a real apt: what it does is told by ./dev image."""
    folder = system("installed one 1:1.0-2 amd64")
    for name in ("apt-get", "cp", "rm"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    (folder / "scripts").mkdir()
    (folder / "scripts/packages.sh").write_text((CHECKOUT / "scripts/packages.sh").read_text())

    done = subprocess.run([CHECKOUT / "deploy/image/packages", "list.txt"], cwd=folder,
                          env={"PATH": f"{folder}:/usr/bin:/bin", "LOCK": mode},
                          capture_output=True, text=True, check=False)

    assert done.returncode == status
    assert "package one: locked 1:1.0-1, found 1:1.0-2\n" in done.stdout
    assert ("--build-arg LOCK=warn" in done.stderr) == (status == 1)


# -- the engine

@pytest.mark.parametrize("programs, why", [
    ({"docker": "exit 1", "id": "echo 1000"},
     "no Docker engine runs here, and only root can start one"),
    ({"docker": "exit 1", "id": "echo 0", "unshare": "exit 1"},
     "no Docker engine runs here, and none can: mounting is not allowed"),
])
def test_a_machine_that_cannot_says_why_and_that_it_skips(tmp_path, programs, why):
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    text = (f'checkout="{CHECKOUT}"; state="{tmp_path}"; . "$checkout/scripts/engine.sh"; '
            '. "$checkout/scripts/image.sh"; image_open_engine || true')

    done = bash(text, CHECKOUT, tmp_path)

    assert done.stdout == (f"dev: SKIPPED: the image is not built: {why}\n"
                           "0 passed, 0 failed, 1 skipped\n"), done.stderr


def test_an_engine_that_runs_is_used(tmp_path):
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "docker").chmod(0o755)
    text = (f'checkout="{CHECKOUT}"; state="{tmp_path}"; . "$checkout/scripts/engine.sh"; '
            'engine_open; echo "$engine_base ${docker[*]}"; engine_close')

    done = bash(text, CHECKOUT, tmp_path)

    assert done.stdout.splitlines()[1:] == ["debian:bookworm-slim docker"], done.stderr


# -- what a run that was killed has left

CLEAN = f'state=$PWD; . "{CHECKOUT}/scripts/engine.sh"; engine_clean'


@pytest.fixture
def left(tmp_path):
    """A folder as a run makes them, noted as its own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sim-exchange-image-", dir="/tmp"))
    (folder / "log").write_text("")
    (tmp_path / "image.folders").write_text(f"{folder}\n/tmp/sim-exchange-image-was-removed\n")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class StandIn:
    """A program of that name, with an argument that tells whose it is."""

    def __init__(self, folder, name, trap, argument):
        program = folder / name
        if not program.exists():
            shutil.copy("/bin/bash", program)
        self.process = subprocess.Popen(
            [program, "-c", f"trap {trap}; echo ready; while :; do read -r -t 0.1 _ || :; done", "-",
             f"--host=unix://{argument}/socket"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def end(self):
        """What it said and its status."""
        said = self.process.communicate(timeout=60)[0]
        return said, self.process.returncode


def test_what_a_killed_run_has_left_is_ended_and_removed(tmp_path, left):
    other = left.with_name(left.name + "-other")
    engine = StandIn(tmp_path, "dockerd", "'echo ended; exit' TERM", left)
    stubborn = StandIn(tmp_path, "containerd-shim", "'' TERM INT", left)
    of_another = StandIn(tmp_path, "dockerd", "'echo ended; exit' TERM", other)

    done = bash(CLEAN, tmp_path, "/usr/bin")

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"dev: removing what an earlier run has left in {left}\n"
    assert engine.end() == ("ended\n", 0)
    assert stubborn.end() == ("", -signal.SIGKILL)
    assert not left.exists() and not (tmp_path / "image.folders").exists()
    assert of_another.process.poll() is None
    of_another.process.terminate()
    assert of_another.end() == ("ended\n", 0)


@pytest.mark.skipif(subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], check=False,
                                   capture_output=True).returncode != 0, reason="nothing can be mounted")
def test_what_a_killed_run_has_mounted_is_unmounted_first(tmp_path, left):
    layers = tmp_path / "with space/engine"
    text = (f'mkdir "{left}/mounted" && mkdir -p "{layers}" && touch "{tmp_path}/kept"; '
            f'mount -t tmpfs none "{layers}"; mount --bind "{tmp_path}" "{left}/mounted"; '
            f'cd "{layers.parent}"; mv ../image.folders .; {CLEAN}; cat /proc/self/mounts')

    done = subprocess.run(["unshare", "-m", "bash", "-euo", "pipefail", "-c", PACKAGES + text],
                          capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert str(left) not in done.stdout.split("\n", 1)[1] and "with\\040space" not in done.stdout
    assert not left.exists() and (tmp_path / "kept").exists()


# -- the list of what is in it

def document(tmp_path):
    """Of a small image, with two packages that every Debian has."""
    for path, text in (("srv/a.so", "ours"), ("usr/lib/libz.so.1", "theirs"), ("b c", "")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "lib").symlink_to("usr/lib")
    return spdx.document(tmp_path, {"usr/lib/libz.so.1": "zlib1g", "b c": "libc6"}, "0.1.0")


def test_list_keeps_the_rules_of_spdx(tmp_path):
    made = document(tmp_path)

    assert spdx_rules.faults(json.loads(json.dumps(made))) == []
    assert [one["fileName"] for one in made["files"]] == ["./b c", "./srv/a.so",
                                                         "./usr/lib/libz.so.1"]
    zlib = next(one for one in made["packages"] if one["name"] == "zlib1g")
    assert zlib["licenseDeclared"] == "Zlib"
    assert zlib["externalRefs"][0]["referenceLocator"].startswith("pkg:deb/debian/zlib1g@1:1.")


def test_list_tells_where_each_file_is_from(tmp_path):
    made = document(tmp_path)

    sources = {one["spdxElementId"]: one["relatedSpdxElement"] for one in made["relationships"]
               if one["relationshipType"] == "GENERATED_FROM"}
    assert sources == {"SPDXRef-File-b-c": "SPDXRef-Package-libc6",
                       "SPDXRef-File-srv-a.so": "SPDXRef-Package-sim-exchange",
                       "SPDXRef-File-usr-lib-libz.so.1": "SPDXRef-Package-zlib1g"}


@pytest.mark.parametrize("path, value, fault", [
    (["spdxVersion"], "SPDX-2.2", "spdxVersion"),
    (["creationInfo", "created"], "yesterday", "created"),
    (["creationInfo", "creators"], ["somebody"], "creators"),
    (["packages", 0, "name"], "", "has no name"),
    (["packages", 1, "SPDXID"], "zlib", "is no identifier"),
    (["packages", 1, "SPDXID"], "SPDXRef-Package-zlib1g", "is there twice"),
    (["packages", 2, "licenseDeclared"], "MIT AND", "the licence"),
    (["packages", 2, "licenseDeclared"], "MIT Zlib", "the licence"),
    (["packages", 2, "licenseDeclared"], "LicenseRef-unheard-of", "is explained nowhere"),
    (["packages", 2, "supplier"], "Debian", "supplier"),
    (["packages", 2, "filesAnalyzed"], True, "packageVerificationCode"),
    (["files", 0, "checksums"], [{"algorithm": "SHA256", "checksumValue": "0" * 64}], "no SHA1"),
    (["files", 0, "checksums", 0, "checksumValue"], "00", "SHA1 '00'"),
    (["files", 0, "fileName"], "/b", "not relative"),
    (["relationships", 0, "relatedSpdxElement"], "SPDXRef-none", "is related, and not there"),
    (["relationships", 0, "relationshipType"], "LIKES", "relationship 'LIKES'"),
])
def test_rules_find(tmp_path, path, value, fault):
    made = document(tmp_path)
    place = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    assert any(fault in one for one in spdx_rules.faults(made)), spdx_rules.faults(made)


FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"


@pytest.mark.parametrize("text, said", [
    (FORMAT + "Files: *\nCopyright: a\nLicense: Expat\n", "MIT"),
    (FORMAT + "Files: *\nLicense: GPL-2+\n\nFiles: b\nLicense: BSD-3-clause\n",
     "BSD-3-Clause AND GPL-2.0-or-later"),
    (FORMAT + "Files: *\nLicense: GPL-2+ or Expat\n", "(GPL-2.0-or-later OR MIT)"),
    (FORMAT + "Files: *\nLicense: Own Words\n\nLicense: Own Words\n Do what is right.\n",
     "LicenseRef-Own-Words"),
    ("This was packaged by somebody.\n", "NOASSERTION"),
])
def test_licences_are_read(text, said):
    extracted = {}

    assert spdx.expression(text, extracted) == said
    if "LicenseRef" in said:
        assert extracted[said]["extractedText"] == "Own Words\nDo what is right."


def test_libraries_are_those_of_the_file(build):
    found = collect.libraries([build / "sx_db.so", build / "sim-exchange"])

    assert {"libc.so.6", "libpq.so.5", "libuv.so.1"} <= set(found)
    assert all(file.startswith("/") for file in found.values())
    assert collect.owner(found["libc.so.6"]) == "libc6"
    assert collect.owner(found["libpq.so.5"]) == "libpq5"


def test_programs_are_all_modules_and_plugins(build):
    found = set(collect.programs(build))

    assert {"sim-exchange", "sx_db.so", "sx_sign.so", "plugins/hello.so"} <= found
    assert not any("test" in name for name in found)
