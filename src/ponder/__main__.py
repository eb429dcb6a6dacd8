"""`python -m ponder` is the command line."""

import sys

from ponder.cli import main

sys.exit(main())
