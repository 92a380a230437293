"""The native backend: fuse into kernels, plan memory, emit LLVM text, compile, link, call."""
