"""How fast a channel may be used: its quotas, from what the plan and the vendor say.

The counting itself is the ledger's (:mod:`reminder.ledger.slots`).
"""

from __future__ import annotations

from datetime import timedelta

from reminder.ledger.records import Quota
from reminder.plan.channels import ChannelConfig, WecomAppChannel

SAFETY = timedelta(milliseconds=100)
"""Added to every window: the server counts on a clock of its own."""
MEMBER_PER_MINUTE = 30
MEMBER_PER_HOUR = 1000
"""What one member of a WeCom app is sent; the excess is dropped silently by the server."""

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def quotas_of(config: ChannelConfig) -> tuple[Quota, ...]:
    """Every limit of a channel, the narrowest window first."""
    limits = ((config.per_minute, _MINUTE), (config.per_hour, _HOUR), (config.per_day, _DAY))
    quotas = [Quota(limit, window + SAFETY) for limit, window in limits if limit is not None]
    if isinstance(config, WecomAppChannel):
        quotas += [
            Quota(MEMBER_PER_MINUTE, _MINUTE + SAFETY, each_receiver=True),
            Quota(MEMBER_PER_HOUR, _HOUR + SAFETY, each_receiver=True),
        ]
    return tuple(quotas)
