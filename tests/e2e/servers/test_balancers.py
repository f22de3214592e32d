"""HAProxy and nginx in front of a pair, as the guide sets them: whoever leads is found."""

from __future__ import annotations

import http.client
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import grpc
import pytest

from clew.testing.app_load import AppLoad
from clew.testing.group import ServerGroup
from clew.testing.history import GroupLoad, check_histories, wait_until
from clew.testing.network import LOOPBACK, HeldPorts
from clew.testing.requests import spans_request
from tests.e2e.servers.balancers import NGINX, find_program, read_settings, running
from tests.integration.wire import ask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WAIT_SECONDS = 90.0
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
BODY = spans_request(
    "by grpc", [(bytes([7]) * 16, bytes([1]) * 8)], operation="by grpc"
).SerializeToString()
HAPROXY, NGINX_PROGRAM = find_program("haproxy"), find_program("nginx")


class Fronts:
    """Both programs in front of a pair, by their ports in the guide."""

    def __init__(
        self, stack: ExitStack, folder: Path, group: ServerGroup, grpc_ports: Sequence[int]
    ) -> None:
        servers = [
            {"7701": http, "4317": grpc_port, "8443": int(trails.split(":")[2].split("/")[0])}
            for http, grpc_port, trails in zip(
                group.ports, grpc_ports, group.trails_urls, strict=True
            )
        ]
        names = ("4318", "7701", "4317", "8443", "7702")
        self._held = HeldPorts(len(names) + 1)
        *ports, telemetry = self._held.numbers
        self.ports = dict(zip(names, ports, strict=True))
        settings = folder / "haproxy.cfg"
        settings.write_text(read_settings("haproxy", servers, self.ports))
        stack.enter_context(running([str(HAPROXY), "-db", "-f", settings], folder / "haproxy.log"))
        nginx = folder / "nginx"
        nginx.mkdir()
        told = read_settings("nginx", servers, {"4318": telemetry})
        (nginx / "conf").write_text(NGINX.format(folder=nginx, settings=told))
        self.telemetry = f"http://{LOOPBACK}:{telemetry}"
        stack.enter_context(running([str(NGINX_PROGRAM), "-c", nginx / "conf"], folder / "log"))

    def url(self, port: str, scheme: str = "http") -> str:
        """Return an address of HAProxy's by its port in the guide."""
        return f"{scheme}://{LOOPBACK}:{self.ports[port]}"


def is_answered_by(role: str, url: str) -> bool:
    """Whether a question is answered, by somebody who is that in the group."""
    try:
        answer = ask(url, "GET", "/api/v1/traces")
    except (OSError, http.client.HTTPException):
        return False
    return answer.status == 200 and answer.headers["x-clew-role"] == role


def is_kept(channel: grpc.Channel) -> bool:
    """Whether a span is kept that is sent over a connection that may be there for long."""
    try:
        channel.unary_unary(EXPORT)(BODY, timeout=150)
    except grpc.RpcError as error:
        code = error.code()
    else:
        return True
    assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return False


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(
    HAPROXY is None or NGINX_PROGRAM is None, reason="HAProxy or nginx is not on this machine"
)
def test_what_stands_in_front_as_the_guide_sets_it_leads_to_whoever_leads(tmp_path: Path) -> None:
    held = HeldPorts(2)
    doors = held.numbers
    with ServerGroup(tmp_path, 2) as group, ExitStack() as stack:
        group.start(0, "leader", otlp_grpc=f"{LOOPBACK}:{doors[0]}")
        group.start(1, "standby", otlp_grpc=f"{LOOPBACK}:{doors[1]}")
        fronts = Fronts(stack, tmp_path, group, doors)
        leader, anybody = fronts.url("7701"), fronts.url("7702")
        leads = partial(is_answered_by, "leader", leader)
        wait_until(leads, WAIT_SECONDS, "the leader is found")
        channel = stack.enter_context(grpc.insecure_channel(fronts.url("4317").split("/")[2]))
        with (
            GroupLoad([leader, fronts.url("4318")], service="by haproxy", clients=2) as load,
            GroupLoad([fronts.telemetry], service="by nginx", first=100_000, clients=1) as other,
            AppLoad([leader], [fronts.url("8443", "ws") + "/ws"], apps=1) as apps,
        ):
            for each in (load, other, apps):
                each.wait_for_more(20)
            wait_until(lambda: is_kept(channel), WAIT_SECONDS, "gRPC reaches the leader")
            for role in ("leader", "standby"):
                wait_until(
                    partial(is_answered_by, role, anybody), WAIT_SECONDS, f"a {role} answers"
                )

            group.kill(0)
            status, told = group.promote(1)
            assert status == 202, told
            group.wait_claimed(1)
            group.start(0, "standby", otlp_grpc=f"{LOOPBACK}:{doors[0]}")
            group.wait_leading(1)
            for each in (load, other, apps):
                each.wait_for_more(20)
            wait_until(lambda: is_kept(channel), WAIT_SECONDS, "the same channel reaches it")
        group.wait_in_step(1)
        check_histories(group.urls, [*load.histories, *other.histories], apps.histories)
        group.end()
