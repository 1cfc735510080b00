"""The suite; servers that misbehave on command are importable from ``tests.servers``."""
