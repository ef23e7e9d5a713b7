"""The programs that a Linux host runs for segctl: POSIX sh, with nft, setsid and sleep.

They are sent with every call and leave nothing behind but the boot file. `READER` changes
nothing: it prints each answer between two lines that begin with a word of the caller's choice.
`PROGRAM` has these verbs::

    go ID SECONDS SIZE    take a script of SIZE bytes from stdin; check it, start the guard, run it
    confirm ID            keep what was pushed, also for the next boot
    revert ID             go back now, or see to it that the push does not happen
    unlock HOLDER GONE    release the lock if HOLDER has it; GONE 1: with the table, if it is empty

Exit codes: 0 done; 3 refused: another push runs; 4 check failed, nothing changed; 5 a transaction
failed, nothing changed; 6 no such push is pending (the guard was first); 7 the upload is not
complete; 8 the push was called off; 9 no place for files; 10 the boot file cannot be written.

The guard is started before the change, in a session of its own: if nobody confirms in time it
puts the saved table back, also when every way to the host is cut. Exactly one of confirm, revert
and guard wins, by renaming the file that says that the push is pending.
"""

from __future__ import annotations

from segctl.providers.nftables import names

BOOT_FOLDER = "/etc/nftables.d"
BOOT_FILE = f"{BOOT_FOLDER}/segctl.nft"
CHECK_FAILED, APPLY_FAILED, NOT_PENDING, INCOMPLETE, CALLED_OFF = 4, 5, 6, 7, 8
NO_PLACE, NO_BOOT_FILE = 9, 10

#: What nft says of a table that is not there; a program that is missing says it without "Error".
ABSENT = "Error: No such file or directory"

READER = rf"""
LC_ALL=C; export LC_ALL; WORD=$1; shift
say() {{ printf '\n%s begin %s\n' "$WORD" "$1"; shift; "$@"; printf '\n%s end %s\n' "$WORD" $?; }}
both() {{ "$@" 2>&1; }}
U=$(id -u); N=/usr/sbin/nft; [ "$U" = 0 ] || N="sudo -n $N"
if [ $# -gt 0 ]; then for t in "$@"; do say "$t" $N -j -t list table $t; done; exit; fi
say uid echo "$U"
say nft /usr/sbin/nft --version
say host uname -n -r
say machine cat /etc/machine-id
say links /usr/sbin/ip -j link
say chains $N -j list chains
say table both $N -j list table {names.TABLE}
say boot test -e {BOOT_FILE}
"""

