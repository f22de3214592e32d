"""`clew exec`: one command, from its announcement to its exit code.

Theory of operation. This process is the agent: one event loop, in which the command's end, signals,
the connection and the mailbox are events. The tree never stands in the way of the command: without
a server it runs all the same, with its own stdin, stdout and stderr, and its own exit code.

Who ends it: the server orders TERM and later KILL (a cancel), each for all that the command has
started. When this process itself gets a SIGTERM, or the time given runs out, it does the same by
its own clock: TERM, grace, KILL. After such an end nothing may be left, and only then the exit is
reported; after an end of its own, what the command left running stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS
from clew.tree.agent import process
from clew.tree.agent.announcing import PASSING
from clew.tree.agent.cgroup import make_cgroup
from clew.tree.agent.group import wait_for_ends
from clew.tree.agent.link import AgentLink
from clew.tree.agent.mailbox import Mailbox
from clew.tree.agent.output import Output
from clew.tree.agent.speaking import AGENT_VARIABLE
from clew.tree.agent.terminal import find_controlling_terminal, find_terminal
from clew.tree.client.ending import SUPERVISED
from clew.tree.client.identity import describe_process
from clew.tree.client.outbox import Entry
from clew.tree.frames.fields import PROCESS_CHARS_MAX, MessageKind
from clew.tree.frames.info import VARIABLE
from clew.tree.frames.outbound import ProcessSignal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from clew.tree.agent.announcing import Announcement
    from clew.tree.agent.cgroup import Cgroup
    from clew.tree.agent.progress import ProgressReader
    from clew.tree.agent.speaking import Saying
    from clew.tree.agent.terminal import Terminal
    from clew.tree.frames.inbound import ProcessInfo

# How long the end waits for a server that was there to know of it: as long as a client does.
REPORT_S_MAX: Final = 10.0

# And for one that was never there, and does not answer: enough for it to be found.
STRANGER_S_MAX: Final = 1.0

# What could not be killed, because it is inside the system or was just being forked, is killed
# again after so long.
KILL_AGAIN_S: Final = 1.0

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
"""What a shell answers for a program that is not there, or cannot be run."""

_FORWARDED: Final = (
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)

_WANTING: Final = frozenset({signal.SIGTTIN, signal.SIGTTOU})
"""What stops a program in the background that wants a key, or to change the terminal."""

_ENDING: Final = frozenset({signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run and how. `grace_s` is between TERM and KILL where no server gives the time.

    `is_required` keeps the command from running while no server answers; it `survives` the death of
    its agent; `timeout_s` ends it. `containment` is what must hold the command together; None takes
    a cgroup where there may be one. With `progress` its output is carried on through pipes and read
    for statuses. `warn` writes a line for the person.
    """

    arguments: Sequence[str]
    announcement: Announcement
    warn: Callable[[str], None]
    grace_s: float
    timeout_s: float | None = None
    is_required: bool = False
    survives: bool = False
    containment: process.Containment | None = None
    progress: ProgressReader | None = None
    server_url: str | None = None


def run_command(plan: Plan) -> int:
    """Run a command as an app of the tree and return its exit code, 128 and more for signals.

    Raises:
        ClewError: the server refuses the app, or none answers although one is required.
    """
    return asyncio.run(_Supervisor(plan).run())


