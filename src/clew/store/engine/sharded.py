"""The engine of a query tier: every reading is asked of all shards, the statement runs here.

Theory of operation. A statement of ours reads tables through scans and through nothing else. So a
tier asks each shard for the rows of each scan, at one moment of the shard's own, and hands them to
an engine in this process exactly as hot rows are handed to it on a single server: whatever the
statement computes, it computes over all rows. A scan with `group_by` gives states of aggregate
functions instead of rows, which the statement merges.

Frames of shards never compare. Each row's frame is put into one order for the time that it is here:
of n shards the rows of number i (from 0) get ``(n - 1 - i) * 2^48`` added, so that "newest frame
first" means the first shard first, and within a shard its own order. What is said of frames in a
condition is put into the shard's own numbers before it is sent. A moment is a frame for each shard
(`Snapshot.frames`); the request's `Gathering` holds it, and cursors carry it.

A shard that does not answer is left out of the whole request from then on, and named in its answer.
"""

# ruff: noqa: S608 - names are quoted, values are bound, and the rest is our own text

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from clew.base.deadline import seconds_left
from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import GATHERING, UNSURE, missing_shards, note_behind
from clew.store.engine.adapter import limits_clause
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.configuration import ChdbOptions
from clew.store.engine.contract import FRAME_BITS, QueryLimits, Snapshot
from clew.store.engine.ddl import (
    create_bare_table,
    create_database,
    create_session_table,
    quote_name,
    quote_text,
)
from clew.store.engine.exchange import (
    MEDIA_TYPE,
    AskedScan,
    NewestFrame,
    ScanAnswer,
    ScanQuestion,
    decode_answer,
    decode_frame,
    find_twins,
    not_an_answer,
)
from clew.store.engine.failure import translated
from clew.store.engine.foreign import WIDE_TYPES, travels_as_text
from clew.store.engine.gathered import rewritten, scans_of, without_database
from clew.store.engine.hot import readable_rows
from clew.store.engine.scan import expand, references
from clew.store.refusal import refused_write
from clew.store.table import FRAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from clew.base.gathering import Shard
    from clew.store.engine.contract import Scan, UntrustedAnswer
    from clew.store.table import Table

SCANS_PATH: Final = "/internal/scans"
FRAMES_PATH: Final = "/internal/frames"

SHARDS_MAX: Final = 256
"""Frames of more would not fit beside their shard's number, and no such fan-out answers in time."""

FRAME_LAST: Final = 2**63 - 1
"""Larger than the frame of any row of any shard, as long as there are no more than that."""

GATHERED_ROWS_MAX: Final = 2_000_000
"""Rows of all tables that a statement of a user reads: a few columns of them are half a gigabyte,
and are put together in some seconds."""

FEW_ROWS: Final = 10_000
"""Up to so many, a second thread costs a statement more than it does: a fifth of what reading a few
groups takes, and more where there are windows over them."""

_FRAME_WORD = re.compile(rf"\b{FRAME}\b")
_FRAME_COLUMN = re.compile(rf"`?{FRAME}`?(?: AS `?(\w+)`?)?")
_NUMBER = re.compile(r"(?<![\w.'{:])(\d{9,19})(?![\w.'}])")

# What Arrow has no type for, or the engine reads as another than was sent.
_CAST = re.compile(r"\b(?:Date|DateTime|Enum8|Enum16)\b")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Answer(Protocol):
    """What a shard answered."""

    @property
    def body(self) -> bytes:
        """The bytes of it."""
        ...


class Link(Protocol):
    """One shard to be asked, as `clew.remote.http.Server`."""

    def get(self, path: str) -> Answer:
        """Ask with GET."""
        ...

    def post(
        self, path: str, body: bytes, content_type: str, *, is_question: bool = False
    ) -> Answer:
        """Ask with POST; a question may be asked twice, where a connection breaks."""
        ...


