"""Start ``clew`` with its threads named as the system sees them, then run it as it is.

Python (before 3.14) keeps a thread's name to itself. The benchmarks read CPU by thread from /proc,
so this writes the name there when a thread begins. Nothing else differs from ``clew serve``.
"""

from __future__ import annotations

import threading
from pathlib import Path


def _name_threads() -> None:
    run = threading.Thread.run

    def run_named(self: threading.Thread) -> None:
        comm = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
        # The kernel keeps 15 bytes.
        comm.write_text(self.name[:15])
        run(self)

    threading.Thread.run = run_named  # type: ignore[method-assign]
    Path("/proc/self/comm").write_text("clew main")


def main() -> None:
    """Run the ``clew`` command line of the arguments."""
    _name_threads()
    from clew.app.main import main as clew

    clew()


if __name__ == "__main__":
    main()
