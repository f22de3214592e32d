"""What a process says of itself when it joins."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Final

from clew.base.times import NS_PER_MS
from clew.tree.frames.fields import PROCESS_CHARS_MAX
from clew.tree.frames.inbound import ProcessInfo

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where Kubernetes tells a pod its namespace."""


def describe_process() -> ProcessInfo:
    """Return what is known of this process."""
    return ProcessInfo(
        pid=os.getpid(),
        ppid=os.getppid(),
        uid=os.getuid(),
        gid=os.getgid(),
        hostname=socket.gethostname()[:PROCESS_CHARS_MAX],
        node_name=_environment("NODE_NAME"),
        pod_ip=_environment("POD_IP"),
        namespace=_namespace(),
        start_time=time.time_ns() // NS_PER_MS,
        executable=(sys.executable or None) and sys.executable[:PROCESS_CHARS_MAX],
    )


def _environment(name: str) -> str | None:
    return os.environ.get(name, "")[:PROCESS_CHARS_MAX] or None


def _namespace() -> str | None:
    try:
        text = _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    return text[:PROCESS_CHARS_MAX] or _environment("POD_NAMESPACE")
