"""Starts: exec to first answer, exec of a worker to ready, its death to the next answer; reloads."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from runner import servers

RELOAD_MS = 300


def first_answers(run, kinds_and_paths, rounds):
    """{(name, path): [milliseconds]}; by turns.  The first round warms the disk's cache."""
    ready = []
    for kind, path in kinds_and_paths:
        server = kind(run) if kind.is_there() else None
        try:
            if server:
                ready.append((server, path, [str(c) for c in server.command()]))
        except OSError as fault:
            run.missing(kind.name, str(fault))
    found = {}
    for i in range(rounds + 1):
        for server, path, command in ready:
            took = first_answer(run, server, path, command)
            if took is not None and i > 0:
                found.setdefault((server.name, type(server), path), []).append(took)
    return found


def first_answer(run, server, path, command):
    done = subprocess.run(["taskset", "-c", str(run.other_cpu), run.out / "first",
                           str(server.port), path, str(run.cpu), *command],
                          env=dict(os.environ, **server.env()), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    numbers = [line for line in done.stdout.splitlines() if line.isdigit()]
    if done.returncode != 0 or not numbers:
        run.missing(server.name, f"no first answer to {path}")
        return None
    return int(numbers[-1]) / 1e6


def worker_ready(run, kind, rounds):
    """[milliseconds] from a worker's exec to its word that it is ready."""
    if shutil.which("strace") is None:
        return []
    times = []
    for _ in range(rounds + 1):
        server = kind(run)
        trace = server.home / "trace"
        server.start(prefix=["strace", "-f", "--seccomp-bpf", "-qq", "-ttt", "-o", trace,
                             "-e", "trace=execve,execveat,sendmsg"])
        os.kill(server.child.pids()[1], signal.SIGTERM)  # the tracer itself ignores it
        server.child.popen.wait(10)
        server.stop()
        took = read_trace(trace.read_text(errors="replace"))
        if took is not None:
            times.append(took)
    return times[1:]


def read_trace(text):
    exec_line = re.search(r"^(\d+)\s+([\d.]+) exec\w+\(.*\"worker\"", text, re.MULTILINE)
    if exec_line is None:
        return None
    ready = re.search(rf"^{exec_line.group(1)}\s+([\d.]+) sendmsg\(.*\"ready\"", text,
                      re.MULTILINE)
    return (float(ready.group(1)) - float(exec_line.group(2))) * 1e3 if ready else None


def worker_replaced(run, kind, rounds):
    """[milliseconds] from the kill -9 of the only worker to the answer of the next one.  Each time
    a new server: one whose workers die again and again takes its time."""
    times = []
    for _ in range(rounds + 1):
        server = kind(run).start()
        try:
            worker = server.worker()
            began = time.monotonic()
            os.kill(worker, signal.SIGKILL)
            ask(server.port, "/plaintext")
            times.append((time.monotonic() - began) * 1e3)
        finally:
            server.stop()
    return times[1:]


def ask(port, path):
    """The sockets are the supervisor's: a connection waits for the worker that will accept it, or
    was the last one of the dead, and is made again."""
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
                if client.recv(100).startswith(b"HTTP/1.1 200"):
                    return
        except ConnectionError:
            pass


def reload_gaps(run, kinds, rounds):
    """{name: [(milliseconds, answers lost)]}: the longest wait of a client around a reload."""
    found = {}
    for _ in range(rounds):
        for kind in kinds:
            if not kind.is_there():
                continue
            server = kind(run).start()
            try:
                gap = reload_gap(run, server)
                if server.has_reloaded():
                    found.setdefault(kind.name, []).append(gap)
                else:
                    run.missing(kind.name, f"a reload took longer than {RELOAD_MS} ms")
            finally:
                server.stop()
    return found


def reload_gap(run, server):
    """Of the time from just before the signal to when a reload is over, and more."""
    client = subprocess.Popen(["taskset", "-c", str(run.other_cpu), run.out / "gap",
                               str(server.port), "8", str(RELOAD_MS), "/plaintext"],
                              stdout=subprocess.PIPE, text=True)
    if not client.stdout.readline():
        raise OSError(f"{server.name} did not answer")
    server.before_reload()
    client.send_signal(signal.SIGUSR1)
    server.child.popen.send_signal(signal.SIGHUP)
    out, _ = client.communicate(timeout=60)
    longest_ns, n_lost, _ = (int(n) for n in out.split())
    return longest_ns / 1e6, n_lost
