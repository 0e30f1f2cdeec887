"""bench/RESULTS.md: the targets first, then a table per topic."""
from runner import stats

OURS, LIMIT, NGINX = "sim-exchange", "limit", "nginx"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return lines + [""]


def find(subjects, name, path):
    for s in subjects:
        if s.name == name and s.path == path:
            return s
    return None


def cost(subjects, name, path):
    s = find(subjects, name, path)
    return s.cpu_us if s else None


def ratio(subjects, of, to):
    """of, to: (name, path)."""
    return stats.ratio(cost(subjects, *of), cost(subjects, *to))


# --- Topics ---------------------------------------------------------------------------


def cpu_table(subjects, path):
    rows = []
    for s in (s for s in subjects if s.path == path):
        rows.append([s.name, stats.text(stats.median(s.cpu_us)), stats.spread(s.cpu_us),
                     stats.text(stats.median(s.user_us)),
                     stats.text(ratio(subjects, (s.name, path), (LIMIT, "/plaintext"))),
                     stats.text(ratio(subjects, (s.name, path), (NGINX, path)))])
    return table(["server", "CPU µs per request", "min–max", "of it user", "to the limit",
                  "to nginx"], rows)


def database_table(subjects):
    rows = []
    for s in subjects:
        of_reference = None
        for name in ("one query in flight, 4 connections", "one query in flight, 8 connections"):
            other = find(subjects, name, s.path)
            of_reference = stats.ratio(s.cpu_us, other.cpu_us) if other else of_reference
        rows.append([s.path, s.name, stats.text(stats.median(s.cpu_us), 1),
                     stats.spread(s.cpu_us, 1), stats.text(stats.median(s.rate), 0),
                     stats.text(of_reference)])
    return table(["request", "server", "CPU µs per request, server and PostgreSQL", "min–max",
                  "requests/s", "CPU to one in flight"], rows)


def rate_table(subjects):
    rows = [[("×16 " if s.pipelined else "") + s.path, s.name,
             stats.text(stats.median(s.rate), 0), stats.spread(s.rate, 0)] for s in subjects]
    return table(["request", "server", "requests/s", "min–max"], rows)


def calls_table(calls):
    rows = []
    for what, found in calls.items():
        kept = sorted(((n, c) for c, n in (found or {}).items() if n >= 0.0005), reverse=True)
        rows.append([what, ", ".join(f"{c} {n:.3f}" for n, c in kept) or "–"])
    return table(["request", "system calls per request"], rows)


def start_table(firsts, ready):
    rows = []
    for (name, kind, path), times in firsts.items():
        label = name + (", with database" if getattr(kind, "has_database", False) else "")
        rows.append([f"{label}: exec to first 200 of {path}",
                     stats.text(stats.median(times), 1), stats.spread(times, 1)])
    for label, times in ready.items():
        rows.append([label, stats.text(stats.median(times), 1), stats.spread(times, 1)])
    return table(["start", "ms", "min–max"], rows)


def memory_table(memory):
    rows = []
    for name, row in memory.items():
        rows.append([name, row["worker"][0], row["worker"][1], row["all"],
                     stats.text(row["connection"])])
    count = next(iter(memory.values()), {"n": 0})["n"]
    return table(["server", "worker PSS kB", "worker RSS kB", "all processes PSS kB",
                  f"kB per idle connection, of {count}"], rows)


def slow_table(slow):
    rows = []
    for kind, rounds in slow.items():
        cpu, latency, kb = ([r[i] for r in rounds] for i in range(3))
        rows.append([kind, stats.text(stats.median(cpu)), stats.text(stats.median(latency)),
                     stats.spread(latency), stats.text(stats.median(kb))])
    return table(["beside 2,000 slow clients", "CPU of a request, ratio", "its latency, ratio",
                  "min–max", "kB per slow client"], rows)


def handover_table(handover):
    return table(["single connection", "/probe/ok µs", "/probe/work?ms=0 µs", "difference µs"],
                 [[label, *(stats.text(n, 1) for n in row)] for label, row in handover.items()])


def gap_table(gaps):
    return table(["server", "longest gap ms, median", "min–max", "answers broken off"],
                 [[name, stats.text(stats.median([g[0] for g in rows]), 1),
                   stats.spread([g[0] for g in rows], 1), sum(g[1] for g in rows)]
                  for name, rows in gaps.items()])


def deadline_table(found):
    return table(["a request that is over", "its 504 ms after, median", "min–max",
                  "end of its statement ms after, median", "min–max"],
                 [[way, *(text for i in range(2) for text in
                          (stats.text(stats.median([r[i] for r in rows]), 1),
                           stats.spread([r[i] for r in rows], 1)))]
                  for way, rows in found.items()])


# --- Targets ---------------------------------------------------------------------------


def target(what, found, limit, at_least=False, digits=2):
    if found is None:
        verdict = "not measured"
    elif found >= limit if at_least else found <= limit:
        verdict = "met"
    else:
        verdict = "**not met**"
    return [what, ("≥ " if at_least else "≤ ") + f"{limit:g}", stats.text(found, digits), verdict]


def rate_ratio(subjects, of, to):
    one, other = find(subjects, *of), find(subjects, *to)
    return stats.ratio(one.rate, other.rate) if one and other else None


def first(firsts, has_database, path):
    for (name, kind, asked), times in firsts.items():
        if name == OURS and kind.has_database == has_database and asked == path:
            return stats.median(times)
    return None


