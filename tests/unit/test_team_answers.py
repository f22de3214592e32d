"""What a team's server answers, read with suspicion: addresses, refusals, tokens, filters."""

from __future__ import annotations

import base64
import json
import pickle
import time
from typing import Any
from uuid import UUID

import pytest

from clew.team.errors import (
    AuthError,
    ConflictError,
    DeniedError,
    MfaRequiredError,
    NotFoundError,
    RateLimitError,
    ServerError,
    SyncError,
    TeamError,
    ValidationError,
)
from clew.team.trailbase.address import parse_address
from clew.team.trailbase.answers import JSON_DEPTH_MAX, decode_json, refusal, retry_after_ms
from clew.team.trailbase.events import Numbering, read_event
from clew.team.trailbase.filters import Either, Every, Op, Where, filter_pairs, order_pair
from clew.team.trailbase.tokens import Tokens, base64_of, make_tokens, uuid_of

NOW = 1_795_000_000 * 10**9


def jwt(**claims: object) -> str:
    def part(document: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    return f"{part({'alg': 'EdDSA'})}.{part(claims)}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://Team.Example.com/", "https://team.example.com"),
        ("team.example.com", "https://team.example.com"),
        ("team.example.com:8443/base/", "https://team.example.com:8443/base"),
        ("https://team.example.com:443", "https://team.example.com"),
        ("http://127.0.0.1:4000", "http://127.0.0.1:4000"),
        ("http://[::1]:4000/", "http://[::1]:4000"),
        ("localhost:4000", "http://localhost:4000"),
        ("127.8.9.1:4000", "http://127.8.9.1:4000"),
    ],
)
def test_an_address_is_kept_in_one_form(given: str, kept: str) -> None:
    assert parse_address(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "http://team.example.com",
        "http://10.0.0.1:4000",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://0.0.0.0:4000",
        "ftp://team.example.com",
        "https://ann:secret-word@team.example.com",
        "https://team.example.com/?token=1",
        "",
        "https://",
    ],
)
def test_an_address_that_is_none_or_not_secure_is_refused(given: str) -> None:
    with pytest.raises(ValidationError) as raised:
        parse_address(given)
    assert "secret-word" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b"", ValidationError),
        (400, b"db constraint: unique", ConflictError),
        (400, b"db constraint: pk", ConflictError),
        (400, b"db constraint: check", ValidationError),
        (401, b"", AuthError),
        (403, b"", DeniedError),
        (403, b'{"mfa_token": "m"}', MfaRequiredError),
        (403, b'{"mfa_token": 3}', DeniedError),
        (403, b'"mfa_token', DeniedError),
        (404, b"", NotFoundError),
        (405, b"", SyncError),
        (409, b"", ConflictError),
        (412, b"", ConflictError),
        (413, b"", ValidationError),
        (418, b"", SyncError),
        (422, b"", ValidationError),
        (429, b"", RateLimitError),
        (301, b"", SyncError),
        (307, b"", SyncError),
        (408, b"", ServerError),
        (500, b"", ServerError),
        (503, b"", ServerError),
    ],
)
def test_every_refusal_has_a_class_and_its_text_is_not_shown(
    status: int, body: bytes, kind: type[TeamError]
) -> None:
    error = refusal(status, {}, body + b" hunter2-hunter2", host="t.example", now=NOW)
    if b'"m"' in body:  # A whole document is needed for this one.
        error = refusal(status, {}, body, host="t.example", now=NOW)
    assert type(error) is kind
    assert error.status == status or kind is MfaRequiredError
    assert "hunter2" not in f"{error}{error.hint}{error!r}"


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({"retry-after": "7"}, 7000),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "999999999"}, 24 * 3600 * 1000),
        ({"retry-after": "9" * 40}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "1.5"}, None),
        ({}, None),
        (
            {
                "retry-after": "Sat, 21 Nov 2026 20:00:30 GMT",
                "date": "Sat, 21 Nov 2026 20:00:00 GMT",
            },
            30_000,
        ),
        (
            {
                "retry-after": "Sat, 21 Nov 2026 19:00:00 GMT",
                "date": "Sat, 21 Nov 2026 20:00:00 GMT",
            },
            0,
        ),
        # No date of the server's: by our own clock.
        ({"retry-after": "Wed, 18 Nov 2026 13:07:00 GMT"}, 420_000),
    ],
)
def test_how_long_to_wait_is_read_from_seconds_and_from_dates(
    headers: dict[str, str], wait_ms: int | None
) -> None:
    at = 1_795_007_220 * 10**9 - 420 * 10**9
    assert retry_after_ms(headers, at) == wait_ms
    for status, kind in ((429, RateLimitError), (503, ServerError)):
        error = refusal(status, headers, b"", host="t", now=at)
        assert isinstance(error, kind)
        assert error.retry_after_ms == wait_ms


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"<html>",
        b'{"a": NaN}',
        b"\xff\xfe{}",
        b'{"a": "\xed\xa0\x80"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[" * (JSON_DEPTH_MAX + 1) + b"]" * (JSON_DEPTH_MAX + 1),
    ],
)
def test_hostile_json_is_refused_and_not_repeated(body: bytes) -> None:
    with pytest.raises(ServerError) as raised:
        decode_json(body)
    assert len(str(raised.value)) < 100


