"""The small shell: what scripts of a provider use."""

from __future__ import annotations

import time

import pytest

from segctl_mocks import LinuxMock

CASES = {
    'echo "$HOME" | tr a-z A-Z': "/ROOT\n",
    "x=2; while [ $x -gt 0 ]; do echo $x; x=$((x-1)); done": "2\n1\n",
    'f() { echo "$1 $#"; return 4; }; f a b; echo $?': "a 2\n4\n",
    "for i in 1 '2 3'; do echo \"<$i>\"; done": "<1>\n<2 3>\n",
    "case abc in x|a*) echo yes ;; *) echo no ;; esac": "yes\n",
    "if ! false; then echo A; else echo B; fi": "A\n",
    "mkdir /run/a && echo 1 > /run/a/f && echo 2 >> /run/a/f; cat /run/a/*": "1\n2\n",
    'set -- a "b c"; for t in "$@"; do echo "[$t]"; done; shift; echo $1': "[a]\n[b c]\nb c\n",
    "sh -c 'echo $0 $2' name x y": "name y\n",
    "trap 'echo bye' EXIT; exit 0": "bye\n",
    "(cd /etc; pwd); pwd": "/etc\n/root\n",
    "{ echo 1; echo 2; } | wc -l": "2\n",
    "printf '%s-%s\\n' a b c d": "a-b\nc-d\n",
    "echo ${X:-none} ${PWD#/} ${PWD%oot}": "none root /r\n",
    "nosuch 2>/dev/null || echo $?": "127\n",
    "until mkdir /run/q 2>/dev/null; do rmdir /run/q; done; test -d /run/q && echo ok": "ok\n",
    "printf 'a 1\\nb 2\\n' | awk '{ print $2 }'": "1\n2\n",
    "printf 'add x y\\nno\\n' | sed -n 's/^add \\([^ ]*\\) .*/delete \\1/p'": "delete x\n",
    "printf 'a\\nb\\n' | grep -qx b && echo yes": "yes\n",
    "cat <<E\nhello\nE\n": "hello\n",
    'printf "# p one\\n1\\n# p two\\n2\\n" | '
    "awk -v d=/run/p. '/^# p / { part = $3 } { print > (d part) }'; cat /run/p.two": "# p two\n2\n",
    "command -v nft": "/usr/sbin/nft\n",
    "sudo -n id -u; id -un": "0\nroot\n",
    "echo a > /tmp/m; mv /tmp/m /tmp/n; cp /tmp/n /tmp/o; rm -f /tmp/zz; ls /tmp": "n\no\n",
    "echo a > /tmp/a; ln -f /tmp/a /tmp/b; cat /tmp/b; ln /tmp/none /tmp/c || echo no": "a\nno\n",
    "printf 'a\\nx {\\n b\\n}\\nc\\n' | sed '/^x {/,/^}/d'": "a\nc\n",
    "printf 'a\\nb\\nc\\n' | sed 1,2d": "c\n",
    "sed p absent 2>/dev/null || echo $?": "2\n",
    "read -r up idle < /proc/uptime; test -n \"$idle\" && echo ${up%%.*} | grep -c '^[0-9]'": "1\n",
    'x="abc  -"; echo "${x%% *}"': "abc\n",
    "echo a > /tmp/a; grep -E '^[[:alpha:]]' /tmp/a /tmp/none /dev/null; echo $?": "/tmp/a:a\n2\n",
    "ls -d /run/systemd/system /run/none; echo $?": "/run/systemd/system\n2\n",
    "echo a > /tmp/a; find /tmp -type f; find /tmp -mtime +7": "/tmp/a\n",
    'x=$(echo a; echo b); echo "$x" $x': "a\nb a b\n",
    "true && ! false; echo $?; set -u; echo ${Y-unset}": "0\nunset\n",
}


@pytest.mark.parametrize("script", CASES)
def test_scripts(mock: LinuxMock, script: str) -> None:
    assert mock.edit(script).out == CASES[script]


def test_errors(mock: LinuxMock) -> None:
    assert mock.edit("if true; then").status == 2
    assert mock.edit("echo a > /no/such").err.startswith("sh: 1: cannot")
    assert mock.edit("cat /none").err == "cat: /none: No such file or directory\n"
    assert "Permission denied" in mock.edit("mkdir /etc/x", user="admin").err
    assert mock.edit("mkdir ~/x && ls ~", user="admin").out == "x\n"
    assert mock.edit("mkdir /run/x; mkdir /run/x").status == 1
    assert mock.edit("mv /run/none /run/y").status == 1


def test_a_guard_in_the_background() -> None:
    mock = LinuxMock("gw1", ruleset="table inet old\n", time_scale=20)
    guard = (
        "nft list ruleset > /run/old; : > /run/pending; "
        'setsid sh -c \'sleep "$1"; mv /run/pending /run/expired && nft flush ruleset && '
        "nft -f /run/old' guard 40 </dev/null >/dev/null 2>&1 & nft -f -"
    )
    assert mock.edit(guard, "flush ruleset\ntable inet new\n").status == 0
    assert mock.config() == "table inet new {\n}\n"
    deadline = time.monotonic() + 60
    while mock.config() != "table inet old {\n}\n":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [text[11:14] for text in mock.effective()] == ["old", "new", "", "old"]


def test_a_clock_that_jumps() -> None:
    mock = LinuxMock("gw1")
    mock.edit("sh -c 'sleep 3600; nft add table inet late' &")
    time.sleep(0.05)
    assert not mock.config()
    mock.advance(3600)
    deadline = time.monotonic() + 60
    while not mock.config():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    mock.edit("sleep 3600 &")
    mock.stop()
