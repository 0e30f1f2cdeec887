"""Old and new generations beside each other: streams that go on, changes that fail, deaths."""
import os
import shutil
import signal

import pytest

from harness import load, process, wait, wire

PLAIN = {"ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:handle_abort=0:use_sigaltstack=0"}
LOST_BY_A_DEATH = ("lost", "truncated", "raced")


class Stream:
    """An endless stream of the probe plugin, on a connection of its own."""

    def __init__(self, server):
        self.connection = server.connect()
        self.connection.send(b"GET /probe/stream?n=1000000&ms=10 HTTP/1.1\r\nHost: t\r\n\r\n")
        assert self.connection.head()[0] == 200
        self.chunks = self.connection.chunks()

    def goes_on(self):
        return all(next(self.chunks, None) is not None for _ in range(20))

    def reads_to_its_end(self):
        """The chunk that ends it came: nothing was cut."""
        for _ in self.chunks:
            pass
        return True


def command(program, server, *words):
    return program(*words, "--config", server.config, "--env", "development",
                   env={**PLAIN, "PORT": str(server.port)}, allows_report=True)


def test_streams_of_unchanged_plugins_outlive_reloads_and_end_with_the_server(server):
    s = server(plugins=["probe", "hello"], wants_database=False)
    stream = Stream(s)
    (old,) = s.workers()

    s.rewrite(plugins=["probe"])
    s.reload()
    assert s.get("/hello").status == 404

    assert stream.goes_on() and old in s.workers()
    s.reload()
    assert stream.goes_on() and old in s.workers()
    s.signal(signal.SIGTERM)
    assert stream.reads_to_its_end()
    assert s.wait_end() == 0


def test_the_stream_of_a_changed_plugin_ends_and_is_whole(server):
    s = server(plugins=["probe"], wants_database=False)
    stream = Stream(s)
    (old,) = s.workers()

    s.rewrite(plugins={"probe": {"limits": {"timeout_ms": 12345}}})
    s.reload()

    assert stream.reads_to_its_end()
    stream.connection.close()
    wait.until(lambda: old not in s.workers(), "the old worker's end")


