"""Worked examples that run on real data; ``python -m functad`` runs the first."""
