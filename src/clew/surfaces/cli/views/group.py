"""Where a server stands in its group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.surfaces.cli.grid import Style
from clew.surfaces.cli.text import escape, plural, show_count

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.group import GroupStatus


def group_lines(document: GroupStatus, _width: int) -> list[Line]:
    """Return what a server says of itself, and a line for each of the others it knows of."""
    facts = [("role", document.role)]
    if document.enabled:
        facts.append(("epoch", str(document.epoch)))
        facts.append(("leader", document.leader_url or document.leader or "nobody"))
        if document.behind:
            facts.append(("behind", f"{show_count(document.behind)} frames"))
    lines: list[Line] = [
        [(name.ljust(9), Style.DIM), (escape(text), Style.PLAIN)] for name, text in facts
    ]
    for peer in document.peers:
        state = escape(peer.detail or ("well" if peer.ok else "away"))
        style = Style.PLAIN if peer.ok else Style.YELLOW
        told = state if peer.url in state else f"{escape(peer.url)}: {state}"
        lines.append([("standby  ", Style.DIM), (told, style)])
    missing = document.required_acks - sum(peer.ok for peer in document.peers)
    if document.is_leader and missing > 0:
        wanted = f"what is written is refused until {plural(missing, 'more standby')} is there"
        lines.append([("note     ", Style.DIM), (wanted, Style.YELLOW)])
    if document.warning:
        lines.append([("warning  ", Style.DIM), (escape(document.warning), Style.YELLOW)])
    if document.detail:
        lines.append([("note     ", Style.DIM), (escape(document.detail), Style.YELLOW)])
    return lines
