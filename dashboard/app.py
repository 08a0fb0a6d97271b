"""Start of the page: `streamlit run dashboard/app.py`."""

import sys
from pathlib import Path

# Streamlit puts this folder on the import path, not the one that the package is found in.
ROOT = str(Path(__file__).resolve().parents[1])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from dashboard.page import show  # noqa: E402

show()