class GatheredAnswers(Protocol[T_co]):
    """What shards answered, in the order of the shards."""

    @property
    def answers(self) -> Sequence[tuple[Shard, T_co]]:
        """The shards that answered, each with its answer."""
        ...


class ShardSet(Protocol):
    """The shards of a tier, as `clew.remote.shards.Shards`: asked at once, under one deadline."""

    @property
    def shards(self) -> tuple[Shard, ...]:
        """All of them, in their order."""
        ...

    @property
    def timeout_s(self) -> float:
        """How many seconds they have."""
        ...

    def ask_each(
        self, calls: dict[str, Callable[[Any], T]], *, timeout_s: float | None = None
    ) -> GatheredAnswers[T]:
        """Ask shards, each a question of its own.

        Raises:
            ClewError: UNAVAILABLE when none answers; what a shard says to the question itself.
        """
        ...


@dataclass(frozen=True, slots=True)
class Gathered:
    """The rows of a scan from every shard, and the engine's types of its columns."""

    rows: pa.Table
    types: tuple[str, ...]


class ShardedEngine(ChdbEngine):
    """An engine over shards. It holds no rows; writes are refused.

    `folder` is for the engine that runs the statements, and is the caller's to remove.
    """

    def __init__(self, folder: Path, shards: ShardSet) -> None:
        """Read from these shards.

        Raises:
            ClewError: INVALID_ARGUMENT for too many shards; as `ChdbEngine`.
        """
        if not 1 <= len(shards.shards) <= SHARDS_MAX:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT, f"a query tier has 1 to {SHARDS_MAX} shards"
            )
        super().__init__(folder, ChdbOptions(has_session_tables=True))
        self._tables: dict[str, Table] = {}
        self._shards = shards
        self._names = [shard.name for shard in shards.shards]
        self._seen: dict[str, tuple[int, int]] = {}

    def snapshot(self) -> Snapshot:
        """Return this moment of every shard: it holds what each had acknowledged before the call.

        Within a request that a cursor pinned, it is the moment of the cursor.

        Where a standby answers for a shard and is known to lack something, that is noted.

        Raises:
            ClewError: UNAVAILABLE when no shard answers; CONFLICT when two have the same records,
                which would be counted twice.
        """
        gathering = GATHERING.get()
        if gathering is not None and gathering.frames is not None:
            return Snapshot(0, FRAME_LAST, frames=gathering.frames)
        gathered = self._shards.ask_each(dict.fromkeys(self._names, _ask_frame))
        ids = [(shard.name, newest.data_id) for shard, newest in gathered.answers]
        for other, first in find_twins(ids).items():
            raise ClewError(
                ErrorCode.CONFLICT,
                f"the shards {first} and {other} have the same records, which would count twice",
                hint="name each server once in --shards; those of a group are one shard, and have "
                "one name",
            )
        for shard, newest in gathered.answers:
            self._compare(shard.name, newest)
        found = {shard.name: newest.acked for shard, newest in gathered.answers}
        # Nothing of a shard that was not there at first is in the answer, should it come back.
        frames = tuple(found.get(name, 0) for name in self._names)
        if gathering is not None:
            gathering.frames = frames
        return Snapshot(0, FRAME_LAST, frames=frames)

    def _compare(self, name: str, newest: NewestFrame) -> None:
        """Hold what a server of an unsure role shows against what was seen of the shard before.

        So is one that was deposed and does not know it: it leads under a smaller epoch.
        """
        epoch, acked = self._seen.get(name, (0, 0))
        is_deposed = 0 < newest.epoch < epoch
        if newest.role not in UNSURE and not is_deposed:
            self._seen[name] = (newest.epoch, newest.acked)
        elif (lacking := acked - newest.acked) > 0:
            note_behind(name, f"the last {lacking} frames that were seen are not shown there yet")

    def query(
        self,
        sql: str,
        *,
        snapshot: Snapshot,
        scans: Mapping[str, Scan],
        parameters: Mapping[str, object] | None = None,
        limits: QueryLimits | None = None,
    ) -> pa.Table:
        """See `Engine.query`.

        Raises:
            ClewError: UNAVAILABLE when no shard answers; whatever a shard says to a scan, by name.
        """
        used = references(sql)
        wanted = {name: scan for name, scan in scans.items() if name in used}
        gathered = self.gather(snapshot, wanted, parameters, limits)
        if sql.startswith("@") and sql[1:] in gathered:
            # The rows as they are.
            return gathered[sql[1:]].rows
        variables, sources = [], {}
        for number, (name, found) in enumerate(gathered.items()):
            variables.append(found.rows)
            sources[name] = f"SELECT {_as_they_were(found)} FROM Python(hot_{number})"
        is_small = sum(rows.num_rows for rows in variables) <= FEW_ROWS
        settings = limits_clause(limits, threads_max=int(is_small))
        return self._read(expand(sql, sources) + settings, parameters, variables)

    def gather(
        self,
        snapshot: Snapshot,
        scans: Mapping[str, Scan],
        parameters: Mapping[str, object] | None = None,
        limits: QueryLimits | None = None,
        *,
        rows_max: int = 0,
        is_ours: bool = True,
    ) -> dict[str, Gathered]:
        """Return the rows of scans from every shard, in the order of the shards.

        `rows_max` is how many of one scan a shard may have; 0 leaves it to the shard. The text of
        scans that are not `is_ours` is a user's, whose numbers are of the types that they have as
        they stand there.

        Raises:
            ClewError: as `query`.
        """
        if not scans:
            return {}
        frames = self._frames_of(snapshot)
        calls: dict[str, Callable[[Link], ScanAnswer]] = {}
        last = len(self._names) - 1
        for number, name in enumerate(self._names):
            if not frames[number]:
                continue
            question = _question(scans, parameters, limits, (last - number) << FRAME_BITS, is_ours)
            asked = msgspec.structs.replace(
                question,
                up_to=frames[number],
                rows_max=rows_max,
                # Nobody waits for it any longer.
                time_ms_max=round(seconds_left(self._shards.timeout_s) * 1000),
            )
            body = msgspec.msgpack.encode(asked)
            calls[name] = _Ask(body, tuple(scans))
        if not calls:
            # Every shard that is there is empty: one of them says what the columns are.
            empty = next((n for n in self._names if n not in missing_shards()), self._names[0])
            question = _question(scans, parameters, limits, 0, is_ours)
            nothing = msgspec.structs.replace(question, up_to=0)
            calls[empty] = _Ask(msgspec.msgpack.encode(nothing), tuple(scans))
        answered = self._shards.ask_each(calls)
        for shard, answer in answered.answers:
            if answer.frame < (wanted := frames[self._names.index(shard.name)]):
                # Another server of its group may have told the moment.
                note_behind(shard.name, f"it shows frames to {answer.frame}, not to {wanted}")
        whole: dict[str, Gathered] = {}
        for name, scan in scans.items():
            parts = []
            types: tuple[str, ...] = ()
            for shard, answer in answered.answers:
                base = (last - self._names.index(shard.name)) << FRAME_BITS
                parts.append(_in_one_order(scan, answer.scans[name].rows, base))
                types = answer.scans[name].types
            try:
                whole[name] = Gathered(pa.concat_tables(parts), types)
            except pa.ArrowInvalid as error:
                who = ", ".join(shard.name for shard, _ in answered.answers)
                raise not_an_answer(f"the shards {who} answer with different columns") from error
        return whole

    def query_untrusted(self, sql: str, *, limits: QueryLimits) -> UntrustedAnswer:
        """See `Engine.query_untrusted`: over rows gathered for this statement alone.

        Raises:
            ClewError: TOO_LARGE when the rows that it reads are too many to be gathered.
        """
        self._untrusted.examine(sql, limits)
        ((tree, text),) = self.parse([sql])
        scans = scans_of(tree, text, self._tables, self.parse)
        if not scans:
            return super().query_untrusted(sql, limits=limits)
        text = without_database(tree, text, self.database, scans, self.parse)
        # Before it gathers: what waits for its turn holds nothing yet.
        with self._untrusted.turn():
            gathered = self._gather_for_user(scans, limits)

            def fill(client: Client) -> None:
                for name in scans:
                    _put(client, self._tables[name], gathered.pop(name).rows)

            return self._untrusted.run_apart(text, limits, fill)

    def _gather_for_user(
        self, scans: Mapping[str, Scan], limits: QueryLimits
    ) -> dict[str, Gathered]:
        walls = QueryLimits(limits.time_ms_max, limits.memory_bytes_max)
        try:
            gathered = self.gather(
                self.snapshot(), scans, limits=walls, rows_max=GATHERED_ROWS_MAX, is_ours=False
            )
        except ClewError as error:
            if error.code is not ErrorCode.TOO_LARGE:
                raise
            raise _too_many(error.message) from error
        rows = sum(found.rows.num_rows for found in gathered.values())
        if rows > GATHERED_ROWS_MAX:
            raise _too_many(f"the statement reads {rows} rows")
        return gathered

    def newest_frame(self, tables: Sequence[Table]) -> int:
        """Return 1 for whatever tables: a shard may have rows of any of them."""
        return 1

    def create(self, tables: Sequence[Table], kept: Mapping[str, int | None] | None = None) -> None:
        """Create the tables without their indexes, and never with rows: EXPLAIN looks at them."""
        with self._clients.borrow() as client, translated():
            client.command(create_database(self.database), use_database=False)
            for table in tables:
                client.command(create_bare_table(self.database, table))
        self._tables = {table.name: table for table in tables}
        self._untrusted.allow(self._tables)

    def retain(self, kept: Sequence[tuple[Table, int | None]]) -> None:
        """Nothing is kept here that could be dropped."""

    def insert(self, table: Table, rows: pa.Table, *, token: str) -> None:
        """Refuse: a tier keeps no rows."""
        raise refused_write(self._shards.shards)

    def drop_before(self, table: Table, at: int) -> int:
        """Nothing is kept here that could be dropped."""
        return 0

    def check(self) -> None:
        """Raise ClewError(UNAVAILABLE) unless a shard answers, and the engine here."""
        super().check()
        self._shards.ask_each(dict.fromkeys(self._names, _ask_frame))

    def _frames_of(self, snapshot: Snapshot) -> tuple[int, ...]:
        """Return up to which frame each shard is read: what a cursor says comes before the rest."""
        gathering = GATHERING.get()
        frames = snapshot.frames
        if gathering is not None and gathering.frames is not None and gathering.is_pinned:
            frames = gathering.frames
        assert frames is not None, "a snapshot of a tier has the frames of its shards"
        if gathering is None or not gathering.missing:
            return frames
        # Whoever was missing once is missing in the whole answer.
        return tuple(
            0 if name in gathering.missing else frame
            for name, frame in zip(self._names, frames, strict=True)
        )


