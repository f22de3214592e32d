"""What a server is told: flag > environment ``CLEW_*`` > ``clew.toml`` > default.

The fields of `Configuration` are the one place where a setting is declared: the flags of
`clew serve`, `clew config` and `docs/reference/configuration.md` are made from them.
"""

# ruff: noqa: RUF009 - `setting` is `dataclasses.field` with the metadata of a setting.
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clew.app.configuration.folders import user_folder
from clew.app.configuration.parse import (
    parse_acks,
    parse_address,
    parse_count,
    parse_door,
    parse_file,
    parse_files,
    parse_folder,
    parse_interval,
    parse_lease,
    parse_links,
    parse_list,
    parse_positive,
    parse_references,
    parse_registry,
    parse_retention,
    parse_role,
    parse_seconds,
    parse_secret,
    parse_server,
    parse_servers,
    parse_shards,
    parse_size,
    parse_store,
    parse_strategy,
    parse_switch,
    parse_tier,
)
from clew.app.configuration.setting import Setting, setting
from clew.app.configuration.values import Address, Role
from clew.lineage.transport.address import Address as LinksAddress
from clew.team.merging.strategy import ConflictStrategy
from clew.tree.machine.app import Tier
from clew.twin.ingest.judge import ReferencePolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.base.gathering import Shard


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Everything a server is told. Sizes are bytes, retentions seconds (None: for ever)."""

    http: Address = setting(
        "127.0.0.1:7701",
        parse_address,
        "Where REST, the live feeds, `/healthz`, `/readyz` and `/metrics` are served.",
    )
    otlp_http: Address | None = setting(
        "127.0.0.1:4318",
        parse_door,
        "Where OTLP over HTTP is taken in; `off` shuts the door. "
        "A busy port is a warning: the HTTP door takes `/v1/{traces,logs,metrics}` as well.",
    )
    otlp_grpc: Address | None = setting(
        "127.0.0.1:4317",
        parse_door,
        "Where OTLP over gRPC is taken in and gRPC queries are answered; `off` shuts the door. "
        "A busy port is a warning.",
    )
    trails: Address | None = setting(
        "127.0.0.1:8443",
        parse_door,
        "Where apps of the tree connect (`ws://HOST:PORT/ws`); `off` shuts the door. "
        "A busy port is a warning.",
    )
    links: tuple[LinksAddress, ...] = setting(
        "127.0.0.1:7704",
        parse_links,
        "Where link sets are taken in as datagrams, best effort: `HOST:PORT` (UDP) or "
        "`unix:///PATH`, or several with commas between; `off` shuts the door. Datagrams carry no "
        "key, so an address that other machines reach asks for `--insecure`, keys or not. A busy "
        "one is a warning.",
    )
    links_per_second: int = setting(
        "20000",
        parse_count,
        "How many datagrams each address of `--links` takes in a second; 0 sets no rate.",
    )
    data_dir: Path = setting(
        lambda environ: str(user_folder(environ, "data")),
        parse_folder,
        "The folder of the write-ahead log and the embedded store. One server at a time.",
        default_shown="the platform's user data folder, `clew` in it (`~/.local/share/clew`)",
    )
    store: str = setting(
        "chdb",
        parse_store,
        "Where rows are kept: `chdb`, embedded, or `clickhouse://user:password@host:port/database`.",
    )
    registry: str = setting(
        "sqlite",
        parse_registry,
        "Where apps, commands, keys and comments are kept: `sqlite`, a file in the data folder, or "
        "`postgresql://user:password@host:port/database`; `docs/guide/postgresql-registry.md`.",
    )
    standby: tuple[str, ...] = setting(
        "",
        parse_servers,
        "The other servers of this one's group, each by the URL of its HTTP door: whoever leads "
        "sends its log to them, and any of them can take over; "
        "`docs/guide/high-availability.md`. Repeat it, or put commas between.",
        default_shown="none",
    )
    required_acks: int | None = setting(
        "all",
        parse_acks,
        "How many of `--standby` must have what is acknowledged, on disk: `all`, or a number. "
        "With 0 what was acknowledged last may be lost when the leader is.",
    )
    role: Role = setting(
        "leader",
        parse_role,
        "How this server starts in its group: `leader`, which takes what is written, `standby`, "
        "which follows and answers reads, or `auto`, by `--lease`. Once the servers have heard "
        "who leads, that decides.",
    )
    lease: str | None = setting(
        "",
        parse_lease,
        "Where the group keeps who leads, so that a standby takes over by itself: `postgresql://"
        "user:password@host:port/database` or `etcd://host:port,…`, with TLS `etcds://host:port,…?"
        "cacert=FILE&cert=FILE&key=FILE`. It goes with `--role auto`.",
        default_shown="none",
    )
    lease_seconds: float = setting(
        "10",
        parse_seconds,
        "How long the lease holds without being renewed, hence how soon after a leader's end "
        "another may lead; at least 1.",
    )
    ack_timeout: float = setting(
        "10",
        parse_seconds,
        "How many seconds what was sent waits for the standbys that are promised, until its "
        "sender hears that it is not known whether it was kept.",
    )
    advertise: str | None = setting(
        "",
        parse_server,
        "The URL by which the others of the group, and clients, reach this server.",
        default_shown="made from `--http`",
    )
    peer_key: str = setting(
        "",
        parse_secret,
        "An API key of the role `admin` that servers of a group show one another, where keys are "
        "in use. Better given as `CLEW_PEER_KEY` or in the file than as a flag.",
        default_shown="none",
    )
    shards: tuple[Shard, ...] = setting(
        "",
        parse_shards,
        "Be a query tier over these servers, which hold the data: `[NAME=]URL`, with commas "
        "between; the servers of a group are one shard, and have one name. It keeps nothing "
        "itself; `docs/guide/shards.md`.",
        default_shown="none",
    )
    shard_timeout: float = setting(
        "10",
        parse_seconds,
        "How many seconds the shards have to answer a reading; whoever has not by then is missing "
        "from the answer, which says so.",
    )
    shard_key: str = setting(
        "",
        parse_secret,
        "The API key that a query tier shows the shards, or `NAME=KEY` for each with commas "
        "between: of the role `reader`, or `operator` where comments are written through it. "
        "Better given as `CLEW_SHARD_KEY` or in the file.",
        default_shown="that of whoever asks",
    )
    insecure: bool = setting(
        "false",
        parse_switch,
        "Allow doors on addresses that other machines reach although there is no API key: "
        "whoever reaches a door may read and write. With a key it is about `--links` alone.",
    )
    hosts: tuple[str, ...] = setting(
        "",
        parse_list,
        "Host names, besides loopback names and plain addresses, by which the HTTP door may be "
        "called. Others are refused, so that a web page cannot reach the server through a DNS name "
        "of its own.",
    )
    cors_origins: tuple[str, ...] = setting(
        "",
        parse_list,
        "Web origins, besides loopback ones, that may send OTLP from a browser, such as "
        "`https://shop.example.com`; `*` admits every origin.",
    )
    retention_traces: int | None = setting(
        "30d", parse_retention, "How long spans are kept; `off` keeps them for ever."
    )
    retention_logs: int | None = setting(
        "30d", parse_retention, "How long log records are kept; `off` keeps them for ever."
    )
    retention_metrics: int | None = setting(
        "90d", parse_retention, "How long metric points are kept; `off` keeps them for ever."
    )
    retention_events: int | None = setting(
        "90d",
        parse_retention,
        "How long events of objects are kept at least; `off` keeps them for ever. They go by whole "
        "months, and what each object was when they go stays for ever.",
    )
    retention_links: int | None = setting(
        "90d",
        parse_retention,
        "How long is kept which inputs outputs were made of; `off` keeps it for ever.",
    )
    retention_messages: int | None = setting(
        "30d",
        parse_retention,
        "How long statuses of apps are kept that are not an app's newest; `off` keeps them for "
        "ever. Results, errors and the newest status of each app stay.",
    )
    retention_apps: int | None = setting(
        "90d",
        parse_retention,
        "How long apps of the tree are kept after their end, with all that is kept of them, and "
        "how long crashes and commands that are over; `off` keeps them for ever. An app stays "
        "while any app below it does, and while a Result or an Error of its own is kept.",
    )
    retention_answers: int | None = setting(
        "off",
        parse_retention,
        "How long apps that said a Result or an Error are kept after their end, with what they "
        "said; never shorter than `retention_apps`. `off`, the default, keeps every one for ever.",
    )
    trails_tier: Tier = setting(
        "open",
        parse_tier,
        "How apps show who they are: `open`, by naming themselves; `signed`, by a signature of "
        "their own key over a challenge; `full`, the same over TLS.",
    )
    trails_certificate: Path | None = setting(
        "",
        parse_file,
        "A PEM file with the certificate of the agent plane, for `wss://`.",
        default_shown="none",
    )
    trails_private_key: Path | None = setting(
        "",
        parse_file,
        "A PEM file with the key of that certificate, where it is not in the same file.",
        default_shown="none",
    )
    trails_ping: float = setting(
        "20",
        parse_seconds,
        "Seconds between two pings of an app's socket, and how long the answer may take: an app "
        "that is gone without a word is missed after twice this time.",
    )
    trails_resume_window: float = setting(
        "2",
        parse_seconds,
        "Seconds that an app has to return after its connection dropped, before it counts as "
        "crashed; apps may be announced with a window of their own.",
    )
    trails_recovery_window: float = setting(
        "60", parse_seconds, "Seconds after such a crash in which a return still takes it back."
    )
    trails_restart_window: float = setting(
        "60",
        parse_seconds,
        "Seconds that apps have to return after a restart of the server, before contact to them "
        "counts as lost.",
    )
    trails_start_deadline: float = setting(
        "300",
        parse_seconds,
        "Seconds that an announced app has to join, where it was announced without a deadline of "
        "its own.",
    )
    twin_registries: tuple[Path, ...] = setting(
        "",
        parse_files,
        "Files of registries, separated by commas, that the server is given at each start, as by "
        "`clew registry push`; `docs/guide/dsl.md` shows how to write one.",
        default_shown="none",
    )
    twin_references: ReferencePolicy = setting(
        "off",
        parse_references,
        "What becomes of an event with a reference to an object that nobody has told of, or that "
        "was deleted: with `warn` it counts, with the issue `DANGLING_REFERENCE`, with `reject` it "
        "is kept aside, and `off` does not look. It takes a registry to know references by.",
    )
    team_interval: float = setting(
        "300",
        parse_seconds,
        "How many seconds between two syncs with a team's server when nothing happens here and "
        "nothing is heard from there; what is written is sent at once, whatever this says.",
    )
    team_strategy: ConflictStrategy = setting(
        "last_write_wins",
        parse_strategy,
        "Which of two versions that met becomes the one of all: `last_write_wins` by the server's "
        "clock, `local_wins`, `remote_wins`, or `custom_merge`, which joins what each side "
        "changed. Whichever loses is kept: `clew team conflicts`.",
    )
    genai_prices: Path | None = setting(
        "",
        parse_file,
        "A TOML file of prices of models that comes before the table of `genai-prices`; "
        "`docs/guide/agent-runs.md` shows one.",
        default_shown="none",
    )
    log_bytes_max: int = setting(
        "2GiB",
        parse_size,
        "How large the write-ahead log may grow while the store cannot take rows. When it is full, "
        "OTLP is answered with 429 until there is room.",
    )
    otlp_body_bytes_max: int = setting(
        "16MiB", parse_size, "The largest OTLP/HTTP body as it is sent; larger ones get 413."
    )
    otlp_unpacked_bytes_max: int = setting(
        "64MiB",
        parse_size,
        "The largest OTLP body after decompression, and the largest gRPC message.",
    )
    otlp_inflight_bytes_max: int = setting(
        "256MiB",
        parse_size,
        "How many bytes of bodies both OTLP doors hold at once, compressed and decompressed; "
        "beyond it they answer 429.",
    )
    otlp_requests_per_second: int = setting(
        "0", parse_count, "How many OTLP requests each door takes in a second; 0 sets no rate."
    )
    otlp_bytes_per_second: int = setting(
        "0", parse_size, "How many bytes as sent each OTLP door takes in a second; 0 sets no rate."
    )
    query_threads: int = setting(
        "4", parse_positive, "How many questions are worked on at once; others wait their turn."
    )
    question_timeout: float = setting(
        "50",
        parse_seconds,
        "How many seconds a question may take in all, its time in line included, before whoever "
        "asked is told so (504); one statement has 30 at most. On a query tier it has as many more "
        "as `--shard-timeout` has above its default.",
    )
    live_clients_max: int = setting(
        "32", parse_positive, "How many live feeds may be open at once; one more gets 429."
    )
    slow_question_ms: int = setting(
        "500", parse_positive, "From how many milliseconds on a question counts as slow."
    )
    own_telemetry: float | None = setting(
        "15",
        parse_interval,
        "Seconds between two records that clew keeps of itself, apart from all else; or `off`.",
    )
    drain_seconds_max: float = setting(
        "10", parse_seconds, "How long running requests may take to end after SIGTERM or SIGINT."
    )
    ready_fd: int = setting(
        "0",
        parse_count,
        "A file descriptor that gets one JSON line with the addresses once the server is ready, "
        "for programs that start one; 0 for none.",
    )


def _declare() -> tuple[Setting, ...]:
    settings = []
    for each in dataclasses.fields(Configuration):
        metadata: Mapping[str, Any] = each.metadata
        settings.append(
            Setting(
                name=each.name,
                default=metadata["default"],
                default_shown=metadata["shown"],
                doc=metadata["doc"],
                parse=metadata["parse"],
                is_switch=metadata["parse"] is parse_switch,
                is_list=metadata["parse"] in (parse_list, parse_servers, parse_shards),
                is_secret=metadata["parse"] is parse_secret,
            )
        )
    return tuple(settings)


SETTINGS: Final[tuple[Setting, ...]] = _declare()
"""Every setting, in the order of the documentation."""

BY_NAME: Final = {each.name: each for each in SETTINGS}
