"""`clew registry export`, `check`, `diff` and `types`: registries as files."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.remote.answer import Answer
from clew.remote.reply import Reply
from clew.surfaces.cli import output as screen
from clew.surfaces.cli.errors import ExitCode, print_note
from clew.surfaces.cli.flags import ANSWER, AnswerFlags
from clew.surfaces.cli.modules import load_registry
from clew.surfaces.cli.registry_source import read_both, read_registry, reason_of
from clew.surfaces.cli.session import Listing, Session
from clew.surfaces.cli.text import escape
from clew.surfaces.cli.views.registry import difference_legend, difference_table
from clew.twin.schema.codec import encode_registry, parse_registry
from clew.twin.schema.comparison import Comparison, compare, count_differences

if TYPE_CHECKING:
    from clew.twin.schema.values import RegistrySchema

Language = Literal["json", "typescript", "configmap", "otel", "clickhouse"]

Output = Annotated[
    Path | None,
    Parameter(name=("--output", "-o"), group=ANSWER, help="Write to this file, not to stdout."),
]
RegistryFile = Annotated[Path, Parameter(help="What `clew registry export` wrote.")]
Old = Annotated[
    str, Parameter(name="OLD", help="A file, or `server` for what the server has of that name.")
]
New = Annotated[str, Parameter(name="NEW", help="The other one, likewise.")]


def export(
    *,
    module: Annotated[str, Parameter(help="The module to import, such as app.schema.")],
    language: Annotated[
        Language, Parameter(name="--format", group=ANSWER, help="What to write.")
    ] = "json",
    output: Output = None,
    name: Annotated[str | None, Parameter(help="What to call the registry.")] = None,
    version: Annotated[str | None, Parameter(help="Its version.")] = None,
) -> ExitCode:
    """Write the types of a module."""
    registry = load_registry(module, name=name, version=version)
    if language == "json" and output is not None and _says_the_same(output, registry):
        print_note(f"{output} says so already", checksum=registry.checksum)
        return ExitCode.OK
    _write(_encode(registry, language), output)
    if output is not None:
        count = len(registry.objects) + len(registry.processes)
        print_note(f"{count} types written to {output}", checksum=registry.checksum)
    return ExitCode.OK


def check(old: Old, new: New, /, *, answer: AnswerFlags | None = None) -> ExitCode:
    """Show what breaks, and exit with 1 if anything does."""
    session = Session(answer)
    both = read_both(old, new, session.client.server)
    found = [each for each in compare(*both) if each.is_breaking]
    _show(count_differences(found), session)
    return ExitCode.FAILED if found else ExitCode.OK


def diff(old: Old, new: New, /, *, answer: AnswerFlags | None = None) -> ExitCode:
    """Show all that differs."""
    session = Session(answer)
    _show(count_differences(compare(*read_both(old, new, session.client.server))), session)
    return ExitCode.OK


def types(file: RegistryFile, /, *, output: Output = None) -> ExitCode:
    """Write the types of a registry's file as TypeScript."""
    _write(_encode(read_registry(file), "typescript"), output)
    return ExitCode.OK


def _show(found: Comparison, session: Session) -> None:
    reply = Reply(Answer(msgspec.json.encode(found), {}), Comparison)
    listing = Listing(
        reply, "differences", "difference", difference_table, legend=difference_legend
    )
    session.show(listing)


def _encode(registry: RegistrySchema, language: Language) -> str:
    match language:
        case "json":
            return encode_registry(registry).decode()
        case "typescript":
            from clew.twin.schema.typescript import to_typescript

            return to_typescript(registry)
        case "configmap":
            from clew.twin.schema.kubernetes import to_configmap

            return to_configmap(registry)
        case "otel":
            from clew.twin.schema.collector import to_collector_config

            return to_collector_config(registry)
        case "clickhouse":
            from clew.twin.schema.clickhouse import to_clickhouse

            return to_clickhouse(registry)


def _says_the_same(path: Path, registry: RegistrySchema) -> bool:
    """Whether a file holds the registry already; only when it was made would differ."""
    try:
        known = parse_registry(path.read_bytes())
    except (OSError, ClewError):
        return False
    return known.checksum == registry.checksum


def _write(text: str, path: Path | None) -> None:
    """Write a text whole or not at all; what a terminal would act on is shown and not done."""
    if path is None:
        is_terminal = screen.find_screen().is_terminal
        lines = (escape(line) if is_terminal else line for line in text.splitlines())
        screen.write("".join(f"{line}\n" for line in lines))
        return
    part = path.parent / f".{path.name}.part"
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"cannot write {path}: {reason_of(error)}",
            hint="name a file in a folder that is there and may be written",
        ) from error
    finally:
        # Where it could not be made it cannot be removed either, and that has been said.
        with suppress(OSError):
            part.unlink(missing_ok=True)
