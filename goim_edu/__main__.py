"""``python -m goim_edu``: the command line."""

import sys

from goim_edu.cli import main

sys.exit(main())
