"""Writes to a registry, for tests that look at how they are gathered and answered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from clew.base.errors import ClewError
from clew.store.database.contract import Database, Result, Transaction

DEADLINE_S = 60.0


def put(name: str, text: str = "") -> Callable[[Transaction], str]:
    """Return a write of a note."""

    def work(writing: Transaction) -> str:
        writing.run("INSERT INTO notes (name, text) VALUES (:n, :t)", {"n": name, "t": text})
        return name

    return work


def result(future: Future[Result]) -> Result:
    """Return what a write came to, in time."""
    return future.result(DEADLINE_S)


def error_of(future: Future[Any]) -> ClewError:
    """Return the error of a write that failed, in time."""
    error = future.exception(DEADLINE_S)
    assert isinstance(error, ClewError), error
    return error


class Gate:
    """A write that holds the writer until it is opened, so that others gather behind it."""

    def __init__(self, database: Database) -> None:
        self._entered, self._opened = threading.Event(), threading.Event()
        self.passed = database.submit(self._wait)
        assert self._entered.wait(DEADLINE_S)

    def _wait(self, _writing: Transaction) -> None:
        self._entered.set()
        assert self._opened.wait(DEADLINE_S)

    def open(self) -> None:
        """Let the others pass."""
        self._opened.set()
        result(self.passed)
