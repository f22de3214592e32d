"""How the way in is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import NOTHING, escape, plural, show_bytes, show_count, show_time
from clew.surfaces.cli.views.group import group_lines

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.documents import IngestStatus, SignalStatus

_COLUMNS: Final = (
    Column("signal"),
    Column("requests", right=True),
    Column("records", right=True),
    Column("rejected", right=True),
    Column("malformed", right=True, drop=2),
    Column("shed", right=True, drop=1),
    Column("last accepted", drop=3),
)


def ingest_lines(document: IngestStatus, width: int) -> list[Line]:
    """Return a line per signal, why records were rejected, and the state of the log."""
    lines = lay_out(_COLUMNS, [_row(signal) for signal in document.signals], width)
    for signal in document.signals:
        for reason, count in signal.rejected.items():
            lines.append(
                [
                    (f"  {escape(signal.signal)} rejected for ", Style.DIM),
                    (f"{escape(reason)}: {show_count(count)}", Style.YELLOW),
                ]
            )
        for reason, count in (signal.dropped or {}).items():
            lines.append(
                [
                    (f"  {escape(signal.signal)} dropped for ", Style.DIM),
                    (f"{escape(reason)}: {show_count(count)}", Style.YELLOW),
                ]
            )
    lines.append([])
    lines.extend(_state(document))
    return lines


def _state(document: IngestStatus) -> list[Line]:
    acked, flushed = show_count(document.acked_frame), show_count(document.flushed_frame)
    rows, batches = plural(document.hot_rows, "row"), plural(document.batches_waiting, "batch")
    facts = [
        ("log", f"{show_bytes(document.log_bytes)} of {show_bytes(document.log_bytes_max)}"),
        ("frames", f"{acked} acknowledged, {flushed} in the store"),
        ("waiting", f"{rows}, {batches}"),
        ("decoder", escape(document.decoder)),
    ]
    lines: list[Line] = [[(name.ljust(9), Style.DIM), (text, Style.PLAIN)] for name, text in facts]
    wrong = [
        ("damaged", document.damaged_frames, "frames that the log could not read"),
        ("refused", document.refused_frames, "frames that the store refused, set aside"),
    ]
    lines.extend(
        [(name.ljust(9), Style.DIM), (f"{show_count(count)} {what}", Style.BOLD_RED)]
        for name, count, what in wrong
        if count
    )
    if document.group is not None:
        lines.extend(group_lines(document.group, 0))
    if not document.writable:
        lines.append(styled("the log takes no records", Style.BOLD_RED))
    if document.last_error:
        lines.append([("last error ", Style.DIM), (escape(document.last_error), Style.RED)])
    return lines


def _row(signal: SignalStatus) -> list[Line]:
    rejected = sum(signal.rejected.values())
    seen = show_time(signal.last_accepted_at) if signal.last_accepted_at else NOTHING
    return [
        plain(escape(signal.signal)),
        plain(show_count(signal.requests)),
        plain(show_count(signal.records)),
        styled(show_count(rejected), Style.YELLOW if rejected else Style.DIM),
        styled(show_count(signal.malformed), Style.YELLOW if signal.malformed else Style.DIM),
        styled(show_count(signal.shed), Style.YELLOW if signal.shed else Style.DIM),
        styled(seen, Style.DIM),
    ]
