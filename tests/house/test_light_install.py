"""The light install: what a user's process imports works with nothing of the server's.

A fresh environment gets the package with its declared dependencies and no more, in the versions
that are locked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clew.testing.server import ServerProcess
from tests.caller import recall_caller

ROOT = Path(__file__).parents[2]

SECONDS_MAX = 240.0
"""A second where the packages are cached; an empty cache has to fetch them first."""

SERVER_PACKAGES = {
    "chdb",
    "clickhouse_connect",
    "grpc",
    "httptools",
    "httpx2",
    "isal",
    "keyring",
    "numpy",
    "orjson",
    "pyarrow",
    "starlette",
    "uvicorn",
    "uvloop",
    "zstandard",
}


@pytest.fixture(scope="module")
def light_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the light install alone."""
    folder = tmp_path_factory.mktemp("light") / "venv"
    uv = Path(sys.executable).with_name("uv")
    environ = {"UV_SYSTEM_CERTS": "1", **os.environ}
    recall_caller(environ)
    # The virtual environment of the tests must not be taken for the one to install into.
    environ.pop("UV_PYTHON", None)
    python = folder / "bin" / "python"
    lock = str(ROOT / "requirements" / "server.txt")
    for arguments in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--python", str(python), "--constraint", lock, str(ROOT)],
    ):
        done = subprocess.run(
            [str(uv), *arguments], capture_output=True, text=True, timeout=SECONDS_MAX, env=environ
        )
        assert done.returncode == 0, done.stderr
    return python


def run(python: Path, *arguments: str, server: str = "") -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "TZ": "UTC"}
    if server:
        environ["CLEW_SERVER"] = server
    return subprocess.run(
        [str(python), *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=environ,
        cwd=python.parent,
    )


def imported_by(python: Path, statement: str) -> set[str]:
    """Return the top-level names of all that a statement imports."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = run(python, "-c", program)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_nothing_of_the_server_is_installed(light_python: Path) -> None:
    found = {path.name for path in light_python.parents[1].glob("lib/*/site-packages/*")}
    assert "clew" in found
    assert not SERVER_PACKAGES & found


def test_importing_clew_imports_the_standard_library_and_itself(light_python: Path) -> None:
    before = imported_by(light_python, "")
    after = imported_by(light_python, "import clew")
    foreign = {name for name in after - before - {"clew"} if name not in sys.stdlib_module_names}
    assert not foreign


EMITS = """
import clew
clew.init("x", endpoint="http://127.0.0.1:9")
from clew.twin.context import *
with anchor("c", "Cart"):
    TriLogLogger("x").state_change(n=1)
    inject({})
with anchor_from_headers({"baggage": "trilog.obj.id=c"}):
    clew.shutdown(0.1)
"""


@pytest.mark.parametrize(
    "statement",
    [
        "import clew.remote.http, clew.remote.events, clew.telemetry.remote",
        "import clew.team.remote, clew.answers.remote, clew.surfaces.cli.commands.comments",
        "import clew.team.trailbase.blocking, clew.team.trailbase.server, clew.team.vault.choice",
        "import clew.surfaces.cli.tree.table, clew.surfaces.cli.program, clew.app.main",
        "import clew.surfaces.cli.commands.traces, clew.surfaces.cli.commands.live",
        "import clew.tree.agent.supervisor, clew.demo.command, clew.demo.crew",
        "import clew.surfaces.cli.commands.exec, clew.surfaces.cli.commands.inside",
        "import clew.app.commands, clew.app.serving, clew.app.keys",
        "import clew.twin.dsl, clew.twin.validation.batch, clew.surfaces.cli.commands.registry",
        "from clew.twin import *; from clew.twin.schema import contract, comparison, collector",
        EMITS,
        "from clew.testing import *",
        "from clew.lineage import *",
        "from clew.team import *; SyncQueue('light.db').close()",
        "import clew.access.authority, clew.access.signing, clew.access.remote",
        "import clew; clew.init('x', endpoint='http://127.0.0.1:9'); clew.shutdown(0.1)",
    ],
)
def test_what_a_client_uses_works_without_the_server(light_python: Path, statement: str) -> None:
    assert not SERVER_PACKAGES & imported_by(light_python, statement)


def test_the_command_line_asks_a_server_from_the_light_install(
    light_python: Path, server: ServerProcess
) -> None:
    for arguments in (
        ["ingest"],
        ["doctor"],
        ["config"],
        ["sql", "--schema"],
        ["trace-id", "next", "--node-id", "3"],
        ["--help"],
    ):
        done = run(light_python, "-m", "clew.app.main", *arguments, server=server.url)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_demo_runs_from_the_light_install(light_python: Path, server: ServerProcess) -> None:
    done = run(
        *(light_python, "-m", "clew.app.main", "demo", "--requests", "6", "--seed", "4"),
        server=server.url,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["questions"]) == 5


def test_a_server_that_is_not_installed_says_how_to_install_it(light_python: Path) -> None:
    done = run(light_python, "-m", "clew.app.main", "serve")
    assert done.returncode == 3
    assert json.loads(done.stderr)["hint"] == "pip install 'clew[server]'"


def test_the_skill_is_shown_and_mcp_says_how_to_install_it(light_python: Path) -> None:
    skill = run(light_python, "-m", "clew.app.main", "skill", "show")
    assert skill.stdout.startswith("---\nname: clew\n"), skill.stderr
    done = run(light_python, "-m", "clew.app.main", "mcp")
    assert done.returncode == 3
    assert json.loads(done.stderr)["hint"].startswith("pip install 'clew[mcp]'")


def test_a_teams_server_needs_a_library_and_says_how_to_install_it(light_python: Path) -> None:
    done = run(
        light_python,
        "-c",
        "from clew.team import TrailBaseClient\n"
        "from clew.base.errors import ClewError\n"
        "try: TrailBaseClient('http://127.0.0.1:9')\n"
        "except ClewError as error: print(error.code, error.hint)",
    )
    assert done.stdout == "unsupported pip install 'clew[team]'\n", done.stderr
    vault = run(
        light_python,
        "-c",
        "from pathlib import Path\n"
        "from clew.team.vault.choice import open_vault\n"
        "print(open_vault(Path(), {}).kind, open_vault(Path(), {'CLEW_TEAM_KEY': 'x' * 16}).kind)",
    )
    assert vault.stdout == "memory file\n", vault.stderr


def test_a_teams_server_is_set_up_from_the_light_install(
    light_python: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "depot"
    command = ("-m", "clew.app.main", "team", "bootstrap")
    done = run(light_python, *command, "--write", str(folder))
    assert done.returncode == 0, done.stderr
    assert (folder / "config.textproto").is_file()
    looked = run(light_python, *command, "http://127.0.0.1:9")
    assert json.loads(looked.stderr)["hint"] == "pip install 'clew[team]'"


def test_without_the_http_library_a_teams_server_is_not_spoken_to_and_the_extra_is_named(
    light_python: Path,
) -> None:
    done = run(light_python, "-m", "clew.app.main", "team", "bootstrap", "https://127.0.0.1:9")
    assert done.returncode == 3
    assert json.loads(done.stderr)["hint"] == "pip install 'clew[team]'"
    program = "import clew.team\nfrom clew.base.errors import ClewError\ntry: clew.team.TrailBaseClient('https://127.0.0.1:9')\n"
    program += "except ClewError as error: print(error.code, error.hint)"
    said = run(light_python, "-c", program)
    assert said.stdout == "unsupported pip install 'clew[team]'\n", said.stderr
