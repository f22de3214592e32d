"""The life of a server: open, serve until a signal, drain, close.

``python -m clew.app.server`` runs one that is configured by environment and file alone.

Order matters at both ends. Addresses are taken first, so that a busy port is told at once; the
store opens in a thread, by then in the engine's own code, while the web libraries are imported
beside it. At the end the doors close
first: whoever was answered is durable, whoever was not will send again; only then the pipeline
brings to the engine what it can, and the engine closes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from clew.app.configuration.exposure import check_exposure, is_registry_guarded
from clew.app.configuration.group import check_group
from clew.app.configuration.load import load
from clew.app.machine import (
    do_without_algebra,
    do_without_pandas,
    keep_large_blocks,
    let_go_of_code,
    raise_descriptor_limit,
)
from clew.app.sockets import Sockets, take
from clew.app.streams import hold_streams
from clew.base.errors import ClewError, ErrorCode
from clew.lineage.transport.receiver import DatagramReceiver
from clew.surfaces.cli.errors import print_error

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence
    from tempfile import TemporaryDirectory

    from clew.app.configuration.settings import Configuration
    from clew.app.configuration.values import Address
    from clew.app.sockets import Addresses
    from clew.app.store import Store

logger = logging.getLogger(__name__)

OK: Final = 0
FAILED: Final = 1

_CODES: Final = {ErrorCode.INVALID_ARGUMENT: 3, ErrorCode.FORBIDDEN: 5}
"""Exit codes of a server that does not start: as those of every command."""

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

COLLECT_OBJECTS: Final = 5_000
"""New objects before the collector looks at them. A commit makes a thousand rows that are gone with
it: at Python's own 700 they were looked at while they were needed, a twelfth of the time of the
thread that writes."""

SWITCH_S: Final = 0.001
"""How long a thread waits for the interpreter before it is given it. The thread that writes the
registry gives it back around each statement, some twenty times for a commit: with Python's own 5 ms
a commit under load took 10 to 25 ms more than the disk, and everybody waits for commits."""


def serve(configuration: Configuration, *, warnings: Sequence[str] = ()) -> int:
    """Run a server until SIGTERM or SIGINT, and return the exit code of the process.

    Blocks; call it from the main thread. A second signal ends the process at once. Problems are
    told on stderr. Leave by `leave` afterwards: the engine's threads do not survive the teardown of
    the interpreter well.
    """
    # What a start makes stays; to look through it again and again takes a twentieth of the start.
    gc.disable()
    _configure_logging()
    keep_large_blocks()
    do_without_algebra()
    do_without_pandas()
    sys.setswitchinterval(SWITCH_S)
    raise_descriptor_limit()
    scratch = None
    try:
        check_group(configuration)
        if configuration.shards:
            from clew.app.tier import open_scratch, tier_configuration

            scratch = open_scratch()
            configuration = tier_configuration(configuration, Path(scratch.name))
        # Told before anything is made, and before a log is read back.
        check_exposure(configuration, is_guarded=is_registry_guarded(configuration))
        sockets, troubles = _take_sockets(configuration)
        import uvloop

        told = [*warnings, *map(_tell, troubles)]
        uvloop.run(_live(configuration, sockets, told, scratch))
    except ClewError as error:
        print_error(error)
        return _CODES.get(error.code, FAILED)
    return OK


def leave(code: int) -> NoReturn:
    """End the process without the teardown of the interpreter."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _tell(error: ClewError) -> str:
    return error.message if error.hint is None else f"{error.message}; {error.hint}"


def _configure_logging() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("clew").setLevel(logging.INFO)
    # Every malformed request would be a line of somebody else's choosing.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def _take_sockets(configuration: Configuration) -> tuple[Sockets, list[ClewError]]:
    troubles = []
    http = take(configuration.http, "--http")
    optional: dict[str, socket.socket | None] = {"otlp_http": None, "trails": None}
    for name in optional:
        address: Address | None = getattr(configuration, name)
        if address is None:
            continue
        try:
            optional[name] = take(address, "--" + name.replace("_", "-"))
        except ClewError as error:
            troubles.append(error)
    links = []
    for place in configuration.links:
        try:
            links.append(DatagramReceiver(place))
        except ClewError as error:
            hint = "choose another address with --links, or end what has it"
            troubles.append(ClewError(error.code, error.message, hint=hint))
    return Sockets(http, optional["otlp_http"], optional["trails"], tuple(links)), troubles


