"""The transforms as functions of functions: thin wrappers around ``core.capture`` and the drivers in ``transforms``."""
