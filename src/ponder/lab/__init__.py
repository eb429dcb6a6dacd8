"""The lab measures."""
