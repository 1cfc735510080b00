"""The console's interface for programs: the same read models and rights as its pages, as JSON."""
