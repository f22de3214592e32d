"""A car that sees: a camera and a lidar, joined by time into scenes.

The camera takes thirty frames a second, the lidar ten sweeps. A scene is made of one sweep and of
the frames around it. Each stage is an ordinary function of ordinary values; `lineage.stage` is all
that was added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew import lineage
from examples.lineage.running import run_traced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clew.lineage import Traced

WINDOW_MS = 50
"""Frames so near to a sweep are of its scene; one that is between two sweeps is of both."""


@dataclass(frozen=True)
class Frame:
    """A picture, and when it was taken."""

    at_ms: int
    pixels: tuple[int, ...]


@dataclass(frozen=True)
class Sweep:
    """Distances all around, and when they were measured."""

    at_ms: int
    distances: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """What is near, and when."""

    at_ms: int
    obstacles: int


@lineage.stage("camera", stream_id=1)
def shoot(count: int) -> Iterator[Frame]:
    """Take frames. They are made of nothing: each begins a lineage."""
    for number in range(count):
        yield Frame(number * 1000 // 30, (number, number + 1, number + 2))


@lineage.stage("undistort", stream_id=2)
def undistort(frame: Frame) -> Frame:
    """Make a frame straight. One input: the output goes on with its id."""
    return Frame(frame.at_ms, frame.pixels[::-1])


@lineage.stage("lidar", stream_id=3)
def turn(count: int) -> Iterator[Sweep]:
    """Measure distances, ten times a second."""
    for number in range(count):
        yield Sweep(number * 100, (9, 4, 7 - number))


@lineage.stage("fusion", stream_id=4)
def fuse(frames: Sequence[Frame], sweep: Sweep) -> Scene:
    """Make a scene of frames and a sweep. Several inputs: it has an id of its own."""
    near = sum(distance < 5 for distance in sweep.distances)
    return Scene(sweep.at_ms, near * len(frames))


@lineage.stage("tracks", stream_id=5)
def track(scene: Scene) -> str:
    """Say what follows of a scene."""
    return "brake" if scene.obstacles else "drive"


def drive(sweeps: int = 3) -> list[Traced[str]]:
    """Drive for so many sweeps, and return what the car did at each."""
    frames = [undistort(frame) for frame in shoot(sweeps * 3)]
    done = []
    for sweep in turn(sweeps):
        at_ms = sweep.value.at_ms
        around = [each for each in frames if abs(each.value.at_ms - at_ms) <= WINDOW_MS]
        done.append(track(fuse(around, sweep)))
    return done


if __name__ == "__main__":
    with run_traced("driving"):
        print(drive()[1].trace_id)
