"""``python -m functad``: the demonstration, and the commands of ``functad/commands``."""

import sys

from functad.commands import main

if __name__ == "__main__":
    sys.exit(main())
