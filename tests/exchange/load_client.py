#!/usr/bin/python3
"""One process of the load: connections that each send an order as soon as the last one was answered.

    load_client.py < JOB

JOB is JSON: ports, accounts (answers of POST /sim/accounts), connections, products, seconds, seed.
Prints JSON: the latencies in microseconds, and how often each other answer came."""
import collections
import json
import random
import selectors
import socket
import sys
import time

import dialect

SYMBOLS = ("BTC-USD", "ETH-USD", "AURORA-USD", "BRASS-USD", "CINDER-USD", "DELTA-USD", "ECHO-USD",
           "FABLE-USD")
LOTS = {"BTC-USD": "0.%06d", "ETH-USD": "0.%06d"}  # of the others: 0.001


class Load:
    def __init__(self, job):
        self.random = random.Random(job["seed"])
        self.accounts = [dialect.Account(one) for one in job["accounts"]]
        self.products = SYMBOLS[:job["products"]]
        self.seconds = job["seconds"]
        self.latencies, self.others = [], collections.Counter()
        self.selector = selectors.DefaultSelector()
        self.waiting = {}
        for n in range(job["connections"]):
            one = socket.create_connection(("127.0.0.1", job["ports"][n % len(job["ports"])]))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(one, selectors.EVENT_READ, bytearray())

    def order(self):
        """The same mix as place.pgbench: half of the orders meet another one."""
        r = self.random
        side = r.choice((1, -1))
        product = r.choice(self.products)
        price = round(r.gauss(10000, 25)) - side * 20
        size = LOTS.get(product, "0.%03d") % r.randrange(1, 11)
        body = b'{"type":"limit","side":"%s","product_id":"%s","price":"%d.%02d","size":"%s"}' % (
            b"buy" if side > 0 else b"sell", product.encode(), price // 100, price % 100,
            size.encode())
        return r.choice(self.accounts).signed(b"POST", b"/orders", body)

    def send(self, one):
        self.waiting[one] = time.perf_counter_ns()
        one.sendall(self.order())

    def run(self):
        end = time.monotonic() + self.seconds
        for key in list(self.selector.get_map().values()):
            self.send(key.fileobj)
        while self.waiting:
            for key, _ in self.selector.select():
                self.read(key.fileobj, key.data, time.monotonic() < end)
        return {"latencies": self.latencies, "others": self.others}

    def read(self, one, data, goes_on):
        part = one.recv(65536)
        data += part
        answer = dialect.split(data)
        if not part:
            self.others["closed"] += 1
            self.selector.unregister(one)
            del self.waiting[one]
        elif answer is not None:
            status, body = answer
            if status == 200:
                self.latencies.append((time.perf_counter_ns() - self.waiting[one]) // 1000)
            else:
                self.others[f"{status} {body[:80].decode()}"] += 1
            data.clear()
            del self.waiting[one]
            if goes_on:
                self.send(one)


if __name__ == "__main__":
    print(json.dumps(Load(json.load(sys.stdin)).run()))
