"""The files of a log that is being written: one takes frames, those before it wait to be deleted.

A file is deleted when every frame in it is in the engine; one with damaged places is renamed to
``*.damaged`` instead and kept. Of a log that other servers have a part in, the newest files stay
for those that were away.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from clew.store.log.cutting import cut_off
from clew.store.log.history import History, Segment
from clew.store.log.segment import SegmentHeader
from clew.store.log.segment_file import SegmentFile

if TYPE_CHECKING:
    from clew.store.log.options import LogOptions

logger = logging.getLogger(__name__)

# The file that is written counts against the log's bound until another one is begun, so it takes no
# more than this part of it: else a log that is bounded below one file would stay full for ever.
SEGMENTS_MIN = 8


class LogFiles:
    """What `release` and `size` say may be asked from any thread, the rest by the writer's alone.

    A file that is begun under `epoch` says so in its header.
    """

    def __init__(self, history: History, options: LogOptions, *, epoch: int) -> None:
        self._folder = history.folder
        self._log_id = history.log_id
        self._epoch = epoch
        self._options = options
        self._bytes_max = min(options.segment_bytes, options.bytes_max // SEGMENTS_MIN)
        self._ordinal = history.ordinal
        self._previous_bytes = history.last_bytes
        # Guards which files there are, and how much of them is needed.
        self._changed = threading.Lock()
        self._current: SegmentFile | None = None
        self._sealed: list[Segment] = list(history.segments)
        self._released = history.flushed

    @property
    def current(self) -> SegmentFile | None:
        """The file that is written; None after one had to be left, until the next is begun."""
        return self._current

    @property
    def size(self) -> int:
        """How many bytes wait for the engine; not what is only kept for other servers."""
        with self._changed:
            written = self._current.end if self._current else 0
            return written + sum(each.size for each in self._sealed if each.last > self._released)

    def begin(self, first: int) -> SegmentFile:
        """Begin a file whose first frame is `first`; there is none that is written.

        Raises:
            OSError: nothing was left behind.
        """
        header = SegmentHeader(
            log_id=self._log_id,
            epoch=self._epoch,
            ordinal=self._ordinal + 1,
            first=first,
            previous_bytes=self._previous_bytes,
            created=self._options.clock(),
        )
        file = SegmentFile.create(self._folder, header)
        self._ordinal += 1
        with self._changed:
            self._current = file
        return file

    def with_room(self, size: int, first: int) -> SegmentFile:
        """Return a file that `size` bytes fit into, whose first frame is `first` if it is new.

        Raises:
            OSError: none could be had.
        """
        file = self._current
        if file is not None and file.last >= file.first:
            if file.end + size <= self._bytes_max:
                return file
            file.sync()
            self.seal()
        return self._current or self.begin(first)

    def seal(self) -> None:
        """Write no more to the file. What was not synced does not count."""
        file = self._current
        if file is None:
            return
        self._previous_bytes = file.synced
        file.close()
        with self._changed:
            self._current = None
            self._sealed.append(Segment(file.path, file.last, file.end, is_damaged=False))

    def cut_off(self, after: int) -> None:
        """Take back the frames after a number, and begin a file for the next one.

        Raises:
            OSError: the next opening of the log finishes what was begun.
        """
        if self._current is not None:
            self._current.sync()
            self.seal()
        cut_off(self._folder, after)
        history = History.read(self._folder)
        self._ordinal, self._previous_bytes = history.ordinal, history.last_bytes
        with self._changed:
            self._sealed = list(history.segments)
        self.begin(after + 1)

    def release(self, through: int) -> None:
        """Delete the files that only speak of frames up to `through`, but for what is kept."""
        with self._changed:
            self._released = max(self._released, through)
            done = self._past_keeping([each for each in self._sealed if each.last <= through])
            gone = {segment.path for segment in done}
            self._sealed = [segment for segment in self._sealed if segment.path not in gone]
        for segment in done:
            try:
                if segment.is_damaged:
                    segment.path.rename(segment.path.with_suffix(".damaged"))
                else:
                    segment.path.unlink()
            except OSError as error:
                # It is read again when the log is next opened, and found flushed.
                logger.warning("cannot delete %s: %s", segment.path, error.strerror)

    def _past_keeping(self, done: list[Segment]) -> list[Segment]:
        """Return those of the files, oldest first, that are too old to be kept for others."""
        kept = 0
        for at in range(len(done) - 1, -1, -1):
            kept += done[at].size
            if kept > self._options.kept_bytes_max or done[at].is_damaged:
                # What other servers may still ask for is one stretch without holes.
                return done[: at + 1]
        return []
