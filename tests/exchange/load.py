#!/usr/bin/python3
"""Orders a second through HTTP, and beside them through pgbench straight into the same functions.

    load.py --build build/release [--servers 2] [--clients 32] [--products 1] [--accounts 64]
            [--seconds 5] [--rounds 3] [--goal 0]

Rounds of both take turns on one database with fsync, so that a busy machine is fair to both.  Prints a
line a round and the totals; fails when a rule of the books is broken, an order was answered with
anything but itself, or the ratio stays below --goal.  ./dev exchange-load builds and calls it."""
import argparse
import collections
import glob
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(CHECKOUT / "tests/system")]

import dialect  # noqa: E402
from harness import database, process  # noqa: E402

DEPOSITS = {code: "10000000" for code in ("USD", "BTC", "ETH", "AURORA", "BRASS", "CINDER", "DELTA",
                                          "ECHO", "FABLE")}
# Accounts with small numbers, for pgbench.
FOR_PGBENCH = """
    INSERT INTO exchange.account (id) SELECT generate_series(1, {n});
    INSERT INTO exchange.balance (account, asset)
        SELECT a.id, s.id FROM exchange.account a, exchange.asset s WHERE a.id <= {n};
    SELECT exchange.pay_in(a, array_agg(s.code), array_agg((10::numeric ^ (s.scale + 7))::bigint))
        FROM generate_series(1, {n}) a, exchange.asset s GROUP BY a"""


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] / 1000


class Bench:
    def __init__(self, options, url, ports):
        self.options, self.url, self.ports = options, url, ports
        self.admin = dialect.Administrator(ports[0])
        self.accounts = [self.admin.ask(b"POST", b"/sim/accounts", {"deposits": DEPOSITS})
                         for _ in range(options.accounts)]
        database.query(url, FOR_PGBENCH.format(n=options.accounts))
        self.latencies, self.others = [], collections.Counter()

    def http(self, seed):
        """Orders a second of one round."""
        jobs = []
        for n in range(2):
            connections = (self.options.clients + 1 - n) // 2
            job = {"ports": self.ports[n % 2:] + self.ports[:n % 2], "accounts": self.accounts,
                   "connections": connections, "products": self.options.products,
                   "seconds": self.options.seconds, "seed": seed * 2 + n}
            process_ = subprocess.Popen([sys.executable, "-B", HERE / "load_client.py"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            process_.stdin.write(json.dumps(job))
            process_.stdin.close()
            jobs.append(process_)
        n_orders = 0
        for one in jobs:
            result = json.loads(one.stdout.read())
            one.wait()
            n_orders += len(result["latencies"])
            self.latencies += result["latencies"]
            self.others.update(result["others"])
        return n_orders / self.options.seconds

    def pgbench(self):
        program = sorted(glob.glob("/usr/lib/postgresql/*/bin/pgbench"))[-1]
        done = subprocess.run(
            [program, "-n", "-M", "prepared", "-D", f"products={self.options.products}",
             "-D", f"accounts={self.options.accounts}", "-c", str(self.options.clients), "-j", "2",
             "-T", str(self.options.seconds), "-f", HERE / "place.pgbench", self.url],
            capture_output=True, text=True, check=False)
        found = re.search(r"tps = ([0-9.]+)", done.stdout)
        assert found, done.stdout + done.stderr
        # A client ends at its first error: lock_timeout, where the machine is too busy for so many.
        self.others["pgbench: a client was aborted"] += done.stderr.count(" aborted in ")
        return float(found.group(1))

    def run(self):
        rounds = []
        for n in range(self.options.rounds):
            rounds.append((self.http(n), self.pgbench()))
            print(f"round {n + 1}: http {rounds[-1][0]:.0f}/s, pgbench {rounds[-1][1]:.0f}/s",
                  flush=True)
        http, direct = (statistics.median(side) for side in zip(*rounds))
        audit = self.admin.ask(b"GET", b"/sim/audit")
        print(f"orders: http {http:.0f}/s, pgbench {direct:.0f}/s, ratio {http / direct:.2f};"
              f" p50 {percentile(self.latencies, 0.5):.1f} ms,"
              f" p99 {percentile(self.latencies, 0.99):.1f} ms;"
              f" {len(self.latencies)} orders over HTTP")
        self.others = +self.others
        print("other answers:", json.dumps(self.others))
        broken = database.query(self.url, "SELECT * FROM exchange.violations WHERE n <> 0")
        print("broken rules:", broken or "none", "- audit:", json.dumps(audit)[:60], "…")
        return not broken and not self.others and http / direct >= self.options.goal


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--products", type=int, default=1, choices=range(1, 9))
    parser.add_argument("--accounts", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--goal", type=float, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, subprocess.Popen(
            [CHECKOUT / "scripts/throwaway-postgres", "--durable"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True) as keeper:
        url = database.create(keeper.stdout.readline().strip())
        servers = [process.Server(
            CHECKOUT / options.build, pathlib.Path(home) / f"server{n}",
            {"log": {"level": "warning", "access": "off"}},
            {"exchange": {"options": dialect.OPTIONS}}, {}, url, False) for n in range(options.servers)]
        servers[0].migrate()
        for server in servers:
            server.start()
        is_good = Bench(options, url, [server.port for server in servers]).run()
        faults = [fault for server in servers for fault in server.finish()]
        keeper.stdin.close()
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(0 if is_good and not faults else 1)


if __name__ == "__main__":
    main()
