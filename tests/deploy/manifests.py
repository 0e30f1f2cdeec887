"""What kustomize makes of deploy/kubernetes."""
import functools
import json
import re
import shutil
import subprocess

import yaml

from conftest import CHECKOUT

ENVIRONMENTS = ("production", "testing", "development")
LEAST = 5  # kustomize's major version; what Debian's kubectl has inside is 2


@functools.cache
def why_not():
    if not shutil.which("kubectl"):
        return "kubectl is not installed"
    done = subprocess.run(["kubectl", "version", "--client", "-o", "json"], capture_output=True,
                          text=True, check=False)
    found = re.match(r"v(\d+)", json.loads(done.stdout or "{}").get("kustomizeVersion", ""))
    if not found or int(found.group(1)) < LEAST:
        return f"kubectl has no kustomize of version {LEAST} or later inside"
    return ""


@functools.cache
def text(environment):
    folder = CHECKOUT / "deploy/kubernetes/overlays" / environment
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(environment):
    return list(yaml.safe_load_all(text(environment)))
