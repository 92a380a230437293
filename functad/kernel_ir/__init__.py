"""The kernel IR: the closed vocabulary of scalar operations and loop nests that native code is made of."""
