"""Starting processes as children of an app: announced first, told who they are, watched to the end.

Only processes that were started here are ever signalled.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError
from clew.tree.frames.info import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.context import SpawnContext

    from clew.tree.client.aio import AsyncTrailsClient
    from clew.tree.client.client import TrailsClient
    from clew.tree.frames.info import TrailsConfig

    Options = dict[str, Any]
    """What `subprocess.Popen`, or asyncio's kin of it, takes besides the arguments."""

# Between asking a process to end and making it: what `clew exec` gives as well.
TERM_S: Final = 10.0

NOT_STARTED: Final = "it was not started"


@dataclass(slots=True)
class Launched:
    """A process that was started as a child; `config` is None without a tree."""

    process: subprocess.Popen[Any]
    config: TrailsConfig | None

    def end(self, timeout_s: float = TERM_S) -> None:
        """End the process if it still runs: TERM, and KILL when that does not help. Blocks."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class LaunchedAsync:
    """The same for a process of asyncio's."""

    process: asyncio.subprocess.Process
    config: TrailsConfig | None

    async def end(self, timeout_s: float = TERM_S) -> None:
        """End the process if it still runs: TERM, and KILL when that does not help."""
        if self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(timeout_s):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def child_environment(
    config: TrailsConfig | None, environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment in which a child is started: this process's, or the one given."""
    told = dict(os.environ if environ is None else environ)
    # Without a config the child is not in the tree; it must not take itself for its parent.
    told.pop(VARIABLE, None)
    if config is not None:
        told[VARIABLE] = config.encode()
    return told


def program_name(arguments: Sequence[Any]) -> str:
    """Return what a child is called when nobody says otherwise."""
    return Path(os.fspath(arguments[0])).name if arguments else "process"


def launch(
    client: TrailsClient, arguments: Sequence[Any], name: str | None, tags: Any, options: Options
) -> Launched:
    """Announce a child and start its process. Blocks until the server has the child durably.

    Raises:
        ClewError: the server does not want the child, or does not answer.
        OSError: the process cannot be started; the child is taken back.
    """
    config = None
    if client.config is not None:
        config = client.spawn(name or program_name(arguments), tags=tags)
    environment = child_environment(config, options.pop("env", None))
    try:
        process = subprocess.Popen(  # noqa: S603 - the program itself says what to start
            [os.fspath(each) for each in arguments], env=environment, **options
        )
    except OSError:
        if config is not None:
            withdraw(client, config)
        raise
    return Launched(process, config)


async def launch_async(
    client: AsyncTrailsClient,
    arguments: Sequence[Any],
    name: str | None,
    tags: Any,
    options: Options,
) -> LaunchedAsync:
    """Announce a child and start its process; as `launch`.

    Raises:
        ClewError: the server does not want the child, or does not answer.
        OSError: the process cannot be started; the child is taken back.
    """
    config = None
    if client.config is not None:
        config = await client.spawn(name or program_name(arguments), tags=tags)
    environment = child_environment(config, options.pop("env", None))
    try:
        process = await asyncio.create_subprocess_exec(
            *[os.fspath(each) for each in arguments], env=environment, **options
        )
    except OSError:
        if config is not None:
            with contextlib.suppress(ClewError):
                await client.cancel(config.app_id, reason=NOT_STARTED)
        raise
    return LaunchedAsync(process, config)


class ChildPool(ProcessPoolExecutor):
    """A pool whose worker processes are children of an app, each announced before it starts.

    The workers are fresh interpreters: a fork would share what their parent's threads hold.
    """

    def __init__(
        self,
        client: TrailsClient,
        workers: int,
        name: str,
        initializer: Callable[..., None] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        import multiprocessing

        context: SpawnContext = multiprocessing.get_context("spawn")
        self._client = client
        self._configs = context.SimpleQueue()
        for number in range(1, workers + 1):
            if client.config is not None:
                self._configs.put(client.spawn(f"{name}-{number}"))
        super().__init__(
            workers,
            mp_context=context,
            initializer=_begin_worker,
            initargs=(self._configs, context.Lock(), initializer, initargs),
        )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut down, and take back the children whose process was never needed."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        while not self._configs.empty():
            withdraw(self._client, self._configs.get())


def withdraw(client: TrailsClient, config: TrailsConfig) -> None:
    """Take back a child that was announced and will not start."""
    # Whatever keeps it from that, the server counts it as failed to start after its deadline.
    with contextlib.suppress(ClewError):
        client.cancel(config.app_id, reason=NOT_STARTED)


def _begin_worker(
    configs: Any, lock: Any, initializer: Callable[..., None] | None, initargs: tuple[Any, ...]
) -> None:
    """Let a worker process join as one of the children that were announced for it."""
    from clew.tree.client.client import TrailsClient

    with lock:
        config: TrailsConfig | None = None if configs.empty() else configs.get()
    os.environ.pop(VARIABLE, None)
    os.environ.update(child_environment(config, {}))
    TrailsClient.init()
    if initializer is not None:
        initializer(*initargs)
