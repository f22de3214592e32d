"""What the tests let in of whoever runs them: of his variables, and of his folders."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FOREIGN: Final = (
    *("CLEW_", "OTEL_", "TRAILS_", "PYTHON"),
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "GRPC_", "GIT_"),
)
"""How the names begin of what programs are told, which nobody but a test tells those of a test."""

OURS: Final = frozenset(
    {
        "CLEW_CHROMIUM",
        "CLEW_CRASH_ROUNDS",
        "CLEW_EXAMPLES",
        "CLEW_FAILOVER_ROUNDS",
        "CLEW_GROUP_SCRIPTS",
        "CLEW_HOT_READS",
        "CLEW_LINK_EMITS",
        "CLEW_MIXED",
        "CLEW_REQUIRE_NATIVE",
        "CLEW_SCREENSHOTS",
        "CLEW_SEED",
        "CLEW_TEAM_KILLS",
        "CLEW_TEAM_STORIES",
        "CLEW_TEAM_STORMS",
        "CLEW_TWIN_EVENTS",
        "PYTHONHASHSEED",
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONPYCACHEPREFIX",
    }
)
"""What the tests themselves are told; so is whatever begins with `OURS_PREFIX`."""

OURS_PREFIX: Final = "CLEW_TEST_"

ASIDE: Final = "CLEW_TEST_ASIDE_"

PUT_ASIDE: Final = (
    *(f"{kind}_proxy" for kind in ("http", "https", "all", "no", "grpc")),
    *(f"{kind.upper()}_PROXY" for kind in ("http", "https", "all", "no")),
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
)
"""What is kept for the few tests that load something from the network, by a tool of others."""

FOLDER_BYTES_MAX: Final = 12
"""How long the path of the folder for what is temporary may be: the one of a socket has 107 bytes,
and pytest, the names of a test and of a program's own folder take what is left of them."""


def forget_caller(environ: MutableMapping[str, str], home: str) -> None:
    """Let no program of a test hear what its caller has told his own, nor see what is his.

    A command that is told of no server would ask his, one that is told of no folder take his; the
    tokens of a team would go to his keyring; and a proxy reaches nobody on this machine. `home` is
    a folder in which the tests' own are made.
    """
    for name in list(environ):
        is_ours = name in OURS or name.startswith(OURS_PREFIX)
        if name.startswith(FOREIGN) and not is_ours:
            del environ[name]
    for name in PUT_ASIDE:
        # The second process of the tests would take what the first made for the caller's.
        environ.setdefault(ASIDE + name, environ.pop(name, ""))
    environ["XDG_CONFIG_HOME"] = f"{home}/config"
    environ["XDG_DATA_HOME"] = f"{home}/data"
    environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"


def shorten_folder(environ: MutableMapping[str, str]) -> None:
    """Make what is temporary elsewhere, where the caller's folder leaves sockets no room."""
    if len(os.fsencode(tempfile.gettempdir())) > FOLDER_BYTES_MAX:
        for name in ("TMPDIR", "TEMP", "TMP"):
            environ.pop(name, None)
        # It was found already.
        tempfile.tempdir = None


def recall_caller(environ: MutableMapping[str, str]) -> None:
    """Put back the proxies and folders of the caller, for a program that needs the network."""
    for name in PUT_ASIDE:
        environ.pop(name, None)
        if value := environ.pop(ASIDE + name, ""):
            environ[name] = value
