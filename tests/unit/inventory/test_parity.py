"""`segctl inventory` prints what `ansible-inventory` prints, for inventories that are not easy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pytest

from segctl.inventory import (
    VaultSecrets,
    dump,
    encrypt,
    graph_text,
    host_json,
    list_json,
    read_inventory,
    vault_password,
)
from segctl.transports.credentials import Secret

Ansible = Callable[[Path, "list[str]"], str]


@dataclass(frozen=True)
class Case:
    """Files, and the invocations whose output must be equal."""

    files: Mapping[str, str]
    runs: tuple[str, ...] = ("--list", "--graph", "--graph --vars")
    sources: tuple[str, ...] = ("hosts.yml",)
    extra: tuple[str, ...] = field(default=())
    vault: str = ""
    playbook_dir: str = ""


VAULTED = encrypt("top secret", Secret("pa55"))
VAULTED_ID = encrypt("a: 1\nb: {c: [x, y]}\n", Secret("pa55"), "prod")
TREE = """\
    all:
      children:
        plant:
          children:
            cell1: {hosts: {"plc[01:03]": {n: 1}, hmi: }}
            cell2: {hosts: {"plc[02:04]": {n: 2}}}
          vars: {site: a}
        web: {hosts: {"web[0:5]": , "db-[a:c]": }}
        db: {hosts: {"db-[a:c]": , "web1": }}
      hosts: {lonely.example.com: }
    """
LIMITS = (
    "web:&db",
    "web:!db",
    "all:!plant",
    "web*",
    "~(web|plc)\\d+$",
    "web[0]",
    "web[-1]",
    "web[0:2]",
    "web[1:]",
    "web,plant",
    "*.com",
    "plc0?",
    "plc[01:02]",
    "!web",
    "&db",
    "web1:db-a:!db-a",
    "lonely.example.com",
    "ungrouped",
    "nothing",
    "@limit.txt",
    "plant:&~.*[34]",
    "[!w]*",
    "cell?[0:1]",
    "web[0]:web[2]",
    "*[-1]",
    "*b*[6:9]",
)

CASES: Mapping[str, Case] = {
    "nested groups": Case({"hosts.yml": TREE}),
    "limits": Case(
        {"hosts.yml": TREE, "limit.txt": "web1\nplant\n!plc02\n"},
        tuple(f"--list --limit {limit}" for limit in LIMITS),
    ),
    "precedence": Case(
        {
            "hosts.yml": """\
                all:
                  vars: {v: all, w: all, x: all, y: all}
                  children:
                    parent:
                      vars: {v: parent, w: parent, x: parent}
                      children:
                        child: {vars: {v: child, w: child}, hosts: {h1: {v: host}, h2: }}
                        a_child: {vars: {v: a_child, w: a_child}, hosts: {h1: , h2: }}
                """,
            "group_vars/all.yml": "x: all file\nz: all file\n",
            "group_vars/parent.yml": "w: parent file\n",
            "group_vars/child": "x: child file\n",
            "host_vars/h2.json": '{"v": "host file", "big": 1e5}',
        },
        ("--list", "--host h1", "--host h2", "--graph --vars"),
    ),
    "group priority": Case(
        {
            "hosts.yml": """\
                a: {hosts: {h: }, vars: {v: a, ansible_group_priority: 10}}
                b: {hosts: {h: }, vars: {v: b}}
                c: {hosts: {h: }, vars: {v: c, ansible_group_priority: "2"}}
                """,
            "group_vars/b.yml": "ansible_group_priority: 99\n",
        },
    ),
    "files in folders": Case(
        {
            "hosts.yml": "web: {hosts: {h: }}\n",
            "group_vars/web/b.yml": "v: b\nonly_b: 1\n",
            "group_vars/web/a.yaml": "v: a\nonly_a: 1\n",
            "group_vars/web/sub/c.json": '{"v": "c"}',
            "group_vars/web/skip.txt": "no: no\n",
            "group_vars/web/.hidden.yml": "no: no\n",
            "group_vars/web/old.yml~": "no: no\n",
            "group_vars/web.yml": "late: 1\n",
            "group_vars/all/x/y": "deep: 1\n",
            "host_vars/h/z.yml": "hv: 1\n",
            "host_vars/h.yml": "hidden_by_folder: 1\n",
        },
    ),
    "several sources": Case(
        {
            "one/hosts.yml": "web: {hosts: {h1: {v: 1, w: 1}}, vars: {g: 1, k: 1}}\n",
            "one/group_vars/web.yml": "f: one\nq: one\n",
            "two/hosts": "h2 v=2\n[web]\nh1 v=2\n[web:vars]\ng=2\n",
            "two/group_vars/web.yml": "f: two\n",
            "two/group_vars/all.yml": "q: all of two\n",
        },
        sources=("one/hosts.yml", "two/hosts"),
        runs=("--list", "--graph --vars", "--host h1"),
    ),
    "folder as source": Case(
        {
            "inv/10-first.yml": "a: {hosts: {h1: {v: 1}}}\n",
            "inv/20-second": "[b]\nh1 v=2\nh2\n",
            "inv/old.bak": "[broken\n",
            "inv/notes.txt": "x\n",
            "inv/ansible.cfg": "[defaults]\n",
            "inv/hosts.retry": "h9\n",
            "inv/.hidden.yml": "c: {hosts: {h3: }}\n",
            "inv/edit~": "h8\n",
            "inv/deeper/30.yml": "c: {hosts: {h4: }}\n",
            "inv/group_vars/b.yml": "w: 2\n",
            "inv/host_vars/h2.yml": "w: 3\n",
        },
        sources=("inv",),
    ),
    "ini": Case(
        {
            "hosts": """\
                # comment
                ; another
                lonely ansible_host=10.0.0.1   # trailing
                [web]
                web[1:3] n=1 s="a b" l=[1,'x'] d="{'k': (1,2)}" t=True f=no o=0o17 q="'quoted'" e=
                www.example.com:2222 j='{{ x }}' p=a=b
                [db]
                db-[a:c].example.com
                web2 n=5
                [db:vars]
                port = 5432
                name=some text with spaces # not a comment
                flag=False
                version=1.10
                [all_of_it:children]
                web
                db
                [all_of_it:vars]
                hex=0x1F
                literal="[1, 2"
                """,
        },
        sources=("hosts",),
        runs=("--list", "--graph", "--graph --vars", "--host web2", "--list --limit db[0]"),
    ),
    "ini children before definition": Case(
        {
            "hosts": """\
                [outer:children]
                inner
                other
                [inner:children]
                leaf
                [leaf]
                h1
                [other]
                h2
                [leaf:vars]
                v=1
                """,
        },
        sources=("hosts",),
    ),
    "yaml scalars": Case(
        {
            "hosts.yml": """\
                all:
                  hosts:
                    h:
                      a: no
                      b: 12:30:45
                      c: 010
                      d: 0x1f
                      e: 1_000
                      f: 2027-03-31
                      g: 2001-12-14t21:59:43.10-05:00
                      h: "no"
                      i: ~
                      j: .inf
                      k: 1e3
                      l: 1.5e+3
                      m: y
                      n: !unsafe "{{ raw }}"
                      o: !unsafe [a, {b: c}]
                      p: {3: one, 2.5: two, ~: none, true: yes}
                      q: |
                        two
                        lines
                      r: "caf\\u00e9 \\U0001F600"
                      s: 2020-1-2
                      t: [[], {}]
                      u: 0b101
                      v: {vars: {w: !unsafe deep}}
                """,
        },
        ("--list", "--host h"),
    ),
    "anchors and merges": Case(
        {
            "hosts.yml": """\
                all:
                  vars:
                    base: &base {a: 1, b: {c: 2}}
                    other: &other {a: 9, d: 4}
                    one: {<<: *base, z: 1}
                    two: {<<: [*base, *other]}
                    list: &list [x, y]
                    same: *list
                  hosts: {h1: , h2: }
                """,
        },
    ),
    "no deep merge": Case(
        {
            "hosts.yml": "g: {hosts: {h: {d: {host: 1}}}, vars: {d: {group: 1}, l: [1]}}\n",
            "group_vars/all.yml": "d: {all: 1}\nl: [2]\n",
            "group_vars/g.yml": "d: {file: 1}\n",
        },
    ),
    "names": Case(
        {
            "hosts.yml": """\
                all:
                  hosts:
                    "10.0.0.1": {ansible_port: 22}
                    "fe80::1": {v: 6}
                    "[fe80::2]:2022": {v: 7}
                    "fw.example.com:830": {}
                    "10.1.0.[1:3]": {}
                    "fe80::[a:c]": {}
                    "a-[01:10:3]-[x:z]": {}
                    "with space": {v: 1}
                    "quoted'name": {}
                  children:
                    dotted.group: {hosts: {"x.y": }}
                    dash-group: {hosts: {x_y: }}
                """,
            "group_vars/dotted.group.yml": "v: 1\n",
            "host_vars/10.0.0.1.yml": "v: 1\n",
            "host_vars/fe80::1": "w: 1\n",
        },
    ),
    "group named like a host": Case(
        {
            "hosts.yml": """\
                web: {hosts: {web: {v: 1}, h: }, vars: {w: 2}}
                other: {hosts: {web: }}
                """,
        },
        ("--list", "--graph", "--list --limit web"),
    ),
    "empty things": Case(
        {
            "hosts.yml": """\
                all:
                  children:
                    empty: {}
                    nothing:
                    no_hosts: {hosts: {}}
                    only_vars: {vars: {a: 1}}
                    full: {hosts: h1, children: empty}
                """,
            "group_vars/full.yml": "---\n",
            "group_vars/all.yml": "# only a comment\n",
        },
    ),
    "host in many groups": Case(
        {
            "hosts.yml": """\
                a: {hosts: {h: {x: 1}}, children: {d: }}
                b: {hosts: {h: {y: 2}}, children: {d: }}
                c: {hosts: {h: {x: 3}}}
                d: {hosts: {h: , k: }, vars: {x: 0, z: 0}}
                """,
        },
        ("--list", "--graph", "--graph d", "--graph a --vars", "--host h"),
    ),
    "ungrouped": Case(
        {
            "hosts.yml": """\
                ungrouped: {hosts: {u1: , u2: }, vars: {v: 1}}
                g: {hosts: {u2: }}
                all: {hosts: {u3: , u2: }}
                """,
            "group_vars/ungrouped.yml": "w: 1\n",
        },
    ),
    "extra variables": Case(
        {
            "hosts.yml": "all: {hosts: {h: {v: 1, w: 1}}}\n",
            "extra.yml": "w: from file\nx: [1, 2]\n",
            "host_vars/h.yml": "v: 2\n",
        },
        ("--list", "--host h"),
        extra=("v=3 s='two words' t=a=b", "@extra.yml", '{"y": {"z": [1, "q"]}}'),
    ),
    "vaulted values and files": Case(
        {
            "hosts.yml": "all: {hosts: {h: , k: }}\n",
            "group_vars/all.yml": "password: !vault |\n"
            + "".join(f"  {line}\n" for line in VAULTED.splitlines())
            + "list: [plain, {deep: 1}]\nnested:\n  - below: !vault |\n"
            + "".join(f"      {line}\n" for line in VAULTED.splitlines()),
            "host_vars/h.yml": VAULTED_ID,
            "password.txt": "pa55\n",
        },
        ("--list", "--host h", "--graph --vars"),
        vault="password.txt",
    ),
    "vaulted values without password": Case(
        {
            "hosts.yml": "all: {hosts: {h: }}\n",
            "group_vars/all.yml": "password: !vault |\n"
            + "".join(f"  {line}\n" for line in VAULTED.splitlines()),
        },
        ("--list", "--host h"),
    ),
    "json inventory": Case(
        {
            "hosts.json": json.dumps(
                {
                    "all": {
                        "children": {"g": {"hosts": {"h[1:2]": {"v": [1, 1.5, None, True]}}}},
                        "vars": {
                            "u": {"__ansible_unsafe": "{{ raw }}"},
                            "p": {"__ansible_vault": VAULTED},
                            "pairs": "\U0001f600 \\ud83d \\\U0001f600",
                        },
                    }
                }
            )
        },
        ("--list",),
        sources=("hosts.json",),
    ),
    "host list": Case(
        {"group_vars/all.yml": "v: 1\n", "hosts.yml": "g: {hosts: {h1: }}\n"},
        ("--list", "--graph"),
        sources=("h1,h2,10.0.0.1:22", "hosts.yml"),
    ),
    "host list of addresses and ranges": Case(
        {}, ("--list", "--graph"), sources=("fe80::1,[::1]:22,a.b:2022,h[1:3],h[1:3]:22, x ,",)
    ),
    "variables next to the working directory": Case(
        {
            "inv/hosts.yml": "g: {hosts: {h: }}\n",
            "inv/group_vars/g.yml": "v: inventory\nw: inventory\n",
            "group_vars/g.yml": "v: here\n",
            "host_vars/h.yml": "x: here\n",
        },
        ("--list", "--graph --vars", "--host h"),
        sources=("inv/hosts.yml",),
        playbook_dir=".",
    ),
    "variables next to a playbook": Case(
        {
            "inv/hosts.yml": "g: {hosts: {h: }, vars: {v: 0, x: 0}}\n",
            "inv/group_vars/all.yml": "v: inventory\nw: inventory\n",
            "plays/group_vars/all.yml": "v: plays\n",
            "plays/host_vars/h/a.yml": "x: plays\n",
        },
        ("--list", "--graph --vars", "--host h"),
        sources=("inv",),
        playbook_dir="plays",
    ),
    "what Ansible passes over": Case(
        {
            "hosts.yml": """\
                all:
                  host: {lost: }
                  childern: {lost: {hosts: {h9: }}}
                  children:
                    g: {hosts: {h: }, more: 1}
                    k: {hosts: {i: }}
                """,
            "more.yml": "g: [h8]\nnew: [h7]\nall: {children: {k: [h6]}}\n",
            "group_vars/g/a.yml": "segctl_conduits: {a: 1}\n",
            "group_vars/g/b.yml": "segctl_conduits: {b: 1}\n",
            "group_vars/g.yml": "segctl_site: lost\n",
            "group_vars/k.yaml": "segctl_site: lost\n",
            "group_vars/k.yml": "segctl_site: k\n",
        },
        ("--list", "--graph --vars", "--host h"),
        sources=("hosts.yml", "more.yml"),
    ),
    "localhost": Case(
        {"hosts.yml": "all: {vars: {v: 1}, hosts: {h: }}\n", "host_vars/localhost.yml": "w: 2\n"},
        ("--list", "--list --limit localhost"),
    ),
    "reserved names": Case(
        {
            "hosts.yml": """\
                all:
                  hosts:
                    h: {inventory_hostname: x, group_names: y, ansible_facts: {a: 1}, groups: 1}
                """,
        },
        ("--list", "--host h"),
    ),
    "hosts file that is YAML without extension": Case(
        {"hosts": "all:\n  hosts:\n    h1: {v: 1}\n"}, ("--list",), sources=("hosts",)
    ),
}


@pytest.fixture(scope="session")
def ansible() -> Iterator[Ansible]:
    worker = Path(__file__).with_name("ansible_worker.py")
    with subprocess.Popen(
        [sys.executable, str(worker)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(folder: Path, args: list[str]) -> str:
            print(json.dumps({"args": args, "cwd": str(folder)}), file=stdin, flush=True)
            answer = json.loads(stdout.readline())
            assert not answer["code"], answer["err"]
            return str(answer["out"])

        yield ask
        stdin.close()


def ours(case: Case, run: str) -> str:
    vault = None
    if case.vault:
        vault = VaultSecrets((("default", vault_password(Path(case.vault))),))
    inventory = read_inventory(
        case.sources,
        extra_vars=case.extra,
        vault=vault,
        playbook_dir=case.playbook_dir or None,
        as_ansible=True,
    )
    action, *rest = run.split()
    if action == "--list":
        return dump(list_json(inventory, rest[1] if rest else None))
    if action == "--host":
        return dump(host_json(inventory, rest[0]))
    groups = [word for word in rest if not word.startswith("-")]
    return graph_text(inventory, *groups, variables="--vars" in rest)


def written(files: Mapping[str, str], folder: Path) -> None:
    for file, text in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "run"), [(name, run) for name, case in CASES.items() for run in case.runs]
)
def test_prints_what_ansible_inventory_prints(
    name: str, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ansible: Ansible
) -> None:
    case = CASES[name]
    written(case.files, tmp_path)
    monkeypatch.chdir(tmp_path)
    args = run.split()
    args += [part for source in case.sources for part in ("-i", source)]
    args += [part for extra in case.extra for part in ("-e", extra)]
    args += ["--vault-password-file", case.vault] if case.vault else []
    args += ["--playbook-dir", case.playbook_dir] if case.playbook_dir else []

    assert ours(case, run) == ansible(tmp_path, args)


def test_links_that_lead_nowhere_are_passed_over_by_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ansible: Ansible
) -> None:
    files = {"inv/hosts.yml": "g: {hosts: {h: }}\n", "inv/group_vars/g/a.yml": "v: 1\n"}
    written(files, tmp_path)
    for name in ("more.yml", "group_vars/g/b.yml", "group_vars/all.yml", "host_vars"):
        (tmp_path / "inv" / name).symlink_to("/not/mounted")
    monkeypatch.chdir(tmp_path)
    case = Case(files, sources=("inv",))
    assert ours(case, "--list") == ansible(tmp_path, ["--list", "-i", "inv"])


def test_where_the_two_differ_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ansible: Ansible
) -> None:
    """Ansible lets the folder in which it is started decide; segctl does not.

    A firewall must get the same policy wherever the command is started, and nothing that somebody
    left in a folder may open it.
    """
    files = {
        "inv/hosts.yml": "g: {hosts: {h: }}\n",
        "inv/group_vars/g.yml": "v: inventory\n",
        "group_vars/g.yml": "v: here\n",
    }
    written(files, tmp_path)
    monkeypatch.chdir(tmp_path)
    theirs = json.loads(ansible(tmp_path, ["--host", "h", "-i", "inv"]))
    assert theirs == {"v": "here"}
    assert host_json(read_inventory(["inv"]), "h") == {"v": "inventory"}
    assert host_json(read_inventory(["inv"], playbook_dir="."), "h") == theirs


def test_where_the_two_differ_with_merged_dictionaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Ansible is told to merge, segctl still replaces, and warns."""
    files = {
        "hosts.yml": "g: {hosts: {h: }, vars: {d: {a: 1}}}\n",
        "group_vars/g.yml": "d: {b: 2}\n",
    }
    written(files, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANSIBLE_HASH_BEHAVIOUR", "merge")
    program = Path(sys.executable).with_name("ansible-inventory")
    done = subprocess.run(
        [program, "--host", "h", "-i", "hosts.yml"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"d": {"a": 1, "b": 2}}
    inventory = read_inventory(["hosts.yml"])
    assert host_json(inventory, "h") == {"d": {"b": 2}}
    assert [one.kind for one in inventory.surroundings] == ["hash-behaviour"]
