"""What a request costs here: 1, 2 and 4 instances on one PostgreSQL, all on this machine, with the
processor time of each side.  ./dev scale --measure calls it and writes measured.json."""
import contextlib
import datetime
import functools
import glob
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path[:0] = [str(CHECKOUT / "bench"), str(CHECKOUT / "tests/system"), str(CHECKOUT / "tests/exchange")]

import dialect  # noqa: E402
from harness import database, pooler as pgbouncer, process as harness  # noqa: E402
from load import DEPOSITS, FOR_PGBENCH  # noqa: E402
from report import ACCOUNTS, INSTRUMENTS, WRITERS  # noqa: E402
from runner import process  # noqa: E402

INSTANCES = (1, 2, 4)
CLIENTS = {"read": 64, "order": 16}
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
                         for _ in range(ACCOUNTS)]

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
               "connections": clients, "products": INSTRUMENTS, "seconds": seconds}
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


def busy_us():
    """The processors of the machine, whoever they worked for."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * process.TICK_S * 1e6


def sample(place, keeper_pid, workload, clients, seconds):
    """One round: requests a second, and the processor time of each side for one of them.  The
    second before it opens connections that were closed in the meantime, and fills their caches."""
    send = getattr(place, workload)
    send(1, clients)
    groups = place.families(keeper_pid)
    before = {name: process.Cpu(pids) for name, pids in groups.items()}
    log, client_us, all_us = Log(place.url), children_us(), busy_us()
    count = send(seconds, clients)
    row = {f"{name}_us": cpu.spent()[0] / count for name, cpu in before.items()}
    row["client_us"] = (children_us() - client_us) / count
    row["kernel_us"] = max(0, (busy_us() - all_us) / count - sum(row.values()))
    if workload == "order":
        row["commit_us"] = log.write_us()
    return {"rate": count / seconds, **row}


def crowd(url, keeper_pid, connections, seconds):
    """The processor time of the database for one order where so many connections send them, with
    nothing between: they wait for one another and evict one another's caches."""
    def orders():
        return database.query(url, "SELECT count(*) FROM exchange.stored_order")[0][0]

    program = sorted(glob.glob("/usr/lib/postgresql/*/bin/pgbench"))[-1]
    with subprocess.Popen(
            [program, "-n", "-M", "prepared", "-D", f"products={INSTRUMENTS}", "-D",
             f"accounts={ACCOUNTS}", "-c", str(connections), "-T", str(seconds + 2), "-f",
             CHECKOUT / "tests/exchange/place.pgbench", url], stdout=subprocess.DEVNULL) as running:
        time.sleep(1)
        began, count = process.Cpu(process.family(keeper_pid)), orders()
        time.sleep(seconds)
        spent_us, count = began.spent()[0], orders() - count
    assert running.returncode == 0 and count > 0, (running.returncode, count)
    return spent_us / count


def median_of(rows):
    return {key: round(statistics.median(row[key] for row in rows), 2) for key in rows[0]}


class Log:
    """How long the database writes its log, each time."""

    QUERY = "SELECT wal_sync, wal_sync_time + wal_write_time FROM pg_stat_wal"

    def __init__(self, url):
        self.url = url
        self.before = self.now()

    def now(self):
        return database.query(self.url, self.QUERY)[0]

    def write_us(self):
        syncs, ms = (after - before for after, before in zip(self.now(), self.before))
        return float(ms) * 1000 / syncs if syncs else 0.0


def backend_kb(place):
    """The memory that is one connection's own."""
    rows = database.query(place.url, "SELECT pid FROM pg_stat_activity WHERE datname ="
                                     " current_database() AND application_name = 'sim-exchange'")
    return statistics.median(process.memory_kb(pid)[0] for (pid,) in rows)


def points(places, keeper_pid, seconds):
    """What is sampled in each round: (name, workload, clients, the sampling)."""
    for workload, clients in CLIENTS.items():
        for name, n in [*((name, clients) for name in places),
                        *(("1", clients // n) for n in INSTANCES[1:])]:
            yield name, workload, n, functools.partial(sample, places[name], keeper_pid, workload,
                                                       n, seconds)


def crowds(url, keeper_pid, seconds):
    """Each beside the first, so that a slow moment cannot pass for a crowd."""
    first_us = None
    for connections in (n * WRITERS for n in INSTANCES):
        spent_us = crowd(url, keeper_pid, connections, seconds)
        first_us = first_us or spent_us
        yield connections, {"database_us": spent_us, "ratio": spent_us / first_us}


def measure(build, seconds, rounds):
    with contextlib.ExitStack() as stack:
        home = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        keeper = stack.enter_context(subprocess.Popen(
            [CHECKOUT / "scripts/throwaway-postgres", "--durable"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True))
        url = keeper.stdout.readline().strip()
        database.query(url, "ALTER SYSTEM SET track_wal_io_timing = on")
        database.query(url, "SELECT pg_reload_conf()")
        places = {str(n): Place(build, home / str(n), url, n) for n in INSTANCES}
        places["pooled"] = Place(build, home / "pooled", url, 1, pooled=True)
        alone = Place(build, home / "alone", url, 1)
        database.query(alone.url, FOR_PGBENCH.format(n=ACCOUNTS))
        samples, order = {}, random.Random(1)
        todo = list(points(places, keeper.pid, seconds))
        for _ in range(rounds):
            order.shuffle(todo)  # what comes first after a long load finds another machine
            rows = [((name, workload, n), take()) for name, workload, n, take in todo]
            rows += [(("database", "order", n), row)
                     for n, row in crowds(alone.url, keeper.pid, seconds)]
            for key, row in rows:
                samples.setdefault(key, []).append(row)
                print(*key, median_of([row]), flush=True)
        kilobytes = backend_kb(places["1"])
        for place in (*places.values(), alone):
            place.finish()
        keeper.stdin.close()
    found = {"date": datetime.date.today().isoformat(), "processors": len(os.sched_getaffinity(0)),
             "clients": CLIENTS, "backend_kb": kilobytes}
    for (name, workload, n), rows in sorted(samples.items()):
        found.setdefault(workload, {}).setdefault(name, {})[str(n)] = median_of(rows)
    return found
