"""Frames and versions, as the model has them."""

from __future__ import annotations

import pytest

from model.reference.api_versions import is_software
from model.reference.framing import CLOSING, HARMLESS
from model.reference.operations import Flaw


def test_every_flaw_has_its_rule() -> None:
    assert set(Flaw) == set(CLOSING) | set(HARMLESS) | {Flaw.GONE_CLIENT}


@pytest.mark.parametrize(
    ("text", "right"), [("a", True), ("a.b-c", True), ("", False), ("-a", False), ("a.", False), ("a b", False)]
)
def test_names_of_software(text: str, right: bool) -> None:
    assert is_software(text) is right
