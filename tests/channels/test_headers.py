"""Header fields come back exactly as they went in, or are refused."""

from __future__ import annotations

import base64
import re
import time
from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reminder.channels.errors import HeaderError
from reminder.channels.headers import (
    Mailbox,
    mailbox_field,
    message_id,
    parse_mailbox,
    unstructured,
    wire_address,
)

LINES = st.text(
    alphabet=st.one_of(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"),
        st.sampled_from('=?_" <>@,;:()\\.纪律部（）“”'),
    ),
    max_size=120,
)


@given(LINES)
@example("关于开展“明纪律、强作风、促廉政”机关廉洁教育活动" * 6)
@example("=?utf-8?b?5Lit?= 像编码的文字")
@example("  前后有空格  ")
@example("a" * 300)
@example("plain ASCII subject")
def test_a_subject_comes_back_exactly(subject: str) -> None:
    """Through Python's own parser, whatever the characters; no line is over 76 when encoded."""
    field = unstructured("Subject", subject)
    assert message_from_bytes(field + b"\r\n", policy=default)["Subject"] == subject
    assert all(len(line) <= 76 for line in field.split(b"\r\n"))
    assert field.isascii()


@given(LINES.map(str.strip))
@example("机关党委办公室（廉洁教育活动领导小组办公室）综合协调组" * 3)
@example('O\'Brien, "Pat" (head)')
@example("理论科科长")
@example("市委宣传部机关党委纪检办公室")
def test_a_display_name_comes_back_exactly(name: str) -> None:
    """And the address beside it."""
    field = mailbox_field("Reply-To", Mailbox(name, "a.b@example.com"))
    (address,) = message_from_bytes(field + b"\r\n", policy=default)["Reply-To"].addresses
    assert address.addr_spec == "a.b@example.com"
    if field.count(b"=?utf-8") <= 1:
        assert address.display_name == name
    else:
        # Python's address parser joins the words of a long name with spaces: read as RFC 2047 §6.2 says.
        assert re.sub(rb"\?=\s+=\?", b"?==?", field).count(b"?==?") == field.count(b"=?utf-8") - 1
        words = re.findall(rb"=\?utf-8\?b\?([A-Za-z0-9+/=]+)\?=", field)
        assert "".join(base64.b64decode(word).decode("utf-8") for word in words) == name
    assert all(len(line) <= 76 for line in field.split(b"\r\n"))


HOSTILE = st.tuples(
    st.text(alphabet="主题abc ", max_size=10),
    st.sampled_from(["\r\n", "\n", "\r", "\0", "\t", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\x1b", "\x7f", "\ud800"]),
    st.text(alphabet="Bcc: x@example.com", max_size=20),
).map("".join)  # fmt: skip


@given(HOSTILE)
def test_a_line_break_in_any_disguise_is_refused(value: str) -> None:
    """The text names the character and the field."""
    with pytest.raises(HeaderError, match=r"Subject.*U\+[0-9A-F]{4}"):
        unstructured("Subject", value)
    with pytest.raises(HeaderError):
        mailbox_field("To", Mailbox(value, "a@example.com"))
    with pytest.raises(HeaderError):
        parse_mailbox(f"{value} <a@example.com>")
    with pytest.raises(HeaderError):
        message_id(f"<{value}@example.com>")


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("a@example.com", "a@example.com"),
        (" a.b+c@sub.example.com ", "a.b+c@sub.example.com"),
        ("a@例子.中国", "a@xn--fsqu00a.xn--fiqs8s"),
        ("a@oa", "a@oa"),
    ],
)
def test_an_address_takes_its_wire_form(address: str, wire: str) -> None:
    """Chinese domains as IDNA; a host of the office's own net is fine."""
    assert wire_address(address) == wire


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "为空"),
        ("example.com", "应含一个 @"),
        ("@example.com", "应含一个 @"),
        ("张三@example.com", "非英文字符"),
        ("a b@example.com", "写法不对"),
        ("a@b@example.com", "写法不对"),
        ("a..b@example.com", "写法不对"),
        ("x" * 65 + "@example.com", "64"),
        ("a@", "域名"),
        ("a@-example.com", "域名"),
        ("a@exam ple.com", "域名"),
        ("a@example..com", "域名"),
        ("a@" + "长" * 80 + ".com", "域名"),
        ("a@example.com>", "域名"),
        ("a@example.com\r\nRCPT TO:<b@example.com>", "U\\+000D"),
    ],
)
def test_an_address_that_no_server_takes_is_refused_with_the_reason(address: str, reason: str) -> None:
    """Never mis-encoded in silence."""
    with pytest.raises(HeaderError, match=reason):
        wire_address(address)


def test_a_mailbox_is_read_with_and_without_a_name() -> None:
    """Both ways of writing ``from`` in the channels' file, quoted or not."""
    assert parse_mailbox("机关党委办公室 <jgdw@example.com>") == Mailbox("机关党委办公室", "jgdw@example.com")
    assert parse_mailbox('"机关党委, 办公室" <jgdw@example.com>') == Mailbox(
        "机关党委, 办公室", "jgdw@example.com"
    )
    assert parse_mailbox("jgdw@example.com") == Mailbox("", "jgdw@example.com")
    for bad in ("机关党委办公室", "a <b> <c@example.com>", "名 <>"):
        with pytest.raises(HeaderError):
            parse_mailbox(bad)


@pytest.mark.parametrize(
    "value", ["", "a@example.com", "<a>", "<a@b@c>", "<a b@example.com>", "<标识@example.com>"]
)
def test_what_is_no_message_id_is_refused(value: str) -> None:
    """Retries find their message by it."""
    with pytest.raises(HeaderError, match="Message-ID"):
        message_id(value)


@pytest.mark.parametrize("text", ["a" + " " * 100_000 + "x", "a" + " " * 100_000 + "<x", '"' * 100_000 + "<"])
def test_a_mailbox_of_a_hundred_thousand_signs_is_refused_without_delay(text: str) -> None:
    """A search that began anew at every space would take half a minute."""
    started = time.process_time()
    with pytest.raises(HeaderError):
        parse_mailbox(text)
    assert time.process_time() - started < 3
