"""Answers of tools: within their budget, harmless, and honest about what they leave out."""

from __future__ import annotations

import asyncio
import json

import pytest

from clew.base.errors import ClewError
from clew.base.gathering import gather, missing_shards, note_missing
from clew.surfaces.mcp.answers import (
    NOTE,
    TOKENS_MAX,
    TOKENS_MIN,
    Answer,
    Call,
    Draft,
    LeftOut,
    Table,
    check_budget,
    finish,
    fit,
    table,
    tokens_of,
)
from clew.surfaces.mcp.stdio import run_call


class Words(Answer, frozen=True, kw_only=True, omit_defaults=True):
    words: Table


def draft_of(words: list[str], *, least: int = 1, text_chars: int = 400) -> Draft:
    def write(items: int) -> Words:
        rest = len(words) - items
        left_out = [LeftOut(what="words", count=rest)] if rest else []
        return Words(words=table(("word",), ([word] for word in words[:items])), left_out=left_out)

    return Draft(most=len(words), write=write, least=least, text_chars=text_chars)


@pytest.mark.parametrize("tokens", [TOKENS_MIN, 301, 1000, 4000])
def test_an_answer_keeps_to_its_budget_and_fills_it(tokens: int) -> None:
    written = fit(draft_of(["word"] * 5000), tokens)
    kept = len(written.document["words"]["rows"])
    assert written.tokens <= tokens
    assert written.document["left_out"] == [{"what": "words", "count": 5000 - kept}]
    assert tokens_of(finish(draft_of(["word"] * 5000).write(kept + 1)).text) > tokens


def test_an_answer_that_fits_leaves_nothing_out() -> None:
    written = fit(draft_of(["one", "two"]), TOKENS_MIN)
    assert written.document == {
        "note": NOTE,
        "words": {"columns": ["word"], "rows": [["one"], ["two"]]},
    }
    assert json.loads(written.text) == written.document


def test_texts_are_cut_before_items_are_left_out() -> None:
    written = fit(draft_of(["w" * 2000] * 4, least=4, text_chars=2000), 600)
    shown = written.document["words"]["rows"]
    assert len(shown) == 4
    assert all("more characters]" in word for (word,) in shown)
    assert written.document["left_out"][-1]["count"] == 4


def test_a_page_is_asked_for_anew_with_the_items_that_fit() -> None:
    asked: list[int] = []

    def again(items: int) -> Draft:
        asked.append(items)
        return draft_of(["word"] * items)

    first = draft_of(["word"] * 5000)
    paged = Draft(most=first.most, write=first.write, again=again)
    written = fit(paged, 1000)
    assert asked == [len(written.document["words"]["rows"])]
    assert "left_out" not in written.document


@pytest.mark.parametrize("tokens", [0, -1, TOKENS_MIN - 1, TOKENS_MAX + 1, 10**12])
def test_a_budget_that_holds_no_answer_is_refused(tokens: int) -> None:
    with pytest.raises(ClewError) as raised:
        check_budget(tokens)
    assert raised.value.code == "invalid_argument"
    assert raised.value.hint is not None
    assert str(TOKENS_MIN) in raised.value.hint


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines", "two\nlines"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\U000e0041", "\\U000e0041"),
        ("\x9b31m\r", "\\x9b31m\\r"),
        ("família 家 😀", "família 家 😀"),
    ],
)
def test_texts_are_harmless_in_keys_and_values(text: str, shown: str) -> None:
    class Made(Answer, frozen=True, kw_only=True):
        values: dict[str, str]

    written = finish(Made(values={text: text}))
    assert written.document["values"] == {shown: shown}


def test_what_one_call_learns_of_servers_is_no_other_calls() -> None:
    def ask(missing: str | None) -> list[str]:
        if missing is not None:
            note_missing(missing, "it is away")
        return missing_shards()

    async def call_twice() -> tuple[list[str], list[str]]:
        return await run_call(lambda: ask("b")), await run_call(lambda: ask(None))

    with gather():
        assert asyncio.run(call_twice()) == (["b"], [])


def test_calls_are_never_cut_and_stand_at_the_end() -> None:
    call = Call(tool="find_spans", arguments={"q": "x" * 1000}, why="because")
    written = finish(Words(words=table(("word",), []), next=[call]), 10)
    assert written.document["next"][0]["arguments"] == {"q": "x" * 1000}
    assert list(written.document) == ["note", "words", "next"]


def test_a_call_that_is_too_long_to_be_made_is_not_offered() -> None:
    call = Call(tool="services", arguments={"service": "x" * 5000}, why="because")
    left_out = [LeftOut(what="words", count=7, get=call)]
    written = finish(Words(words=table(("word",), []), next=[call], left_out=left_out))
    assert "next" not in written.document
    assert written.document["left_out"] == [{"what": "words", "count": 7}]


def test_a_call_that_would_ask_for_another_name_is_not_offered() -> None:
    step = Call(tool="services", arguments={"service": "a\x1bb"}, why="it")
    same = Call(tool="services", arguments={"service": "a\nb ü", "limit": 1.0}, why="it")
    written = finish(Words(words=table(("word",), []), next=[step, same]))
    assert [each["arguments"] for each in written.document["next"]] == [same.arguments]


def test_lists_inside_an_item_are_cut_and_the_items_are_not() -> None:
    rows = [[["part"] * 1000, {str(number): 1 for number in range(1000)}] for _ in range(100)]
    written = finish(Words(words=table(("list", "map"), rows)), 80)
    shown = written.document["words"]["rows"]
    assert len(shown) == 100
    assert shown[0][0] == ["part"] * 10 + ["… [990 more]"]
    assert len(shown[0][1]) == 11
    assert shown[0][1]["…"] == "[990 more]"
    assert written.document["left_out"][0]["count"] == 200


def test_numbers_that_json_has_not_become_null() -> None:
    rows = [[float("nan")], [float("inf")], [2.0], [2.5]]
    written = finish(Words(words=table(("word",), rows)))
    assert json.loads(written.text)["words"]["rows"] == [[None], [None], [2], [2.5]]


@pytest.mark.parametrize(
    "recorded",
    [
        {"columns": [{"name": "id"}], "rows": [[1]]},
        {"columns": ["a"], "rows": [{"a": 1}]},
        {"columns": ["a"], "rows": [1, "two", None]},
    ],
)
def test_a_recorded_value_that_looks_like_a_table_stays_as_it_was(recorded: object) -> None:
    written = finish(Words(words=table(("word",), [[recorded], [{"result": [recorded]}]])))
    assert written.document["words"]["rows"] == [[recorded], [{"result": [recorded]}]]
