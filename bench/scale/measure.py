"""What a request costs here: 1, 2 and 4 instances on one PostgreSQL, all on this machine, with the
processor time of each side.  ./dev scale --measure calls it and writes measured.json."""
import contextlib
import datetime
import glob
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path[:0] = [str(CHECKOUT / "bench"), str(CHECKOUT / "tests/system"), str(CHECKOUT / "tests/exchange")]

import dialect  # noqa: E402
from harness import database, pooler as pgbouncer, process as harness  # noqa: E402
from load import DEPOSITS, FOR_PGBENCH  # noqa: E402
from runner import process  # noqa: E402

INSTANCES = (1, 2, 4)
CLIENTS = {"read": 64, "order": 16}
PRODUCTS = 8
PLUGINS = {"techempower": {}, "exchange": {"options": dialect.OPTIONS}}
POOL_SIZE = 4


class Place:
    """A durable PostgreSQL and some instances on it."""

    def __init__(self, build, home, keeper_url, instances, pooled=False):
        self.url = database.create(keeper_url)
        self.pooler = pgbouncer.Pooler(self.url) if pooled else None
        config = {"log": {"level": "warning", "access": "errors"},
                  "database": {"pool_size": POOL_SIZE, "direct_url": self.url,
                               "pooler": "transaction" if pooled else "none"}}
        url = self.pooler.url if pooled else self.url
        self.servers = [harness.Server(build, home / f"server{n}", config, PLUGINS, {}, url, False)
                        for n in range(instances)]
        self.servers[0].migrate()
        for server in self.servers:
            server.start()
        admin = dialect.Administrator(self.servers[0].port)
        self.accounts = [admin.ask(b"POST", b"/sim/accounts", {"deposits": DEPOSITS})
                         for _ in range(32)]

    def families(self, keeper_pid):
        groups = {"server": [s.process.pid for s in self.servers], "database": [keeper_pid]}
        if self.pooler is not None:
            groups["pooler"] = [self.pooler.process.pid]
        return {name: [pid for root in roots for pid in process.family(root)]
                for name, roots in groups.items()}

    def read(self, seconds, clients):
        """wrk, one for each instance."""
        running = [subprocess.Popen(
            ["wrk", "-t1", f"-c{clients // len(self.servers)}", f"-d{seconds}s",
             f"http://127.0.0.1:{server.port}/db"], stdout=subprocess.PIPE, text=True)
                   for server in self.servers]
        texts = [one.communicate()[0] for one in running]
        assert not any("Non-2xx" in text for text in texts), "\n".join(
            [*texts, *(server.output() for server in self.servers)])
        return sum(int(re.search(r"(\d+) requests in", text).group(1)) for text in texts)

    def order(self, seconds, clients):
        job = {"ports": [s.port for s in self.servers], "accounts": self.accounts, "seed": 1,
               "connections": clients, "products": PRODUCTS, "seconds": seconds}
        done = subprocess.run([sys.executable, "-B", CHECKOUT / "tests/exchange/load_client.py"],
                              input=json.dumps(job), capture_output=True, text=True, check=True)
        result = json.loads(done.stdout)
        assert not result["others"], result["others"]
        return len(result["latencies"])

    def finish(self):
        faults = [fault for server in self.servers for fault in server.finish()]
        if self.pooler is not None:
            self.pooler.finish()
        assert not faults, faults


def children_us():
    times = os.times()
    return (times.children_user + times.children_system) * 1e6


def sample(place, keeper_pid, workload, seconds):
    """One round: requests a second, and the processor time of each side for one of them."""
    groups = place.families(keeper_pid)
    before = {name: process.Cpu(pids) for name, pids in groups.items()}
    client_us = children_us()
    count = getattr(place, workload)(seconds, CLIENTS[workload])
    row = {f"{name}_us": cpu.spent()[0] / count for name, cpu in before.items()}
    return {"rate": count / seconds, "client_us": (children_us() - client_us) / count, **row}


def median_of(rows):
    return {key: round(statistics.median(row[key] for row in rows), 2) for key in rows[0]}


def alone_us(place, seconds, synchronous):
    """What one client waits for an order, straight from the database."""
    program = sorted(glob.glob("/usr/lib/postgresql/*/bin/pgbench"))[-1]
    done = subprocess.run(
        [program, "-n", "-M", "prepared", "-D", "products=8", "-D", "accounts=32", "-c", "1", "-T",
         str(seconds), "-f", CHECKOUT / "tests/exchange/place.pgbench", place.url],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PGOPTIONS": f"-c synchronous_commit={synchronous}"})
    return float(re.search(r"latency average = ([0-9.]+)", done.stdout).group(1)) * 1000


def commit_us(place, seconds, rounds):
    """What the disk adds to it: with waiting for it, less without."""
    database.query(place.url, FOR_PGBENCH.format(n=32))
    pairs = [(alone_us(place, seconds, "on"), alone_us(place, seconds, "off"))
             for _ in range(rounds)]
    return round(max(0, statistics.median(on - off for on, off in pairs)), 1)


def backend_kb(place):
    """The memory that is one connection's own."""
    rows = database.query(place.url, "SELECT pid FROM pg_stat_activity WHERE datname ="
                                     " current_database() AND application_name = 'sim-exchange'")
    return statistics.median(process.memory_kb(pid)[0] for (pid,) in rows)


def measure(build, seconds, rounds):
    found = {"date": datetime.date.today().isoformat(), "processors": len(os.sched_getaffinity(0)),
             "pool_size": POOL_SIZE, "clients": CLIENTS, "read": {}, "order": {}, "pooled": {}}
    with contextlib.ExitStack() as stack:
        home = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        keeper = stack.enter_context(subprocess.Popen(
            [CHECKOUT / "scripts/throwaway-postgres", "--durable"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True))
        url = keeper.stdout.readline().strip()
        places = {str(n): Place(build, home / str(n), url, n) for n in INSTANCES}
        places["pooled"] = Place(build, home / "pooled", url, 1, pooled=True)
        samples = {}
        for turn in range(rounds + 1):  # all in turns, so that a slow moment hits all; one to warm up
            for name, place in places.items():
                for workload in CLIENTS:
                    row = sample(place, keeper.pid, workload, seconds if turn else 1)
                    if turn:
                        samples.setdefault((name, workload), []).append(row)
                    print(f"{name} {workload}: {row['rate']:.0f}/s", flush=True)
        for (name, workload), rows in samples.items():
            if name == "pooled":
                found["pooled"][workload] = median_of(rows)
            else:
                found[workload][name] = median_of(rows)
        found["commit_us"] = commit_us(places["1"], seconds, rounds)
        found["backend_kb"] = backend_kb(places["1"])
        for place in places.values():
            place.finish()
        keeper.stdin.close()
    return found
