"""Runs cases side by side, each on a connection of its own, and judges what came back."""
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import case as kinds
import checks
import wire

DEADLINE_S = 60  # reached only by a server that neither answers nor closes
DELIVERIES = ("whole", "pieces")


@dataclass
class Verdict:
    """What happened; `fault` is empty when the case holds."""
    outcome: str
    fault: str
    raw: bytes


class Conversation:
    """One case on one connection."""

    def __init__(self, case, address, delivery, is_peer):
        self.case = case
        self.is_peer = is_peer
        self.in_pieces = delivery == "pieces"
        self.token = b"t" + secrets.token_hex(8).encode()
        self.wire = wire.Wire(address, time.monotonic() + DEADLINE_S)

    def run(self):
        try:
            for step in self.plan():
                self.take(step)
            self.wire.read_to_end()
        finally:
            self.wire.close()
        return self.judge()

    def plan(self):
        """The steps, with the follow-up request at the end and neighbouring bytes in one write."""
        steps = self.case.steps
        if self.case.has_tail:
            steps.append(kinds.Send(kinds.token(self.token, b"Connection: close")))
        merged = []
        for step in steps:
            if merged and isinstance(step, kinds.Send) and isinstance(merged[-1], kinds.Send):
                merged[-1] = kinds.Send(merged[-1].data + step.data)
            else:
                merged.append(step)
        return merged

    def take(self, step):
        if isinstance(step, kinds.Send):
            (self.wire.dribble if self.in_pieces else self.wire.send)(step.data)
        elif isinstance(step, kinds.Dribble):
            self.wire.dribble(step.data, pieces=len(step.data))
        elif isinstance(step, kinds.Wait):
            self.wire.read_until(lambda: len(self.parse().responses) >= step.count)
        elif isinstance(step, kinds.Pause):
            time.sleep(step.seconds)
        elif isinstance(step, kinds.BodyIfWanted):
            self.send_if_wanted(step.data)
        elif isinstance(step, kinds.Then):
            self.wire.send(step.make(self.parse().finals))
        else:
            self.wire.finish_sending()

    def send_if_wanted(self, data):
        responses = self.parse().responses
        if responses and not (responses[-1].status >= 200 and responses[-1].says_close):
            self.wire.send(data)

    def parse(self):
        return wire.parse(bytes(self.wire.received), self.case.methods, self.wire.is_closed)

    def judge(self):
        parsed, raw = self.parse(), bytes(self.wire.received)
        outcome = self.describe(parsed)
        faults = []
        if not kinds.matches(self.case.expect, outcome):
            faults.append("outcome is %r, expected %r (RFC %s)" % (
                outcome, self.case.expect, self.case.rfc))
        faults += self.stream_faults(parsed, raw)
        if not faults:
            faults += filter(None, (check(parsed.responses) for check in self.case.checks))
        return Verdict(outcome, "; ".join(faults), raw)

    def describe(self, parsed):
        words = [str(response.status) for response in parsed.responses]
        is_tail = self.case.has_tail and words and self.is_tail(parsed.responses[-1])
        if is_tail:
            words.pop()
        if parsed.end == "cut":
            words.append("cut" if self.wire.is_closed else "cut hang")
        elif parsed.end:
            words.append(parsed.end)
        elif not self.wire.is_closed:
            words.append("tail hang" if is_tail else "hang")
        else:
            words.append("tail" if is_tail else "close")
        return " ".join(words)

    def is_tail(self, response):
        return response.status == 200 and response.body == self.token

    def stream_faults(self, parsed, raw):
        """What no server may do, whatever was asked."""
        faults = []
        for response in parsed.responses:
            faults += checks.universal(response, self.case.is_http10, self.is_peer)
            if response.body.strip() == kinds.CANARY:
                faults.append("SMUGGLED: bytes of a message were answered as a request")
            if not self.is_peer and response.status >= 400 and response.body:
                faults += filter(None, [checks.problem_fault(response)])
        if any(response.says_close for response in parsed.responses[:-1]):
            faults.append("an answer after one that said Connection: close (9112 9.6)")
        if parsed.finals and self.wire.is_closed and not self.case.is_http10 and self.case.has_tail:
            if not parsed.finals[-1].says_close:
                faults.append("the last answer before the close did not say so (9112 9.6)")
        is_answered = any(self.is_tail(response) for response in parsed.responses)
        if is_answered and raw.count(self.token) > 1:
            faults.append("the token of the follow-up was seen %d times" % raw.count(self.token))
        return faults


def run_case(case, address, delivery, is_peer=False):
    try:
        return Conversation(case, address, delivery, is_peer).run()
    except OSError as error:
        return Verdict("unreachable", "cannot talk to %s:%d: %s" % (*address, error), b"")


def run_all(jobs, address, is_peer=False, n_threads=16):
    """jobs: (case, delivery) pairs; returns their verdicts by (case name, delivery)."""
    with ThreadPoolExecutor(n_threads) as pool:
        verdicts = pool.map(lambda job: run_case(job[0], address, job[1], is_peer), jobs)
        return {(case.name, delivery): verdict
                for (case, delivery), verdict in zip(jobs, verdicts)}


def jobs_of(cases):
    return [(case, delivery) for case in cases for delivery in DELIVERIES
            if delivery == "whole" or case.is_dribbled]
