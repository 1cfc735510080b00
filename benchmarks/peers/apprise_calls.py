"""Apprise, one call a message: how its own documentation sends a mail."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from urllib.parse import quote

import apprise

task = json.loads(Path(sys.argv[1]).read_text("utf-8"))
begun, cpu = time.perf_counter(), time.process_time()
for name, mail in task["people"]:
    sender = apprise.Apprise()
    assert sender.add(
        f"mailto://127.0.0.1:{task['port']}/?from={quote(task['mailbox'])}&name={quote(task['sender'])}"
        f"&to={quote(mail)}&format=html&smtp=127.0.0.1"
    )
    assert sender.notify(
        title=task["subject"],
        body=task["html"].replace("@NAME@", name),
        body_format=apprise.NotifyFormat.HTML,
    )
print(
    json.dumps(
        {
            "seconds": time.perf_counter() - begun,
            "cpu": time.process_time() - cpu,
            "version": f"Apprise {apprise.__version__}",
        }
    )
)
