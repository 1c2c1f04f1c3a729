"""`python -m clankvox.loopback`."""

import sys

from clankvox.loopback.cli import main

sys.exit(main())
