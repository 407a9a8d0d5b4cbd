"""What can be wrong with a machine's text, or with a step."""

from __future__ import annotations


class LanguageError(Exception):
    """A machine says what not every reading can express; the message names the line of its text."""


class IllegalStepError(Exception):
    """An action was taken whose guard does not hold. Nothing has changed."""
