"""Our query service over a store, in this process, opened as the server opens it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clew.app import store as app_store
from clew.app.configuration import Configuration
from clew.app.machine import keep_large_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clew.telemetry.query.contract import QueryService


@contextmanager
def open_service(folder: Path) -> Iterator[QueryService]:
    """Open a data folder and lend its query service; nothing is ever too old to be kept."""
    keep_large_blocks()
    configuration = Configuration(
        data_dir=folder, retention_traces=None, retention_logs=None, retention_metrics=None
    )
    store = app_store.open_store(configuration)
    try:
        yield app_store.open_service(store)
    finally:
        asyncio.run(store.close())
