"""RFC 9110 and RFC 9112, and request smuggling: each case a claim about one conversation."""
import pytest

import cases
import runner

JOBS = runner.jobs_of(cases.load())


@pytest.mark.parametrize("job", JOBS, ids=["%s-%s" % (case.name, delivery) for case,
                                           delivery in JOBS])
def test_server_answers_as_the_rfcs_allow(job, verdicts):
    case, delivery = job

    verdict = verdicts[case.name, delivery]

    assert not verdict.fault, "%s\nsent %.300r\ngot  %.600r" % (verdict.fault, case.send,
                                                                verdict.raw)
