"""The programs that a Linux host runs for segctl: POSIX sh, with nft, setsid and sleep.

They are sent with every call and leave only the boot file behind. `READER` changes nothing: it
prints each answer between two lines that begin with a word chosen by the caller. `PROGRAM` has
these verbs; PUSH and LOCK are keys of the sets that `records` describes::

    go PUSH LOCK TOKEN SECONDS SIZE    take a script of SIZE bytes from stdin, check it, start the
                                       guard, run it
    confirm PUSH LOCK DIGEST SIZE      write the boot file, then run the transaction of SIZE bytes
                                       from stdin, which confirms the push
    keep ID LOCK DIGEST SIZE           the same without a push
    revert PUSH LOCK TOKEN             restore the table from before
    guard PUSH TOKEN UNTIL             the same at this uptime; `go` starts it

Exit codes: 0 done; 3 another confirmation of this push is running; 4 check failed, nothing
changed; 5 a transaction failed, nothing changed; 6 no such push is pending (the guard was first);
7 the upload is incomplete; 9 no place for files; 10 the boot file cannot be written and is
unchanged; 11 the table from before the push is not saved here; 12 the lock is lost, nothing
changed.

The guard starts before the change, in a session of its own: if nobody confirms in time, it
restores the saved table, even if every way to the host is cut. Every transaction begins by
removing the element of the push or of the lock from its set; if the element is not there, the
entire transaction fails. So exactly one of confirm, revert and guard wins, and a run without its
lock changes nothing. Going back keeps the present lock in the restored table, unless it belongs to
the run whose push is taken back.
"""

from __future__ import annotations

from segctl.providers.nftables import forwarding, names, needs

BOOT_FOLDER = "/etc/nftables.d"
BOOT_FILE = f"{BOOT_FOLDER}/segctl.nft"
BUSY, CHECK_FAILED, APPLY_FAILED, NOT_PENDING, INCOMPLETE = 3, 4, 5, 6, 7
NO_PLACE, NO_BOOT_FILE, NOT_SAVED, LOST_LOCK = 9, 10, 11, 12

#: nft's message for a missing table; the one for a missing program lacks "Error".
ABSENT = "Error: No such file or directory"
#: What the host says when the table that comes back has no place for who is contained.
FREED = "whoever is contained there is let go: the earlier table has no place for them"
#: The first lines of our boot file; the second one has digests.
BOOT_TITLE = "# Written by segctl; loaded at boot."
BOOT_HEAD = "# segctl boot 1"

#: A first word of the reader that asks for what sets hold, and the most bytes read of each.
ELEMENTS = "elements"
LARGEST_SET = 400_000
READER = rf"""
LC_ALL=C; export LC_ALL; WORD=$1; shift
say() {{ printf '\n%s begin %s\n' "$WORD" "$1"; shift; "$@"; printf '\n%s end %s\n' "$WORD" $?; }}
both() {{ "$@" 2>&1; }}
U=$(id -u); N=/usr/sbin/nft; S=; [ "$U" = 0 ] || {{ S="sudo -n"; N="$S $N"; }}
held() {{ $N -j list $1 | head -c {LARGEST_SET}; }}
if [ "${{1:-}}" = {ELEMENTS} ]; then shift; for s in "$@"; do say "$s" held "$s"; done; exit; fi
if [ $# -gt 0 ]; then for t in "$@"; do say "$t" $N -j -t list table $t; done; exit; fi
boot() {{ $S cat {BOOT_FILE} 2>&1 | head -c 300 | tr -cd '\n -~'; }}
body() {{ $S cat {BOOT_FILE} 2>/dev/null | sed 1,2d | sha256sum; }}
loads() {{ {{ ls -d /run/systemd/system /etc/runlevels
  grep -E 'nftables|segctl' /etc/systemd/system/*.wants/*.service \
    /etc/systemd/system/*.requires/*.service /dev/null
  grep -E '^[[:space:]]*include' /etc/nftables.conf /etc/sysconfig/nftables.conf \
    /etc/nftables.nft /dev/null; }} 2>/dev/null | head -c 20000 | tr -cd '\n -~'; }}
needs() {{ {{ set -- ${{SSH_CONNECTION:-}}; echo "ssh ${{3:-}}"
  for f in {" ".join(needs.FILES)}; do [ ! -e "$f" ] || [ -r "$f" ] || echo "closed $f"; done
  grep -E '{needs.LINES}' {" ".join(needs.FILES)} /dev/null
  }} 2>/dev/null | head -c {needs.MOST} | tr -cd '\n -~'; }}
forwarding() {{ {{ cd /proc/sys/net && grep . ipv4/conf/*/forwarding ipv6/conf/all/forwarding \
    ipv6/conf/*/force_forwarding /dev/null; }} 2>/dev/null | head -c {forwarding.MOST}; }}
say uid echo "$U"
say nft /usr/sbin/nft --version
say host uname -n -r
say machine cat /etc/machine-id
say clock date +%s
say uptime cat /proc/uptime
say links /usr/sbin/ip -j link
say chains $N -j list chains
say table both $N -j list table {names.TABLE}
say boot boot
say body body
say loads loads
say needs needs
say forwarding forwarding
"""

