"""Trading sessions of client libraries that people use: the scripts of tests/clients, each against
a server and a database of its own."""
import re
import shutil
import subprocess

import pytest

from harness.process import CHECKOUT, environment

SCRIPTS = {"binance": "binance", "coinbase": "exchange"}  # tests/clients/NAME.mjs: its plugin
CLIENTS = CHECKOUT / ".state/clients"
SECRET = "a secret of this test, of 32 bytes and more"
ADMIN = "the administrator of this test"
SESSION_S = 240


def why_not():
    if not shutil.which("node"):
        return "node is not installed"
    if not (CLIENTS / "node_modules/.lock").exists():
        return f"{CLIENTS} has no packages: ./dev test installs them where npm can"
    return ""


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_session_runs_to_its_end(server, script):
    plugins = {name: {"options": {"signing_secret": SECRET}}
               for name in {"exchange", SCRIPTS[script]}}
    plugins["exchange"]["options"]["admin_token"] = ADMIN
    s = server(plugins=plugins)
    variables = {"SX_URL": f"http://127.0.0.1:{s.port}", "SX_ADMIN_TOKEN": ADMIN,
                 "SX_CLIENTS": str(CLIENTS)}

    done = subprocess.run(["node", CHECKOUT / f"tests/clients/{script}.mjs"], capture_output=True,
                          text=True, timeout=SESSION_S, check=False, env=environment(variables))

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nok ") > 50
    logged = "\n".join(map(str, s.lines)) + s.errors
    assert "requestUrl" in logged
    assert not re.search(f"{SECRET}|{ADMIN}|signature=[0-9a-f]", logged)
