"""Claims about answers, beyond their order: each returns None, or what is wrong in a sentence."""
import email.utils
import json
import re

IMF_FIXDATE = re.compile(rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] "
                         rb"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
                         rb"[0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT")


def finals(responses):
    return [response for response in responses if response.status >= 200]


def body_is(expected, at=0):
    """The at-th final answer, when it is a 200, carries exactly these bytes."""
    def check(responses):
        response = finals(responses)[at]
        if response.status == 200 and response.body != expected:
            return "answer %d: body is %.80r, expected %.80r" % (at, response.body, expected)
        return None
    return check


def bodies_are(expected):
    def check(responses):
        bodies = [response.body for response in finals(responses)][:len(expected)]
        if bodies != list(expected):
            return "bodies are %.200r, expected %.200r" % (bodies, list(expected))
        return None
    return check


def body_is_empty(at=0):
    def check(responses):
        if finals(responses)[at].body:
            return "answer %d: expected no body, found %.80r" % (at, finals(responses)[at].body)
        return None
    return check


def lists(name, *members, at=0):
    """A list field names at least these members."""
    def check(responses):
        found = finals(responses)[at].members(name)
        missing = [member for member in members if member.lower() not in found]
        if missing:
            return "answer %d: %s is %r, expected it to list %r" % (at, name, found, missing)
        return None
    return check


def has(name, value=None, at=0):
    def check(responses):
        found = finals(responses)[at].values(name)
        if not found or (value is not None and found != [value]):
            return "answer %d: %s is %r, expected %r" % (at, name, found, value)
        return None
    return check


def has_not(name, at=0):
    def check(responses):
        found = finals(responses)[at].values(name)
        return "answer %d: unexpected %s: %r" % (at, name, found) if found else None
    return check


def no_body_contains(text):
    def check(responses):
        if any(text in response.body for response in responses):
            return "a body contains %r" % text
        return None
    return check


def same_head_but(*ignored, at=0, other=1):
    """Two answers have the same status and fields: HEAD tells what GET would."""
    def check(responses):
        one, two = finals(responses)[at], finals(responses)[other]
        heads = [(r.status, [f for f in r.fields if f[0] not in ignored]) for r in (one, two)]
        return None if heads[0] == heads[1] else "heads differ: %r and %r" % tuple(heads)
    return check


def keeps_alive_in_1_0(responses):
    """Who leaves an HTTP/1.0 connection open has to say so (9112 9.3, C.2.2)."""
    first = finals(responses)[0]
    if len(finals(responses)) > 1 and b"keep-alive" not in first.members("connection"):
        return "the connection stays open, but Connection is %r" % first.values("connection")
    return None


def is_json(value, at=0):
    """The body parses to this value."""
    def check(responses):
        response = finals(responses)[at]
        try:
            found = json.loads(response.body)
        except ValueError:
            return "answer %d: %.80r is not JSON" % (at, response.body)
        if response.status == 200 and found != value:
            return "answer %d: %.80r, expected %.80r" % (at, found, value)
        return None
    return check


def problem(at=0):
    """RFC 9457, with the project's own members: a stable code and the id of the request."""
    def check(responses):
        return problem_fault(finals(responses)[at])
    return check


def problem_fault(response):
    if response.value("content-type").split(b";")[0].strip() != b"application/problem+json":
        return "a %d of type %r, expected application/problem+json" % (
            response.status, response.value("content-type"))
    try:
        members = json.loads(response.body)
    except ValueError:
        return "a %d whose body is not JSON: %.80r" % (response.status, response.body)
    if members.get("status") != response.status:
        return "a %d that says status %r" % (response.status, members.get("status"))
    for name in ("title", "code", "request_id"):
        if not isinstance(members.get(name), str) or not members[name]:
            return "a %d without %s: %.200r" % (response.status, name, members)
    return None


def universal(response, is_http10, is_peer):
    """What holds for every answer; sentences.  Of a peer's refusals we do not ask for Date."""
    faults = list(response.faults)
    if response.version != b"HTTP/1.1":
        faults.append("version is %r, expected HTTP/1.1 (9110 6.2)" % response.version)
    if 200 <= response.status < (400 if is_peer else 500):
        faults += date_faults(response)
    if response.status == 405 and not response.values("allow"):
        faults.append("a 405 without Allow (9110 15.5.6)")
    if is_http10 and response.values("transfer-encoding"):
        faults.append("Transfer-Encoding in an answer to HTTP/1.0 (9112 6.1)")
    if response.framing == "close" and not is_http10 and not response.says_close:
        faults.append("a body that ends with the connection, without Connection: close (9112 9.6)")
    return faults


def is_a_day(date):
    try:
        return email.utils.parsedate_to_datetime(date) is not None
    except ValueError:
        return False


def date_faults(response):
    dates = response.values("date")
    if len(dates) != 1:
        return ["Date is %r, expected exactly one (9110 6.6.1)" % dates]
    if not IMF_FIXDATE.fullmatch(dates[0]) or not is_a_day(dates[0].decode()):
        return ["Date is %r, expected an IMF-fixdate (9110 5.6.7)" % dates[0]]
    return []