#: A set of who is cut off in a listing, as two patterns of sed.
_TIMED = f"/^[[:space:]]set {names.TIMED} {{/,/^[[:space:]]}}/"
_NEW, _OLD = f"{BOOT_FOLDER}/.segctl.nft.tmp", f"{BOOT_FOLDER}/.segctl.nft.old"

PROGRAM = rf"""
set -u; umask 077; trap '' HUP PIPE; LC_ALL=C; export LC_ALL
P=$1; SUDO=$2; VERB=$3; ID=$4; T="{names.TABLE}"; N="$SUDO /usr/sbin/nft"
D=/run/segctl; [ "$(id -u)" = 0 ] || D=$HOME/.segctl
mkdir -p "$D" && cd "$D" || exit 9
tidy() {{ rm -rf "$ID".*; }}
take() {{ cat > "$1" || return 9
  [ "$(wc -c < "$1")" -eq "$2" ] || {{ echo "incomplete" >&2; return 7; }}; }}
clock() {{ read -r U V < /proc/uptime; U=${{U%%.*}}; }}
# 0: set $1 holds $2; 1: it does not; where nft cannot say, exit 5
holds() {{ if S=$($N list set $T "$1" 2>&1); then
    case $S in *" $2 "*) return 0;; esac; return 1; fi
  case $S in *"{ABSENT}"*) return 1;; esac; echo "$S" >&2; exit 5; }}
# why a transaction failed
why() {{ holds {names.LOCK} "$1" || exit 12
  [ "$VERB" = keep ] || [ "$VERB" = go ] || holds {names.PUSH} "$ID" || exit 6; exit 5; }}
without() {{ sed "/^[[:space:]]set $1 {{/,/^[[:space:]]}}/d"; }}
# a table without who is contained: a copy of it holds nobody for longer than was asked for
emptied() {{ sed -e '{_TIMED}s/^[[:space:]][[:space:]]elements = .*//' \
  -e '{_TIMED}s/^[[:space:]][[:space:]][[:space:]].*//'; }}
# who is contained now, with the time that is left, for each set that file $1 makes
timed() {{ sed -n "s/^.*set \($T \)*{names.TIMED} {{.*/\2/p" | sort -u; }}
members() {{ for s in $(timed < "$1"); do
  if M=$($N list set $T $s 2>&1); then
    printf '%s\n' "$M" | sed -n -e "s/^[[:space:]][[:space:]]elements = /add element $T $s /p" \
      -e '/^[[:space:]][[:space:]][[:space:]]/p' | sed 's/ expires 0s/ expires 1ms/g'
  else case $M in *"{ABSENT}"*) ;; *) echo "$M" >&2; return 1;; esac; fi
done; }}
# say that the table in file $1, which comes back, has no set for who is contained now
freed() {{ for s in $($N list table $T 2>/dev/null | timed); do
  if ! grep -q "set $s {{" "$1" && $N list set $T $s 2>/dev/null | grep -q " = {{ "; then
    echo "{FREED}" >&2
    return
  fi
done; }}
filled() {{ grep -q '^[[:space:]][a-z]' "$1"; }}
# a transaction of this push, in one file with its fence: never the one without the other
fenced() {{ cat "$ID.fence" "$1" > "$ID.step" && $N -f - < "$ID.step"; }}
# remove the sets that a push prepared and never used, while run $1 has the lock, by whatever key
unprepare() {{ sed -n 's/^add set \({names.TABLE} [^ ]*\) .*/delete set \1/p' "$ID.prepare" \
    2>/dev/null > "$ID.undo"
  [ -s "$ID.undo" ] && L=$($N list set $T {names.LOCK} 2>/dev/null) || return 0
  case $L in *" $1 "*) ;; *) return 0;; esac
  K=$(printf '%s\n' "$L" | sed -n 's/.*elements = {{ \(0x[0-9a-f]*\) .*/\1/p')
  {{ echo "delete element $T {names.LOCK} {{ $K }}"; printf '%s\n' "$L"; cat "$ID.undo"
    }} | $N -f - 2>/dev/null; true; }}
# back LOCK TOKEN: where LOCK is empty any lock that is there stays, but for that of TOKEN
back() {{ K=
  if L=$($N list set $T {names.LOCK} 2>/dev/null); then
    K=$(printf '%s\n' "$L" | sed -n 's/.*elements = {{ \(0x[0-9a-f]*\) .*/\1/p'); else L=; fi
  [ -z "$1" ] || [ "$K" = "$1" ] || return 1
  {{ echo "delete element $T {names.PUSH} {{ $ID }}"
    if [ -z "$L" ]; then echo "create set $T {names.LOCK} {{ {names.LOCK_MADE} }}"
    elif [ -n "$K" ]; then echo "delete element $T {names.LOCK} {{ $K }}"; fi
    [ -n "$1" ] || case $L in *" $2 "*) L=;; esac
    echo "delete table $T"; cat "$ID.old" && members "$ID.old" && printf '%s\n' "$L" ||
      echo fail; }} | $N -f -; }}
# put the boot file back that was there before a confirmation began to write it
unkeep() {{ [ -e "$ID.boot" ] || return 0
  read -r W V < "$ID.boot"
  if [ "$W" = had ]; then $SUDO mv -f {_OLD} {BOOT_FILE}; else $SUDO rm -f {BOOT_FILE}; fi ||
    return 1
  $SUDO rm -f {_OLD} {_NEW}; rm -f "$ID.boot"; sync; }}
written() {{ $N -s list table $T > "$ID.now" && [ -s "$ID.now" ] &&
  without {names.LOCK} < "$ID.now" | without {names.PUSH} | emptied > "$ID.policy" &&
  {{ echo "table $T"; echo "delete table $T"
    ! filled "$ID.policy" || {{ cat "$ID.policy" &&
      echo "add set $T {names.PUSH} {{ {names.LOCK_MADE} }}" &&
      sed -n '/^add element {names.TABLE} {names.PUSH} /p' "$ID.tx"; }}; }} > "$ID.body" &&
  B=$(sha256sum < "$ID.body") &&
  {{ echo "{BOOT_TITLE}"; echo "{BOOT_HEAD} table=$1 body=${{B%% *}}"
    cat "$ID.body"; }} > "$ID.text" && $N -c -f "$ID.text" &&
  (umask 022; $SUDO mkdir -p {BOOT_FOLDER}) &&
  $SUDO tee {_NEW} < "$ID.text" >/dev/null && sync; }}
swapped() {{ if $SUDO ln -f {BOOT_FILE} {_OLD} 2> "$ID.err"; then W=had
  else grep -q "No such file" "$ID.err" || {{ cat "$ID.err" >&2; return 1; }}; W=none; fi
  echo "$W $$" > "$ID.boot" && $SUDO mv -f {_NEW} {BOOT_FILE} && sync; }}
case $VERB in
go) find . -type f -mtime +7 -exec rm -f {{}} +
  take "$ID.all" "$8" || {{ c=$?; tidy; exit $c; }}
  $N list table $T > "$ID.was" && [ -s "$ID.was" ] ||
    {{ echo "cannot save the table that is there" >&2; tidy; exit 4; }}
  without {names.LOCK} < "$ID.was" > "$ID.plain" && emptied < "$ID.plain" > "$ID.old" ||
    {{ tidy; exit 9; }}
  filled "$ID.old" || : > "$ID.old"
  for part in fence prepare switch clean; do : > "$ID.$part"; done
  awk -v id="$ID" '/^# segctl / {{ part = $3 }} {{ print > (id "." part) }}' "$ID.all" ||
    {{ tidy; exit 9; }}
  $N -c -f "$ID.all" || {{ tidy; holds {names.LOCK} "$5" || exit 12; exit 4; }}
  {{ echo "delete table $T"; cat "$ID.old"; }} | $N -c -f - ||
    {{ echo "the saved table could not be put back" >&2; tidy; exit 4; }}
  clock
  sed "/^add element $T {names.PUSH} /s/ since / $U /" "$ID.switch" > "$ID.now" ||
    {{ tidy; exit 9; }}
  if grep -q "^delete table" "$ID.now"; then
    members "$ID.now" > "$ID.held" && cat "$ID.held" >> "$ID.now" ||
      {{ echo "cannot tell who is contained, and would let them go" >&2; tidy; exit 4; }}
  fi
  [ "$7" = 0 ] || setsid sh -c 'eval "$1"' segctl-guard "$P" "$SUDO" guard "$ID" "$6" \
    $((U+$7)) </dev/null >/dev/null 2>&1 &
  if [ -s "$ID.prepare" ] && ! fenced "$ID.prepare"; then tidy; why "$5"; fi
  if ! fenced "$ID.now"; then
    unprepare "$6"; tidy; why "$5"
  fi
  [ ! -s "$ID.clean" ] || fenced "$ID.clean" ||
    echo "some sets are left over" >&2
  for f in "$ID".*; do [ "$f" = "$ID.old" ] || rm -f "$f"; done; true ;;
confirm|keep) mkdir "$ID.busy" 2>/dev/null || exit 3
  trap 'rmdir "$D/$ID.busy" 2>/dev/null' EXIT
  take "$ID.tx" "$7" || exit $?
  [ "$VERB" = keep ] || holds {names.PUSH} "$ID" || exit 6
  holds {names.LOCK} "$5" || exit 12
  if ! written "$6" || ! swapped; then unkeep; $SUDO rm -f {_OLD} {_NEW}; exit 10; fi
  if ! $N -f "$ID.tx"; then unkeep; $SUDO rm -f {_OLD} {_NEW}; why "$5"; fi
  tidy; $SUDO rm -f {_OLD} {_NEW}; true ;;
revert) holds {names.PUSH} "$ID" || {{ unprepare "$6"; tidy; exit 6; }}
  [ -e "$ID.old" ] || exit 11
  freed "$ID.old"
  back "$5" "$6" || why "$5"
  unkeep || {{ echo "{BOOT_FILE} could not be put back" >&2; exit 10; }}
  tidy ;;
guard) while clock; [ -e "$ID.old" ] && [ "$U" -lt "$6" ]; do sleep 1; done
  n=0; while [ -e "$ID.old" ] && [ $n -lt 600 ]; do
    n=$((n+1)); (holds {names.PUSH} "$ID"); case $? in
    0) if back "" "$5"; then
        m=0; while [ $m -lt 30 ] && [ -e "$ID.boot" ] && read -r W V < "$ID.boot" &&
          kill -0 "$V"; do m=$((m+1)); sleep 1; done
        unkeep; break
      fi ;;
    1) [ -e "$ID.all" ] || break ;;
    esac; sleep 1
  done; tidy ;;
*) exit 2 ;;
esac
"""


def reader(word: str, *tables: str) -> str:
    """Return the command line that reads the host, or tables of others; it changes nothing."""
    return _line(READER, "segctl-reader", word, *tables)


def command(sudo: str, verb: str, push: str, *more: str) -> str:
    """Return the command line that runs a verb; all words come from segctl.

    The program is passed its own text so that it can start the guard.
    """
    return _line('eval "$1"', "segctl-agent", PROGRAM, sudo, verb, push, *more)


def _line(program: str, *words: str) -> str:
    return " ".join(["sh -c", *(_quoted(word) for word in (program, *words))])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
