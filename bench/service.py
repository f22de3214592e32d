"""Our services over a store, in this process, opened as the server opens them."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew.app import store as app_store
from clew.app.configuration.settings import Configuration
from clew.app.machine import keep_large_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clew.telemetry.analytics.contract import Analytics
    from clew.telemetry.query.contract import QueryService


@dataclass(frozen=True, slots=True)
class Services:
    """What answers the questions."""

    query: QueryService
    analytics: Analytics


@contextmanager
def open_services(folder: Path) -> Iterator[Services]:
    """Open a data folder and lend its services; nothing is ever too old to be kept."""
    keep_large_blocks()
    configuration = Configuration(
        data_dir=folder, retention_traces=None, retention_logs=None, retention_metrics=None
    )
    store = app_store.open_store(configuration)
    try:
        genai = app_store.open_genai(store, configuration)
        yield Services(app_store.open_service(store), app_store.open_analytics(store, genai))
    finally:
        asyncio.run(store.close())
