"""`python -m perfectlook`."""

import sys

from perfectlook.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
