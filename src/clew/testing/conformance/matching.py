"""Whether what came is what was expected, and in what it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clew.testing.conformance.scenario import Check

SHOWN_CHARS: Final = 200
"""How much of a value a difference shows."""


class _Missing:
    """Stands for a field that is not there."""

    def __repr__(self) -> str:
        return "nothing"


MISSING: Final = _Missing()


def pick(document: Any, field: str) -> Any:
    """Return what is at a path such as ``targets.0.status``; MISSING for nothing."""
    value = document
    for part in field.split("."):
        if isinstance(value, dict):
            value = value.get(part, MISSING)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def find_differences(expected: Any, found: Any, place: str = "") -> Iterator[str]:
    """Yield in what a value differs; an object may have members that were not expected."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, value in expected.items():
            at = f"{place}.{name}" if place else name
            yield from find_differences(value, found.get(name, MISSING), at)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, value in enumerate(expected):
            yield from find_differences(value, found[index], f"{place}.{index}")
    elif not _is_same(expected, found):
        yield f"{place or 'it'} is {show(found)}, not {show(expected)}"


def find_failures(
    checks: Sequence[Check], document: Any, resolve: Callable[[Any], Any]
) -> Iterator[str]:
    """Yield which checks do not hold of a document; `resolve` fills in placeholders."""
    for check in checks:
        found = pick(document, check.field)
        wanted = {
            name: resolve(value)
            for name in check.__struct_fields__
            if name != "field" and (value := getattr(check, name)) is not msgspec.UNSET
        }
        for name, value in wanted.items():
            if not _holds(name, value, found):
                words = name.replace("_", " ")
                yield f"{check.field} is {show(found)}, wanted: {words} {show(value)}"


def show(value: Any) -> str:
    """Return a value as JSON, cut to what can be read."""
    text = repr(value) if value is MISSING else msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"


def _holds(name: str, wanted: Any, found: Any) -> bool:
    if name == "exists":
        is_there = found is not MISSING and found is not None
        return is_there is wanted
    if found is MISSING:
        return name == "not_equals"
    match name:
        case "equals":
            return not any(find_differences(wanted, found))
        case "not_equals":
            return any(find_differences(wanted, found))
        case "one_of":
            return any(_is_same(each, found) for each in wanted)
        case "starts_with":
            return isinstance(found, str) and found.startswith(wanted)
        case "contains" if isinstance(found, str):
            return isinstance(wanted, str) and wanted in found
        case "contains":
            items = found if isinstance(found, list) else []
            return any(not any(find_differences(wanted, each)) for each in items)
        case "at_least":
            return _is_number(found) and found >= wanted
        case "at_most":
            return _is_number(found) and found <= wanted
        case "count":
            return isinstance(found, list | str | dict) and len(found) == wanted
    raise AssertionError(f"nobody checks {name}")


def _is_same(one: Any, other: Any) -> bool:
    # True is 1 to Python, and to nobody else who reads JSON.
    return isinstance(one, bool) is isinstance(other, bool) and one == other


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