@dataclass(frozen=True, slots=True)
class _Ask:
    """Asks a shard for scans."""

    body: bytes
    names: tuple[str, ...]

    def __call__(self, link: Link) -> ScanAnswer:
        asked = link.post(SCANS_PATH, self.body, MEDIA_TYPE, is_question=True)
        answer = decode_answer(asked.body)
        if answer.scans.keys() != set(self.names):
            raise not_an_answer("what came is the answer to other scans")
        return answer


def _put(client: Client, table: Table, rows: pa.Table) -> None:
    """Put rows into a table of the client's own session."""
    with translated():
        client.command(create_session_table(table))
        if rows.num_rows:
            batch = readable_rows(rows)  # noqa: F841 - the engine finds it by its name
            columns = ", ".join(map(quote_name, rows.column_names))
            client.command(
                f"INSERT INTO {quote_name(table.name)} ({columns})"
                f" SELECT {columns} FROM Python(batch)"
            )


def _too_many(why: str) -> ClewError:
    return ClewError(
        ErrorCode.TOO_LARGE,
        f"{why}, and a query tier gathers {GATHERED_ROWS_MAX} at most",
        hint="narrow it by WHERE over columns of one table, or ask one shard by its own address",
    )


def _ask_frame(link: Link) -> NewestFrame:
    return decode_frame(link.get(FRAMES_PATH).body)


