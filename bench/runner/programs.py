"""The C programs of the benchmark, compiled into a folder of the run."""
import pathlib
import shlex
import subprocess

HERE = pathlib.Path(__file__).resolve().parents[1]
OPTIONS = ["-O2", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra"]


def compile_c(source, target, *options):
    subprocess.run(["cc", *OPTIONS, HERE / source, "-o", target, *options], check=True)
    return target


def compile_all(out):
    """The programs that every run needs; raises when one does not compile."""
    pq = shlex.split(subprocess.run(["pkg-config", "--cflags", "--libs", "libpq"], check=True,
                                    capture_output=True, text=True).stdout)
    compile_c("limit/limit.c", out / "limit")
    compile_c("reference/reference.c", out / "reference", *pq)
    for name in ("single", "crowd", "first", "idle", "gap", "slow"):
        compile_c(f"load/{name}.c", out / name)
    include = HERE.parent / "include"
    for source in ("plugin/fifth.c", "../tests/plugins/faults.c"):
        target = out / pathlib.Path(source).with_suffix(".so").name
        compile_c(source, target, "-shared", "-fPIC", f"-I{include}", '-DSX_BUILD="bench"',
                  "-ljansson")


def compile_kore(target):
    """The module of Kore, or False where Kore is not there."""
    features = pathlib.Path("/usr/share/kore/features")
    if not features.exists():
        return False
    flags = shlex.split(features.read_text())
    done = subprocess.run(["cc", *OPTIONS, "-Wno-unused-parameter", "-shared", "-fPIC", *flags,
                           HERE / "peers/kore/bench.c", "-o", target], check=False)
    return done.returncode == 0
