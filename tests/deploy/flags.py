#!/usr/bin/python3
"""flags.py SDK COMMAND…: writes flags.json: the flags of gcloud's commands, out of the table
that an installed Google Cloud CLI has for completions.  Without commands: those that flags.json
has already."""
import json
import pathlib
import sys

TABLE = pathlib.Path(__file__).resolve().parent / "flags.json"
NAME = "STATIC_COMPLETION_CLI_TREE"


def tree(sdk):
    scope = {}
    exec((pathlib.Path(sdk) / "data/cli/gcloud_completions.py").read_text(), scope)
    return scope[NAME]


def taken(sdk, commands):
    root = tree(sdk)
    found = {}
    for command in sorted(commands):
        node = root
        for word in command.split():
            node = node["commands"][word]
        found[command] = sorted(node["flags"])
    version = (pathlib.Path(sdk) / "VERSION").read_text().strip()
    return {"version": version, "global": sorted(root["flags"]), "commands": found}


def main():
    sdk, *commands = sys.argv[1:]
    commands = commands or json.loads(TABLE.read_text())["commands"]
    lines = json.dumps(taken(sdk, commands)).replace('], "', '],\n"').replace('", "global', '",\n"global').replace('{"', '{\n"')
    TABLE.write_text(lines + "\n")


if __name__ == "__main__":
    main()
