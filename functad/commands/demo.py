"""Fit two of NIST's nonlinear-regression sets with compiled derivatives, and show what that took."""

from __future__ import annotations

import argparse

from functad.examples import report

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """It takes no arguments."""


def run(options: argparse.Namespace) -> None:
    """Print the report."""
    report.main()
