"""Instances of the server on one database, as a queueing network, and what a load does to them."""
import dataclasses

from network import Clock, Disk, Host, Process, Turns


@dataclasses.dataclass
class Costs:
    """Of one request, in microseconds; the measured ones stand in measured.json."""

    client_us: float       # of a load generator on the same machine; 0: it is elsewhere
    server_us: float       # of a worker
    database_us: float     # of PostgreSQL, the statement and its share of everything else
    commit_us: float = 0   # waiting for the disk, with the lock held and no processor
    pooler_us: float = 0   # of PgBouncer
    kernel_us: float = 0   # of nobody: interrupts of network and disk, on the database's machine
    network_us: float = 0  # from the server to the database and back
    locks: int = 0         # instruments, each of which takes one order at a time; 0: none
    accounts: int = 0      # whose balances an order locks: its own, and half the time another's


@dataclasses.dataclass
class Shape:
    instances: int
    workers: int                # of each instance, and its processors
    connections: int            # of each worker that such a request may use
    database_cores: int
    is_pipelined: bool = False  # all statements of a worker go to one connection, and wait there
    pooled: int = 0             # connections of PgBouncer to the server; 0: there is none
    poolers: int = 1            # its processes
    is_one_machine: bool = False  # everything, the load too, on database_cores


class Service:
    def __init__(self, costs, shape, seed=1):
        self.costs, self.shape = costs, shape
        self.clock = Clock(seed)
        self.database = Host(self.clock, shape.database_cores)
        self.workers = []
        for _ in range(shape.instances):
            host = self.database if shape.is_one_machine else Host(self.clock, shape.workers)
            for _ in range(shape.workers):
                self.workers.append((Process(host), Turns(shape.connections),
                                     Process(self.database)))
        self.clients = [Process(self.database) for _ in range(shape.instances)]
        self.pooled = Turns(shape.pooled) if shape.pooled else None
        pooler_host = self.database if shape.is_one_machine else Host(self.clock, shape.poolers)
        self.poolers = [Process(pooler_host) for _ in range(shape.poolers)]
        self.locks = [Turns(1) for _ in range(costs.locks)]
        self.accounts = [Turns(1) for _ in range(costs.accounts)]
        self.disk = Disk(self.database, costs.commit_us)
        self.n_sent = 0
        self.latencies_us = []

    # -- a request: worker, connection, PgBouncer, lock, processor, disk, and back

    def request(self, then):
        began = self.clock.now_us
        worker, connections, backend = self.workers[self.n_sent % len(self.workers)]
        pooler = self.poolers[self.n_sent % len(self.poolers)]
        locks = self.chosen_locks()
        self.n_sent += 1

        def answered():
            if not self.shape.is_pipelined:
                connections.give()
            self.latencies_us.append(self.clock.now_us - began)
            then()

        def done():
            for lock in reversed(locks):
                lock.give()
            if self.pooled is not None:
                self.pooled.give()
            self.clock.after(self.costs.network_us / 2,
                             lambda: worker.do(self.costs.server_us / 2, answered))

        def committed():
            if self.costs.commit_us > 0:
                self.disk.commit(done)
            else:
                done()

        def execute():
            where = backend if self.shape.is_pipelined else Process(self.database)
            where.do(self.costs.database_us + self.costs.kernel_us, committed)

        def locked(n=0):
            if n == len(locks):
                execute()
            else:
                locks[n].take(lambda: locked(n + 1))

        def reached():
            if self.pooled is None:
                locked()
            else:
                pooler.do(self.costs.pooler_us, lambda: self.pooled.take(locked))

        def sent():
            self.clock.after(self.costs.network_us / 2, reached)

        worker.do(self.costs.server_us / 2,
                  sent if self.shape.is_pipelined else lambda: connections.take(sent))

    def chosen_locks(self):
        """In the order in which they are taken."""
        draw = self.clock.random
        instrument = draw.sample(self.locks, 1) if self.locks else []
        mine = draw.sample(range(len(self.accounts)), draw.choice((1, 2))) if self.accounts else []
        return instrument + [self.accounts[n] for n in sorted(mine)]

    # -- loads

    def closed(self, clients, seconds):
        """So many clients, each with one request on its way: requests a second."""
        def loop(process):
            process.do(self.costs.client_us, lambda: self.request(lambda: loop(process)))

        for n in range(clients):
            loop(self.clients[n % len(self.clients)])
        return self.measured(seconds)

    def open(self, rate, seconds):
        """Requests that come by themselves, so many a second."""
        def arrive():
            self.request(lambda: None)
            self.clock.after(self.clock.arrival(1e6 / rate), arrive)

        arrive()
        return self.measured(seconds)

    def measured(self, seconds):
        """The first fifth is warming up."""
        self.clock.run_until(seconds * 2e5)
        self.latencies_us = []
        self.clock.run_until(seconds * 1.2e6)
        return len(self.latencies_us) / seconds

    def percentile_ms(self, part):
        values = sorted(self.latencies_us)
        return values[min(len(values) - 1, int(len(values) * part))] / 1e3 if values else 0.0
