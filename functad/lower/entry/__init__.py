"""Entries: what Python calls, from the structure of a call's arguments to LLVM text that takes them apart."""
