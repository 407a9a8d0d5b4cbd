"""Waiting for what may come late: until it is right, until time is up, and no longer for what is known to be broken."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance import session as session_module
from conformance.case import Run
from conformance.client import Client
from conformance.names import Names
from conformance.session import Answered, Performed, Session
from conformance.tests.fakes import mismatch
from conformance.translate import framing
from conformance.wire.connection import Connection
from conformance.wire.errors import AnswerTimedOut
from model.profiles import profile_named
from model.reference.errors import ErrorCode
from model.reference.operations import Flaw, Metadata
from model.reference.outcomes import Finding, Mismatch
from model.reference.state import Cluster

PROFILE = profile_named("3.9-kraft")


def client() -> Client:
    return cast("Client", SimpleNamespace(overdue=set()))


class Asking(Session):
    """A session whose answers are given: for each, its error and what is wrong with it; the last one stays."""

    def __init__(self, *answers: tuple[ErrorCode, Sequence[Mismatch]]) -> None:
        super().__init__(client(), PROFILE)
        self.answers = list(answers)
        self.asked = 0

    def tried(self, *_: Any, **__: Any) -> tuple[Performed, Cluster]:
        self.asked += 1
        error, wrong = self.answers[min(self.asked, len(self.answers)) - 1]
        findings = (cast("Finding", SimpleNamespace(mismatches=tuple(wrong))),)
        step = Performed(Metadata(topics=None), 0, "main", Answered(({"error": error},)), None, (), findings)
        return step, self.cluster


LATE = (ErrorCode.NONE, [mismatch("LOG-01")])
RIGHT: tuple[ErrorCode, Sequence[Mismatch]] = (ErrorCode.NONE, ())


def test_an_answer_may_become_right() -> None:
    asking = Asking(LATE, LATE, RIGHT)
    asking.eventually(Metadata(topics=None), ceiling_s=5)
    assert asking.asked == 3
    assert asking.client.overdue == set()


def test_what_was_waited_for_in_vain_is_remembered() -> None:
    asking = Asking(LATE)
    asking.eventually(Metadata(topics=None), ceiling_s=0.01)
    assert asking.client.overdue == {"LOG-01"}


def test_what_is_known_to_be_broken_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "IMPATIENT_S", 0.01)
    asking = Asking(LATE)
    asking.is_settled = lambda broken: broken == {"LOG-01"}
    started = time.monotonic()
    asking.eventually(Metadata(topics=None), ceiling_s=60)
    assert time.monotonic() - started < 10
    assert asking.client.overdue == set()


def test_a_change_is_repeated_only_while_it_is_refused() -> None:
    refused = (ErrorCode.TOPIC_ALREADY_EXISTS, [mismatch("MET-21")])
    asking = Asking(refused, refused, LATE, RIGHT)
    asking.eventually(Metadata(topics=None), ceiling_s=5, while_refused=ErrorCode.TOPIC_ALREADY_EXISTS)
    assert asking.asked == 3


def test_a_case_loses_patience_only_with_its_own_requirements() -> None:
    run = Run(client(), PROFILE, Names("x"), ("LOG-01", "LOG-02"))
    assert not run.is_settled({"LOG-01"})
    run.client.overdue |= {"LOG-01", "LOG-03"}
    assert run.is_settled({"LOG-01"})
    assert not run.is_settled({"LOG-01", "LOG-02"})
    assert not run.is_settled({"LOG-01", "LOG-03"})
    assert not run.is_settled(set())


def test_a_frame_that_is_left_unanswered_is_waited_for_once() -> None:
    waited: list[float] = []

    def receive_frame(timeout: float) -> bytes:
        waited.append(timeout)
        raise AnswerTimedOut("nothing came")

    silent = cast("Connection", SimpleNamespace(send_bytes=lambda _: None, receive_frame=receive_frame))
    overdue: set[str] = set()
    for flaw in (Flaw.OVERSIZED_LENGTH, Flaw.OVERSIZED_LENGTH, Flaw.GARBAGE):
        framing._outcome(silent, flaw, b"", silent, overdue)
    assert waited == [framing.PATIENCE_S, framing.IMPATIENT_S, framing.PATIENCE_S]
