"""The store as one thing to open and close: engine, log, pipeline and registry of one folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from clew.access.registry import AccessRegistry
from clew.access.schema import SCHEMA as ACCESS
from clew.answers.correlate import StrandAnswers
from clew.answers.witnesses import FIELDS, TRACE_ID, StrandWitnesses
from clew.app.configuration.values import SQLITE
from clew.app.fingerprints import FingerprintDecoder, ReferenceLookup
from clew.app.lineages import LineageDecoder
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S
from clew.lineage.ingest.decoder import LinkDecoder
from clew.lineage.ingest.told import FRAME_MAX, LinkTally
from clew.lineage.leases.schema import SCHEMA as NODES
from clew.lineage.service import StoredLineages
from clew.lineage.tables import TABLES as LINEAGE
from clew.store.database.sqlite import SqliteDatabase
from clew.store.engine.foreign import ForeignScans
from clew.store.folder import FolderLock
from clew.store.log.history import History
from clew.store.log.options import LogOptions
from clew.store.pipeline import Pipeline, PipelineOptions, RecordKind
from clew.team.comments.schema import SCHEMA as COMMENTS
from clew.team.comments.service import TeamComments
from clew.team.comments.sharded import ShardedComments
from clew.team.ledger.schema import SCHEMA as LEDGER
from clew.team.sessions.schema import SCHEMA as SESSIONS
from clew.team.sessions.service import TeamSessions
from clew.team.sessions.sharded import ShardedSessions
from clew.telemetry.analytics.service import TelemetryAnalytics
from clew.telemetry.genai.prices import open_prices
from clew.telemetry.genai.service import TelemetryGenAi
from clew.telemetry.otlp.decode import open_decoder
from clew.telemetry.otlp.own import OwnDecoder
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.metrics.around import ServiceMetrics
from clew.telemetry.query.service import TelemetryQuery
from clew.telemetry.query.tagged import TaggedRecords
from clew.telemetry.tables import LOGS, METRICS, MIGRATIONS, TABLES, TRACES
from clew.telemetry.tables.own import OWN_GAUGE, OWN_SUM, OWN_TABLES, OWN_TRACES
from clew.tree.journal.schema import SCHEMA as JOURNAL
from clew.tree.known import KnownApps
from clew.tree.registry.schema import SCHEMA as TREE
from clew.tree.sharded import ShardedTree
from clew.twin.ingest.judge import ReferencePolicy
from clew.twin.ingest.presence import Presence
from clew.twin.migrations import MIGRATIONS as TWIN_MIGRATIONS
from clew.twin.query.participants import TraceObjects
from clew.twin.registries.book import RegistryBook
from clew.twin.registries.schema import SCHEMA as TWIN
from clew.twin.tables import EVENTS, SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from clew.answers.contract import Answers, AppSource
    from clew.app.configuration.settings import Configuration
    from clew.lineage.contract import Lineages
    from clew.remote.shards import Shards
    from clew.store.database.contract import Database
    from clew.store.decoder import Decoder
    from clew.store.engine.chdb import ChdbEngine
    from clew.store.engine.clickhouse import ClickHouseEngine
    from clew.store.engine.contract import Engine, Snapshot
    from clew.store.intake import RecordIntake
    from clew.store.replication.follower import Follower
    from clew.store.replication.leader import Leader
    from clew.store.table import Table
    from clew.team.comments.contract import Comments, CommentSharing
    from clew.team.sessions.contract import SessionSharing
    from clew.telemetry.analytics.contract import Analytics
    from clew.telemetry.genai.contract import GenAi
    from clew.telemetry.query.contract import QueryService

    StoredEngine = ChdbEngine | ClickHouseEngine

CODES: Final[Mapping[Signal, int]] = {Signal.TRACES: 16, Signal.LOGS: 17, Signal.METRICS: 18}
"""What stands in the log for each signal. Never change one: logs outlive programs."""

OWN_CODES: Final[Mapping[Signal, int]] = {Signal.METRICS: 20, Signal.TRACES: 21}
"""What stands in the log for what clew tells of itself."""

OWN_RETENTION_SECONDS: Final = 3 * 86_400
"""How long that is kept: from Friday's trouble to Monday's question about it."""

LINKS_CODE: Final = 19
"""What stands in the log for link sets."""

REGISTRY: Final = (ACCESS, COMMENTS, SESSIONS, LEDGER, TREE, JOURNAL, TWIN, NODES)
"""What the strands keep in the registry's database."""

STEPS: Final = (*MIGRATIONS, *TWIN_MIGRATIONS)
"""What brings the tables of an older store up to date, in order."""

STORED: Final = (*TABLES, EVENTS, SNAPSHOTS, *LINEAGE, *OWN_TABLES)
"""Every table of the engine, in the order they are created."""

