"""What the lints share: the files of the checkout, and how a lint is started.

A lint is a function that takes the root of a tree and yields faults as text, "path:line: what";
`tests/lint/NAME [ROOT]` prints them and exits 1 when there are any."""
import os
import pathlib
import re
import sys

IGNORED = {".git", ".state", "build", "__pycache__", ".cache", ".vscode"}


def files(root, *suffixes, below=("",)):
    """The files of the tree, relative to root, sorted; those of other people's tools left out."""
    root = pathlib.Path(root)
    found = []
    for folder, names, file_names in os.walk(root):
        names[:] = [n for n in names if n not in IGNORED]
        for name in file_names:
            path = pathlib.Path(folder, name).relative_to(root)
            if path.suffix in suffixes or not suffixes:
                if any(path.is_relative_to(b) for b in below):
                    found.append(path)
    return sorted(found)


def lines(root, path):
    """Numbered lines of a text file."""
    text = (pathlib.Path(root) / path).read_text(encoding="utf-8")
    return enumerate(text.split("\n"), 1)


COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
                             re.DOTALL)


def code_lines(root, path):
    """Numbered lines of C without what stands in comments and literals."""
    text = (pathlib.Path(root) / path).read_text(encoding="utf-8")

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())

    return enumerate(COMMENT_OR_TEXT.sub(blank, text).split("\n"), 1)


def has_shebang(root, path, word):
    with (pathlib.Path(root) / path).open("rb") as file:
        return re.match(rb"#!.*\b" + word.encode(), file.readline(100)) is not None


def main(lint):
    default = pathlib.Path(__file__).resolve().parents[2]
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    n_faults = 0
    for fault in lint(root):
        print(fault)
        n_faults += 1
    sys.exit(1 if n_faults else 0)
