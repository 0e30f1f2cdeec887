"""A proxy between the server under test and PostgreSQL that knows the frames of the protocol
(PostgreSQL manual, chapter 55) and makes bad days happen.

    with Proxy(url) as proxy:
        s = server(url=proxy.url)
        proxy.arm(Fault(SERVER, "C", reset()))     # executed, and nobody hears of it
        ...
        proxy.disarm()

A fault strikes a message of one kind; which one is counted over all links since it was armed."""
import asyncio
import socket
import struct
import threading
import urllib.parse

CLIENT, SERVER = "client", "server"  # who speaks: the server under test, PostgreSQL
STARTUPS = {80877103: "ssl", 80877104: "gss", 80877102: "cancel"}
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST


class Ended(Exception):
    """This link is no more."""


class Fault:
    """act is done to the n-th message of these kinds (None: any) and to those that follow, so
    many times (None: until it is disarmed).  Kinds are the protocol's letters, "startup" and
    "cancel"."""

    def __init__(self, speaker, kinds, act, *, nth=1, times=1):
        self.speaker, self.kinds, self.act = speaker, kinds, act
        self.skip, self.left = nth - 1, times
        self.struck = 0

    def takes(self, speaker, kind):
        if speaker != self.speaker or self.left == 0:
            return False
        if self.kinds is not None and kind not in self.kinds.split():
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.left = None if self.left is None else self.left - 1
        self.struck += 1
        return True


# -- what can be done to a message: (link, speaker, raw) -> what goes on instead of it

def cut():
    async def act(link, _speaker, _raw):
        link.close()
        raise Ended
    return act


def reset():
    async def act(link, _speaker, _raw):
        link.close(is_reset=True)
        raise Ended
    return act


def cut_inside(n):
    """Only its first n bytes arrive."""
    async def act(link, speaker, raw):
        await link.put(speaker, raw[:n])
        link.close()
        raise Ended
    return act


def half_close():
    """The end is announced to the server under test, and the socket stays open."""
    async def act(link, _speaker, _raw):
        link.writers[SERVER].write_eof()
        await link.proxy.is_released.wait()
        link.close()
        raise Ended
    return act


def stall(both=False):
    """It waits until the proxy is released, then goes on."""
    async def act(link, _speaker, raw):
        link.is_stalled |= both
        await link.proxy.is_released.wait()
        link.is_stalled = False
        return raw
    return act


def freeze():
    """Nothing more of this link arrives anywhere, and it never goes on."""
    async def act(link, _speaker, _raw):
        await link.proxy.is_released.wait()
        link.close()
        raise Ended
    return act


def error(sqlstate, severity="ERROR"):
    body = b"".join(letter + text.encode() + b"\0" for letter, text in (
        (b"S", severity), (b"V", severity), (b"C", sqlstate), (b"M", "a fault of the test")))
    return b"E" + struct.pack(">I", len(body) + 5) + body + b"\0"


def answer_error(sqlstate, severity="ERROR", ends=False):
    """The server under test reads this error in the place of the message; with ends the link
    ends then, as the session of a FATAL one."""
    async def act(link, _speaker, _raw):
        await link.put(SERVER, error(sqlstate, severity))
        if ends:
            link.close()
            raise Ended
        return b""
    return act


def replace(data):
    async def act(_link, _speaker, raw):
        return data(raw) if callable(data) else data
    return act


def with_length(length):
    """The same message, but for what it says of its length."""
    return replace(lambda raw: raw[:1] + struct.pack(">i", length) + raw[5:])


# -- the two directions of a link

