"""The command ``reminder``: the composition root, where adapters are wired."""

from __future__ import annotations


def main() -> None:
    """Run the command."""
    from reminder.cli.start import main as begin

    begin()
