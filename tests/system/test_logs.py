"""The log as its reader gets it: never a reason to wait, and never a line of somebody else's."""
import json
import os
import re
import subprocess

from harness import process, wire


def start_unread(build, tmp_path):
    """A server whose standard output is a pipe that nobody reads, and the pipe's other end."""
    config = process.write_config(build, tmp_path, tmp_path / "config", None, ["hello"], "")
    port = process.free_port()
    out, its_out = os.pipe()
    server = subprocess.Popen([build / "sim-exchange", "serve", "--config", config],
                              env=process.environment({"PORT": str(port)}), stdout=its_out,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.close(its_out)
    return server, port, out


def ask(port, n):
    """So many requests, each with a long line in the log; the number of answers."""
    with wire.Connection(("127.0.0.1", port), 30) as conn:
        return sum(conn.request("GET", "/hello", {"User-Agent": "u" * 4000}).status == 200
                   for _ in range(n))


def wait_listening(server, port):
    while True:
        assert server.poll() is None, server.stderr.read()
        try:
            wire.Connection(("127.0.0.1", port), 30).close()
            return
        except ConnectionRefusedError:
            continue


def dropped_by_metrics(port):
    with wire.Connection(("127.0.0.1", port), 30) as conn:
        text = conn.request("GET", "/_sx/metrics", {"Connection": "close"}).text
    return int(re.search(r"^sx_log_dropped_lines_total (\d+)$", text, re.MULTILINE).group(1))


def n_hello(lines):
    return sum(line["message"] == "GET /hello 200" for line in lines)


def accounted(lines):
    """Those that came and those that are told to be lost."""
    return n_hello(lines) + sum(line.get("lost_lines", 0) for line in lines)


def test_an_output_that_nobody_reads_stops_no_request_and_lost_lines_are_counted(build, tmp_path):
    server, port, out = start_unread(build, tmp_path)
    n_asked = 0
    try:
        wait_listening(server, port)
        while dropped_by_metrics(port) == 0:
            assert ask(port, 500) == 500
            n_asked += 500

        lines = []
        with os.fdopen(out) as reader:
            while accounted(lines) < n_asked:
                lines.append(json.loads(next(reader)))
            server.terminate()
            lines += [json.loads(line) for line in reader]
        assert server.wait(process.END_S) == 0
    finally:
        server.kill()
        server.wait()
        server.stderr.close()
    assert n_hello(lines) < n_asked <= accounted(lines)


def test_what_a_client_sends_makes_no_line_of_its_own(server):
    s = server(wants_database=False)

    s.raw(b'GET /hello/%0a%7B%22severity%22:1%7D HTTP/1.1\r\nHost: t\r\n'
          b'User-Agent: a"b\\c\xc3\xa9\xff\x1b[31m\tz\r\nConnection: close\r\n\r\n')
    line = s.wait_line("GET /hello/")

    assert line["httpRequest"]["requestUrl"] == "/hello/%0a%7B%22severity%22:1%7D"
    assert all(line["severity"] != "NOT_JSON" for line in s.lines)


def test_an_access_line_has_what_cloud_logging_reads(server):
    s = server({"log": {"trace_project": "my-project"}}, wants_database=False)
    trace = "0af7651916cd43dd8448eb211c80319c"

    s.get("/hello", {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "User-Agent": "ua",
                     "X-Request-Id": "my-id"})
    line = s.wait_line("GET /hello 200")

    assert line["severity"] == "INFO"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])
    http = line["httpRequest"]
    assert {k: http[k] for k in ("requestMethod", "requestUrl", "status", "userAgent", "remoteIp",
                                 "protocol", "responseSize")} == {
        "requestMethod": "GET", "requestUrl": "/hello", "status": 200, "userAgent": "ua",
        "remoteIp": "127.0.0.1", "protocol": "HTTP/1.1", "responseSize": "14"}
    assert re.fullmatch(r"\d+\.\d{3,9}s", http["latency"])
    assert line["logging.googleapis.com/trace"] == f"projects/my-project/traces/{trace}"
    assert line["logging.googleapis.com/spanId"] == "b7ad6b7169203331"
    assert line["logging.googleapis.com/trace_sampled"] is True
    assert (line["plugin"], line["route"], line["request_id"]) == ("hello", "/hello", "my-id")
