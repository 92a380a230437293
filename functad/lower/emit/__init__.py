"""LLVM text of the kernel IR."""
