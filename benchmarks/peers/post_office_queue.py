"""django-post-office on SQLite with the ledger's pragmas: queued in one call, sent by its own command.

It keeps a record as the product does, though for a batch at a time: what a
crash in a batch leaves is sent again.
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
    POST_OFFICE={"BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"}},
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
from post_office.models import STATUS, Email  # noqa: E402

begun, cpu = time.perf_counter(), time.process_time()
sender = f"{task['sender']} <{task['mailbox']}>"
mail.send_many(
    [
        {
            "sender": sender,
            "recipients": [address],
            "subject": task["subject"],
            "message": task["text"].replace("@NAME@", name),
            "html_message": task["html"].replace("@NAME@", name),
        }
        for name, address in task["people"]
    ]
)
call_command("send_queued_mail", processes=1, log_level=0)
done, spent = time.perf_counter() - begun, time.process_time() - cpu
assert Email.objects.filter(status=STATUS.sent).count() == len(task["people"])
print(
    json.dumps(
        {
            "seconds": done,
            "cpu": spent,
            "version": f"django-post-office {version('django-post-office')} on Django {django.__version__}",
        }
    )
)
