"""Start both services, order twice, stop them. The second order asks for more than there is."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def running(service: str, **environ: str) -> Iterator[str]:
    """Run a service, and give its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"examples.two_services.{service}"],
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            # A service says where it listens as its first line; requests wait until it takes them.
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


def main() -> None:
    """Order twice."""
    with (
        running("warehouse") as warehouse,
        running("orders", WAREHOUSE=warehouse) as orders,
    ):
        for number, skus in ((1, ["SKU-001", "SKU-002"]), (2, ["SKU-001", "SKU-002"])):
            asked = {"id": f"order-{number}", "customer": "Ann", "skus": skus}
            answer = httpx.post(f"{orders}/orders", json=asked, timeout=30).raise_for_status()
            print("{order} is {status}".format_map(answer.json()))


if __name__ == "__main__":
    main()
