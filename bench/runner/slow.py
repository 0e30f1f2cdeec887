"""What slow clients cost the others: the same requests with and without them, by turns."""
import contextlib
import subprocess

from runner import load, memory, process

CLIENTS = 2000
KINDS = ["headers", "body", "chunks", "idle", "unread"]
PATH = "/json"


@contextlib.contextmanager
def crowd(run, server, kind, n):
    """So many slow clients, once the server has done with their beginning."""
    with subprocess.Popen([run.out / "slow", str(server.port), str(n), kind], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as clients:
        if clients.stdout.readline().strip() != "open":
            raise OSError(f"{n} slow clients could not connect")
        settle(server)
        yield
        clients.stdin.close()
    settle(server)


def settle(server):
    """Until it does next to nothing for a moment."""
    def is_quiet():
        cpu = process.Cpu(server.pids())
        process.wait_until(lambda: False, 0.2)
        return cpu.spent()[0] < 20000

    process.wait_until(is_quiet, 20)


def ask(run, server):
    """(CPU microseconds of a request, microseconds that one client waits for it)"""
    cpu = process.Cpu(server.pids())
    n, rate = load.wrk(server.url(PATH), run.seconds, run.other_cpu, connections=4)
    return cpu.spent()[0] / n, 4e6 / rate


def beside(run, kind, rounds):
    """{kind: [(ratio of the CPU of a request, ratio of its latency, kB per slow client)]}"""
    n = min(CLIENTS, memory.raise_limit() - 500)
    found = {}
    server = kind(run).start(PATH)
    try:
        ask(run, server)
        for slow in KINDS:
            found[slow] = [one_round(run, server, slow, n) for _ in range(rounds)]
            run.say(f"  {slow}")
    except (OSError, load.LoadFailed) as fault:
        run.missing("slow clients", str(fault))
    finally:
        server.stop()
    return found


def one_round(run, server, slow, n):
    alone = ask(run, server)
    before = process.memory_kb(server.worker())[0]
    with crowd(run, server, slow, n):
        kb = (process.memory_kb(server.worker())[0] - before) / n
        among = ask(run, server)
    return among[0] / alone[0], among[1] / alone[1], kb
