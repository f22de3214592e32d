"""Bringing an app into the tree before its command starts.

Theory of operation. Inside an app, the new one is its child; else it is the root of a tree. It is
announced at the REST door, as whoever `CLEW_API_KEY` says. Where nobody answers, the command gets
an id all the same and is started: it is announced as soon as the server is there.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.remote.http import Server
from clew.tree.frames.info import TrailsConfig, new_join_token
from clew.tree.parameters import NewChild
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from clew.tree.machine.app import Orphans

# Announcing is one commit; a command must not wait longer than this for a server that hangs.
ANNOUNCE_S_MAX: Final = 5.0

AGENT_PORT: Final = 8443
"""Where a server's door for apps is unless told otherwise."""

PASSING: Final = frozenset(
    {ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.OVERLOADED, ErrorCode.INTERNAL}
)
"""Failures after which the same announcement may succeed later."""


@dataclass(slots=True)
class Announcement:
    """An app that is to be in the tree. `config` is what its process is told.

    `parent` is the surrounding app. `is_announced` tells that the server has it.
    """

    name: str
    server_url: str
    api_key: str | None = None
    tags: Any = None
    orphans: Orphans | None = None
    parent: TrailsConfig | None = None
    config: TrailsConfig = field(init=False)
    is_announced: bool = False
    is_joined: bool = False
    """Whether somebody else announced it: then it is neither announced nor taken back here."""

    def __post_init__(self) -> None:
        """Give the app its id: it must be the same however often it is announced."""
        if self.parent is not None:
            self.config = self.parent.create_child(self.name, tags=self.tags)
        else:
            host = urlsplit(self.server_url).hostname or "127.0.0.1"
            shown = f"[{host}]" if ":" in host else host
            config = TrailsConfig.create(self.name, f"ws://{shown}:{AGENT_PORT}")
            self.config = msgspec.structs.replace(config, tags=self.tags)
        # Chosen here, so that it is known though an answer may be lost.
        self.config = msgspec.structs.replace(self.config, join_token=new_join_token())

    def join(self, config: TrailsConfig) -> None:
        """Be an app that somebody else has announced."""
        self.config = config
        self.is_announced = self.is_joined = True

    def announce(self) -> None:
        """Announce the app. Blocks; may be called again after it failed.

        Raises:
            ClewError: it did not succeed; a code of `PASSING` may pass.
        """
        if not self.is_joined:
            self._ask_server()
        self.is_announced = True

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        host = urlsplit(self.server_url).hostname or ""
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def read_parent_status(self) -> str:
        """Return how the surrounding app stands, empty where there is none. Blocks.

        Raises:
            ClewError: the server does not say; a code of `PASSING` may pass.
        """
        if self.parent is None or self.is_joined:
            return ""
        with self._server() as server:
            return TreeClient(server).get_app(self.parent.app_id).document().status

    def withdraw(self) -> None:
        """Take back an app whose command could not be started. Blocks.

        Raises:
            ClewError: it did not succeed; the server counts it as not started after its deadline.
        """
        if self.is_announced and not self.is_joined:
            with self._server() as server:
                TreeClient(server).unschedule(self.config.app_id)

    def _ask_server(self) -> None:
        child = NewChild(
            app_name=self.name,
            app_id=self.config.app_id,
            join_token=self.config.join_token,
            parent_id=None if self.parent is None else self.parent.app_id,
            sec_level=self.config.tier,
            orphans=self.orphans,
            tags=self.tags,
        )
        with self._server() as server:
            client = TreeClient(server)
            scheduled = client.schedule(child).document()
            if scheduled.trails_info is not None:
                self.config = TrailsConfig.decode(scheduled.trails_info)
            elif scheduled.created:
                client.unschedule(self.config.app_id)
                raise ClewError(
                    ErrorCode.UNAVAILABLE,
                    "the server has no door for apps",
                    hint="start it without --trails off",
                )

    def _server(self) -> Server:
        return Server(self.server_url, api_key=self.api_key, read_timeout_s=ANNOUNCE_S_MAX)
