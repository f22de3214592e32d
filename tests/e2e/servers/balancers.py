"""What stands in front of a group, with the settings that the guide gives for it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clew.testing.network import LOOPBACK
from clew.testing.postgres import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "high-availability.md"

NGINX = """daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{settings}
}}
"""


def read_settings(kind: str, servers: Sequence[Mapping[str, int]], own: Mapping[str, int]) -> str:
    """Return what the guide sets for a program, with other ports; everything is on the loopback.

    `servers` has the ports of each server by those of the guide, and `own` those of the program.
    """
    found = re.search(rf"^```{kind}\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None, f"the guide says nothing of {kind}"

    def of_server(shown: re.Match[str]) -> str:
        ports = servers[int(shown["server"]) - 1]
        asked = f"{shown['between']}{ports[shown['asked']]}" if shown["asked"] else ""
        return f"{LOOPBACK}:{ports[shown['port']]}{asked}"

    text = re.sub(
        r"10\.0\.0\.(?P<server>\d):(?P<port>\d+)((?P<between> .*check port )(?P<asked>\d+))?",
        of_server,
        found[1],
    )
    return re.sub(
        r"(?P<word>bind|listen) :?(?P<port>\d+)",
        lambda shown: f"{shown['word']} {LOOPBACK}:{own[shown['port']]}",
        text,
    )


@contextmanager
def running(command: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that stands in front of servers until the end of the block."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # It calls the kernel and nothing else, so no lock of another thread can hold it.
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()


def find_program(name: str) -> str | None:
    """Return where a program is; Debian keeps servers where not every path looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
