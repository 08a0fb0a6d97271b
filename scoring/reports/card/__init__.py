"""The model card: what it holds, how it is made and shown."""
