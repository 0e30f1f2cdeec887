#!/usr/bin/python3
"""Scores a server by hand: score.py --target host:port | --peer nginx|node [--list] [--match TEXT]

--peer starts one of the trusted servers in a private folder; cases that need what it does not have
are left out, and so are the project's own rules for errors.
"""
import argparse
import collections
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cases  # noqa: E402
import runner  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
LACKS = {"nginx": {"problem", "json", "reflect", "stream", "type"}, "node": {"problem"}}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_peer(name, folder, port):
    if name == "node":
        return subprocess.Popen(["node", os.path.join(HERE, "peers", "node.js"), str(port)])
    with open(os.path.join(HERE, "peers", "nginx.conf.in"), encoding="ascii") as template:
        text = template.read()
    for key, value in (("PREFIX", folder), ("PORT", str(port)),
                       ("MODULES", "/usr/lib/nginx/modules")):
        text = text.replace("@%s@" % key, value)
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w", encoding="ascii") as config:
        config.write(text)
    return subprocess.Popen(["/usr/sbin/nginx", "-p", folder, "-c", path, "-e", folder +
                             "/error.log"])


def wait_until_open(port, process):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit("the peer did not start")


def report(verdicts, selected, is_listing):
    groups, n_bad = collections.OrderedDict(), 0
    for case in selected:
        faults = [(delivery, verdicts[case.name, delivery]) for delivery in runner.DELIVERIES
                  if (case.name, delivery) in verdicts and verdicts[case.name, delivery].fault]
        good, total = groups.get(case.group, (0, 0))
        groups[case.group] = (good + (not faults), total + 1)
        n_bad += bool(faults)
        for delivery, verdict in faults if is_listing else ():
            if verdict.outcome == "unreachable":
                continue
            print("%-50s %-6s %s" % (case.name, delivery, verdict.fault))
    for group, (good, total) in groups.items():
        print("%-14s %4d of %4d" % (group, good, total))
    n_unreachable = sum(verdict.outcome == "unreachable" for verdict in verdicts.values())
    if n_unreachable:
        print("the server could not be reached by %d of the conversations" % n_unreachable)
    smuggled = sum("SMUGGLED:" in verdict.fault for verdict in verdicts.values())
    print("%d of %d cases (%.1f %%), %d conversations, %d with a smuggled request" % (
        len(selected) - n_bad, len(selected), 100 * (len(selected) - n_bad) / len(selected),
        len(verdicts), smuggled))
    return n_bad


def run(address, lacks, options, is_peer):
    selected = [case for case in cases.load()
                if case.needs not in lacks and options.match in case.name]
    started = time.monotonic()
    verdicts = runner.run_all(runner.jobs_of(selected), address, is_peer)
    n_bad = report(verdicts, selected, options.list)
    print("%.1f seconds" % (time.monotonic() - started))
    return n_bad


def run_peer(name, options):
    folder, port = tempfile.mkdtemp(prefix="sx-peer-"), free_port()
    process = start_peer(name, folder, port)
    try:
        wait_until_open(port, process)
        return run(("127.0.0.1", port), LACKS[name], options, True)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", help="host:port of a running server")
    parser.add_argument("--peer", choices=sorted(LACKS), help="start this one instead")
    parser.add_argument("--list", action="store_true", help="say what is wrong in each failed case")
    parser.add_argument("--match", default="", help="only cases whose name contains this")
    options = parser.parse_args()
    if bool(options.target) == bool(options.peer):
        parser.error("expected one of --target and --peer")
    if options.peer:
        sys.exit(bool(run_peer(options.peer, options)))
    host, port = options.target.rsplit(":", 1)
    sys.exit(bool(run((host, int(port)), set(), options, False)))


if __name__ == "__main__":
    main()
