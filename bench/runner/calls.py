"""System calls and instructions per request, of our server."""
import dataclasses
import re
import shutil
import signal
import subprocess

from runner import load, process, servers


def system_calls(run, path, pipelined=False):
    """{call: times per request}, or None where strace cannot be used.  The difference of a long
    and a short load, so that what connections cost when they come and go is left out."""
    if shutil.which("strace") is None:
        run.missing("strace", "not installed")
        return None
    server = servers.Ours(run).start()
    try:
        short = trace_calls(run, server, path, 1, pipelined)
        long = trace_calls(run, server, path, 3, pipelined)
    except OSError as fault:
        run.missing("strace", str(fault))
        return None
    finally:
        server.stop()
    n = long[0] - short[0]
    return {name: (count - short[1].get(name, 0)) / n for name, count in long[1].items()}


def trace_calls(run, server, path, seconds, pipelined):
    """(requests, {call: times})"""
    table = server.home / "calls"
    tracer = subprocess.Popen(["strace", "-c", "-f", "-qq", "-o", table, "-p",
                               str(server.worker())], stderr=subprocess.PIPE)
    try:
        if not process.wait_until(lambda: is_traced(server.worker()), 5):
            raise OSError("may not trace here")
        n, _ = load.wrk(server.url(path), seconds, run.other_cpu, pipelined=pipelined)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        return n, dict(read_table(table.read_text()))
    finally:
        tracer.kill()
        tracer.communicate()


def is_traced(pid):
    status = (process.PROC / str(pid) / "status").read_text()
    return not re.search(r"TracerPid:\s+0$", status, re.MULTILINE)


def read_table(text):
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
            yield fields[-1], int(fields[3])


@dataclasses.dataclass
class Workload:
    """So many rounds of so many requests at once on each of so many connections."""

    name: str
    path: str
    connections: int = 64
    depth: int = 1
    rounds: int = 40

    def requests(self):
        return self.connections * self.depth * self.rounds

    def ask(self, run, server, rounds):
        subprocess.run([run.out / "crowd", *map(str, (server.port, self.connections, self.depth,
                                                     rounds, self.path))], check=True, timeout=60)


def instructions(run, kind, workloads):
    """{workload: instructions per request}: callgrind on the worker, counted from dump to dump,
    warm."""
    if shutil.which("valgrind") is None:
        run.missing("valgrind", "not installed")
        return {}
    server = kind(run)
    prefix = ["valgrind", "-q", "--tool=callgrind", "--trace-children=yes",
              f"--callgrind-out-file={server.home}/callgrind.%p"]
    found = {}
    try:
        server.start(workloads[0].path, prefix=prefix, cpus={run.cpu, run.other_cpu})
        for w in workloads:
            w.ask(run, server, 5)
            dump(server)
            w.ask(run, server, w.rounds)
            found[w.name] = dump(server) / w.requests()
    except (OSError, subprocess.SubprocessError) as fault:
        run.missing("callgrind", str(fault).splitlines()[0])
    finally:
        server.stop()
    return found


def dump(server):
    """The instructions of the worker since the dump before."""
    before = set(server.home.glob("callgrind.*"))
    subprocess.run(["callgrind_control", "--dump", str(server.worker())], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)
    for file in set(server.home.glob("callgrind.*")) - before:
        found = re.search(r"^(?:summary|totals): (\d+)", file.read_text(errors="replace"),
                          re.MULTILINE)
        if found:
            return int(found.group(1))
    raise OSError("no dump was written")
