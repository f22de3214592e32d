"""One setting: its value as text, what the text means, and what is said of it.

Whatever names a setting (a flag, the environment, a file) gives text, and every text goes through
the one parser of its setting, so that a value means the same wherever it came from.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as the documentation, the command line and `clew config` know it.

    `default` is text, or a function of the environment where the platform decides.
    """

    name: str
    default: str | Callable[[Mapping[str, str]], str]
    default_shown: str
    doc: str
    parse: Callable[[str], object]
    is_switch: bool
    is_list: bool
    is_secret: bool = False

    @property
    def flag(self) -> str:
        """The flag of `clew serve`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "CLEW_" + self.name.upper()

    def default_text(self, environ: Mapping[str, str]) -> str:
        """Return the text that stands where nobody says otherwise."""
        return self.default if isinstance(self.default, str) else self.default(environ)


def setting(
    default: str | Callable[[Mapping[str, str]], str],
    parse: Callable[[str], object],
    doc: str,
    *,
    default_shown: str | None = None,
) -> Any:
    """Declare a dataclass field as a setting; the annotation of the field gives the type."""
    shown = (
        default_shown
        if default_shown is not None
        else (default if isinstance(default, str) else "")
    )
    metadata = {"default": default, "shown": shown, "doc": doc, "parse": parse}
    if isinstance(default, str):
        return field(default=parse(default), metadata=metadata)
    return field(default_factory=lambda: parse(default(os.environ)), metadata=metadata)
