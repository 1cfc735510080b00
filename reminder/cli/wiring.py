"""Wire adapters to configuration: the one place where secrets meet channels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from reminder.agenda.instants import zone_of
from reminder.channels.base import Channel, Parcel
from reminder.channels.build import build_channel
from reminder.channels.email import EmailAdapter
from reminder.channels.linked import LinkedChannel
from reminder.channels.wecom_app import WecomAppAdapter
from reminder.check import Edition
from reminder.ledger.records import Transport
from reminder.links import PLACEHOLDER, Links, open_links
from reminder.log import redactor
from reminder.progress import Heartbeat
from reminder.settings import Listen, Settings
from reminder.sweep.rehearsal import rehearsal_channel

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from reminder.access.syslog import Syslog
    from reminder.clock import Clock
    from reminder.daemon import Daemon, Page
    from reminder.daemon.outfit import BuildChannels, SecretsMark
    from reminder.daemon.tenancy import Tenancy
    from reminder.web.hosts import Found

HEARTBEAT_TIMEOUT_SECONDS = 10.0
LINK_AFTER = timedelta(days=30)
"""For how long after its message is of no more use a link still opens: what was done is often recorded late."""

Secrets = Callable[[str], str | None]


def secrets_of(settings: Settings) -> Secrets:
    """Look secrets up by name, and have every one found masked in all logs."""

    def secret(name: str) -> str | None:
        value = settings.secret(name)
        if value is not None:
            # As it stands, as the adapters take it, and the password of a ``user:password`` alone.
            for form in (value, value.strip(), value.strip().partition(":")[2]):
                redactor.add(form)
        return value

    return secret


def live_channel(edition: Edition, channel_id: str, secrets: Secrets) -> Channel:
    """The adapter that really sends.

    Raises ``ReminderError`` when its secret is missing.
    """
    head = edition.plan.head
    return build_channel(
        edition.plan.channels[channel_id],
        secret=secrets,
        office_mailbox=head.office.mailbox,
        zone=zone_of(head.timezone),
        authorities=edition.authorities.of_channel.get(channel_id),
    )


def channel_for(settings: Settings) -> Callable[[Edition, Transport, str], Channel]:
    """How a channel is made, for either transport.  It raises ``ReminderError`` where a secret is missing."""
    secrets = secrets_of(settings)

    def build(edition: Edition, transport: Transport, channel_id: str) -> Channel:
        if transport is not Transport.LIVE:
            return rehearsal_channel(edition, channel_id, settings.outbox)
        channel = live_channel(edition, channel_id, secrets)
        if isinstance(channel, EmailAdapter | WecomAppAdapter):
            # Also without a public URL: what was frozen while there was one still waits for its tokens.
            return LinkedChannel(channel, PLACEHOLDER, tokens_of(settings, edition))
        return channel

    return build


def channels_for(settings: Settings) -> Callable[[Edition, Transport], Mapping[str, Channel]]:
    """How the daemon makes its channels, for either transport."""
    build = channel_for(settings)
    return lambda edition, transport: {
        each: build(edition, transport, each) for each in edition.plan.channels
    }


def tokens_of(settings: Settings, edition: Edition) -> Callable[[Parcel], str]:
    """How the link of a message gets its token: the same one at every try.

    The key file is read at each: a new key is in force at once.
    """
    zone = zone_of(edition.plan.head.timezone)

    def token(parcel: Parcel) -> str:
        until = (parcel.useful_until or parcel.at).astimezone(zone).date() + LINK_AFTER
        return open_links(settings.link_key, edition.plan.id).of_message(
            parcel.message, parcel.receiver, until
        )

    return token


def page_of(settings: Settings, daemon: Daemon, clock: Clock) -> Page | None:
    """The page behind the links, or None where it is not to be served: then nothing of it is loaded.

    Nor is anything before it is first tended, which is after the first tick.
    """
    if settings.listen is None:
        return None
    from reminder.daemon.page import LatePage

    return LatePage(str(settings.listen), partial(_page, settings, settings.listen, daemon, clock))


def _page(settings: Settings, listen: Listen, daemon: Daemon, clock: Clock) -> Page:
    from reminder.web.server import PageServer

    return PageServer(app_of(settings, daemon, clock, _syslog_of(settings)), listen, clock)


def _syslog_of(settings: Settings) -> Syslog | None:
    """Where logins are told as well: one of it for a process, since it has a thread."""
    if settings.syslog is None:
        return None
    from reminder.access.syslog import Syslog

    return Syslog(settings.syslog)


def app_of(settings: Settings, daemon: Daemon, clock: Clock, syslog: Syslog | None) -> ASGIApp:
    """Console, interface and the page behind the links, of one office."""
    from urllib.parse import urlsplit

    from reminder.web.app import create_app
    from reminder.web.console.site import Site
    from reminder.web.desk import Desk

    def links() -> Links:
        return open_links(settings.link_key, daemon.edition.plan.id)

    build = channel_for(settings)
    desk = Desk(lambda: daemon.edition, lambda: daemon.ledger, links)
    site = Site(
        settings=settings,
        clock=clock,
        edition=lambda: daemon.edition,
        ledger=lambda: daemon.ledger,
        channel=lambda edition, channel: build(edition, daemon.transport, channel),
        told_of_logins=syslog,
    )
    prefix = urlsplit(settings.public_url).path if settings.public_url else ""
    return create_app(desk, clock, prefix, site)


def furnish(settings: Settings) -> tuple[BuildChannels, SecretsMark]:
    """What an office of many needs to send."""
    return channels_for(settings), secrets_mark_of(settings)


def page_of_tenancy(settings: Settings, tenancy: Tenancy, clock: Clock) -> Page | None:
    """The pages of all offices on one address, or None where they are not to be served."""
    listen = settings.listen
    if listen is None:
        return None
    from reminder.daemon.page import LatePage

    syslog = _syslog_of(settings)

    def find(host: str) -> Found | None:
        tenant = tenancy.by_host(host)
        if tenant is None or (daemon := tenant.daemon) is None:
            return None
        return tenant.name, partial(app_of, tenant.settings, daemon, clock, syslog)

    def make() -> Page:
        from reminder.web.hosts import Hosts
        from reminder.web.server import PageServer

        return PageServer(Hosts(find), listen, clock)

    return LatePage(str(listen), make)


def secrets_mark_of(settings: Settings) -> Callable[[Edition, Transport], str]:
    """Tells secrets that have changed from those that have not; kept in memory and nowhere else.

    A rehearsal uses none, and its mark never changes.
    """
    secrets = secrets_of(settings)

    def mark(edition: Edition, transport: Transport) -> str:
        if transport is not Transport.LIVE:
            return ""
        digest = hashlib.sha256()
        for config in edition.plan.channels.values():
            for name in (config.secret, getattr(config, "proxy_secret", None)):
                value = secrets(name) if name is not None else None
                digest.update(f"{name} {len(value or '')} {value}\n".encode())
        return digest.hexdigest()

    return mark


def heartbeat_of(settings: Settings) -> Heartbeat | None:
    """The ping of the heartbeat URL, which is treated as a secret: many monitors put a key into it."""
    url = settings.heartbeat_url
    if url is None:
        return None
    redactor.add(url)

    def ping() -> None:
        from reminder.channels.http import HttpClient
        from reminder.channels.route import Route
        from reminder.plan.networks import INTERNAL

        # The operator's own setting, and no plan's: an office's own monitor needs no further permission.
        client = HttpClient(route=Route(INTERNAL))
        try:
            client.get(url, seconds=HEARTBEAT_TIMEOUT_SECONDS)
        finally:
            client.close()

    return Heartbeat(ping)
