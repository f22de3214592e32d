"""The commands about who may do what: what was asked for, single grants, keys of apps."""

from __future__ import annotations

from typing import Final

from clew.surfaces.cli.tree.command import RUN, Command, Family

FAMILIES: Final[tuple[Family, ...]] = (
    Family("grants", RUN, "Say who else may reach one app, and until when."),
    Family("app-keys", RUN, "Take keys of apps out of use: nobody joins the tree with them."),
)

_GRANTS: Final = "clew.surfaces.cli.commands.grants"
_APP_KEYS: Final = "clew.surfaces.cli.commands.app_keys"

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "grants add",
        f"{_GRANTS}:add",
        RUN,
        "Grant roles for one app, and for everything below it.",
        (
            "Subjects: key:NAME (the holder of an API key), app:ID. Roles: reader, writer, "
            "operator, admin, and the names of TRAILS: read, write, control, cancel. What many "
            "apps share is a role ref. It takes an admin's key."
        ),
        (
            ("clew grants add planner key:ci --role control --expires-in 2h", "for two hours"),
            ("clew grants add planner key:ann --role read --alone", "not what is below it"),
        ),
    ),
    Command(
        "grants list",
        f"{_GRANTS}:list_",
        RUN,
        "Show the grants for single apps that count.",
        "",
        (
            ("clew grants list", "the newest first"),
            ("clew grants list --sub key:ci", "those of one subject"),
        ),
    ),
    Command(
        "grants remove",
        f"{_GRANTS}:remove",
        RUN,
        "Take a grant back, at once.",
        "",
        (
            (
                "clew grants remove 01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d",
                "by the id that the list shows",
            ),
        ),
    ),
    Command(
        "app-keys revoke",
        f"{_APP_KEYS}:revoke",
        RUN,
        "Let the public key of an app count no more: nobody joins or signs with it.",
        "Sockets on which such an app speaks are closed. It takes an admin's key.",
        (
            ("clew app-keys revoke planner --reason 'laptop lost'", "the key that an app has"),
            (
                "clew app-keys revoke ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
                "a key by itself",
            ),
        ),
    ),
    Command(
        "app-keys list",
        f"{_APP_KEYS}:list_",
        RUN,
        "Show public keys of apps that count no more.",
        "",
        (("clew app-keys list", "the newest first"),),
    ),
    Command(
        "app-keys lift",
        f"{_APP_KEYS}:lift",
        RUN,
        "Let a public key of apps count again.",
        "",
        (
            (
                "clew app-keys lift ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
                "as the list shows it",
            ),
        ),
    ),
)
