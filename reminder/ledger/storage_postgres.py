"""PostgreSQL as the ledger needs it: several nodes, each of which may die at any moment.

Who writes for a plan holds that plan's advisory lock until it commits, so that
a transaction finds the same order of things as on one machine: what it has read
is still so when it commits, and rows get their numbers in the order in which
they become visible.  Plans do not wait for each other.

A connection that is lost while a commit is on its way leaves nobody knowing
whether it was made.  Its transaction has a number, and PostgreSQL is asked by
that number what became of it, once it answers again.  A crash of the server
may take the number with it, and it is given to somebody else: of a server that
has recovered since, only that a transaction was not made can be believed.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from reminder.ledger.address import postgres_url
from reminder.ledger.errors import LedgerAddressError, LedgerError, LedgerUnreachable, LedgerUnsure
from reminder.ledger.errors_postgres import explained, explaining
from reminder.ledger.storage import BUSY_TIMEOUT, plain_json

OLDEST_SERVER = 14
STATEMENT_SECONDS = 120.0
IDLE_SECONDS = 15.0
"""So long a transaction may lie idle: what a stopped node holds is free again after it."""
ASK_AGAIN = (0.0, 0.1, 0.2, 0.5, 1.0, 1.0, 2.0, 2.0, 3.0, 5.0)
"""Seconds between the questions about a commit whose answer was lost."""

_MARK = (
    "(SELECT checkpoint_lsn::text || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"
    " FROM pg_control_checkpoint())"
)
"""Another after every recovery, which ends with a checkpoint, and in a standby that took over; also now and then."""
_NUMBER = f"pg_current_xact_id()::text, {_MARK}"
_LOCK = f"SELECT pg_advisory_xact_lock_shared(%s, 0), pg_advisory_xact_lock(%s, %s), {_NUMBER}"
_LOCK_BESIDE = f"SELECT pg_advisory_xact_lock_shared(%s, 0), pg_advisory_xact_lock_shared(%s, %s), {_NUMBER}"
_LOCK_ALL = f"SELECT pg_advisory_xact_lock(%s, 0), {_NUMBER}"
_SPACE = int.from_bytes(b"rmdr", "big")
"""The ledger's own number space of advisory locks."""
_LIBPQ = {
    "application_name": "reminder",
    "client_encoding": "UTF8",
    "connect_timeout": "5",
    # A server that vanished is noticed within seconds, on either side of a connection.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "12000",
}