@pytest.mark.parametrize("kind", ["stream", "ws"])
def test_what_opens_when_its_plugin_was_drained_ends_at_once(server, kind):
    s = server({"server": {"drain_ms": 100000}, "http": {"header_ms": 100000}}, plugins=["probe"],
               wants_database=False)
    head = {"stream": "GET /probe/stream?n=1000000&ms=10 HTTP/1.1\r\nHost: t\r\n",
            "ws": "GET /probe/ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\n"
                  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"}[kind]
    with s.connect() as conn:
        conn.send(b"GET /probe/ok HTTP/1.1\r\nHost: t\r\n\r\n" + head.encode())
        assert conn.response().status == 200

        s.rewrite(plugins={"probe": {"limits": {"timeout_ms": 12345}}})
        s.reload()
        wait.until(lambda: 'sx_workers{state="draining"} 1' in s.get("/_sx/metrics").text,
                   "the drain of the old worker")
        conn.send(b"\r\n")

        if kind == "stream":
            assert conn.head()[0] == 200
            assert len(list(conn.chunks())) < 1000000
        else:
            assert conn.head()[0] == 101
            assert conn.rest().startswith(b"\x88\x02" + (1001).to_bytes(2, "big"))


def test_a_fault_in_an_old_worker_ends_its_streams_and_cuts_none(server):
    s = server(plugins={"probe": {}, "faults": {"mount": {"prefix": "/faults"}}}, env=PLAIN,
               may_die=True)
    stream = Stream(s)
    with s.connect() as conn:
        assert conn.request("GET", "/probe/ok").status == 200
        s.reload()
        assert stream.goes_on()

        assert conn.request("GET", "/faults/segv").status == 500

        assert stream.reads_to_its_end()
    s.wait_line("was contained")
    assert not any("was killed" in str(line.get("message")) for line in s.lines)


def test_streams_go_on_for_as_long_as_the_configuration_says(server):
    s = server({"server": {"stream_ms": 3000}}, plugins=["probe"], wants_database=False)
    stream = Stream(s)

    s.reload()

    assert stream.goes_on()
    assert stream.reads_to_its_end()


def test_a_reload_that_waits_for_old_generations_ends_the_streams_of_the_oldest(server):
    s = server(plugins=["probe"], wants_database=False)
    first = Stream(s)
    s.reload()
    second = Stream(s)
    s.reload()
    third = Stream(s)

    s.reload()

    assert first.reads_to_its_end()
    assert second.goes_on() and third.goes_on()


HANGS_MS = 8000  # longer than a slow machine needs to get there
BAD = {
    "start fails": ({"changing": {"options": {"start": "fails"}}},
                    'plugin "changing" 1.0.0: its start function returned -2'),
    "start crashes": ({"changing": {"options": {"start": "crashes"}}}, "SIGSEGV"),
    "start hangs": ({"changing": {"options": {"start": "hangs"}}},
                    f"was not ready within {HANGS_MS} ms"),
    "check fails": ({"changing": {"options": {"check": "fails"}}},
                    'plugin "changing" 1.0.0: its check function returned -2: '
                    "the moon is not right"),
    "check hangs": ({"changing": {"options": {"check": "hangs"}}},
                    f"was not ready within {HANGS_MS} ms"),
    "undefined symbol": ({"undefined": {}}, "nobody_has_this"),
    "no such plugin": ({"nowhere": {"path": "/nowhere/nowhere.so"}},
                       "/nowhere/nowhere.so: cannot be read"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_whoever_asks_for_a_bad_change_is_told_why_with_the_plugin(server, program, name):
    plugins, why = BAD[name]
    s = server(plugins=["hello"], wants_database=False, env=PLAIN, may_die=True)
    workers = s.workers()

    s.rewrite({"server": {"start_ms": HANGS_MS}} if "hangs" in name else {},
              {"hello": {}, **plugins})
    told = command(program, s, "reload")

    assert told.returncode == 1 and why in told.stderr, told.stderr
    assert list(plugins)[0] in told.stderr, told.stderr
    assert s.workers() == workers and s.get("/hello").status == 200

    s.rewrite({}, ["hello", "probe"])
    told = command(program, s, "reload")
    assert (told.returncode, told.stdout.startswith("generation ")) == (0, True), told.stderr
    assert s.get("/probe/ok").status == 200


def test_commands_are_for_a_running_server_and_known_words(server, program):
    s = server(wants_database=False)

    told = command(program, s, "release", "nobody")
    assert (told.returncode, told.stderr) == (1, 'the plugin "nobody" is not quarantined\n')
    assert command(program, s, "release").returncode == 2

    s.signal(signal.SIGTERM)
    assert s.wait_end() == 0
    told = command(program, s, "status")
    assert told.returncode == 1 and "no server takes commands there" in told.stderr


def test_twenty_changes_good_and_bad_in_turn_cost_no_request(server, program):
    s = server({"server": {"workers": 2}}, plugins=["probe", "hello"], env=PLAIN, may_die=True)
    good = [["probe"], ["probe", "hello"]]
    bad = [{"probe": {}, **plugins} for plugins, _ in
           (BAD[name] for name in sorted(BAD) if "hangs" not in name)]

    with load.Load(s.port, routes="token,echo,db", connections=8) as client:
        for i in range(20):
            s.rewrite(plugins=good[i // 2 % len(good)] if i % 2 == 0 else bad[i // 2 % len(bad)])
            assert command(program, s, "reload").returncode == i % 2
            assert client.is_running()
        totals = client.stop()

    assert totals["answered"] > 0 and load.faults(totals) == 0, totals
    assert totals["raced"] == 0, totals  # no request met a connection that was just being closed


def test_what_becomes_of_the_file_of_a_plugin_harms_nobody(server, build, tmp_path):
    """Truncated, overwritten in place, replaced and deleted, while it serves."""
    file = tmp_path / "probe.so"
    shutil.copy(process.plugin_file(build, "probe"), file)
    s = server(plugins={"probe": {"path": str(file)}})
    workers = s.workers()

    with load.Load(s.port, routes="token,echo", connections=4) as client:
        for damage in (lambda: os.truncate(file, 100), lambda: file.write_bytes(b"\0" * 200000),
                       lambda: os.replace(shutil.copy(process.plugin_file(build, "hello"),
                                                      tmp_path / "other.so"), file),
                       file.unlink):
            damage()
            for _ in range(20):
                assert s.get("/probe/ok").status == 200
        totals = client.stop()

    assert totals["answered"] > 0 and load.faults(totals) == 0, totals
    assert s.workers() == workers


def test_a_killed_worker_loses_only_what_it_had_read(server):
    """At most one request of each connection, because each has one on its way."""
    s = server({"server": {"workers": 2}}, plugins=["probe"], may_die=True)

    with load.Load(s.port, routes="token,echo", connections=8) as client:
        for _ in range(3):
            victims = s.workers()
            assert s.get("/probe/ok").status == 200
            os.kill(victims[0], signal.SIGKILL)
            wait.until(lambda: len(set(s.workers()) - {victims[0]}) == 2, "another worker")
            wait.until(lambda: s.get("/_sx/ready").status == 200, "ready")
        totals = client.stop()

    cost = sum(totals[name] for name in LOST_BY_A_DEATH)
    assert totals["answered"] > 0 and cost <= 3 * 8, totals
    assert load.faults(totals) == cost - totals["raced"], totals
