"""The Collector's recipe: it is YAML, names our ports, and means the owners that we mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from clew.app.configuration.parse import parse_shards
from clew.app.configuration.settings import Configuration
from clew.base.sharding import OTLP_PORT, Ring
from clew.testing.requests import ids_of, spans_request
from clew.testing.router import split_spans

GUIDE = (Path(__file__).parents[2] / "docs/guide/collector.md").read_text()


def read_yaml(text: str) -> Any:
    """Return a document of mappings, lists and plain scalars, which is what the recipe is made of.

    Anything else is an error: a recipe that needs more of YAML than this is not easy to copy.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    assert all("\t" not in line and "#" not in line for line in lines)
    document, rest = _block(lines, 0)
    assert not rest
    return document


def _block(lines: list[str], indent: int) -> tuple[Any, list[str]]:
    if lines[0].strip().startswith("- "):
        items = []
        while lines and _indent(lines[0]) == indent:
            assert lines[0].strip().startswith("- "), lines[0]
            items.append(lines.pop(0).strip()[2:])
        return items, lines
    found: dict[str, Any] = {}
    while lines and _indent(lines[0]) == indent:
        name, _, value = lines.pop(0).strip().partition(":")
        assert re.fullmatch(r"[\w/]+", name), name
        assert name not in found
        if value.strip():
            assert value.startswith(" "), value
            inside = re.fullmatch(r" \[(.*)\]", value)
            found[name] = inside[1].split(", ") if inside else value.strip()
        else:
            found[name], lines = _block(lines, _indent(lines[0]))
    assert not lines or _indent(lines[0]) < indent or indent == 0
    return found, lines


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def recipe() -> dict[str, Any]:
    found = re.search(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert found is not None
    document: dict[str, Any] = read_yaml(found[1])
    return document


def hostnames(exporter: str) -> list[str]:
    listed: list[str] = recipe()["exporters"][exporter]["resolver"]["static"]["hostnames"]
    return listed


def test_every_pipeline_sends_to_an_exporter_that_there_is() -> None:
    document = recipe()
    pipelines = document["service"]["pipelines"]
    assert set(pipelines) == {"traces", "logs", "metrics"}
    for pipeline in pipelines.values():
        assert set(pipeline["receivers"]) <= set(document["receivers"])
        assert set(pipeline["exporters"]) <= set(document["exporters"])
    exporters = document["exporters"]
    assert exporters["load_balancing/traces"]["routing_key"] == "traceID"
    assert exporters["load_balancing/metrics"]["routing_key"] == "service"
    assert hostnames("load_balancing/traces") == hostnames("load_balancing/metrics")


def test_what_is_taken_waits_for_a_server_that_is_away_and_is_not_given_up() -> None:
    for exporter in recipe()["exporters"].values():
        # Taken whole or not at all: a part that is refused would have the other part sent again.
        assert exporter["sending_queue"]["enabled"] == "true"
        # What the first queue took waits for room in the second one: the default is five seconds.
        assert exporter["timeout"] == "24h"
        behind = exporter["protocol"]["otlp"]
        assert behind["sending_queue"]["block_on_overflow"] == "true"
        assert behind["retry_on_failure"]["max_elapsed_time"] == "0"


def test_it_names_the_port_at_which_a_server_takes_otlp() -> None:
    own = Configuration().otlp_grpc
    assert own is not None
    assert own.port == OTLP_PORT
    for hostname in hostnames("load_balancing/traces"):
        assert hostname.endswith(f":{own.port}")


def test_the_tiers_shards_are_called_as_the_collector_calls_them() -> None:
    single, grouped = (parse_shards(text) for text in re.findall(r"--shards (\S+)\n", GUIDE))
    for shards in (single, grouped):
        assert [shard.name for shard in shards] == hostnames("load_balancing/traces")
    assert [len(shard.urls) for shard in grouped] == [2, 1]


def test_our_router_sends_where_the_recipes_ring_says() -> None:
    ring = Ring(hostnames("load_balancing/traces"))
    ids = [ids_of(number) for number in range(1, 50)]
    parts: Any = split_spans(spans_request("shop", ids), ring)
    assert set(parts) == set(ring.names)
    for name, part in parts.items():
        for span in part.resource_spans[0].scope_spans[0].spans:
            assert ring.owner_of_trace(span.trace_id.hex()) == name


def test_the_guides_own_trace_has_an_owner() -> None:
    found = re.search(r"owner_of_trace\(\"([0-9a-f]+)\"\)", GUIDE)
    assert found is not None
    assert Ring(["a:4317", "b:4317"]).owner_of_trace(found[1]) in {"a:4317", "b:4317"}
