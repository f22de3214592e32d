"""`clew trace-id next` and `decode`: ids without a server."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from cyclopts import Group, Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.documents import TraceId, TraceIdList, describe_trace_id
from clew.lineage.generator import TraceIdGenerator
from clew.lineage.layout import DEFAULT_LAYOUT, IdLayout, parse_trace_id
from clew.remote.answer import Answer
from clew.remote.reply import Reply
from clew.surfaces.cli.errors import ExitCode, print_note
from clew.surfaces.cli.flags import AnswerFlags, read_whole_number
from clew.surfaces.cli.session import Listing, Session, Sheet
from clew.surfaces.cli.views.trace_ids import trace_id_legend, trace_id_lines, trace_id_table

if TYPE_CHECKING:
    from cyclopts import Token

COUNT_MAX: Final = 10_000
"""Of one command, as of a page of any list."""

LAYOUT: Final = Group("Layout", sort_key=3)


def read_trace_id(_type: object, tokens: tuple[Token, ...]) -> int:
    """Read an id, decimal or hexadecimal."""
    return parse_trace_id(tokens[0].value)


@Parameter(name="*", group=LAYOUT)
@dataclass(frozen=True, kw_only=True)
class LayoutFlags:
    """How the ids of a deployment are made up."""

    node_bits: Annotated[int, Parameter(converter=read_whole_number)] = DEFAULT_LAYOUT.node_bits
    """Bits of the node id."""

    sequence_bits: Annotated[int, Parameter(converter=read_whole_number)] = (
        DEFAULT_LAYOUT.sequence_bits
    )
    """Bits of the place within a millisecond."""

    epoch_offset_ms: Annotated[int, Parameter(converter=read_whole_number)] = (
        DEFAULT_LAYOUT.epoch_offset_ms
    )
    """Unix milliseconds that the ids count from."""


_LAYOUT: Final = LayoutFlags()

NodeId = Annotated[
    int | None,
    Parameter(
        name=("--node-id", "--node"),
        converter=read_whole_number,
        help="The node that makes them, 0 to 1023; its own for each producer.",
    ),
]
Count = Annotated[
    int | None,
    Parameter(converter=read_whole_number, help="Make so many, at most 10000, as a list."),
]
Id = Annotated[
    int, Parameter(name="ID", converter=read_trace_id, help="Decimal, or hexadecimal behind 0x.")
]


def next_(
    *,
    node_id: NodeId = None,
    count: Count = None,
    layout: LayoutFlags = _LAYOUT,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Make trace ids."""
    session = Session(answer)
    if count is not None and not 1 <= count <= COUNT_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"--count {count} is not in 1 to {COUNT_MAX}",
            hint="ask again for more",
        )
    split = _layout(layout)
    node = _draw(split) if node_id is None else node_id
    generator = TraceIdGenerator(
        node,
        node_bits=split.node_bits,
        sequence_bits=split.sequence_bits,
        epoch_offset_ms=split.epoch_offset_ms,
    )
    made = tuple(describe_trace_id(_next(generator), split) for _ in range(count or 1))
    if count is None:
        _show(made[0], session)
    else:
        found = TraceIdList(trace_ids=made, count=count, total=count)
        session.show(
            Listing(_reply(found), "trace_ids", "id", trace_id_table, legend=trace_id_legend)
        )
    if node_id is None:
        print_note(
            f"made by node {node}, which was drawn by lot; --node-id gives it one of its own",
            node_id=node,
        )
    return ExitCode.OK


def decode(
    trace_id: Id, /, *, layout: LayoutFlags = _LAYOUT, answer: AnswerFlags | None = None
) -> ExitCode:
    """Show what a trace id tells."""
    session = Session(answer)
    _show(describe_trace_id(trace_id, _layout(layout)), session)
    return ExitCode.OK


def _layout(flags: LayoutFlags) -> IdLayout:
    return IdLayout(flags.node_bits, flags.sequence_bits, flags.epoch_offset_ms)


def _draw(layout: IdLayout) -> int:
    """Return any node but 0, which is for those who ask for it, if there is another."""
    return 1 + secrets.randbelow(layout.node_id_max) if layout.node_id_max else 0


def _next(generator: TraceIdGenerator) -> int:
    """Return an id, for which there is time here.

    Raises:
        ClewError: TIMEOUT where the machine's clock does not go on.
    """
    # Twice the bounded wait of a generator has always been enough for the next millisecond.
    for _ in range(10):
        trace_id = generator.next()
        if trace_id:
            return trace_id
    raise ClewError(ErrorCode.TIMEOUT, "the clock of this machine stands still")


def _show(document: TraceId, session: Session) -> None:
    session.show_sheet(Sheet(_reply(document), trace_id_lines, lambda told, _: told, 0))


def _reply(document: msgspec.Struct) -> Reply[Any]:
    """Return a document that was made here as if it had been answered."""
    return Reply(Answer(msgspec.json.encode(document), {}), type(document))
