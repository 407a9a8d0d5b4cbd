"""`tidegauge` as people start it: exit codes, what is printed, what is written, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.tests.commands import tidegauge
from conformance.tests.seeded import ROOT, Bug, bugs, seeded
from model.catalogue import requirements

ADAPTER = """
from pathlib import Path
from conformance.targets.bundled import Bundled

class Broken(Bundled):
    def __init__(self):
        super().__init__(source=Path({source!r}))
        self.name = "broken"
"""


@pytest.fixture(scope="module")
def bug() -> Bug:
    return next(bug for bug in bugs().values() if bug.requirement == "LOG-01")


@pytest.fixture(scope="module")
def broken(bug: Bug, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A target that breaks LOG-01."""
    folder = tmp_path_factory.mktemp("adapter")
    with seeded(bug) as source:
        (folder / "adapter.py").write_text(ADAPTER.format(source=str(source)))
        yield f"{folder}/adapter.py:Broken"


def deviations(folder: Path, id_: str) -> str:
    path = folder / "deviations.toml"
    path.write_text(f'[{id_}]\nreason = "a seeded bug"\nlink = "https://example.org/1"\n')
    return str(path)


# -- what holds ------------------------------------------------------------------------------------------------------


def test_good_broker_passes_and_every_report_is_written(tmp_path: Path) -> None:
    files = ("--json", "r.json", "--html", "r.html", "--junit", "r.xml")
    done = tidegauge("conform", "bundled", "--only", "LOG-03,IDM-02", "--examples", "1", *files, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "LOG  Append and read" in done.stdout
    assert "✓ LOG-03" in done.stdout
    assert "\x1b[" not in done.stdout
    document = json.loads((tmp_path / "r.json").read_text())
    assert list(document) == ["target", "profile", "versions", "results"]
    assert document["target"] == "bundled"
    assert [row["id"] for row in document["results"]] == ["IDM-02", "LOG-03"]
    for row in document["results"]:
        assert {"id", "verdict", "level", "seconds", "detail", "deviation"} <= row.keys()
        assert row["verdict"] == "pass"
        assert row["cases"][0]["steps"][0]["sent"]["hex"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "r.json", "r.xml"]


def test_breach_is_shown_with_all_that_belongs_to_it(broken: str, tmp_path: Path) -> None:
    done = tidegauge("conform", broken, "--only", "LOG-01", "--examples", "0", cwd=tmp_path)
    assert done.returncode == 1
    for expected in (
        requirements()["LOG-01"].sentence,
        "Source: ",
        "Step ",
        "Sent:",
        "Came back:",
        "Wrong:",
        "Allowed:",
    ):
        assert expected in done.stdout
    assert "Produce request, version" in done.stdout
    assert "00000000  00 00" in done.stdout


# -- deviations ------------------------------------------------------------------------------------------------------


def test_known_deviation_stays_a_failure_and_does_not_fail_the_run(broken: str, tmp_path: Path) -> None:
    known = deviations(tmp_path, "LOG-01")
    choice = ("--only", "LOG-01", "--examples", "0", "--deviations", known, "--json", "r.json")
    done = tidegauge("conform", broken, *choice, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (row,) = json.loads((tmp_path / "r.json").read_text())["results"]
    assert (row["verdict"], row["deviation"]) == ("fail", "a seeded bug")
    assert "fail (known)" in done.stdout


def test_unexpected_pass_fails_the_run(tmp_path: Path) -> None:
    known = deviations(tmp_path, "LOG-03")
    done = tidegauge("conform", "--only", "LOG-03", "--examples", "0", "--deviations", known, cwd=tmp_path)
    assert done.returncode == 1
    assert "take it out of the deviations file" in done.stdout


def test_must_that_is_broken_beside_the_chosen_ones_fails_the_run_unless_it_is_known(
    broken: str, tmp_path: Path
) -> None:
    choice = ("conform", broken, "--only", "LST-02", "--examples", "0")
    done = tidegauge(*choice, cwd=tmp_path)
    assert done.returncode == 1
    assert "Fails, beside this run: " in done.stdout
    assert "[LOG-01, " in done.stdout
    done = tidegauge(*choice, "--deviations", deviations(tmp_path, "LOG-01"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "\nBeside this run: " in done.stdout


# -- what can be wrong with a choice ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("conform", "--only", "LGO"), "did you mean LOG?"),
        (("conform", "budnled"), "did you mean bundled?"),
        (("conform", "--profile", "2.0"), "3.9-kraft"),
        (("conform", "127.0.0.1:1"), "no broker answers"),
        (("conform", "--deviations", "absent.toml"), "absent.toml"),
        (("conform", "--fault-command", "x {action}"), "HOST:PORT only"),
        (("conform", "127.0.0.1:1", "--fault-command", "./absent.sh {action}"), "no program ./absent.sh"),
        (("conform", "--examples", "-1"), "--examples"),
        (("conform", "--html", "absent/x.html"), "absent"),
        (("spec", "LGO"), "did you mean LOG?"),
        (("report", "absent.json", "--html", "x.html"), "absent.json"),
        (("report", __file__), "--html, --badge or --junit"),
        (("report", __file__, "--html", "x.html"), "test_conform.py"),
        (("replay", __file__), "test_conform.py"),
    ],
)
def test_wrong_choice_is_refused_in_words(arguments: tuple[str, ...], hint: str, tmp_path: Path) -> None:
    done = tidegauge(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


LOG_ALONE = """
from conformance.targets.base import Address, Target
from conformance.targets.bundled import Bundled
from conformance.targets.process_target import Launch

class NoBroker(Target):
    default_profile = "3.9-kraft"
    bootstrap = (Address("127.0.0.1", 1),)

    def storage_process(self):
        return Launch(["my-broker-storage"])

class NoProcess(Bundled):
    def storage_process(self):
        return ["my-broker-storage"]
"""


@pytest.mark.parametrize(
    ("name", "hint"),
    [("NoBroker", "also if only its log is tested"), ("NoProcess", "must return a Launch")],
)
def test_an_adapter_whose_log_can_not_be_tested_is_told_at_the_start(name: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "adapter.py").write_text(LOG_ALONE)
    done = tidegauge("conform", f"adapter.py:{name}", "--only", "DUR-10", "--examples", "0", cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_storage_process_is_not_tried_by_what_never_uses_it(tmp_path: Path) -> None:
    (tmp_path / "adapter.py").write_text(LOG_ALONE)
    (tmp_path / "found.json").write_text('{"tidegauge": 1, "steps": []}')
    done = tidegauge("replay", "found.json", "adapter.py:NoProcess", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


# -- listing ---------------------------------------------------------------------------------------------------------


def test_list_starts_nothing_and_names_requirements_and_cases(tmp_path: Path) -> None:
    done = tidegauge("conform", "127.0.0.1:1", "--list", "--only", "LOG-03", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert requirements()["LOG-03"].sentence in done.stdout
    assert "LOG-03/reading_at_the_end" in done.stdout
    assert "LOG-04" not in done.stdout


def test_spec_says_what_states_and_checks_a_requirement(tmp_path: Path) -> None:
    done = tidegauge("spec", "LOG-03", cwd=tmp_path)
    assert done.returncode == 0
    for expected in (requirements()["LOG-03"].intent, requirements()["LOG-03"].stated_by, "LOG-03/reading_at_the_end"):
        assert expected in " ".join(done.stdout.split())


@pytest.mark.parametrize("command", ["", "conform", "fuzz", "replay", "report", "spec", "serve"])
def test_every_command_has_help_with_examples(command: str, tmp_path: Path) -> None:
    done = tidegauge(*command.split(), "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Examples:" in done.stdout


# -- its surroundings ------------------------------------------------------------------------------------------------


def test_pytest_of_the_user_does_not_interfere(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --there-is-no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('must not be read')\n")
    (tmp_path / "test_mine.py").write_text("def test_mine():\n    raise RuntimeError('must not be run')\n")
    choice = ("--only", "LOG-03", "--examples", "0")
    done = tidegauge("conform", *choice, cwd=tmp_path, PYTEST_ADDOPTS="--nor-this", PYTEST_PLUGINS="no_such_module")
    assert done.returncode == 0, done.stdout + done.stderr


def test_interrupt_cleans_up_and_tells_what_was_done(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "conformance.cli", "conform", "--only", "LOG", "--json", "r.json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}

    def listen_to_interrupts() -> None:
        # What runs in the background of a script inherits that interrupts are ignored, and Python leaves it so.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_interrupts,  # noqa: PLW1509  there are no threads in the child that it could harm
    ) as process:
        assert process.stdout is not None
        seen = ""
        while "LOG-01" not in seen:
            line = process.stdout.readline()
            assert line, seen
            seen += line
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted: this is what was done until then." in rest
    verdicts = {row["id"]: row["verdict"] for row in json.loads((tmp_path / "r.json").read_text())["results"]}
    assert verdicts["LOG-01"] == "pass"
    assert verdicts["LOG-39"] == "not_run"
    assert [
        path.name for path in tmp_path.iterdir() if path.is_dir() and path.name.startswith("tidegauge-bundled")
    ] == []


# -- the plug-in in other people's pytest ----------------------------------------------------------------------------


def pytest_of_the_user(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "conformance.plugin", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=180, check=False)


def test_the_page_says_what_works_where_the_suite_is_installed(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "implementers.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith("$ pytest "))
    words = [word for word in line.split()[2:] if word != "127.0.0.1:9092"]
    words.insert(words.index("--target") + 1, "bundled")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words, "--collect-only", "-q"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "IDM-01/" in done.stdout


def test_plug_in_is_inert_without_a_target(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import sys\n\ndef test_mine():\n    assert 'conformance.engine' not in sys.modules\n"
        "    assert 'click' not in sys.modules\n"
    )
    done = pytest_of_the_user("-q", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_cases_are_items_that_pytest_chooses_and_names(tmp_path: Path) -> None:
    choice = ("--pyargs", "conformance.cases", "--target", "bundled", "-k", "LOG-03", "--examples", "0", "-v")
    done = pytest_of_the_user(*choice, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "LOG-03/reading_at_the_end[lowest] PASSED" in done.stdout
    assert "LOG-03/reading_at_the_end[highest] PASSED" in done.stdout


def test_broken_rule_fails_the_users_pytest_in_words(broken: str, tmp_path: Path) -> None:
    choice = ("--pyargs", "conformance.cases", "--target", broken, "--only", "LOG-01", "--examples", "0")
    done = pytest_of_the_user(*choice, "--tidegauge-json", "r.json", cwd=tmp_path)
    assert done.returncode == 1
    assert "LOG-01 fails: " in done.stdout
    assert "Came back:" in done.stdout
    assert "Traceback" not in done.stdout
    assert json.loads((tmp_path / "r.json").read_text())["results"][0]["verdict"] == "fail"


def test_a_log_that_can_not_be_tested_is_a_usage_error_of_pytest(tmp_path: Path) -> None:
    (tmp_path / "adapter.py").write_text(LOG_ALONE)
    choice = ("--pyargs", "conformance.cases", "--target", "adapter.py:NoProcess", "--only", "DUR-10")
    done = pytest_of_the_user(*choice, cwd=tmp_path)
    assert done.returncode == 4
    assert "must return a Launch" in done.stderr


def test_wrong_target_is_a_usage_error_of_pytest(tmp_path: Path) -> None:
    done = pytest_of_the_user("--pyargs", "conformance.cases", "--target", "budnled", cwd=tmp_path)
    assert done.returncode == 4
    assert "did you mean bundled?" in done.stderr
