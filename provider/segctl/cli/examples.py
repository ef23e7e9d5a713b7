"""The examples at the end of every command's help: real command lines, parsed by a test."""

from __future__ import annotations

#: Shown below the examples of every command.
GLOBAL_OPTIONS = (
    "Before or after the command: -i/--inventory, -l/--limit, -e/--extra-vars, "
    "--vault-id, --vault-password-file, --ask-vault-pass, --allow-executable-inventory, "
    "-f/--forks, --executor, --no-cache, --json, --json-lines, -v/--verbose "
    "(segctl --help explains them)."
)
#: Command lines by the command they are of; "" is segctl itself.
EXAMPLES = {
    "": ("segctl -i inventory validate", "segctl plan -l 'boiler:!fw-dmz' -o plan.json"),
    "validate": ("segctl validate", "segctl validate -i inventory --sarif findings.sarif"),
    "inventory": ("segctl inventory --graph", "segctl inventory --host fw-cell1"),
    "fmt": ("segctl fmt --check --diff", "segctl fmt inventory/group_vars"),
    "plan": ("segctl plan -l fw-cell1 --diff", "segctl plan -p site.yml -o plan.json"),
    "show": ("segctl show plan.json --brief", "segctl show new.json --same-as plan.json"),
    "apply": ("segctl apply plan.json", "segctl apply -p site.yml --reviewed plan.json"),
    "drift": ("segctl drift --baseline known.yml", "segctl drift -l fw-cell1 --markdown drift.md"),
    "drift history": (
        "segctl drift history --all --since 2026-11-01",
        "segctl drift history -i inventory -l boiler",
    ),
    "check": (
        "segctl check --from scada1 --to plc1 --application modbus.read --port 502",
        "segctl check checks.yml --declared",
    ),
    "contain": (
        "segctl contain asset hmi1 --for 2h --reason 'ransom note on the screen'",
        "segctl contain status --heal",
    ),
    "contain host": ("segctl contain host 10.20.2.31 --for 30m --reason 'scans the PLCs'",),
    "contain asset": (
        "segctl contain asset hmi1 --for 2h --reason 'ransom note on the screen'",
        "segctl contain asset scada1 --for 1h --reason test --cut-essential",
    ),
    "contain zone": ("segctl contain zone supervisory --for 1h --reason 'worm in the zone'",),
    "contain list": ("segctl contain list", "segctl contain list --json"),
    "contain status": ("segctl contain status", "segctl contain status --heal"),
    "contain watch": ("segctl contain watch --every 60s", "segctl contain watch --heal"),
    "contain release": ("segctl contain release hmi1 --reason 'rebuilt, CHG-77'",),
    "island": (
        "segctl island begin control --for 8h --reason 'ransomware in the office network'",
        "segctl island end control --reason 'all clear, CHG-81'",
    ),
    "island begin": (
        "segctl island begin control --for 8h --reason 'ransomware in the office network'",
    ),
    "island end": ("segctl island end control --reason 'all clear, CHG-81'",),
    "island list": ("segctl island list", "segctl island list --json"),
    "island status": ("segctl island status", "segctl island status --heal"),
    "history": (
        "segctl history fw-cell1 --since 2026-11-01",
        "segctl history verify --expect 42:sha256:0f1c…",
    ),
    "lint": ("segctl lint fw-cell1", "segctl lint --declared --sarif findings.sarif"),
    "prove": ("segctl prove --declared", "segctl prove --same fw-old,fw-new"),
    "evidence": (
        "segctl evidence -o evidence-2026-11 --html --oscal --csv",
        "segctl evidence --sr 5.2 --sr 'SR 5.3' -o boundary --offline snapshots",
    ),
    "evidence verify": ("segctl evidence verify evidence-2026-11 --keys allowed_signers",),
    "evidence diff": ("segctl evidence diff evidence-2026-05 evidence-2026-11",),
    "query": (
        "segctl query --from enterprise --to control --both",
        "segctl query live implies declared",
    ),
    "graph": (
        "segctl graph -o plant.svg",
        "segctl graph --live --conduit scada-polls-plcs -o x.html",
    ),
    "site": (
        "segctl site -o plant.html",
        "segctl site --live --checks checks.yml -o plant.html",
    ),
    "serve": (
        "segctl serve --every 5m",
        "segctl serve --listen '[::1]:8080' --password-file users --history sqlite:///history.db",
    ),
    "list": ("segctl list conduits --due 30d", "segctl list rules --csv"),
    "matrix": ("segctl matrix", "segctl matrix --offline snapshots --csv"),
    "review": (
        "segctl review --usage",
        'segctl review vendor --keep-until 2027-06-30 --by Ann --reason "in use"',
    ),
    "usage": (
        "segctl usage",
        "segctl usage --narrow logs -o narrower",
    ),
    "snapshot": ("segctl snapshot fw-cell1 -o fw-cell1.json", "segctl snapshot -o snapshots"),
    "discover": (
        "segctl discover logs --exclude 2026-11-07T08:00/4h -o proposed",
        "segctl discover conn.log.gz modbus.log --since 14d --grade role",
    ),
    "traffic": (
        "segctl traffic logs --by zone",
        "segctl traffic --from-devices --since 14d -l fw1",
    ),
    "threats": (
        "segctl threats --from-devices --since 1d",
        "segctl threats logs/ eve.json --since 7d",
    ),
    "watch": (
        "segctl watch --from-devices --every 60s --act",
        "segctl watch --acknowledge --reason 'two laptops, both rebuilt'",
    ),
    "replay": (
        "segctl replay plan.json logs --offline snapshots",
        "segctl replay --declared --from-devices --since 14d",
    ),
    "verify": ("segctl verify plan.json --keys allowed_signers",),
    "import": ("segctl import fw-cell1", "segctl import fw-cell1 -o imported/cell1"),
    "protocols": ("segctl protocols", "segctl protocols modbus --json"),
    "schema": ("segctl schema inventory", "segctl schema plan"),
    "mock": ("segctl mock serve --endpoints mocks.yml", "segctl mock traffic -o traffic"),
    "mock serve": (
        "segctl mock serve --state mocks --endpoints mocks.yml",
        "segctl mock serve --endpoints mocks.yml --traffic traffic/traffic.jsonl",
    ),
    "mock traffic": (
        "segctl mock traffic -o traffic --days 2 --form panos-syslog",
        "segctl mock traffic -o traffic --plant plant.yml --seed 7 --gzip",
    ),
    "demo": ("segctl demo", "segctl demo --panorama"),
    "explain": ("segctl explain", "segctl explain skips-level"),
    "version": ("segctl version", "segctl version --json"),
}


def epilog(command: str, closing: str = GLOBAL_OPTIONS) -> str:
    """Return what stands below the options of a command: its examples, then `closing`."""
    lines = EXAMPLES[command]
    title = "Example:" if len(lines) == 1 else "Examples:"
    # \b keeps the lines of the paragraph that it begins
    return "\n".join(["\b", title, *(f"  {line}" for line in lines), "", closing])
