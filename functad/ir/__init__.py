"""The IR: types, Programs, and what reads or checks any Program: printer, checker, structural key, dead code."""
