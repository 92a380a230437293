"""Interpolants, a family a file."""
