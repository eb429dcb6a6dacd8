"""How compute is spent."""
