"""`TriLogLogger`: what a program says of the object that it is anchored to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Literal

from clew.twin.anchor.context import get_current_anchor
from clew.twin.anchor.kinds import NO_KIND
from clew.twin.events import EventType
from clew.twin.logger.encoding import encode_fields, to_text
from clew.twin.logger.record import NOTHING, Saying, make_record
from clew.twin.logger.writer import WRITER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry._logs import LoggerProvider

    from clew.twin.anchor.context import AnchorContext
    from clew.twin.logger.outlet import Outlet

STATE_CHANGE: Final = EventType.STATE_CHANGE.value


class TriLogLogger:
    """Emits events of objects."""

    def __init__(
        self,
        name: str,
        level: int | str = logging.INFO,
        strict: bool = False,
        validation: Literal["warn", "raise", "off"] = "warn",
        *,
        span_events: bool = False,
        provider: LoggerProvider | None = None,
    ) -> None:
        self.name = name
        self._provider = provider
        self._span_events = span_events
        self._outlet: Outlet | None = None

    def state_change(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        """Tell which fields of the object have which values now; the others stay as they were."""
        said = {**(changes or NOTHING), **fields}
        body = f"State change: {', '.join(map(to_text, said))}"
        self._tell(Saying(type=EventType.STATE_CHANGE, body=body, fields=said))

    def event(self, name: str, /, **data: Any) -> None:
        """Tell that something happened to the object; its state stays as it is."""
        body = f"Event: {to_text(name)}"
        self._tell(Saying(type=EventType.EVENT, body=body, name=to_text(name), data=data))

    def _tell(self, saying: Saying) -> None:
        self._emit(saying, get_current_anchor())

    def _emit(self, saying: Saying, anchor: AnchorContext | None) -> None:
        kind = NO_KIND if anchor is None else anchor.kind
        encoded = encode_fields(kind, saying.fields)
        told = make_record(saying, encoded, anchor, WRITER.stamp())
        self._open_outlet().hand_over(told)

    def _open_outlet(self) -> Outlet:
        if self._outlet is None:
            from clew.twin.logger.outlet import Outlet

            self._outlet = Outlet(self.name, self._provider, span_events=self._span_events)
        return self._outlet
