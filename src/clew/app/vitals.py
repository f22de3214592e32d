"""What the server watches of itself, put together from its store and its configuration."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from clew.app.configuration.values import SQLITE
from clew.app.store import OWN_RETENTION_SECONDS, SIGNALS_STORED, STORED
from clew.store.database.sqlite import FILE_NAME
from clew.store.database.writer import WriterOptions
from clew.surfaces.health.losses import LossBook
from clew.surfaces.health.machine import size_of
from clew.surfaces.health.questions import SlowQuestions
from clew.surfaces.health.storage import StorageMeter
from clew.surfaces.health.vitals import Vitals

if TYPE_CHECKING:
    from clew.app.configuration.settings import Configuration
    from clew.app.store import Store

_REGISTRY_FILES: Final = (FILE_NAME, f"{FILE_NAME}-wal")


def open_vitals(configuration: Configuration, store: Store, *, leads: bool) -> Vitals:
    """Return what is watched; the doors add the rates that hold at them.

    A server that takes no records in records none of itself: a standby, and a query tier.
    """
    records = leads and store.shards is None
    files = tuple(configuration.data_dir / name for name in _REGISTRY_FILES)
    is_here = configuration.registry == SQLITE
    return Vitals(
        started_at=time.time_ns(),
        data_dir=configuration.data_dir,
        questions=SlowQuestions(configuration.slow_question_ms),
        losses=LossBook(),
        storage=StorageMeter(
            lambda: store.engine.measure(STORED),
            SIGNALS_STORED,
            lambda: size_of(files) if is_here else None,
            time.time_ns,
        ),
        registry_queue_max=WriterOptions().queue_max,
        own_seconds=configuration.own_telemetry if records else None,
        own_retention_seconds=OWN_RETENTION_SECONDS,
    )
