"""The model beside what was measured, and then beyond it."""
from service import Costs, Service, Shape

MOST_ERROR = 0.25
WRITERS = 3  # connections of a worker's four that take writes; one takes reads
INSTRUMENTS, ACCOUNTS = 8, 32  # of measure.py
SIM_S = 2
# What was not measured here: a database in the same region, on a disk that another zone mirrors.
NETWORK_US = 500
CLOUD_COMMIT_US = 1500
WORKERS = 2          # of an instance with two processors
POOL_SIZE = 2        # connections of each on Cloud Run
UTILIZATION = 0.7    # of what is full first
MANY = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def costs_of(measured, workload, row):
    return Costs(client_us=row["client_us"], server_us=row["server_us"],
                 database_us=row["database_us"], pooler_us=row.get("pooler_us", 0),
                 commit_us=measured["commit_us"] if workload == "order" else 0,
                 locks=INSTRUMENTS if workload == "order" else 0,
                 accounts=ACCOUNTS if workload == "order" else 0)


def simulated(measured, workload, row, instances, pooled):
    shape = Shape(instances=instances, workers=1, connections=WRITERS if workload == "order" else 1,
                  database_cores=measured["processors"], is_one_machine=True, pooled=pooled)
    return Service(costs_of(measured, workload, row), shape).closed(
        measured["clients"][workload], SIM_S)


def reproduce(measured):
    """The costs are those of one instance; the rates of two and four are the model's own."""
    print(f"Measured {measured['date']} on {measured['processors']} processors, the load among them.\n")
    print("| load | instances | measured /s | model /s | error |\n|---|---|---|---|---|")
    is_good = True
    for workload in ("read", "order"):
        base = measured[workload]["1"]
        rows = [(n, row["rate"], base, int(n), 0) for n, row in measured[workload].items()]
        pooled = measured["pooled"][workload]
        rows.append(("1, PgBouncer", pooled["rate"], pooled, 1, 3))
        for name, rate, costs, instances, connections in rows:
            found = simulated(measured, workload, costs, instances, connections)
            error = found / rate - 1
            is_good = is_good and abs(error) <= MOST_ERROR
            print(f"| {workload} | {name} | {rate:.0f} | {found:.0f} | {error:+.0%} |")
    print()
    return is_good


def limits(costs, instances, cores):
    """{what is full: requests a second when it is}"""
    found = {"instances": instances * WORKERS * 1e6 / costs.server_us,
             "database": cores * 1e6 / costs.database_us}
    if costs.locks:
        found["instruments"] = costs.locks * 1e6 / (costs.database_us + costs.commit_us)
    return found


def far_away(measured, workload, locks):
    row = measured[workload]["1"]
    return Costs(client_us=0, server_us=row["server_us"], database_us=row["database_us"],
                 commit_us=CLOUD_COMMIT_US if workload == "order" else 0, network_us=NETWORK_US,
                 locks=locks)


def row_of(measured, workload, instances, cores, locks):
    costs = far_away(measured, workload, locks)
    full = limits(costs, instances, cores)
    first = min(full, key=full.get)
    rate = UTILIZATION * full[first]
    connections = 2 * instances * WORKERS * POOL_SIZE
    shape = Shape(instances=instances, workers=WORKERS, connections=1, database_cores=cores)
    service = Service(costs, shape)
    seconds = min(SIM_S, 60000 / rate)
    done = service.open(rate, seconds)
    return (f"| {instances} | {cores} | {done:.0f} | {first} | {connections} |"
            f" {connections * measured['backend_kb'] / 1048576:.1f} |"
            f" {service.percentile_ms(0.5):.1f} | {service.percentile_ms(0.99):.1f} |")


HEAD = ("| instances | processors of the database | requests/s | full first | connections |"
        " their memory, GiB | p50 ms | p99 ms |\n|---|---|---|---|---|---|---|---|")


def extrapolate(measured):
    print(f"Beyond: instances of {WORKERS} workers elsewhere, {NETWORK_US} us to the database and back,"
          f" at {UTILIZATION:.0%} of what is full first; connections while a release replaces all.\n")
    print("Reads of one row:\n\n" + HEAD)
    for instances in MANY:
        print(row_of(measured, "read", instances, 8 if instances <= 20 else 64, 0))
    print(f"\nOrders on 100 instruments, {CLOUD_COMMIT_US} us for a commit:\n\n" + HEAD)
    for instances in MANY:
        print(row_of(measured, "order", instances, 8 if instances <= 20 else 64, 100))
