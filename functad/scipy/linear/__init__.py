"""``scipy.linalg``, by subject; ``functad.scipy.linalg`` has all of it."""
