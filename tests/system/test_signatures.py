"""Signed plugins: what is modified, unsigned or signed by a stranger is refused by name, and the
old generation goes on.  The keys, and half of the signatures, are made by openssl."""
import base64
import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import process


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """keys/NAME and keys/NAME.pub, of ours, and of a stranger, and one of another kind."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs", "stranger"):
        openssl("genpkey", "-algorithm", "ed25519", "-out", folder / name)
    openssl("genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
            folder / "rsa")
    for file in list(folder.iterdir()):
        openssl("pkey", "-in", file, "-pubout", "-out", f"{file}.pub")
        file.chmod(0o600)
    return folder


@pytest.fixture
def file(build, tmp_path):
    path = tmp_path / "hello.so"
    shutil.copy(process.plugin_file(build, "hello"), path)
    return path


def sign_with_openssl(key, file, is_base64=False):
    signature = file.with_suffix(".so.sig")
    openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", file, "-out", signature)
    if is_base64:
        signature.write_bytes(base64.b64encode(signature.read_bytes()) + b"\n")


def trusting(keys, *names, signatures=True):
    return {"trust": {"signatures": signatures,
                      "keys": [str(keys / f"{name}.pub") for name in names]}}


@pytest.fixture
def check(program, config_dir, file):
    """check({...}): what `check` says of a configuration that runs the file."""
    def run(config):
        folder = config_dir(config, plugins={"hello": {"path": str(file)}})
        return program("check", "--config", folder)

    return run


@pytest.mark.parametrize("how", ["ours", "openssl", "openssl in base64"])
def test_a_signed_plugin_serves(server, program, keys, file, how):
    if how == "ours":
        done = program("sign", "--key", keys / "theirs", file)
        assert (done.returncode, done.stdout) == (0, f"{file}.sig\n"), done.stderr
    else:
        sign_with_openssl(keys / "theirs", file, is_base64="base64" in how)

    s = server(trusting(keys, "ours", "theirs"), plugins={"hello": {"path": str(file)}},
               wants_database=False)

    assert s.get("/hello").status == 200
    s.reload()
    assert s.get("/hello").status == 200


def test_openssl_takes_our_signature(program, keys, file, tmp_path):
    program("sign", "--key", keys / "ours", file)
    algorithm, key, text = file.with_suffix(".so.sig").read_text().split()
    raw = tmp_path / "raw"
    raw.write_bytes(base64.b64decode(text))

    assert (algorithm, len(key), raw.stat().st_size) == ("ed25519", 16, 64)
    openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", keys / "ours.pub", "-in", file,
            "-sigfile", raw)


def unsigned(program, keys, file):
    del program, keys, file


def modified(program, keys, file):
    program("sign", "--key", keys / "ours", file)
    with file.open("r+b") as out:
        out.seek(-1, os.SEEK_END)
        last = out.read(1)
        out.seek(-1, os.SEEK_END)
        out.write(bytes([last[0] ^ 1]))


def by_stranger(program, keys, file):
    program("sign", "--key", keys / "stranger", file)


def by_stranger_raw(program, keys, file):
    del program
    sign_with_openssl(keys / "stranger", file)


def claiming(program, keys, file):
    """A stranger's signature under the name of our key."""
    signature = file.with_suffix(".so.sig")
    program("sign", "--key", keys / "ours", file)
    name = signature.read_text().split()[1]
    program("sign", "--key", keys / "stranger", file)
    signature.write_text(re.sub(r"^ed25519 \w+", f"ed25519 {name}", signature.read_text()))


def garbage(program, keys, file):
    del program, keys
    file.with_suffix(".so.sig").write_text("ed25519 of mine\n")


REFUSED = {
    unsigned: r"is not signed: expected {file}\.sig, found none\nSign it where the key is: "
              r"sim-exchange sign --key KEY FILE",
    modified: r"was modified after key [0-9a-f]{{16}} \({keys}/ours\.pub\) had signed it",
    by_stranger: r"is signed by an unknown key: found [0-9a-f]{{16}}, expected one of [0-9a-f]{{16}} "
                 r"\({keys}/ours\.pub\), [0-9a-f]{{16}} \({keys}/theirs\.pub\)",
    by_stranger_raw: r"was modified after it had been signed, or is signed by an unknown key: its "
                     r"signature fits none of [0-9a-f]{{16}} \({keys}/ours\.pub\)",
    claiming: r"was modified after key [0-9a-f]{{16}} \({keys}/ours\.pub\) had signed it",
    garbage: r"its signature is none: expected the line of sim-exchange sign, or 64 bytes",
}


