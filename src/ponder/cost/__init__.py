"""Tokens to FLOPs, seconds and dollars."""
