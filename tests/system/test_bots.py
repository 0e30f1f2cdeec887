"""The simulated traders where there are several instances, and where the database goes away."""
import os
import signal

import pytest

from harness import database
from harness.fault_proxy import Proxy
from harness.wait import until

SECRET = {"signing_secret": "only for a test, but long enough for that"}
PLUGINS = {"exchange": {"options": SECRET},
           "bots": {"options": {"orders_per_minute": 1200, "instruments": ["ECHO-USD"]}}}
FAILED = "the work of a timer failed"
VIOLATIONS = "SET search_path = exchange; SELECT sum(n) FROM violations"


@pytest.fixture
def url(new_database):
    return new_database()


@pytest.fixture
def proxy(url):
    with Proxy(url) as one:
        yield one


def failures(s):
    return [line for line in s.lines if FAILED in str(line.get("message"))]


def number(url, sql):
    return int(database.query(url, sql)[0][0] or 0)


def steps(url):
    return number(url, "SELECT sum(step) FROM bots.progress")


def test_two_instances_are_one_crowd_and_one_goes_on_alone(url, server):
    first = server(plugins=PLUGINS, url=url, may_die=True)
    second = server(plugins=PLUGINS, url=url, migrate=False)
    until(lambda: steps(url) > 60, "both at work")

    os.killpg(first.process.pid, signal.SIGKILL)
    so_far = steps(url)
    until(lambda: steps(url) > so_far + 20, "the other one goes on")

    assert number(url, "SELECT count(*) FROM exchange.account") == 7  # each was opened once
    assert number(url, VIOLATIONS) == 0
    assert not failures(second)


def test_an_outage_is_survived_with_one_line(proxy, url, server):
    s = server(plugins=PLUGINS, url=proxy.url)
    until(lambda: steps(url) > 30, "a market")

    proxy.refuse()
    s.wait_line(FAILED)
    proxy.accept()
    so_far = steps(url)
    until(lambda: steps(url) > so_far + 5, "the market goes on")

    assert len(failures(s)) == 1
    assert number(url, VIOLATIONS) == 0
