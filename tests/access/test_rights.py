"""What roles come to."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from reminder.access.rights import ROLE_TEXT, Right, Role, User

CHANGES = frozenset(Right) - {Right.READ, Right.READ_PRIVATE}


def every_set_of_roles() -> list[frozenset[Role]]:
    return [frozenset(each) for each in chain.from_iterable(combinations(Role, n) for n in range(6))]


@pytest.mark.parametrize("roles", every_set_of_roles(), ids=lambda roles: "+".join(sorted(roles)) or "none")
def test_an_auditor_reads_everything_and_changes_nothing(roles: frozenset[Role]) -> None:
    user = User("p", roles)
    if Role.AUDITOR in roles:
        assert user.rights == {Right.READ, Right.READ_PRIVATE}
    else:
        assert not user.may(Right.READ_PRIVATE)
    assert user.may(Right.READ) is bool(roles)


def test_private_items_are_a_right_of_their_own_and_nobodys_by_office() -> None:
    assert not User("p", frozenset({Role.ADMIN, Role.EDITOR, Role.APPROVER})).may(Right.READ_PRIVATE)
    assert User("p", frozenset({Role.VIEWER}), private=True).rights == {Right.READ, Right.READ_PRIVATE}
    assert User("p", frozenset(), private=True).rights == frozenset()


def test_a_viewer_changes_nothing_and_every_change_is_somebodys() -> None:
    assert not User("p", frozenset({Role.VIEWER})).rights & CHANGES
    assert User("p", frozenset(Role) - {Role.AUDITOR}).rights >= CHANGES


def test_every_role_has_a_chinese_name() -> None:
    assert set(ROLE_TEXT) == set(Role)
