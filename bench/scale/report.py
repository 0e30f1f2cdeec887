"""The model beside what was measured, and then beyond it."""
from service import Costs, Service, Shape

MOST_ERROR = 0.25
WRITERS = 3  # of the four connections of a worker that measure.py starts; one takes reads
INSTRUMENTS, ACCOUNTS = 8, 32
POOLED = 3   # connections of PgBouncer to the server
SIM_S = 2
# What was not measured here: a database in the same region, on a disk that another zone mirrors.
NETWORK_US = 500
CLOUD_COMMIT_US = 1500
WORKERS = 2          # of an instance with two processors
POOL_SIZE = 2        # connections of each on Cloud Run
CLOUD_WRITERS = 1    # of them, which take writes
CLOUD_INSTRUMENTS = 100
MOST_REQUESTS = 60000  # of one row, so that it takes seconds
UTILIZATION = 0.7    # of what is full first
MANY = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def costs_of(row, workload):
    is_order = workload == "order"
    return Costs(client_us=row["client_us"], server_us=row["server_us"],
                 database_us=row["database_us"], kernel_us=row["kernel_us"],
                 pooler_us=row.get("pooler_us", 0), commit_us=row.get("commit_us", 0),
                 locks=INSTRUMENTS if is_order else 0, accounts=ACCOUNTS if is_order else 0)


def one_of(measured, workload, instances):
    """What a request costs one of so many instances: a server that has a part of the clients, and
    a database that has the connections of all."""
    clients = measured["clients"][workload]
    row = dict(measured[workload]["1"][str(clients // instances)])
    row["database_us"] = measured[workload]["1"][str(clients)]["database_us"]
    if workload == "order":
        row["database_us"] *= measured["order"]["database"][str(instances * WRITERS)]["ratio"]
    return row


def simulated(measured, workload, row, instances, pooled):
    shape = Shape(instances=instances, workers=1, connections=WRITERS if workload == "order" else 1,
                  database_cores=measured["processors"], is_one_machine=True, pooled=pooled,
                  is_pipelined=workload == "read")
    return Service(costs_of(row, workload), shape).closed(measured["clients"][workload], SIM_S)


def reproduce(measured):
    """The costs are those of one instance and of the database alone; the rates are the model's."""
    print(f"Measured {measured['date']} on {measured['processors']} processors, the load among them.\n")
    print("| load | instances | measured /s | model /s | error |\n|---|---|---|---|---|")
    is_good = True
    for workload, clients in measured["clients"].items():
        found = {name: rows[str(clients)] for name, rows in measured[workload].items()
                 if str(clients) in rows}
        rows = [(n, row["rate"], one_of(measured, workload, int(n)), int(n), 0)
                for n, row in found.items() if n.isdigit()]
        pooled = found["pooled"]
        rows.append(("1, PgBouncer", pooled["rate"], pooled, 1, POOLED))
        for name, rate, row, instances, connections in rows:
            model = simulated(measured, workload, row, instances, connections)
            error = model / rate - 1
            is_good = is_good and abs(error) <= MOST_ERROR
            print(f"| {workload} | {name} | {rate:.0f} | {model:.0f} | {error:+.0%} |")
    print()
    return is_good


def far_away(measured, workload, locks):
    """What a request costs instances that have little to do each, on a database that has many."""
    rows = measured[workload]["1"]
    row = rows[min(rows, key=int)]
    database_us = row["database_us"]
    if workload == "order":
        database_us *= max(one["ratio"] for one in measured["order"]["database"].values())
    return Costs(client_us=0, server_us=row["server_us"], database_us=database_us,
                 commit_us=CLOUD_COMMIT_US if workload == "order" else 0, network_us=NETWORK_US,
                 locks=locks)


def limits(costs, shape):
    """{what is full: requests a second when it is}"""
    found = {"instances": shape.instances * shape.workers * 1e6 / costs.server_us,
             "database": shape.database_cores * 1e6 / costs.database_us}
    order_us = costs.database_us + 1.5 * costs.commit_us  # half a write of somebody else comes first
    if not shape.is_pipelined:
        held_us = costs.network_us + order_us + costs.server_us
        found["connections"] = shape.instances * shape.workers * shape.connections * 1e6 / held_us
    if costs.locks:
        found["instruments"] = costs.locks * 1e6 / order_us
    return found


def row_of(measured, workload, instances, locks):
    costs = far_away(measured, workload, locks)
    shape = Shape(instances=instances, workers=WORKERS, connections=CLOUD_WRITERS,
                  database_cores=8 if instances <= 20 else 64, is_pipelined=workload == "read")
    full = limits(costs, shape)
    first = min(full, key=full.get)
    rate = UTILIZATION * full[first]
    connections = 2 * instances * WORKERS * POOL_SIZE
    service = Service(costs, shape)
    done = service.open(rate, min(SIM_S, MOST_REQUESTS / rate))
    return (f"| {instances} | {shape.database_cores} | {done:.0f} | {first} | {connections} |"
            f" {connections * measured['backend_kb'] / 1048576:.1f} |"
            f" {service.percentile_ms(0.5):.1f} | {service.percentile_ms(0.99):.1f} |")


HEAD = ("| instances | processors of the database | requests/s | full first | connections |"
        " their memory, GiB | p50 ms | p99 ms |\n|---|---|---|---|---|---|---|---|")


def extrapolate(measured):
    print(f"Beyond: instances of {WORKERS} workers elsewhere, {NETWORK_US} us to the database and back,"
          f" at {UTILIZATION:.0%} of what is full first; connections while a release replaces all.\n")
    print("Reads of one row:\n\n" + HEAD)
    for instances in MANY:
        print(row_of(measured, "read", instances, 0))
    print(f"\nOrders on {CLOUD_INSTRUMENTS} instruments, {CLOUD_COMMIT_US} us for a commit:\n\n" + HEAD)
    for instances in MANY:
        print(row_of(measured, "order", instances, CLOUD_INSTRUMENTS))
