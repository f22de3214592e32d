"""The commands about the types of a system: its registry, as classes in Python or as a file."""

from __future__ import annotations

from typing import Final

from clew.surfaces.cli.command import KEEP, Command, Family

FAMILIES: Final[tuple[Family, ...]] = (
    Family("registry", KEEP, "Say what types of objects and processes there are, and compare it."),
)

_MODULE: Final = "clew.surfaces.cli.commands.registry"

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
            "required fields, new invariants, another prefix. It needs no server."
        ),
        (("clew registry check registry.json new.json", "a gate in CI"),),
    ),
    Command(
        "registry diff",
        f"{_MODULE}:diff",
        KEEP,
        "Show all that differs between two registries.",
        "What breaks something stands first. It needs no server.",
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
)
