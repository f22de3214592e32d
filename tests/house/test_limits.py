"""What reads whole windows, or whole tables, has walls around it."""

from __future__ import annotations

import ast
from pathlib import Path

import clew.telemetry

ROOT = Path(clew.telemetry.__file__).parent


def test_every_query_of_the_telemetry_has_limits() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for pattern in ("analytics/*.py", "genai/*.py", "query/*.py")
        for path in sorted(ROOT.glob(pattern))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).endswith("engine.query")
        and "limits" not in {keyword.arg for keyword in call.keywords}
    ]
    assert not bare
