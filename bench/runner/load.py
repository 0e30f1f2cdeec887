"""wrk, and what it says."""
import os
import pathlib
import re
import subprocess

PIPELINE = pathlib.Path(__file__).resolve().parents[1] / "load/pipeline.lua"
CONNECTIONS = 64


class LoadFailed(Exception):
    """The server did not answer as it should."""


def wrk(url, seconds, cpu, connections=CONNECTIONS, pipelined=False):
    """(requests answered, requests per second); LoadFailed when one was not answered 2xx."""
    command = ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
               "--timeout", "10s", url]
    if pipelined:
        command += ["-s", str(PIPELINE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          timeout=seconds + 30, env=dict(os.environ, LC_ALL="C"))
    text = done.stdout
    count = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if count is None or rate is None or int(count.group(1)) == 0:
        raise LoadFailed(f"no answer from {url}")
    for fault in re.findall(r"(Non-2xx.*|Socket errors:.*)", text):
        if re.search(r"[1-9]", re.sub(r"2xx or 3xx", "", fault)):
            raise LoadFailed(f"{url}: {fault.strip()}")
    return int(count.group(1)), float(rate.group(1))
