"""A diamond: one photo goes two ways, and what becomes of both is put together again.

Both ways go on with the photo's id, so the card is made of one lineage twice. It has an id of its
own all the same, and one parent: it was made of several things, even if all of them came from one.
"""

from __future__ import annotations

from clew import lineage
from examples.lineage.running import run_traced

PIXELS = (3, 1, 4, 1, 5, 9, 2, 6)


@lineage.stage("photo", stream_id=11)
def photograph() -> tuple[int, ...]:
    """Take a photo."""
    return PIXELS


@lineage.stage("thumbnail", stream_id=12)
def shrink(photo: tuple[int, ...]) -> tuple[int, ...]:
    """Make it small."""
    return photo[::2]


@lineage.stage("brightness", stream_id=13)
def measure(photo: tuple[int, ...]) -> float:
    """Tell how bright it is."""
    return sum(photo) / len(photo)


@lineage.stage("card", stream_id=14)
def print_card(thumbnail: tuple[int, ...], brightness: float) -> str:
    """Put the two together."""
    return f"{len(thumbnail)} pixels, brightness {brightness:.1f}"


def make_card() -> lineage.Traced[str]:
    """Return the card of a photo."""
    photo = photograph()
    return print_card(shrink(photo), measure(photo))


if __name__ == "__main__":
    with run_traced("diamond"):
        print(make_card().trace_id)
