"""Apps as people name them: by an id, by one of its ends, or by a name."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_uuid
from clew.surfaces.cli.errors import print_note
from clew.tree.machine.app import TERMINAL
from clew.tree.parameters import AppQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.tree.documents import App
    from clew.tree.remote import TreeClient

SHORT_CHARS: Final = 8
"""Of an id in tables: its last digits. Those of apps that start together begin alike."""

PART_CHARS_MIN: Final = 4
"""Of an id: fewer are typed by mistake."""

CANDIDATES_MAX: Final = 500
"""Apps looked at for one name: one that so many have is no name."""

SHOWN_MAX: Final = 5

FIRST_STEP: Final = "start one: clew exec -- COMMAND; or see a whole tree at work: clew demo"
"""For whoever has a server and nothing in its tree."""

_UUID_CHARS: Final = 36
_ENDED: Final = frozenset(status.value for status in TERMINAL)


def short_id(app_id: str) -> str:
    """Return the end of an id, as tables show it and commands take it."""
    return app_id[-SHORT_CHARS:]


def pick_id(text: str, find: Callable[[], Sequence[str]], noun: str, lister: str) -> str:
    """Return the one id that is meant by itself, its beginning or its end.

    `find` gives those that there are, and is asked only for a part of one.

    Raises:
        ClewError: NOT_FOUND, saying what lists them; INVALID_ARGUMENT when several are meant.
    """
    wanted = text.strip().lower().removeprefix("…")
    if len(wanted) == _UUID_CHARS and wanted.count("-") == 4:
        return parse_uuid(wanted)
    if len(wanted) < PART_CHARS_MIN:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{text[:80]!r} is too little of an id",
            hint=f"give {PART_CHARS_MIN} characters of its beginning or its end",
        )
    meant = [each for each in find() if each.startswith(wanted) or each.endswith(wanted)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{text[:80]!r} may be any of {len(meant)}",
            hint=f"give more of the id: {', '.join(meant[:3])}",
        )
    raise ClewError(
        ErrorCode.NOT_FOUND, f"there is no {noun} {text[:80]!r}", hint=f"list them with: {lister}"
    )


def find_app(client: TreeClient, text: str) -> str:
    """Return the id of the app that is meant.

    A name that several have means the one that lives; the newest, when all have ended.

    Raises:
        ClewError: NOT_FOUND with the nearest names, INVALID_ARGUMENT when several are meant.
    """
    wanted = text.strip().removeprefix("…")
    if len(wanted) == _UUID_CHARS and wanted.count("-") == 4:
        return parse_uuid(wanted)
    if not wanted:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, "an app is named by nothing")
    with client.server.unrecorded():
        found = client.find_apps(AppQuery(text=wanted, limit=CANDIDATES_MAX)).document().apps
    named = [app for app in found if app.app_name == wanted]
    if named:
        return _pick(named, wanted)
    lowered = wanted.lower()
    by_id = [app for app in found if app.app_id.startswith(lowered) or app.app_id.endswith(lowered)]
    if len(by_id) == 1:
        return by_id[0].app_id
    if by_id:
        raise _ambiguous(wanted, by_id)
    raise _unknown(client, wanted)


def find_apps(client: TreeClient, texts: Sequence[str]) -> list[str]:
    """Return the ids of the apps that are meant, each once, in order."""
    return list(dict.fromkeys(find_app(client, text) for text in texts))


def nothing_found(client: TreeClient, message: str, hint: str) -> ClewError:
    """Return the error of a list that is empty; where there is no app at all it says how to begin.

    Raises:
        ClewError: the server does not answer.
    """
    if client.find_apps(AppQuery(limit=1)).document().apps:
        return ClewError(ErrorCode.NOT_FOUND, message, hint=hint)
    return ClewError(ErrorCode.NOT_FOUND, "there is no app yet", hint=FIRST_STEP)


def _pick(named: Sequence[App], wanted: str) -> str:
    live = [app for app in named if app.status not in _ENDED]
    if len(live) > 1:
        raise _ambiguous(wanted, live)
    if live:
        return live[0].app_id
    if len(named) > 1:
        print_note(
            f"{len(named)} apps named {wanted} have ended; this is the newest",
            app_id=named[0].app_id,
        )
    return named[0].app_id


def _ambiguous(wanted: str, apps: Sequence[App]) -> ClewError:
    shown = ", ".join(
        f"{app.app_name} {short_id(app.app_id)} ({app.status})" for app in apps[:SHOWN_MAX]
    )
    more = ", …" if len(apps) > SHOWN_MAX else ""
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"{wanted!r} may be any of {len(apps)} apps",
        hint=f"name one by its id: {shown}{more}",
    )


def _unknown(client: TreeClient, wanted: str) -> ClewError:
    names = {
        app.app_name for app in client.find_apps(AppQuery(limit=CANDIDATES_MAX)).document().apps
    }
    near = difflib.get_close_matches(wanted, sorted(names), n=3)
    seen = "see what there is: clew apps" if names else FIRST_STEP
    hint = f"did you mean {' or '.join(near)}?" if near else seen
    return ClewError(ErrorCode.NOT_FOUND, f"there is no app {wanted[:80]!r}", hint=hint)
