"""The streams that every process has, also where whoever started it has closed them."""

from __future__ import annotations

import os
import sys


def hold_streams() -> None:
    """Open what is closed of stdin, stdout and stderr, on nothing; before any file is opened.

    A file would get the number of the one that is closed, and what a library of C says on stderr
    would go into the middle of it.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(opened)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