@dataclass(slots=True)
class _Supervisor:
    """The parts of one run; all of it belongs to one event loop."""

    plan: Plan
    command: process.Command | None = None
    terminal: Terminal | None = None
    link: AgentLink | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    impatient: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody does not want to wait until the server knows of the end."""
    is_ordered: bool = False
    """Whether somebody wants the command to end."""
    has_ended_itself: bool = False
    """Whether a result or an error was said."""
    stopping: asyncio.Task[None] | None = None
    output: Output | None = None

    async def run(self) -> int:
        self.terminal = find_terminal()
        if self.plan.announcement.parent is not None and self.terminal is None:
            # On a terminal it stays: whoever gets that back lets the whole group go on.
            process.leave_group()
        # Before it is announced: what cannot be contained as wanted is not started.
        cgroup = self._make_cgroup()
        mailbox: Mailbox | None = None
        try:
            self._announce()
            mailbox = Mailbox(self._take)
            await mailbox.open()
            try:
                self.command = self._start(mailbox.path, cgroup)
            except OSError as error:
                return self._not_started(error)
            except ClewError:
                self._withdraw()
                raise
            return await self._watch(self.command)
        finally:
            if mailbox is not None:
                await mailbox.close()
            if cgroup is not None:
                cgroup.remove()

    def _make_cgroup(self) -> Cgroup | None:
        wanted = self.plan.containment
        if wanted is process.Containment.PROCESS_GROUP:
            return None
        try:
            return make_cgroup()
        except ClewError:
            if wanted is not None:
                raise
            return None

    def _announce(self) -> None:
        """Bring the app into the tree; without a server go on, and try again later."""
        plan = self.plan
        try:
            plan.announcement.announce()
        except ClewError as error:
            if plan.is_required or error.code not in PASSING:
                raise
            plan.warn(f"{error.message}; the command runs, and joins the tree when one answers")

    def _start(self, mailbox: str, cgroup: Cgroup | None) -> process.Command:
        environ = dict(os.environ)
        environ[VARIABLE] = self.plan.announcement.config.encode()
        environ[AGENT_VARIABLE] = mailbox
        environ[SUPERVISED] = "1"
        if self.plan.server_url is not None:
            environ["CLEW_SERVER"] = self.plan.server_url
        if self.plan.progress is not None:
            self.output = Output(self.plan.progress, self._say_progress, self.plan.warn)
        self._listen()
        command = process.start(
            self.plan.arguments,
            environ,
            survives=self.plan.survives,
            cgroup=cgroup,
            must_be_held=self.plan.containment is process.Containment.CGROUP,
            hears_keys=self.terminal is None,
            streams=(None, None) if self.output is None else self.output.streams,
        )
        if self.output is not None:
            self.output.start()
        if self.terminal is not None:
            self.terminal.hand_over(command.pid)
            # It may have been stopped for reading a key before that.
            command.signal(signal.SIGCONT)
        return command

    def _not_started(self, error: OSError) -> int:
        self._withdraw()
        self.plan.warn(f"{self.plan.arguments[0]}: {error.strerror or error}")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE

    def _withdraw(self) -> None:
        """Undo what was prepared for a command that does not run."""
        if self.output is not None:
            self.output.close()
        with contextlib.suppress(ClewError):
            self.plan.announcement.withdraw()

    async def _watch(self, command: process.Command) -> int:
        self.link = AgentLink(
            self.plan.announcement, self._describe(command), self._signalled, self.plan.warn
        )
        linking = asyncio.create_task(self.link.run())
        timer = self._set_timeout()
        reading = None if self.output is None else asyncio.create_task(self.output.follow())
        self._look()
        try:
            await self.ended.wait()
            if self.is_ordered:
                await self._see_off_rest(command)
            command.reap()
            if self.terminal is not None:
                assert command.exit is not None
                self.terminal.take_back(restores_modes=command.exit.signal is not None)
            if self.output is not None:
                await self.output.finish()
            assert command.exit is not None
            await self._report(self.link, command.exit)
            if self.output is not None:
                await self._wait_unless_hurried(self.output.wait())
            return command.exit.shell_code
        finally:
            for task in (linking, timer, reading, self.stopping):
                if task is not None:
                    task.cancel()
            await asyncio.gather(linking, return_exceptions=True)

    async def _report(self, link: AgentLink, how: process.Exit) -> None:
        link.report(how)
        is_known = self.plan.announcement.is_announced or link.was_attached
        wait_s = STRANGER_S_MAX if is_known else 0.0
        events = (link.over, self.impatient, link.is_apart)
        waits = [asyncio.ensure_future(each.wait()) for each in events]
        done, _ = await asyncio.wait(waits[:2], timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        if is_known and not done:
            # Whoever is slow to let the agent in is waited for like whoever had it in; one that is
            # not there refuses at once.
            wanted = waits[:2] if link.was_attached else waits
            left_s = REPORT_S_MAX - STRANGER_S_MAX
            await asyncio.wait(wanted, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        if self.impatient.is_set():
            await asyncio.wait(waits[:1], timeout=wait_s)
        for each in waits:
            each.cancel()

    async def _wait_unless_hurried(self, work: Coroutine[Any, Any, None]) -> None:
        waits = [asyncio.ensure_future(work), asyncio.ensure_future(self.impatient.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    async def _see_off_rest(self, command: process.Command) -> None:
        """Wait until nothing of it is left; what ignores TERM is killed after the grace."""
        deadline = time.monotonic() + self.plan.grace_s
        while left_over := command.find_left_over():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                if not command.signal(signal.SIGKILL):
                    # All that is left has changed its user: nobody but that one can end it.
                    return
                left_s = KILL_AGAIN_S
            await wait_for_ends(left_over, left_s)

    def _describe(self, command: process.Command) -> ProcessInfo:
        program = shutil.which(self.plan.arguments[0]) or self.plan.arguments[0]
        return msgspec.structs.replace(
            describe_process(),
            pid=command.pid,
            ppid=os.getpid(),
            executable=program[:PROCESS_CHARS_MAX],
            containment=command.containment.value,
        )

    # What comes from the command.

    def _take(self, saying: Saying) -> None:
        """Take what the command says."""
        if self.has_ended_itself:
            raise ClewError(
                ErrorCode.CONFLICT,
                "the app has said its result or its error already",
                hint="a result or an error is the last that an app says",
            )
        self.has_ended_itself = saying.kind is not MessageKind.STATUS
        self._say(saying.kind, bytes(saying.payload))

    def _say_progress(self, payload: bytes) -> None:
        if not self.has_ended_itself:
            self._say(MessageKind.STATUS, payload)

    def _say(self, kind: MessageKind, payload: bytes) -> None:
        assert self.link is not None
        self.link.say(Entry(kind, payload, time.time_ns() // NS_PER_MS))

    # What comes from outside.

    def _signalled(self, order: ProcessSignal | None) -> None:
        """Do what the server orders; None: it must not run, and nobody will say more."""
        assert self.command is not None
        self.is_ordered = True
        if order is None:
            self._stop()
        else:
            is_kill = order is ProcessSignal.KILL
            self.command.signal(signal.SIGKILL if is_kill else signal.SIGTERM)

    def _stop(self) -> None:
        """End the command by this process's own clock."""
        self._hurry()
        self.is_ordered = True
        if self.stopping is None:
            self.stopping = asyncio.create_task(self._end())

    async def _end(self) -> None:
        assert self.command is not None
        self.command.signal(signal.SIGTERM)
        await asyncio.sleep(self.plan.grace_s)
        self.command.signal(signal.SIGKILL)

    def _set_timeout(self) -> asyncio.Task[None] | None:
        limit = self.plan.timeout_s
        if limit is None:
            return None

        async def end() -> None:
            await asyncio.sleep(limit)
            message = f"timed out after {limit:g} s"
            self.plan.warn(message)
            if not self.has_ended_itself:
                self.has_ended_itself = True
                self._say(MessageKind.ERROR, msgspec.json.encode({"message": message}))
            self._stop()

        return asyncio.create_task(end())

    # Signals to this process.

    def _listen(self) -> None:
        """Take signals in the loop; those that whoever started us ignores stay ignored."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._look)
        loop.add_signal_handler(signal.SIGCONT, self._continue)
        takers: dict[int, Callable[[], None]] = {
            number: self._forwarder(number) for number in _FORWARDED
        }
        takers[signal.SIGTERM] = self._stop
        takers[signal.SIGTSTP] = self._pause
        for number, taker in takers.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, taker)

    def _forwarder(self, number: int) -> Callable[[], None]:
        def forward() -> None:
            if number in _ENDING:
                self._hurry()
            if self.command is not None:
                self.command.signal(number)

        return forward

    def _hurry(self) -> None:
        """Wait no longer for a server that is away, if the command has ended."""
        self._look()
        if self.ended.is_set():
            self.impatient.set()

    def _look(self) -> None:
        """See what became of the command."""
        command = self.command
        if command is None:
            return
        stopped_by = command.look()
        if command.exit is not None:
            self.ended.set()
        elif stopped_by in _WANTING and self.terminal is None:
            # In a pipeline it was not in front from the start: the others may need the keys.
            self.terminal = find_controlling_terminal()
            if self.terminal is not None:
                self.terminal.hand_over(command.pid)
                if self.terminal.is_handed_over:
                    command.signal(signal.SIGCONT)
        elif stopped_by is not None and self.terminal is not None and self.terminal.has_shell:
            # Ctrl-Z reached the command alone: whoever started us wants the terminal back.
            self.terminal.take_back(restores_modes=False)
            os.killpg(self.terminal.own_group, signal.SIGSTOP)
            if self.terminal.own_group != os.getpgrp():
                os.kill(os.getpid(), signal.SIGSTOP)

    def _pause(self) -> None:
        """Stop with the command, as a Ctrl-Z that came before the terminal was handed over asks."""
        if self.terminal is not None:
            # Else the command's stop, when it is seen, would stop this process once more.
            self.terminal.take_back(restores_modes=False)
        if self.command is not None:
            self.command.signal(signal.SIGTSTP)
        os.kill(os.getpid(), signal.SIGSTOP)

    def _continue(self) -> None:
        if self.command is None:
            return
        if self.terminal is not None and not self.command.is_reaped:
            with contextlib.suppress(OSError):
                if os.tcgetpgrp(self.terminal.descriptor) == self.terminal.own_group:
                    self.terminal.hand_over(self.command.pid)
        self.command.signal(signal.SIGCONT)