SIGNALS_STORED: Final[Mapping[str, str]] = {
    TRACES.name: "traces",
    LOGS.name: "logs",
    **{table.name: "metrics" for table in METRICS},
    EVENTS.name: "events",
    SNAPSHOTS.name: "events",
    **{table.name: "links" for table in LINEAGE},
    **{table.name: "own" for table in OWN_TABLES},
}
"""Whose rows stand in each table, as Health tells their sizes."""

_TABLES: Final = {
    # What tells of lineage among spans and logs is so besides, in the same frame.
    Signal.TRACES: (TRACES, *LINEAGE),
    # What is a fingerprint among the logs is an event besides.
    Signal.LOGS: (LOGS, EVENTS, *LINEAGE),
    Signal.METRICS: METRICS,
}


@dataclass(frozen=True, slots=True)
class Membership:
    """A server's part in a group, for one opening; the folder's `lock` outlives it.

    `open_part` makes the part, which is told where the registry's rows come from. `engine` is one
    that is open over the folder already, with its tables.
    """

    lock: FolderLock
    open_part: Callable[[Callable[[], str]], Leader | Follower]
    engine: StoredEngine | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """An open store. `recovered_frames` were in the log and not yet in the engine at the start.

    `part` is what it is in a group of servers; then the folder's lock is kept by whoever opened it.
    """

    engine: StoredEngine
    pipeline: RecordIntake
    kinds: Mapping[Signal, RecordKind]
    own: Mapping[Signal, RecordKind]
    links: RecordKind
    recovered_frames: int
    lock: FolderLock
    database: Database
    access: AccessRegistry
    registries: RegistryBook
    told: LinkTally
    foreign: ForeignScans | None
    """Answers what query tiers ask; None on a tier."""
    shards: Shards | None
    """The shards of a query tier; None on a server that holds data."""
    part: Leader | Follower | None

    def snapshot(self) -> Snapshot:
        """Return what a query that starts now may see. From any thread."""
        return self.pipeline.snapshot()

    def flush(self) -> None:
        """Block until everything acknowledged so far is in the engine. Not on the event loop."""
        self.pipeline.flush()

    def retain(self) -> None:
        """Tell the engine how long rows are kept. Blocks; nothing else waits for it.

        Raises:
            ClewError: the engine did not take it; rows stay as long as they were to stay before.
        """
        self.engine.retain([*_lifetimes(self.kinds, self.own, self.links)])

    async def close(self, *, keeps_engine: bool = False) -> None:
        """Bring to the engine what can be brought, then let go of everything.

        An engine that is kept is for the next opening over the same folder.
        """
        await self.pipeline.close()
        self.access.audit.close()
        if not keeps_engine:
            self.engine.close()
        self.database.close()
        if self.part is None:
            self.lock.release()


def import_engine(configuration: Configuration) -> None:
    """Import what `open_store` will need, so that it spends its time in the engine's own code."""
    if configuration.store == "chdb":
        import chdb  # noqa: F401 - the client would import it later

        import clew.store.engine.chdb
    else:
        import clew.store.engine.clickhouse  # noqa: F401 - to have been imported


def open_store(configuration: Configuration, member: Membership | None = None) -> Store:
    """Open the store that the configuration names. Blocks; call it off the event loop.

    `member` is what it is in a group of servers, None for a server alone.

    Raises:
        ClewError: CONFLICT when another process has the data folder or the registry; what
            `PostgresDatabase.open` raises; UNAVAILABLE or FORBIDDEN when the folder, the registry
            or the engine is not to be had.
    """
    lock = FolderLock.acquire(configuration.data_dir) if member is None else member.lock
    engine: StoredEngine | None = None
    database: Database | None = None
    part: Leader | Follower | None = None
    shared: SqliteDatabase | None = None
    history = None
    try:
        if member is None:
            database = open_registry(configuration)
        else:
            history = History.read(configuration.data_dir / "log")
            database = shared = _open_shared(configuration, history)
            part = member.open_part(shared.origin)
        access = AccessRegistry.open(database, time.time_ns)
        presence = _open_presence(configuration)
        registries = RegistryBook.open(
            database, time.time_ns, presence, configuration.twin_references
        )
        if member is None:
            put_registries(registries, configuration)
        told = LinkTally()
        # While the log is read back nothing is new.
        told.pass_over(FRAME_MAX)
        kinds = declare_kinds(configuration, registries, presence, told)
        own = declare_own()
        links = declare_links(configuration)
        late = _LatePipeline()
        if member is not None and member.engine is not None:
            engine = member.engine
        else:
            engine = _open_engine(configuration, late)
            engine.create(
                STORED, {table.name: kept for table, kept in _lifetimes(kinds, own, links)}
            )
        if presence is not None:
            # Before the log is read back, which judges what it brings.
            presence.connect(engine)
        pipeline = Pipeline.open(
            configuration.data_dir,
            engine,
            [*kinds.values(), *own.values(), links],
            PipelineOptions(log=LogOptions(bytes_max=configuration.log_bytes_max)),
            lock=lock,
            history=history,
            changes=shared,
            part=part,
        )
        if shared is not None and part is not None and part.is_leader:
            assert history is not None, "a server of a group has read its log"
            tail = history.read_changes(history.acked, history.last)
            shared.lead(pipeline.record, tail)
        late.pipeline = pipeline
        told.pass_over(pipeline.acked)
        if presence is not None:
            presence.begin_forgetting()
        status = pipeline.status()
    except BaseException:
        if engine is not None:
            engine.close()
        if database is not None:
            database.close()
        if member is None:
            lock.release()
        raise
    recovered = status.acked - status.flushed
    return Store(
        engine=engine,
        pipeline=pipeline,
        kinds=kinds,
        own=own,
        links=links,
        recovered_frames=recovered,
        lock=lock,
        database=database,
        access=access,
        registries=registries,
        told=told,
        foreign=ForeignScans(engine, engine, STORED),
        shards=None,
        part=part,
    )


