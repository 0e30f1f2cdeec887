"""The model of docs/scale.md: queues behave as theory says."""
import json
import sys

import pytest

from harness import pooler
from harness.process import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "bench/scale"))

import report  # noqa: E402
from network import STAGES, Clock, Disk, Host, Process, Turns  # noqa: E402
from service import Costs, Service, Shape  # noqa: E402


def test_a_queue_before_one_server_waits_as_long_as_theory_says():
    """Pollaczek and Khinchine: M/G/1 with the variance of STAGES stages."""
    clock, waits = Clock(7), []
    process = Process(Host(clock, 1))
    service_us, load = 100.0, 0.7

    def arrive():
        began = clock.now_us
        process.do(service_us, lambda: waits.append(clock.now_us - began))
        clock.after(clock.arrival(service_us / load), arrive)

    arrive()
    clock.run_until(3e7)
    expected = service_us + service_us * load * (1 + 1 / STAGES) / (2 * (1 - load))
    assert sum(waits) / len(waits) == pytest.approx(expected, rel=0.03)


def test_the_processors_of_a_host_are_all_that_there_is():
    clock, done = Clock(1), [0]
    host = Host(clock, 2)

    def again(process):
        done[0] += 1
        process.do(100, lambda: again(process))

    for _ in range(5):
        again(Process(host))
    clock.run_until(1e6)
    assert done[0] == pytest.approx(2 * 1e4, rel=0.02)


def test_turns_are_kept_and_a_disk_writes_for_all_who_wait():
    clock, order = Clock(1), []
    turns = Turns(1)
    for n in range(3):
        turns.take(lambda n=n: order.append(n))
    turns.give()
    turns.give()
    assert order == [0, 1, 2]

    disk = Disk(Host(clock, 1), 1000)
    for n in range(10):
        disk.commit(lambda n=n: order.append((n, clock.now_us)))
    clock.run_until(1e6)
    times = {when for _, when in order[3:]}
    assert len(order) == 13 and len(times) == 2  # the first alone, the others together


def test_what_is_full_first_bounds_the_service():
    costs = Costs(client_us=0, server_us=100, database_us=300, commit_us=700, locks=1)
    shape = Shape(instances=4, workers=2, connections=4, database_cores=8)
    assert Service(costs, shape).closed(64, 2) == pytest.approx(1000, rel=0.05)  # one lock
    costs = Costs(client_us=0, server_us=1000, database_us=10)
    assert Service(costs, shape).closed(64, 1) == pytest.approx(8000, rel=0.05)  # eight workers


def test_the_model_finds_what_was_measured():
    measured = json.loads((CHECKOUT / "bench/scale/measured.json").read_text())
    assert report.POOLED == pooler.SERVER_CONNECTIONS
    assert report.reproduce(measured)
    del measured["clients"]["read"]
    one = measured["order"]["1"][str(measured["clients"]["order"])]
    one["database_us"] *= 2  # another machine than the one whose rates these are
    assert not report.reproduce(measured)
