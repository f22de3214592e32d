"""Tags of a search: ``tag=key:value``, and ``tags=`` as a JSON object or as logfmt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.compat.jaeger.query_string import SHOWN_CHARS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

TAGS_MAX: Final = 32
"""Tags of one search: each costs the engine the reading of a column."""

_WORD = r'[^\s"=:]+'
_PAIR = re.compile(rf'({_WORD})[=:](?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?:\s+|$)', re.DOTALL)


def read_tags(simple: Iterable[str], lists: Iterable[str]) -> dict[str, str]:
    """Return the tags of all `tag` and `tags` parameters; of a repeated key the last counts.

    Raises:
        ClewError: INVALID_ARGUMENT when one does not parse, or there are too many.
    """
    tags: dict[str, str] = {}
    for text in simple:
        key, colon, value = text.partition(":")
        if not colon or not key:
            raise _refusal("malformed 'tag' parameter, expecting key:value", text)
        tags[key] = value
    for text in lists:
        tags |= _read_list(text)
    if len(tags) > TAGS_MAX:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, f"more than {TAGS_MAX} tags")
    return tags


def read_json_tags(text: str) -> dict[str, str]:
    """Return the tags of a JSON object; numbers and truths stand for the text that shows them.

    Raises:
        ClewError: INVALID_ARGUMENT when it is no object of plain values.
    """
    try:
        members = msgspec.json.decode(text, type=dict[str, str | int | float | bool])
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise _refusal(f"malformed 'tags' parameter, cannot read JSON ({error})", text) from None
    return {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for key, value in members.items()
    }


def _read_list(text: str) -> dict[str, str]:
    given = text.strip()
    if not given:
        return {}
    if given.startswith(("{", "[")):
        return read_json_tags(given)
    tags: dict[str, str] = {}
    at = 0
    while at < len(given):
        match = _PAIR.match(given, at)
        if match is None:
            raise _refusal("malformed 'tags' parameter, neither JSON nor key=value", text)
        quoted = match[2]
        tags[match[1]] = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        at = match.end()
    return tags


def _refusal(message: str, text: str) -> ClewError:
    shown = text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}…"
    return ClewError(ErrorCode.INVALID_ARGUMENT, f"{message}: {shown!r}")