def open_service(store: Store) -> QueryService:
    """Return the one service that every surface asks."""
    return TelemetryQuery(store, time.time_ns)


def open_sessions(store: Store, sharing: SessionSharing) -> TeamSessions | ShardedSessions:
    """Return what was looked at, and found, in work sessions; `sharing` knows which are shared."""
    if store.shards is not None:
        return ShardedSessions(store.shards, time.time_ns)
    follows = store.part is not None and not store.part.is_leader
    return TeamSessions(store.database, time.time_ns, sharing, follows=follows)


def open_comments(
    store: Store, sessions: TeamSessions | ShardedSessions, sharing: CommentSharing
) -> Comments:
    """Return what people and agents say of traces and spans, which is a finding of a session."""
    if store.shards is not None:
        return ShardedComments(store.shards, time.time_ns)
    assert isinstance(sessions, TeamSessions), "sessions are kept where comments are"
    return TeamComments(store.database, time.time_ns, sessions, sharing)


def open_answers(store: Store, service: QueryService, comments: Comments) -> Answers:
    """Return what answers questions that take more than one strand."""
    apps, objects = _open_apps(store), TraceObjects(store)
    return StrandAnswers(service, ServiceMetrics(store), comments, apps, objects)


def open_lineages(store: Store, losses: Callable[[], Mapping[str, int]]) -> Lineages:
    """Return what answers which inputs made which output; `losses` are those of the doors."""
    records = TaggedRecords(store, TRACE_ID, FIELDS)
    witnesses = StrandWitnesses(records, _open_apps(store), TraceObjects(store))
    return StoredLineages(store, witnesses, losses, time.time_ns)


def _open_apps(store: Store) -> AppSource:
    """Return what knows the apps of the tree, for other strands."""
    if store.shards is not None:
        return ShardedTree(store.shards, time.time_ns)
    return KnownApps(store.database)


def open_analytics(store: Store, genai: GenAi) -> Analytics:
    """Return what answers questions about many records at once."""
    return TelemetryAnalytics(store, time.time_ns, genai)


def open_genai(store: Store, configuration: Configuration) -> GenAi:
    """Return what answers questions about agents, models and tools.

    Raises:
        ClewError: INVALID_ARGUMENT when the file of prices is not one.
    """
    return TelemetryGenAi(store, time.time_ns, open_prices(configuration.genai_prices))


def _open_presence(configuration: Configuration) -> Presence | None:
    return None if configuration.twin_references is ReferencePolicy.OFF else Presence()


def declare_kinds(
    configuration: Configuration,
    registries: RegistryBook,
    presence: Presence | None,
    told: LinkTally,
) -> dict[Signal, RecordKind]:
    """Return the kinds of record of the three signals."""
    retentions = {
        Signal.TRACES: configuration.retention_traces,
        Signal.LOGS: configuration.retention_logs,
        Signal.METRICS: configuration.retention_metrics,
    }
    return {
        signal: RecordKind(
            code=CODES[signal],
            name=signal.value,
            tables=_TABLES[signal],
            open_decoder=partial(
                _open_decoder,
                signal,
                registries,
                told,
                in_order=presence is not None,
                links_kept_seconds=configuration.retention_links,
            ),
            retention_seconds=retentions[signal],
            prepare=(
                ReferenceLookup(registries, presence)
                if presence is not None and signal is Signal.LOGS
                else None
            ),
        )
        for signal in Signal
    }