async def _live(
    configuration: Configuration,
    sockets: Sockets,
    warnings: list[str],
    scratch: TemporaryDirectory[str] | None,
) -> None:
    stop = asyncio.Event()
    _listen_for_signals(stop)
    if configuration.standby:
        await _live_in_group(configuration, sockets, warnings, stop)
        return
    from clew.app.store import import_engine, open_service, open_store

    # Two threads that import would only take turns, and the engine would open after both.
    import_engine(configuration)
    opener: Callable[[], Store] = functools.partial(open_store, configuration)
    if scratch is not None:
        from clew.app.tier import open_tier

        opener = functools.partial(open_tier, configuration, scratch)
    opening = asyncio.get_running_loop().run_in_executor(None, opener)
    from clew.app.doors import Doors, import_doors

    import_doors(configuration)
    store = await opening
    if scratch is None:
        warnings = [*warnings, *_find_former_group(configuration.data_dir)]
    service = open_service(store)
    try:
        check_exposure(configuration, is_guarded=store.access.keys.is_guarding)
        doors = Doors(configuration, store, service, sockets)
        try:
            addresses, troubles = await doors.open()
            _announce(configuration, store, addresses, [*warnings, *map(_tell, troubles)])
            _collect_what_comes()
            await _retain(store)
            doors.twin.open()
            store.access.audit.prune()
            await asyncio.to_thread(let_go_of_code)
            await stop.wait()
            logger.info("closing: waiting for running requests")
        finally:
            await doors.close()
    finally:
        await store.close()
    logger.info("closed")


def _find_former_group(folder: Path) -> Iterator[str]:
    """Warn where a folder of a group is served alone: a flag may have been forgotten."""
    from clew.store.replication.standing import Standing

    standing = Standing.find(folder)
    if standing is None or standing.group is None:
        return
    led = "this server" if standing.is_leading else standing.leader_url or "another server"
    yield (
        f"this folder is of a group of servers, last led by {led} under epoch {standing.epoch}; "
        "without --standby nobody else has what is written here from now on, and it is put aside "
        "when this server follows again"
    )


async def _live_in_group(
    configuration: Configuration, sockets: Sockets, warnings: list[str], stop: asyncio.Event
) -> None:
    """Serve as one server of several, in one role after another."""
    from clew.app.group.roles import serve_in_group

    def announce(store: Store, addresses: Addresses, troubles: list[ClewError]) -> None:
        _announce(configuration, store, addresses, [*warnings, *map(_tell, troubles)])
        _collect_what_comes()
        let_go_of_code()

    await serve_in_group(configuration, sockets, stop, announce)
    logger.info("closed")


def _collect_what_comes() -> None:
    """Collect garbage from now on, and never look at what is here already, modules above all.

    A whole collection that did would hold everything up for some 15 ms.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_OBJECTS, *gc.get_threshold()[1:])
    gc.enable()


async def _retain(store: Store) -> None:
    """Set how long rows are kept: a tenth of a second that no client has to wait for."""
    try:
        await asyncio.to_thread(store.retain)
    except ClewError as error:
        logger.warning("the retention was not set: %s", _tell(error))


def _listen_for_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def hear(number: int) -> None:
        if stop.is_set():
            leave(128 + number)
        stop.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, hear, number)


def _announce(
    configuration: Configuration, store: Store, addresses: Addresses, warnings: list[str]
) -> None:
    from clew.app.banner import write_banner
    from clew.telemetry.otlp.decode import DecoderName, decoder_name

    decoder = decoder_name()
    if decoder is DecoderName.REFERENCE:
        warnings.append(
            "the Python decoder is in use, some 60 times slower than the native one; "
            "install clew-native (with a Rust toolchain, make setup builds it)"
        )
    damaged = store.pipeline.status().damaged_frames
    if damaged:
        warnings.append(f"up to {damaged} requests in the log were damaged; its files are kept")
    if configuration.insecure and not store.access.keys.is_guarding:
        warnings.append("--insecure: whoever reaches these addresses may read and write")
    banner = write_banner(
        configuration,
        addresses,
        decoder=decoder.value,
        recovered_frames=store.recovered_frames,
        warnings=warnings,
        standing=None if store.part is None else store.part.standing,
    )
    sys.stderr.write(banner)
    sys.stderr.flush()
    if configuration.ready_fd:
        _tell_starter(configuration.ready_fd, addresses)


def _tell_starter(descriptor: int, addresses: Addresses) -> None:
    """Write the addresses as one JSON line to whoever started us and waits for it."""
    doors = dataclasses.asdict(addresses)
    ready = {door: address for door, address in doors.items() if address is not None}
    with os.fdopen(descriptor, "w") as stream:
        stream.write(json.dumps(ready) + "\n")


def main() -> NoReturn:
    """Serve by environment and file alone; for programs that start a server."""
    hold_streams()
    try:
        loaded = load()
    except ClewError as error:
        sys.stderr.write(f"clew: {_tell(error)}\n")
        leave(_CODES.get(error.code, FAILED))
    leave(serve(loaded.configuration, warnings=loaded.warnings))


if __name__ == "__main__":
    main()
