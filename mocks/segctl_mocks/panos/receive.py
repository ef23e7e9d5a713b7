"""What a firewall does with what a Panorama pushes: refuse it, check it, put it in effect.

Sources: vendor's documentation (a push is refused while somebody holds a lock of the firewall, no
commit is queued while one runs, it takes the candidate along unless told otherwise); texts of a
failed push recorded in the vendor's Ansible collection, PR 405.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lxml import etree

from segctl_mocks.panos import validate
from segctl_mocks.panos.answers import ApiError
from segctl_mocks.panos.check import Checker
from segctl_mocks.panos.effective import Effective, effective
from segctl_mocks.panos.jobs import Outcome
from segctl_mocks.panos.references import References, label_of
from segctl_mocks.panos.tree import path_of, serialize
from segctl_mocks.panos.units import top_entry

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Mapping

    from segctl_mocks.panos.device import PanosDevice
    from segctl_mocks.panos.jobs import Job
    from segctl_mocks.panos.pushed import Pushed
    from segctl_mocks.panos.tree import Element, Path, Tree

DONE = "Configuration committed successfully"
_VALID = "Configuration is valid"
_INVALID = "Validation Error:"
_END = "Commit failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one push brings a firewall; None: this part is left as it is.

    `stamps` are the sums by which Panorama tells later what the firewall has: of each virtual
    system by its name, of templates by ``template``. `contexts` are the numbers of device groups.
    Firewalls that share `verdicts` judge equal configurations once.
    """

    systems: Mapping[str, Element] | None = None
    shared: tuple[Element, ...] | None = None
    template: Element | None = None
    stamps: Mapping[str, str]
    contexts: Mapping[str, str]
    user: str
    description: str = ""
    merge: bool = True
    force: bool = False
    validate_only: bool = False
    warnings: tuple[str, ...] = ()
    verdicts: dict[Hashable, tuple[str, ...]] = field(
        default_factory=dict["Hashable", tuple[str, ...]]
    )


def receive(device: PanosDevice, delivery: Delivery, fails: tuple[str, ...] | None = None) -> Job:
    """Queue the job that puts a delivery in effect; with `fails` it ends with these lines.

    Raises:
        ApiError: the firewall takes nothing now.
    """
    device.jobs.settle()
    _refuse(device)

    def work() -> Outcome:
        if fails is not None:
            return Outcome(ok=False, details=fails)
        return _carry_out(device, delivery)

    kind = "Validate" if delivery.validate_only else "CommitAll"
    seconds = device.settings.job_seconds
    return device.jobs.submit(kind, delivery.user, delivery.description, seconds, work)


def _refuse(device: PanosDevice) -> None:
    if device.clock() < device.auto_commit_until:
        raise ApiError("", "Commit job was not queued since auto-commit not yet finished")
    if device.jobs.committing:
        raise ApiError("", "Another commit/validate is in progress. Please try again later")
    for lock in device.locks.held:
        if lock.kind == "commit":
            raise ApiError("", "Other administrators are holding device wide commit locks.")
        raise ApiError("", f"Configuration is locked by {lock.admin}")


def _carry_out(device: PanosDevice, delivery: Delivery) -> Outcome:
    pushed = device.pushed.after(delivery)
    own = device.candidate if delivery.merge else device.running
    own = own.clone()
    if delivery.force and pushed.template is not None:
        _give_way(own, pushed.template)
    lines = _problems(device, own, pushed, delivery)
    if lines:
        return Outcome(ok=False, details=lines)
    if delivery.validate_only:
        return Outcome(ok=True, details=(_VALID,), warnings=delivery.warnings)
    device.pushed = pushed
    device.adopt(own, whole=delivery.merge)
    device.remember(delivery.user, delivery.description)
    return Outcome(ok=True, details=(DONE,), warnings=delivery.warnings)


def _give_way(own: Tree, template: Element) -> None:
    """Take out the device's own values where a template has some (``force-template-values``)."""
    for node in template.iterdescendants(etree.Element):
        path = path_of(node)
        top = top_entry(path)
        if top == path or (top is None and not len(node)):
            mine = own.at(path)
            if mine is not None:
                own.detach(mine)


def _problems(
    device: PanosDevice, own: Tree, pushed: Pushed, delivery: Delivery
) -> tuple[str, ...]:
    """Return the lines that say why a firewall cannot have this; what was judged once is known."""
    gone = device.pushed.all_names() - pushed.all_names()
    changed = [change.path for change in device.journal.changes] if delivery.merge else []
    question = (
        tuple(serialize(child) for child in _judged(own)),
        pushed.parts,
        tuple(sorted(gone)),
        tuple(changed),
        device.settings.release,
        tuple(device.settings.limits.items()),
        device.predefined,
    )
    if question not in delivery.verdicts:
        delivery.verdicts[question] = _judge(device, effective(own, pushed), gone, changed)
    return delivery.verdicts[question]


def _judged(own: Tree) -> Iterator[Element]:
    """Yield what of a configuration a verdict depends on."""
    for child in own.root:
        if child.tag == "devices":
            for entry in child:
                yield from (part for part in entry if part.tag != "deviceconfig")
        elif child.tag != "mgt-config":
            yield child


def _judge(
    device: PanosDevice, found: Effective, gone: Collection[str], changed: Collection[Path]
) -> tuple[str, ...]:
    if found.clashes:
        return _clash(found)
    checker = Checker(
        References(found.tree, device.predefined), device.settings.release, device.settings.limits
    )
    lines = validate.of_elements(checker, found.brought)
    lines = lines or validate.problems(checker, changed) or _lost(checker, gone)
    return (_INVALID, *(f" {line}" for line in lines), _END) if lines else ()


def _clash(found: Effective) -> tuple[str, ...]:
    one = found.clashes[0]
    return (
        _INVALID,
        f" {one.kind} -> {one.name} '{one.name}' is already in use",
        f" {one.kind} is invalid",
        one.vsys,
        f"    Error: Duplicate {one.kind} name '{one.name}'",
        "(Module: device)",
        "client device phase 1 failure",
        _END,
    )


def _lost(checker: Checker, gone: Collection[str]) -> tuple[str, ...]:
    """Return the lines of the first place that names what Panorama takes away."""
    for name in sorted(gone):
        for leaf in checker.tree.slots(name):
            if not checker.references.still_resolves(leaf):
                label = label_of(path_of(leaf)[:-1])
                return (f"{label} '{name}' is not a valid reference", f"{label} is invalid")
    return ()