def _open_decoder(
    signal: Signal,
    registries: RegistryBook,
    told: LinkTally,
    *,
    in_order: bool,
    links_kept_seconds: int | None,
) -> Decoder:
    kept_ns = None if links_kept_seconds is None else links_kept_seconds * NS_PER_S
    match signal:
        case Signal.TRACES:
            return LineageDecoder.of_spans(open_decoder(signal), told, kept_ns=kept_ns)
        case Signal.LOGS:
            fingerprints = FingerprintDecoder(registries, in_order=in_order)
            return LineageDecoder.of_logs(fingerprints, told, kept_ns=kept_ns)
        case Signal.METRICS:
            return open_decoder(signal)


def _lifetimes(
    kinds: Mapping[Signal, RecordKind], own: Mapping[Signal, RecordKind], links: RecordKind
) -> Iterator[tuple[Table, int | None]]:
    """Yield for how many seconds the rows of each table stay, None for ever."""
    for kind in (*kinds.values(), *own.values(), links):
        for table in kind.tables:
            if table in LINEAGE and kind is not links:
                continue
            # Events go when a baseline stands for them, which the engine could not know.
            yield table, None if table is EVENTS else kind.retention_seconds


def declare_own() -> dict[Signal, RecordKind]:
    """Return the kinds of record that the server writes of itself."""
    tables = {Signal.TRACES: (OWN_TRACES,), Signal.METRICS: (OWN_GAUGE, OWN_SUM)}
    return {
        signal: RecordKind(
            code=code,
            name=f"own-{signal.value}",
            tables=tables[signal],
            open_decoder=partial(OwnDecoder, signal),
            retention_seconds=OWN_RETENTION_SECONDS,
        )
        for signal, code in OWN_CODES.items()
    }


def declare_links(configuration: Configuration) -> RecordKind:
    """Return the kind of record that link sets are."""
    return RecordKind(
        code=LINKS_CODE,
        name="links",
        tables=LINEAGE,
        open_decoder=LinkDecoder,
        retention_seconds=configuration.retention_links,
    )


def put_registries(book: RegistryBook, configuration: Configuration) -> None:
    """Put the registries of files among those that the twin knows. Blocks.

    Raises:
        ClewError: a file cannot be read or holds no registry, or it could not be kept.
    """
    for file in configuration.twin_registries:
        try:
            book.put(file.read_bytes(), f"file {file.name}").result()
        except OSError as error:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"cannot read {file}: {error.strerror}",
                hint="--twin-registries names files that `clew registry export` writes",
            ) from error
        except ClewError as error:
            raise ClewError(error.code, f"{file}: {error.message}", hint=error.hint) from error


def _open_shared(configuration: Configuration, history: History) -> SqliteDatabase:
    """Open the registry of a server of a group, with what its log has and it has not."""
    return SqliteDatabase.open(
        configuration.data_dir,
        REGISTRY,
        changes=lambda after: history.read_changes(after, history.acked),
    )


def _settle_shared(configuration: Configuration) -> None:
    """Give a registry that was one of a group what its server's log has and it lacks."""
    history = History.read(configuration.data_dir / "log")
    SqliteDatabase.open(
        configuration.data_dir,
        REGISTRY,
        changes=lambda after: history.read_changes(after, history.last),
    ).close()


class _LatePipeline:
    """Stands for the pipeline that the engine needs and that needs the engine."""

    def __init__(self) -> None:
        self.pipeline: Pipeline | None = None

    def flush(self) -> None:
        assert self.pipeline is not None, "nothing is read before the pipeline is open"
        self.pipeline.flush()


def open_registry(configuration: Configuration) -> Database:
    """Return the registry that the configuration names. The caller holds the folder's lock. Blocks.

    Raises:
        ClewError: as `open_store`.
    """
    if configuration.registry == SQLITE:
        if SqliteDatabase.was_shared(configuration.data_dir):
            _settle_shared(configuration)
        return SqliteDatabase.open(configuration.data_dir, REGISTRY)
    from clew.store.database.postgres.database import PostgresDatabase

    return PostgresDatabase.open(configuration.registry, REGISTRY)


def open_tables(configuration: Configuration) -> Engine:
    """Open the engine alone, with empty tables where there are none. Blocks.

    Raises:
        ClewError: as `open_store`.
    """
    engine = _open_engine(configuration, _LatePipeline())
    engine.create(STORED)
    return engine


def _open_engine(configuration: Configuration, late: _LatePipeline) -> StoredEngine:
    if configuration.store == "chdb":
        from clew.store.engine.chdb import ChdbEngine

        return ChdbEngine(_engine_folder(configuration.data_dir), migrations=STEPS)
    from clew.store.engine.clickhouse import ClickHouseEngine

    return ClickHouseEngine(configuration.store, flush=late.flush, migrations=STEPS)


def _engine_folder(data_dir: Path) -> Path:
    return data_dir / "store"
