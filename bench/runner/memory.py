"""Memory of an idle server, and of ten thousand idle connections."""
import resource
import subprocess

from runner import compare, process

CONNECTIONS = 10000


def raise_limit():
    """As many files as allowed; the number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 1000
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        except (OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def idle(run, kinds):
    """{name: {"worker": (PSS, RSS), "all": PSS of all processes, "connection": kB of one}}"""
    n = min(CONNECTIONS, raise_limit() - 500)
    found = {}
    for server in compare.started(run, kinds):
        worker = server.worker()
        before = process.memory_kb(worker)
        row = {"worker": before, "all": sum(process.memory_kb(p)[0] for p in server.pids()),
               "connection": None, "n": n}
        try:
            row["connection"] = of_connections(run, server, worker, before, n)
        except OSError as fault:
            run.missing(server.name, str(fault))
        finally:
            server.stop()
        found[server.name] = row
    return found


def of_connections(run, server, worker, before, n):
    with subprocess.Popen([run.out / "idle", str(server.port), str(n), "/plaintext"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        if client.stdout.readline().strip() != "open":
            raise OSError(f"{n} idle connections could not be opened")
        after = process.memory_kb(worker)
        client.stdin.close()
    return (after[0] - before[0]) / n


def handover(run, count):
    """{label: microseconds}: what a pool thread costs one client on one connection."""
    from runner import servers  # pylint: disable=import-outside-toplevel

    found = {}
    for label, cpus in (("server on one core", {run.cpu}),
                        ("server on both cores", {run.cpu, run.other_cpu})):
        server = servers.Ours(run).start("/probe/ok", cpus=cpus)
        try:
            done = subprocess.run(["taskset", "-c", str(run.other_cpu), run.out / "single",
                                   str(server.port), str(count), "/probe/ok",
                                   "/probe/work?ms=0"], stdout=subprocess.PIPE, text=True,
                                  check=True, timeout=60)
            direct, threaded = (int(n) / 1e3 for n in done.stdout.split())
            found[label] = (direct, threaded, threaded - direct)
        except subprocess.SubprocessError as fault:
            run.missing("hand-over", str(fault))
        finally:
            server.stop()
    return found
