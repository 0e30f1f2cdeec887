"""The tables: one file for each part of the RFCs, each with a list CASES."""
import dataclasses
import importlib

GROUPS = ("request_line", "target", "host", "field", "length", "coding", "chunk", "trailer",
          "expect",
          "upgrade", "connection", "pipeline", "semantics", "reflect", "payload", "limit",
          "delivery",
          "smuggling")


def load():
    """All cases in the order of their groups; a name used twice is a mistake in a table."""
    cases = []
    for group in GROUPS:
        table = importlib.import_module("cases." + group).CASES
        cases += [dataclasses.replace(case, group=group, name="%s-%s" % (group, case.name))
                  for case in table]
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError("case names used twice: %s" % ", ".join(twice))
    return cases
