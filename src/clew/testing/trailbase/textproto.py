"""Reads the text form of a protocol buffer as far as a server's configuration goes."""

from __future__ import annotations

import re
from typing import Final

Message = dict[str, list["Value"]]
"""Every field is a list: one that is given twice is repeated."""

Value = str | int | float | bool | Message

_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark>[{}\[\]<>:;,])""",
    re.VERBOSE,
)

_CLOSING: Final = {"{": "}", "<": ">"}

Token = tuple[str, str]


def parse_textproto(text: str) -> Message:
    """Return a message.

    Raises:
        ValueError: it does not parse.
    """
    tokens = _tokens(text)
    return _Reader(tokens).message(end=None)


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"line {text.count(chr(10), 0, at) + 1}: {text[at : at + 20]!r}")
        at = match.end()
        kind = str(match.lastgroup)
        if kind != "skip":
            found.append((kind, match.group()))
    return found


class _Reader:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def message(self, end: str | None) -> Message:
        fields: Message = {}
        while not self._is_end(end):
            kind, name = self._take()
            if kind != "word":
                raise ValueError(f"not the name of a field: {name}")
            self._skip(":")
            fields.setdefault(name, []).extend(self._values())
            self._skip(";", ",")
        return fields

    def _values(self) -> list[Value]:
        if not self._skip("["):
            return [self._value()]
        values: list[Value] = []
        while not self._skip("]"):
            values.append(self._value())
            self._skip(",")
        return values

    def _value(self) -> Value:
        kind, text = self._take()
        if text in _CLOSING:
            return self.message(_CLOSING[text])
        match kind:
            case "string":
                # Strings that stand side by side are one.
                joined = _unquote(text)
                while self._at < len(self._tokens) and self._tokens[self._at][0] == "string":
                    joined += _unquote(self._take()[1])
                return joined
            case "number":
                return float(text) if "." in text else int(text)
            case "word":
                return {"true": True, "false": False}.get(text, text)
            case _:
                raise ValueError(f"not a value: {text}")

    def _is_end(self, end: str | None) -> bool:
        if end is None:
            return self._at == len(self._tokens)
        return self._skip(end)

    def _skip(self, *marks: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] in [("mark", m) for m in marks]:
            self._at += 1
            return True
        return False

    def _take(self) -> Token:
        if self._at == len(self._tokens):
            raise ValueError("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]


def _unquote(text: str) -> str:
    return re.sub(
        r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text[1:-1]
    )
