"""A user's own prices, from a TOML file: they come before those of the table that is shipped.

.. code-block:: toml

    [[price]]
    provider = "openai"        # may be left out: any provider
    model = "house-model*"     # a star at the end stands for any ending
    from = 2026-01-01          # may be left out: since ever
    input = 2.5                # US dollars per million tokens
    output = 10.0
    cache_read = 0.25          # may be left out: the price of input
    cache_creation = 3.0       # likewise
"""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from pathlib import Path

FILE_BYTES_MAX: Final = 1 << 20
"""A file of prices; some ten thousand of them."""


class OwnPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The prices of a model from a day on, in US dollars per million tokens."""

    model: str
    input: Decimal
    output: Decimal
    provider: str | None = None
    from_: date | None = msgspec.field(default=None, name="from")
    cache_read: Decimal | None = None
    cache_creation: Decimal | None = None

    def is_for(self, provider: str, model: str, day: date) -> bool:
        """Whether a call of that day, by names in lower case, has this price."""
        if self.provider is not None and self.provider.lower() != provider:
            return False
        if self.from_ is not None and self.from_ > day:
            return False
        wanted = self.model.lower()
        if wanted.endswith("*"):
            return model.startswith(wanted[:-1])
        return model == wanted


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    price: list[OwnPrice] = []


def read_price_file(path: Path) -> tuple[OwnPrice, ...]:
    """Return the prices of a file, the newest and most exact first.

    Raises:
        ClewError: INVALID_ARGUMENT when the file cannot be read or is not what it should be.
    """
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise _refuse(path, f"it is larger than {FILE_BYTES_MAX} bytes")
        # Decimals, so that a price is the number that was written.
        parsed = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
        prices = msgspec.convert(parsed, _File, strict=False).price
    except OSError as error:
        raise _refuse(path, error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise _refuse(path, str(error)) from error
    for price in prices:
        _check(path, price)
    return tuple(sorted(prices, key=_rank))


def _rank(price: OwnPrice) -> tuple[int, int, int]:
    is_pattern = price.model.endswith("*")
    day = price.from_.toordinal() if price.from_ is not None else 0
    # A whole name before a beginning, a longer beginning before a shorter one, a later price
    # before an earlier one.
    return (is_pattern, -len(price.model) if is_pattern else 0, -day)


def _check(path: Path, price: OwnPrice) -> None:
    numbers = (price.input, price.output, price.cache_read, price.cache_creation)
    if any(number is not None and not (number.is_finite() and number >= 0) for number in numbers):
        raise _refuse(path, f"the prices of {price.model!r} must be 0 or more")
    if isinstance(price.from_, datetime):
        raise _refuse(path, f"the price of {price.model!r} begins on a day, not at a time")


def _refuse(path: Path, why: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"{path} is not a file of prices: {why}",
        hint="docs/guide/agent-runs.md shows one",
    )
