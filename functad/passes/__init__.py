"""Rewrites of Programs before lowering: ``PIPELINE`` is the list of them in order."""
