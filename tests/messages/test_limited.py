"""Rendering in a process of its own: what a template may cost, and what becomes of the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from reminder.messages import limited, render
from reminder.messages.forms import FORMS, Bundle
from reminder.messages.limited import Limited, Limits
from reminder.messages.render import LAYOUT_NAMES, RendererUnavailable, TemplateError, Templates
from reminder.messages.trouble import TemplateStopped

FOLDER = Path(__file__).parents[2] / "message_templates"
CONTEXT: dict[str, Any] = {"item": {"id": "x", "title": "标题"}}

Facts = Callable[..., dict[str, Any]]


def bundle(text: str, **others: str) -> Bundle:
    """A template ``own`` whose mail text is given; its other forms say its title."""
    files = {f"own/{file}": "{{ item.title }}" for file in FORMS} | {"own/mail.txt.j2": text}
    return Bundle("templates", files | {f"own/{name}.j2": each for name, each in others.items()})


@pytest.fixture
def impatient() -> Iterator[Limited]:
    """A third of a second instead of two."""
    made = Limited(Limits(seconds=0.3, idle_seconds=30))
    yield made
    made.close()


@pytest.fixture(scope="module")
def patient() -> Iterator[Limited]:
    """The limits of the product."""
    made = Limited()
    yield made
    made.close()


def text_of(renderer: Limited, of: Bundle) -> str:
    return renderer.forms(of, "own", CONTEXT)["mail.txt.j2"]


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def ends(pid: int, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not running(pid)


LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
TIME = "templates/own: 模板在 0.3 秒内没有处理完，已停止；请检查循环、宏和重复替换是否没有尽头"
MEMORY = "templates/own: 模板占用内存超过 96 MB，已停止；请检查是否反复拼接、填充文字"
DEEP = "模板里的嵌套或相互引用太深；请检查宏、include 和括号"
HERE = "templates/own/mail.txt.j2:1:1: "


@pytest.mark.parametrize(
    ("attack", "text"),
    [
        pytest.param(LOOP, TIME, id="loops without output"),
        pytest.param("{{ range(9)|slice(999999999)|list }}", TIME, id="slices"),
        pytest.param("{{ 'x'.center(300000000)|length }}", MEMORY, id="padding"),
        pytest.param("{{ '{:999999999}'.format(1)|length }}", MEMORY, id="a format's width"),
        pytest.param("{{ 'x'|replace('x', 'y' * 1000)" + "|replace('y', 'y' * 1000)" * 3 + " }}", MEMORY, id="growth"),
        pytest.param("{% set x = 'xx' %}" + "{% set x = x ~ x %}" * 40, MEMORY, id="doubling"),
        pytest.param("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", HERE + DEEP, id="a macro in itself"),
        pytest.param('{% include "own/mail.txt.j2" %}', HERE + DEEP, id="a file in itself"),
        pytest.param("{% for a in [1] %}" * 30 + "{% endfor %}" * 30, HERE.replace(":1:1", "") + DEEP, id="thirty loops"),
        pytest.param("{% set c = 'x'.encode('idna') %}", HERE + "模板用了这里没有的功能（OSError）；只能读取给出的变量和字段", id="a codec"),
    ],
)  # fmt: skip
def test_a_bomb_costs_one_text_and_the_next_is_made(
    attack: str, text: str, impatient: Limited, patient: Limited
) -> None:
    renderer = impatient if text == TIME else patient
    with pytest.raises(TemplateError) as caught:
        text_of(renderer, bundle(attack))
    assert str(caught.value) == text
    assert text_of(renderer, bundle("{{ item.title }}。")) == "标题。"


@pytest.mark.parametrize(
    ("attack", "fault"),
    [
        pytest.param("{{ " + "(" * 100_000 + "1" + ")" * 100_000 + " }}", DEEP, id="brackets"),
        pytest.param("{{ " + "not " * 5_000 + "1 }}", DEEP, id="signs"),
        pytest.param("{{ 1" + "0" * 5_000 + " }}", "模板读不出来（ValueError", id="digits"),
        pytest.param("{% set v = 1 %}" * 15_000, "文件在 0.3 秒内没有处理完", id="length"),
    ],
)
def test_a_bomb_at_load_is_a_fault_of_its_file(attack: str, fault: str, impatient: Limited) -> None:
    (problem,) = impatient.faults(bundle(attack), "own/mail.txt.j2")
    assert str(problem).startswith(f"templates/own/mail.txt.j2: {fault}")
    assert impatient.faults(bundle("{{ item.title }}"), "own/mail.txt.j2") == []


def test_constants_that_explode_while_they_are_compiled_stop_there(patient: Limited) -> None:
    """Jinja2 computes constants at load: a limit on rendering alone would come too late."""
    growing = "{{ 'aaaaaaaaaa'" + "|replace('a', 'aaaaaaaaaa')" * 12 + " }}"
    assert patient.faults(bundle(growing), "own/mail.txt.j2") == []  # given up, and left to the rendering
    with pytest.raises(TemplateStopped, match="占用内存"):
        text_of(patient, bundle(growing))


def test_what_a_template_makes_long_is_cut_in_its_error(patient: Limited) -> None:
    with pytest.raises(TemplateError) as caught:
        text_of(patient, bundle("{{ item['x' * 1000] }}"))
    assert len(str(caught.value)) < 1_000


def test_a_stopped_text_is_not_tried_again_for_each_receiver(
    tmp_path: Path, facts: Facts, monkeypatch: pytest.MonkeyPatch, impatient: Limited
) -> None:
    """Another occurrence is: what stops a text may be in its data."""
    monkeypatch.setattr(limited, "shared", impatient)
    for folder in ("own", "_layout"):
        (tmp_path / folder).mkdir()
        for file in FORMS:
            (tmp_path / folder / file).write_text("{% if item.title == '坏' %}" + LOOP + "{% endif %}好")
    templates, _ = Templates.load(tmp_path)
    bad = facts("general", item={"title": "坏"})
    with pytest.raises(TemplateStopped) as first:
        templates.section("own", bad)
    began = time.monotonic()
    for receiver in range(50):
        with pytest.raises(TemplateStopped) as again:
            templates.section("own", {**bad, "receiver": {"id": str(receiver)}})
        assert str(again.value) == str(first.value)
    assert time.monotonic() - began < 0.4
    other = facts("general", occurrence={"id": "x/2027"})
    assert templates.section("own", other).text == "好"


def test_the_process_has_no_environment_no_files_and_bounds(
    impatient: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "canary-8071")
    text_of(impatient, bundle("x"))
    proc = Path(f"/proc/{impatient.pid}")
    assert b"canary-8071" not in (proc / "environ").read_bytes() + (proc / "cmdline").read_bytes()
    opened = {each.name: str(each.readlink()) for each in (proc / "fd").iterdir()}
    assert opened.keys() == {"0", "1", "2"}
    assert opened["1"] == opened["2"] == "/dev/null"
    bounds = (proc / "limits").read_text()
    for name in ("Max core file size", "Max file size"):
        assert f"{name:<25} 0 " in bounds
    assert "Max open files            1 " in bounds
    assert "Max address space         unlimited" not in bounds
    assert (proc / "cwd").readlink() == Path("/")


def test_a_killed_process_is_replaced_and_the_text_is_made(impatient: Limited) -> None:
    text_of(impatient, bundle("x"))
    first = impatient.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert text_of(impatient, bundle("y")) == "y"
    assert impatient.pid not in (None, first)
    assert ends(first)


def test_a_process_killed_in_the_middle_twice_is_told_once(impatient: Limited) -> None:
    stop = threading.Event()

    def kill() -> None:
        while not stop.is_set():
            if (pid := impatient.pid) is not None and not impatient._fresh:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(TemplateError) as caught:
            text_of(impatient, bundle(LOOP))
    finally:
        stop.set()
        killer.join()
    assert "处理模板的子进程两次中断（信号 SIGKILL）" in str(caught.value)
    assert text_of(impatient, bundle("x")) == "x"


def test_a_machine_too_busy_is_not_the_templates_fault(impatient: Limited) -> None:
    """The process gets no time at all for longer than the limit, and then makes its text."""
    text_of(impatient, bundle("x"))
    pid = impatient.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(1.2, os.kill, [pid, signal.SIGCONT])
    timer.start()
    assert text_of(impatient, bundle("y")) == "y"
    timer.join()
    assert impatient.pid == pid


def test_patience_with_a_process_that_never_runs_ends() -> None:
    renderer = Limited(Limits(seconds=0.2, patience=0.6))
    text_of(renderer, bundle("x"))
    pid = renderer.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(TemplateStopped):
        text_of(renderer, bundle("y"))
    assert ends(pid)
    renderer.close()


def test_an_unused_process_is_ended_and_the_next_text_starts_another() -> None:
    renderer = Limited(Limits(idle_seconds=0.3))
    assert text_of(renderer, bundle("x")) == "x"
    first = renderer.pid
    assert first is not None
    assert ends(first)
    assert renderer.pid is None
    assert not Path(f"/proc/{first}").exists()  # nor does it stay as a zombie
    assert text_of(renderer, bundle("y")) == "y"
    renderer.close()


def test_many_threads_and_folders_share_the_process(impatient: Limited) -> None:
    folders = [bundle(f"{number}：{{{{ item.title }}}}") for number in range(5)]

    def render(number: int) -> str:
        return text_of(impatient, folders[number % 5])

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(render, range(100)))
    assert texts == [f"{number % 5}：标题" for number in range(100)]


def test_the_process_goes_with_the_one_that_started_it(tmp_path: Path) -> None:
    """However that ended, and even if a bomb keeps it busy."""
    script = f"""
        import os, signal, threading
        from reminder.messages.limited import Limited, Limits
        from reminder.messages.forms import FORMS, Bundle
        renderer = Limited(Limits(seconds=1))
        bomb = Bundle("t", {{f"own/{{file}}": {LOOP!r} for file in FORMS}})
        renderer.faults(bomb, "own/subject.j2")
        print(renderer.pid, flush=True)
        threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGKILL]).start()
        renderer.forms(bomb, "own", {{}})
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert ends(int(done.stdout), within=10)


