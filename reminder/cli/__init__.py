"""The command ``reminder``: the composition root, where adapters are wired."""

from __future__ import annotations

from reminder.cli.app import main

__all__ = ["main"]