class PostgresStorage:
    """One ledger in a database of PostgreSQL.

    ``address`` begins with ``postgresql://`` and may hold a password.
    ``durable=False`` lets the server answer before its disk has: for rehearsals.
    Nothing is connected before it is first used.  Raises ``LedgerAddressError``
    for an address that libpq does not understand, and where psycopg is missing.
    """

    def __init__(self, address: str, *, durable: bool = True, busy_timeout: float = BUSY_TIMEOUT) -> None:
        try:
            import psycopg
            from psycopg.conninfo import conninfo_to_dict, make_conninfo
        except ImportError as error:
            raise LedgerAddressError(
                "台账在 PostgreSQL 中，但没有安装连接它的组件：请执行 pip install 'reminder[cluster]'"
            ) from error
        try:
            if address.count("@") > 1:  # what follows the first would be taken, and told, as the host
                raise psycopg.ProgrammingError
            given = {key: str(value) for key, value in conninfo_to_dict(postgres_url(address)).items()}
        except psycopg.Error:
            raise LedgerAddressError(
                "台账的地址看不懂；应为 postgresql://用户@主机:端口/数据库，"
                "密码中的特殊字符要写成 %xx，或把密码放进密钥 DATABASE_PASSWORD"
            ) from None  # its text repeats the address
        self._driver, self._texts = psycopg, _texts()
        self.place = _shown(given)
        ours = _options(busy_timeout, durable=durable)
        # Ours first: what somebody has set on purpose stands.
        options = f"{ours} {given.get('options', '')}".strip()
        self._conninfo = make_conninfo("", **{**_LIBPQ, **given, "options": options})
        self._password = given.get("password", "")
        self._busy_timeout = busy_timeout
        self._writer = self._engine(self._connect_writer, pool_size=4, max_overflow=4)
        self._reader = self._engine(self._connect_reader, pool_size=4, max_overflow=8, pool_pre_ping=True)

    @property
    def queue(self) -> str | None:
        """The same database, over connections of the queue's own."""
        return self._conninfo

    @property
    def upgrades_itself(self) -> bool:
        """Several programs use it: when it changes is the operator's to say."""
        return False

    @contextmanager
    def write(self, plan_id: str = "", *, beside: bool = False) -> Iterator[Connection]:
        """One transaction that holds the plan's lock, or everybody's, from its first statement.

        Those ``beside`` each other share it.

        Returned from, it is committed: also when the answer was lost on its way
        and had to be asked for.  Raises :class:`LedgerUnsure` if nobody could
        say, and the other kinds of :class:`LedgerError`: then nothing was kept.
        """
        with explaining(self.place):
            connection, number, mark = self._begin(plan_id, _LOCK_BESIDE if beside else _LOCK)
            try:
                yield connection
                try:
                    connection.commit()
                except DBAPIError as error:
                    if not error.connection_invalidated:
                        raise
                    self._read_again(number, mark, error)
            finally:
                # A transaction that is still open is rolled back.
                with suppress(DBAPIError):
                    connection.close()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot; cannot write, and does not wait for writers."""
        with explaining(self.place), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def make(self) -> Iterator[Connection]:
        """As :meth:`rebuild`."""
        with self.rebuild() as connection:
            yield connection

    @contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """One write transaction for making and migrating the tables: all of it, or nothing.

        Raises ``LedgerAddressError`` for a database whose encoding or order of
        texts is not the one that the ledger is written for.
        """
        with self.write() as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            encoding, ordered = connection.exec_driver_sql(
                "SELECT current_setting('server_encoding'), 'B' < 'a'"
            ).one()
            if encoding != "UTF8" or not ordered:
                raise LedgerAddressError(
                    f"数据库 {self.place} 的编码或排序规则不合要求（编码须为 UTF8，排序规则须为 C）：请另建，如 "
                    "CREATE DATABASE reminder TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
                )
            yield connection

    def keep(self, revision: str, now: datetime) -> str:  # noqa: ARG002 (there is nothing to name)
        """Nothing is copied: what a migration changes here is taken back as a whole."""
        return "请把本提示交给维护人员"

    def faults(self) -> list[str]:
        """Whether it answers: PostgreSQL checks its pages itself, and its administrator the whole."""
        with self.read() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM ledger_info")
        return []

    def fold(self) -> None:
        """Nothing is to be done: what was committed is where it belongs."""

    def close(self) -> None:
        """Give back every connection."""
        self._reader.dispose()
        self._writer.dispose()

    # -- one transaction --------------------------------------------------------

    def _begin(self, plan_id: str, lock: str) -> tuple[Connection, str, str]:
        """A connection with the lock, the number of its transaction, and the server's mark.

        A pooled connection may have died since: the second one is new.
        """
        for last in (False, True):
            connection = self._writer.connect()
            try:
                if plan_id:
                    row = connection.exec_driver_sql(lock, (_SPACE, _SPACE, _key(plan_id))).one()
                else:
                    row = connection.exec_driver_sql(_LOCK_ALL, (_SPACE,)).one()
                return connection, str(row[-2]), str(row[-1])
            except DBAPIError as error:
                lost = error.connection_invalidated
                with suppress(DBAPIError):
                    connection.close()
                if last or not lost:
                    raise
            except BaseException:
                connection.close()
                raise
        raise AssertionError("the second try returns or raises")

    def _read_again(self, number: str, mark: str, error: DBAPIError) -> None:
        """What became of a commit whose answer was lost; returns if it was made.

        Raises ``LedgerUnreachable`` if it was not, ``LedgerUnsure`` if the
        server does not come back in time, is another one, or has recovered from
        a crash meanwhile: its number may then be somebody else's.
        """
        found: object = None
        for seconds in ASK_AGAIN:
            threading.Event().wait(seconds)
            same = False
            with suppress(DBAPIError, LedgerError), self._reader.connect() as connection:
                asked = connection.exec_driver_sql(f"SELECT pg_xact_status(%s::xid8), {_MARK}", (number,))
                found, now = asked.one()
                same = now == mark
            if found == "committed":
                if same:
                    return
                raise LedgerUnsure(
                    f"与台账 {self.place} 的连接在提交时中断，其间数据库重新启动过或做过检查点，查不出这一次是否已写入："
                    "程序会核对后再继续；人工登记的，请先查看是否已记入，再决定是否重做"
                ) from error
            if found == "aborted":
                raise LedgerUnreachable(
                    f"与台账 {self.place} 的连接在提交时中断，已查明本次一条也没有写入：之后会自动继续"
                ) from error
        raise LedgerUnsure(
            f"与台账 {self.place} 的连接在提交时中断，数据库一直没有恢复，不知道这一次是否已写入："
            "恢复后会先查明，再继续"
        ) from error

    # -- connections -------------------------------------------------------------

    def _engine(self, connect: Callable[[], Any], **options: Any) -> Engine:
        # An error's text goes into logs: what was to be written (names, a lot just drawn) does not.
        return create_engine(
            "postgresql+psycopg://",
            creator=connect,
            json_serializer=plain_json,
            hide_parameters=True,
            poolclass=QueuePool,
            pool_timeout=self._busy_timeout,
            **options,
        )

    def _connect(self) -> Any:
        try:
            connection = self._driver.connect(self._conninfo)
        except self._driver.Error as error:
            raise self._refused(error) from None  # its text may repeat what stands in the address
        if connection.info.server_version < OLDEST_SERVER * 10_000:
            version = connection.info.server_version // 10_000
            connection.close()
            raise LedgerAddressError(
                f"数据库 {self.place} 是 PostgreSQL {version}，太旧；需要 {OLDEST_SERVER} 或更新的版本"
            )
        connection.adapters.register_dumper(str, self._texts)
        return connection

    def _refused(self, error: Exception) -> LedgerError:
        text = str(error)
        if self._password:
            text = text.replace(self._password, "***")
        return explained(type(error)(text), self.place, connecting=True)

    def _connect_writer(self) -> Any:
        connection = self._connect()
        connection.isolation_level = self._driver.IsolationLevel.READ_COMMITTED
        return connection

    def _connect_reader(self) -> Any:
        connection = self._connect()
        connection.isolation_level = self._driver.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return connection


def _texts() -> Any:
    """How texts are sent.  PostgreSQL has no NUL in them, which a server's answer may hold: it becomes U+FFFD.

    Refused, such an answer could never be recorded, and nothing more would be sent.
    """
    from psycopg.adapt import Dumper

    class WithoutNul(Dumper):
        def dump(self, obj: str) -> bytes:
            return obj.replace("\0", "\ufffd").encode()

    return WithoutNul


def _options(busy_timeout: float, *, durable: bool) -> str:
    """Settings of each session, as the server takes them at its beginning."""
    milliseconds = {
        "lock_timeout": busy_timeout,
        "statement_timeout": max(STATEMENT_SECONDS, 2 * busy_timeout),
        "idle_in_transaction_session_timeout": IDLE_SECONDS,
    }
    settings = {
        **{name: str(max(1, round(seconds * 1000))) for name, seconds in milliseconds.items()},
        "TimeZone": "UTC",
        "synchronous_commit": "on" if durable else "off",
        # The server's side of a connection whose node was cut off.
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
        "client_connection_check_interval": "2000",
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _key(plan_id: str) -> int:
    """A plan's number among the locks; never that of all plans together."""
    number = zlib.crc32(plan_id.encode("utf-8", "surrogatepass")) - 2**31
    return number or 1


def _shown(given: dict[str, str]) -> str:
    """The address as people may see it."""
    user = f"{given['user']}@" if given.get("user") else ""
    port = f":{given['port']}" if given.get("port") else ""
    return f"postgresql://{user}{given.get('host', '')}{port}/{given.get('dbname', '')}"
