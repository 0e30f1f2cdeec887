"""The suite's own ears: what it takes for an answer, and what its patterns mean."""
import pytest

import case
import wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

STREAMS = [
    # raw bytes, methods of the requests, statuses found, how it ends
    (b"", (), [], ""),
    (OK, (), [200], ""),
    (OK + OK, (), [200, 200], ""),
    (OK[:-1], (), [], "cut"),
    (OK + OK[:20], (), [200], "cut"),
    (OK + b"x", (), [200], "garbage"),
    (OK + b"\r\n", (), [200], "garbage"),
    (b"hello", (), [], "garbage"),
    (OK.replace(b"hi", b""), ("HEAD",), [200], ""),
    (OK, ("HEAD",), [200], "garbage"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, (), [100, 200], ""),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n" + OK, (), [304, 200], ""),
    (b"HTTP/1.1 204 No Content\r\n\r\nhi", (), [204], "garbage"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + OK, (),
     [200, 200], ""),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", (), [], "cut"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhix\n0\r\n\r\n", (), [],
     "garbage"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nhi\r\n0\r\n\r\n", (), [],
     "garbage"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", (), [], "garbage"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", (), [], "garbage"),
    (b"HTTP/1.1 200 OK\r\nX Y: 2\r\n\r\n", (), [], "garbage"),
    (b"HTTP/1.1 200 OK\r\nX: a\nb\r\n\r\n", (), [], "garbage"),
    (b"HTTP/1.1 200\r\n\r\n", (), [], "garbage"),
    (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", (), [200], ""),
]

PATTERNS = [
    # pattern, outcome, does it match
    ("200 tail", "200 tail", True), ("200 tail", "200 close", False),
    ("200 tail", "200 200 tail", False),
    ("400/501 close", "501 close", True), ("400/501 close", "400 501 close", False),
    ("400 end", "400 close", True), ("400 end", "400 tail", True),
    ("400 end", "400 tail hang", False),
    ("400 close | 200 tail", "200 tail", True), ("100? 200 tail", "200 tail", True),
    ("100? 200 tail", "100 200 tail", True), ("100? 200 tail", "100 100 200 tail", False),
    ("200* tail", "200 200 200 tail", True), ("close", "hang", False), ("close", "", False),
]


@pytest.mark.parametrize("raw, methods, statuses, end", STREAMS)
def test_stream_is_told_apart_strictly(raw, methods, statuses, end):
    parsed = wire.parse(raw, methods)

    assert [response.status for response in parsed.responses] == statuses
    assert parsed.end == end


@pytest.mark.parametrize("pattern, outcome, is_match", PATTERNS)
def test_pattern_allows_only_what_it_says(pattern, outcome, is_match):
    assert case.matches(pattern, outcome) is is_match


def test_pattern_with_an_unknown_word_is_refused():
    with pytest.raises(ValueError):
        case.matches("200 tial", "200 tail")


def test_both_framings_in_an_answer_are_a_fault():
    parsed = wire.parse(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")

    assert parsed.responses[0].faults