def _question(
    scans: Mapping[str, Scan],
    parameters: Mapping[str, object] | None,
    limits: QueryLimits | None,
    base: int,
    is_ours: bool,
) -> ScanQuestion:
    bound = dict(parameters or {})
    lifted: Callable[[str], str] = _Lifted(bound).out_of if is_ours else str
    asked = []
    for name, scan in scans.items():
        columns = [
            column
            for each in scan.columns
            for column in (_every_column(scan.table) if each == "*" else (each,))
        ]
        where = rewritten(_FRAME_WORD, f"({FRAME} + {base})", scan.where) if base else scan.where
        asked.append(
            AskedScan(
                name=name,
                table=scan.table.name,
                # The name of a column without an alias is its text, so that one stays as it is.
                columns=[lifted(each) if " AS " in each else each for each in columns],
                where=lifted(where),
                order_by=scan.order_by,
                limit=scan.limit,
                # As the columns that say the same, or they would be other expressions.
                group_by=[lifted(each) for each in scan.group_by],
                rows=[lifted(each) for each in scan.rows],
            )
        )
    return ScanQuestion(
        asked,
        bound,
        memory_bytes_max=limits.memory_bytes_max if limits else 0,
    )


class _Lifted:
    """Takes long numbers (times, above all) out of a text and binds them.

    A shard remembers texts that it found sound, and with their times in them no two are alike.
    """

    def __init__(self, bound: dict[str, object]) -> None:
        self._bound = bound
        self._names: dict[str, str] = {}

    def out_of(self, text: str) -> str:
        return rewritten(_NUMBER, self._name, text)

    def _name(self, match: re.Match[str]) -> str:
        number = match[1]
        if int(number) > FRAME_LAST:
            return number
        name = self._names.setdefault(number, f"lifted_{len(self._names)}")
        self._bound[name] = int(number)
        return f"{{{name}:Int64}}"


