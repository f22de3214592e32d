"""Settings put together: flag > environment ``CLEW_*`` > ``clew.toml`` > default."""

from __future__ import annotations

import difflib
import os
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clew.app.configuration.folders import user_folder
from clew.app.configuration.setting import Setting
from clew.app.configuration.settings import BY_NAME, SETTINGS, Configuration
from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


FILE_NAME: Final = "clew.toml"

CONFIG_VARIABLE: Final = "CLEW_CONFIG"
"""Names the file in the environment, as `--config` does on the command line."""

NO_FILE: Final = "off"
"""As `CLEW_CONFIG`: read no file, wherever one may lie."""

CONFIG_BYTES_MAX: Final = 1 << 20
"""A settings file is a page; a megabyte is something else under its name."""

NEAR_ENOUGH: Final = 0.6
"""How like a known name (0 to 1) a wrong one must be to be offered; difflib's own default."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, the text and the source of each value, and the file that was read.

    `warnings` are things that were probably meant otherwise, such as an environment variable one
    letter off a known one.
    """

    configuration: Configuration
    texts: Mapping[str, str]
    sources: Mapping[str, str]
    file: Path | None
    warnings: tuple[str, ...] = ()


def load(
    flags: Mapping[str, str | bool | Sequence[str] | None] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
    folder: Path | None = None,
) -> Loaded:
    """Merge flags, environment, file and defaults.

    `flags` go by setting name; None means not given. `file` must exist when it is named, here or by
    ``CLEW_CONFIG`` (there ``off`` reads none); otherwise ``clew.toml`` in `folder` (the working
    directory) is read when it is there, else the one in the user's configuration folder.

    Raises:
        ClewError: INVALID_ARGUMENT for an unknown key or a value that does not parse (the message
            names the flag, variable or key), NOT_FOUND for a named file that is not there.
    """
    environ = os.environ if environ is None else environ
    path = _find_file(environ, file, folder)
    from_file = _read_file(path) if path is not None else {}
    texts: dict[str, str] = {}
    sources: dict[str, str] = {}
    values: dict[str, Any] = {}
    for each in SETTINGS:
        flag = (flags or {}).get(each.name)
        if flag is not None:
            text, source = _text_of(flag), f"flag {each.flag}"
        elif each.variable in environ:
            text, source = environ[each.variable], f"environment {each.variable}"
        elif each.name in from_file:
            text, source = from_file[each.name], f"{path}"
        else:
            text, source = each.default_text(environ), "default"
        texts[each.name], sources[each.name] = text, source
        values[each.name] = _parse(each, text, source)
    return Loaded(Configuration(**values), texts, sources, path, _doubtful_variables(environ))


def _find_file(environ: Mapping[str, str], file: Path | None, folder: Path | None) -> Path | None:
    variable = environ.get(CONFIG_VARIABLE, "")
    if file is None and variable == NO_FILE:
        return None
    named = file or (Path(variable) if variable else None)
    if named is not None:
        if not _is_file(named):
            raise ClewError(
                ErrorCode.NOT_FOUND,
                f"there is no settings file {named}",
                hint=f"check --config and {CONFIG_VARIABLE}",
            )
        return named
    places = []
    # The working directory may be gone, and a user need not have a home.
    with suppress(FileNotFoundError):
        places.append(folder or Path.cwd())
    with suppress(ClewError):
        places.append(user_folder(environ, "config"))
    return next((place / FILE_NAME for place in places if _is_file(place / FILE_NAME)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # The name is longer than any file's, or a folder before it may not be looked into.
        return False


def _read_file(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as stream:
            content = stream.read(CONFIG_BYTES_MAX + 1)
        if len(content) > CONFIG_BYTES_MAX:
            raise ClewError(ErrorCode.TOO_LARGE, f"{path} is larger than a settings file can be")
        table = tomllib.loads(content.decode())
    except OSError as error:
        raise ClewError(ErrorCode.UNAVAILABLE, f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{path} is not valid TOML: {error}",
            hint="a line is a setting and its value, such as http = '127.0.0.1:7701'",
        ) from error
    for key in table:
        if key not in BY_NAME:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"{path}: there is no setting {key!r}",
                hint=_near_hint(key.replace("-", "_")),
            )
    return {key: _text_of(value, f"{path}: {key}") for key, value in table.items()}


def _near_hint(name: str) -> str:
    near = difflib.get_close_matches(name, BY_NAME, n=1, cutoff=NEAR_ENOUGH)
    return f"did you mean {near[0]}?" if near else "`clew config` lists every setting"


def _text_of(value: object, place: str = "flag") -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return str(value)
        case list() | tuple() if all(isinstance(part, str) for part in value):
            return ",".join(value)
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"{place} must be text, a number, true or false, or a list of text",
    )


def _parse(each: Setting, text: str, source: str) -> object:
    try:
        return each.parse(text)
    except ClewError as error:
        named = source.startswith(("flag ", "environment "))
        place = source if named else f"{source}: {each.name}"
        raise ClewError(error.code, f"{place}: {error.message}", hint=error.hint) from None


def _doubtful_variables(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Warn of variables that are almost ours; other unknown ones may be a client's."""
    known = [each.variable for each in SETTINGS]
    warnings = []
    for name in sorted(environ):
        if not name.startswith("CLEW_") or name in known:
            continue
        # Stricter than for a file's keys: there, every unknown key is an error anyway.
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if near:
            warnings.append(f"the environment variable {name} means nothing; {near[0]} does")
    return tuple(warnings)
