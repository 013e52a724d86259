# SPDX-License-Identifier: Apache-2.0
"""What calling C plugins costs; what is measured is in README.md."""

import sys
from pathlib import Path

# PYTHONSAFEPATH keeps a script's own folder off the path.
sys.path.insert(0, str(Path(__file__).parent))

from run import Case, main  # noqa: E402 - see above

PAIRS = 21

CASES = [
    *(
        Case(
            name=f"{count} plugins, each packet",
            driver="bench_plugin",
            arguments=(str(count), "needed", str(PAIRS)),
            peer="functions called through pointers",
            unit="ns/packet",
            more_is_better=False,
        )
        for count in (1, 5, 20)
    ),
    *(
        Case(
            name=f"{count} plugins that need another event",
            driver="bench_plugin",
            arguments=(str(count), "unneeded", str(PAIRS)),
            peer="no plugin",
            unit="packets/s",
        )
        for count in (0, 1, 5, 20)
    ),
]

if __name__ == "__main__":
    main("plugin")
