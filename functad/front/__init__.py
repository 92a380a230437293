"""The front end: a user's function as it was written for NumPy, made into one that functad can trace."""
