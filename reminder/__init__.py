"""A reminder and notification scheduler for an office's compliance calendar.

The package is a house of floors; a module imports only from floors below its
own (``docs/house.md`` draws them, import-linter holds them).
"""

__version__ = "0.1.0"
