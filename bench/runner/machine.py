"""The machine and the versions, for the head of the report."""
import datetime
import os
import platform
import re
import subprocess


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = (done.stdout + done.stderr).strip()
    return text.splitlines()[0] if text else None


def processor():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        found = re.search(r"model name\s*:\s*(.*)", file.read())
    return found.group(1) if found else platform.machine()


def system():
    with open("/etc/os-release", encoding="utf-8") as file:
        found = re.search(r'PRETTY_NAME="(.*)"', file.read())
    return found.group(1) if found else platform.system()


def facts(checkout):
    """(what, value) lines."""
    versions = {
        "nginx": first_line("nginx", "-v"),
        "h2o": first_line("h2o", "-v"),
        "Kore": first_line("kore", "-v"),
        "Node": first_line("node", "--version"),
        "gunicorn": first_line("/usr/bin/gunicorn", "--version"),
        "Flask": first_line("/usr/bin/python3", "-c",
                            "import importlib.metadata as m; print(m.version('flask'))"),
        "PostgreSQL": first_line("psql", "--version"),
        "wrk": first_line("wrk", "-v"),
        "gcc": first_line("gcc", "--version"),
    }
    return [
        ("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
        ("commit", first_line("git", "-C", str(checkout), "describe", "--always", "--dirty")),
        ("machine", f"{os.cpu_count()} CPUs, {processor()}, Linux {platform.release()}, "
                    f"{system()}"),
        ("load before the run", "%.1f" % os.getloadavg()[0]),
        ("versions", "; ".join(v if k.lower() in v.lower() else f"{k} {v}"
                               for k, v in versions.items() if v)),
    ]
