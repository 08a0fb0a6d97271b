"""What people read of a model: plots, model card, index."""
