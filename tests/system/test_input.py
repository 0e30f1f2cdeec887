"""Bad input: a problem that says what was wrong, at once, and a server that goes on."""
import os
import pathlib
import subprocess

import pytest

from harness.wait import until

MANY = 10000
BOUNDARY = "boundary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture
def probe(server):
    return server(plugins=["probe"], wants_database=False)


def is_problem(answer, status, code=None):
    body = answer.json
    return (answer.status == status == body["status"]
            and answer.header("Content-Type") == "application/problem+json"
            and body["request_id"] == answer.header("X-Request-Id")
            and (code is None or body["code"] == code))


NOT_JSON = {
    "nothing": b"",
    "a word": b"nope",
    "open object": b'{"a":1',
    "two values": b"1 2",
    "trailing comma": b"[1,]",
    "single quotes": b"{'a':1}",
    "a comment": b"/* x */ 1",
    "a duplicated key": b'{"a":1,"b":{"c":1,"c":2}}',
    "an overflowing integer": b"[9223372036854775808]",
    "an underflowing integer": b"[-9223372036854775809]",
    "an overflowing number": b"1e999",
    "a number with 100,000 digits": b"1" * 100000,
    "not a number": b"NaN",
    "a NUL byte": b'{"a":1\0}',
    "a NUL byte in text": b'"a\0b"',
    "an escaped NUL": b'"a\\u0000b"',
    "half a surrogate": b'"\\ud800"',
    "no UTF-8": b'"\xff\xfe"',
    "an overlong form": b'"\xc0\xaf"',
    "a raw newline": b'"a\nb"',
    "deep lists": b"[" * MANY + b"]" * MANY,
    "deep objects": b'{"a":' * MANY + b"1" + b"}" * MANY,
    "deep and open": b"[" * MANY,
    "deep behind a quoted bracket": b'["[",' * MANY,
}


def test_a_body_that_is_no_json_is_refused(probe):
    for name, body in NOT_JSON.items():
        assert is_problem(probe.post("/probe/json", body), 400, "invalid_json"), name

    assert probe.post("/probe/json", b'{"a":[1,2.5,"x",null,true]}').json == {
        "a": [1, 2.5, "x", None, True]}


def test_json_at_the_edge_is_taken(probe):
    for body in (b"9223372036854775807", b"-9223372036854775808", b'""', b"null", b" [ ] ",
                 b'"' + "\u00e9\U0001f600".encode() + b'"', b"[" * 60 + b"]" * 60):
        assert probe.post("/probe/json", body).status == 200, body


PARAMETERS = {
    "/probe/sleep?ms=9223372036854775808": "invalid_parameter",
    "/probe/sleep?ms=-9223372036854775809": "invalid_parameter",
    "/probe/sleep?ms=1e3": "invalid_parameter",
    "/probe/sleep?ms=0x10": "invalid_parameter",
    "/probe/sleep?ms=%201": "invalid_parameter",
    "/probe/sleep?ms=1%00": None,
    "/probe/sleep?ms=%zz": None,
    "/probe/token/%ff": "invalid_parameter",
    "/probe/token/%00": "invalid_parameter",
    "/probe/db/read": "missing_parameter",
    "/probe/db/read?tok=%ff": "invalid_parameter",
    "/probe/reflect?v=a%0d%0aSet-Cookie:%20x": "bad_value",
    "/probe/sleep?" + "&".join(f"k{i}=1" for i in range(1001)): "bad_query",
}


def test_a_parameter_that_cannot_be_is_refused(probe):
    for target, code in PARAMETERS.items():
        answer = probe.get(target)
        assert is_problem(answer, 400, code), (target, answer)
        assert answer.header("Set-Cookie") is None

    assert probe.get("/probe/sleep?ms=1").text == "ok"


def test_what_is_too_large_is_refused(server):
    s = server({"http": {"body_bytes": 1000, "header_bytes": 2000, "request_line_bytes": 500}},
               plugins=["probe"], wants_database=False)

    assert s.post("/probe/echo", b"x" * 1000).status == 200
    assert is_problem(s.post("/probe/echo", b"x" * 1001), 413)
    assert is_problem(s.get("/probe/token/" + "x" * 600), 414)
    assert is_problem(s.get("/probe/ok", {"X-Long": "x" * 2001}), 431)
    chunked = s.raw(b"POST /probe/echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
    assert chunked.startswith(b"HTTP/1.1 413 ")


# -- uploads

def form(*files, note=None, boundary=BOUNDARY):
    """The parts (name, file name, bytes) of a form."""
    parts = [b'Content-Disposition: form-data; name="%s"; filename="%s"\r\n'
             b"Content-Type: image/png\r\n\r\n%s\r\n" % (name.encode(), file.encode(), data)
             for name, file, data in files]
    if note is not None:
        parts.append(b'Content-Disposition: form-data; name="note"\r\n\r\n%s\r\n' % note.encode())
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + part for part in parts) + mark + b"--\r\n"


LIMITS = {"http": {"spool_bytes": 10000, "upload_bytes": 300000}}


@pytest.fixture
def forms(server):
    return server(LIMITS, plugins=["forms"], wants_database=False)


def spooled(s):
    """The files that uploads have left in the state folder; copies of plugins stay there."""
    return [path for path in pathlib.Path(s.home, "state").rglob("*")
            if path.is_file() and path.suffix != ".so"]


