"""`python -m loam` is the command `loam`."""

import sys

from loam.runtime.command_line import main

if __name__ == "__main__":
    sys.exit(main())
