"""What a page says after something was done: the address carries a word, this is its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SAID: Mapping[str, str] = MappingProxyType(
    {
        "in": "已登录。",
        "out": "已退出。",
        "duty-done": "已登记办结，此后不再提醒。",
        "duty-book": "已登记安排。",
        "duty-return": "已退回，恢复为待办，提醒继续。",
        "duty-waive": "已免办，此后不再提醒。",
        "duty-reopen": "已撤销登记，恢复为待办，提醒继续。",
        "duty-snooze": "已暂缓，截止日期不变。",
        "approved": "已批准，到时逐字照发；已过发出时间的，一两秒内发出。",
        "sent-back": "已退回，不会发出；理由已记入台账，并告知管理员。",
        "imported": "已按表格登记。",
        "imported-before": "表格中的内容此前都已登记，没有变化。",
        "sending-resend": "已列入重发，一两秒内发送。",
        "sending-arrived": "已记为“服务器已接收”（人工认定）。",
        "sending-drop": "已记为“发送失败”，不再发。",
        "plan-saved": "已保存，并记入版本。正在运行的守护进程几秒钟内采用；已发出的不会重发。",
        "channel-resumed": "通道已恢复，待发的消息随即继续发送。",
        "silence-set": "已设静默；其间到时的提醒不发送、不补发，记入台账。",
        "silence-ended": "静默已结束，此后的提醒照常发送。",
        "user-changed": "账户已修改，记入台账；此人须重新登录。",
        "password-set": "密码已修改，请用新密码登录。",
        "year-saved": "放假安排已写入。正在运行的守护进程几秒钟内重新计算提醒日期；已发出的不会重发。",
    }
)
