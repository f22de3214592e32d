r"""Regular expressions from strangers, in time that grows with the text and no faster.

Theory of operation. Registries come from anywhere, and a pattern such as ``(a+)+$`` makes a
backtracking matcher take for ever. So patterns are a subset of Python's that has an automaton
(Thompson 1968; RE2 does the same): it is walked once along the text, whatever the pattern. Its
states are built as texts ask for them and kept up to a bound.

The subset: characters; ``.``; classes ``[a-z]`` ``\d`` ``\w`` ``\s`` and their opposites; ``|``;
groups ``( )`` and ``(?: )``; ``*`` ``+`` ``?`` ``{m}`` ``{m,}`` ``{m,n}``, also lazy, which changes
nothing here; ``^`` ``\A`` at the beginning; ``$`` ``\Z`` at the end of the text. Back references,
looking around, word boundaries and flags are refused. One character is compared by Python's own
expressions, so that letters and digits are what they are there.

What a pattern asks for must show in the first `PATTERN_TEXT_CHARS_MAX` characters: a text that is
longer matches only where it has matched by then.

A pattern matches what *begins* as it says, like `re.match`. ``$`` is the very end of the text; the
one before a last line break, as Python has it, is not.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from clew.twin.schema.limits import (
    PATTERN_CHARS_MAX,
    PATTERN_STATES_MAX,
    PATTERN_TEXT_CHARS_MAX,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

COUNT_MAX: Final = 200
"""Of a counted repetition: what the bound on states allows for any character of a class."""

NESTING_MAX: Final = 20
"""Groups inside groups: what a reader can count, and far from what Python's stack holds."""

KEPT_STATES_MAX: Final = 500
"""Built states of one pattern; when there are more, all are forgotten and built again."""

KEPT_PATTERNS: Final = 256
"""Compiled patterns that a process keeps; a registry of that many patterns is rare."""

_CLASS_ESCAPES: Final = frozenset("dDwWsS")
_CONTROL_ESCAPES: Final = frozenset("tnrfv")
_COUNT = re.compile(r"\{([0-9]{1,4})(?:(,)([0-9]{1,4})?)?\}")
_SET_OPERATIONS = re.compile(r"--|&&|\|\||~~|\[")


class PatternError(ValueError):
    """A pattern that is none, or none of the subset."""


class Pattern:
    """A compiled pattern. It may be used from any thread."""

    def __init__(self, text: str) -> None:
        """Compile a pattern.

        Raises:
            PatternError: it does not parse, is none of the subset, or is too large.
        """
        self._program = _Parser(text).parse()
        self._first = self._program.closure([self._program.start], at_start=True)
        self._next: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def matches(self, text: str) -> bool:
        """Whether a text begins as the pattern says."""
        program, known = self._program, self._next
        states = self._first
        for character in text[:PATTERN_TEXT_CHARS_MAX]:
            if program.accept in states:
                return True
            if not states:
                return False
            found = known.get((states, character))
            if found is None:
                if len(known) >= KEPT_STATES_MAX:
                    # Another thread may hold the old table; it goes on with it.
                    self._next = known = {}
                found = known[states, character] = program.step(states, character)
            states = found
        if program.accept in states or len(text) > PATTERN_TEXT_CHARS_MAX:
            return program.accept in states
        return program.accepts_at_end(states, is_empty=not text)


@lru_cache(maxsize=KEPT_PATTERNS)
def compile_pattern(text: str) -> Pattern:
    """Return a compiled pattern.

    Raises:
        PatternError: it does not parse, is none of the subset, or is too large.
    """
    return Pattern(text)


class _Edge(NamedTuple):
    target: int
    kind: Literal["free", "start", "end", "character"]
    atom: re.Pattern[str] | None = None


class _Piece(NamedTuple):
    """A part of the automaton: where one goes in, and where one comes out."""

    start: int
    end: int


class _Program:
    def __init__(self) -> None:
        self.edges: list[list[_Edge]] = []
        self.start = 0
        self.accept = 0

    def new_state(self) -> int:
        if len(self.edges) >= PATTERN_STATES_MAX:
            raise PatternError("a pattern of too many repetitions")
        self.edges.append([])
        return len(self.edges) - 1

    def join(self, source: int, target: int) -> None:
        self.edges[source].append(_Edge(target, "free"))

    def closure(
        self, states: Iterable[int], *, at_start: bool = False, at_end: bool = False
    ) -> frozenset[int]:
        """Return the states that are reached without a character."""
        reached = set(states)
        waiting = list(reached)
        while waiting:
            for edge in self.edges[waiting.pop()]:
                is_open = (
                    edge.kind == "free"
                    or (edge.kind == "start" and at_start)
                    or (edge.kind == "end" and at_end)
                )
                if is_open and edge.target not in reached:
                    reached.add(edge.target)
                    waiting.append(edge.target)
        return frozenset(reached)

    def step(self, states: frozenset[int], character: str) -> frozenset[int]:
        return self.closure(
            edge.target
            for state in states
            for edge in self.edges[state]
            if edge.atom is not None and edge.atom.fullmatch(character)
        )

    def accepts_at_end(self, states: frozenset[int], *, is_empty: bool) -> bool:
        return self.accept in self.closure(states, at_start=is_empty, at_end=True)


