"""Tokens to FLOPs, seconds, dollars and joules: on one chip, and on a fleet of them."""
