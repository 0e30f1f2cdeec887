"""System calls and instructions per request, of our server."""
import re
import shutil
import signal
import subprocess
import time

from runner import load, process, servers

FEW, MANY = 500, 2500


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


def instructions(run, kind, paths):
    """{path: instructions per request}, or None where valgrind is missing."""
    if shutil.which("valgrind") is None:
        run.missing("valgrind", "not installed")
        return None
    base = count(run, kind, [(paths[0], FEW)])
    found = {}
    for path in paths:
        if path == paths[0]:
            asked = [(path, MANY)]
        else:
            asked = [(paths[0], FEW), (path, MANY - FEW)]
        more = count(run, kind, asked)
        if base and more:
            found[path] = (more - base) / (MANY - FEW)
    return found or None


def count(run, kind, asked):
    """Instructions of a worker from its exec to its end."""
    server = kind(run)
    prefix = ["valgrind", "-q", "--tool=callgrind", "--trace-children=yes",
              f"--callgrind-out-file={server.home}/callgrind.%p"]
    try:
        server.start(prefix=prefix, cpus={run.cpu, run.other_cpu})
        for path, times in asked:
            subprocess.run([run.out / "single", str(server.port), str(times), path], check=True,
                           stdout=subprocess.DEVNULL, timeout=60)
        time.sleep(0.1)
    except (OSError, subprocess.SubprocessError) as fault:
        run.missing("callgrind", str(fault).splitlines()[0])
        return None
    finally:
        server.stop()
    for file in server.home.glob("callgrind.*"):
        text = file.read_text(errors="replace")
        if re.search(r"^cmd:.* worker ", text, re.MULTILINE):
            found = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
            return int(found.group(1)) if found else None
    run.missing("callgrind", "wrote nothing of the worker")
    return None