PROGRAM = rf"""
set -u; umask 077; trap '' HUP PIPE; LC_ALL=C; export LC_ALL
SUDO=$1; VERB=$2; ID=$3; T="{names.TABLE}"; N="$SUDO /usr/sbin/nft"
D=/run/segctl; [ "$(id -u)" = 0 ] || D=$HOME/.segctl
mkdir -p "$D" && cd "$D" || exit 9
busy() {{ n=0; until mkdir "busy.$ID" 2>/dev/null; do
  n=$((n+1)); [ $n -gt 600 ] && exit 3; sleep 0.1; done; trap 'rmdir "$D/busy.$ID"' EXIT; }}
tidy() {{ rm -f "$ID".* "old.$ID" "boot.$ID"; }}
held() {{ to=$1; shift
  if $N "$@" list table $T > "$to" 2> "$ID.err"; then [ -s "$to" ] && return 0
  else [ ! -s "$to" ] && grep -q "{ABSENT}" "$ID.err" && return 0; fi
  cat "$ID.err" >&2; return 1; }}
back() {{ $N -f "old.$ID" && {{ $N delete set $T {names.LOCK} 2>/dev/null; true; }}; }}
case $VERB in
go) cat > "$ID.all" || exit 9
  [ "$(wc -c < "$ID.all")" -eq "$5" ] || {{ tidy; echo "incomplete" >&2; exit 7; }}
  busy
  [ -e "off.$ID" ] && exit 8
  rm -f confirmed.* reverted.* expired.* failed.*
  held "$ID.was" || {{ echo "cannot save the table that is there" >&2; exit 4; }}
  {{ echo "table $T"; echo "delete table $T"; cat "$ID.was"; }} > "old.$ID" || exit 9
  : > "$ID.prepare"; : > "$ID.switch"; : > "$ID.clean"
  awk -v id="$ID" '/^# segctl / {{ part = $3 }} {{ print > (id "." part) }}' "$ID.all" || exit 9
  $N -c -f "$ID.all" || exit 4
  $N -c -f "old.$ID" || {{ echo "the saved table could not be put back" >&2; exit 4; }}
  : > "pending.$ID"
  if [ "$4" != 0 ]; then
    setsid sh -c 'cd "$1" && sleep "$2" && mv "pending.$3" "expired.$3" 2>/dev/null && {{
      n=0; until $4 -f "old.$3" || [ $n -ge 20 ]; do n=$((n+1)); sleep 1; done
      $4 delete set {names.TABLE} {names.LOCK}; rm -f "$3".* "old.$3"; }}' \
      segctl-guard "$D" "$4" "$ID" "$N" </dev/null >/dev/null 2>&1 &
  fi
  if [ -s "$ID.prepare" ] && ! $N -f "$ID.prepare"; then
    mv "pending.$ID" "failed.$ID" 2>/dev/null; tidy; exit 5
  fi
  if ! $N -f "$ID.switch"; then
    mv "pending.$ID" "failed.$ID" 2>/dev/null
    sed -n 's/^add set \(inet segctl [^ ]*\) .*/delete set \1/p' "$ID.prepare" > "undo.$ID"
    [ ! -s "undo.$ID" ] || $N -f "undo.$ID"; rm -f "undo.$ID"; tidy; exit 5
  fi
  [ ! -s "$ID.clean" ] || $N -f "$ID.clean" || echo "some sets are left over" >&2 ;;
confirm) busy
  [ -e "pending.$ID" ] || exit 6
  boot=0
  held "$ID.now" -s &&
  {{ echo "# Written by segctl; loaded at boot."; echo "table $T"; echo "delete table $T"
    [ ! -s "$ID.now" ] || {{
      cat "$ID.now" && echo "delete set $T {names.LOCK}"; }}; }} > "boot.$ID" &&
  $N -c -f "boot.$ID" &&
  $SUDO mkdir -p {BOOT_FOLDER} &&
  $SUDO tee {BOOT_FOLDER}/.segctl.nft.tmp < "boot.$ID" >/dev/null || boot=10
  mv "pending.$ID" "confirmed.$ID" 2>/dev/null || exit 6
  [ $boot != 0 ] || {{ sync; $SUDO mv -f {BOOT_FOLDER}/.segctl.nft.tmp {BOOT_FILE}; }} || boot=10
  tidy; exit $boot ;;
revert) busy; : > "off.$ID"
  if mv "pending.$ID" "reverted.$ID" 2>/dev/null; then back || {{
    mv "reverted.$ID" "pending.$ID"; exit 5; }}; fi
  tidy; [ ! -e "confirmed.$ID" ] || exit 6 ;;
unlock)
  if $N list set $T {names.LOCK} 2>/dev/null | grep -qF "\"$ID\""; then
    $N delete set $T {names.LOCK} || exit 5
  fi
  [ "$4" = 0 ] || $N list chain $T {names.DENY} >/dev/null 2>&1 ||
    [ "$($N list table $T 2>/dev/null | tr -d ' \t\n')" != "tableinetsegctl{{}}" ] ||
    $N delete table $T ;;
*) exit 2 ;;
esac
"""


def reader(word: str, *tables: str) -> str:
    """Return the command line that reads the host, or others' tables; it changes nothing."""
    return _line(READER, "segctl-reader", word, *tables)


def command(sudo: str, verb: str, push: str, *more: str) -> str:
    """Return the command line that runs one verb; all words are segctl's own."""
    return _line(PROGRAM, "segctl-agent", sudo, verb, push, *more)


def _line(program: str, *words: str) -> str:
    return " ".join(["sh -c", *(_quoted(word) for word in (program, *words))])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
