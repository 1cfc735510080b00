#!/bin/sh
# Install, upgrade or roll back on a machine without internet.  POSIX sh; docs/install.md walks through it.
# Nothing that runs is touched before the new version is complete and has accepted the office's plan;
# then one link is exchanged.
# shellcheck disable=SC1111 # Chinese quotation marks are meant; variables before Chinese are in braces.
set -eu
umask 022
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV CDPATH

NEED_MB=250
OLDEST_SQLITE=3.35.0 # INSERT … RETURNING
SERVICE=reminder
doing=安装

say() { printf '%s\n' "$*"; }

# refuse WHAT [REMEDY]
refuse() {
    printf '没有%s：%s。\n' "$doing" "$1" >&2
    [ $# -lt 2 ] || printf '请这样处理：%s。\n' "$2" >&2
    exit 1
}

usage() {
    cat <<'EOF'
用法：sh install.sh [选项]          安装，或从旧版本升级（不需要网络、git、make）
      sh install.sh --rollback      切换回升级之前的版本

  --prefix 目录     程序装在哪里（默认 /opt/reminder）
  --config 目录     计划、模板、密钥（默认 /etc/reminder；另指 --prefix 时为其下的 etc）
  --data 目录       台账等数据（默认 /var/lib/reminder；另指 --prefix 时为其下的 var）
  --user 用户       以谁的身份运行（用 root 安装时默认 reminder）
  --python 程序     用哪个 Python 3.11—3.13（也可写 PYTHON=程序）
  --restore-backup  与 --rollback 同用：台账结构已升级时，恢复升级前的备份
  --help            本说明

位置和用户记在 目录/install.conf 中，升级、回退时不必再写。
EOF
}

# -- small tools ---------------------------------------------------------------

# fact KEY FOLDER: a line of its MANIFEST
fact() { sed -n "s/^$1 //p" "$2/MANIFEST"; }

# kept KEY: what an earlier installation noted
kept() { [ ! -f "$prefix/install.conf" ] || sed -n "s/^$1=//p" "$prefix/install.conf"; }

absolute() {
    case $1 in
    /*) printf '%s\n' "${1%/}" ;;
    *) printf '%s\n' "$(pwd)/${1%/}" ;;
    esac
}

# The nearest folder that exists at or above a path.
existing() {
    at=$1
    while [ ! -d "$at" ]; do at=$(dirname "$at"); done
    printf '%s\n' "$at"
}

owner_of() { stat -c %u "$1"; }

# below A B: whether version A is lower than B
below() {
    printf '%s %s\n' "$1" "$2" | awk '{
        split($1, a, "."); split($2, b, ".")
        for (i = 1; i <= 3; i++) if (a[i] + 0 != b[i] + 0) exit !(a[i] + 0 < b[i] + 0)
        exit 1
    }'
}

# Run as the user of the service; all of it is theirs.
as_service() {
    if [ "$(id -u)" = 0 ] && [ "$user" != root ]; then
        if command -v runuser >/dev/null 2>&1; then
            runuser -u "$user" -- "$@"
        else
            setpriv --reuid "$user" --regid "$group" --init-groups "$@"
        fi
    else
        "$@"
    fi
}

# reminder_of VERSION-FOLDER COMMAND…: with the office's folders, unless reminder.env names others, as the service has it
reminder_of() {
    at=$1
    shift
    (
        # shellcheck disable=SC2016 # expanded by the shell of the service's user, who owns that file
        cd / && as_service sh -c '
            unset REMINDER_SCHEDULES REMINDER_TEMPLATES REMINDER_DATA REMINDER_SECRETS
            set -a
            [ ! -r "$1" ] || . "$1"
            : "${REMINDER_SCHEDULES:=$2/schedules}" "${REMINDER_TEMPLATES:=$2/message_templates}"
            : "${REMINDER_DATA:=$3}" "${REMINDER_SECRETS:=$2/secrets}"
            PYTHONDONTWRITEBYTECODE=1
            set +a
            shift 3
            exec "$@"' sh "$config/reminder.env" "$config" "$data" "$at/bin/reminder" "$@"
    )
}

# The ledger that is backed up here must be the one that the service writes to.
check_settings() {
    [ -e "$config/reminder.env" ] || return 0
    # shellcheck disable=SC2016 # the same
    said=$(as_service sh -c 'unset REMINDER_DATA; . "$1"; printf %s "${REMINDER_DATA:-}"' sh "$config/reminder.env")
    [ -z "$said" ] || [ "${said%/}" = "$data" ] ||
        refuse "$config/reminder.env 把数据放在 ${said}，而这里说的是 $data" "用 --data $said 再执行一遍，或在该文件中去掉 REMINDER_DATA"
}

# Change a link in one step: there is no moment without it.
point() {
    ln -s "$2" "$1.new.$$"
    "$prefix/$2/bin/python" -c 'import os, sys; os.replace(sys.argv[1], sys.argv[2])' "$1.new.$$" "$1"
}

current_name() {
    [ ! -L "$prefix/current" ] || basename "$(readlink "$prefix/current")"
}

has_ledger() { [ -s "$data/ledger.sqlite3" ]; }

# The shape of the ledger as it lies there; nothing is changed by looking.
schema_of_ledger() {
    as_service "$1/bin/python" - "$data/ledger.sqlite3" <<'EOF'
import sqlite3, sys
ledger = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
print(ledger.execute("SELECT version_num FROM alembic_version").fetchone()[0])
EOF
}

daemon_runs() {
    [ -e "$data/daemon.lock" ] && ! as_service "$1/bin/python" - "$data/daemon.lock" <<'EOF'
import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1]), fcntl.LOCK_SH | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(1)
EOF
}

# -- looking before anything is touched ----------------------------------------

check_archive() {
    again="重新解压安装包；仍然如此，就重新复制一份，并与随包告知的 SHA-256 核对"
    [ -s "$here/SHA256SUMS" ] || refuse "安装包不完整，缺少 SHA256SUMS" "$again"
    if command -v sha256sum >/dev/null 2>&1; then
        sum=sha256sum
    elif command -v shasum >/dev/null 2>&1; then
        sum="shasum -a 256"
    else
        refuse "本机没有 sha256sum，无法核对安装包" "安装系统自带的 coreutils"
    fi
    say "核对安装包……"
    if ! found=$(cd "$here" && LC_ALL=C $sum -c SHA256SUMS 2>/dev/null); then
        bad=$(printf '%s\n' "$found" | sed -n 's/: FAILED.*$//p' | head -n 3 | tr '\n' ' ')
        refuse "安装包损坏或被改动，校验和不符：${bad:-SHA256SUMS}" "$again"
    fi
    listed=$(sed 's/^[^ ]*  //' "$here/SHA256SUMS" | LC_ALL=C sort)
    there=$(cd "$here" && find . -type f ! -name SHA256SUMS | sed 's|^\./||' | LC_ALL=C sort)
    if [ "$listed" != "$there" ]; then
        extra=$(printf '%s\n%s\n' "$listed" "$there" | LC_ALL=C sort | uniq -u | head -n 3 | tr '\n' ' ')
        refuse "安装包里多出了文件：$extra" "$again"
    fi
}

check_user() {
    [ "$(uname -s)" = Linux ] || refuse "只能装在 Linux 上（本机是 $(uname -s)）" "换一台 Linux 机器；Windows 上可用 WSL 试用"
    place=$(existing "$prefix")
    if [ "$(id -u)" != 0 ]; then
        user=$(id -un)
        for place in "$place" "$(existing "$config")" "$(existing "$data")"; do
            [ -w "$place" ] || refuse "$(id -un) 不能写入 $place" "改用 root 执行（sudo sh install.sh），或用 --prefix 指定自己可写的目录"
        done
    fi
    if [ -d "$prefix" ] && [ -f "$prefix/install.conf" ] && [ "$(owner_of "$prefix/install.conf")" != "$(id -u)" ]; then
        refuse "$prefix 是由用户 $(id -un "$(owner_of "$prefix/install.conf")" 2>/dev/null || owner_of "$prefix/install.conf") 安装的" "改用该用户执行，或用 --prefix 另指一处"
    fi
    id "$user" >/dev/null 2>&1 || refuse "没有用户 $user" \
        "先建立它（useradd --system --home-dir $data --shell /usr/sbin/nologin ${user}），再执行一遍；或用 --user 指定已有的用户"
    [ "$user" != root ] || say "提示：以 root 身份运行没有必要，建议建立专门的用户，用 --user 指定。"
    group=$(id -gn "$user")
}

check_space() {
    free=$(df -Pk "$(existing "$prefix")" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge "$NEED_MB" ] || refuse "$prefix 所在磁盘只剩 $free MB，需要 $NEED_MB MB" \
        "清理磁盘（不再用的旧版本在 $prefix/versions），或用 --prefix 另指一处"
}

# Says nothing if the program fits, else why not.
unfit() {
    answer=$("$1" - 2>/dev/null <<'EOF'
import sys
v = sys.version_info
if v[:2] < (3, 11) or v[:2] > (3, 13) or sys.implementation.name != "cpython":
    print("是 %s %d.%d" % (sys.implementation.name, v[0], v[1]))
else:
    try:
        import ctypes, sqlite3, ssl, venv, zlib
    except ImportError as e:
        print("缺少模块 %s" % e.name)
    else:
        print("ok %d.%d %s" % (v[0], v[1], sqlite3.sqlite_version))
EOF
    ) || answer=不能运行
    case $answer in
    "ok "*)
        version_found=$(printf '%s' "$answer" | cut -d ' ' -f 2)
        lite=$(printf '%s' "$answer" | cut -d ' ' -f 3)
        if below "$lite" "$OLDEST_SQLITE"; then
            say "自带的 SQLite 是 ${lite}，须为 $OLDEST_SQLITE 以上"
        elif ! printf ' %s ' "$(fact python "$here")" | grep -q " $version_found "; then
            say "是 ${version_found}，本安装包只带 $(fact python "$here") 用的文件"
        elif ! (cd / && as_service "$1" -c pass) >/dev/null 2>&1; then
            say "用户 $user 不能运行它（多半在别人的主目录里）"
        fi
        ;;
    *) say "${answer:-不能运行}" ;;
    esac
}

# programs NAME…: all of these names in PATH, not only the first of each; folders with spaces are passed over.
programs() {
    for each in "$@"; do
        printf '%s\n' "$PATH" | tr ':' '\n' | grep '^/[^ ]*$' | while read -r folder; do
            [ ! -x "$folder/$each" ] || printf '%s\n' "$folder/$each"
        done
    done
}

find_python() {
    tried=
    if [ -n "$python" ]; then
        chosen=$(command -v "$python" 2>/dev/null) || refuse "找不到所指定的 Python：$python" "核对路径，如 PYTHON=/usr/bin/python3.11"
        why=$(unfit "$chosen")
        [ -z "$why" ] || refuse "所指定的 $chosen 不合用：$why" "另指一个 Python 3.11、3.12 或 3.13；从哪里来，见 docs/install.md"
        python=$chosen
        return
    fi
    for chosen in "$prefix/python/bin/python3" $(programs python3.12 python3.13 python3.11 python3); do
        [ -x "$chosen" ] || continue
        why=$(unfit "$chosen")
        if [ -z "$why" ]; then
            python=$chosen
            return
        fi
        tried="$tried
  ${chosen}：$why"
    done
    printf '没有安装：本机没有合用的 Python（须为 3.11、3.12 或 3.13，SQLite %s 以上）。%s\n' \
        "$OLDEST_SQLITE" "${tried:+
看过的：$tried}" >&2
    cat >&2 <<EOF
请这样处理，任选一种（各系统的做法见 docs/install.md）：
  1. 到哪里都能用：在能上网的机器上下载 python-build-standalone 的
     cpython-3.12.…-$(uname -m)-unknown-linux-gnu-install_only.tar.gz，拷到本机，执行
       mkdir -p $prefix && tar xzf 该文件 -C $prefix
     得到 $prefix/python，再执行一遍 install.sh，会自动找到它
  2. Debian 12、Ubuntu 24.04、openEuler 24.03：装系统安装盘或内部软件源里的 python3
  3. 已有而不在 PATH 里：PYTHON=/…/python3.12 sh install.sh
EOF
    exit 1
}

check_machine() {
    machine=$(uname -m)
    [ "$machine" != arm64 ] || machine=aarch64
    printf ' %s ' "$(fact machine "$here")" | grep -q " $machine " ||
        refuse "本机是 ${machine}，安装包只带 $(fact machine "$here") 用的文件" "换一台机器，或另行构建（make bundle）"
    libc=$("$python" -c 'import os; print(os.confstr("CS_GNU_LIBC_VERSION") or "")' 2>/dev/null || true)
    case $libc in
    "glibc "*)
        ! below "${libc#glibc }" "$(fact glibc "$here")" ||
            refuse "本机的 $libc 太旧，须为 $(fact glibc "$here") 以上" "换用较新的系统（CentOS 7 不行）；见 docs/install.md"
        ;;
    *) refuse "本机用的不是 glibc（如 Alpine），没有可用的文件" "换用 docs/install.md 所列的系统" ;;
    esac
}

check_places() {
    for each in "$prefix" "$config" "$data"; do
        case $each in
        *[!A-Za-z0-9._/+-]* | / | "") refuse "目录“${each}”不可用" "只用字母、数字和 . _ / + - ，不含空格和汉字，也不要用根目录" ;;
        esac
    done
    case $user in
    *[!A-Za-z0-9._-]* | "" | -*) refuse "用户名“${user}”不可用" "用 --user 指定一个系统用户" ;;
    esac
}

# One at a time; a lock whose process is gone is of an installation that was broken off.
lock() {
    mkdir -p "$prefix/versions"
    if ! mkdir "$prefix/.installing" 2>/dev/null; then
        holder=$(cat "$prefix/.installing/pid" 2>/dev/null || true)
        if [ -n "$holder" ] && kill -0 "$holder" 2>/dev/null; then
            refuse "另一个安装正在进行（进程号 ${holder}）" "等它结束；确实没有在装，就删除 $prefix/.installing 再执行一遍"
        fi
        rm -rf "$prefix/.installing"
        mkdir "$prefix/.installing"
    fi
    locked=yes
    echo $$ >"$prefix/.installing/pid"
}

clean_up() {
    [ -z "$building" ] || rm -rf "$building"
    rm -f "$prefix/current.new.$$"
    [ -z "$locked" ] || rm -rf "$prefix/.installing"
}

# -- installing ----------------------------------------------------------------

# The bundle is named by its sums: the same one is not installed twice, another of the same version stands beside it.
choose_folder() {
    version=$(fact version "$here")
    digest=$($sum "$here/SHA256SUMS" | cut -d ' ' -f 1)
    name=$version number=1
    while [ -e "$prefix/versions/$name/.complete" ] && [ "$(cat "$prefix/versions/$name/.complete")" != "$digest" ]; do
        number=$((number + 1))
        name=$version-$number
    done
    new=$prefix/versions/$name
}

build_version() {
    if [ -e "$new/.complete" ] && "$new/bin/python" -c 'import reminder' 2>/dev/null; then
        say "版本 $name 已装好，不再重装。"
        return
    fi
    say "安装到 ${new}（约一分钟，用 ${python}）……"
    building=$new
    rm -rf "$new"
    "$python" -m venv --without-pip "$new" ||
        refuse "$python 不能建立虚拟环境" "Debian、Ubuntu 须装齐 python3 的标准库（libpython3-stdlib）；或换一个 Python"
    set -- "$here"/tools/pip-*.whl
    PIP_CONFIG_FILE=/dev/null PYTHONPATH=$1 "$new/bin/python" -m pip --isolated install --quiet --no-index \
        --find-links "$here/wheels" --no-deps --require-hashes --no-cache-dir --disable-pip-version-check \
        --no-compile --no-warn-script-location --root-user-action ignore --requirement "$here/requirements.lock" ||
        refuse "文件装不进 ${new}（原因见上）" "检查磁盘空间，然后再执行一遍；正在运行的版本没有动"
    # The service may not write here, so this is the time to compile; what cannot be is read as it is.
    # Half of it is never loaded by this program: colouring of source, other databases, parsers of C.
    "$new/bin/python" -m compileall -q -j 0 -x '/(pygments|pycparser|testing|mssql|mysql|oracle)/' \
        "$new/lib" >/dev/null 2>&1 || true
    cp -R "$here/docs" "$here/samples" "$here/deploy" "$here/MANIFEST" "$here/install.sh" \
        "$here/README.md" "$here/README.zh-CN.md" "$here/CHANGELOG.md" "$new"
    # Whatever umask the archive was unpacked with: the service reads it, and only the installer writes it.
    chmod -R u=rwX,go=rX "$new"
    ! command -v restorecon >/dev/null 2>&1 || restorecon -R "$new" 2>/dev/null || true
    [ "$(cd / && "$new/bin/python" -c 'import reminder; print(reminder.__version__)')" = "$version" ] ||
        refuse "装好的程序不能运行" "换一个 Python 再试"
    echo "$digest" >"$new/.complete"
    building=
}

# A folder of the service's own; one that exists keeps what it has.
own_folder() {
    [ -d "$1" ] || {
        mkdir -p "$1"
        chmod "$2" "$1"
        [ "$(id -u)" != 0 ] || chown "$user:$group" "$1"
    }
}

put_folders() {
    own_folder "$config" 0750
    own_folder "$config/secrets" 0700
    own_folder "$data" 0750
    for each in schedules message_templates; do
        if [ -d "$config/$each" ]; then
            say "保留已有的 $config/${each}，没有改动。"
        else
            rm -rf "$config/.$each.new"
            cp -R "$new/samples/$each" "$config/.$each.new"
            chmod -R u=rwX,g=rX,o= "$config/.$each.new"
            [ "$(id -u)" != 0 ] || chown -R "$user:$group" "$config/.$each.new"
            mv "$config/.$each.new" "$config/$each"
        fi
    done
    if [ ! -e "$config/reminder.env" ]; then
        cat >"$config/reminder.env" <<'EOF'
# 服务和命令共用的设置，一行一个，去掉行首的 # 生效；改后重启服务。说明见 docs/settings.md。
#REMINDER_PUBLIC_URL=https://djw.example.com/lianjie
#REMINDER_LISTEN=127.0.0.1:8750
EOF
        chmod 0640 "$config/reminder.env"
        [ "$(id -u)" != 0 ] || chown "$user:$group" "$config/reminder.env"
    fi
    as_service test -r "$config/schedules/plan.yaml" || as_service test -r "$config/schedules" ||
        refuse "用户 $user 读不到 $config/schedules" "chown -R $user $config"
    as_service test -w "$data" || refuse "用户 $user 不能写入 $data" "chown -R $user $data"
}

# check_plan NAME: a version that does not take the office's plan would not start.
check_plan() {
    if ! found=$(reminder_of "$new" check 2>&1); then
        printf '%s\n' "$found" >&2
        missing=$(cd "$new/samples/message_templates" && for each in *; do
            [ -e "$config/message_templates/$each" ] || printf '%s ' "$each"
        done)
        [ -z "$missing" ] || printf '样例中有而现用模板中没有的：%s（在 %s）\n' "$missing" "$new/samples/message_templates" >&2
        refuse "版本 $1 不接受现用的计划或模板（见上），没有切换" "按提示修改 $config 后再执行一遍，已装好的不会重装"
    fi
}

# By the version that made the ledger, or by the new one where there was none here.
back_up() {
    has_ledger || return 0
    backup=$data/backups/before-$name-$(date +%Y%m%d-%H%M%S).tar.gz
    say "备份台账……"
    reminder_of "$prefix/versions/${old:-$name}" backup --out "$backup" >/dev/null ||
        refuse "升级前的备份没有成功（原因见上），没有切换" "按提示处理后再执行一遍"
    say "已备份：$backup"
}

write_unit() {
    home=yes
    for each in "$prefix" "$config" "$data"; do
        case $each in /home/* | /root/* | /run/user/*) home=no ;; esac
    done
    # Secrets are read from their folder: %d of the example needs systemd 251, and an older one refuses the unit.
    sed -e '/^#/d' -e '/^LoadCredential=/d' -e "s|^User=.*|User=$user|" -e "s|^Group=.*|Group=$group|" \
        -e "s|^ExecStart=.*|ExecStart=$prefix/current/bin/reminder run|" \
        -e "s|^StateDirectory=.*|ReadWritePaths=$data $config/schedules $config/message_templates|" -e '/^StateDirectoryMode=/d' \
        -e "s|^WorkingDirectory=.*|WorkingDirectory=$data|" \
        -e "s|^Environment=REMINDER_SCHEDULES=.*|Environment=REMINDER_SCHEDULES=$config/schedules|" \
        -e "s|^Environment=REMINDER_TEMPLATES=.*|Environment=REMINDER_TEMPLATES=$config/message_templates|" \
        -e "s|^Environment=REMINDER_DATA=.*|Environment=REMINDER_DATA=$data|" \
        -e "s|^Environment=REMINDER_SECRETS=.*|Environment=REMINDER_SECRETS=$config/secrets|" \
        -e "s|^Environment=TMPDIR=.*|Environment=TMPDIR=$data\\nEnvironmentFile=-$config/reminder.env|" \
        -e "s|^ProtectHome=.*|ProtectHome=$home|" \
        "$new/deploy/reminder.service" >"$prefix/$SERVICE.service.new"
    mv "$prefix/$SERVICE.service.new" "$prefix/$SERVICE.service"
}

# The command with the office's folders; as the service's user when root calls it.
write_command() {
    mkdir -p "$prefix/bin"
    cat >"$prefix/bin/reminder.new" <<EOF
#!/bin/sh
# 由 install.sh 写成：以服务的用户执行，带上本单位的目录和 reminder.env 里的设置。
if [ "\$(id -u)" = 0 ] && [ $user != root ]; then
    # 先换用户再读设置：那个文件是服务的用户写得了的。
    if command -v runuser >/dev/null 2>&1; then
        exec runuser -u $user -- "\$0" "\$@"
    fi
    exec setpriv --reuid $user --regid $group --init-groups "\$0" "\$@"
fi
set -a
[ ! -r $config/reminder.env ] || . $config/reminder.env
set +a
: "\${REMINDER_SCHEDULES:=$config/schedules}" "\${REMINDER_TEMPLATES:=$config/message_templates}"
: "\${REMINDER_DATA:=$data}" "\${REMINDER_SECRETS:=$config/secrets}"
export REMINDER_SCHEDULES REMINDER_TEMPLATES REMINDER_DATA REMINDER_SECRETS PYTHONDONTWRITEBYTECODE=1
exec $prefix/current/bin/reminder "\$@"
EOF
    chmod 0755 "$prefix/bin/reminder.new"
    mv "$prefix/bin/reminder.new" "$prefix/bin/reminder"
}

write_conf() {
    printf 'config=%s\ndata=%s\nuser=%s\n' "$config" "$data" "$user" >"$prefix/install.conf.new"
    mv "$prefix/install.conf.new" "$prefix/install.conf"
}

install_bundle() {
    check_archive
    check_places
    check_user
    check_settings
    find_python
    check_machine
    check_space
    lock
    old=$(current_name)
    choose_folder
    write_conf
    build_version
    put_folders
    if [ "$old" = "$name" ]; then
        write_unit
        write_command
        say "现用的就是版本 ${name}，没有什么要做的。"
        return
    fi
    check_plan "$name"
    backup=
    if has_ledger && [ "$(schema_of_ledger "$new")" != "$(fact schema "$new")" ] && daemon_runs "$new"; then
        refuse "版本 $name 会升级台账的结构，而守护进程还在运行" \
            "先停止它（systemctl stop ${SERVICE}），再执行一遍，已装好的不会重装"
    fi
    back_up
    # What a rollback needs, noted before the change.
    [ -z "$old" ] || printf 'version=%s\nbackup=%s\n' "$old" "$backup" >"$new/upgraded-from"
    point "$prefix/current" "versions/$name"
    write_unit
    write_command
    if [ -n "$old" ]; then tell_upgraded; else tell_installed; fi
}

tell_installed() {
    cat <<EOF

装好了：版本 ${name}，在 ${prefix}；计划和模板在 ${config}，数据在 ${data}。
现在是试运行：消息只写成文件，不会向任何人发送。接下来：
  1. 看一看        $prefix/bin/reminder agenda --from $(date +%Y-%m-%d) --to $(date +%Y)-12-31
  2. 改成本单位的  $config/schedules 里的 directory.yaml（人员、地址）、channels.yaml（怎么发）
                   改好后检查：$prefix/bin/reminder check
  3. 放入密钥      $config/secrets 里一个密钥一个文件（如 SMTP_PASSWORD），属主 ${user}，权限 0600
EOF
    if [ "$(id -u)" = 0 ]; then
        cat <<EOF
  4. 随系统启动    cp $prefix/$SERVICE.service /etc/systemd/system/
                   systemctl daemon-reload && systemctl enable --now $SERVICE
EOF
    else
        cat <<EOF
  4. 启动          $prefix/bin/reminder run
                   随系统启动须由 root 办：cp $prefix/$SERVICE.service /etc/systemd/system/
                   systemctl daemon-reload && systemctl enable --now $SERVICE
EOF
    fi
    cat <<EOF
  5. 核对          $prefix/bin/reminder doctor --offline
  6. 每晚备份      $prefix/bin/reminder backup --out 另一块磁盘上的文件
文档在 $prefix/current/docs（安装见 install.md，日常见 operations.md）。
EOF
}

tell_upgraded() {
    cat <<EOF

已从 $old 升级到 ${name}。正在运行的守护进程仍是旧版本，请重启它：
  systemctl restart $SERVICE
计划和模板没有改动；新版样例在 $prefix/current/samples，与现用的比较：
  diff -ru $prefix/current/samples/message_templates $config/message_templates
变化见 $prefix/current/CHANGELOG.md。服务文件重写为 $prefix/$SERVICE.service，与
/etc/systemd/system/$SERVICE.service 不同的话请重新复制，并 systemctl daemon-reload。
有问题可切换回 ${old}：sh $prefix/current/install.sh --rollback
EOF
}

# -- rolling back --------------------------------------------------------------

roll_back() {
    doing=回退
    check_places
    [ -L "$prefix/current" ] || refuse "$prefix 里没有装好的版本" "用 --prefix 指定装在哪里"
    check_user
    check_settings
    lock
    name=$(current_name)
    now=$prefix/versions/$name
    old=$(sed -n 's/^version=//p' "$now/upgraded-from" 2>/dev/null || true)
    backup=$(sed -n 's/^backup=//p' "$now/upgraded-from" 2>/dev/null || true)
    [ -n "$old" ] || refuse "版本 $name 不是升级得来的，没有更早的版本" "要换别的版本，执行那个安装包里的 install.sh"
    new=$prefix/versions/$old
    [ -e "$new/.complete" ] || refuse "版本 $old 已不在 $prefix/versions" "执行 $old 安装包里的 install.sh"
    newer=
    if has_ledger; then
        shape=$(schema_of_ledger "$now") || refuse "读不出台账 $data/ledger.sqlite3 的结构" "先看 $prefix/bin/reminder doctor"
        ! below "$(fact schema "$new")" "$shape" || newer=yes
    fi
    [ -z "$newer" ] || check_ledger_rollback
    check_plan "$old"
    [ -z "$newer" ] || roll_ledger_back
    point "$prefix/current" "versions/$old"
    write_unit
    say "已从 $name 切换回 ${old}。请重启守护进程：systemctl restart $SERVICE"
    [ -z "$restored" ] || cat <<EOF
台账是升级前的备份，升级之后发过什么、登记过什么，它不知道，因此暂停发送：
  1. $prefix/bin/reminder resume   列出须核对的提醒，确认哪些已经发出
  2. 升级之后登记的办结情况须重新登记；升级后的台账留存在 $kept_ledger
EOF
}

# The older version does not know the ledger's new shape: only the backup made before the upgrade will do.
check_ledger_rollback() {
    [ -n "$backup" ] && [ -f "$backup" ] ||
        refuse "台账的结构已升级到 ${shape}，版本 $old 只认到 $(fact schema "$new")，而升级前的备份${backup:+ $backup }不在了" \
            "留在 ${name}；或找到那份备份，放回原处再执行一遍"
    if [ -z "$restore" ]; then
        refuse "台账的结构已升级到 ${shape}，版本 $old 只认到 $(fact schema "$new")，不能只换程序" \
            "确要回退，就恢复升级前的备份 ${backup}：升级之后的发送记录和办结登记将不在台账里，须人工核对。停止守护进程（systemctl stop ${SERVICE}），再执行 sh $prefix/current/install.sh --rollback --restore-backup"
    fi
    ! daemon_runs "$now" || refuse "守护进程还在运行" "先停止它（systemctl stop ${SERVICE}），再执行一遍"
}

roll_ledger_back() {
    kept_ledger=$data/backups/before-rollback-$name-$(date +%Y%m%d-%H%M%S).tar.gz
    reminder_of "$now" backup --out "$kept_ledger" >/dev/null ||
        refuse "现有台账没能备份（原因见上）" "按提示处理后再执行一遍"
    reminder_of "$new" restore "$backup" --ledger-only --move-aside >/dev/null ||
        refuse "备份 $backup 没能恢复（原因见上）" "按提示处理后再执行一遍；现在仍是 $name"
    restored=yes
}

# -- the command ---------------------------------------------------------------

main() {
    here=$(cd "$(dirname "$0")" && pwd -P)
    prefix='' config='' data='' user='' python=${PYTHON:-} rollback='' restore=''
    building='' locked='' restored='' kept_ledger=''
    while [ $# -gt 0 ]; do
        case $1 in
        --prefix | --config | --data | --user | --python)
            [ $# -gt 1 ] || refuse "$1 后面缺少内容" "sh install.sh --help 看用法"
            case $1 in
            --prefix) prefix=$(absolute "$2") ;;
            --config) config=$(absolute "$2") ;;
            --data) data=$(absolute "$2") ;;
            --user) user=$2 ;;
            --python) python=$2 ;;
            esac
            shift
            ;;
        --rollback) rollback=yes ;;
        --restore-backup) restore=yes ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) refuse "不认识的选项 $1" "sh install.sh --help 看用法" ;;
        esac
        shift
    done
    [ -z "$restore" ] || [ -n "$rollback" ] || refuse "--restore-backup 只与 --rollback 同用" "sh install.sh --help 看用法"
    # The copy that lies with an installed version knows where it is.
    [ -n "$prefix" ] || [ ! -e "$here/.complete" ] || prefix=$(cd "$here/../.." && pwd -P)
    if [ -n "$prefix" ] && [ "$prefix" != /opt/reminder ]; then
        usual_config=$prefix/etc usual_data=$prefix/var
    else
        prefix=/opt/reminder usual_config=/etc/reminder usual_data=/var/lib/reminder
    fi
    [ -n "$config" ] || config=$(kept config)
    [ -n "$data" ] || data=$(kept data)
    [ -n "$user" ] || user=$(kept user)
    config=${config:-$usual_config} data=${data:-$usual_data} user=${user:-reminder}
    if [ "$(id -u)" != 0 ]; then user=$(id -un); fi
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [ -n "$rollback" ]; then
        roll_back
    elif [ -e "$here/.complete" ]; then
        refuse "这里是装好的版本，不是安装包" "到解压出来的安装包里执行 install.sh；回退用 --rollback"
    else
        install_bundle
    fi
}

main "$@"
