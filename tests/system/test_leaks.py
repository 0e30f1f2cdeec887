"""valgrind: a full start, load and stop of the program as it is shipped leaves nothing behind."""
import re
import shutil
import signal
import subprocess

import pytest

from harness import process, wait, wire

SHIPPED = process.CHECKOUT / "build/release"
PLUGINS = ["hello", "site", "techempower", "probe"]
SLOW_S = 250
TARGETS = ["/hello", "/hello/Ada", "/", "/static/site.css", "/json", "/plaintext", "/db",
           "/queries?queries=5", "/updates?queries=5", "/cached-queries?count=5", "/fortunes",
           "/probe/ok", "/probe/token/abc", "/probe/sleep?ms=1", "/probe/work?ms=1",
           "/probe/reflect?v=a", "/probe/db/read?tok=a", "/probe/db/write?tok=a",
           "/probe/stream?n=2&ms=1", "/openapi.json", "/_sx/metrics", "/nothing"]


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
@pytest.mark.skipif(not (SHIPPED / "sim-exchange").exists(), reason="build/release is not built")
def test_nothing_is_left_behind_and_nothing_is_touched_that_is_not_ours(new_database, tmp_path):
    build = SHIPPED
    url = new_database()
    config = process.write_config(build, tmp_path, tmp_path / "config",
                                  {"server": {"start_ms": SLOW_S * 1000}}, PLUGINS, url)
    done = process.run(build, tmp_path, ["migrate", "--config", config])
    assert done.returncode == 0, done.stderr
    port = process.free_port()
    with open(tmp_path / "out", "wb") as out:
        server = subprocess.Popen(
            ["valgrind", "--trace-children=yes", "--leak-check=full", "--show-leak-kinds=definite",
             "--errors-for-leak-kinds=definite", f"--log-file={tmp_path}/valgrind.%p",
             build / "sim-exchange", "serve", "--config", config],
            env=process.environment({"PORT": str(port)}), cwd=tmp_path, stdin=subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT)
    try:
        wait.until(lambda: is_ready(server, port), "a ready server", SLOW_S)
        for target in TARGETS * 3:
            ask(port, "GET", target)
        for _ in range(3):
            ask(port, "POST", "/probe/json", b'{"a": [1, 2.5, null]}')
            ask(port, "POST", "/probe/json", b'{"a": [1, 2.5, nul')
        server.send_signal(signal.SIGHUP)
        wait.until(lambda: len(list(tmp_path.glob("valgrind.*"))) >= 5, "a reader, a checker and a worker", SLOW_S)
        wait.until(lambda: b"generation 2 serves" in (tmp_path / "out").read_bytes(), "a reload", SLOW_S)
        ask(port, "GET", "/db")
        server.terminate()
        assert server.wait(SLOW_S) == 0
    finally:
        server.kill()
        server.wait()

    reports = [file.read_text() for file in tmp_path.glob("valgrind.*")]
    assert len(reports) == 5  # supervisor, worker; of the reload: reader, checker, worker
    for report in reports:
        assert re.search(r"ERROR SUMMARY: 0 errors", report), report
        assert "definitely lost: 0 bytes" in report or "no leaks are possible" in report, report


def is_ready(server, port):
    assert server.poll() is None
    try:
        return ask(port, "GET", "/_sx/ready").status == 200
    except (OSError, wire.Closed):
        return False


def ask(port, method, target, body=None):
    headers = {"Connection": "close", **({"Content-Type": "application/json"} if body else {})}
    with wire.Connection(("127.0.0.1", port), SLOW_S) as conn:
        return conn.request(method, target, headers, body)
