"""The vectors and schemas that clients in every language replay hold for this one."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from clew.access.signing import SignedHead, signed_octets
from clew.base.errors import ClewError
from clew.tree.frames.canonical import canonical_json, format_number, signing_bytes
from clew.tree.frames.codec import decode_inbound, decode_outbound
from clew.tree.frames.info import TrailsConfig
from clew.tree.frames.keys import Signer, verify, verify_frame
from clew.tree.frames.schema import encode_codes, encode_schema

FOLDER = Path(__file__).parents[2] / "contracts" / "trails"
CANONICAL: dict[str, Any] = json.loads((FOLDER / "canonical-vectors.json").read_text())
INFO: dict[str, Any] = json.loads((FOLDER / "info-vectors.json").read_text())
SIGNING: dict[str, Any] = json.loads((FOLDER / "signing-vectors.json").read_text())
REST: dict[str, Any] = json.loads((FOLDER / "rest-signing-vectors.json").read_text())


def why(vector: dict[str, Any]) -> str:
    return str(vector["why"])


@pytest.mark.parametrize("vector", CANONICAL["numbers"], ids=lambda vector: vector["double"])
def test_doubles_are_printed_as_rfc_8785_prints_them(vector: dict[str, str]) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(vector["double"]))
    assert format_number(number) == vector["canonical"]
    assert canonical_json(vector["canonical"].encode()).decode() == vector["canonical"]


@pytest.mark.parametrize("vector", CANONICAL["texts"], ids=why)
def test_a_text_has_the_canonical_form_of_its_vector(vector: dict[str, str]) -> None:
    assert canonical_json(vector["json"].encode()).decode() == vector["canonical"]


@pytest.mark.parametrize("vector", CANONICAL["refused"], ids=why)
def test_a_text_that_readers_differ_about_has_no_canonical_form(vector: dict[str, str]) -> None:
    with pytest.raises(ClewError):
        canonical_json(vector["json"].encode())


@pytest.mark.parametrize("vector", SIGNING["signed"], ids=why)
def test_a_signed_frame_is_signed_as_its_vector_says(vector: dict[str, str]) -> None:
    frame = vector["frame"].encode()
    signer = Signer(bytes.fromhex(SIGNING["seed_hex"]))
    assert signer.pub_key == SIGNING["pub_key"]
    assert signing_bytes(frame).decode() == vector["signing_text"]
    assert signer.sign(signing_bytes(frame)) == vector["sig"]
    assert verify_frame(signer.pub_key, frame)
    decode = decode_outbound if '"control"' in vector["frame"] else decode_inbound
    assert decode(frame).sig == vector["sig"]  # type: ignore[union-attr]


@pytest.mark.parametrize("vector", SIGNING["refused"], ids=why)
def test_a_frame_that_was_changed_is_not_signed(vector: dict[str, str]) -> None:
    assert not verify_frame(SIGNING["pub_key"], vector["frame"].encode())


def test_a_proof_must_have_the_nonce_of_this_socket() -> None:
    frame = SIGNING["signed"][0]["frame"].encode()
    assert verify_frame(SIGNING["pub_key"], frame, SIGNING["nonce"])
    assert not verify_frame(SIGNING["pub_key"], frame, "another")
    without = next(vector for vector in SIGNING["signed"] if "nonce" not in vector["frame"])
    assert not verify_frame(SIGNING["pub_key"], without["frame"].encode(), SIGNING["nonce"])


def test_a_key_that_is_no_point_of_the_curve_verifies_nothing() -> None:
    signature = SIGNING["signed"][0]["sig"]
    for pub_key in ("", "ed25519:", "ed25519:" + "/" * 43 + "=", SIGNING["pub_key"] + "="):
        assert not verify(pub_key, b"", signature)


@pytest.mark.parametrize("vector", INFO["configurations"], ids=why)
def test_a_configuration_says_what_its_vector_says(vector: dict[str, Any]) -> None:
    config = TrailsConfig.decode(vector["text"])
    assert TrailsConfig.decode(config.encode()) == config
    for name in set(vector) - {"why", "text", "socket_url", "start_day"}:
        found = getattr(config, name)
        assert (list(found) if isinstance(found, tuple) else found) == vector[name], name
    assert config.socket_url() == vector["socket_url"]
    if vector["start_day"] is not None:
        assert config.start_day == vector["start_day"]


@pytest.mark.parametrize("vector", INFO["refused"], ids=why)
def test_a_configuration_that_no_client_uses_is_refused(vector: dict[str, str]) -> None:
    with pytest.raises(ClewError):
        TrailsConfig.decode(vector["text"])


@pytest.mark.parametrize(
    ("name", "write"), [("frames.schema.json", encode_schema), ("codes.json", encode_codes)]
)
def test_the_schema_and_the_codes_are_those_of_the_code(name: str, write: Any) -> None:
    assert (FOLDER / name).read_bytes() == write(), "run python -m clew.app.generate"


def rest_octets(case: dict[str, Any]) -> tuple[bytes, str]:
    """Return what a request of the vectors must have signed, and its signature."""
    headers = case["headers"]
    head = SignedHead(
        headers["x-trails-app-id"],
        headers["x-trails-timestamp"],
        headers["x-trails-nonce"],
        headers["x-trails-sig"],
        headers.get("idempotency-key", ""),
    )
    octets = signed_octets(case["method"], case["target"], head, case["body"].encode())
    return octets, head.signature


@pytest.mark.parametrize("case", REST["signed"], ids=why)
def test_signed_requests_are_those_of_the_vectors(case: dict[str, Any]) -> None:
    octets, signature = rest_octets(case)
    assert octets.decode() == case["signing_text"]
    assert Signer(bytes.fromhex(REST["seed_hex"])).sign(octets) == signature
    assert verify(REST["pub_key"], octets, signature)


@pytest.mark.parametrize("case", REST["refused"], ids=why)
def test_requests_that_were_changed_are_refused(case: dict[str, Any]) -> None:
    assert not verify(REST["pub_key"], *rest_octets(case))
