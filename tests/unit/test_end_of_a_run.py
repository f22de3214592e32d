"""How long a program that ends waits for its last telemetry: as its environment says."""

from __future__ import annotations

import pytest

from clew.sdk.run import CLOSE_S_MAX, END_VARIABLE, Delivery, Run


class Slow:
    """A way out that remembers how long it was given, and needs all of it."""

    def __init__(self) -> None:
        self.given: list[float] = []

    def delivery(self) -> Delivery:
        return Delivery("spans", 0, 0, 1)

    def flush(self, timeout_s: float) -> bool:
        self.given.append(timeout_s)
        return False

    def close(self, timeout_s: float) -> None:
        self.given.append(timeout_s)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(None, CLOSE_S_MAX), ("600", 600.0), ("0", CLOSE_S_MAX), ("long", CLOSE_S_MAX)],
)
def test_the_end_waits_as_long_as_the_environment_says(
    said: str | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if said is not None:
        monkeypatch.setenv(END_VARIABLE, said)
    outlet = Slow()
    for wait in (Run.flush, Run.shutdown, Run.close_outlets):
        wait(Run([outlet], service_name="ending", endpoint=""))
    assert [round(given) for given in outlet.given] == [round(seconds)] * 3
    Run([outlet], service_name="ending", endpoint="").shutdown(7000.0)
    assert round(outlet.given[-1]) == 7000
