"""The pytest plug-in: `pytest --pyargs conformance.cases --target bundled -k IDM`.

It is installed with the package and does nothing, nor imports anything of the suite, unless `--target` or
`--tidegauge` is given. With it, the files of `conformance/cases/` are collected: an item for each case at each end
of the API versions, called for instance `LOG-03/reading_around_the_ends[highest]`, and one for the generated
sequences of each family. `tidegauge conform` drives the same items with reports of its own.

Not for pytest-xdist: the items share one target.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conformance.engine import Bench

SUITE_PLUGIN = "tidegauge-suite"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The choices of `tidegauge conform`, for those who start pytest themselves."""
    group = parser.getgroup("tidegauge", "Tidegauge: hold a Kafka broker to the specification")
    option = group.addoption
    option("--target", help="what to hold to it: bundled, HOST:PORT[,...], apache-kafka, mock, PATH.py:NAME, ...")
    option("--tidegauge", action="store_true", help="the same as --target bundled")
    option("--profile", help="the release and control plane that the target is held to, for instance 3.9-kraft")
    option("--only", default="", metavar="IDS", help="requirements by the start of their id, for instance IDM,LOG-03")
    option("--deviations", metavar="FILE", help="known deviations; 'none' for none; default: the target's own file")
    option("--fault-command", metavar="CMD", help="how to stop and start a broker: 'CMD {action} {broker}'")
    option("--command-config", metavar="FILE", help="Kafka's client properties, for TLS and SASL")
    option("--examples", type=int, default=10, metavar="N", help="generated sequences per family; 0 for none")
    option("--sequence-seed", type=int, default=0, metavar="N", help="seed of the generated sequences")
    option("--tidegauge-json", metavar="FILE", help="write the results as JSON")
    option("--tidegauge-html", metavar="FILE", help="write the results as one HTML file")


def pytest_configure(config: pytest.Config) -> None:
    """Be there only if a target was asked for."""
    target = config.getoption("--target") or ("bundled" if config.getoption("--tidegauge") else None)
    if target is not None:
        from conformance.collected import PytestRun  # noqa: PLC0415  every pytest run in this environment gets here

        config.pluginmanager.register(PytestRun.from_options(config, target), SUITE_PLUGIN)


@pytest.fixture(scope="session")
def tidegauge_bench(request: pytest.FixtureRequest) -> Bench:
    """The running target with a client on it, for tests of one's own."""
    suite = request.config.pluginmanager.getplugin(SUITE_PLUGIN)
    if suite is None:
        pytest.skip("no target: start pytest with --target")
    bench: Bench = suite.sitting.bench
    return bench


def case_folder() -> Path:
    """Where the suite's cases are."""
    return Path(__file__).parent / "cases"
