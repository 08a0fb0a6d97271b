"""The page that tries the API out, as any other client would: over HTTP only."""
