"""What may be set of the tree, and the limits that may not."""

from __future__ import annotations

from typing import Final

import msgspec

from clew.base.times import NS_PER_MS, NS_PER_S
from clew.tree.machine.app import Tier

MS: Final = NS_PER_MS
SECOND: Final = NS_PER_S

# A process that is started again, or a network that blinks, is back within this; a person who
# waits for the verdict of a crash is not kept waiting.
RESUME_WINDOW_MS: Final = 2_000

# How late a drop may turn out to have been none.
RECOVERY_WINDOW_MS: Final = 60_000

# Clients that back off come back within half of it after the server was started.
RESTART_WINDOW_MS: Final = 60_000

# What TRAILS says: an image is pulled, a queue is waited for.
START_DEADLINE_S: Final = 300

# So many sockets lost so quickly are the network's fault, not that of so many processes.
MASS_DROP_LINKS: Final = 50
MASS_DROP_WITHIN: Final = 5 * SECOND

# So much longer is the resume window then.
MASS_DROP_FACTOR: Final = 2

# After the grace of a cancel: a process has this long for its own clean-up after SIGTERM, unless
# whoever cancels gives it another time, and the kernel this long to end it after SIGKILL.
KILL_AFTER_MS: Final = 10_000
KILL_GRACE: Final = 5 * SECOND

# A notice that the server itself gives, such as by an orphan policy, leaves this much time.
GRACE_MS: Final = 30_000

# How long the end of a parent may be held back by children that it has to wait for.
HOLD_S: Final = 300

# A real tree of processes is ten deep at the most; a path is copied into every row.
DEPTH_MAX: Final = 32

# What one cancel notifies within a second.
CHILDREN_MAX: Final = 10_000

# Live apps take 1.1 KiB each in memory, their sockets not counted: these are 110 MiB.
APPS_MAX: Final = 100_000

# Messages that a client may have unacknowledged: a batch of commits takes that many.
CREDIT: Final = 64

# Ended apps, and ids that are nobody's, which are still known without asking the registry.
ENDED_MAX: Final = 4_096

# Targets of commands that are over and can still be told of without asking the registry.
FINISHED_MAX: Final = 20_000


class TreeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the tree behaves. `tier` is the least that an app must show; windows are as their units.

    `server_pub_key` is what `registered` frames carry.
    """

    tier: Tier = Tier.OPEN
    server_pub_key: str = ""
    resume_window_ms: int = RESUME_WINDOW_MS
    recovery_window_ms: int = RECOVERY_WINDOW_MS
    restart_window_ms: int = RESTART_WINDOW_MS
    start_deadline_s: int = START_DEADLINE_S
    grace_ms: int = GRACE_MS
    hold_s: int = HOLD_S
    depth_max: int = DEPTH_MAX
    children_max: int = CHILDREN_MAX
    apps_max: int = APPS_MAX
    credit: int = CREDIT
