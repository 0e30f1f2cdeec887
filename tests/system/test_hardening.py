"""What the compiler and the linker put into the shipped files against an attack, read back from
the files themselves."""
import json
import platform
import re
import subprocess

import pytest

from harness import process

RELEASE = process.CHECKOUT / "build/release"
NEEDED_FLAGS = ["-fstack-protector-strong", "-fstack-clash-protection", "-D_FORTIFY_SOURCE=3"]
IS_X86 = platform.machine() == "x86_64"

pytestmark = pytest.mark.skipif(not (RELEASE / "sim-exchange").exists(),
                                reason="build/release is not built: ./dev test builds it")


def shipped():
    return ["sim-exchange", *sorted(str(file.relative_to(RELEASE)) for file in
                                    [*RELEASE.glob("*.so"), *RELEASE.glob("plugins/*.so")])]


def readelf(name, *options):
    return subprocess.run(["readelf", "-W", *options, RELEASE / name], capture_output=True,
                          text=True, check=True).stdout


def segments(name):
    """(type, flags) of each program header."""
    row = re.compile(r"^\s+([A-Z_0-9]+)\s+0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([RWE ]{3})", re.MULTILINE)
    return [(kind, flags.replace(" ", "")) for kind, flags in row.findall(readelf(name, "-l"))]


def test_there_are_files_to_look_at():
    names = shipped()

    assert "sx_db.so" in names and "plugins/hello.so" in names


@pytest.mark.parametrize("name", shipped())
def test_relocations_are_read_only_and_bound_at_the_start(name):
    dynamic = readelf(name, "-d")

    assert "GNU_RELRO" in [kind for kind, _ in segments(name)]
    assert re.search(r"\(FLAGS\).*BIND_NOW", dynamic) and re.search(r"\(FLAGS_1\).*NOW", dynamic)
    assert "TEXTREL" not in dynamic
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic


@pytest.mark.parametrize("name", shipped())
def test_nothing_is_both_writable_and_executable(name):
    found = segments(name)

    assert found and not [s for s in found if "W" in s[1] and "E" in s[1]]
    assert ("GNU_STACK", "RW") in found
    loads = [flags for kind, flags in found if kind == "LOAD"]
    assert loads[0] == "R" and loads.count("RE") == 1  # code has pages of its own


def test_the_program_can_lie_anywhere():
    assert re.search(r"Type:\s+DYN", readelf("sim-exchange", "-h"))
    assert re.search(r"\(FLAGS_1\).*PIE", readelf("sim-exchange", "-d"))


@pytest.mark.parametrize("name", ["sim-exchange", "sx_db.so", "sx_sign.so"])
def test_stacks_are_guarded_and_copies_are_checked(name):
    symbols = readelf(name, "--dyn-syms")

    assert re.search(r"UND __stack_chk_fail\b", symbols)
    assert re.search(r"UND __\w+_chk@", symbols.replace("__stack_chk_fail", ""))


def test_every_file_is_compiled_so():
    """What no file shows when it has no array: each command has the flags."""
    commands = json.loads((RELEASE / "compile_commands.json").read_text())

    flags = NEEDED_FLAGS + (["-fcf-protection=full"] if IS_X86 else [])
    missing = {(entry["file"], flag) for entry in commands for flag in flags
               if flag not in entry["command"].split()}
    assert len(commands) > 100 and not missing


@pytest.mark.parametrize("name", [n for n in shipped() if not n.startswith("plugins/")])
def test_of_the_static_libcrypto_only_hashes_are_there_and_nobody_else_sees_them(name):
    """Two whole ones in a process would be two states of one library."""
    defined = [line.split()[-1] for line in readelf(name, "-s").splitlines()
               if re.search(r"(FUNC|OBJECT)\s+\w+\s+\w+\s+\d+ ", line)]
    seen = [line for line in readelf(name, "--dyn-syms").splitlines() if " UND " not in line]

    assert len(defined) > 50 and not [s for s in defined if s.startswith(("EVP_", "ERR_", "OSSL_"))]
    assert not [line for line in seen if re.search(r"\bSHA(1|256)_", line)]


@pytest.mark.skipif(not IS_X86, reason="endbr64 is an instruction of x86-64")
@pytest.mark.parametrize("name", ["sim-exchange", "plugins/hello.so"])
def test_functions_can_be_reached_by_marked_entries_alone(name):
    """Indirect branch tracking.  The note that would switch it on is missing in Debian's crti.o, so
    the linker leaves it out; the code is ready for it."""
    done = subprocess.run(["objdump", "-d", "--no-show-raw-insn", RELEASE / name],
                          capture_output=True, text=True, check=True)

    entries = re.findall(r"^[0-9a-f]+ <(?:main|say_hello|greet)>:\n\s+\S+:\s+(\w+)",
                         done.stdout, re.MULTILINE)
    assert entries and set(entries) == {"endbr64"}
