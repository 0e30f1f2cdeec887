"""What README.md says that curl answers is what the server answers, to the byte.

A fenced block `console` holds commands ("$ curl …") and below each the answer; "…" stands for
what is different each time.  The commands are not given to a shell: the few options of curl that
a README needs are understood here, and any other one is a fault."""
import collections
import re
import shlex

import pytest

from harness.process import CHECKOUT

ADDRESS = "localhost:5009"
# As in config/development.json; but the root of the static files counts from its folder.
PLUGINS = {"hello": {}, "techempower": {}, "probe": {},
           "site": {"options": {"root": str(CHECKOUT / "plugins/site/static")}}}
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)

Call = collections.namedtuple("Call", "method target headers body shows_head")


def examples():
    """(command, answer) of every block, in their order."""
    for block in BLOCK.findall((CHECKOUT / "README.md").read_text()):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, answer = part.partition("\n")
            yield command, answer.rstrip("\n")


def understood(command):
    """What curl would send for this command."""
    words = collections.deque(shlex.split(command))
    assert words.popleft() == "curl", command
    method, target, headers, body, shows_head = None, None, {}, None, False
    while words:
        word = words.popleft()
        if word == "-i":
            shows_head = True
        elif word == "-N":
            pass  # not to wait for whole lines: there is nobody waiting here
        elif word == "-X":
            method = words.popleft()
        elif word == "-d":
            body = words.popleft()
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        elif word == "-H":
            name, value = words.popleft().split(": ", 1)
            headers[name] = value
        else:
            assert word.startswith(ADDRESS), f"{command}: {word} is not understood"
            target = word.removeprefix(ADDRESS) or "/"
    return Call(method or ("GET" if body is None else "POST"), target, headers, body, shows_head)


def shown(answer, with_head):
    """The answer as curl prints it."""
    text = answer.text
    if with_head:
        head = [f"HTTP/1.1 {answer.status} {answer.reason}"]
        head += [f"{name}: {value}" for name, value in answer.headers
                 if name.lower() != "connection"]  # of our asking for one request per connection
        text = "\n".join(head) + "\n\n" + text
    return text.rstrip("\n")


def agrees(answer, promised):
    pattern = ".*?".join(re.escape(piece) for piece in promised.split("…"))
    return re.fullmatch(pattern, answer, re.DOTALL) is not None


@pytest.fixture
def development(server):
    s = server(plugins=PLUGINS)
    while s.get("/cached-queries").status == 503:  # until its cache was read
        pass
    return s


def test_every_line_of_the_readme_answers_what_it_says(development):
    lines = list(examples())
    wrong = []

    for command, promised in lines:
        call = understood(command)
        answer = shown(development.request(call.method, call.target, call.headers, call.body),
                       call.shows_head)
        if not agrees(answer, promised):
            wrong.append(f"$ {command}\n{answer}\n--- but README.md says\n{promised}")

    assert len(lines) > 20
    assert not wrong, "\n\n".join(wrong)


def test_the_readme_has_every_route_of_the_development_environment(development, program):
    done = program("routes", "--config", development.config)
    asked = [understood(command) for command, _ in examples()]
    missing = []

    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        method, pattern = line.split()[:2]
        path = re.compile(re.sub(r"\\\{[^}]*\\\}", ".+", re.escape(pattern)))
        if not any(call.method == method and path.fullmatch(call.target.split("?")[0])
                   for call in asked):
            missing.append(f"{method} {pattern}")

    assert not missing


def test_the_dots_stand_for_anything_and_the_rest_for_itself():
    assert agrees('{"id":7}', '{"id":…}')
    assert agrees("a\nb\nc", "a\n…\nc")
    assert not agrees('{"id":7} ', '{"id":…}')
    assert not agrees("b", "a")