def targets(found):
    cpu, piped, db = found["cpu"], found["pipelined"], found["database"]
    calls = (found["calls"].get("/plaintext") or {}) if found["calls"] else {}
    instructions = found["instructions"]
    memory = found["memory"].get(OURS)
    gaps = {name: [g[0] for g in rows] for name, rows in found["gaps"].items()}
    plain, one4 = (OURS, "/plaintext"), "one query in flight, 4 connections"
    handover = found["handover"].get("server on one core")
    rows = [
        target("plaintext CPU to the limit", ratio(cpu, plain, (LIMIT, "/plaintext")), 1.08),
        target("plaintext CPU to nginx", ratio(cpu, plain, (NGINX, "/plaintext")), 0.90),
        target("plaintext ×16 CPU to the limit", ratio(piped, plain, (LIMIT, "/plaintext")), 1.3),
        target("plaintext ×16 CPU to nginx", ratio(piped, plain, (NGINX, "/plaintext")), 0.10),
        target("instructions per plaintext request", instructions.get("/plaintext"), 3500, digits=0),
        target("read per plaintext request", calls.get("read"), 1.005, digits=3),
        target("write per plaintext request", calls.get("write"), 1.005, digits=3),
        target("epoll_ctl per plaintext request",
               max(calls.get("epoll_ctl", 0.0), 0.0) if calls else None, 0.01, digits=3),
        target("JSON to plaintext, CPU", ratio(cpu, (OURS, "/json"), plain), 1.05),
        target("/db CPU to one query in flight on 4 connections",
               ratio(db, (OURS, "/db"), (one4, "/db")), 0.60),
        target("/queries?queries=20 rate to 8 connections one at a time",
               rate_ratio(db, (OURS, "/queries?queries=20"),
                          ("one query in flight, 8 connections", "/queries?queries=20")), 8,
               at_least=True),
        target("/db CPU to Flask's", ratio(db, (OURS, "/db"), ("gunicorn + Flask", "/db")), 0.05,
               digits=3),
        target("/db CPU to Kore's", ratio(db, (OURS, "/db"), ("Kore", "/db")), 0.25, digits=3),
        target("exec to first 200, five plugins, ms", first(found["firsts"], False, "/plaintext"),
               10, digits=1),
        target("the same with database, first 200 of /db, ms",
               first(found["firsts"], True, "/db"), 20, digits=1),
        target("exec of a worker to ready, ms",
               stats.median(found["ready"].get("worker: exec to ready")), 5, digits=1),
        target("the same with database, ms",
               stats.median(found["ready"].get("worker: exec to ready, with database")), 10,
               digits=1),
        target("kill -9 of the worker to the next answer, ms",
               stats.median(found["ready"].get("kill -9 of the worker to the next answer")), 50,
               digits=1),
        target("idle connection, kB", memory["connection"] if memory else None, 1.0),
        target("idle worker, RSS kB", memory["worker"][1] if memory else None, 4096, digits=0),
        target("hand-over to a pool thread and back, µs", handover[2] if handover else None, 15,
               digits=1),
        target("reload: longest gap to nginx's", stats.ratio(gaps.get(OURS), gaps.get(NGINX)), 1.0),
        target("reload that is refused: longest gap to nginx's reload",
               stats.ratio(gaps.get(f"{OURS}, refused"), gaps.get(NGINX)), 1.0),
        target("deadline of a request to the end of its statement, the longest, ms",
               max((r[1] for rows in found["deadline"].values() for r in rows), default=None),
               1000, digits=0),
    ]
    return table(["what", "target", "found", ""], rows)


# --- The page ---------------------------------------------------------------------------


INTRO = """# Results

Written by `./dev bench`; what is measured and how is in [README.md](README.md).  CPU is that of
the server's processes per request, server and load on the same core, all servers by turns.
Ratios are medians of the ratios within a round.  Rates and times of a shared machine are noise:
compare within one run only.
"""


def write(file, facts, found, missing, options):
    lines = [INTRO]
    lines += table(["", ""], [[what, value] for what, value in facts] + [["run", options]])
    if missing:
        lines += ["Left out:", "", *(f"- {name}: {why}" for name, why in missing), ""]
    lines += ["## Targets", "", *targets(found)]
    lines += ["## Plaintext", "", *cpu_table(found["cpu"], "/plaintext")]
    lines += ["## JSON", "", "To the limit: of plaintext.", "", *cpu_table(found["cpu"], "/json")]
    lines += ["## Plaintext, 16 requests pipelined", "",
              *cpu_table(found["pipelined"], "/plaintext")]
    lines += ["## The database", "", "PostgreSQL is private, without fsync, on the same core too.",
              "", *database_table(found["database"])]
    lines += ["## Rates, server and load on a core each", "", *rate_table(found["rates"])]
    lines += ["## System calls and instructions", "", *calls_table(found["calls"])]
    lines += table(["request", "instructions of the worker per request"],
                   [[path, f"{n:.0f}"] for path, n in found["instructions"].items()])
    lines += ["## Starts", "", *start_table(found["firsts"], found["ready"])]
    lines += ["## Memory", "", *memory_table(found["memory"])]
    lines += ["## Slow clients", "", "To the same requests without them, in the same round.", "",
              *slow_table(found["slow"])]
    lines += ["## Hand-over to a pool thread", "", *handover_table(found["handover"])]
    lines += ["## Reload under load", "", *gap_table(found["gaps"])]
    lines += ["## Deadline of a request", "", *deadline_table(found["deadline"])]
    file.write_text("\n".join(lines).rstrip() + "\n")
