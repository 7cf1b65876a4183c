# timeout: 300
# flags: -X dev -W error::ResourceWarning
"""The torture in development mode: memory debug hooks and the checks of -X dev find nothing."""

import runpy
import sys
from pathlib import Path

assert sys.flags.dev_mode
runpy.run_path(str(Path(__file__).with_name("torture.py")), run_name="__main__")
