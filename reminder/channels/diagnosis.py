"""Cause and cure of a channel that does not work, for the administrator who has to act."""

from __future__ import annotations

from urllib.parse import urlsplit

from reminder.channels.base import Outcome
from reminder.plan.channels import ChannelConfig, EmailChannel

_AUTH_CODES = ("530", "534", "535", "538", "454")

_TLS_CURES = (
    (("expired",), "服务器证书已过期，请其管理员换发；如本机时钟有误，先校时"),
    (("not yet valid",), "服务器证书尚未生效，多半是本机时钟有误，请校时"),
    (
        ("mismatch", "doesn't match", "not valid for"),
        "证书不是为 {host} 签发的，请核对主机名，应与证书上的一致",
    ),
    (
        ("self-signed", "self signed", "issuer certificate", "unable to verify"),
        "证书由本机不认识的机构签发；如是单位内部的机构，请把它的根证书（PEM）放进计划文件夹，用 ca_file 写明",
    ),
    (
        ("wrong_version", "wrong version", "unknown_protocol", "record_layer", "record layer"),
        "{port} 端口上不是这种加密方式，请核对端口{tls}",
    ),
)


def diagnosis(config: ChannelConfig, outcome: Outcome) -> tuple[str, str]:
    """Cause and cure of a channel that does not work, in Chinese."""
    host, port = _end_point(config)
    mail = isinstance(config, EmailChannel)
    proxied = not isinstance(config, EmailChannel) and config.proxy is not None
    whose = "代理" if proxied else "服务器"
    match outcome.code:
        case "dns":
            return "域名解析失败", (
                f"核对主机名 {host} 的写法；无误则请网络管理员检查本机的域名解析"
                f"（在本机执行 getent hosts {host} 应有结果）"
            )
        case "connect":
            return "连接不上", f"核对端口 {port}；请网络管理员确认{whose}已开启，并放行本机到 {host}:{port}"
        case "timeout":
            return (
                "没有及时答复",
                f"请网络管理员确认本机到 {host}:{port} 放行，线路通畅；{whose}繁忙时稍后再试",
            )
        case "forbidden":
            return "地址未获许可", (
                f"如 {host} 确是本单位内网的{whose}，在该通道的 allow_networks 中写明网段；"
                "否则请网络管理员检查域名解析为何指向该地址"
            )
        case "tls":
            return "加密未建立", _tls_cure(config, outcome.detail, host, port)
        case "proxy":
            return "代理不予转接", "核对 proxy；须登录的写 proxy_secret；或请代理管理员放行本机"
        case "unsupported":
            return "服务器不支持", "按所述改用另一种 tls，或请服务器管理员开启所缺的功能"
        case "connection":
            return "连接中断", f"稍后再试；总是如此，请核对端口{_tls_word(config)}，或询问服务器管理员"
        case "secret":
            return "缺少密钥", f"请设置密钥 {config.secret}"
        case code if mail and code in _AUTH_CODES:
            return "登录被拒", (
                f"核对 username（邮箱全称）和密钥 {config.secret}；"
                "许多邮箱要用授权码而不是登录密码，并须在邮箱设置中开启 SMTP"
            )
        case code if code.startswith("http "):
            return "答复异常", "核对 base_url；上网须认证的，请先认证或请网络管理员放行"
    return "服务器拒绝", "按服务器的说明处理；不明白时把这一行交给服务器管理员"


def _end_point(config: ChannelConfig) -> tuple[str, int]:
    """Host and port that this machine connects to."""
    if isinstance(config, EmailChannel):
        return config.host, config.port
    parts = urlsplit(config.proxy or config.base_url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _tls_cure(config: ChannelConfig, detail: str, host: str, port: int) -> str:
    words = detail.lower()
    if not isinstance(config, EmailChannel):
        host = urlsplit(config.base_url).hostname or host  # the certificate is the service's, not the proxy's
    for marks, cure in _TLS_CURES:
        if any(mark in words for mark in marks):
            return cure.format(host=host, port=port, tls=_tls_word(config))
    return f"核对端口{_tls_word(config)}和服务器证书；内部机构签发的证书用 ca_file 写明其根证书"


def _tls_word(config: ChannelConfig) -> str:
    return "和 tls（465 用 implicit，587 用 starttls）" if isinstance(config, EmailChannel) else ""