def test_json_as_deep_as_allowed_is_read() -> None:
    body = b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX
    assert decode_json(body) is not None


class TestTokensOfATeam:
    def test_they_show_nothing_of_themselves(self) -> None:
        tokens = make_tokens(jwt(sub="x"), refresh="refresh-secret", csrf="csrf-secret")
        shown = f"{tokens} {tokens!r} {[tokens]}"
        assert not [
            part for part in (tokens.bearer, "refresh-secret", "csrf-secret") if part in shown
        ]
        with pytest.raises(TypeError):
            pickle.dumps(tokens)

    def test_they_come_back_from_the_text_that_a_vault_keeps(self) -> None:
        tokens = make_tokens(jwt(iat=1, exp=3601, sub="x"), refresh="r", csrf="c", email="a@b")
        assert Tokens.from_secret(tokens.to_secret()) == tokens
        for wrong in ("", "{", "[]", '{"bearer": 3}', '{"refresh": "r"}'):
            with pytest.raises(SyncError):
                Tokens.from_secret(wrong)

    @pytest.mark.parametrize(
        ("life_s", "due_s"), [(3600, 3300), (120, 96), (10 * 3600, 10 * 3600 - 300), (1500, 1200)]
    )
    def test_they_are_due_five_minutes_or_a_fifth_of_their_life_before_the_end(
        self, life_s: int, due_s: int
    ) -> None:
        # The server's clock is years off, which changes nothing.
        tokens = make_tokens(jwt(iat=1000, exp=1000 + life_s), refresh="r")
        begin = tokens.obtained_at
        assert not tokens.is_due(begin + (due_s - 1) * 10**9)
        assert tokens.is_due(begin + due_s * 10**9)
        assert not tokens.is_over(begin + (life_s - 1) * 10**9)
        assert tokens.is_over(begin + life_s * 10**9)

    def test_a_clock_that_was_put_back_makes_them_due(self) -> None:
        tokens = make_tokens(jwt(iat=0, exp=3600), refresh="r")
        assert tokens.is_due(tokens.obtained_at - 3600 * 10**9)

    def test_without_an_end_or_a_refresh_token_they_are_never_due(self) -> None:
        far = time.time_ns() + 10**18
        assert not make_tokens("opaque", refresh="r").is_due(far)
        assert not make_tokens("opaque", refresh="r").is_over(far)
        assert not make_tokens(jwt(iat=0, exp=60)).is_due(far)
        assert make_tokens(jwt(iat=0, exp=60)).is_over(far)

    def test_a_documented_server_says_how_long_they_live(self) -> None:
        tokens = make_tokens("opaque", refresh="r", expires_in_s=100)
        assert tokens.is_due(tokens.obtained_at + 81 * 10**9)

    @pytest.mark.parametrize("bearer", [None, 3, "", "two words", "new\nline", "ü", "x" * 9000])
    def test_what_no_header_can_carry_is_no_token(self, bearer: object) -> None:
        with pytest.raises(SyncError):
            make_tokens(bearer)

    @pytest.mark.parametrize(
        "claims",
        [
            {"exp": "soon"},
            {"exp": 2**70, "iat": 0},
            {"exp": -5},
            {"exp": True},
            {"exp": 10, "iat": []},
            {"sub": 3},
            {"sub": "a\x00b", "email": {"a": 1}},
        ],
    )
    def test_claims_of_any_shape_do_no_harm(self, claims: dict[str, Any]) -> None:
        tokens = make_tokens(jwt(**claims), refresh="r")
        assert tokens.expires_at is None or 0 <= tokens.expires_at < 2**63
        assert Tokens.from_secret(tokens.to_secret()) == tokens

    @pytest.mark.parametrize("bearer", ["a.b.c", "a.!!!.c", "..", "a.bm90IGpzb24.c", "a.W10.c"])
    def test_a_bearer_that_is_no_jwt_has_no_claims(self, bearer: str) -> None:
        assert make_tokens(bearer).expires_at is None


