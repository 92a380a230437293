"""Convolution layers and pooling: what ``functad.nn`` and ``functad.lax`` show of them."""
