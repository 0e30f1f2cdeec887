"""Many clients of one process that behave badly: opened together, then left alone."""
import resource
import select
import socket
import time

SPARE_FILES = 200
DEADLINE_S = 60


def may_open(n):
    """Raises the limit of open files for n clients where it is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n + SPARE_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(n + SPARE_FILES, hard), hard))


class Crowd:
    """n connections; each has sent `first`.  None of them reads before wait_closed()."""

    def __init__(self, port, n, first=b""):
        may_open(n)
        self.sockets = []
        self.poll = select.epoll()
        for _ in range(n):
            client = socket.socket()
            # So that the kernel holds as little as over a network: by itself it takes 2.6 MB of
            # an answer on the loopback, most of what these tests have the server hold.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.sockets.append(client)
            client.connect(("127.0.0.1", port))
            client.setblocking(False)
            if first:
                client.send(first)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for client in self.sockets:
            client.close()
        self.poll.close()

    def send(self, data):
        """Once more on each; one that was closed takes nothing."""
        for client in self.sockets:
            try:
                client.send(data)
            except OSError:
                pass

    def wait_closed(self, timeout_s=DEADLINE_S):
        """Reads until the server has closed all of them; what each one was told."""
        open_ones = {client.fileno(): client for client in self.sockets}
        told = {fd: b"" for fd in open_ones}
        for fd in open_ones:
            self.poll.register(fd, select.EPOLLIN | select.EPOLLRDHUP)
        deadline = time.monotonic() + timeout_s
        while open_ones:
            left = deadline - time.monotonic()
            assert left > 0, f"{len(open_ones)} of {len(told)} clients are still connected"
            for fd, _ in self.poll.poll(left):
                try:
                    data = open_ones[fd].recv(65536)
                except ConnectionResetError:
                    data = b""
                told[fd] += data
                if not data:
                    self.poll.unregister(fd)
                    del open_ones[fd]
        return list(told.values())
