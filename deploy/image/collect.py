#!/usr/bin/python3
"""collect.py BUILD ROOT: makes the folder ROOT that becomes the image, of the files in BUILD, the
checkout, and what they need of this system when they run.

Which libraries these are is asked of the files themselves; each file's package is found, and all of
it is listed in /usr/share/sbom/sim-exchange.spdx.json."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import spdx

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
HOME = "srv/sim-exchange"
SBOM = "usr/share/sbom/sim-exchange.spdx.json"
USER = 10001
PINNED = "production"
# What no file names as its library, and is opened all the same.
OPENED = ["libgcc_s.so.1"]  # by libc, when a thread ends by pthread_exit
SYSTEM_FILES = ["etc/ssl/certs/ca-certificates.crt",  # libcurl and libpq, to know a server by
                "etc/ssl/openssl.cnf"]                # libcrypto, at its start
TEXTS = {
    "etc/passwd": f"root:x:0:0::/:/none\nsim-exchange:x:{USER}:{USER}::/{HOME}:/none\n",
    "etc/group": f"root:x:0:\nsim-exchange:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/ld.so.conf": "/usr/lib\n",
}


class Root:
    """The folder, and of which package each of its files is; those without one are ours."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.packages = {}  # path in the image: name of a Debian package

    def place(self, path):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def write(self, path, text):
        self.place(path).write_text(text)

    def copy(self, source, path, mode=0o644, package=None):
        target = self.place(path)
        shutil.copyfile(source, target)
        target.chmod(mode)
        if package:
            self.packages[path] = package


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def programs(build):
    """What is executed or mapped, by its path below HOME."""
    found = [build / "sim-exchange", *sorted(build.glob("sx_*.so")),
             *sorted(build.glob("plugins/*.so"))]
    return {str(file.relative_to(build)): file for file in found}


def owner(path):
    """The Debian package of a file.  Its list may still say /lib for /usr/lib."""
    real = os.path.realpath(path)
    for name in dict.fromkeys([path, real, real.removeprefix("/usr")]):
        done = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True,
                              check=False)
        if done.returncode == 0:
            return done.stdout.split(": ")[0].split(",")[0].split(":")[0]
    raise SystemExit(f"{path}: of no package")


def libraries(files):
    """By their names, the files that the loader would map; the loader itself by its path."""
    found = {}
    for file in files:
        for line in output("ldd", file).splitlines():
            match = re.fullmatch(r"\s*(?:(\S+) => )?(\S+) \(0x[0-9a-f]+\)", line)
            if "not found" in line:
                raise SystemExit(f"{file}: {line.strip()}")
            if match and match[2].startswith("/"):
                found[match[1] or match[2]] = match[2]
    return found


def copy_libraries(root, files):
    """All in one folder, where the loader looks without being told."""
    found = libraries(files)
    folder = os.path.dirname(found["libc.so.6"])
    for name in OPENED:
        found[name] = f"{folder}/{name}"
    for name, file in sorted(found.items()):
        package = owner(file)
        if name.startswith("/"):  # the loader, by the path that the programs have for it
            root.copy(file, name.lstrip("/"), 0o755, package)
        else:
            root.copy(file, f"usr/lib/{name}", 0o644, package)
    # libc and the loader look in /lib, too, before a cache is read.
    (root.folder / "lib").symlink_to("usr/lib")


def copy_own(root, build):
    for name, file in programs(build).items():
        target = root.place(f"{HOME}/{name}")
        # The names of functions stay: crash lines tell them.
        subprocess.run(["strip", "--strip-debug", "-o", target, file], check=True)
        target.chmod(0o755)
    for file in sorted(CHECKOUT.glob("config/*.json")):
        root.copy(file, f"{HOME}/config/{file.name}")
    for file in sorted(CHECKOUT.glob("plugins/*/static/**/*")):
        if file.is_file():
            root.copy(file, f"{HOME}/{file.relative_to(CHECKOUT)}")
    root.copy(CHECKOUT / "LICENSE", "usr/share/doc/sim-exchange/copyright")


def merged(base, over):
    return {**base, **{key: merged(base.get(key, {}), value) if isinstance(value, dict) else value
                       for key, value in over.items()}}


def pin(root):
    """The SHA-256 of each plugin, as it is now, into the configuration that wants them."""
    home = root.folder / HOME
    file = home / f"config/{PINNED}.json"
    pins = json.loads(output(home / "sim-exchange", "pin", "--config", home / "config", "--env",
                             PINNED))
    file.write_text(json.dumps(merged(json.loads(file.read_text()), pins), indent=2) + "\n")


def copy_system(root):
    for name in SYSTEM_FILES:
        # The bundle of certificates is made at the installation, of the package's files.
        package = "ca-certificates" if "certs" in name else owner(f"/{name}")
        root.copy(f"/{name}", name, package=package)
    for name, text in TEXTS.items():
        root.write(name, text)
    folder = root.place("usr/lib/ssl/certs").parent
    (folder / "certs").symlink_to("/etc/ssl/certs")
    (folder / "cert.pem").symlink_to("/etc/ssl/certs/ca-certificates.crt")
    (folder / "openssl.cnf").symlink_to("/etc/ssl/openssl.cnf")
    tmp = root.folder / "tmp"
    tmp.mkdir()
    tmp.chmod(0o1777)
    subprocess.run(["ldconfig", "-r", root.folder], check=True)
    shutil.rmtree(root.folder / "var", ignore_errors=True)  # what ldconfig would use next time


def copy_licences(root):
    for package in sorted(set(root.packages.values())):
        name = f"usr/share/doc/{package}/copyright"
        root.copy(os.path.realpath(f"/{name}"), name, package=package)


def check(root):
    for folder, _, files in os.walk(root.folder):
        for name in files:
            path = pathlib.Path(folder, name)
            if not path.is_symlink() and path.stat().st_mode & 0o6022:
                raise SystemExit(f"{path}: mode {path.stat().st_mode:o}")


def main():
    build, folder = pathlib.Path(sys.argv[1]), sys.argv[2]
    os.umask(0o022)
    root = Root(folder)
    root.folder.mkdir(mode=0o755)
    copy_own(root, build)
    copy_libraries(root, programs(build).values())
    copy_system(root)
    pin(root)
    copy_licences(root)
    version = output(root.folder / HOME / "sim-exchange", "version").split()[1]
    document = spdx.document(root.folder, root.packages, version)
    root.write(SBOM, json.dumps(document, indent=1) + "\n")
    check(root)


if __name__ == "__main__":
    main()