def test_a_small_upload_stays_in_memory(forms):
    answer = forms.post("/forms/describe", form(("file", "a.png", b"x" * 100), note="hi"),
                        MULTIPART)

    assert answer.json == {"name": "a.png", "type": "image/png", "size": 100, "where": "memory",
                           "note": "hi"}


def test_a_large_upload_goes_through_a_file_that_is_removed(forms):
    data = bytes(range(256)) * 1000

    answer = forms.post("/forms/describe", form(("file", "b", data)), MULTIPART)
    back = forms.post("/forms/file", form(("file", "b", data)), MULTIPART)

    assert (answer.json["where"], answer.json["size"]) == ("file", len(data))
    assert back.body == data
    assert until(lambda: not spooled(forms), "no spool file")


def test_an_upload_above_the_limit_is_413_and_leaves_nothing(forms):
    body = form(("file", "a", b"x" * 200000), ("more", "b", b"x" * 200000))

    told = forms.post("/forms/describe", body, MULTIPART)
    lines = ["POST /forms/describe HTTP/1.1", "Host: t", f"Content-Type: {MULTIPART}",
             "Transfer-Encoding: chunked", "", f"{len(body):x}", ""]
    chunked = forms.raw("\r\n".join(lines).encode() + body + b"\r\n0\r\n\r\n")

    assert is_problem(told, 413)
    assert chunked.startswith(b"HTTP/1.1 413 ")
    assert until(lambda: not spooled(forms), "no spool file")


def test_a_client_that_leaves_in_the_middle_leaves_no_file(forms):
    body = form(("file", "a", b"x" * 200000))
    head = (f"POST /forms/describe HTTP/1.1\r\nHost: t\r\nContent-Type: {MULTIPART}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()

    with forms.connect() as conn:
        conn.send(head + body[:100000])
        until(lambda: spooled(forms), "a spool file")

    assert until(lambda: not spooled(forms), "no spool file")
    assert forms.post("/forms/describe", body, MULTIPART).status == 200


def open_upload(s, body, n_bytes):
    """A client that has sent so much of its upload, and sends the rest when it is told."""
    head = (f"POST /forms/describe HTTP/1.1\r\nHost: t\r\nContent-Type: {MULTIPART}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    conn = s.connect()
    conn.send(head + body[:n_bytes])
    return conn


def test_uploads_have_a_limit_together(server):
    s = server({"http": {**LIMITS["http"], "spooled_bytes": 300000}}, plugins=["forms"],
               wants_database=False)
    body = form(("file", "a", b"x" * 200000))
    with open_upload(s, body, 190000) as first:
        until(lambda: sum(path.stat().st_size for path in spooled(s)) > 150000, "most of a file")

        told = s.post("/forms/describe", body, MULTIPART)

        assert is_problem(told, 507, "no_room_for_upload") and told.header("Retry-After") == "1"
        first.send(body[190000:])
        assert first.response().json["size"] == 200000
    assert until(lambda: not spooled(s), "no spool file")
    for _ in range(3):  # what was taken is given back, also by the one that was refused
        assert s.post("/forms/describe", body, MULTIPART).status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_full_disk_is_told_and_leaves_nothing(server, tmp_path):
    disk = tmp_path / "state/uploads"
    (tmp_path / "state").mkdir(mode=0o700)
    disk.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=0700", "tmpfs", disk],
                      check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        s = server({**LIMITS, "server": {"state_dir": str(tmp_path / "state")}}, plugins=["forms"],
                   wants_database=False)

        told = s.post("/forms/describe", form(("file", "a", b"x" * 250000)), MULTIPART)

        assert is_problem(told, 507, "no_room_for_upload") and told.header("Retry-After") == "1"
        assert until(lambda: not list(disk.iterdir()), "no spool file")
        small = form(("file", "a", b"x" * 50000))
        assert s.post("/forms/describe", small, MULTIPART).json["where"] == "file"
        assert until(lambda: not list(disk.iterdir()), "no spool file")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


FILE = form(("file", "a", b"x"))
NO_FORM = {
    # name: (body, content type, status, code)
    "another field": (form(note="hi"), MULTIPART, 400, "missing_parameter"),
    "no last boundary": (FILE[:-10], MULTIPART, 400, "bad_form"),
    "nothing": (b"", MULTIPART, 400, "bad_form"),
    "no boundary": (b"x", "multipart/form-data", 400, "bad_form"),
    "a boundary too long": (b"x", f"multipart/form-data; boundary={'b' * 71}", 400, "bad_form"),
    "no form-data": (FILE.replace(b"form-data;", b"attachment;"), MULTIPART, 400, None),
    "a long header": (FILE.replace(b"Content-Type", b"X" * 9000), MULTIPART, 413, None),
    "many parts": (form(*[("file", "a", b"x")] * 2000), MULTIPART, 413, None),
    "a bad escape": (b"note=a%zz", "application/x-www-form-urlencoded", 400, "bad_form"),
}


def test_a_form_that_is_none_is_refused(forms):
    for name, (body, content_type, status, code) in NO_FORM.items():
        answer = forms.post("/forms/describe", body, content_type)
        assert is_problem(answer, status, code), (name, answer)

    assert forms.post("/forms/describe", FILE, MULTIPART).status == 200
    assert until(lambda: not spooled(forms), "no spool file")