def _every_column(table: Table) -> list[str]:
    return [quote_name(column.name) for column in table.columns]


def _in_one_order(scan: Scan, rows: pa.Table, base: int) -> pa.Table:
    """Return the rows of a shard, their frames put into the order over all shards."""
    if not base:
        return rows
    for column in scan.columns:
        match = _FRAME_COLUMN.fullmatch(column)
        if match is None and column != "*":
            continue
        name = (match[1] if match else None) or FRAME
        place = rows.schema.get_field_index(name)
        moved = pc.add(rows.column(place), pa.scalar(base, pa.uint64()))
        rows = rows.set_column(place, rows.schema.field(place), moved)
    return rows


def _as_they_were(found: Gathered) -> str:
    """Return the select list that gives columns of Arrow the engine's own types again."""
    items = []
    for name, kind in zip(found.rows.column_names, found.types, strict=True):
        quoted = quote_name(name)
        if kind in WIDE_TYPES:
            # Arrow has them as their bytes.
            items.append(f"reinterpretAs{kind}({quoted}) AS {quoted}")
        elif travels_as_text(kind) or _CAST.search(kind):
            items.append(f"CAST({quoted}, {quote_text(kind)}) AS {quoted}")
        else:
            items.append(quoted)
    return ", ".join(items)
