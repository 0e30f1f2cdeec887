#!/usr/bin/python3
"""Mixed load for a long time, with reloads, crashes and faults of the database in between: what the
processes hold must not grow, and nobody may lose a request to it.

    soak.py --build build/dev --minutes 60

Prints a line of JSON a minute and one at the end; exits with 1 when memory or descriptors grew, a
request was lost, or an answer was wrong.  ./dev soak builds and calls it.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tests/system"))

from harness import database, load, process  # noqa: E402

PLUGINS = {"probe": {}, "hello": {}, "faults": {"mount": {"prefix": "/faults"}}}
OTHERS = {"hello": {}, "faults": {"mount": {"prefix": "/faults"}}, "probe": {}, "site": {}}
CRASHES = ["/faults/segv", "/faults/pool/segv", "/faults/later/segv", "/faults/rows/segv",
           "/faults/overflow"]
ALLOWED = (503, 504)  # while the database is away, or its connections were killed
ROUND_S = 10
RATE = 200  # requests a second: faults are what is tested, not speed
GROWTH = 1.15  # of the last third over the middle one, by medians; and a little, for what is small
SLACK_KB, SLACK_FDS = 2048, 3


def sample(pid):
    """Resident kilobytes and descriptors, or None when it has just ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        rss = int(status.split("VmRSS:")[1].split()[0])
        return rss, len(os.listdir(f"/proc/{pid}/fd"))
    except (OSError, IndexError):
        return None


class Soak:
    def __init__(self, server, minutes):
        self.server, self.until = server, time.monotonic() + 60 * minutes
        self.samples = {"supervisor": [], "workers": []}
        self.counts = {"reloads": 0, "crashes": 0, "kills": 0}
        self.totals = []

    def measure(self):
        supervisor = sample(self.server.process.pid)
        workers = [one for pid in self.server.workers() if (one := sample(pid))]
        if supervisor:
            self.samples["supervisor"].append(supervisor)
        if workers:
            self.samples["workers"].append((statistics.median(w[0] for w in workers),
                                            max(w[1] for w in workers)))

    def disturb(self, number):
        """One of: a reload, crashes, dead connections."""
        what = number % 3
        if what == 0:
            self.server.rewrite(plugins=random.choice([PLUGINS, OTHERS]))
            self.server.reload()
            self.counts["reloads"] += 1
        elif what == 1:
            for path in random.sample(CRASHES, 3):
                self.counts["crashes"] += self.server.get(path).status == 500
        else:
            database.query(self.server.url,
                           "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                           "WHERE datname = current_database() AND pid <> pg_backend_pid()")
            self.counts["kills"] += 1

    def run(self):
        number = 0
        while time.monotonic() < self.until:
            with load.Load(self.server.port, routes="token,echo,db", connections=8,
                           seconds=ROUND_S, rate=RATE) as client:
                while client.is_running():
                    self.measure()
                    time.sleep(1)
                    if number % 3 == 1:
                        self.disturb(number)
                if number % 3 != 1:
                    self.disturb(number)
                self.totals.append(client.finish())
            number += 1
            if number % 6 == 0:
                self.tell()
        return self.judge()

    def tell(self):
        line = {name: dict(zip(("kb", "fds"), values[-1]))
                for name, values in self.samples.items() if values}
        line.update(self.counts, answered=sum(t["answered"] for t in self.totals))
        print(json.dumps(line), flush=True)

    def growth(self, name, index):
        values = [one[index] for one in self.samples[name]]
        third = max(len(values) // 3, 1)
        middle = values[third:2 * third] or values
        return statistics.median(middle), statistics.median(values[-third:])

    def judge(self):
        bad = {name: sum(t[name] for t in self.totals)
               for name in ("crossed", "repeated", "truncated", "lost", "surplus")}
        bad["refused"] = sum(n for t in self.totals for status, n in t["refused"].items()
                             if int(status) not in ALLOWED)
        result = {**self.counts, "answered": sum(t["answered"] for t in self.totals), **bad}
        is_good = not any(bad.values())
        for name in self.samples:
            for index, unit, slack in ((0, "kb", SLACK_KB), (1, "fds", SLACK_FDS)):
                first, last = self.growth(name, index)
                result[f"{name}_{unit}"] = [first, last]
                is_good = is_good and last <= first * GROWTH + slack
        print(json.dumps(result), flush=True)
        return is_good


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/dev")
    parser.add_argument("--minutes", type=float, default=60)
    options = parser.parse_args()
    cluster = os.environ.get("SX_TEST_DATABASE_URL")
    with tempfile.TemporaryDirectory() as home, subprocess.Popen(
            [CHECKOUT / "scripts/throwaway-postgres"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True) as keeper:
        url = database.create(cluster or keeper.stdout.readline().strip())
        server = process.Server(CHECKOUT / options.build, pathlib.Path(home) / "server",
                                {"server": {"workers": 2}, "quarantine": {"crashes": 0},
                                 "log": {"level": "info", "access": "off"}},
                                PLUGINS, {}, url, True)
        server.migrate()
        server.start()
        is_good = Soak(server, options.minutes).run()
        faults = server.finish()
        keeper.stdin.close()
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(0 if is_good and not faults else 1)


if __name__ == "__main__":
    main()
