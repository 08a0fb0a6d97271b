"""Migrate the database in DATABASE_URL: a platform's step before a new release starts."""

import os
import sys

from scoring.store import Store, StoreError


def main() -> None:
    """Bring the tables up to this code's, or end with status 1 and the reason in a line."""
    try:
        store = Store(
            os.environ.get("DATABASE_URL") or "sqlite:///data/scoring.db",
            os.environ.get("PSEUDONYM_KEY") or None,
        )
        store.migrate()
        store.check()
    except (StoreError, OSError) as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"{store.url} is up to date\n")
    store.close()


if __name__ == "__main__":
    main()
