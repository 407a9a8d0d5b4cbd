"""The command line as a whole: what it lists, and that a command waits for nothing that only another one needs."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

from conformance.cli import COMMANDS, main

ASKED = """
import sys
from conformance.cli import main
main({arguments!r}, standalone_mode=False)
print(*sys.modules, file=sys.stderr)
"""


def run(*arguments: str) -> tuple[str, set[str]]:
    """What was printed, and the modules that were imported for it."""
    command = [sys.executable, "-c", ASKED.format(arguments=arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, set(done.stderr.split())


def test_help_lists_every_command_and_imports_none() -> None:
    said, imported = run("--help")
    listed = said.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    assert not imported & {each.module for each in COMMANDS.values()}


def test_what_is_listed_is_the_first_sentence_of_each_commands_own_help() -> None:
    listed = run("--help")[0].partition("Commands:\n")[2].splitlines()
    group = click.Context(main)
    for name, about in (line.split(maxsplit=1) for line in listed):
        command = main.get_command(group, name)
        assert command is not None
        assert command.help is not None
        assert about == re.split(r"(?<=\.)\s", command.help, maxsplit=1)[0], name


@pytest.mark.parametrize("command", ["prove", "refute", "explore"])
def test_what_is_said_of_the_spec_needs_no_client(command: str) -> None:
    said, imported = run(command, "--help")
    assert f" {command} [OPTIONS]" in said
    assert not imported & {"conformance.sitting", "kafka", "hypothesis"}


@pytest.mark.parametrize("command", ["conform", "fuzz", "replay", "report", "spec", "serve"])
def test_what_speaks_to_brokers_needs_no_solver(command: str) -> None:
    _said, imported = run(command, "--help")
    assert not imported & {"z3", "numba"}
