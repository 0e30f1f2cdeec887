"""Where the Google Cloud CLI is installed: the double knows what it knows."""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

import double
import flags
import printer
from test_clean import MIXED, previews  # noqa: F401 (a fixture)
from test_cicd import a_service

FORMATS = [
    ("", "csv[no-heading,separator='|'](name.basename(),tags.list(separator=' '),none)"),
    ("", "value(name.basename())"), ("", "value(spec.containers[0].image)"),
    ("", "value(metadata.labels.sx_commit,spec.containers[0].image)"),
    ("status.traffic[]", "csv[no-heading,separator='|'](status.traffic.tag,status.traffic.revisionName,"
                         "status.traffic.percent,status.traffic.url)"),
    ("bindings[].members[]", "csv[no-heading,separator='|'](bindings.role,bindings.members)"),
    ("backends[]", "value(backends.group.basename())")]
RESOURCES = [{"name": "projects/1/secrets/foo", "tags": ["a", "b"],
              "spec": {"containers": [{"image": "x@y"}]}, "metadata": {"labels": {"sx_commit": "c"}},
              "backends": [{"group": "https://x/negs/n"}],
              "bindings": [{"role": "r", "members": ["m", "n"]}, {"role": "s", "members": ["m"]}],
              "status": {"traffic": [{"tag": "a", "revisionName": "r1", "url": "u"},
                                     {"revisionName": "r2", "percent": 100, "url": "u"}]}}]
PRINT = """
import json, sys
from googlecloudsdk.calliope import display_taps
from googlecloudsdk.core.resource import resource_lex, resource_printer
from googlecloudsdk.core.util import peek_iterable
resources, flatten, format_ = json.load(sys.stdin)
for n in range(flatten.count("[]")):
    key = resource_lex.Lexer(flatten.split("[]")[n].lstrip(".")).Key()
    before = resource_lex.Lexer(".".join(flatten.split("[]")[:n]).replace("..", ".")).Key() if n else []
    resources = list(peek_iterable.Tapper(resources, display_taps.Flattener(before + key)))
    resources = json.loads(json.dumps(resources))
resource_printer.Print(resources, format_)
"""


def sdk():
    program = shutil.which("gcloud")
    root = pathlib.Path(os.path.realpath(program)).parents[1] if program else None
    return root if root and (root / "data/cli/gcloud_completions.py").exists() else None


pytestmark = pytest.mark.skipif(sdk() is None, reason="the Google Cloud CLI is not installed")


@pytest.mark.thorough
def test_the_table_of_flags_is_that_of_the_cli():
    version = (sdk() / "VERSION").read_text().strip()
    if version != double.FLAGS["version"]:
        pytest.skip(f"the table is of {double.FLAGS['version']}, here is {version}")
    assert flags.taken(sdk(), double.FLAGS["commands"]) == double.FLAGS


@pytest.mark.thorough
@pytest.mark.parametrize("flatten, format_", FORMATS)
def test_the_printer_prints_what_the_cli_prints(flatten, format_):
    paths = [str(sdk() / "lib"), str(sdk() / "lib/third_party")]
    done = subprocess.run([sys.executable, "-c", PRINT], text=True, capture_output=True, check=False,
                          input=json.dumps([RESOURCES, flatten, format_]),
                          env={**os.environ, "PYTHONPATH": ":".join(paths)})

    assert done.returncode == 0, done.stderr
    assert printer.printed(RESOURCES, flatten, format_) == done.stdout


def quoted(word):
    """--flag='value', as the linter wants it."""
    name, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return name + equals + (shlex.quote(value) if value else "")


@pytest.mark.thorough
def test_its_parser_takes_every_call(shop, previews, tmp_path):  # noqa: F811
    """All that any script says, reads too, through gcloud's own parser: nothing is sent."""
    for environment in ("production", "testing", "development"):
        shop.setting(environment, "DEPLOY_DNS_ZONE", "zone")
        a_service(shop, f"acme-{environment}")
        assert shop.run("build-cicd.sh", environment).returncode == 0
        shop.cloud(f"acme-{environment}").pop("run services|")
    for branch, commit in (("develop", "a"), ("develop", "b"), ("release/1", "c")):
        shop.push(branch, commit * 40)
        shop.setting("testing", "DEPLOY_PUBLIC", "false" if commit == "b" else "true")
        assert shop.branch("migrate.sh", branch, commit * 40).returncode == 0
        assert shop.branch("deploy.sh", branch, commit * 40).returncode == 0
    assert shop.run("deploy.sh", "rollback", "testing").returncode == 0
    papers = previews(MIXED, ["develop"])
    assert papers.run("clean-previews.sh", "development").returncode == 0
    calls = {" ".join(map(quoted, call)) for call in shop.calls() + papers.calls() if call[0] == "gcloud"}
    # The linter takes a # for a comment, and wants files that are there.
    there = tmp_path / "there.yaml"
    there.write_text('A: "b"\n')
    calls = {re.sub(r"(-file|source)=\S+tmp\S+", rf"\1={there}", call) for call in calls}
    commands = tmp_path / "commands.json"
    commands.write_text(json.dumps([{"command_string": c, "id": n} for n, c in enumerate(sorted(calls), 1)]))

    done = subprocess.run(["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={commands}"],
                          capture_output=True, text=True, check=False,
                          env={**os.environ, "CLOUDSDK_CONFIG": str(tmp_path / "config"),
                               "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"})

    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) == len(calls) > 100
    assert [(a["command_string"], a["error_message"]) for a in answers if not a["success"]] == []
