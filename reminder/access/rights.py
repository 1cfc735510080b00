"""Who may do what: roles, and the rights they come to.  Pure.

Private items (talks, inspections, pre-appointment steps) need a right of their
own: whoever lacks it sees neither their dates nor their YAML, whatever else
they may do.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


class Role(enum.StrEnum):
    """What a person is given; one may have several."""

    VIEWER = "viewer"
    EDITOR = "editor"
    APPROVER = "approver"
    ADMIN = "admin"
    AUDITOR = "auditor"


ROLE_TEXT: Mapping[str, str] = MappingProxyType(
    {
        Role.VIEWER: "查看",
        Role.EDITOR: "编辑",
        Role.APPROVER: "审批",
        Role.ADMIN: "管理员",
        Role.AUDITOR: "审计（只读全部）",
    }
)


class Right(enum.StrEnum):
    """What a page or a call asks for."""

    READ = "read"
    READ_PRIVATE = "read-private"
    RECORD = "record"
    """Duties: done, return, waive, snooze, import."""
    EDIT_PLAN = "edit-plan"
    APPROVE = "approve"
    """Also needs to be among the approvers of what is approved."""
    OPERATE = "operate"
    """Deliveries, channels, silences, events."""
    MANAGE = "manage"
    """Users, tokens, live or rehearsal."""


_READS = frozenset({Right.READ})
RIGHTS_OF: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.VIEWER: _READS,
        Role.EDITOR: _READS | {Right.RECORD, Right.EDIT_PLAN},
        Role.APPROVER: _READS | {Right.APPROVE},
        Role.ADMIN: _READS | {Right.RECORD, Right.EDIT_PLAN, Right.OPERATE, Right.MANAGE},
        Role.AUDITOR: _READS | {Right.READ_PRIVATE},
    }
)
"""An admin does not see private items by being one: that right is given by itself."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can log in.  ``id`` is a person of the directory, or a name for a program."""

    id: str
    roles: frozenset[Role]
    private: bool = False
    """Given the right to see private items."""

    @property
    def rights(self) -> frozenset[Right]:
        """All that the roles come to; an auditor changes nothing, whatever else they are."""
        found = frozenset(right for role in self.roles for right in RIGHTS_OF[role])
        if Role.AUDITOR in self.roles:
            found &= {Right.READ, Right.READ_PRIVATE}
        return found | {Right.READ_PRIVATE} if self.private and found else found

    def may(self, right: Right) -> bool:
        """Whether the user has a right."""
        return right in self.rights
