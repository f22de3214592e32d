"""Servers that the contract of TrailBase is held to: the fake, and a real one where it is named."""

from __future__ import annotations

import base64
import json
import os
import ssl
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any, Final

import httpx

from clew.base.ids import new_uuid
from clew.testing.trailbase import FakeTrailBase

URL: Final = os.environ.get("CLEW_TEST_TRAILBASE_URL")
"""A TrailBase server that is set up with `deploy/trailbase`. Teams are made in it and left."""

EMAIL: Final = os.environ.get("CLEW_TEST_TRAILBASE_EMAIL", "")
PASSWORD: Final = os.environ.get("CLEW_TEST_TRAILBASE_PASSWORD", "")
OTHER_EMAIL: Final = os.environ.get("CLEW_TEST_TRAILBASE_OTHER_EMAIL", "")
OTHER_PASSWORD: Final = os.environ.get("CLEW_TEST_TRAILBASE_OTHER_PASSWORD", PASSWORD)
"""A second account, for what takes two; tests that need it are left out without one."""

SERVERS: Final = ("fake", *(("live",) if URL else ()))

AUTH: Final = "/api/auth/v1"
RECORDS: Final = "/api/records/v1"
TRANSACTION: Final = "/api/transaction/v1/execute"

Document = dict[str, Any]

SECONDS_MAX: Final = 120.0
"""A deadline, not an expectation: the five seconds of the library pass on a busy machine."""

SESSION: Final[Document] = {"session_id": "s-1", "title": "late", "planned_duration_minutes": 45}

_MOMENTS = count(time.time_ns(), 1_000_000)


@cache
def trusted() -> ssl.SSLContext:
    """Made once: reading the certificates takes longer than a test."""
    return ssl.create_default_context()


def open_client(url: str, **more: Any) -> httpx.Client:
    return httpx.Client(base_url=url, verify=trusted(), timeout=SECONDS_MAX, **more)


def an_id() -> str:
    """Return an id that sorts after all before it, as those of one millisecond need not."""
    return new_uuid(next(_MOMENTS))


def as_base64(text: str) -> str:
    return base64.urlsafe_b64encode(uuid.UUID(text).bytes).decode()


def as_uuid(text: str) -> str:
    return str(uuid.UUID(bytes=base64.urlsafe_b64decode(text)))


def claims_of(token: str) -> Document:
    claims: Document = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims


@dataclass
class Person:
    """Somebody who is logged in, and asks."""

    http: httpx.Client
    email: str
    password: str = field(repr=False)
    tokens: Document = field(default_factory=dict, repr=False)

    @property
    def id(self) -> str:
        return as_uuid(str(claims_of(self.tokens["auth_token"])["sub"]))

    def log_in(self) -> Document:
        body = {"email": self.email, "password": self.password}
        reply = self.http.post(f"{AUTH}/login", json=body)
        assert reply.status_code == 200, reply.text
        self.tokens = reply.json()
        return self.tokens

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens['auth_token']}"} if self.tokens else {}

    def create(self, api: str, record: object) -> httpx.Response:
        return self.http.post(f"{RECORDS}/{api}", json=record, headers=self.headers)

    def get(self, api: str, record_id: str) -> httpx.Response:
        return self.http.get(f"{RECORDS}/{api}/{record_id}", headers=self.headers)

    def patch(self, api: str, record_id: str, change: Document) -> httpx.Response:
        return self.http.patch(f"{RECORDS}/{api}/{record_id}", json=change, headers=self.headers)

    def find(self, api: str, query: str = "") -> httpx.Response:
        return self.http.get(f"{RECORDS}/{api}?{query}", headers=self.headers)

    def execute(self, operations: list[Document], **options: bool) -> httpx.Response:
        body = {"operations": operations, **options}
        return self.http.post(TRANSACTION, json=body, headers=self.headers)

    def row(self, api: str, record_id: str) -> Document:
        reply = self.get(api, record_id)
        assert reply.status_code == 200, (reply.status_code, reply.text)
        document: Document = reply.json()
        return document

    def rows(self, api: str, query: str = "") -> list[Document]:
        reply = self.find(api, query)
        assert reply.status_code == 200, (reply.status_code, reply.text)
        rows: list[Document] = reply.json()["records"]
        return rows

    # What most tests begin with.

    def new_team(self, name: str = "of a test") -> str:
        team = an_id()
        reply = self.create("teams", {"id": team, "owner": self.id, "name": name})
        assert reply.status_code == 200, (reply.status_code, reply.text)
        return team

    def new_session(self, team: str, **other: object) -> str:
        session = an_id()
        record = {"id": session, "team_id": team, "owner": self.id, **SESSION, **other}
        reply = self.create("shared_sessions", record)
        assert reply.status_code == 200, (reply.status_code, reply.text)
        return session

    def new_invite(self, team: str, **other: object) -> str:
        code = f"{uuid.UUID(an_id()).hex}{uuid.UUID(an_id()).hex}"
        expires_at = time.time_ns() // 1_000_000 + 60_000
        record = {"id": an_id(), "team_id": team, "owner": self.id, "code": code}
        reply = self.create("team_invites", {**record, "expires_at": expires_at, **other})
        assert reply.status_code == 200, (reply.status_code, reply.text)
        return code

    def join(self, code: str) -> httpx.Response:
        return self.create("team_joins", {"id": an_id(), "owner": self.id, "_code": code})

    def member(self, team: str, of: Person) -> Document:
        query = f"filter[team_id]={as_base64(team)}&filter[user_id]={as_base64(of.id)}"
        (row,) = self.rows("team_members", query)
        return row

    def set_role(self, team: str, of: Person, role: str) -> httpx.Response:
        row = self.member(team, of)
        return self.patch("team_members", row["id"], {"role": role, "version": row["version"] + 1})


@dataclass
class Place:
    """One server. `fake` is None where it is a real one."""

    http: httpx.Client
    ann: Person
    bob: Person | None
    fake: FakeTrailBase | None


@contextmanager
def open_fake() -> Iterator[Place]:
    with FakeTrailBase() as fake, open_client(fake.url) as http:
        people = []
        for name in ("ann", "bob"):
            user = fake.add_user(f"{name}@example.org")
            people.append(Person(http, user.email, user.password))
            people[-1].log_in()
        yield Place(http, people[0], people[1], fake)


@contextmanager
def open_live() -> Iterator[Place]:
    with open_client(str(URL)) as http:
        ann = Person(http, EMAIL, PASSWORD)
        ann.log_in()
        bob = Person(http, OTHER_EMAIL, OTHER_PASSWORD) if OTHER_EMAIL else None
        if bob is not None:
            bob.log_in()
        yield Place(http, ann, bob, None)
