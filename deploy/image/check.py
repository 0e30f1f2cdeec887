#!/usr/bin/python3
"""check.py --tag IMAGE --database FOLDER … -- DOCKER…: looks at the image as those would who run it,
prints a line for each check, and ends with one line of counts.

FOLDER holds the socket of a PostgreSQL whose user sim_exchange everybody may be."""
import argparse
import datetime
import inspect
import sys

import checks_contents
import checks_life
import checks_serving
from container import Engine, Failure

GROUPS = [checks_contents, checks_serving, checks_life]


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tag", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--state", required=True)
    parser.add_argument("--build-seconds", type=int, required=True)
    parser.add_argument("--report")
    parser.add_argument("--only", default="", help="checks whose function has this in its name")
    parser.add_argument("docker", nargs="+")
    return parser.parse_args()


def checks():
    """The functions check_… of the groups, in the order of the files."""
    return [function for group in GROUPS
            for name, function in inspect.getmembers(group, inspect.isfunction)
            if name.startswith("check_") and function.__module__ == group.__name__]


def in_order(functions):
    return sorted(functions, key=lambda f: (GROUPS.index(sys.modules[f.__module__]),
                                            f.__code__.co_firstlineno))


def run(engine, function):
    """What it says, and whether it went well.  Its first line of documentation is its name."""
    name = inspect.getdoc(function).splitlines()[0]
    try:
        found = function(engine)
        return True, f"{name}: {found}" if found else name
    except Failure as fault:
        return False, f"{name}: {fault}"
    except Exception as fault:  # pylint: disable=broad-except  # the other checks go on
        return False, f"{name}: {type(fault).__name__}: {fault}"
    finally:
        engine.remove_all()


def write_report(path, arguments, engine, results):
    """Nothing of this machine but its engine and when it was."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    failed = sum(not is_good for is_good, _ in results)
    with open(path, "w", encoding="utf-8") as file:
        file.write("What `./dev image --report` found, the last time that it was run.\n\n"
                   f"- {now}, engine {engine.version()}, {engine.processors()} processors\n"
                   f"- {arguments.build_seconds} s from the start to an image\n"
                   f"- {len(results) - failed} passed, {failed} failed\n\n"
                   "| | check |\n|---|---|\n")
        for is_good, text in results:
            file.write(f"| {'ok' if is_good else 'FAILED'} | {text} |\n")


def main():
    arguments = parse()
    engine = Engine(arguments.docker, arguments.tag, arguments.database, arguments.state)
    engine.migrate()
    results = []
    for function in in_order(checks()):
        if arguments.only not in function.__name__:
            continue
        is_good, text = run(engine, function)
        print(f"{'ok    ' if is_good else 'FAILED'} {text}", flush=True)
        results.append((is_good, text))
    if arguments.report:
        write_report(arguments.report, arguments, engine, results)
    failed = sum(not is_good for is_good, _ in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
