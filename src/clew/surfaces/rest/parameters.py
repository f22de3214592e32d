"""Query strings to parameter structs, strictly: nothing unknown, nothing ignored, nothing guessed.

A parameter that is dropped in silence turns a narrow question into a wide one, and its answer into
a wrong one; so every unknown name, every repeated scalar and every value that does not parse is an
error that names the parameter and says what would be right.
"""

from __future__ import annotations

import difflib
import math
import types
import typing
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin
from urllib.parse import unquote_to_bytes

import msgspec

from clew.base.errors import ClewError, ErrorCode

QUERY_BYTES_MAX: Final = 48 << 10
"""The longest query string: three quarters of what a request's head may be."""

PARAMETERS_MAX: Final = 256
"""Pairs in one query string: a page of filters has a dozen."""

NEAR_ENOUGH: Final = 0.6
"""How like a known name (0 to 1) a wrong one must be to be offered."""

Parameters = TypeVar("Parameters", bound=msgspec.Struct)


def parse_parameters(query: bytes, kind: type[Parameters]) -> Parameters:
    """Return the parameters that a query string gives.

    Raises:
        ClewError: INVALID_ARGUMENT, naming the parameter, with a hint of what would be right.
    """
    fields = describe_fields(kind)
    values: dict[str, Any] = {}
    for name, text in _split(query):
        field = fields.get(name)
        if field is None:
            raise _unknown(name, fields)
        if field.is_list:
            values.setdefault(field.attribute, []).append(field.parse(text))
        elif field.attribute in values:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT, f"{name} is given twice", hint="give it once"
            )
        else:
            values[field.attribute] = field.parse(text)
    for name, field in fields.items():
        if field.is_required and field.attribute not in values:
            raise ClewError(ErrorCode.INVALID_ARGUMENT, f"{name} is missing", hint=f"add {name}=…")
    return kind(**values)


class Field:
    """One parameter: how its text becomes a value, and what to say when it does not.

    `name` is that of the query string, `attribute` that of the struct, which cannot be ``from``.
    """

    def __init__(self, name: str, attribute: str, kind: Any, *, is_required: bool) -> None:
        self.name = name
        self.attribute = attribute
        self.is_required = is_required
        self.is_list = get_origin(kind) is list
        bounded = get_args(kind)[0] if self.is_list else _without_none(kind)
        self.schema_kind = bounded
        """The type with its bounds, as OpenAPI tells it."""
        self.kind = get_args(bounded)[0] if get_origin(bounded) is Annotated else bounded
        self._checks_bounds = bounded is not self.kind

    def parse(self, text: str) -> Any:
        """Return the value that a text stands for.

        Raises:
            ClewError: INVALID_ARGUMENT, with what would be right as the hint.
        """
        try:
            value = msgspec.convert(text, self.kind, strict=False)
        except msgspec.ValidationError:
            raise self._refuse(text) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise self._refuse(text)
        if self._checks_bounds:
            try:
                msgspec.convert(value, self.schema_kind)
            except msgspec.ValidationError as error:
                raise ClewError(
                    ErrorCode.INVALID_ARGUMENT,
                    f"{self.name}={_shown(text)} is out of bounds",
                    hint=f"{self.name}: {_bound(error)}",
                ) from None
        return value

    def _refuse(self, text: str) -> ClewError:
        hint = self._expected()
        if get_origin(self.kind) is Literal:
            near = difflib.get_close_matches(text, get_args(self.kind), n=1, cutoff=NEAR_ENOUGH)
            hint = f"did you mean {near[0]}? {hint}" if near else hint
        return ClewError(
            ErrorCode.INVALID_ARGUMENT, f"{self.name}={_shown(text)} is not valid", hint=hint
        )

    def _expected(self) -> str:
        if get_origin(self.kind) is Literal:
            return f"{self.name} is one of {', '.join(get_args(self.kind))}"
        if self.kind is bool:
            return f"{self.name} is true or false"
        if self.kind is int:
            return f"{self.name} is a whole number"
        if self.kind is float:
            return f"{self.name} is a number"
        return f"{self.name} is text"


def check_bounds(asked: Parameters) -> Parameters:
    """Return a struct that was made in the program, once its values are found within their bounds.

    What is read from a query string or a body has been looked at on the way in.

    Raises:
        ClewError: INVALID_ARGUMENT, naming the value and its bound.
    """
    try:
        msgspec.json.decode(msgspec.json.encode(asked), type=type(asked))
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            _bound(error).replace("$.", ""),
            hint="the bounds of every value are in /openapi.json",
        ) from None
    return asked


def _bound(error: Exception) -> str:
    said = str(error)
    return said[:1].lower() + said[1:].replace("`", "")


@cache
def describe_fields(kind: type[msgspec.Struct]) -> dict[str, Field]:
    """Return the parameters of a struct by name, in the order of their declaration."""
    annotations = typing.get_type_hints(kind, include_extras=True)
    return {
        field.encode_name: Field(
            field.encode_name, field.name, annotations[field.name], is_required=field.required
        )
        for field in msgspec.structs.fields(kind)
    }


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in {Union, types.UnionType}:
        others = [each for each in get_args(kind) if each is not type(None)]
        assert len(others) == 1, f"a parameter has one type, or none: {kind}"
        return others[0]
    return kind


def _split(query: bytes) -> list[tuple[str, str]]:
    """Cut a query string into pairs; a plus is a space, as forms have it."""
    if len(query) > QUERY_BYTES_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"the query string is longer than {QUERY_BYTES_MAX} bytes",
            hint="ask for less at once; POST /api/v1/sql takes longer statements",
        )
    parts = [part for part in query.split(b"&") if part]
    if len(parts) > PARAMETERS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"more than {PARAMETERS_MAX} parameters",
            hint="a filter expression in q says more with less",
        )
    pairs = []
    for part in parts:
        name, _, value = part.partition(b"=")
        pairs.append((_unquote(name), _unquote(value)))
    return pairs


def _unquote(text: bytes) -> str:
    try:
        return unquote_to_bytes(text.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{_shown(text.decode('latin-1'))} is not UTF-8 when percent-decoded",
            hint="percent-encode the UTF-8 bytes",
        ) from None


def _unknown(name: str, fields: dict[str, Field]) -> ClewError:
    near = difflib.get_close_matches(name, fields, n=1, cutoff=NEAR_ENOUGH)
    if near:
        hint = f"did you mean {near[0]}?"
    elif fields:
        hint = f"known here: {', '.join(fields)}"
    else:
        hint = "nothing can be asked of this address"
    return ClewError(ErrorCode.INVALID_ARGUMENT, f"there is no parameter {_shown(name)}", hint=hint)


def _shown(text: str) -> str:
    """Return a text of the caller's, short enough for an error."""
    return repr(text if len(text) <= 80 else text[:79] + "…")
