"""What --format and --flatten of gcloud make of resources, as far as the scripts use it.
test_vendor.py compares it with gcloud's own printer."""
import re

PROJECTION = re.compile(r"^(value|csv\[no-heading,separator='\|'\])\((.*)\)$")
COLUMN = re.compile(r"([A-Za-z0-9_.]+(?:\[\d+\])?(?:\.[A-Za-z0-9_]+)*)"
                    r"(?:\.(basename\(\)|list\(separator=' '\)))?(?:,|$)")


def value_at(resource, path):
    for part in re.findall(r"[A-Za-z0-9_]+", path):
        if isinstance(resource, list):
            resource = resource[int(part)] if int(part) < len(resource) else None
        elif isinstance(resource, dict):
            resource = resource.get(part)
        else:
            return None
    return resource


def flattened(resources, path):
    """One copy of the resource for each element of the lists on the path."""
    parts = path.removesuffix("[]").split("[].")
    for n, part in enumerate(parts):
        names = ".".join(parts[:n + 1]).split(".")
        result = []
        for resource in resources:
            for element in value_at(resource, ".".join(names)) or []:
                copy = dict(resource)
                inner = copy
                for name in names[:-1]:
                    inner[name] = dict(inner[name])
                    inner = inner[name]
                inner[names[-1]] = element
                result.append(copy)
        resources = result
    return resources


def shown(resource, path, transform):
    value = value_at(resource, path)
    if transform == "basename()":
        value = (value or "").rsplit("/", 1)[-1]
    elif transform:
        value = " ".join(value or [])
    return "" if value is None else str(value)


def columns(text):
    """(path, transform) of each column; all of the text has to be understood."""
    found = []
    while text:
        match = COLUMN.match(text)
        assert match, f"the double knows no column like {text!r}"
        found.append((match.group(1), match.group(2)))
        text = text[match.end():]
    return found


def printed(resources, flatten, format_):
    if not format_:
        return ""
    match = PROJECTION.match(format_)
    assert match, f"the double knows no format like {format_!r}"
    separator = "\t" if match.group(1) == "value" else "|"
    if flatten:
        resources = flattened(resources, flatten)
    return "".join(separator.join(shown(r, *c) for c in columns(match.group(2))) + "\n"
                   for r in resources)
