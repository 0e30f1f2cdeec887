"""The list of what is in the image, in SPDX 2.3 as JSON: the image, its files, the Debian packages
that these are from and those that became part of the program, with their licences."""
import datetime
import hashlib
import os
import pathlib
import re
import subprocess

NAMESPACE = "https://spdx.org/spdxdocs/sim-exchange"
# Sources that are compiled or linked into the program.
BUILT_IN = ["node-llhttp", "libssl-dev"]

# Names in Debian's copyright files, in lower case, as SPDX has them.
LICENCES = {
    "apache-2.0": "Apache-2.0", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause", "bsl-1.0": "BSL-1.0", "cc0-1.0": "CC0-1.0", "cc0": "CC0-1.0",
    "curl": "curl", "expat": "MIT", "mit": "MIT", "isc": "ISC", "openldap-2.8": "OLDAP-2.8",
    "postgresql": "PostgreSQL", "zlib": "Zlib", "mpl-2.0": "MPL-2.0", "gpl-1": "GPL-1.0-only",
    "gpl-1+": "GPL-1.0-or-later", "gpl-2": "GPL-2.0-only", "gpl-2+": "GPL-2.0-or-later",
    "gpl-3": "GPL-3.0-only", "gpl-3+": "GPL-3.0-or-later", "lgpl-2": "LGPL-2.0-only",
    "lgpl-2+": "LGPL-2.0-or-later", "lgpl-2.1": "LGPL-2.1-only", "lgpl-2.1+": "LGPL-2.1-or-later",
    "lgpl-3": "LGPL-3.0-only", "lgpl-3+": "LGPL-3.0-or-later", "gfdl-1.3": "GFDL-1.3-only",
    "gfdl-1.3+": "GFDL-1.3-or-later", "artistic": "Artistic-1.0-Perl", "unicode": "Unicode-TOU",
}


def stanzas(text):
    """The paragraphs of a machine-readable copyright file, or none of another one."""
    if "Format:" not in text[:400] or "copyright-format" not in text[:400]:
        return []
    found = []
    for block in re.split(r"\n\s*\n", text):
        fields = {}
        name = None
        for line in block.splitlines():
            match = re.match(r"([A-Za-z-]+):\s*(.*)", line)
            if match:
                name = match[1].lower()
                fields[name] = match[2]
            elif name:
                fields[name] += "\n" + line.strip()
        found.append(fields)
    return found


def licences(text):
    """The names of the licences of the files, as the copyright file has them."""
    names = [fields["license"].splitlines()[0].strip() for fields in stanzas(text)
             if "files" in fields and fields.get("license")]
    return sorted(set(filter(None, names)), key=str.lower)


def expression(text, extracted):
    """All of them, as SPDX writes it.  One that it has no name for becomes a reference of the
    document, with what the copyright file says of it, in extracted."""
    full = {fields["license"].splitlines()[0].strip(): fields["license"]
            for fields in stanzas(text) if fields.get("license")}
    terms = []
    for name in licences(text):
        parts = re.split(r"\s+(?:and|or)\s+|,\s*", name)
        if all(part.lower() in LICENCES for part in parts):
            joiner = " OR " if re.search(r"\sor\s", name) else " AND "
            term = joiner.join(LICENCES[part.lower()] for part in parts)
            terms.append(f"({term})" if len(parts) > 1 else term)
            continue
        reference = "LicenseRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
        extracted[reference] = {"licenseId": reference, "name": name,
                                "extractedText": full.get(name, name)}
        terms.append(reference)
    return " AND ".join(dict.fromkeys(terms)) or "NOASSERTION"


def identifier(kind, name):
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")


def installed(package):
    """Version and architecture."""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version} ${Architecture}\n", package],
                          check=True, capture_output=True, text=True)
    return done.stdout.split("\n")[0].split(" ")


def debian_package(name, extracted):
    version, architecture = installed(name)
    copyright_file = pathlib.Path(f"/usr/share/doc/{name}/copyright")
    return {
        "SPDXID": identifier("Package", name),
        "name": name,
        "versionInfo": version,
        "supplier": "Organization: Debian",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": expression(copyright_file.read_text(errors="replace"), extracted),
        "copyrightText": "NOASSERTION",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                          "referenceLocator": f"pkg:deb/debian/{name}@{version}"
                                              f"?arch={architecture}&distro=debian-12"}],
    }


def own_package(name, version, comment):
    return {
        "SPDXID": identifier("Package", name),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
        "comment": comment,
    }


def file_of(root, path):
    data = (root / path).read_bytes()
    return {
        "SPDXID": identifier("File", path),
        "fileName": f"./{path}",
        "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(data).hexdigest()},
                      {"algorithm": "SHA256", "checksumValue": hashlib.sha256(data).hexdigest()}],
        "licenseConcluded": "NOASSERTION",
        "licenseInfoInFiles": ["NOASSERTION"],
        "copyrightText": "NOASSERTION",
    }


def regular_files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*")
                  if path.is_file() and not path.is_symlink())


def verification_code(files):
    """SPDX 2.3, 7.9: the SHA-1 of all SHA-1, sorted and joined."""
    sums = sorted(file["checksums"][0]["checksumValue"] for file in files)
    return hashlib.sha1("".join(sums).encode()).hexdigest()


def relation(one, kind, other):
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def created():
    """Now, or when the caller says it was."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    now = (datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc) if seconds
           else datetime.datetime.now(datetime.timezone.utc))
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def document(root, packages, version):
    """The document of the files below root.  packages: path of a file: its Debian package."""
    extracted = {}
    image = own_package("sim-exchange-image", version, "what the container image holds")
    program = own_package("sim-exchange", version, "the program, its modules and its plugins")
    debian = [debian_package(name, extracted)
              for name in sorted(set(packages.values()) | set(BUILT_IN))]
    files = [file_of(root, path) for path in regular_files(root)]
    image["filesAnalyzed"] = True
    image["packageVerificationCode"] = {"packageVerificationCodeValue": verification_code(files)}

    relations = [relation("SPDXRef-DOCUMENT", "DESCRIBES", image["SPDXID"]),
                 relation(image["SPDXID"], "CONTAINS", program["SPDXID"])]
    for package in debian:
        if package["name"] in BUILT_IN:
            relations.append(relation(program["SPDXID"], "STATIC_LINK", package["SPDXID"]))
        else:
            relations.append(relation(image["SPDXID"], "CONTAINS", package["SPDXID"]))
    for file in files:
        path = file["fileName"][2:]
        source = identifier("Package", packages.get(path, "sim-exchange"))
        relations += [relation(image["SPDXID"], "CONTAINS", file["SPDXID"]),
                      relation(file["SPDXID"], "GENERATED_FROM", source)]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"sim-exchange-{version}",
        "documentNamespace": f"{NAMESPACE}-{version}-"
                             f"{image['packageVerificationCode']['packageVerificationCodeValue']}",
        "creationInfo": {"created": created(), "creators": ["Tool: sim-exchange-collect"]},
        "packages": [image, program, *debian],
        "files": files,
        "relationships": relations,
        "hasExtractedLicensingInfos": sorted(extracted.values(), key=lambda one: one["licenseId"]),
    }
