"""What is in the image, without running it."""
import hashlib
import json
import tarfile
import tempfile

import spdx_rules
from container import Failure, expect

MAX_BYTES = 25_000_000
SBOM = "usr/share/sbom/sim-exchange.spdx.json"
SHELLS = {"sh", "bash", "dash", "busybox", "perl", "python3", "apt", "dpkg"}
MADE_BY_THE_ENGINE = {"etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv",
                      "dev/console", "etc/mtab"}


def contents(engine):
    """Every file as the tar of an exported container has it, with the bytes of regular ones."""
    one = engine.create(has_database=False)
    found = {}
    with tempfile.TemporaryFile() as file:
        file.write(engine.call("export", one.id, text=False).stdout)
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            for member in tar:
                data = tar.extractfile(member).read() if member.isreg() else None
                found[member.name.removeprefix("./").rstrip("/")] = (member, data)
    for name in MADE_BY_THE_ENGINE:
        found.pop(name, None)
    return found


def check_size(engine):
    """size: at most 25 MB"""
    size = engine.image()["Size"]
    if size > MAX_BYTES:
        raise Failure(f"{size / 1e6:.1f} MB")
    return f"{size / 1e6:.1f} MB"


def check_settings(engine):
    """settings: user 10001, TERM, port 5009, health by the program, no shell in between"""
    config = engine.image()["Config"]
    program = "/srv/sim-exchange/sim-exchange"
    expect(config["User"], "10001:10001", "user")
    expect(config["StopSignal"], "SIGTERM", "stop signal")
    expect(list(config["ExposedPorts"]), ["5009/tcp"], "ports")
    expect(config["Healthcheck"]["Test"], ["CMD", program, "health"], "health check")
    expect((config["Entrypoint"], config["Cmd"]), ([program], ["serve"]), "entry point")
    expect([one for one in config["Env"] if one.startswith("SX_ENV")], ["SX_ENV=production"],
           "environment")


def check_modes(engine):
    """no set-id file, no capability on a file, nothing that others may write but /tmp"""
    for name, (member, _) in contents(engine).items():
        if member.issym() or name == "" or name.split("/")[0] in ("dev", "proc", "sys"):
            continue
        if member.mode & 0o6000:
            raise Failure(f"/{name} has mode {member.mode:o}")
        if member.mode & 0o022 and name != "tmp":
            raise Failure(f"/{name} can be written by others")
        if member.uid != 0 or member.gid != 0:
            raise Failure(f"/{name} belongs to {member.uid}:{member.gid}")
        if any("capability" in key for key in member.pax_headers):
            raise Failure(f"/{name} has capabilities")
    return f"{len(contents(engine))} entries"


def check_no_shell(engine):
    """no shell, interpreter or package manager"""
    found = {name.split("/")[-1] for name in contents(engine)} & SHELLS
    if found:
        raise Failure(", ".join(sorted(found)))


def check_sbom(engine):
    """the SPDX list holds every file with its sum, and keeps the rules of SPDX 2.3"""
    files = contents(engine)
    document = json.loads(files[SBOM][1])
    faults = spdx_rules.faults(document)
    if faults:
        raise Failure("; ".join(faults[:5]))
    listed = {one["fileName"][2:]: one["checksums"][1]["checksumValue"]
              for one in document["files"]}
    present = {name: hashlib.sha256(data).hexdigest() for name, (_, data) in files.items()
               if data is not None and name != SBOM}
    if listed != present:
        wrong = {name for name, _ in listed.items() ^ present.items()}
        raise Failure("differs from what is there: " + ", ".join(sorted(wrong)[:5]))
    unknown = [one["name"] for one in document["packages"]
               if one["licenseDeclared"] == "NOASSERTION"]
    return (f"{len(document['packages'])} packages, {len(listed)} files; "
            f"licence not known of: {', '.join(unknown) or 'none'}")
