"""What SPDX 2.3 asks of a document in JSON, as far as ours uses it: fields that must be there, what
they may hold, and that every reference leads somewhere."""
import re

REQUIRED = {
    "document": ["spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace",
                 "creationInfo", "packages", "relationships"],
    "package": ["SPDXID", "name", "downloadLocation"],
    "file": ["SPDXID", "fileName", "checksums"],
}
ID = re.compile(r"SPDXRef-[A-Za-z0-9.-]+")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
CREATOR = re.compile(r"(Tool|Organization|Person): \S.*")
SUPPLIER = re.compile(r"(Organization|Person): \S.*|NOASSERTION")
PURL = re.compile(r"pkg:[a-z]+/[^@\s]+@[^@\s?]+(\?\S+)?")
SUMS = {"SHA1": 40, "SHA256": 64}
RELATIONS = {"DESCRIBES", "CONTAINS", "STATIC_LINK", "GENERATED_FROM"}
TERM = re.compile(r"\(|\)|[A-Za-z0-9.+-]+")


def missing(kind, what, item):
    return [f"{what}: has no {name}" for name in REQUIRED[kind] if not item.get(name)]


def of_licence(what, text, references):
    """An expression of terms joined by AND and OR, or NOASSERTION."""
    if text in ("NOASSERTION", "NONE"):
        return []
    wants_term, depth = True, 0
    for token in re.findall(r"[()]|[^\s()]+", text):
        if not TERM.fullmatch(token):
            return [f"{what}: {token!r} in the licence {text!r}"]
        if token in "()":
            depth += 1 if token == "(" else -1
        elif wants_term == (token in ("AND", "OR")) or depth < 0:
            return [f"{what}: the licence {text!r}"]
        else:
            wants_term = not wants_term
            if token.startswith("LicenseRef-") and token not in references:
                return [f"{what}: {token} is explained nowhere"]
    return [f"{what}: the licence {text!r}"] if wants_term or depth else []


def of_package(item, references):
    what = item.get("name", "a package")
    yield from missing("package", what, item)
    if item.get("filesAnalyzed", True) != ("packageVerificationCode" in item):
        yield f"{what}: packageVerificationCode goes with filesAnalyzed"
    if not SUPPLIER.fullmatch(item.get("supplier", "NOASSERTION")):
        yield f"{what}: supplier {item['supplier']!r}"
    for field in ("licenseDeclared", "licenseConcluded"):
        yield from of_licence(what, item.get(field, "NOASSERTION"), references)
    for one in item.get("externalRefs", []):
        if one["referenceType"] == "purl" and not PURL.fullmatch(one["referenceLocator"]):
            yield f"{what}: {one['referenceLocator']!r}"


def of_file(item):
    what = item.get("fileName", "a file")
    yield from missing("file", what, item)
    if not what.startswith("./"):
        yield f"{what}: is not relative to the image"
    sums = {one["algorithm"]: one["checksumValue"] for one in item.get("checksums", [])}
    if "SHA1" not in sums:
        yield f"{what}: has no SHA1"
    for algorithm, value in sums.items():
        if not re.fullmatch(f"[0-9a-f]{{{SUMS.get(algorithm, 0)}}}", value):
            yield f"{what}: {algorithm} {value!r}"


def of_relations(document, known):
    for one in document.get("relationships", []):
        for side in ("spdxElementId", "relatedSpdxElement"):
            if one.get(side) not in known:
                yield f"{one.get(side)}: is related, and not there"
        if one.get("relationshipType") not in RELATIONS:
            yield f"relationship {one.get('relationshipType')!r}"
    if not any(one.get("relationshipType") == "DESCRIBES"
               for one in document.get("relationships", [])):
        yield "describes nothing"


def faults(document):
    """Sentences, none when all is well."""
    found = missing("document", "document", document)
    info = document.get("creationInfo", {})
    for is_good, what in (
            (document.get("spdxVersion") == "SPDX-2.3", "spdxVersion"),
            (document.get("dataLicense") == "CC0-1.0", "dataLicense"),
            (document.get("SPDXID") == "SPDXRef-DOCUMENT", "SPDXID"),
            (re.fullmatch(r"https?://[^\s#]+", document.get("documentNamespace", "")),
             "documentNamespace"),
            (DATE.fullmatch(info.get("created", "")), "creationInfo.created"),
            (info.get("creators") and all(map(CREATOR.fullmatch, info["creators"])),
             "creationInfo.creators")):
        if not is_good:
            found.append(f"document: {what}")
    elements = document.get("packages", []) + document.get("files", [])
    ids = [one.get("SPDXID", "") for one in elements]
    found += [f"{one}: is no identifier" for one in ids if not ID.fullmatch(one)]
    found += [f"{one}: is there twice" for one in {one for one in ids if ids.count(one) > 1}]
    references = {one["licenseId"] for one in document.get("hasExtractedLicensingInfos", [])
                  if one.get("extractedText")}
    for package in document.get("packages", []):
        found += of_package(package, references)
    for file in document.get("files", []):
        found += of_file(file)
    return found + list(of_relations(document, {*ids, "SPDXRef-DOCUMENT"}))
