"""Settings: who wins, what a value means, and what is said of a wrong one."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from clew.app.configuration.exposure import check_exposure, is_registry_guarded
from clew.app.configuration.load import load
from clew.app.configuration.parse import parse_size
from clew.app.configuration.settings import SETTINGS, Configuration
from clew.app.configuration.shown import show
from clew.app.configuration.values import Address
from clew.app.generate.configuration_reference import PAGE, write_page
from clew.base.errors import ClewError, ErrorCode

ROOT = Path(__file__).parents[2]


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    (tmp_path / "clew.toml").write_text(
        'http = "127.0.0.1:1"\notlp_http = "127.0.0.1:2"\notlp_grpc = "127.0.0.1:3"\n'
    )
    environ = {"CLEW_HTTP": "127.0.0.1:11", "CLEW_OTLP_HTTP": "127.0.0.1:12", "HOME": "/home/me"}
    loaded = load({"http": "127.0.0.1:21"}, environ=environ, folder=tmp_path)
    assert loaded.configuration.http == Address("127.0.0.1", 21)
    assert loaded.configuration.otlp_http == Address("127.0.0.1", 12)
    assert loaded.configuration.otlp_grpc == Address("127.0.0.1", 3)
    assert loaded.configuration.retention_traces == 30 * 86_400
    assert loaded.sources["http"] == "flag --http"
    assert loaded.sources["otlp_http"] == "environment CLEW_OTLP_HTTP"
    assert loaded.sources["otlp_grpc"] == str(tmp_path / "clew.toml")
    assert loaded.sources["retention_traces"] == "default"


def test_the_data_folder_is_the_platforms_unless_named(tmp_path: Path) -> None:
    at_home = load(environ={"HOME": "/home/me"}, folder=tmp_path).configuration
    xdg = load(environ={"HOME": "/home/me", "XDG_DATA_HOME": "/data"}, folder=tmp_path)
    relative = load(environ={"HOME": "/home/me", "XDG_DATA_HOME": "data"}, folder=tmp_path)
    assert at_home.data_dir == Path("/home/me/.local/share/clew")
    assert xdg.configuration.data_dir == Path("/data/clew")
    assert relative.configuration.data_dir == Path("/home/me/.local/share/clew")


def test_the_file_of_the_user_is_read_when_the_working_directory_has_none(tmp_path: Path) -> None:
    (tmp_path / "config" / "clew").mkdir(parents=True)
    (tmp_path / "config" / "clew" / "clew.toml").write_text("insecure = true\nquery_threads = 2\n")
    (tmp_path / "here").mkdir()
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    loaded = load(environ=environ, folder=tmp_path / "here")
    assert loaded.configuration.insecure
    assert loaded.configuration.query_threads == 2


def test_a_user_whom_the_system_does_not_know_names_his_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(ClewError, match=r"no home folder of user 2147483641$") as caught:
        load(environ={}, folder=tmp_path)
    assert caught.value.hint == "set HOME, or name a data folder with --data-dir"
    with pytest.raises(ClewError, match="'~/data' is no absolute path, and nobody knows that home"):
        load({"data_dir": "~/data"}, environ={}, folder=tmp_path)
    # What may not be looked into is no file of settings either: a name that no file can have.
    loaded = load({"data_dir": "/data"}, environ={}, folder=tmp_path / ("x" * 300))
    assert loaded.configuration.data_dir == Path("/data")


def test_an_unknown_key_of_the_file_is_an_error_that_offers_the_near_one(tmp_path: Path) -> None:
    (tmp_path / "clew.toml").write_text('retention-trace = "1d"\n')
    with pytest.raises(ClewError) as caught:
        load(environ={}, folder=tmp_path)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert "'retention-trace'" in caught.value.message
    assert caught.value.hint == "did you mean retention_traces?"


@pytest.mark.parametrize(
    ("flags", "environ", "toml", "place"),
    [
        ({"otlp_http": "nowhere"}, {}, "", "flag --otlp-http"),
        ({}, {"CLEW_RETENTION_LOGS": "soon"}, "", "environment CLEW_RETENTION_LOGS"),
        ({}, {}, 'log_bytes_max = "4 parsecs"', "clew.toml: log_bytes_max"),
        ({}, {}, "hosts = [1]", "clew.toml: hosts"),
        ({}, {}, "http = 'unclosed", "clew.toml"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_its_place(
    flags: dict[str, str], environ: dict[str, str], toml: str, place: str, tmp_path: Path
) -> None:
    (tmp_path / "clew.toml").write_text(toml)
    with pytest.raises(ClewError) as caught:
        load(flags, environ=environ, folder=tmp_path)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert place in caught.value.message


def test_no_file_is_read_when_told_so(tmp_path: Path) -> None:
    (tmp_path / "clew.toml").write_text("query_threads = 2\n")
    assert load(environ={"CLEW_CONFIG": "off"}, folder=tmp_path).file is None


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ClewError) as by_flag:
        load(environ={}, file=tmp_path / "other.toml", folder=tmp_path)
    with pytest.raises(ClewError) as by_variable:
        load(environ={"CLEW_CONFIG": str(tmp_path / "other.toml")}, folder=tmp_path)
    assert by_flag.value.code is by_variable.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("door", ["http", "otlp_http", "otlp_grpc"])
@pytest.mark.parametrize(
    "address", ["0.0.0.0:1", "[::]:1", "192.168.0.7:1", "clew.example.com:1", "localhost.x.com:1"]
)
def test_an_address_that_others_reach_needs_a_key_or_the_word_insecure(
    door: str, address: str, tmp_path: Path
) -> None:
    exposed = load({door: address}, environ={}, folder=tmp_path).configuration
    with pytest.raises(ClewError) as caught:
        check_exposure(exposed, is_guarded=False)
    assert caught.value.code is ErrorCode.FORBIDDEN
    assert "clew keys create" in (caught.value.hint or "")
    assert "--insecure" in (caught.value.hint or "")
    check_exposure(exposed, is_guarded=True)
    insecure = load({door: address, "insecure": True}, environ={}, folder=tmp_path).configuration
    check_exposure(insecure, is_guarded=False)
    assert str(getattr(exposed, door)) == address


def test_the_door_of_apps_is_guarded_by_the_tier_and_not_by_keys(tmp_path: Path) -> None:
    flags = {"trails": "0.0.0.0:1"}
    exposed = load(flags, environ={}, folder=tmp_path).configuration
    with pytest.raises(ClewError) as caught:
        check_exposure(exposed, is_guarded=True)
    assert "--trails-tier signed" in (caught.value.hint or "")
    guards: list[dict[str, bool | Sequence[str] | None]] = [
        {"trails_tier": "signed"},
        {"trails_tier": "full"},
        {"insecure": True},
    ]
    for more in guards:
        loaded = load({**flags, **more}, environ={}, folder=tmp_path)
        check_exposure(loaded.configuration, is_guarded=False)


def test_a_registry_with_a_key_is_guarded_and_so_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    def ask(**flags: str) -> bool:
        given = {"data_dir": str(tmp_path), **flags}
        return is_registry_guarded(load(given, environ={}, folder=tmp_path).configuration)

    assert not ask()
    assert ask(registry="postgresql://clew@127.0.0.1:1/clew")
    path = tmp_path / "registry.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE api_keys (id TEXT)")
        connection.commit()
        assert not ask()
        connection.execute("INSERT INTO api_keys VALUES ('a')")
        connection.commit()
    assert ask()
    path.write_bytes(b"no database" * 1000)
    assert ask()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "app.localhost", "127.9.9.9"])
def test_a_door_on_a_loopback_host_needs_no_flag(host: str, tmp_path: Path) -> None:
    loaded = load({"http": f"{host}:1"}, environ={}, folder=tmp_path)
    assert loaded.configuration.http.is_loopback
    check_exposure(loaded.configuration, is_guarded=False)


def test_a_door_can_be_off_and_a_port_alone_is_on_loopback(tmp_path: Path) -> None:
    loaded = load({"otlp_grpc": "off", "otlp_http": "[::1]:4318"}, environ={}, folder=tmp_path)
    assert loaded.configuration.otlp_grpc is None
    assert loaded.configuration.otlp_http == Address("::1", 4318)
    by_port = load(environ={"CLEW_HTTP": "7702"}, folder=tmp_path).configuration
    assert by_port.http == Address("127.0.0.1", 7702)


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("2kB", 2000), ("1.5 MiB", 1_572_864), ("4gib", 4 << 30)]
)
def test_a_size_carries_its_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_retention_off_is_for_ever_and_zero_is_an_error(tmp_path: Path) -> None:
    off = load({"retention_logs": "off"}, environ={}, folder=tmp_path).configuration
    assert off.retention_logs is None
    with pytest.raises(ClewError):
        load({"retention_logs": "0d"}, environ={}, folder=tmp_path)


def test_a_variable_one_letter_off_is_pointed_out(tmp_path: Path) -> None:
    loaded = load(environ={"CLEW_OTLP_GRCP": "off", "CLEW_SERVER": "x"}, folder=tmp_path)
    assert loaded.warnings == (
        "the environment variable CLEW_OTLP_GRCP means nothing; CLEW_OTLP_GRPC does",
    )


def test_what_is_shown_leaves_the_password_out(tmp_path: Path) -> None:
    loaded = load({"store": "clickhouse://me:secret@db:8123/otel"}, environ={}, folder=tmp_path)
    shown = {each.name: each.value for each in show(loaded).settings}
    assert shown["store"] == "clickhouse://me:…@db:8123/otel"
    assert loaded.configuration.store == "clickhouse://me:secret@db:8123/otel"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sqlite", "sqlite"),
        ("postgresql://me:se%40cret@db:5432/clew", "postgresql://me:…@db:5432/clew"),
        ("postgresql://db/clew?sslmode=require", "postgresql://db/clew?sslmode=require"),
        (
            "postgres://me@/clew?host=/run/pg&password=secret&sslpassword=secret",
            "postgres://me@/clew?host=/run/pg&password=…&sslpassword=…",
        ),
        ("postgresql://me:secret@[::1/clew", "postgresql://…"),
        ("postgresql://me:secret/secret@db/clew", "postgresql://…"),
        ("postgresql://me:12/secret@db/clew", "postgresql://…"),
        ("postgresql://me:secret#secret@db/clew", "postgresql://…"),
        ("postgresql://me:secret?secret@db/clew", "postgresql://…"),
        ("postgresql://me:secret@a:1,b:2/clew", "postgresql://me:…@a:1,b:2/clew"),
        ("postgresql://a:1,b:2/clew", "postgresql://a:1,b:2/clew"),
    ],
)
def test_the_address_of_a_registry_is_shown_without_its_passwords(
    tmp_path: Path, text: str, shown: str
) -> None:
    loaded = load({"registry": text}, environ={}, folder=tmp_path)
    assert {each.name: each.value for each in show(loaded).settings}["registry"] == shown
    assert loaded.configuration.registry == text


@pytest.mark.parametrize("text", ["", "postgres", "postgresql://", "mysql://me:secret@db/clew"])
def test_what_is_no_registry_is_refused_without_its_password(tmp_path: Path, text: str) -> None:
    with pytest.raises(ClewError, match="is not a registry") as caught:
        load({"registry": text}, environ={}, folder=tmp_path)
    assert "secret" not in caught.value.message


def test_every_setting_has_a_default_and_a_sentence() -> None:
    assert [each.name for each in SETTINGS] == [f.name for f in dataclasses.fields(Configuration)]
    for each in SETTINGS:
        each.parse(each.default_text({"HOME": "/home/me"}))
        assert each.doc.endswith(".")


def test_the_reference_page_is_what_the_settings_say() -> None:
    assert (ROOT / PAGE).read_text() == write_page(), "run: make gen"
