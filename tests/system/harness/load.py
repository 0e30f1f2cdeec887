"""The load client of tests/http beside a test: it runs while the test does something else."""
import json
import signal
import subprocess
import sys

from harness.process import CHECKOUT

END_S = 100


class Load:
    """One run of load.py.  Its totals come from finish(), or the block's end."""

    def __init__(self, port, *, mode="keepalive", connections=20, routes="token,echo", count=None,
                 seconds=None, rate=0):
        limits = ["--count", str(count if count is not None else 10 ** 9)]
        if rate:
            limits += ["--rate", str(rate)]
        if seconds is not None:
            limits += ["--seconds", str(seconds)]
        self.totals = None
        self.process = subprocess.Popen(
            [sys.executable, "-B", CHECKOUT / "tests/http/load.py", "--target",
             f"127.0.0.1:{port}", "--mode", mode, "--connections", str(connections),
             "--routes", routes, "--tell-begin", *limits], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "begun\n", "the load client did not start"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.totals is None and self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def is_running(self):
        return self.process.poll() is None

    def stop(self):
        """Ends it after what is under way: the totals."""
        self.process.send_signal(signal.SIGINT)
        return self.finish()

    def finish(self):
        """Waits for its end: the totals, and faults, the sum of what must not be."""
        output, _ = self.process.communicate(timeout=END_S)
        self.totals = json.loads(output)
        return self.totals


def faults(totals, allowed=()):
    """What no client may see; a refusal is one unless its status is allowed."""
    refused = sum(n for status, n in totals["refused"].items() if int(status) not in allowed)
    names = ("crossed", "repeated", "truncated", "lost", "surplus")
    return refused + sum(totals[name] for name in names)