class Frames:
    """Takes a stream apart into (kind, raw)."""

    def __init__(self, speaker):
        self.speaker, self.data = speaker, b""
        self.has_started = speaker == SERVER
        self.n_letters = 0  # answers to ssl and gss have no frame

    def feed(self, data):
        self.data += data
        while True:
            kind, length = self.head()
            if kind is None or len(self.data) < length:
                return
            raw, self.data = self.data[:length], self.data[length:]
            yield kind, raw

    def head(self):
        if self.n_letters > 0 and self.data:
            self.n_letters -= 1
            return "letter", 1
        if not self.has_started:
            if len(self.data) < 8:
                return None, 0
            length, code = struct.unpack(">II", self.data[:8])
            kind = STARTUPS.get(code, "startup")
            self.has_started = kind == "startup" and len(self.data) >= length
            return kind, length
        if len(self.data) < 5:
            return None, 0
        return self.data[:1].decode("latin-1"), struct.unpack(">I", self.data[1:5])[0] + 1


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy, client, server):
        self.proxy = proxy
        self.readers = {CLIENT: client[0], SERVER: server[0]}
        self.writers = {CLIENT: server[1], SERVER: client[1]}  # by who has spoken
        self.frames = {CLIENT: Frames(CLIENT), SERVER: Frames(SERVER)}
        self.is_stalled = False

    async def run(self):
        pumps = [asyncio.ensure_future(self.pump(who)) for who in (CLIENT, SERVER)]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        self.close()

    async def pump(self, speaker):
        while True:
            data = await self.readers[speaker].read(65536)
            if not data:
                raise Ended
            for kind, raw in self.frames[speaker].feed(data):
                if kind in ("ssl", "gss"):
                    self.frames[SERVER].n_letters += 1
                if self.is_stalled or self.proxy.is_mute:
                    await self.proxy.is_released.wait()
                await self.put(speaker, await self.struck(speaker, kind, raw))

    async def struck(self, speaker, kind, raw):
        for fault in self.proxy.faults:
            if fault.takes(speaker, kind):
                return await fault.act(self, speaker, raw)
        return raw

    async def put(self, speaker, raw):
        """In pieces, where the proxy is told so."""
        size = self.proxy.piece or len(raw)
        for at in range(0, len(raw), size or 1):
            self.writers[speaker].write(raw[at:at + size])
            await self.writers[speaker].drain()
            if self.proxy.delay_s:
                await asyncio.sleep(self.proxy.delay_s)

    def close(self, is_reset=False):
        for writer in self.writers.values():
            handle = writer.get_extra_info("socket")
            if is_reset and handle is not None and handle.family == socket.AF_INET:
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


# -- the proxy

class Proxy:
    """Listens on a port of its own, from entering to leaving."""

    def __init__(self, url):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        self.target = f"{query['host']}/.s.PGSQL.{query['port']}"
        self.faults, self.links = [], set()
        self.piece, self.delay_s, self.is_mute = 0, 0, False
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.listener, self.port, self.is_released = None, 0, None
        self.given = url

    def __enter__(self):
        self.thread.start()
        self.call(self.open())
        return self

    def __exit__(self, *_):
        self.call(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    @property
    def url(self):
        return self.url_of()

    def url_of(self, host="127.0.0.1", **more):
        """The same database by way of the proxy."""
        parts = urllib.parse.urlsplit(self.given)
        user = dict(urllib.parse.parse_qsl(parts.query))["user"]
        options = {"sslmode": "disable", "gssencmode": "disable", **more}
        return (f"postgresql://{user}@{host}:{self.port}{parts.path}?"
                + urllib.parse.urlencode(options))

    # -- from the test's thread

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def arm(self, *faults):
        self.call(self.change(faults=list(faults), is_released=asyncio.Event()))

    def disarm(self):
        """Whoever was stalled goes on."""
        self.call(self.release())

    def slow_down(self, piece, delay_s):
        self.call(self.change(piece=piece, delay_s=delay_s))

    def mute(self):
        """Connections are taken and nothing of them goes on, either way."""
        self.call(self.change(is_mute=True, is_released=asyncio.Event()))

    def refuse(self):
        """Nobody listens, and whoever was connected no longer is."""
        self.call(self.shut())

    def accept(self):
        self.call(self.open())

    def drop_links(self, is_reset=False):
        self.call(self.drop(is_reset))

    # -- on the proxy's loop

    async def change(self, **values):
        for name, value in values.items():
            setattr(self, name, value)

    async def release(self):
        self.faults, self.piece, self.delay_s, self.is_mute = [], 0, 0, False
        self.is_released.set()

    async def open(self):
        if self.is_released is None:
            self.is_released = asyncio.Event()
        self.listener = await asyncio.start_server(self.on_client, "127.0.0.1", self.port)
        self.port = self.listener.sockets[0].getsockname()[1]

    async def shut(self):
        if self.listener is not None:
            self.listener.close()
        self.listener = None
        await self.drop(False)

    async def drop(self, is_reset):
        for link in list(self.links):
            link.close(is_reset)

    async def end(self):
        await self.release()
        await self.shut()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def on_client(self, reader, writer):
        try:
            server = await asyncio.open_unix_connection(self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link(self, (reader, writer), server)
        self.links.add(link)
        try:
            await link.run()
        finally:
            self.links.discard(link)
