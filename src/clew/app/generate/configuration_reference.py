"""Write `docs/reference/configuration.md` from the declared settings.

``python -m clew.app.generate.configuration_reference`` prints the page.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from clew.app.configuration.settings import SETTINGS

PAGE: Final = Path("docs/reference/configuration.md")

_INTRODUCTION: Final = """\
<!-- Written by `python -m clew.app.generate.configuration_reference`; do not edit. -->
# Configuration

Every setting can be given as a flag of `clew serve`, as an environment variable, or as a key of a
settings file. A flag wins over the environment, the environment over the file, the file over the
default. `clew config` shows every value and where it came from.

The file is TOML, named by `--config` or `CLEW_CONFIG`; otherwise `clew.toml` in the working
directory, else in the user's configuration folder (`~/.config/clew`). `CLEW_CONFIG=off` reads none.
An unknown key is an error. Values are text, numbers, booleans, or lists of text; in the environment
a list is separated by commas.

```toml
otlp_grpc = "off"
retention_traces = "14d"
cors_origins = ["https://shop.example.com"]
```

Sizes are bytes or carry a unit (`kB MB GB KiB MiB GiB`). Retentions are `30d`, `12h`, `8w`, `off`;
addresses are `HOST:PORT` or a port alone.

"""


def write_page() -> str:
    """Return the page as markdown: one part per setting, in the order of the declaration."""
    parts = [_INTRODUCTION]
    for each in SETTINGS:
        default = f"`{each.default_shown}`" if isinstance(each.default, str) else each.default_shown
        shown = default if each.default_shown else "none"
        parts.append(
            f"## `{each.name}`\n\n{each.doc}\n\n"
            f"Flag `{each.flag}` · environment `{each.variable}` · default {shown}\n\n"
        )
    return "".join(parts).rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.stdout.write(write_page())
