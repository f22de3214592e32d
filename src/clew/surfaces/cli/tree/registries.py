"""The commands about the types of a system: its registry, as classes in Python or as a file."""

from __future__ import annotations

from typing import Final

from clew.surfaces.cli.tree.command import KEEP, Command, Family

FAMILIES: Final[tuple[Family, ...]] = (
    Family("registry", KEEP, "Say what types of objects and processes there are, and compare it."),
)

_MODULE: Final = "clew.surfaces.cli.commands.registry"
_SERVER: Final = "clew.surfaces.cli.commands.registry_server"

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "registry export",
        f"{_MODULE}:export",
        KEEP,
        "Write the types that a Python module defines as a registry.",
        (
            "The module is imported, from the working directory too. Where it holds one Registry "
            "that is written, else every Object and Process of it. A file that says the same "
            "already is left as it is. It needs no server."
        ),
        (
            ("clew registry export --module app.schema -o registry.json", "for the server and CI"),
            ("clew registry export --module app.schema --format typescript", "for a front end"),
            ("clew registry export --module app.schema --format configmap", "for Kubernetes"),
        ),
    ),
    Command(
        "registry check",
        f"{_MODULE}:check",
        KEEP,
        "Say whether a new registry breaks what an old one allowed; if so, exit with 1.",
        (
            "What breaks: types, fields, phases or choices that are gone, narrower bounds, new "
            "required fields, new invariants, another prefix. Instead of a file, `server` is the "
            "registry of that name that the server was given last."
        ),
        (
            ("clew registry check registry.json new.json", "a gate in CI"),
            ("clew registry check server new.json", "before it is given to the server"),
        ),
    ),
    Command(
        "registry diff",
        f"{_MODULE}:diff",
        KEEP,
        "Show all that differs between two registries.",
        "What breaks something stands first. One of the two may be `server`.",
        (("clew registry diff registry.json new.json", "what a change of the blueprint means"),),
    ),
    Command(
        "registry types",
        f"{_MODULE}:types",
        KEEP,
        "Write the types of a registry's file as TypeScript.",
        "The code that the registry came from is not needed, nor a server.",
        (("clew registry types registry.json -o trilog.d.ts", "for a front end elsewhere"),),
    ),
    Command(
        "registry push",
        f"{_SERVER}:push",
        KEEP,
        "Give the server a registry: events are held to it from now on.",
        (
            "Every version is kept, and an event is read by the one that it was written by. The "
            "very same one once more is no error. What it breaks is told, and does not stop it: "
            "that is for `clew registry check server FILE`."
        ),
        (("clew registry push registry.json", "after a deployment"),),
    ),
    Command(
        "registry list",
        f"{_SERVER}:list_",
        KEEP,
        "List the registries that the server was given, every version, the newest first.",
        "",
        (("clew registry list", "what the server knows"),),
    ),
    Command(
        "registry show",
        f"{_SERVER}:show",
        KEEP,
        "Show a registry of the server's: its types, their fields and phases.",
        "Piped, it is the file as `clew registry export` writes it.",
        (
            ("clew registry show", "the one given last"),
            ("clew registry show shop", "the one given last of a name"),
            ("clew registry show d08bbaa55614badd --format json", "one version, as a file"),
        ),
    ),
)
