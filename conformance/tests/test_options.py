"""Options that several commands share: how a command ends when something is wrong."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner, Result

from conformance.commands.options import INTERRUPTED, USAGE, exits_on


def ended_by(error: BaseException) -> Result:
    @click.command()
    def command() -> None:
        with exits_on(LookupError, click.UsageError):
            raise error

    return CliRunner().invoke(command)


@pytest.mark.parametrize("error", [LookupError("no such thing"), click.UsageError("no such thing")])
def test_a_wrong_choice_is_told_in_a_line(error: Exception) -> None:
    done = ended_by(error)
    assert (done.exit_code, done.stderr, done.stdout) == (USAGE, "Error: no such thing\n", "")


def test_an_interruption_is_told_in_a_line() -> None:
    done = ended_by(KeyboardInterrupt())
    assert (done.exit_code, done.stderr) == (INTERRUPTED, "Interrupted.\n")


def test_what_is_no_wrong_choice_is_raised() -> None:
    done = ended_by(ZeroDivisionError("a bug"))
    assert isinstance(done.exception, ZeroDivisionError)
