"""The command `clew serve`: every setting is a flag of it.

It stands alone because whatever is imported here is waited for at each start. The server itself is
imported when the command runs, so that the flags can be shown with the light install.
"""

from __future__ import annotations

import inspect
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Group, Parameter

from clew.app.configuration.load import load
from clew.app.configuration.settings import SETTINGS
from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.app.configuration.setting import Setting

ConfigFile = Annotated[
    Path | None, Parameter(name="--config", help="Read settings from this TOML file.")
]

# What `clew[server]` brings and the light install does not.
SERVER_PACKAGES: Final = ("chdb", "grpc", "pyarrow", "starlette", "uvicorn", "uvloop")

SWITCHES: Final = frozenset(each.name for each in SETTINGS if each.is_switch)

CONFIGURED: Final = Group("Settings", sort_key=1)


def _serve(*, config: Path | None = None, **flags: Any) -> int:
    # A switch can only be turned on: off leaves the word to the environment and the file.
    given = {name: value for name, value in flags.items() if value is not False}
    loaded = load(given, file=config)
    missing = [name for name in SERVER_PACKAGES if find_spec(name) is None]
    if missing:
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"the server is not installed ({', '.join(missing)} missing)",
            hint="pip install 'clew[server]'",
        )
    from clew.app.server import leave
    from clew.app.server import serve as run_server

    leave(run_server(loaded.configuration, warnings=loaded.warnings))


def _with_settings(function: Callable[..., int]) -> Callable[..., int]:
    """Give a function the settings as its flags: they are declared once, in `Configuration`."""
    names = {"config": ConfigFile} | {each.name: _flag(each) for each in SETTINGS}
    function.__annotations__ = {**names, "return": int}
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if name in SWITCHES else None,
                annotation=annotation,
            )
            for name, annotation in names.items()
        ],
        return_annotation=int,
    )
    return function


def _flag(setting: Setting) -> Any:
    default = setting.default_shown
    shown = f"{setting.doc} [default: {default}]" if default else setting.doc
    parameter = Parameter(
        name=setting.flag,
        negative=(),
        show_default=False,
        group=CONFIGURED,
        help=shown.replace("`", ""),
    )
    if setting.is_switch:
        return Annotated[bool, parameter]
    if setting.is_list:
        return Annotated[list[str] | None, parameter]
    return Annotated[str | None, parameter]


serve = _with_settings(_serve)
