"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def _folder(default: Path) -> Path:
    if not default.is_dir():
        pytest.skip(f"real rows are not available: no folder {default.name!r} beside the project")
    return default


@pytest.fixture(scope="session")
def home_credit_folder() -> Path:
    """The folder of real Kaggle CSV files: HOME_CREDIT_DATA, else ../shared/home-credit."""
    return _folder(Path(os.environ.get("HOME_CREDIT_DATA", SHARED / "home-credit")))


@pytest.fixture(scope="session")
def real_applications_folder() -> Path:
    """The folder of 16,992 real applications without histories."""
    return _folder(SHARED / "home-credit-applications")
