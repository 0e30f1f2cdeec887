"""The script ./dev and its parts, as far as they can be seen without a network."""
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess

import pytest

from harness import database, process
from harness.process import CHECKOUT, sees_others


def bash(script, cwd, *arguments, env=None):
    prelude = ('set -euo pipefail; checkout=$PWD; state=$PWD/.state; say() { :; }; '
               'die() { printf "%s\\n" "$*" >&2; exit 1; }\n')
    return subprocess.run(["/bin/bash", "-c", prelude + script, "bash", *map(str, arguments)],
                          cwd=cwd, env={"PATH": os.environ["PATH"], **(env or {})}, text=True,
                          capture_output=True, check=False)


# -- .env

DOTENV = f'. "{CHECKOUT}/scripts/dotenv.sh"; dotenv_load .env; '
SHOW = 'for pair in "${dotenv[@]}"; do printf "%s\\0" "$pair"; done'


def dotenv(folder, text, env=None):
    (folder / ".env").write_bytes(text.encode())
    done = bash(DOTENV + SHOW, folder, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("text, pairs", [
    ("A=1\nB=two words\n", ["A=1", "B=two words"]),
    ("# comment\n\n  # another\nA=1", ["A=1"]),
    ("export A=1\n  export\tB = 2 \n", ["A=1", "B=2"]),
    ("A='single $HOME \"x\"' # why\n", ['A=single $HOME "x"']),
    ('A="a \\"b\\" \\\\ \\n$(id)"\n', ['A=a "b" \\ \n$(id)']),
    ("A=x#y #z\nB=#nothing\nC=\n", ["A=x#y", "B=", "C="]),
    ("A=`id` $(id); id\r\n", ["A=`id` $(id); id"]),
    ("URL=postgresql:///a?host=/x&user=b\n", ["URL=postgresql:///a?host=/x&user=b"]),
])
def test_dotenv_reads(tmp_path, text, pairs):
    assert dotenv(tmp_path, text) == pairs


def test_dotenv_that_everybody_can_write_is_refused(tmp_path):
    file = tmp_path / ".env"
    file.write_text("A=1\n")
    file.chmod(0o666)

    done = bash(DOTENV + SHOW, tmp_path)

    assert done.returncode != 0
    assert ".env: it can be written by everybody: found mode 666; mend it with: chmod o-w" in \
        done.stderr


def test_dotenv_yields_to_the_environment(tmp_path):
    assert dotenv(tmp_path, "A=file\nB=file\n", env={"A": "environment"}) == ["B=file"]


@pytest.mark.parametrize("text, fault", [
    ("A=1\nnonsense secret\n", ".env:2: expected KEY=VALUE"),
    ("A='secret\n", ".env:1: A: a quote is not closed"),
    ("1A=secret\n", ".env:1: expected KEY=VALUE"),
])
def test_dotenv_names_line_but_no_value(tmp_path, text, fault):
    (tmp_path / ".env").write_text(text)

    done = bash(DOTENV, tmp_path)

    assert (done.returncode, done.stderr) == (1, fault + "\n")


def test_setting_prefers_the_environment(tmp_path):
    (tmp_path / ".env").write_text("PORT=1\nOTHER=a=b\n")

    done = bash(DOTENV + 'setting PORT; echo; setting OTHER; echo; setting NONE', tmp_path,
                env={"PORT": "2"})

    assert done.stdout == "2\na=b\n"


# -- packages

def stand_ins(folder, **scripts):
    """A PATH whose first folder holds these programs."""
    for name, text in scripts.items():
        program = folder / "bin" / name.replace("_", "-")
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/bash\n" + text)
        program.chmod(0o755)
    return {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


NEED = f'. "{CHECKOUT}/scripts/packages.sh"; packages_need list.txt'
LIST = "# a list\nbash  # is there\nno-such-package-1  # is not\nno-such-package-2\n"


def test_missing_packages_without_root_are_one_line_to_run(tmp_path):
    (tmp_path / "list.txt").write_text(LIST)
    env = stand_ins(tmp_path, id="echo 1000\n", sudo="exit 1\n", apt_get="touch called\n")

    done = bash(NEED, tmp_path, env=env)

    assert done.returncode == 1
    assert ('su -c "apt-get update && apt-get install -y --no-install-recommends '
            'no-such-package-1 no-such-package-2"') in done.stderr
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("user, sudo", [("0", "exit 1\n"), ("1000", 'shift\nexec "$@"\n')])
def test_missing_packages_are_installed_by_apt(tmp_path, user, sudo):
    (tmp_path / "list.txt").write_text(LIST)
    env = stand_ins(tmp_path, id=f"echo {user}\n", sudo='[ "$2" = true ] && exit\n' + sudo,
                    flock='shift\nexec "$@"\n',
                    apt_get=f'echo "$DEBIAN_FRONTEND $*" >>{tmp_path}/called\n')
    if user == "0":
        env = stand_ins(tmp_path, id="echo 0\n")

    done = bash(NEED, tmp_path, env=env)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "called").read_text().splitlines() == [
        "noninteractive -q update",
        "noninteractive -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "
        "no-such-package-1 no-such-package-2"]


def test_nothing_is_asked_of_apt_when_all_is_there(tmp_path):
    (tmp_path / "list.txt").write_text("bash  # a shell\ncoreutils\n")
    env = stand_ins(tmp_path, apt_get="touch called\n")

    assert bash(NEED, tmp_path, env=env).returncode == 0
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("name", ["packages.txt", "packages-test.txt", "packages-bench.txt"])
def test_every_package_has_its_reason(name):
    if not (CHECKOUT / name).exists():
        pytest.skip("no benchmark in this checkout")
    for line in (CHECKOUT / name).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            package, _, reason = line.partition("#")
            assert len(package.split()) == 1 and reason.strip(), line


# -- the run

def test_a_port_that_somebody_has_is_noticed(tmp_path):
    run = f'. "{CHECKOUT}/scripts/run.sh"; run_is_taken "$1" && echo taken || echo free'
    number = process.free_port()  # and nobody else's
    port = str(number)
    with socket.create_server(("127.0.0.1", number)):
        while_open = bash(run, tmp_path, port).stdout

    assert (while_open, bash(run, tmp_path, port).stdout) == ("taken\n", "free\n")


# -- the private PostgreSQL

CLUSTER = f'. "{CHECKOUT}/scripts/postgres.sh"; cluster_init_options=(--no-sync); '
SERVE = CLUSTER + ('cluster_place "$1"; cluster_start -c fsync=off; cluster_database sim_exchange; '
                   'cluster_url sim_exchange; echo; echo "$cluster_pid"; '
                   'read -r _ || true; trap "" INT TERM HUP; cluster_stop')


class Cluster:
    """A script that keeps a cluster until it is stopped."""

    def __init__(self, home):
        prelude = 'set -euo pipefail; say() { :; }; die() { echo "$*" >&2; exit 1; }\n'
        self.lives, its_end = os.pipe()  # ends with the last process that has its other end
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", prelude + SERVE, "bash", home], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, pass_fds=(its_end,))
        os.close(its_end)
        self.url = self.process.stdout.readline().strip()
        self.postmaster = int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self.process.stdout.close()
        assert select.select([self.lives], [], [], 60)[0], "somebody is left"
        assert os.read(self.lives, 1) == b""
        os.close(self.lives)

    def kill(self):
        """kill -9 of the script alone; returns when its server has ended too."""
        with os.fdopen(os.pidfd_open(self.postmaster)) as ended:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(60)
            self.process.stdin.close()
            self.process.stdout.close()
            assert select.select([ended], [], [], 60)[0], "PostgreSQL outlives its script"


@pytest.fixture
def home():
    """A folder that the owner of a cluster can reach, which pytest's own is not."""
    folder = pathlib.Path(subprocess.run(["mktemp", "-d", "/tmp/sim-exchange-test-XXXXXXXX"],
                                         capture_output=True, text=True, check=True).stdout.strip())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_cluster_keeps_its_data_between_runs(home):
    one = Cluster(home / "postgres")
    database.query(one.url, "CREATE TABLE kept AS SELECT 42 AS n")
    one.stop()

    two = Cluster(home / "postgres")

    assert database.query(two.url, "SELECT n FROM kept") == [(42,)]
    two.stop()


def test_cluster_ends_with_a_killed_script_and_starts_again(home):
    one = Cluster(home / "postgres")
    database.query(one.url, "CREATE TABLE kept AS SELECT 42 AS n")
    one.kill()

    two = Cluster(home / "postgres")

    assert database.query(two.url, "SELECT n FROM kept") == [(42,)]
    two.stop()


def test_cluster_recovers_when_the_server_itself_was_killed(home):
    one = Cluster(home / "postgres")
    database.query(one.url, "CREATE TABLE kept AS SELECT 42 AS n")
    os.kill(one.postmaster, signal.SIGKILL)
    one.stop()

    two = Cluster(home / "postgres")

    assert database.query(two.url, "SELECT n FROM kept") == [(42,)]
    two.stop()


def test_cluster_with_a_long_path_has_a_short_socket(home):
    deep = home / ("a-long-name-for-a-folder-" * 4) / "with space"
    deep.mkdir(parents=True)

    one = Cluster(deep / "postgres")

    assert database.query(one.url, "SELECT 1") == [(1,)]
    folder = pathlib.Path(database.query(one.url, "SHOW unix_socket_directories")[0][0])
    assert len(f"{folder}/.s.PGSQL.5432") <= 107
    assert folder.stat().st_mode & 0o777 == 0o700
    one.stop()
    assert not folder.exists()


@pytest.mark.skipif(not sees_others(), reason="needs CAP_SYS_PTRACE to look into processes")
def test_cluster_has_no_network(home):
    one = Cluster(home / "postgres")

    assert database.query(one.url, "SELECT 1") == [(1,)]
    fds = pathlib.Path(f"/proc/{one.postmaster}/fd").iterdir()
    sockets = {target[8:-1] for target in map(os.readlink, fds) if target.startswith("socket:")}
    of_network = {line.split()[9] for file in ("tcp", "tcp6")
                  for line in pathlib.Path("/proc/net", file).read_text().splitlines()[1:]}
    assert sockets and not sockets & of_network
    one.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="only root owns what others cannot reach")
