"""``python -m functad``: fit two of NIST's nonlinear-regression sets with compiled derivatives, and show what that
took.
"""

from functad.examples.report import main

if __name__ == "__main__":
    main()
