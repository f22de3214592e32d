"""What tokens cost: a user's own prices first, then the dated table of `genai-prices`.

Theory of operation. Tokens are added up by the engine, for all calls that have one price: those of
one model on one day, within one tier of the length of a call. (The price of a token may depend on
how long its call was, and on the day.) So a sum has the price that its calls have one by one, and a
window of millions of calls is priced in a few dozen multiplications.

The table comes with `pydantic` and a megabyte of prices, so it is imported when something is
priced for the first time.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from clew.telemetry.genai.price_file import read_price_file

if TYPE_CHECKING:
    from pathlib import Path

    from clew.telemetry.genai.price_file import OwnPrice

_MILLION: Final = Decimal(1_000_000)

# Names of providers in spans that do not begin as the table's own do.
_TABLE_NAMES: Final = {
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "aws.bedrock": "aws",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
    "moonshot_ai": "moonshotai",
}

_DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b")


@dataclass(frozen=True, slots=True)
class Use:
    """Tokens of calls that have one price: of one model, on one day, in one tier.

    `input_largest` is the longest of the calls. Cached tokens are part of `input`.
    """

    provider: str
    models: tuple[str, ...]
    day: date
    input_largest: int
    input: int
    output: int
    cache_read: int
    cache_creation: int


class _Table(Protocol):
    def find_provider_model(
        self, model_ref: str, provider: None, provider_id: str | None, provider_api_url: None
    ) -> tuple[Any, Any]: ...


@dataclass
class PriceBook:
    """Prices of models. Safe to use from any thread.

    `name` says where prices come from, `dated` as of when the shipped table is.
    """

    own: tuple[OwnPrice, ...] = ()
    own_name: str = ""
    _found: dict[tuple[str, str], Any] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @cached_property
    def name(self) -> str:
        """Which tables the prices are from."""
        from importlib.metadata import version

        shipped = f"genai-prices {version('genai-prices')}"
        return f"{self.own_name}, {shipped}" if self.own_name else shipped

    @cached_property
    def dated(self) -> str | None:
        """The newest day that the shipped table names for a look at the prices, not after today."""
        comments = " ".join(
            text
            for provider in self._snapshot.providers
            for text in (
                provider.price_comments,
                *(model.price_comments for model in provider.models),
            )
            if text
        )
        today = datetime.now(UTC).date().isoformat()
        return max((day for day in _DATE.findall(comments) if day <= today), default=None)

    @cached_property
    def tiers(self) -> tuple[int, ...]:
        """Lengths of a call in tokens past which some model's tokens have another price."""
        starts: set[int] = set()
        for provider in self._snapshot.providers:
            for model in provider.models:
                starts.update(_tier_starts(model.prices))
        return tuple(sorted(starts))

    def price(self, use: Use) -> Decimal | None:
        """Return what tokens cost in US dollars, None when no table knows the model."""
        for model in use.models:
            own = self._own_price(use, model)
            if own is not None:
                return _own_cost(own, use)
        for model in use.models:
            known = self._find(use.provider, model)
            if known is not None:
                return _table_cost(known, use)
        return None

    @cached_property
    def _snapshot(self) -> Any:
        from genai_prices.data_snapshot import get_snapshot

        return get_snapshot()

    def _own_price(self, use: Use, model: str) -> OwnPrice | None:
        lowered = model.lower()
        return next((own for own in self.own if own.is_for(use.provider, lowered, use.day)), None)

    def _find(self, provider: str, model: str) -> Any:
        """Return the table's entry for a model, None when there is none."""
        with self._lock:
            key = (provider, model)
            if key not in self._found:
                if len(self._found) >= NAMES_MAX:
                    self._found.clear()
                self._found[key] = self._look_up(provider, model)
            return self._found[key]

    def _look_up(self, provider: str, model: str) -> Any:
        table: _Table = self._snapshot
        # A gateway has a name of its own, and the prices of whom it stands for.
        for name in (_TABLE_NAMES.get(provider, provider) or None, None):
            try:
                return table.find_provider_model(model, None, name, None)[1]
            except LookupError:
                continue
        return None


NAMES_MAX: Final = 10_000
"""Names of models that are remembered: they come from spans, so they are bounded."""


def open_prices(path: Path | None) -> PriceBook:
    """Return the prices, with those of a file before the others.

    Raises:
        ClewError: INVALID_ARGUMENT when the file is not one of prices.
    """
    if path is None:
        return PriceBook()
    return PriceBook(read_price_file(path), path.name)


def _own_cost(own: OwnPrice, use: Use) -> Decimal:
    read = own.cache_read if own.cache_read is not None else own.input
    created = own.cache_creation if own.cache_creation is not None else own.input
    total = (
        own.input * _uncached(use)
        + read * use.cache_read
        + created * use.cache_creation
        + own.output * use.output
    )
    return total / _MILLION


def _uncached(use: Use) -> int:
    """Return the tokens at the full price; some senders leave cached ones out of `input`."""
    return max(0, use.input - use.cache_read - use.cache_creation)


def _table_cost(model: Any, use: Use) -> Decimal | None:
    from genai_prices.types import ModelPrice, TieredPrices, Usage

    noon = datetime.combine(use.day, time(12), UTC)
    prices = {
        key: _of_tier(price, use.input_largest) if isinstance(price, TieredPrices) else price
        for key, price in vars(model.get_prices(noon)).items()
        if price is not None
    }
    usage = Usage(
        input_tokens=max(use.input, use.cache_read + use.cache_creation),
        output_tokens=use.output,
        cache_read_tokens=use.cache_read,
        cache_write_tokens=use.cache_creation,
    )
    try:
        total: Decimal = ModelPrice(**prices).calc_price(usage)["total_price"]
    except ValueError:
        # The model is priced by something that spans do not say (pictures, seconds of sound).
        return None
    return total


def _of_tier(price: Any, length: int) -> Decimal:
    found: Decimal = price.base
    for tier in price.tiers:
        if length > tier.start:
            found = tier.price
    return found


def _tier_starts(prices: Any) -> set[int]:
    alternatives = [each.prices for each in prices] if isinstance(prices, list) else [prices]
    return {
        tier.start
        for alternative in alternatives
        for price in vars(alternative).values()
        for tier in getattr(price, "tiers", ())
    }