class _Parser:
    """Recursive descent: alternatives of sequences of repeated atoms."""

    def __init__(self, text: str) -> None:
        if len(text) > PATTERN_CHARS_MAX:
            raise PatternError(f"a pattern of more than {PATTERN_CHARS_MAX} characters")
        self._text = text
        self._at = 0
        self._depth = 0
        self._program = _Program()

    def parse(self) -> _Program:
        piece = self._alternatives()
        if self._at < len(self._text):
            raise PatternError(f"a parenthesis too many at {self._at}")
        self._program.start, self._program.accept = piece
        return self._program

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        character = self._peek()
        if not character:
            raise PatternError("a pattern that ends too early")
        self._at += 1
        return character

    def _alternatives(self) -> _Piece:
        program = self._program
        branches = [self._sequence()]
        while self._peek() == "|":
            self._take()
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        start, end = program.new_state(), program.new_state()
        for branch in branches:
            program.join(start, branch.start)
            program.join(branch.end, end)
        return _Piece(start, end)

    def _sequence(self) -> _Piece:
        state = self._program.new_state()
        piece = _Piece(state, state)
        while self._peek() not in {"", "|", ")"}:
            following = self._repeated()
            self._program.join(piece.end, following.start)
            piece = _Piece(piece.start, following.end)
        return piece

    def _repeated(self) -> _Piece:
        begin = self._at
        piece = self._atom()
        after = self._at
        counts = self._repetition()
        if counts is None:
            return piece
        if self._text[begin:after] in {"^", "$", "\\A", "\\Z"}:
            raise PatternError(f"nothing to repeat at {after}")
        return self._repeat(piece, begin, counts)

    def _repetition(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        sign = self._peek()
        if sign in simple:
            self._take()
            counts = simple[sign]
        elif sign == "{":
            counts = self._count()
        else:
            return None
        if self._peek() == "?":
            self._take()
        if self._peek() and self._peek() in "*+?{":
            raise PatternError(f"a repetition of a repetition at {self._at}")
        return counts

    def _count(self) -> tuple[int, int | None]:
        match = _COUNT.match(self._text, self._at)
        if match is None:
            raise PatternError(f"a brace that counts nothing at {self._at}; write \\{{ for a brace")
        self._at = match.end()
        least = int(match[1])
        most = least if match[2] is None else None if match[3] is None else int(match[3])
        if max(least, most or 0) > COUNT_MAX or (most is not None and most < least):
            raise PatternError(f"a count that is none: {match[0]}")
        return least, most

    def _repeat(self, piece: _Piece, begin: int, counts: tuple[int, int | None]) -> _Piece:
        """Return an atom as often as it may come; each time is a copy of its own."""
        program = self._program
        least, most = counts
        after = self._at
        copies = max(least, 1 if most is None else most)
        start = program.new_state()
        end = program.new_state()
        place = start
        for number in range(copies):
            if number:
                self._at = begin
                piece = self._atom()
            if number >= least:
                program.join(place, end)
            program.join(place, piece.start)
            place = piece.end
        if most is None:
            program.join(piece.end, piece.start)
        if copies == 0 or (most is None and least == 0):
            program.join(start, end)
        program.join(place, end)
        self._at = after
        return _Piece(start, end)

    def _atom(self) -> _Piece:
        character = self._take()
        if character == "(":
            return self._group()
        if character == "[":
            return self._single(self._class())
        if character == "^":
            return self._assertion("start")
        if character == "$":
            return self._assertion("end")
        if character == "\\":
            return self._escape()
        if character == ".":
            return self._single(".")
        if character in "*+?{":
            raise PatternError(f"nothing to repeat at {self._at - 1}")
        return self._single(re.escape(character))

    def _group(self) -> _Piece:
        if self._peek() == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise PatternError("of groups with (? only (?: ) is known")
            self._at += 2
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise PatternError(f"groups inside groups, more than {NESTING_MAX}")
        piece = self._alternatives()
        if self._peek() != ")":
            raise PatternError("a parenthesis that is not closed")
        self._take()
        self._depth -= 1
        return piece

    def _assertion(self, kind: Literal["start", "end"]) -> _Piece:
        start, end = self._program.new_state(), self._program.new_state()
        self._program.edges[start].append(_Edge(end, kind))
        return _Piece(start, end)

    def _escape(self) -> _Piece:
        if self._peek() == "A":
            self._take()
            return self._assertion("start")
        if self._peek() == "Z":
            self._take()
            return self._assertion("end")
        return self._single(self._escaped())

    def _escaped(self) -> str:
        character = self._take()
        if character in _CLASS_ESCAPES or character in _CONTROL_ESCAPES:
            return f"\\{character}"
        if character.isascii() and character.isalnum():
            raise PatternError(f"an escape that is not known: \\{character}")
        return re.escape(character)

    def _class(self) -> str:
        """Return the text of a class, as it stands; Python's expressions read it."""
        begin = self._at
        if self._peek() == "^":
            self._take()
        if self._peek() == "]":
            raise PatternError("a class that begins with its end; write \\] for a bracket")
        while self._peek() != "]":
            if self._take() == "\\":
                self._escaped()
        inner = self._text[begin : self._at]
        self._take()
        # Python keeps these for operations on sets, and warns of them today.
        if _SET_OPERATIONS.search(re.sub(r"\\.", "", inner, flags=re.DOTALL)):
            raise PatternError("in a class [ and -- && || ~~ are written with a backslash")
        return f"[{inner}]"

    def _single(self, source: str) -> _Piece:
        try:
            atom = re.compile(source)
        except re.error as error:
            raise PatternError(f"{source}: {error.msg}") from error
        start, end = self._program.new_state(), self._program.new_state()
        self._program.edges[start].append(_Edge(end, "character", atom))
        return _Piece(start, end)
