"""The document of `clew config`: every setting, its value as text, and who said so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.app.configuration.settings import SETTINGS
from clew.store.database.address import hide_password, is_postgres

if TYPE_CHECKING:
    from clew.app.configuration.load import Loaded

HIDDEN: Final = "…"
"""What stands for a secret."""


class ShownSetting(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `clew config`: a value as text, and who said so."""

    name: str
    value: str
    source: str
    flag: str
    variable: str
    doc: str


class ShownConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """The document of `clew config`."""

    settings: list[ShownSetting]
    file: str | None
    count: int
    total: int
    truncated: bool


def show(loaded: Loaded) -> ShownConfiguration:
    """Return every setting with its value and its source; passwords and keys are left out."""
    shown = [
        ShownSetting(
            name=each.name,
            value=_shown(loaded.texts[each.name], is_secret=each.is_secret),
            source=loaded.sources[each.name],
            flag=each.flag,
            variable=each.variable,
            doc=each.doc,
        )
        for each in SETTINGS
    ]
    return ShownConfiguration(
        settings=shown,
        file=str(loaded.file) if loaded.file is not None else None,
        count=len(shown),
        total=len(shown),
        truncated=False,
    )


def _shown(text: str, *, is_secret: bool) -> str:
    if is_secret:
        return HIDDEN if text else ""
    if is_postgres(text):
        return hide_password(text)
    scheme, separator, rest = text.partition("://")
    user, at, host = rest.rpartition("@")
    if not (separator and at):
        return text
    return f"{scheme}://{user.partition(':')[0]}:…@{host}"