def test_cluster_falls_back_where_its_owner_cannot_go(home):
    closed = home / "closed"
    closed.mkdir(mode=0o700)

    done = bash(CLUSTER + 'cluster_place "$1" "$2"; echo "$cluster_home"', home,
                closed / "postgres", home / "open")

    assert done.stdout.strip() == str(home / "open"), done.stderr
    assert (home / "open").stat().st_mode & 0o777 == 0o700


# -- the count

@pytest.mark.parametrize("name_filter, counts", [("", "0 0 1\n"), ("mag", "0 0 1\n"), ("db_", None)])
def test_an_image_that_is_not_built_is_counted_as_skipped(tmp_path, name_filter, counts):
    done = bash(f'say() {{ echo "$*"; }}; . "{CHECKOUT}/scripts/test.sh"; test_out=$PWD; '
                'test_tell_image "$1"', tmp_path, name_filter)

    file = tmp_path / "image.count"
    assert done.returncode == 0, done.stderr
    assert (file.read_text() if file.exists() else None) == counts
    assert ("SKIPPED: the image is not built here" in done.stdout) == bool(counts)


def test_a_dead_program_counts_one_failed_test(tmp_path):
    programs = {
        "good_test": "echo 1..2; echo ok 1 - a; echo ok 2 - b\n",
        "bad_test": "echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1\n",
        "dead_test": "echo 1..3; echo ok 1 - a; kill -SEGV $$\n",
        "silent_test": "exit 0\n",
        "skipping_test": 'echo 1..1; echo "ok 1 # SKIP c"\n',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text("#!/bin/bash\n" + text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "CTestTestfile.cmake").write_text("".join(
        f"add_test({name} {tmp_path / name})\n" for name in [*programs, "absent_test"]))

    done = subprocess.run([CHECKOUT / "tests/run-units", tmp_path, tmp_path / "count", ""],
                          capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert (tmp_path / "count").read_text() == "4 4 1\n"
