"""TLS to PostgreSQL: what the URL asks for is what happens, and what is wrong is said."""
import os
import re
import subprocess

import pytest

from harness import database, process
from harness.postgres import Postgres
from harness.wait import until

CONFIG = {"database": {"connect_ms": 2000, "pool_size": 2}}


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key",
            "-out", folder / f"{name}.pem")


class Encrypted:
    """A PostgreSQL that takes TLS alone, as "localhost", known to an authority."""

    def __init__(self, folder):
        self.folder = folder
        make_authority(folder, "authority")
        make_authority(folder, "stranger")
        (folder / "names").write_text("subjectAltName=DNS:localhost\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=server", "-keyout", folder / "server.key",
                "-out", folder / "server.csr")
        openssl("x509", "-req", "-in", folder / "server.csr", "-CA", folder / "authority.pem",
                "-CAkey", folder / "authority.key", "-CAcreateserial", "-days", "2",
                "-extfile", folder / "names", "-out", folder / "server.pem")
        self.postgres = Postgres()
        self.local = database.create(self.postgres.url)
        self.port = process.free_port()
        self.encrypt()

    def encrypt(self):
        data = database.query(self.local, "SELECT current_setting('data_directory')")[0][0]
        for name in ("server.key", "server.pem"):
            path = os.path.join(data, name)
            with open(path, "wb") as copy:
                copy.write((self.folder / name).read_bytes())
            os.chmod(path, 0o600)
            os.chown(path, self.postgres.owner, -1)
        with open(os.path.join(data, "pg_hba.conf"), "w", encoding="utf-8") as rules:
            rules.write("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
        for setting in ("ssl = on", "ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'"):
            database.query(self.local, f"ALTER SYSTEM SET {setting}")
        self.postgres.stop()
        self.postgres.command = [
            "listen_addresses=127.0.0.1" if part.startswith("listen_addresses=") else
            f"port={self.port}" if part.startswith("port=") else part
            for part in self.postgres.command]
        self.local = re.sub(r"port=\d+", f"port={self.port}", self.local)
        self.postgres.url = re.sub(r"port=\d+", f"port={self.port}", self.postgres.url)
        self.postgres.start()

    def url(self, **options):
        return (f"postgresql://sim_exchange@/{database.name_of(self.local)}?port={self.port}&"
                + "&".join(f"{key}={value}" for key, value in options.items()))


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    one = Encrypted(tmp_path_factory.mktemp("tls"))
    yield one
    one.postgres.finish()


GOOD = {
    "required": {"host": "127.0.0.1", "sslmode": "require"},
    "verified": {"host": "localhost", "sslmode": "verify-full", "sslrootcert": "authority.pem"},
}
# By that name and no other address: where it has two, the last one's reason is told.
LOCAL = {"host": "localhost", "hostaddr": "127.0.0.1"}
BAD = {
    "unencrypted": ({"host": "127.0.0.1", "sslmode": "disable"}, "no encryption"),
    "another authority": ({**LOCAL, "sslmode": "verify-full",
                           "sslrootcert": "stranger.pem"}, "certificate verify failed"),
    "another name": ({"host": "127.0.0.1", "sslmode": "verify-full",
                      "sslrootcert": "authority.pem"}, "does not match host name"),
    "no authority": ({**LOCAL, "sslmode": "verify-full",
                      "sslrootcert": "absent.pem"}, "absent.pem"),
}


def completed(encrypted, options):
    if "sslrootcert" in options:
        options = {**options, "sslrootcert": encrypted.folder / options["sslrootcert"]}
    return encrypted.url(**options)


@pytest.mark.parametrize("how", GOOD)
def test_connections_are_encrypted_as_the_url_asks(server, encrypted, how):
    s = server(CONFIG, ["probe"], url=completed(encrypted, GOOD[how]))

    assert s.get("/probe/db/read?tok=a").text == "a"
    rows = database.query(encrypted.local, "SELECT DISTINCT s.ssl FROM pg_stat_ssl s JOIN"
                                           " pg_stat_activity a USING (pid)"
                                           " WHERE a.application_name = 'sim-exchange'")
    assert rows == [(True,)]


@pytest.mark.parametrize("why", BAD)
def test_what_is_wrong_is_said_and_nothing_is_sent(server, encrypted, why):
    options, told = BAD[why]
    s = server(CONFIG, ["probe"], url=completed(encrypted, options), migrate=False, wait=False)

    s.wait_line("generation 1 serves")
    until(lambda: told in s.get("/_sx/ready").text, f"/_sx/ready tells: {told}")
    assert s.get("/probe/db/read?tok=a").status == 503


def test_a_server_without_tls_is_refused_where_it_is_required(server):
    """A local socket has none and needs none: libpq takes it for encrypted enough, so by TCP."""
    postgres = Postgres()
    try:
        url = database.create(postgres.url)
        postgres.stop()
        port = process.free_port()
        postgres.command = [part.replace("listen_addresses=", "listen_addresses=127.0.0.1")
                            if part == "listen_addresses=" else
                            f"port={port}" if part.startswith("port=") else part
                            for part in postgres.command]
        postgres.url = re.sub(r"port=\d+", f"port={port}", postgres.url)
        postgres.start()
        name = database.name_of(url)
        s = server(CONFIG, ["probe"], migrate=False, wait=False,
                   url=f"postgresql://sim_exchange@127.0.0.1:{port}/{name}?sslmode=require")
        s.wait_line("generation 1 serves")
        until(lambda: "server does not support SSL" in s.get("/_sx/ready").text, "the reason")
    finally:
        postgres.finish()