@pytest.mark.parametrize("damage", REFUSED)
def test_what_is_not_signed_well_is_refused_by_name(check, program, keys, file, damage):
    damage(program, keys, file)

    done = check(trusting(keys, "ours", "theirs"))

    assert done.returncode == 2
    told = r"development\.json:\d+: plugins\.hello: {file}: " + REFUSED[damage]
    assert re.search(told.format(file=file, keys=keys), done.stderr), done.stderr


@pytest.mark.parametrize("damage", [unsigned, modified, by_stranger])
@pytest.mark.parametrize("copies", ["in files", "in memory"])
def test_a_reload_with_such_a_file_leaves_the_old_generation(server, program, keys, file, damage,
                                                             copies):
    program("sign", "--key", keys / "ours", file)
    config = trusting(keys, "ours", "theirs")
    if copies == "in memory":
        config["server"] = {"state_dir": "/proc/none"}
    s = server(config, plugins={"hello": {"path": str(file)}}, wants_database=False)

    file.with_suffix(".so.sig").unlink()
    damage(program, keys, file)
    s.signal(signal.SIGHUP)

    s.wait_line("the reload has failed")
    s.wait_line(re.compile(REFUSED[damage].format(file=file, keys=keys)))
    assert s.get("/hello").status == 200


@pytest.mark.parametrize("damage", [unsigned, modified])
def test_a_start_with_such_a_file_fails(server, program, keys, file, damage):
    damage(program, keys, file)
    s = server(trusting(keys, "ours", "theirs"), plugins={"hello": {"path": str(file)}},
               wants_database=False, may_die=True, wait=False)

    assert s.wait_end() == 2
    assert re.search(REFUSED[damage].format(file=file, keys=keys), s.errors), s.errors


def test_where_signatures_are_optional_a_wrong_one_is_refused_all_the_same(check, program, keys,
                                                                           file):
    optional = trusting(keys, "ours", signatures=False)
    assert check(optional).returncode == 0

    by_stranger(program, keys, file)
    assert check(optional).returncode == 2
    assert check({"trust": {"keys": []}}).returncode == 0  # nobody looks


@pytest.mark.parametrize("name, told", [
    ("nosuch.pub", "cannot be read: No such file or directory"),
    ("ours", "expected an ed25519 public key in PEM, found a private key: keep that where plugins"),
    ("rsa.pub", "expected an ed25519 public key, found one of RSA"),
    ("text", "expected an ed25519 public key in PEM, found no PEM file"),
    ("large", "cannot be read: it is larger than a key"),
])
def test_a_key_that_is_none_is_refused_by_name(check, program, keys, file, tmp_path, name, told):
    program("sign", "--key", keys / "ours", file)
    (tmp_path / "text").write_text("no key\n")
    (tmp_path / "large").write_text("no key\n" * 10000)
    path = tmp_path / name if (tmp_path / name).exists() else keys / name

    done = check({"trust": {"signatures": True, "keys": [str(path)]}})

    assert done.returncode == 2
    assert re.search(rf"development\.json:\d+: trust\.keys\[0\]: {path}: {told}", done.stderr), \
        done.stderr


def test_a_key_that_everybody_can_write_is_refused(check, keys, tmp_path):
    key = tmp_path / "key.pub"
    shutil.copy(keys / "ours.pub", key)
    key.chmod(0o666)

    done = check({"trust": {"keys": [str(key)]}})

    assert done.returncode == 2
    assert f"trust.keys[0]: {key}: it can be written by everybody: found mode 0666" in done.stderr


def test_signatures_without_a_key_are_a_fault(check):
    done = check({"trust": {"signatures": True}})

    assert done.returncode == 2
    assert "trust.signatures: expected keys in trust.keys, found none" in done.stderr


def test_sign_refuses_what_it_should(program, keys, file, tmp_path):
    open_key = tmp_path / "open"
    shutil.copy(keys / "ours", open_key)
    open_key.chmod(0o644)
    cases = [
        ((), "sign: expected --key KEY and a file, found no key"),
        (("--key", keys / "ours"), "found no file"),
        (("--key", open_key, file), "others can read this private key: found mode 0644"),
        (("--key", keys / "ours.pub", file), "ours.pub: others can read this private key"),
        (("--key", keys / "rsa", file), "expected an ed25519 private key, found one of RSA"),
        (("--key", keys / "ours", tmp_path / "nosuch.so"), "nosuch.so: cannot be read"),
    ]
    for arguments, told in cases:
        done = program("sign", *arguments)

        assert (done.returncode, told in done.stderr) == (2, True), (arguments, done.stderr)
    assert not file.with_suffix(".so.sig").exists()
