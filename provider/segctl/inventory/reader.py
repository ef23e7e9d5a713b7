"""Inventory sources, in order, into one `Inventory`."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from segctl.inventory import files
from segctl.inventory.ansible import ask_ansible
from segctl.inventory.document import Document, parse
from segctl.inventory.extra import parse_extra
from segctl.inventory.groups import GroupsReader
from segctl.inventory.ini import IniReader
from segctl.inventory.model import Inventory, Layer, Silent, VarsFolder
from segctl.inventory.names import split_port
from segctl.inventory.surroundings import home, surroundings
from segctl.inventory.tree import LOCALHOST, Tree
from segctl.inventory.values import PREFIX, Items, Origins, Place, Variables
from segctl.model.errors import InventoryError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from segctl.inventory.vault import VaultSecrets

_IGNORED: Final = re.compile(
    r"^\.|^host_vars$|^group_vars$|^vars_plugins$"
    r"|(?:\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$"
)
_YAML: Final = (".yml", ".yaml", ".json")
_EXTENSIONS: Final = ("", *_YAML)
_LEADS_NOWHERE: Final = "put back what is missing (an unmounted disk?), or remove it"
#: Variables whose every name that begins so is read, and united by id.
_UNITED: Final = ("segctl_zones", "segctl_conduits")
_INI_START: Final = re.compile(r"\s*(?:[#;][^\n]*\n\s*)*\[[^\]\n]+\]\s*(?:#.*)?$", re.MULTILINE)


def read_inventory(
    sources: Sequence[Path | str],
    *,
    extra_vars: Sequence[str] = (),
    vault: VaultSecrets | None = None,
    playbook_dir: Path | str | None = None,
    as_ansible: bool = False,
    allow_programs: bool = False,
) -> Inventory:
    """Read all sources as ``ansible-inventory`` does, but for the current folder.

    Args:
        sources: files, folders, lists of hosts.
        extra_vars: the values of ``--extra-vars``.
        vault: what opens vaulted values and files.
        playbook_dir: where variables are also looked for; Ansible's own default is the current
            folder, here it is nowhere.
        as_ansible: go on where Ansible passes over something, and return that as `lost`.
        allow_programs: run sources that are programs or inventory plugins.

    Raises:
        InventoryError: with everything that is wrong in any file.

    """
    inventory, problems = survey_inventory(
        sources,
        extra_vars=extra_vars,
        vault=vault,
        playbook_dir=playbook_dir,
        allow_programs=allow_programs,
    )
    if problems or (inventory.lost and not as_ansible):
        raise InventoryError((*inventory.lost, *problems))
    return inventory


def survey_inventory(
    sources: Sequence[Path | str],
    *,
    extra_vars: Sequence[str] = (),
    vault: VaultSecrets | None = None,
    playbook_dir: Path | str | None = None,
    allow_programs: bool = False,
) -> tuple[Inventory, tuple[Problem, ...]]:
    """Return what of an inventory can be read, and everything that is wrong in any file.

    What `Inventory.lost` names is wrong too.
    """
    reader = _Reader(vault, allow_programs=allow_programs)
    for source in sources:
        reader.source(str(source))
    if not sources:
        hint = "name one with -i/--inventory"
        reader.problems.append(Problem(message="no inventory given", hint=hint))
    before = len(reader.problems)
    reader.attempt(reader.tree.reconcile)
    if len(reader.problems) > before:  # no group can be told from what is below it
        raise InventoryError((*dict.fromkeys(reader.lost), *reader.problems))
    homes = [home(str(source)) for source in sources]
    beside = reader.folders(homes)
    near = None if playbook_dir is None else str(playbook_dir) or "."
    adjacent = reader.folders([near])
    around = tuple(
        surroundings(
            (one for one in homes if one is not None), reader.files, near, reader.looked_through
        )
    )
    extra = reader.extra_layer(extra_vars)
    inventory = Inventory(
        groups=reader.tree.groups,
        hosts=reader.tree.hosts,
        depths=reader.tree.depths(),
        beside=beside,
        adjacent=adjacent,
        extra=extra,
        files=tuple(reader.files),
        unread=tuple(reader.unread),
        surroundings=around,
        lost=tuple(dict.fromkeys(reader.lost)),
        silent=tuple(reader.silent),
        places=reader.places,
        vault=vault,
    )
    return inventory, tuple(reader.problems)


class _Reader:
    """Reads files into one tree; collects problems and carries on."""

    def __init__(self, vault: VaultSecrets | None, *, allow_programs: bool) -> None:
        self.tree = Tree()
        self.files: dict[str, None] = {}
        self.looked_through: dict[str, None] = {}
        self.places: dict[int, Items] = {}
        self.problems: list[Problem] = []
        self.unread: list[Problem] = []
        self.silent: list[Silent] = []
        self.lost: list[Problem] = []  # what Ansible passes over
        self._vault = vault
        self._allow_programs = allow_programs
        self._sources: list[str] = []
        self._folders: dict[str, VarsFolder] = {}
        self._declares: set[str] = set()

    def attempt(self, action: Callable[[], None]) -> None:
        """Run `action`; what it raises becomes a problem."""
        try:
            action()
        except InventoryError as error:
            self.problems.extend(error.problems)
        except (ValueError, RecursionError) as error:
            self.problems.append(Problem(message=str(error)))

    # Sources

    def source(self, path: str, above: frozenset[tuple[int, int]] = frozenset()) -> None:
        """Read one source: a folder of sources, a file, or a list of hosts with commas."""
        if files.is_folder(path):
            self.attempt(partial(self._sources_in, path, above))
        elif files.exists(path):
            self.attempt(lambda: self._file(path))
        elif "," in path:
            self.attempt(lambda: self._host_list(path))
        else:
            hint = "give the inventory with -i/--inventory (default: inventory/)"
            self._problem(path, "no such inventory file or folder", hint)

    def _sources_in(self, path: str, above: frozenset[tuple[int, int]]) -> None:
        """Read the sources in a folder; `above` are the folders it lies in."""
        folder, inside = self._entered(path, above)
        if folder is None:
            return
        self._lose_unusable(folder, lambda name: not _IGNORED.search(name))
        wanted = [name for name in sorted(folder.entries) if not _IGNORED.search(name)]
        for name in wanted:
            self.source(files.join(path.rstrip("/") or path, name), inside)
        if not wanted:
            self._problem(path, "the inventory folder is empty", "add hosts.yml")

    def _entered(
        self, path: str, above: frozenset[tuple[int, int]]
    ) -> tuple[files.Folder | None, frozenset[tuple[int, int]]]:
        """Return a folder, unless it is one that it lies in, and the folders its content is in."""
        one = files.identity(path)
        if one in above:
            message = "is a symbolic link that leads back to a folder it lies in"
            self._lose(path, message, "remove it")
            return None, above
        return self._listed(path), above | {one}

    def _listed(self, path: str) -> files.Folder | None:
        """Return what a folder holds, or None where there is none; note one that is closed."""
        try:
            found = files.list_folder(path)
        except InventoryError as error:
            self.problems.extend(error.problems)
            found = files.Folder(path, {}, {})
        if found is not None:
            self.looked_through[path] = None
        return found

    def _host_list(self, text: str) -> None:
        for part in text.split(","):
            if name := part.strip():
                host, port = split_port(name) or (name, None)
                # a range is a name here, and no address that a port could follow
                host, port = (name, None) if "[" in host else (host, port)
                if host not in self.tree.hosts:
                    self.tree.add_host(host, "ungrouped", port)

    def _file(self, path: str) -> None:
        self.files[path] = None
        extension = files.extension(path)
        if extension == ".toml" or files.is_program(path):
            self._ask_ansible(path)
            return
        text = files.read_text(path, self._vault)
        if (extension and extension not in _YAML) or _INI_START.match(text):
            self._ini(path, text)
            return
        document = self._parse(path, text, places=True)
        data = document.value
        if isinstance(data, dict):
            self._yaml(path, cast("dict[object, object]", data), document)
        elif document.problems and extension:
            self.problems.extend(document.problems)
        elif extension and data is not None:
            self._problem(
                path,
                f"a YAML inventory is a mapping of groups, not {type(data).__name__}",
                "begin with `all:` and `hosts:` below it",
            )
        else:
            self._ini(path, text)
            return
        self._sources.append(path)

    def _ini(self, path: str, text: str) -> None:
        if text.startswith("\ufeff"):
            hint = "save the file without byte order mark"
            self._problem(path, "begins with a byte order mark", hint)
            return
        reader = IniReader(self.tree, path)
        reader.read(text)
        self.problems.extend(reader.problems)
        self._sources.append(path)

    def _yaml(self, path: str, data: Mapping[object, object], document: Document) -> None:
        if data.get("plugin"):
            self._ask_ansible(path)
            return
        self.problems.extend(document.problems)
        reader = GroupsReader(self.tree, path, document.places)
        reader.read(data)
        self.problems.extend(reader.problems)
        self.lost.extend(reader.lost)

    def _ask_ansible(self, path: str) -> None:
        """Take over what Ansible makes of this source on top of those before it."""
        self._sources.append(path)
        text = ask_ansible(self._sources, path, allow_programs=self._allow_programs)
        data = cast("dict[str, dict[str, object]]", parse(text, path).value)
        meta = cast("dict[str, dict[str, dict[str, object]]]", data.pop("_meta", {}))
        place = Place(path)
        for name, group in data.items():
            self.tree.add_group(name)
            self._set(name, cast("Mapping[str, object]", group.get("vars", {})), place)
        for name, group in data.items():
            for host in cast("list[str]", group.get("hosts", [])):
                self.tree.add_host(host, name)
            for child in cast("list[str]", group.get("children", [])):
                self.tree.add_group(child)
                self.tree.add_child(name, child)
        for host, variables in meta.get("hostvars", {}).items():
            self._set(host, variables, place)

    def _set(self, entity: str, variables: Mapping[str, object], place: Place) -> None:
        owner = self.tree.groups.get(entity) or self.tree.hosts[entity]
        for name, value in variables.items():
            if name not in owner.variables or owner.variables[name] != value:
                self.tree.set_variable(entity, name, value, place)

    # Variable files

    def folders(self, paths: Iterable[str | None]) -> tuple[VarsFolder, ...]:
        """Read ``group_vars`` and ``host_vars`` of each folder, the last mention counting."""
        unique = dict.fromkeys(path for path in reversed(list(paths)) if path is not None)
        return tuple(self._folder(path) for path in reversed(unique))

    def _folder(self, path: str) -> VarsFolder:
        key = files.absolute(path)
        if key not in self._folders:
            self._folders[key] = self._read_folder("" if path == "." else path)
        return self._folders[key]

    def _read_folder(self, path: str) -> VarsFolder:
        return VarsFolder(
            self._layers(files.join(path, "group_vars"), self.tree.groups),
            self._layers(files.join(path, "host_vars"), (*self.tree.hosts, *LOCALHOST)),
        )

    def _layers(self, path: str, names: Collection[str]) -> dict[str, Layer]:
        layers: dict[str, Layer] = {}
        folder = self._listed(path)
        if folder is None:
            if reason := files.dangling(path):
                self._lose(path, reason, _LEADS_NOWHERE)
            elif files.exists(path):
                self._lose(path, "is not a folder", "rename it, or make it a folder")
            return layers
        self._lose_unusable(folder, _may_hold_variables)
        if not folder.entries:
            return layers
        for name in names:
            found = self._find(folder, name)
            if found:
                layers[name] = self._layer(found, name)
        if self._all_read(folder.path.rpartition("/")[0]):
            self._warn_of_unread(folder, names)
        return layers

    def _all_read(self, path: str) -> bool:
        """Whether every inventory file of a folder was given: else others may own what we miss."""
        folder = files.list_folder(path or ".")
        return folder is None or all(
            is_folder or _IGNORED.search(name) or files.join(path, name) in self.files
            for name, is_folder in folder.entries.items()
            if files.extension(name) in _YAML
        )

    def _warn_of_unread(self, folder: files.Folder, names: Collection[str]) -> None:
        """Note variable files that hold segctl variables and belong to nothing."""
        known = {name + extension for name in names for extension in _EXTENSIONS}
        for entry in sorted(folder.entries.keys() - known):
            extension = files.extension(entry)
            name = entry.removesuffix(extension)
            if name.startswith(".") or entry.endswith("~") or extension not in _EXTENSIONS:
                continue
            path = f"{folder.path}/{entry}"
            paths = self._inside(path) if folder.entries[entry] else [path]
            for one in paths:
                if not files.is_readable(one):
                    self._lose(one, "cannot be read: permission denied", "chmod it, or remove it")
            if any(PREFIX in files.peek(one) for one in paths):
                close = get_close_matches(name, list(names), n=1)
                problem = Problem(
                    message=f"is not read: there is no group or host {name!r}",
                    file=path,
                    hint=f"did you mean {close[0]}?" if close else "rename or remove it",
                    severity="warning",
                    kind="unread-file",
                    subject=name,
                )
                self.unread.append(problem)
                self.silent.append(Silent(problem=problem, text="\n".join(map(files.peek, paths))))

    def _find(self, folder: files.Folder, name: str) -> list[str]:
        """Return the variable files of one group or host, in the order they apply."""
        if name.startswith("/"):
            return []
        if "/" in name or name in {".", ".."}:
            parent, _, last = files.join(folder.path, name).rpartition("/")
            inner = files.list_folder(parent)
            return self._find(inner, last) if inner and last not in {"", ".", ".."} else []
        held = [name + end for end in _EXTENSIONS if name + end in folder.entries]
        if not held:
            return []
        path = f"{folder.path}/{held[0]}"
        for other in held[1:]:
            self._lose_shadowed(f"{folder.path}/{other}", path)
        return self._inside(path) if folder.entries[held[0]] else [path]

    def _lose_shadowed(self, path: str, first: str) -> None:
        """Note a variable file that another one of its group or host keeps from being read."""
        if files.is_folder(path) or files.may_hold(path, PREFIX):
            self._lose(
                path, f"is not read: {first} is, and only one of the two", "keep one of them"
            )

    def _inside(self, path: str, above: frozenset[tuple[int, int]] = frozenset()) -> list[str]:
        """Return the variable files in a folder and the folders below, sorted."""
        folder, inside = self._entered(path, above)
        if folder is None:
            return []
        self._lose_unusable(folder, _may_hold_variables)
        found: list[str] = []
        for name in sorted(filter(_may_hold_variables, folder.entries)):
            full = f"{path}/{name}"
            if not folder.entries[name]:
                found.append(full)
            elif not files.extension(name):
                found += self._inside(full, inside)
        return found

    def _layer(self, paths: Sequence[str], owner: str) -> Layer:
        layer = Layer()
        for path in paths:
            before = len(self.problems)
            self.attempt(partial(self._read_beside, layer, path))
            if path in self._declares:
                continue
            empty = Problem(message="is empty: it declares nothing", file=path)
            text, (problem, *_) = files.peek(path), (*self.problems[before:], empty)
            if problem is not empty or not text.strip():
                self.silent.append(Silent(problem=problem, text=text, owner=owner))
        return layer

    def _read_beside(self, layer: Layer, path: str) -> None:
        """Read one of the files of a group or host: none of them replaces another's variable."""
        found = self._variables(path)
        for name in found.origins.keys() & layer.origins.keys():
            self._lose_replaced(name, layer.origins[name], found.origins[name])
        found.onto(layer)

    def _lose_replaced(self, name: str, first: Place, second: Place) -> None:
        base = next((one for one in _UNITED if name.startswith(one)), "")
        hint = "keep one of the two"
        if base:
            stem = re.sub(r"\W", "_", files.stem(second.file))
            hint = f"call this one {base}_{stem}: every {base}_NAME is read"
        self.lost.append(
            Problem(
                message=f"replaces what {first.file}:{first.line} sets: two files of one folder "
                "set the same variable, and only the last would count",
                file=second.file,
                line=second.line,
                column=second.column,
                path=name,
                hint=hint,
            )
        )

    def _read_onto(self, layer: Layer, path: str) -> None:
        self._variables(path).onto(layer)

    def _variables(self, path: str) -> Layer:
        self.files[path] = None
        document = self._parse(path, files.read_text(path, self._vault))
        self.problems.extend(document.problems)
        data = document.value
        if not data:
            return Layer()
        if not isinstance(data, dict):
            hint = "write `name: value` lines"
            self._problem(path, "a variable file must be a mapping", hint)
            return Layer()
        variables = cast("Variables", data)
        self._declares.add(path)
        return Layer(variables, _origins(variables, document, path))

    def extra_layer(self, options: Sequence[str]) -> Layer:
        """Read ``--extra-vars``."""
        layer = Layer()
        for option in options:
            self.attempt(partial(self._extra_onto, layer, option))
        return layer

    def _extra_onto(self, layer: Layer, option: str) -> None:
        if option.startswith("@"):
            self._read_onto(layer, files.expand_home(option[1:]))
        else:
            parse_extra(option).onto(layer)

    def _parse(self, path: str, text: str, *, places: bool = False) -> Document:
        own = PREFIX in text
        document = parse(text, path, places=places or own)
        if own:
            self.places.update(document.places)
        return document

    def _problem(self, path: str, message: str, hint: str) -> None:
        self.problems.append(Problem(message=message, file=path, hint=hint))

    def _lose(self, path: str, message: str, hint: str) -> None:
        self.lost.append(Problem(message=message, file=path, hint=hint))

    def _lose_unusable(self, folder: files.Folder, is_read: Callable[[str], bool]) -> None:
        for name in sorted(filter(is_read, folder.unusable)):
            self._lose(files.join(folder.path, name), folder.unusable[name], _LEADS_NOWHERE)


def _may_hold_variables(name: str) -> bool:
    """Tell whether Ansible looks into an entry of this name for variables."""
    if name.startswith(".") or name.endswith("~"):
        return False
    return files.extension(name) in _EXTENSIONS


def _origins(variables: Mapping[str, object], document: Document, path: str) -> Origins:
    if not document.places:
        own = [name for name in variables if str(name).startswith(PREFIX)]
        return dict.fromkeys(own, Place(path))
    places = document.places.get(id(variables), {})
    return {
        name: places.get(name, Place(path))
        for name in variables
        if type(name) is str and name.startswith(PREFIX)
    }
