"""Power of the alerts: how soon they see a change."""
