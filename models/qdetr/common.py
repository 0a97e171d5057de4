"""Importing this makes the modules shared by all networks, ../common, importable."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
