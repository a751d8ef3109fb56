"""python tools/evidence NAME [options]: see runner.py."""

import sys

from runner import main

sys.exit(main())
