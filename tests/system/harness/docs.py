"""What documents promise: fenced blocks, and lines of curl with their answers.

"…" in an answer stands for what is different each time.  The commands are not given to a shell:
the few options of curl that a document needs are understood here, any other one is a fault."""
import collections
import re
import shlex
import textwrap

ADDRESS = "localhost:5009"

Call = collections.namedtuple("Call", "method target headers body shows_head")


def blocks(text, language):
    """The fenced blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def indented(text):
    """The blocks that are indented by four spaces, as text without the indent."""
    found = re.findall(r"(?:^(?: {4}.*)?\n)+", text, re.MULTILINE)
    return [textwrap.dedent(block).strip("\n") for block in found if block.strip()]


def examples(block):
    """(command, answer) of each "$ curl …" in a block."""
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


def faults(server, lines):
    """What the server answers otherwise than these (command, answer) say, as text."""
    wrong = []
    for command, promised in lines:
        call = understood(command)
        answer = shown(server.request(call.method, call.target, call.headers, call.body),
                       call.shows_head)
        if not agrees(answer, promised):
            wrong.append(f"$ {command}\n{answer}\n--- but the document says\n{promised}")
    return "\n\n".join(wrong)
