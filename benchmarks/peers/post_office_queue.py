"""django-post-office on SQLite with the ledger's pragmas: queued in one call, sent by its own command.

As installed it renders its own template for each receiver, and logs each
outcome, a batch at a time: what a crash in a batch leaves is sent again.
``way`` may be ``ready``, which spares it the rendering and the log, or
``each``, where a batch is one mail, so that each outcome is committed before
the next mail is sent.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection

task = json.loads(Path(sys.argv[1]).read_text("utf-8"))
way = sys.argv[2] if len(sys.argv) > 2 else "installed"
options = {"BATCH_SIZE": 1} if way == "each" else {}
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path(task["folder"]) / "post-office.sqlite3"),
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    EMAIL_BACKEND="post_office.EmailBackend",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=task["port"],
    POST_OFFICE={"BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"}, **options},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    USE_TZ=True,
)
django.setup()
logging.disable(logging.INFO)
call_command("migrate", verbosity=0)
with connection.cursor() as cursor:
    cursor.execute("PRAGMA journal_mode")
    assert cursor.fetchone() == ("wal",)
    cursor.execute("PRAGMA synchronous")
    assert cursor.fetchone() == (2,)

from post_office import mail  # noqa: E402 - only now are there settings
from post_office.models import STATUS, Email, EmailTemplate, Log  # noqa: E402


def escaped(text: str) -> str:
    """As a template says it, with the name in its place."""
    assert "{%" not in text
    assert "{{" not in text
    return text.replace("@NAME@", "{{ name }}")


EmailTemplate.objects.create(
    name="festival",
    subject=escaped(task["subject"]),
    content=escaped(task["text"]),
    html_content=escaped(task["html"]),
)


def said(name: str) -> dict[str, object]:
    if way != "ready":
        return {"template": "festival", "context": {"name": name}}
    return {
        "subject": task["subject"],
        "message": task["text"].replace("@NAME@", name),
        "html_message": task["html"].replace("@NAME@", name),
    }


begun, cpu = time.perf_counter(), time.process_time()
sender = f"{task['sender']} <{task['mailbox']}>"
mail.send_many(
    [{"sender": sender, "recipients": [address], **said(name)} for name, address in task["people"]]
)
call_command("send_queued_mail", **({"log_level": 0} if way == "ready" else {}))
done, spent = time.perf_counter() - begun, time.process_time() - cpu
assert Email.objects.filter(status=STATUS.sent).count() == len(task["people"])
assert Log.objects.count() == (0 if way == "ready" else len(task["people"]))
print(
    json.dumps(
        {
            "seconds": done,
            "cpu": spent,
            "version": f"django-post-office {version('django-post-office')} on Django {django.__version__}",
        }
    )
)
