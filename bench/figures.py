"""What a benchmark leaves behind: figures with units, and on what they were measured."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measured number: the median of `rounds`, with the smallest and largest."""

    value: float
    unit: str
    rounds: int = 1
    low: float | None = None
    high: float | None = None
    note: str = ""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures were measured on."""

    cpu: str
    cores: int
    memory_gib: float
    system: str


class Report(msgspec.Struct, kw_only=True):
    """Everything that one benchmark measured in one run.

    `figures` are named by dotted paths from the general to the particular:
    ``decode.traces.native.spans_per_cpu_s``. `others_cpu` is how many cores others kept busy
    meanwhile, on average: wall times of a run where it is not near 0 mean little.
    """

    bench: str
    date: str
    quick: bool
    machine: Machine
    versions: dict[str, str]
    others_cpu: float
    wall_s: float
    figures: dict[str, Figure]
    notes: list[str] = []


def median_of(values: Sequence[float], unit: str, *, note: str = "") -> Figure:
    """Return the median of some measurements as a figure, rounded to four digits."""
    return Figure(
        value=_rounded(statistics.median(values)),
        unit=unit,
        rounds=len(values),
        low=_rounded(min(values)),
        high=_rounded(max(values)),
        note=note,
    )


def single(value: float, unit: str, *, note: str = "") -> Figure:
    """Return one measurement as a figure, rounded to four digits."""
    return Figure(value=_rounded(value), unit=unit, note=note)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of the values stay below; of few values, the worst."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def write_report(report: Report, folder: Path) -> Path:
    """Write a report as ``<folder>/<bench>.json`` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.bench}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    return path


def read_reports(folder: Path) -> dict[str, Report]:
    """Return the reports of a folder by the name of their benchmark."""
    reports = [
        msgspec.json.decode(path.read_bytes(), type=Report)
        for path in sorted(folder.glob("*.json"))
    ]
    return {report.bench: report for report in reports}


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
