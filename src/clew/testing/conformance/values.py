"""What placeholders stand for in one run of a scenario.

Ids and keys come into being when they are named first, so that nothing of one run meets another.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from clew.base.ids import new_uuid
from clew.base.times import NS_PER_MS
from clew.tree.frames.keys import Signer

if TYPE_CHECKING:
    from collections.abc import Mapping

NESTED_MAX: Final = 500
"""Levels that a scenario may ask for: what the writer of JSON here takes."""

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Z][A-Z0-9_]*)(?:\s+(\d+)|\s*([+-])\s*(\d+))?\s*\}\}")
_KEY_NAME: Final = re.compile(r"([A-Z0-9_]+)_PUB_KEY")
_ID_NAME: Final = re.compile(r"[A-Z0-9_]*_ID(_[A-Z0-9_]+)?")
_ALIASES: Final = {"CLIENT": "APP"}
"""TRAILS' own scenarios call the key of the app that of the client."""


class UnknownPlaceholderError(Exception):
    """A scenario names something that nobody gave it."""


class Values:
    """The names of one run. `given` are known from the start, such as the server's windows."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._kept: dict[str, Any] = dict(given)
        self._signers: dict[str, Signer] = {}
        self._by_pub_key: dict[str, Signer] = {}
        self.last_seqs: dict[str, int] = {}
        """The highest number of a message that was sent, by app."""

    def keep(self, name: str, value: Any) -> None:
        """Give a name to a value."""
        self._kept[name] = value

    def resolve(self, value: Any, app_id: str | None = None) -> Any:
        """Return a value with its placeholders filled in; `LAST_SEQ` is that of the app.

        A text that is nothing but a placeholder becomes its value, a number for example.

        Raises:
            UnknownPlaceholderError: nothing has that name.
        """
        if isinstance(value, dict):
            if app_id is None and isinstance(value.get("app_id"), str):
                app_id = str(self.resolve(value["app_id"]))
            return {name: self.resolve(each, app_id) for name, each in value.items()}
        if isinstance(value, list):
            return [self.resolve(each, app_id) for each in value]
        if not isinstance(value, str):
            return value
        whole = _PLACEHOLDER.fullmatch(value)
        if whole is not None:
            return self._fill(whole, app_id)
        return _PLACEHOLDER.sub(lambda found: str(self._fill(found, app_id)), value)

    def number(self, value: int | str) -> int:
        """Return a number that may be written as a placeholder.

        Raises:
            UnknownPlaceholderError: it is no number.
        """
        found = self.resolve(value)
        if not isinstance(found, int):
            raise UnknownPlaceholderError(f"{value} is no number")
        return found

    def signer(self, name: str) -> Signer:
        """Return the private key of an app, by the app's name."""
        name = _ALIASES.get(name, name)
        if name not in self._signers:
            signer = self._signers[name] = Signer()
            self._by_pub_key[signer.pub_key] = signer
        return self._signers[name]

    def signer_of(self, pub_key: object) -> Signer | None:
        """Return the private half of a public key, if it is one of this run."""
        return self._by_pub_key.get(pub_key) if isinstance(pub_key, str) else None

    def _fill(self, found: re.Match[str], app_id: str | None) -> Any:
        name, size, sign, summand = found.groups()
        if size is not None:
            return _make(name, int(size))
        value = self._find(name, app_id)
        if summand is None:
            return value
        if not isinstance(value, int):
            raise UnknownPlaceholderError(f"{name} is no number")
        return value + int(summand) if sign == "+" else value - int(summand)

    def _find(self, name: str, app_id: str | None) -> Any:
        if name in self._kept:
            return self._kept[name]
        if name == "NOW_MS":
            return time.time_ns() // NS_PER_MS
        if name == "LAST_SEQ":
            return self.last_seqs.get(app_id or "", 0)
        key = _KEY_NAME.fullmatch(name)
        if key is not None:
            return self.signer(key[1]).pub_key
        if _ID_NAME.fullmatch(name):
            self._kept[name] = new_uuid(time.time_ns())
            return self._kept[name]
        raise UnknownPlaceholderError(f"nothing is called {name} here")


def _make(name: str, size: int) -> Any:
    """Return a text of so many characters, or so many lists within each other."""
    if name == "TEXT":
        return "x" * size
    if name == "NESTED" and size <= NESTED_MAX:
        value: list[Any] = []
        for _ in range(size - 1):
            value = [value]
        return value
    raise UnknownPlaceholderError(f"nothing is called {name} {size} here")
