"""The user's own command as a fault."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from conformance.targets.base import TargetError
from conformance.targets.command_faults import CommandFaults


def faults(template: str, *answers: bool, seconds: float = 5.0) -> CommandFaults:
    left = list(answers)
    return CommandFaults(
        template, lambda _: left.pop(0) if left else False, command_ceiling_s=seconds, answer_ceiling_s=seconds
    )


def python(code: str) -> str:
    return f'{sys.executable} -c "{code}" {{action}} {{broker}}'


def test_braces_are_filled_word_by_word() -> None:
    command = faults("ssh 'the host' --do={action} b-{broker} '{{.Id}}' '; rm x'").command("stop", 3)
    assert command == ["ssh", "the host", "--do=stop", "b-3", "{{.Id}}", "; rm x"]


@pytest.mark.parametrize("template", ["", "cmd", "cmd {broker}", "{action}", "cmd '{action}"])
def test_templates_that_can_not_work(template: str) -> None:
    with pytest.raises(TargetError, match="--fault-command"):
        faults(template)


def test_no_shell_is_involved(tmp_path: Path) -> None:
    place = tmp_path / "said"
    code = f"import sys, pathlib; pathlib.Path('{place}').write_text(repr(sys.argv[1:]))"
    faults(python(code) + " $HOME '*'").do("kill", 2)
    assert place.read_text() == "['kill', '2', '$HOME', '*']"


def test_its_standard_error_is_passed_on() -> None:
    with pytest.raises(TargetError, match=r"exit code 3(.|\n)*no broker 9 here"):
        faults(python("import sys; print('no broker', sys.argv[2], 'here', file=sys.stderr); sys.exit(3)")).do(
            "stop", 9
        )


@pytest.mark.parametrize("program", ["/no/such/command", "./nosuch.sh", "no-such-command", "{folder}/data"])
def test_a_program_that_can_not_be_run_is_told_before_anything_starts(program: str, tmp_path: Path) -> None:
    (tmp_path / "data").touch(mode=0o644)
    with pytest.raises(TargetError, match="there is no program"):
        faults(f"{program.format(folder=tmp_path)} {{action}}")


def test_a_program_that_went_away(tmp_path: Path) -> None:
    program = tmp_path / "broker.sh"
    program.touch(mode=0o755)
    gone = faults(f"{program} {{action}}")
    program.unlink()
    with pytest.raises(TargetError, match="can't be run"):
        gone.do("stop", 1)


def test_a_command_that_hangs() -> None:
    started = time.monotonic()
    with pytest.raises(TargetError, match="did not return"):
        faults(python("import time; time.sleep(60)"), seconds=0.5).do("stop", 1)
    assert time.monotonic() - started < 10


def test_a_broker_that_the_command_leaves_running_does_not_hold_it_up() -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)'])"
    started = time.monotonic()
    faults(python(code)).do("stop", 1)
    assert time.monotonic() - started < 2.5


def test_an_unknown_action() -> None:
    with pytest.raises(TargetError, match="explode"):
        faults("true {action}").do("explode", 1)


def test_after_a_start_the_broker_is_awaited() -> None:
    faults("true {action}", False, False, True).do("start", 1)


def test_a_broker_that_does_not_come_back() -> None:
    with pytest.raises(TargetError, match="broker 1 after resume"):
        faults("true {action}", seconds=0.3).do("resume", 1)
