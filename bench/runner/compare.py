"""CPU per request and rates: all subjects by turns, round after round."""
import dataclasses

from runner import load, process


@dataclasses.dataclass
class Subject:
    """One workload at one server, with what it cost in each round."""

    server: object
    path: str
    pipelined: bool = False
    other: object = None  # PostgreSQL, when its CPU counts too
    cpu_us: list = dataclasses.field(default_factory=list)
    user_us: list = dataclasses.field(default_factory=list)
    rate: list = dataclasses.field(default_factory=list)
    fault: str = ""

    @property
    def name(self):
        return self.server.name

    def pids(self):
        return self.server.pids() + (self.other.pids() if self.other else [])

    def measure(self, seconds, load_cpu):
        cpu = process.Cpu(self.pids())
        n, rate = load.wrk(self.server.url(self.path), seconds, load_cpu,
                           pipelined=self.pipelined)
        total, user = cpu.spent()
        self.cpu_us.append(total / n)
        self.user_us.append(user / n)
        self.rate.append(rate)


def measure(run, subjects, rounds, seconds, load_cpu=None):
    """A subject that fails once is left out from then on, and says why."""
    for subject in subjects:
        warm(subject, run.cpu)
    for i in range(rounds):
        for subject in subjects:
            if subject.fault:
                continue
            try:
                subject.measure(seconds, run.cpu if load_cpu is None else load_cpu)
            except load.LoadFailed as fault:
                subject.fault = str(fault)
                run.say(f"{subject.name}: {fault}")
        run.say(f"  round {i + 1} of {rounds}")
    return [s for s in subjects if not s.fault]


def warm(subject, cpu):
    """Caches, prepared statements and connections to PostgreSQL are not what is measured."""
    try:
        load.wrk(subject.server.url(subject.path), 1, cpu, connections=16)
    except load.LoadFailed as fault:
        subject.fault = str(fault)


def started(run, kinds, path="/plaintext"):
    """Those of the servers that are installed and start, and a line for each that is not."""
    servers = []
    for kind in kinds:
        if not kind.is_there():
            run.missing(kind.name, "not installed")
            continue
        try:
            servers.append(kind(run).start(path))
        except OSError as fault:
            run.missing(kind.name, str(fault).splitlines()[0])
    return servers
