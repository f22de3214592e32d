"""``python -m bench [NAME…] [--spans 1m|10m] [--quick] [--out DIR]``: measure, and write results.

Without a name everything is measured. A quick run is for trying out the suite: small sizes, and its
results go to ``build/bench`` unless `--out` says otherwise, never over those of a full run.
``table`` renders docs/reference/performance.md from bench/results.
"""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass
from pathlib import Path

from bench.figures import write_report
from bench.machine import ROOT, Session

BENCHES = (
    "decode",
    "ingest",
    "queries",
    "mixed",
    "tree",
    "emit",
    "lineage",
    "graph",
    "fanout",
    "replication",
    "stages",
    "twin",
    "team",
    "page",
)
SIZES = {"100k": 100_000, "1m": 1_000_000, "10m": 10_000_000}


@dataclass(frozen=True)
class Options:
    """What the command line asked for. `sizes` are numbers of spans, for the query benchmark."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    quick: bool
    out: Path


def parse_options() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*BENCHES, "table")))
    parser.add_argument("--spans", action="append", choices=SIZES, help="size of the store")
    parser.add_argument("--quick", action="store_true", help="small sizes, for trying out")
    parser.add_argument("--out", type=Path, help="folder of the results")
    given = parser.parse_args()
    unknown = set(given.names) - {*BENCHES, "table"}
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    names = given.spans or (["100k"] if given.quick else ["1m", "10m"])
    default_out = ROOT / ("build/bench" if given.quick else "bench/results")
    return Options(
        names=tuple(given.names) or BENCHES,
        sizes=tuple(SIZES[name] for name in names),
        quick=given.quick,
        out=given.out or default_out,
    )


def main() -> None:
    """Run the benchmarks one after another, writing each report as it is done."""
    options = parse_options()
    for name in options.names:
        if name == "table":
            continue
        session = Session(name, options.quick, options.sizes)
        importlib.import_module(f"bench.{name}").run(session)
        print(f"wrote {write_report(session.report(), options.out)}", flush=True)
    if not options.quick:
        from bench.table import write_page

        print(f"wrote {write_page()}")


if __name__ == "__main__":
    main()
