"""Requests of type=config: reading both configurations, changing the candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from segctl_mocks.panos import schema, xpath
from segctl_mocks.panos.answers import (
    SUCCEEDED,
    Answer,
    ApiError,
    invalid,
    malformed,
    result,
    unauthorized,
)
from segctl_mocks.panos.check import InvalidError
from segctl_mocks.panos.configlog import places
from segctl_mocks.panos.edits import Editor
from segctl_mocks.panos.locks import SHARED, Lock
from segctl_mocks.panos.references import DEVICE, lock_scope
from segctl_mocks.panos.tree import (
    Element,
    MalformedError,
    key_of,
    parse,
    parse_fragment,
    path_of,
    serialize,
    tag_of,
    text_of,
)
from segctl_mocks.panos.units import CREATE, EDIT, RENAME, Touch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segctl_mocks.panos.appliance import Device
    from segctl_mocks.panos.tree import Tree

CHANGES = frozenset(
    {"set", "edit", "delete", "rename", "move", "clone", "override", "multi-move", "multi-clone"}
)
_KNOWN = sorted(CHANGES | {"get", "show", "complete", "multi-config"})
_AUTO_LOCK = (
    *DEVICE,
    ("deviceconfig", ""),
    ("setting", ""),
    ("management", ""),
    ("auto-acquire-commit-lock", ""),
)
_BIG = 1_000_000


class Configurator:
    """Answers type=config requests of one device."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._cached: dict[str, tuple[tuple[Tree, int, int], bytes]] = {}

    def handle(self, params: Mapping[str, str], admin: str) -> Answer:
        """Answer one request."""
        action = params.get("action", "")
        match action:
            case "get":
                return self._get(params.get("xpath", ""))
            case "show":
                return self._show(params.get("xpath", ""))
            case "complete":
                return self._complete(params.get("xpath", ""))
            case "multi-config":
                return self._multi(params, admin)
            case _ if action in CHANGES:
                return self.change(action, params, admin)
            case _:
                names = ", ".join(_KNOWN)
                raise ApiError("17", f"Illegal value for parameter action. Permitted: {names}")

    # -- reading ------------------------------------------------------------------

    def _get(self, path: str) -> Answer:
        """Read the candidate: code 19 with a count, or 7 for nothing (vendor API guide)."""
        if not path:
            return result("", code="7")
        if path.split("/")[:2] != ["", "config"]:
            raise unauthorized()
        view = self.device.shown()
        state = (view, self.device.candidate.generation, self.device.journal.generation)
        cached = self._cached.get(path)
        if cached is not None and cached[0] == state:
            return Answer(cached[1])
        nodes = self._find(path)
        if not nodes:
            return result("", code="7")
        body = b"".join(self._shown(node) for node in nodes)
        head = (
            f'<response status="success" code="19">'
            f'<result total-count="{len(nodes)}" count="{len(nodes)}">'
        )
        answer = head.encode() + body + b"</result></response>"
        if len(answer) > _BIG:
            self._cached = {path: (state, answer)}
        return Answer(answer)

    def _find(self, path: str) -> list[Element]:
        if path.startswith("/config/predefined"):
            return xpath.select(self.device.predefined, path)
        found = xpath.select(self.device.shown(), path)
        return found or xpath.select(self.device.besides(path), path)

    def _shown(self, node: Element) -> bytes:
        if node.getroottree().getroot() is not self.device.shown().root:
            return serialize(node)
        if not self.device.journal.changes:
            return serialize(node)
        return serialize(self.device.journal.marked(node, path_of(node)))

    def _show(self, path: str) -> Answer:
        """Read the running configuration: no code, no count; all of it without an xpath (guide)."""
        if not path:
            return result(serialize(self.device.running.root))
        absolute = path if path.startswith("/") else f"/config/{path}"
        if absolute.split("/")[:2] != ["", "config"]:
            raise unauthorized()
        nodes = xpath.select(self.device.running, absolute)
        if len(nodes) != 1:
            raise ApiError("", "No such node")
        return result(serialize(nodes[0]))

    def _complete(self, path: str) -> Answer:
        """List what may stand at a path (observed on PAN-OS 11.x)."""
        steps = xpath.parse(path)
        node = schema.load() if steps else None
        for step in (steps or ())[1:]:
            node = node.child(step.tag) if node is not None else None
        if node is None:
            raise ApiError("6", "Invalid sequence")
        values = list(node.enum)
        for container in xpath.select(self.device.running, path.removesuffix("/entry")):
            values.extend(self.device.running.entries(container))
        completions = "".join(
            f"<completion value={quoteattr(value)} "
            f"vxpath={quoteattr(f'{path}/entry[@name={value!r}]')} help-string={quoteattr(value)}/>"
            for value in values
        )
        text = (
            '<response status="success" code="19">'
            f"<completions>{completions}</completions></response>"
        )
        return Answer(text.encode())

    # -- changing -----------------------------------------------------------------

    def change(
        self, action: str, args: Mapping[str, str], admin: str, *, overriding: bool = False
    ) -> Answer:
        """Carry out one change, or refuse it and leave the candidate as it was.

        One that is `overriding` may also change what the device has from a template.
        """
        try:
            with self.device.candidate.transaction():
                if not overriding:
                    self._refuse_foreign(action, args)
                touched, answer = self._apply(action, args, admin)
        except ApiError:
            self._log(action, args, admin, [], outcome="Failed")
            raise
        self._note(admin, touched)
        self._log(action, args, admin, touched)
        return answer

    def _log(
        self,
        action: str,
        args: Mapping[str, str],
        admin: str,
        touched: Sequence[Touch],
        *,
        outcome: str = "Succeeded",
    ) -> None:
        where = places(action, args, touched)
        self.device.log.add(action, admin, self.device.now(), where, outcome=outcome)

    def _note(self, admin: str, touched: Sequence[Touch]) -> None:
        if not touched:
            return
        self.device.journal.add(admin, self.device.now(), touched)
        wanted = text_of(self.device.candidate.at(_AUTO_LOCK)) == "yes"
        held = any(lock.kind == "commit" for lock in self.device.locks.held)
        if wanted and not held:
            self.device.locks.take(Lock("commit", SHARED, admin, self.device.now()))

    def _apply(
        self, action: str, args: Mapping[str, str], admin: str, nodes: list[Element] | None = None
    ) -> tuple[list[Touch], Answer]:
        editor = Editor(self.device.references)
        path = args.get("xpath", "")
        if nodes is None and action in {"set", "edit", "override", "multi-move", "multi-clone"}:
            nodes = _fragment(args.get("element", ""))
        nodes = nodes or []
        answer = Answer(SUCCEEDED)
        match action:
            case "set":
                touched = editor.set(path, nodes)
            case "edit":
                touched = editor.edit(path, nodes)
            case "delete":
                touched = editor.delete(path)
                answer = answer if touched else _nothing_deleted()
            case "rename":
                touched = editor.rename(path, args.get("newname", ""))
            case "move":
                touched = editor.move(path, args.get("where", ""), args.get("dst", ""))
            case "clone":
                newname = args.get("newname", "")
                touched = editor.clone(path, args.get("from", ""), newname)
                text = f'<response status="success" code="20" name={quoteattr(newname)}/>'
                answer = Answer(text.encode())
            case "multi-clone" | "multi-move":
                touched, answer = self._several(editor, action, path, nodes)
            case _:
                place = xpath.place(path)
                touched = [each for node in nodes for each in self.device.override(place, node)]
        self._check(touched, admin)
        return [*touched, *self.device.follow(touched)], answer

    def _refuse_foreign(
        self, action: str, args: Mapping[str, str], nodes: Sequence[Element] | None = None
    ) -> None:
        skipped = action in {"clone", "override", "multi-move", "multi-clone"}
        if skipped or not self.device.has_foreign:
            return
        place = xpath.place(args.get("xpath", ""))
        self.device.refuse_foreign(action, place)
        if action == "set":
            for node in _fragment(args.get("element", "")) if nodes is None else nodes:
                self.device.refuse_foreign(action, (*place, key_of(node)))

    def _check(self, touched: Sequence[Touch], admin: str) -> None:
        checker = self.device.checker
        self._limit_vsys()
        for touch in touched:
            self.device.locks.refuse_edit(admin, lock_scope(touch.path))
            if touch.action not in {CREATE, EDIT, RENAME}:
                continue
            element = self.device.candidate.at(touch.path)
            if element is None or not touch.path:
                continue
            try:
                checker.check(element)
            except InvalidError as error:
                raise invalid(error.lines) from error

    def _limit_vsys(self) -> None:
        container = self.device.candidate.at((*DEVICE, ("vsys", "")))
        count = 0 if container is None else len(self.device.candidate.entries(container))
        if count > 1 and count > self.device.max_vsys:
            raise invalid(["vsys Maximum number of virtual systems reached", "vsys is invalid"])

    def _several(
        self, editor: Editor, action: str, path: str, nodes: Sequence[Element]
    ) -> tuple[list[Touch], Answer]:
        """Move or clone entries of other containers (vendor API guide)."""
        touched: list[Touch] = []
        names: list[str] = []
        for source in (each for node in nodes for each in node.iter("source")):
            container = source.get("xpath") or ""
            for member in source.iter("member"):
                name = text_of(member)
                new = name if action == "multi-move" else f"{name}-1"
                original = f"{container}/entry[@name='{name}']"
                touched.extend(editor.clone(path, original, new))
                names.append(f"<member>{new}</member>")
                if action == "multi-move":
                    touched.extend(editor.delete(original))
        text = f'<response status="success" to={quoteattr(path)}>{"".join(names)}</response>'
        return touched, Answer(text.encode())

    # -- one transaction ----------------------------------------------------------

    def _multi(self, params: Mapping[str, str], admin: str) -> Answer:
        """Carry out several changes, all or none (vendor documentation, pango)."""
        try:
            root = parse(params.get("element", "").encode())
        except MalformedError as error:
            raise malformed() from error
        if params.get("strict-transactional") == "yes":
            if self.device.jobs.committing:
                raise ApiError("13", "A commit is pending or in progress.")
            self.device.committer.revert([admin])
        responses: list[str] = []
        touched: list[Touch] = []
        lines: list[tuple[str, Mapping[str, str], list[Touch]]] = []
        try:
            with self.device.candidate.transaction():
                for child in list(root):
                    done = self._one_of_many(child, admin, responses)
                    lines.append((tag_of(child), _arguments(child), done))
                    touched.extend(done)
        except ApiError:
            inner = "".join(responses)
            return Answer(f'<response status="error">{inner}</response>'.encode())
        self._note(admin, touched)
        for action, args, done in lines:
            self._log(action, args, admin, done)
        inner = "".join(responses)
        return Answer(f'<response status="success" code="20">{inner}</response>'.encode())

    def _one_of_many(self, child: Element, admin: str, responses: list[str]) -> list[Touch]:
        action = tag_of(child)
        args = _arguments(child)
        mark = f" id={quoteattr(args['id'])}" if "id" in args else ""
        try:
            if action not in CHANGES:
                raise ApiError("17", f"{action} is unexpected here")  # noqa: TRY301 - answered below like any other
            nodes = list(child)
            for node in nodes:
                child.remove(node)
            self._refuse_foreign(action, args, nodes)
            touched, _ = self._apply(action, args, admin, nodes)
        except ApiError as error:
            code = f' code="{error.code}"' if error.code else ""
            responses.append(f'<response status="error"{code}{mark}>{error.inner()}</response>')
            raise
        code = "20" if touched or action != "delete" else "7"
        text = "command succeeded" if touched or action != "delete" else _MISSING
        responses.append(
            f'<response status="success" code="{code}"{mark}><msg>{text}</msg></response>'
        )
        return touched


def _arguments(child: Element) -> dict[str, str]:
    return {str(name): str(value) for name, value in child.attrib.items()}


_MISSING = "Object doesn't exist"


def _nothing_deleted() -> Answer:
    """A delete of nothing succeeds with code 7 (observed on PAN-OS 11.x)."""
    text = f'<response status="success" code="7"><msg>{_MISSING}</msg></response>'
    return Answer(text.encode())


def _fragment(text: str) -> list[Element]:
    try:
        return parse_fragment(text)
    except MalformedError as error:
        raise malformed() from error
