"""Whether the tests of the native decoder can run, and whether they must."""

from __future__ import annotations

import importlib.util
import os

import pytest


def require_native() -> None:
    """Skip the test where the native decoder is not installed; fail it where it has to be."""
    if importlib.util.find_spec("clew_native") is not None:
        return
    if os.environ.get("CI") == "true" or os.environ.get("CLEW_REQUIRE_NATIVE") == "1":
        pytest.fail("the native decoder is not installed; CI must have it")
    pytest.skip("the native decoder is not installed")
