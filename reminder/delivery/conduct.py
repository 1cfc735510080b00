"""How each channel is to be used, as the plan in force says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, tzinfo

from reminder.agenda.instants import zone_of
from reminder.delivery.rate import quotas_of
from reminder.ledger.records import Quota
from reminder.plan.channels import EmailChannel
from reminder.plan.model import Plan
from reminder.plan.sending import Quiet

ABREAST = 2
"""Tries of one channel on their way at once: one that waits for its server does not hold up the next."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """One channel's quotas, quiet hours (in ``zone``), and what to do with an unknown outcome.

    ``hold``: whether a message of which nobody knows whether it arrived waits for
    a person, instead of being sent again.  ``abreast``: how many tries may be on
    their way at once.  ``fingerprint`` changes with the channel's settings.
    """

    hold: bool = False
    quotas: tuple[Quota, ...] = ()
    quiet: Quiet | None = None
    zone: tzinfo = UTC
    fingerprint: str = ""
    abreast: int = ABREAST


def conduct_of(plan: Plan) -> dict[str, Conduct]:
    """The conduct of every channel of the plan; a channel's own quiet hours come before the plan's."""
    zone = zone_of(plan.head.timezone)
    return {
        name: Conduct(
            hold=config.uncertain == "hold",
            quotas=quotas_of(config),
            quiet=config.quiet if config.quiet is not None else plan.head.quiet,
            zone=zone,
            # Pydantic's repr names every field in a fixed order, and no secret's value.
            fingerprint=hashlib.sha256(repr(config).encode()).hexdigest()[:16],
            abreast=config.connections if isinstance(config, EmailChannel) else ABREAST,
        )
        for name, config in plan.channels.items()
    }
