"""Names do not meet: plugins and the program define the same ones, and each sees its own."""
import subprocess

import pytest


SANITIZERS_OWN = ("__asan", "__odr_asan", "__ubsan", "__tsan", "__sanitizer", "__interceptor")


def exported(file):
    done = subprocess.run(["nm", "-D", "--defined-only", "-P", file], capture_output=True,
                          text=True, check=True)
    names = [line.split()[:2] for line in done.stdout.splitlines()]
    return {name: kind for name, kind in names if not name.startswith(SANITIZERS_OWN)}


def test_two_plugins_with_the_same_names_see_their_own(server):
    s = server(plugins=["helper_a", "helper_b", "hello"], wants_database=False)

    found = [s.get(f"/{name}").json for name in ("helper_a", "helper_b") * 3]

    assert found == [{"helper": name, "state": first + i} for i in range(3)
                     for name, first in (("helper_a", 1000), ("helper_b", 2000))]


def test_the_program_exports_no_function(build):
    found = exported(build / "sim-exchange")

    assert not {name for name, kind in found.items() if kind in "TtWi"}
    assert all("@" in name for name in found), found  # copies of libc's data, and nothing else


@pytest.mark.parametrize("name", ["hello", "site", "probe", "techempower"])
def test_a_plugin_exports_its_manifest_alone(build, name):
    assert set(exported(build / f"plugins/{name}.so")) == {"sx_plugin_manifest"}


def test_a_plugin_that_reaches_into_the_core_does_not_link(tmp_path, build):
    source = "int sx_log_line(void);\nint use(void);\nint use(void)\n{\n    return sx_log_line();\n}\n"

    done = subprocess.run(["gcc", "-x", "c", "-", "-shared", "-fPIC", "-Wl,-z,defs", "-o",
                           tmp_path / "x.so"], input=source, text=True, capture_output=True,
                          check=False)

    assert done.returncode != 0 and "undefined reference to `sx_log_line'" in done.stderr
    assert "-Wl,-z,defs" in (build / "build.ninja").read_text()
