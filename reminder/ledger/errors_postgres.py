"""What can go wrong with a ledger on PostgreSQL, said to the person who must act.

PostgreSQL gives each error a code of five characters
(https://www.postgresql.org/docs/current/errcodes-appendix.html); a connection
that could not be made has none, and its text may be in English or Chinese.
What a row held is never repeated, and neither is the password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from reminder.ledger.errors import (
    LedgerAddressError,
    LedgerCorrupt,
    LedgerError,
    LedgerFull,
    LedgerGone,
    LedgerLocked,
    LedgerReadOnly,
    LedgerUnreachable,
    conflict,
)

_WRONG_PASSWORD = re.compile(
    r"password|authentication|role .* (does not exist|is not)|密码|口令|认证|角色", re.IGNORECASE
)
_NO_DATABASE = re.compile(r"database .* does not exist|数据库.*不存在", re.IGNORECASE)
_TOO_MANY = re.compile(r"too many|remaining connection slots|连接.*(过多|太多)|剩余的连接", re.IGNORECASE)
_LOST = ("08", "57P", "25P03")
"""Codes of a connection that ended: broken, shut down, crashed, or held a transaction open for too long."""


def explained(
    error: BaseException, place: str, *, connecting: bool = False, lost: bool = False
) -> LedgerError:
    """The same trouble in words for the person who must act.

    ``connecting``: there is no connection yet; ``lost``: there is none any more.
    """
    code = getattr(error, "sqlstate", None) or ""
    said = _said(error)
    if not code and (connecting or lost):
        return _unreachable(said, place, connecting=connecting)
    if code.startswith("23"):
        return conflict(said)
    if code.startswith(_LOST):
        return LedgerUnreachable(
            f"与台账 {place} 的连接中断，本次一条也没有写入（{said}）：数据库恢复后会自动继续"
        )
    if code in ("40001", "40P01", "55P03", "57014"):
        return LedgerLocked(
            f"台账 {place} 一直被别的节点或程序占用，本次一条也没有写入（{said}）："
            "请查看数据库中长时间未结束的事务，之后会自动继续"
        )
    if code in ("53100", "53400", "54000"):
        return LedgerFull(
            f"数据库的磁盘已满，台账 {place} 写不进去，本次一条也没有记：请清理磁盘，之后会自动继续"
        )
    if code.startswith("53"):
        return LedgerLocked(
            f"数据库 {place} 的连接或内存已用尽（{said}）：请调大 max_connections，之后会自动继续"
        )
    if code in ("25006", "42501"):
        return LedgerReadOnly(
            f"台账 {place} 只能读，不能写（{said}）：请连接主库，并检查数据库用户对各表的权限"
        )
    if code in ("3D000", "3F000", "42P01"):
        return LedgerGone(f"数据库 {place} 中没有台账的表了（{said}），已停止发送：请核对地址，或恢复数据库")
    if code in ("XX001", "XX002"):
        return LedgerCorrupt(f"数据库 {place} 的数据已损坏（{said}）：请停用本程序，由数据库管理员恢复")
    return LedgerError(
        f"台账 {place} 读写出错，本次一条也没有写入（{said}）：请运行 reminder doctor 查明原因"
    )


def _unreachable(said: str, place: str, *, connecting: bool) -> LedgerError:
    if not connecting:
        return LedgerUnreachable(
            f"与台账 {place} 的连接中断，本次一条也没有写入（{said}）：数据库恢复后会自动继续"
        )
    if _NO_DATABASE.search(said):
        return LedgerAddressError(
            f"没有台账所在的数据库 {place}：请核对 REMINDER_DATABASE_URL，或先建立数据库，再执行 reminder migrate"
        )
    if _WRONG_PASSWORD.search(said):
        return LedgerUnreachable(
            f"数据库 {place} 拒绝登录：请核对用户名，以及地址中或密钥 DATABASE_PASSWORD 中的密码"
        )
    if _TOO_MANY.search(said):
        return LedgerLocked(f"数据库 {place} 的连接已用尽：请调大 max_connections，之后会自动继续")
    return LedgerUnreachable(
        f"连不上台账所在的数据库 {place}（{said}）：请检查地址、网络和数据库是否在运行，之后会自动继续"
    )


def _said(error: BaseException) -> str:
    """The server's own first line, without the values of a row; the driver's if the server said nothing."""
    diagnosis = getattr(error, "diag", None)
    said = getattr(diagnosis, "message_primary", None) or str(error)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextmanager
def explaining(place: str) -> Iterator[None]:
    """Turn what the driver raises inside into a :class:`LedgerError`.

    A value that a column refuses (a naive datetime) is the caller's mistake and
    comes out as the ``ValueError`` or ``TypeError`` it is.
    """
    try:
        yield
    except PoolTimeout as error:
        raise LedgerLocked(
            f"台账 {place} 的连接全被占用：请查看数据库中长时间未结束的事务，之后会自动继续"
        ) from error
    except DBAPIError as error:
        # ``from None`` where the server may have repeated what it was given.
        raise explained(error.orig or error, place, lost=error.connection_invalidated) from None
    except StatementError as error:
        if isinstance(error.orig, (ValueError, TypeError)):
            raise error.orig from error
        raise
