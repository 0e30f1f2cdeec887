"""Processes from outside: their family, CPU time, memory and CPUs, from /proc."""
import os
import pathlib
import signal
import subprocess
import time

PROC = pathlib.Path("/proc")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def stat_fields(pid):
    """The fields behind the name, so that [0] is the state."""
    return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()


def family(root):
    """The process and all that descend from it."""
    children = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int(stat_fields(entry.name)[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_s(pids):
    """(total, user) seconds that these processes have run: the total from the scheduler, exact;
    the share of user from the ticks, which are coarse."""
    total = user = system = 0.0
    for pid in pids:
        try:
            for task in (PROC / str(pid) / "task").iterdir():
                total += int((task / "schedstat").read_text().split()[0]) / 1e9
            fields = stat_fields(pid)
        except (OSError, IndexError):
            continue
        user += int(fields[11]) * TICK_S
        system += int(fields[12]) * TICK_S
    return total, user, system


class Cpu:
    """The CPU time between start and end of some processes."""

    def __init__(self, pids):
        self.pids = pids
        self.before = cpu_s(pids)

    def spent(self):
        """(microseconds, of it user)"""
        total, user, system = (b - a for a, b in zip(self.before, cpu_s(self.pids)))
        share = user / (user + system) if user + system > 0 else 0.0
        return total * 1e6, total * share * 1e6


def memory_kb(pid):
    """(PSS, RSS) in kB."""
    found = {}
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("Pss", "Rss"):
            found[name] = int(rest.split()[0])
    return found["Pss"], found["Rss"]


def pin(pids, cpus):
    """All threads of the processes, and what they will start."""
    for pid in pids:
        try:
            for task in (PROC / str(pid) / "task").iterdir():
                os.sched_setaffinity(int(task.name), cpus)
        except OSError:
            continue


class Child:
    """A program of the benchmark in a session of its own; its output goes to a log."""

    def __init__(self, command, log, env=None, cpus=None):
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(  # pylint: disable=consider-using-with
                [str(c) for c in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=dict(os.environ, **(env or {})), start_new_session=True,
                preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None)
        self.pid = self.popen.pid

    def pids(self):
        return family(self.pid)

    def is_running(self):
        return self.popen.poll() is None

    def stop(self):
        if self.is_running():
            everybody = self.pids()
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                for pid in everybody:
                    kill(pid)
                self.popen.wait()
        kill(-self.pid)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def wait_until(claim, seconds):
    """Looks again until the claim holds; False when it did not in time."""
    end = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
