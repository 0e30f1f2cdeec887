"""Small requests that want to become large: JSON, forms, names, codings.  Each is answered at once,
leaves no file behind, and costs no more than its bytes."""
import gzip
import pathlib

import pytest

from harness import process
from harness.wait import until

MULTIPART = "multipart/form-data; boundary=b"
URLENCODED = "application/x-www-form-urlencoded"


@pytest.fixture
def bombed(server):
    return server({"http": {"buffered_bytes": 8 << 20}, "log": {"access": "errors"}},
                  plugins=["probe", "forms", "inject"], wants_database=False)


def part(name, data=b"x", extra=b""):
    return (b'--b\r\nContent-Disposition: form-data; name="' + name + b'"; filename="f"\r\n' + extra
            + b"\r\n" + data + b"\r\n")


END = b"--b--\r\n"


def spooled(server):
    return [path for path in pathlib.Path(server.home, "state").rglob("upload-*")]


def test_json_whose_values_are_smaller_than_what_holds_them(bombed):
    """A list of two bytes takes a hundred in memory; so does an object, and more."""
    for piece in (b"[]", b"{}", b"[[]]", b'{"a":{}}'):
        body = b"[" + b",".join([piece] * (1000000 // (len(piece) + 1))) + b"]"
        answer = bombed.post("/probe/json", body)

        assert (answer.status, answer.json["code"]) == (503, "busy"), piece
        assert answer.header("Retry-After") == "1"
        assert bombed.post("/probe/json", body[:20000].rpartition(b",")[0] + b"]").status == 200, piece


def test_json_of_deep_levels_and_long_numbers_costs_one_look(bombed):
    for body in (b"[" * 1000000, b'{"a":' * 200000, b"[1" + b"0" * 900000 + b"]", b'"' + b"\\" * 999999,
                 b"[" + b"1e999," * 10000 + b"1]", b'["' + b"\\ud800" * 100000 + b'"]'):
        answer = bombed.post("/probe/json", body)
        assert (answer.status, answer.json["code"]) == (400, "invalid_json"), body[:10]


def test_packed_bodies_are_not_unpacked(bombed):
    bomb = gzip.compress(b"[" + b" " * (20 << 20) + b"]")
    packed = {"Content-Encoding": "gzip"}

    told = [bombed.post("/probe/json", bomb, headers=packed),
            bombed.post("/forms/describe", gzip.compress(part(b"file") + END), MULTIPART, packed),
            bombed.post("/forms/describe", gzip.compress(b"note=x"), URLENCODED, packed)]

    assert len(bomb) < 1 << 20
    for answer in told:
        assert (answer.status, answer.json["code"]) == (415, "unsupported_encoding")
        assert answer.header("Accept-Encoding") == "identity"
    assert bombed.post("/probe/json", b"1", headers={"Content-Encoding": "identity"}).status == 200
    assert bombed.post("/probe/echo", bomb, headers=packed).body == bomb  # whoever can, may


FORMS = {
    # name: (body, content type, statuses)
    "100,000 parts": (part(b"file") * 100000 + END, MULTIPART, (413,)),
    "1,001 parts that go to files": (part(b"file", b"x" * 20000) * 1001 + END, MULTIPART, (413,)),
    "an endless part header": (part(b"file", extra=b"X: " + b"x" * 900000 + b"\r\n"), MULTIPART, (413,)),
    "endless part headers": (part(b"file", extra=b"X: y\r\n" * 200000), MULTIPART, (413,)),
    "a name of 1 MB": (part(b"n" * 1000000) + END, MULTIPART, (413,)),
    "a million delimiters that are none": (b"\r\n--" * 250000 + END, MULTIPART, (400,)),
    "a million carriage returns": (part(b"file", b"\r" * 1000000) + END, MULTIPART, (200,)),
    "a boundary of dashes": (b"-" * 1000000, "multipart/form-data; boundary=" + "-" * 70, (400,)),
    "100,000 fields": (b"a=1&" * 100000, URLENCODED, (400,)),
    "100,000 names": (b"&".join(b"n%d=1" % i for i in range(100000)), URLENCODED, (400, 413)),
    "a million ampersands": (b"&" * 1000000, URLENCODED, (400,)),
    "a million escapes": (b"note=" + b"%41" * 340000, URLENCODED, (400,)),
}


def test_a_form_that_is_a_bomb_is_refused_and_leaves_nothing(bombed):
    for name, (body, content_type, statuses) in FORMS.items():
        with bombed.connect() as conn:
            try:
                conn.send(f"POST /forms/describe HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n"
                          f"Content-Type: {content_type}\r\nConnection: close\r\n\r\n".encode() + body)
            except OSError:
                pass  # refused before all of it was sent
            answer = conn.response()

        assert answer.status in statuses, (name, answer)
        assert until(lambda: not spooled(bombed), "no spool file")


@pytest.mark.skipif(not process.sees_others(), reason="needs CAP_SYS_PTRACE to look into processes")
def test_an_upload_in_chunks_of_one_byte_is_written_in_few_pieces(bombed):
    """Each byte would be a system call."""
    [pid] = bombed.workers()
    body = part(b"file", bytes(range(256)) * 800) + END

    before = writes(pid)
    told = bombed.raw(b"POST /forms/describe HTTP/1.1\r\nHost: t\r\nContent-Type: " + MULTIPART.encode()
                      + b"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                      + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")

    assert b'"size":204800' in told and b'"where":"file"' in told, told
    assert writes(pid) - before < 1000


def writes(pid):
    """System calls that write, of a process so far."""
    lines = pathlib.Path(f"/proc/{pid}/io").read_text().split("\n")
    return next(int(line.split()[1]) for line in lines if line.startswith("syscw:"))


def test_many_fields_of_one_name_are_joined_once(bombed):
    fields = b"".join(b"If-None-Match: \"%0150d\"\r\n" % i for i in range(90))

    told = bombed.raw(b"GET /show HTTP/1.1\r\nHost: t\r\n" + fields + b"Accept-Encoding: gzip\r\n" * 5
                      + b"Connection: close\r\n\r\n")

    assert told.startswith(b"HTTP/1.1 200 ")
