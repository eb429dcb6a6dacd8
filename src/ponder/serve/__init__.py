"""What the gateway offers."""
