"""LLVM: writing its text, compiling it for this CPU, linking what comes of it."""
