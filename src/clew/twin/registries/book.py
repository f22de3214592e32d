"""The one place that keeps registries, and judges events by them."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

import msgspec

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.base.times import format_time
from clew.twin import attributes as names
from clew.twin import documents as doc
from clew.twin.events import EventType, Order
from clew.twin.ingest.judge import Judgement, ReferencePolicy, Verdict
from clew.twin.registries.shelf import Shelf
from clew.twin.schema.codec import encode_registry, parse_registry
from clew.twin.schema.comparison import compare, find_contradictions
from clew.twin.state.selection import Subject
from clew.twin.validation.issues import Issue, IssueCode, Severity
from clew.twin.validation.validator import LogValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from clew.store.database.contract import Database, Reading, Transaction, Value
    from clew.twin.ingest.fingerprint import Fingerprint
    from clew.twin.ingest.presence import Presence
    from clew.twin.ingest.record import LogRecord
    from clew.twin.registries.shelf import Volume
    from clew.twin.schema.comparison import Difference
    from clew.twin.schema.values import RegistrySchema

REGISTRIES_MAX: Final = 1000
"""Versions that are kept: years of releases. Each is in memory, some 20 KB for a dozen types."""

_NAME_CHARS_SHOWN: Final = 100
"""How much of a name that nobody knows an error repeats."""

_MISSING_ID: Final = Issue(
    Severity.ERROR,
    IssueCode.MISSING_OBJ_ID,
    "the event names a type and no object of it",
    "trilog.obj.id",
    "an id",
)


class RegistryBook:
    """Registries in the registry's database, and as a `Shelf` in memory. Safe from any thread.

    Implements `clew.twin.ingest.judge.Judge`. With a `presence` it holds references to it, too.
    """

    def __init__(
        self,
        database: Database,
        now: Callable[[], int],
        shelf: Shelf,
        presence: Presence | None = None,
        references: ReferencePolicy = ReferencePolicy.WARN,
    ) -> None:
        self._database = database
        self._now = now
        self._shelf = shelf
        self._presence = presence
        self._references = references
        self._counting = threading.Lock()
        self._judged: Counter[Verdict] = Counter()

    @classmethod
    def open(
        cls,
        database: Database,
        now: Callable[[], int],
        presence: Presence | None = None,
        references: ReferencePolicy = ReferencePolicy.WARN,
    ) -> Self:
        """Read the registries that are kept; `now` gives Unix nanoseconds. Blocks."""
        book = cls(database, now, Shelf.of(database.read(_read_all)), presence, references)
        database.watch(["twin_registries"], book._read_anew)
        return book

    @property
    def shelf(self) -> Shelf:
        """The registries as they are now."""
        return self._shelf

    def put(self, text: bytes, by: str) -> Future[doc.RegistryStored]:
        """Keep a registry and let it count from now on; durable when the future is done.

        The same once more changes nothing but which version is current.

        Raises:
            ClewError: what `parse_registry` raises, at the call; TOO_LARGE, in the future, when
                there are `REGISTRIES_MAX` others.
        """
        registry = parse_registry(text)

        def work(writing: Transaction) -> doc.RegistryStored:
            stored = _store(writing, registry, by, self._now())
            # In the writer, whose order is that of the versions.
            self._shelf = Shelf.of(_read_all(writing))
            return stored

        future = self._database.submit(work)
        future.add_done_callback(self._take_back)
        return future

    def _read_anew(self) -> None:
        """Judge by what another server was given."""
        self._shelf = Shelf.of(self._database.read(_read_all))

    def _take_back(self, future: Future[doc.RegistryStored]) -> None:
        """Forget what did not become durable."""
        if not future.cancelled() and future.exception() is not None:
            self._shelf = Shelf.of(self._database.read(_read_all))

    def get(self, checksum: str) -> bytes:
        """Return the file of a registry.

        Raises:
            ClewError: NOT_FOUND.
        """
        volume = self._shelf.volumes.get(checksum)
        if volume is None:
            raise ClewError(
                ErrorCode.NOT_FOUND,
                "there is no such registry",
                hint="`clew registry list` shows those that there are",
            )
        return encode_registry(volume.index.registry)

    def find_current(self, name: str | None = None) -> bytes:
        """Return the file of the newest registry, or of the newest of a name.

        Raises:
            ClewError: NOT_FOUND.
        """
        for volume in reversed(tuple(self._shelf.volumes.values())):
            if name is None or volume.index.registry.name == name:
                return encode_registry(volume.index.registry)
        raise ClewError(
            ErrorCode.NOT_FOUND,
            "there is no registry"
            + (f" of the name {shorten(name, _NAME_CHARS_SHOWN)!r}" if name else ""),
            hint="give the server one: `clew registry push registry.json`",
        )

    def list(self) -> doc.RegistryList:
        """Return every version that is kept, the newest first."""
        rows = self._database.read(
            lambda reading: reading.rows(
                "SELECT checksum, name, version, objects, processes, stored_at, stored_by"
                " FROM twin_registries ORDER BY given_at DESC, checksum"
            )
        )
        seen: set[str] = set()
        registries = []
        for row in rows:
            row["stored_at"] = format_time(row["stored_at"])
            row["is_current"] = row["name"] not in seen
            seen.add(row["name"])
            registries.append(doc.RegistryVersion(**row))
        count = len(registries)
        return doc.RegistryList(registries=registries, count=count, total=count, truncated=False)

    def find_prefix(self, obj_type: str, checksum: str) -> str | None:
        """Return the prefix of a type, None when no registry knows it."""
        known = self._shelf.find_type(obj_type, checksum)
        return None if known is None else known.prefix

    def count_judged(self) -> dict[str, int]:
        """Return how many events were judged since the start, by verdict."""
        with self._counting:
            return {verdict.value: self._judged[verdict] for verdict in Verdict}

    def judge(self, record: LogRecord, fingerprint: Fingerprint) -> Judgement:
        """Return whether an event may count.

        It is held to the registry that it names, else to the one that describes its type now. A
        type that none describes counts as it is; where there are registries, that is told.
        """
        judgement = self._judge(record, fingerprint)
        with self._counting:
            self._judged[judgement.verdict] += 1
        if self._presence is not None and judgement.verdict is not Verdict.REJECTED:
            place = Order(record.at, fingerprint.seq, fingerprint.event_id)
            self._presence.tell(_subject_of(fingerprint), fingerprint.type, place)
        return judgement

    def find_references(self, record: LogRecord) -> set[Subject]:
        """Return the objects that an event refers to, as far as a registry tells."""
        texts = record.texts
        obj_type = texts.get(names.OBJ_TYPE) or texts.get(names.PROCESS_TYPE) or ""
        checksum = texts.get(names.REGISTRY_CHECKSUM, "")
        volume = self._shelf.find_volume(obj_type, checksum)
        found: set[Subject] = set()
        if volume is not None:

            def note(target_type: str, target_id: str) -> bool:
                if target_type:
                    found.add(Subject(target_type, target_id))
                return True

            LogValidator(volume.index, exists=note).validate(texts)
        return found

    def _judge(self, record: LogRecord, fingerprint: Fingerprint) -> Judgement:
        if not fingerprint.obj_id:
            return Judgement(Verdict.REJECTED, _write_issues([_MISSING_ID]))
        shelf = self._shelf
        volume = shelf.find_volume(fingerprint.obj_type, fingerprint.checksum)
        if volume is None:
            return _judge_stranger(fingerprint) if shelf.volumes else Judgement()
        validator = self._validator_of(volume, fingerprint)
        issues = validator.validate(record.texts, at=record.at, now=record.received).issues
        if not issues:
            return Judgement()
        if self._references is ReferencePolicy.REJECT:
            issues = tuple(_hardened(each) for each in issues)
        is_valid = all(each.severity is not Severity.ERROR for each in issues)
        verdict = Verdict.WARNED if is_valid else Verdict.REJECTED
        return Judgement(verdict, _write_issues(issues))

    def _validator_of(self, volume: Volume, fingerprint: Fingerprint) -> LogValidator:
        """Return what an event is checked by: references, too, where they are to be."""
        presence = self._presence
        if presence is None:
            return volume.validator
        # What speaks of an object makes it known, to itself first of all.
        own = _subject_of(fingerprint) if fingerprint.type is not EventType.DELETED else None

        def exists(target_type: str, target_id: str) -> bool:
            target = Subject(target_type, target_id)
            # What is unknown, or says no type to look for, is not held against the event.
            return not target_type or target == own or presence.exists(target) is not False

        return LogValidator(volume.index, exists=exists)


def _subject_of(fingerprint: Fingerprint) -> Subject:
    return Subject(fingerprint.obj_type, fingerprint.obj_id)


def _hardened(issue: Issue) -> Issue:
    is_dangling = issue.code is IssueCode.DANGLING_REFERENCE
    return replace(issue, severity=Severity.ERROR) if is_dangling else issue


def _judge_stranger(fingerprint: Fingerprint) -> Judgement:
    issue = Issue(
        Severity.WARNING,
        IssueCode.UNKNOWN_OBJECT_TYPE,
        "no registry of the server describes the type",
        "trilog.obj.type",
        "a type of a registry",
        fingerprint.obj_type,
    )
    return Judgement(Verdict.WARNED, _write_issues([issue]))


def _write_issues(issues: Iterable[Issue]) -> str:
    return msgspec.json.encode([issue.to_dict() for issue in issues]).decode()


def _store(writing: Transaction, registry: RegistrySchema, by: str, now: int) -> doc.RegistryStored:
    known = {each.checksum: each for each in _read_all(writing)}
    before = next((k for k in reversed(known.values()) if k.name == registry.name), None)
    is_new = registry.checksum not in known
    if is_new and len(known) >= REGISTRIES_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"{len(known)} versions of registries are kept, which is as many as may be",
            hint="push a registry when it changed, not at every start",
        )
    # Two in one nanosecond have an order all the same.
    (last,) = writing.rows("SELECT max(given_at) AS at FROM twin_registries")
    row: dict[str, Value] = {
        "checksum": registry.checksum,
        "name": registry.name,
        "version": registry.version,
        "body": encode_registry(registry).decode(),
        "objects": len(registry.objects),
        "processes": len(registry.processes),
        "now": max(now, (last["at"] or 0) + 1),
        "stored_by": by,
    }
    if is_new:
        writing.run(
            "INSERT INTO twin_registries (checksum, name, version, body, objects, processes,"
            " stored_at, stored_by, given_at) VALUES (:checksum, :name, :version, :body, :objects,"
            " :processes, :now, :stored_by, :now)",
            row,
        )
    else:
        writing.run(
            "UPDATE twin_registries SET given_at = :now WHERE checksum = :checksum",
            {"checksum": registry.checksum, "now": row["now"]},
        )
    differences = compare(before, registry) if before is not None else []
    others = {each.name: each for each in known.values() if each.name != registry.name}
    return doc.RegistryStored(
        name=registry.name,
        version=registry.version,
        checksum=registry.checksum,
        created=is_new,
        breaking=[
            *(_tell(each) for each in differences if each.is_breaking),
            *(
                f"{each.path}: {other.name} describes it otherwise: {each.message}"
                for other in others.values()
                for each in find_contradictions(other, registry)
            ),
        ],
        compatible=[_tell(each) for each in differences if not each.is_breaking],
    )


def _tell(difference: Difference) -> str:
    return f"{difference.path}: {difference.message}"


def _read_all(reading: Reading) -> list[RegistrySchema]:
    """Return every registry, the ones that were given last standing last."""
    rows = reading.rows("SELECT body FROM twin_registries ORDER BY given_at, checksum")
    return [parse_registry(row["body"].encode()) for row in rows]
