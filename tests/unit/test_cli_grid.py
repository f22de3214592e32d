"""Tables that fit: what is fixed stays whole, what is flexible shares the rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clew.surfaces.cli.grid import (
    FLEXIBLE_WIDTH_MIN,
    GAP,
    Column,
    Style,
    fit,
    lay_out,
    line_width,
    plain,
    render,
    share,
    styled,
)

ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_an_id_is_never_cut_and_names_share_what_is_left() -> None:
    columns = [Column("id"), Column("name", flexible=True), Column("what", flexible=True)]
    rows = [[plain(ID), plain("a" * 40), plain("b" * 10)]]
    header, row = lay_out(columns, rows, 60)
    text = render(row, colour=False)
    assert text.startswith(ID)
    assert text.endswith("b" * 10)
    assert "a…" in text
    assert line_width(row) == 60
    assert render(header, colour=False).split() == ["id", "name", "what"]


def test_droppable_columns_go_first_the_least_important_before_the_others() -> None:
    columns = [Column("id"), Column("kind", drop=1), Column("more", drop=2)]
    natural = [32, 10, 10]
    assert fit(columns, natural, 60) == [32, 10, 10]
    assert fit(columns, natural, 50) == [32, 10, 0]
    assert fit(columns, natural, 40) == [32, 0, 0]
    assert fit(columns, natural, 10) == [32, 0, 0]


@given(
    st.lists(
        st.builds(
            Column,
            st.text("abc", max_size=6),
            flexible=st.booleans(),
            drop=st.integers(0, 2),
        ),
        min_size=1,
        max_size=6,
    ),
    st.data(),
)
def test_widths_never_exceed_the_room_but_for_what_cannot_give_way(
    columns: list[Column], data: st.DataObject
) -> None:
    natural = [data.draw(st.integers(1, 40)) for _ in columns]
    width = data.draw(st.integers(10, 120))
    widths = fit(columns, natural, width)
    kept = [index for index, size in enumerate(widths) if size]
    used = sum(widths) + len(GAP) * max(0, len(kept) - 1)
    unyielding = sum(
        min(natural[index], FLEXIBLE_WIDTH_MIN) if columns[index].flexible else natural[index]
        for index in kept
    ) + len(GAP) * max(0, len(kept) - 1)
    assert used <= max(width, unyielding)
    for index, column in enumerate(columns):
        assert widths[index] <= natural[index]
        if not column.drop:
            assert widths[index] >= min(natural[index], FLEXIBLE_WIDTH_MIN)
        if not column.flexible:
            assert widths[index] in (0, natural[index])


@given(st.lists(st.integers(0, 50), max_size=6), st.integers(0, 120))
def test_room_is_shared_fairly(wishes: list[int], room: int) -> None:
    granted = share(wishes, room)
    assert sum(granted) == min(room, sum(wishes)) or sum(granted) <= room
    assert all(got <= wish for got, wish in zip(granted, wishes, strict=True))
    # Whoever got less than wished got no less than anybody else, give or take a remainder.
    for got, wish in zip(granted, wishes, strict=True):
        if got < wish:
            assert got >= max(granted) - 1


def test_colour_is_only_where_it_is_wished() -> None:
    line = styled("slow", Style.RED)
    assert render(line, colour=False) == "slow"
    assert render(line, colour=True) == "\x1b[31mslow\x1b[0m"


def test_wide_characters_count_as_two_cells() -> None:
    rows = [[plain("日本語の名前"), plain("x")], [plain("ab"), plain("y")]]
    _, first, second = lay_out([Column("name"), Column("v")], rows, 80)
    assert line_width(first) == line_width(second)
