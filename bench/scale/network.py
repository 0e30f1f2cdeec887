"""A queueing network by discrete events: processes that share the processors of a host, connections
that serve one statement after the other, locks that a statement holds to its commit.

Service times are Erlang of four stages around their mean (a coefficient of variation of a half),
seeded, so that a run is the same each time."""
import collections
import heapq
import random

STAGES = 4


class Clock:
    def __init__(self, seed):
        self.now_us = 0.0
        self.events = []
        self.count = 0
        self.random = random.Random(seed)

    def after(self, us, what):
        self.count += 1
        heapq.heappush(self.events, (self.now_us + us, self.count, what))

    def run_until(self, end_us):
        while self.events and self.events[0][0] <= end_us:
            self.now_us, _, what = heapq.heappop(self.events)
            what()
        self.now_us = end_us

    def service(self, mean_us):
        return self.random.gammavariate(STAGES, mean_us / STAGES) if mean_us > 0 else 0.0

    def arrival(self, mean_us):
        return self.random.expovariate(1 / mean_us)


class Host:
    """Processors, and the processes that wait for one, in turn."""

    def __init__(self, clock, cores):
        self.clock, self.free = clock, cores
        self.waiting = collections.deque()


class Process:
    """One thread: its jobs come one after the other, and each needs a processor."""

    def __init__(self, host):
        self.host, self.jobs, self.is_active = host, collections.deque(), False

    def do(self, mean_us, then):
        self.jobs.append((mean_us, then))
        if not self.is_active:
            self.is_active = True
            if self.host.free > 0:
                self.host.free -= 1
                self.step()
            else:
                self.host.waiting.append(self)

    def step(self):
        mean_us, then = self.jobs.popleft()
        us = self.host.clock.service(mean_us)
        self.host.clock.after(us, lambda: self.end(then))

    def end(self, then):
        then()
        if self.jobs:
            self.host.waiting.append(self)
        else:
            self.is_active = False
        if self.host.waiting:
            self.host.waiting.popleft().step()
        else:
            self.host.free += 1


class Turns:
    """So many at a time, the others in the order in which they came: a pool, a lock."""

    def __init__(self, places):
        self.free, self.waiting = places, collections.deque()

    def take(self, then):
        if self.free > 0:
            self.free -= 1
            then()
        else:
            self.waiting.append(then)

    def give(self):
        if self.waiting:
            self.waiting.popleft()()
        else:
            self.free += 1


class Disk:
    """The log of the database: whoever waits when it is free is written together, by one of them,
    who has to be given a processor before the next one can write."""

    def __init__(self, host, mean_us):
        self.host, self.clock, self.mean_us = host, host.clock, mean_us
        self.waiting, self.is_busy = [], False

    def commit(self, then):
        self.waiting.append(then)
        if not self.is_busy:
            self.write()

    def write(self):
        self.is_busy, group, self.waiting = True, self.waiting, []
        self.clock.after(self.clock.service(self.mean_us), lambda: Process(self.host).do(
            0, lambda: self.written(group)))

    def written(self, group):
        self.is_busy = False
        for then in group:
            then()
        if self.waiting and not self.is_busy:
            self.write()
