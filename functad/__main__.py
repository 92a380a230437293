"""``python -m functad``: fit two of NIST's nonlinear-regression sets with compiled derivatives, and show what that
took. ``python -m functad cache`` looks after the persistent cache, ``python -m functad export`` writes C libraries.
"""

import sys

from functad.examples.report import main

if __name__ == "__main__":
    if sys.argv[1:2] == ["cache"]:
        from functad.lower.disk.command import cache_command

        sys.exit(cache_command(sys.argv[2:]))
    if sys.argv[1:2] == ["export"]:
        from functad.export.command import export_command

        sys.exit(export_command(sys.argv[2:]))
    main()
