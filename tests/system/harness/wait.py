"""Waiting for what no line of a log tells."""
import time

POLL_S = 0.02
DEADLINE_S = 60


def until(condition, what, timeout_s=DEADLINE_S):
    """The first true value of condition(); fails after the deadline, which only a fault reaches."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"after {timeout_s} s still not: {what}"
        time.sleep(POLL_S)
