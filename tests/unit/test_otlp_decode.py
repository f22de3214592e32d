"""Which decoder is opened, and that a missing extension is said once."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest

from clew.telemetry.otlp import decode
from clew.telemetry.otlp.decode import DecoderName, NativeDecoder, decoder_name, open_decoder
from clew.telemetry.otlp.reference import ReferenceDecoder
from clew.telemetry.otlp.signal import Signal
from tests.otlp_native import require_native


@pytest.fixture
def without_extension(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the import of the extension fail, as where it was never installed."""
    monkeypatch.setitem(sys.modules, "clew_native", None)
    decode._native_module.cache_clear()
    yield
    decode._native_module.cache_clear()


@pytest.mark.usefixtures("without_extension")
def test_without_the_extension_the_reference_decodes_and_one_warning_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        for signal in Signal:
            assert isinstance(open_decoder(signal), ReferenceDecoder)
        assert decoder_name() is DecoderName.REFERENCE
    (record,) = caplog.records
    assert "make setup" in record.message
    assert "pip install ./native" in record.message


def test_with_the_extension_the_native_decoder_is_opened() -> None:
    require_native()
    assert isinstance(open_decoder(Signal.LOGS), NativeDecoder)
    assert decoder_name() is DecoderName.NATIVE
