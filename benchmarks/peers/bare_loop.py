"""A loop over smtplib with one kept connection: no record, nothing that survives a crash."""

from __future__ import annotations

import json
import platform
import smtplib
import sys
import time
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime, make_msgid
from pathlib import Path

task = json.loads(Path(sys.argv[1]).read_text("utf-8"))
begun, cpu = time.perf_counter(), time.process_time()
with smtplib.SMTP("127.0.0.1", task["port"]) as server:
    for name, mail in task["people"]:
        message = EmailMessage()
        message["From"] = Address(task["sender"], addr_spec=task["mailbox"])
        message["To"] = Address(name, addr_spec=mail)
        message["Subject"] = task["subject"]
        message["Date"] = localtime()
        message["Message-ID"] = make_msgid(domain="example.com")
        message.set_content(task["text"].replace("@NAME@", name))
        message.add_alternative(task["html"].replace("@NAME@", name), subtype="html")
        server.send_message(message)
    done = time.perf_counter() - begun
    print(
        json.dumps(
            {
                "seconds": done,
                "cpu": time.process_time() - cpu,
                "version": f"Python {platform.python_version()}",
            }
        )
    )
