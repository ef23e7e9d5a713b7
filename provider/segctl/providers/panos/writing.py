"""Writing to the candidate: steps as requests, saved copies, validation, and discarding."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from segctl.providers.panos import answers
from segctl.providers.panos.location import Location
from segctl.providers.panos.wire import MAX_REQUEST, xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from segctl.providers.panos.client import Client
    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.jobs import Jobs
    from segctl.transports.target import Target

_SAVED_NAME: Final = "segctl-before"
_LONGEST_NAME: Final = 32
#: multi-config is on by default from PAN-OS 10.1 (pan.dev, multi-configuration API).
MULTI_CONFIG_SINCE: Final = (10, 1)


def saved_name(place: Location) -> str:
    """Return the name of the configuration saved before a push; the next push overwrites it.

    Runs on several device groups of one Panorama may go on at once, so each has its own. One whose
    name does not fit is told by a digest. Source: the reference of operational commands, ``save
    config to``: at most 32 letters, digits, ``.``, ``_`` and ``-``.
    """
    if not place.rulebase:
        return f"{_SAVED_NAME}.xml"
    room = _LONGEST_NAME - len(f"{_SAVED_NAME}-.xml")
    told = re.sub(r"[^0-9A-Za-z._-]", "_", place.name)
    if told != place.name or len(told) > room:
        digest = hashlib.sha256(place.name.encode()).hexdigest()[:6]
        told = f"{told[: room - len(digest) - 1]}-{digest}"
    return f"{_SAVED_NAME}-{told}.xml"


@dataclass(slots=True, kw_only=True)
class Writer:
    """Changes the candidate configuration of one device; `version` is its PAN-OS."""

    client: Client
    target: Target
    jobs: Jobs
    progress: Callable[[str], None]
    version: str = ""

    def save(self) -> None:
        """Save the configuration on the device, for going back and for people."""
        name = saved_name(Location.of(self.target.scope))
        self.client.op(f"<save><config><to>{name}</to></config></save>")

    def discard(self, deadline: float) -> None:
        """Discard this account's uncommitted changes; on Panorama only those in our device group.

        Source: vendor's command line: ``revert config partial`` has the parts of ``commit
        partial``.

        Raises:
            BusyError: jobs on the device prevented it until `deadline`.
        """
        command = f"<revert><config>{self._partial}</config></revert>"
        self.jobs.patiently(lambda: self.client.op(command), deadline)

    def write(self, steps: Sequence[Element]) -> None:
        """Write steps to the candidate.

        Raises:
            DeviceError: the device refuses a step, which the message names.
        """
        total, done = len(steps), 0
        for batch in batches(steps, multi=self._multi):
            self.progress(f"writing {done}/{total}")
            params = self._request(batch)
            self.jobs.patiently(lambda: self._send(params, batch), self.jobs.deadline())  # noqa: B023 - called at once
            done += len(batch)

    def validate(self) -> None:
        """Have the device check this account's changes.

        Raises:
            ApplyError: they are not valid.
        """
        self.progress("validating")
        command = f"<validate>{self._partial}</validate>"
        deadline = self.jobs.deadline()
        answer = self.jobs.patiently(lambda: self.client.op(command), deadline)
        job = answer.findtext("result/job")
        if job:
            self.jobs.wait(job, "Validate", deadline)

    @property
    def _partial(self) -> str:
        """What of the candidate is ours: this account's changes, on Panorama in our group."""
        place = Location.of(self.target.scope)
        group = f"<device-group><member>{place.name}</member></device-group>"
        return (
            f"<partial><admin><member>{self.target.user}</member></admin>"
            f"{group if place.rulebase else ''}</partial>"
        )

    @property
    def _multi(self) -> bool:
        numbers = tuple(int(part) for part in re.findall(r"\d+", self.version)[:2])
        return numbers >= MULTI_CONFIG_SINCE

    def _request(self, batch: Sequence[Element]) -> dict[str, str]:
        if self._multi:
            return {"type": "config", "action": "multi-config", "element": multi_config(batch)}
        (step,) = batch
        params = {"type": "config", "action": str(step.tag)}
        params |= {str(key): str(value) for key, value in step.attrib.items()}
        if len(step):
            params["element"] = "".join(text_of(child) for child in step)
        return params

    def _send(self, params: dict[str, str], batch: Sequence[Element]) -> None:
        root = xml(self.target, self.client.ask(params).body)
        if answers.is_success(root):
            return
        failed = next(
            (one for one in root.iter("response") if one.get("id") and not answers.is_success(one)),
            None,
        )
        where = ""
        if failed is not None:
            step = batch[int(failed.get("id", "1")) - 1]
            where = f" at step {step.tag} {step.get('xpath', '')}"
        raise answers.refusal(
            self.target.name,
            root if failed is None else failed,
            doing=f"refuses the change{where}: ",
        )


def batches(steps: Sequence[Element], *, multi: bool) -> Iterator[Sequence[Element]]:
    """Split steps into requests."""
    if not multi:
        yield from ([step] for step in steps)
        return
    batch: list[Element] = []
    size = 0
    for step in steps:
        length = _encoded_length(text_of(step)) + 64
        if batch and size + length > MAX_REQUEST:
            yield batch
            batch, size = [], 0
        batch.append(step)
        size += length
    if batch:
        yield batch


def _encoded_length(text: str) -> int:
    """Return the length of `text` in a form body, where special characters take three bytes."""
    plain = len(re.findall(r"[A-Za-z0-9_.\- ~]", text))
    return plain + 3 * (len(text.encode()) - plain)


def multi_config(batch: Sequence[Element]) -> str:
    """Return steps as a multi-config request, numbered from 1."""
    root = etree.Element("multi-config")
    for number, step in enumerate(batch, 1):
        root.append(step)
        step.set("id", str(number))
    return text_of(root)


def text_of(element: Element) -> str:
    """Return an element as XML."""
    return etree.tostring(element, encoding="unicode", with_tail=False)
