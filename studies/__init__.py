"""What the project knows about itself."""