def test_ids_are_read_in_both_spellings_and_filters_get_base64() -> None:
    uuid = "01964b2e-7c1f-7d3a-bc55-ff6f3a1b2c4d"
    encoded = base64.urlsafe_b64encode(UUID(uuid).bytes).decode()
    assert encoded.endswith("==")
    for text in (uuid, uuid.upper(), encoded, encoded.rstrip("=")):
        assert uuid_of(text) == uuid
        assert base64_of(text) == encoded
    for wrong in ("", "x", uuid[:-1], encoded + "A", "/" * 22, "é" * 36):
        with pytest.raises(ValidationError):
            uuid_of(wrong)


class TestFiltersOfRecords:
    def test_nested_ones_close_every_bracket(self) -> None:
        pairs = filter_pairs(
            (
                Where("a", Op.GT, 3),
                Every(
                    (
                        Where("b", Op.EQ, "x&y=z"),
                        Either((Where("c", Op.NE, None), Where("d", Op.EQ, None))),
                    )
                ),
                Where("e", Op.EQ, True),
            )
        )
        assert pairs == [
            ("filter[a][$gt]", "3"),
            ("filter[$and][0][b][$eq]", "x&y=z"),
            ("filter[$and][1][$or][0][c][$is]", "!NULL"),
            ("filter[$and][1][$or][1][d][$is]", "NULL"),
            ("filter[e][$eq]", "1"),
        ]

    def test_too_deep_and_strange_columns_are_refused_here(self) -> None:
        deep: Any = Where("a", Op.EQ, 1)
        for _ in range(5):
            deep = Every((deep, deep))
        assert filter_pairs((deep,))
        for wrong in (Every((deep, deep)), Either(())):
            with pytest.raises(ValidationError):
                filter_pairs((wrong,))
        assert filter_pairs((Either((Every((Where("a", Op.EQ, 1),)),)),)) == [
            ("filter[a][$eq]", "1")
        ]
        for column in ("_secret", "a]", "", "a b", "1a"):
            with pytest.raises(ValidationError):
                filter_pairs((Where(column, Op.EQ, 1),))

    def test_two_of_the_same_name_do_not_become_one(self) -> None:
        assert filter_pairs((Where("a", Op.NE, 1), Where("a", Op.NE, 2))) == [
            ("filter[$and][0][a][$ne]", "1"),
            ("filter[$and][1][a][$ne]", "2"),
        ]

    def test_an_order_has_signs(self) -> None:
        assert order_pair(("a", "-b", "+c")) == [("order", "+a,-b,+c")]
        assert order_pair(()) == []
        with pytest.raises(ValidationError):
            order_pair(tuple("abcdef"))


class TestEventsOfATeam:
    def test_a_gap_a_loss_and_an_unknown_error_are_told_as_lost(self) -> None:
        numbering = Numbering()

        def lost(data: object) -> list[bool]:
            return [hint.lost for hint in read_event(json.dumps(data), ["comments"], numbering)]

        assert lost({"Insert": {}, "seq": 1}) == [False]
        assert lost({"Update": {}, "seq": 2}) == [False]
        assert lost({"Update": {}, "seq": 5}) == [True]
        assert lost({"Delete": {}, "seq": 6}) == [False]
        assert lost({"Error": {"status": 2, "message": "x"}, "seq": 7}) == [True]
        assert lost({"Error": {"status": 0}, "seq": 8}) == [True]
        assert lost({"Error": "?"}) == [True]
        assert lost({"Insert": {}}) == [False]

    def test_events_before_the_first_that_is_heard_were_missed(self) -> None:
        assert read_event('{"Insert": {}, "seq": 4}', ["teams"], Numbering())[0].lost

    def test_a_shared_table_hints_at_the_kind_that_changed(self) -> None:
        def kinds(data: object) -> list[str]:
            found = read_event(json.dumps(data), ["findings", "plans"], Numbering())
            return [hint.entity_type for hint in found]

        assert kinds({"Insert": {"entity_type": "plans"}, "seq": 1}) == ["plans"]
        assert kinds({"Insert": {"entity_type": "others"}, "seq": 1}) == []
        assert kinds({"Insert": {}, "seq": 1}) == ["findings", "plans"]
        assert kinds({"Insert": {"entity_type": "others"}, "seq": 9}) == ["findings", "plans"]

    def test_who_may_listen_no_longer_is_told_so(self) -> None:
        with pytest.raises(DeniedError):
            read_event('{"Error": {"status": 1}, "seq": 1}', ["teams"], Numbering())
        for wrong in ("[]", "3", "{", ""):
            with pytest.raises(ServerError):
                read_event(wrong, ["teams"], Numbering())
