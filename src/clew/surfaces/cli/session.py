"""One command's conversation: ask the server, write the answer, say when nothing matched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import msgspec

from clew.surfaces.cli import output
from clew.surfaces.cli.budget import check_budget, count_fitting, tokens_of
from clew.surfaces.cli.errors import ExitCode, print_note
from clew.surfaces.cli.flags import AnswerFlags
from clew.surfaces.cli.grid import Style, render
from clew.surfaces.cli.text import plural, show_count, show_duration
from clew.telemetry.remote import TelemetryClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.base.errors import ClewError
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.remote import Reply

Document = TypeVar("Document")
Query = TypeVar("Query", bound=msgspec.Struct)

# A cursor is a moment, a position and a fingerprint of the filters in base64, plus its JSON name.
CURSOR_BYTES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Listing(Generic[Document]):
    """An answer that carries items, and how to show it.

    `items` is the field that holds them and `noun` what one is called. `table` returns the lines
    of a document for a width, without the footer. `again` asks for a page of so many items, where
    the answer is paged; then the cursor of a shortened answer is the right one. `how` says how to
    get what was left out where no cursor does. `legend` is a part of the footer.
    """

    reply: Reply[Document]
    items: str
    noun: str
    table: Callable[[Document, int], list[Line]]
    again: Callable[[int], Reply[Document]] | None = None
    how: str = "raise --max-tokens"
    legend: Callable[[Document], str] | None = None


class Paged(Protocol[Document]):
    """A question of a list that can be asked again for another number of items."""

    def __call__(self, limit: int | None = None) -> Reply[Document]:
        """Ask it: for so many items, or for as many as were wished."""
        ...


def paged(ask: Callable[[Query], Reply[Document]], query: Query) -> Paged[Document]:
    """Return what asks a question, and asks it again with another limit."""

    def find(limit: int | None = None) -> Reply[Document]:
        return ask(query if limit is None else msgspec.structs.replace(query, limit=limit))

    return find


@dataclass(frozen=True, slots=True)
class Sheet(Generic[Document]):
    """An answer of several lists side by side, and how to show it.

    `table` returns all its lines for a width. `first` returns the document with the first so many
    items of each list, of which there are at most `longest`. `how` says how to get the rest.
    """

    reply: Reply[Document]
    table: Callable[[Document, int], list[Line]]
    first: Callable[[Document, int], Document]
    longest: int
    how: str = "raise --max-tokens"


class Session:
    """The server, the format and the screen of one command."""

    def __init__(self, flags: AnswerFlags | None = None) -> None:
        flags = flags or AnswerFlags()
        self.screen = output.find_screen()
        self.format = output.choose_format(flags.format, self.screen)
        self._room = check_budget(flags.max_tokens)
        self.client = TelemetryClient(flags.open())

    def show(
        self, listing: Listing[Any], nothing: Callable[[], ClewError] | None = None
    ) -> ExitCode:
        """Write an answer in the format wished and within the budget.

        Raises:
            ClewError: what `nothing` returns, after an empty answer was written.
        """
        document = listing.reply.document()
        if self.format == "json" and self._room is None:
            # The reader gets the very document of the REST door.
            output.write(output.raw_json_text(listing.reply.body, self.screen))
        elif nothing is None or getattr(document, listing.items) or self.format == "json":
            self._show_decoded(listing)
        if nothing is not None and not getattr(document, listing.items):
            raise nothing()
        return ExitCode.OK

    def show_sheet(self, sheet: Sheet[Any]) -> ExitCode:
        """Write an answer of several lists; within the budget, so many items of each as fit."""
        if self.format != "table" and self._room is None:
            write = output.raw_json_text if self.format == "json" else output.raw_json_line
            output.write(write(sheet.reply.body, self.screen))
            return ExitCode.OK
        document = sheet.reply.document()

        def written(kept: int) -> str:
            shown = document if kept == sheet.longest else sheet.first(document, kept)
            return self._sheet_text(sheet, shown, is_whole=shown is document)

        kept = sheet.longest
        if self._room is not None:
            kept = count_fitting(sheet.longest, self._room, written)
        if kept >= 0:
            output.write(written(kept))
            return ExitCode.OK
        size = tokens_of(output.json_text(document, self.screen))
        hint = f"everything takes about {size} tokens; {sheet.how}"
        if self.format == "table":
            output.write(f"left out: {hint}\n")
        else:
            output.write(output.json_text({"truncated": True, "hint": hint}, self.screen))
        return ExitCode.OK

    def _sheet_text(self, sheet: Sheet[Any], document: Any, *, is_whole: bool) -> str:
        if self.format == "table":
            lines = sheet.table(document, self.screen.width)
            spent = sheet.reply.server_ms
            left_out = None if is_whole else f"shortened by --max-tokens; the rest: {sheet.how}"
            below = (left_out, show_duration(spent) if spent else None)
            lines = [*lines, *output.footer(self.screen.width, *below)]
            return "".join(f"{render(line, colour=self.screen.colour)}\n" for line in lines)
        told = _plain(document)
        if not is_whole:
            told |= {"truncated": True, "hint": f"the rest: {sheet.how}"}
        write = output.json_text if self.format == "json" else output.json_line
        return write(told, self.screen)

    def _show_decoded(self, listing: Listing[Any]) -> None:
        document = listing.reply.document()
        left_out = 0
        text = self._written(listing, document, 0)
        if self._room is not None and len(text.encode()) > self._room:
            document, left_out, text = self._shortened(listing, document, self._room)
        output.write(text)
        if self.format == "ndjson":
            self._note_rest(listing, document, left_out)

    def _shortened(self, listing: Listing[Any], document: Any, room: int) -> tuple[Any, int, str]:
        """Return the document with the items that fit, how many do not, and its text."""
        count = len(getattr(document, listing.items))

        def write(kept: int) -> str:
            return self._written(listing, _first(document, listing.items, kept), count - kept)

        spare = CURSOR_BYTES_MAX if listing.again else 0
        kept = count_fitting(count, room - spare, write)
        if kept > 0 and listing.again is not None:
            shorter = listing.again(kept).document()
            text = self._written(listing, shorter, count - kept)
            # The page was asked for anew, so it may hold other, larger items than the first one.
            if len(text.encode()) <= room:
                return shorter, count - kept, text
        empty = _first(document, listing.items, 0)
        if kept >= 0:
            shown = _first(document, listing.items, kept)
            return shown, count - kept, write(kept)
        return empty, count, self._bare(listing, empty, count)

    def _bare(self, listing: Listing[Any], empty: Any, left_out: int) -> str:
        """Return what is said when not even the frame of the answer fits."""
        hint = self._how(listing, empty)
        if self.format == "table":
            return f"{plural(left_out, listing.noun)} left out: {hint}\n"
        said = {"count": 0, "truncated": True, "left_out": left_out, "hint": hint}
        return output.json_text(said, self.screen)

    def _written(self, listing: Listing[Any], document: Any, left_out: int) -> str:
        match self.format:
            case "json":
                return output.json_text(self._told(listing, document, left_out), self.screen)
            case "ndjson":
                items = output.item_lines(getattr(document, listing.items), self.screen)
                return "".join(f"{item}\n" for item in items)
            case "table":
                lines = self._table(listing, document, left_out)
                return "".join(f"{render(line, colour=self.screen.colour)}\n" for line in lines)

    def _told(self, listing: Listing[Any], document: Any, left_out: int) -> Any:
        """Return a document that says what was left out of it, and how to get that."""
        if not left_out:
            return document
        told = _plain(document)
        told["count"] = len(told[listing.items])
        told["truncated"] = True
        told["left_out"] = left_out
        told["hint"] = self._how(listing, document)
        return told

    def _how(self, listing: Listing[Any], document: Any) -> str:
        if not getattr(document, listing.items):
            body = output.json_text(listing.reply.document(), self.screen)
            return f"everything takes about {tokens_of(body)} tokens; {listing.how}"
        if getattr(document, "next", None):
            return "the rest: the same command with --next and the cursor in `next`"
        return f"the rest: {listing.how}"

    def _table(self, listing: Listing[Any], document: Any, left_out: int) -> list[Line]:
        lines = list(listing.table(document, self.screen.width))
        shown = len(getattr(document, listing.items))
        legend = listing.legend(document) if listing.legend else ""
        if lines and shown:
            lines.append([])
        lines.extend(
            output.footer(
                self.screen.width,
                _completeness(document, shown, listing.noun),
                f"{show_count(left_out)} left out by --max-tokens" if left_out else None,
                show_duration(listing.reply.server_ms) if listing.reply.server_ms else None,
                legend,
            )
        )
        if left_out and not getattr(document, "next", None):
            lines.append([(f"the rest: {listing.how}", Style.DIM)])
        if cursor := getattr(document, "next", None):
            lines.append([(f"next page: --next {cursor}", Style.DIM)])
        return lines

    def _note_rest(self, listing: Listing[Any], document: Any, left_out: int) -> None:
        """Say on stderr what a stream of items cannot say in itself."""
        cursor = getattr(document, "next", None)
        if not left_out and not getattr(document, "truncated", False):
            return
        details: dict[str, Any] = {"truncated": True}
        if left_out:
            details["left_out"] = left_out
        if cursor:
            details["next"] = cursor
        print_note(self._how(listing, document), **details)


def _plain(document: Any) -> dict[str, Any]:
    """Return a document as the tables and lists that its JSON has, parts that are JSON included."""
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    return told


def _first(document: Any, items: str, kept: int) -> Any:
    return msgspec.structs.replace(document, **{items: getattr(document, items)[:kept]})


def _completeness(document: Any, shown: int, noun: str) -> str:
    total = getattr(document, "total", None)
    at_least = getattr(document, "at_least", None)
    if total is not None and total > shown:
        return f"{show_count(shown)} of {plural(total, noun)}"
    if at_least is not None:
        return f"{show_count(shown)} of at least {plural(at_least, noun)}"
    return plural(shown, noun)