def _impostor(answer: bytes) -> str:
    """A process that is ready and then answers every request with the given octets."""
    return f"""
import os
def send(octets):
    octets = len(octets).to_bytes(4, "big") + octets
    while octets:
        octets = octets[os.write(0, octets):]
send(b'{{"ready":true}}')
while os.read(0, 65536):
    send({answer!r})
"""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff\xfe",
        b"[1]",
        b"null",
        b"[" * 100_000,
        b'{"forms": {"subject.j2": "x"}}',
        b'{"forms": ["subject.j2"]}',
        json.dumps({"forms": dict.fromkeys(FORMS, 1)}).encode(),
        b'{"problem": "x"}',
        b'{"problem": ["a", "b", 1, "", "", ""]}',
        b'{"forms": {"\\u0000date": "x"}}',
        b'{"\\u0000date": "x"}',
    ],
)
def test_an_answer_of_any_other_shape_is_refused(
    answer: bytes, impatient: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited, "_START", _impostor(answer))
    with pytest.raises(TemplateError, match="模板生成的内容不合规矩"):
        text_of(impatient, bundle("x"))
    (problem,) = impatient.faults(bundle("x"), "own/subject.j2")
    assert "不合规矩" in problem.found


def test_an_answer_without_end_is_not_read(impatient: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = _impostor(b"").replace("send(b'')", "os.write(0, b'\\xff' * 65536)")
    monkeypatch.setattr(limited, "_START", endless)
    with pytest.raises(TemplateError, match="不合规矩"):
        text_of(impatient, bundle("x"))
    assert impatient.pid is None


def test_a_machine_that_starts_no_process_is_not_the_templates_fault(
    monkeypatch: pytest.MonkeyPatch, facts: Facts
) -> None:
    """Loading says so; rendering raises what the sweep takes as “still due”."""
    templates, _ = Templates.load(FOLDER)
    renderer = Limited()
    monkeypatch.setattr(limited, "shared", renderer)
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    monkeypatch.setattr(render, "_sound", set())  # nothing is known of them yet
    _, problems = Templates.load(FOLDER)
    assert str(problems[-1]).startswith("message_templates: 模板未能检查：生成文字的子进程启动不了（")
    monkeypatch.setattr(templates, "_renderer", renderer)
    with pytest.raises(RendererUnavailable, match="模板没有问题，请检查内存和进程数限制"):
        templates.section("general", facts("general"))


def test_the_process_says_what_the_engine_says(facts: Facts) -> None:
    """Dates, escapes and merged sections come out alike on both sides of the socket."""
    apart, _ = Templates.load(FOLDER)
    here, problems = Templates.load(FOLDER, limits="none")
    assert problems == []
    for name in ("festival", "talk", "report", "missing-list"):
        context = facts(name, item={"title": "<b>甲&乙</b> *粗*"})
        layout = {key: value for key, value in context.items() if key in LAYOUT_NAMES}
        sections = [here.section(name, context)] * 2
        assert apart.section(name, context) == sections[0]
        assert apart.message(sections, layout) == here.message(sections, layout)


def test_the_daemon_never_loads_the_template_engine() -> None:
    script = "import sys, reminder.daemon, reminder.check; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout == "False\n"
