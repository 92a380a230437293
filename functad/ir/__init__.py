"""The IR: types, Programs, and what reads or checks any Program: printer, checker, structural key, dead code."""

from functad.ir import printer as printer  # gives Programs their text
