"""The authority function against an oracle that walks parents instead of comparing paths."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from clew.access.authority import Grant, decide
from clew.access.caller import LOCAL, ROLE_VERBS, SERVER, Caller, CallerKind, Role, Verb

NODES_MAX = 12
NOW = 1_000


@dataclass(frozen=True)
class Tree:
    """Each node's parent, None for a root. A node is made after its parent."""

    parents: Mapping[str, str | None]

    def path(self, node: str) -> tuple[str, ...]:
        parent = self.parents[node]
        return (node,) if parent is None else (*self.path(parent), node)

    def ancestors(self, node: str) -> set[str]:
        found: set[str] = set()
        parent = self.parents[node]
        while parent is not None:
            found.add(parent)
            parent = self.parents[parent]
        return found

    def is_within(self, node: str, top: str) -> bool:
        return node == top or top in self.ancestors(node)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    names = [f"n{index}" for index in range(draw(st.integers(1, NODES_MAX)))]
    parents: dict[str, str | None] = {}
    for index, name in enumerate(names):
        parents[name] = draw(st.sampled_from([None, *names[:index]]))
    return Tree(parents)


@st.composite
def trees_with_two(draw: st.DrawFn) -> tuple[Tree, str, str]:
    tree = draw(trees())
    names = list(tree.parents)
    return tree, draw(st.sampled_from(names)), draw(st.sampled_from(names))


verbs = st.sampled_from(Verb)
roles = st.sampled_from(Role)


def an_app(name: str, **more: object) -> Caller:
    return Caller(CallerKind.APP, name, **more)  # type: ignore[arg-type]


@given(trees_with_two(), verbs)
def test_an_app_has_authority_over_its_descendants_and_nobody_else(
    case: tuple[Tree, str, str], verb: Verb
) -> None:
    tree, issuer, target = case
    if issuer == target:
        allowed = verb in {Verb.OBSERVE, Verb.MESSAGE, Verb.SPAWN}
    elif issuer in tree.ancestors(target):
        allowed = verb in {Verb.OBSERVE, Verb.COMMAND, Verb.SPAWN, Verb.CANCEL}
    else:
        allowed = False
    decision = decide(an_app(issuer), verb, tree.path(target))
    assert decision.is_allowed is allowed
    assert decision.is_visible is tree.is_within(target, issuer)
    assert bool(decision.reason) is not allowed


@given(trees_with_two(), verbs, roles, st.booleans())
def test_a_key_acts_by_its_role_within_its_scope(
    case: tuple[Tree, str, str], verb: Verb, role: Role, is_bound: bool
) -> None:
    tree, scope, target = case
    key = Caller(CallerKind.KEY, "ci", ROLE_VERBS[role], scope if is_bound else None)
    reaches = not is_bound or tree.is_within(target, scope)
    assert decide(key, verb, tree.path(target)).is_allowed is (reaches and verb in ROLE_VERBS[role])
    assert decide(key, verb, tree.path(target)).is_visible is reaches
    of_server = verb in ROLE_VERBS[role] and (not is_bound or verb is Verb.INGEST)
    assert decide(key, verb, ()).is_allowed is of_server


@given(
    trees_with_two(),
    st.lists(
        st.tuples(
            st.integers(0, NODES_MAX - 1),
            st.sampled_from(["ann", "group:ops", "ben"]),
            verbs,
            st.booleans(),
            st.sampled_from([None, NOW - 1, NOW, NOW + 1]),
        ),
        max_size=8,
    ),
    st.frozensets(st.sampled_from(["ann", "group:ops"])),
    verbs,
)
def test_a_grant_adds_its_verbs_to_its_subject_where_it_reaches_until_it_expires(
    case: tuple[Tree, str, str],
    given_grants: list[tuple[int, str, Verb, bool, int | None]],
    subjects: frozenset[str],
    verb: Verb,
) -> None:
    tree, scope, target = case
    names = list(tree.parents)
    grants = [
        Grant(subject, names[index % len(names)], frozenset({granted}), cascade, expires)
        for index, subject, granted, cascade, expires in given_grants
    ]
    # Bound elsewhere, so that without a grant there is nothing.
    caller = Caller(CallerKind.KEY, "x", frozenset(), scope, subjects)
    expected = any(
        grant.subject in subjects
        and verb in grant.verbs
        and (grant.app_id == target or (grant.cascade and grant.app_id in tree.ancestors(target)))
        and (grant.expires_at is None or grant.expires_at > NOW)
        for grant in grants
    )
    found = decide(caller, verb, tree.path(target), grants=grants, now=NOW)
    assert found.is_allowed is expected
    assert not decide(caller, verb, (), grants=grants, now=NOW).is_allowed


@given(trees_with_two(), verbs, roles, st.sampled_from(["key", "app", "local"]))
def test_naming_an_app_never_adds_a_right_to_whoever_does_it(
    case: tuple[Tree, str, str], verb: Verb, role: Role, kind: str
) -> None:
    tree, node, target = case
    whoever = {
        "key": Caller(CallerKind.KEY, "ci", ROLE_VERBS[role], node),
        "app": Caller(CallerKind.KEY, "ci", ROLE_VERBS[role]),
        "local": LOCAL,
    }[kind]
    named = an_app(target, at_most=whoever.verbs, scope=whoever.scope)
    for each in tree.parents:
        path = tree.path(each)
        if decide(named, verb, path).is_allowed:
            assert decide(whoever, verb, path).is_allowed
            assert decide(an_app(target), verb, path).is_allowed
    if decide(named, verb, ()).is_allowed:
        assert decide(whoever, verb, ()).is_allowed


@given(trees_with_two(), verbs)
def test_whoever_is_on_this_machine_and_the_server_itself_may_do_anything(
    case: tuple[Tree, str, str], verb: Verb
) -> None:
    tree, _, target = case
    for caller in (LOCAL, SERVER):
        assert decide(caller, verb, tree.path(target)).is_allowed
        assert decide(caller, verb, ()).is_allowed


def test_each_role_includes_those_before_it() -> None:
    sizes = [ROLE_VERBS[role] for role in Role]
    assert all(before < after for before, after in itertools.pairwise(sizes))
