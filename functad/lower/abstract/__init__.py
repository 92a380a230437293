"""Abstraction: sizes and constants are taken out of a Program, so that one piece of code serves many."""
