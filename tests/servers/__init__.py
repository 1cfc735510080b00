"""Loopback servers that behave like the real ones, and misbehave on command."""
