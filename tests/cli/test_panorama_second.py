"""A second administrator works on the same Panorama with pan-os-python, unmodified.

The threads that this replays: pan-os-ansible#628 and #642 (a change of ours commits somebody's
pending rule), ansible-pan#461 (commit of one's own changes only), pan-os-ansible#400 (a push that
carries nothing), pan-os-python#332 (a push without templates that pushes them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from panos import objects, policies
from panos.panorama import DeviceGroup, Panorama, PanoramaCommit, PanoramaCommitAll

from segctl.cli import run
from support.panorama import SERIALS, system, templates, zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.panorama import Plant

#: In this group there is no firewall of ours.
ELSEWHERE = "office"


@pytest.fixture
def segctl(
    behind: Plant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Return what runs a command on the plant, in this process, and returns what it printed."""
    monkeypatch.chdir(behind.mocks.folder)

    def act(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        done = run(["-i", "hosts.yml", *words])
        told = capsys.readouterr()
        assert done == code, told.out + told.err
        return told.out + told.err

    return act


@pytest.fixture
def other(behind: Plant) -> Any:
    """The second administrator's Panorama, with both device groups."""
    mock = behind.mocks.panorama
    device: Any = Panorama(mock.host, "other", "pw", port=mock.port)
    device.refresh_system_info()
    office = device.add(DeviceGroup(ELSEWHERE))
    office.create()
    device.add(DeviceGroup("OT"))
    committed(device, ELSEWHERE)
    return device


def committed(device: Any, group: str) -> None:
    """Commit what that administrator changed in a group."""
    done = device.commit(
        sync=True, cmd=PanoramaCommit(admins=["other"], device_groups=[group]), exception=True
    )
    assert done is None or done["success"], done


def rule(device: Any, group: str, name: str) -> Any:
    """Create a rule that allows something, in the candidate."""
    base = device.find(group, DeviceGroup).add(policies.PostRulebase())
    made = base.add(
        policies.SecurityRule(
            name, ["SUPV"], ["CELL1"], ["192.0.2.7"], target=[SERIALS["fw1"]], action="allow"
        )
    )
    made.create()
    return made


def test_what_is_pending_in_another_group_is_neither_committed_nor_pushed_nor_lost(
    segctl: Callable[..., str], other: Any, behind: Plant
) -> None:
    mock = behind.mocks.panorama
    rule(other, ELSEWHERE, "theirs")
    other.find(ELSEWHERE, DeviceGroup).add(objects.AddressObject("pc", "192.0.2.9")).create()
    segctl("apply", "--auto-approve")
    assert b'"theirs"' not in mock.running()
    assert b'"pc"' not in mock.running()
    assert b'"theirs"' in mock.config()
    assert "plant.poll-1.modbus" in behind.mocks.pushed("fw1")
    committed(other, ELSEWHERE)
    assert b'"theirs"' in mock.running()
    assert "No changes" in segctl("plan")


def test_what_is_pending_in_the_same_group_stops_ours_and_both_go_on_after_it(
    segctl: Callable[..., str], other: Any, behind: Plant
) -> None:
    mock = behind.mocks.panorama
    rule(other, "OT", "theirs")
    before = mock.running(), mock.config()
    assert "other" in segctl("apply", "--auto-approve", code=1)
    assert (mock.running(), mock.config()) == before
    assert not mock.device.locks.held
    committed(other, "OT")
    push = PanoramaCommitAll("device group", "OT", include_template=False)
    other.commit_all(sync=True, sync_all=True, cmd=push, exception=True)
    segctl("apply", "--auto-approve")
    ours = [name for name in behind.mocks.pushed("fw1") if name.startswith("plant.")]
    assert ours == ["plant.poll-1.modbus"]
    assert b'"theirs"' in mock.running()
    # a push that carries nothing, and one with nothing to commit, leave ours as they are
    other.commit_all(sync=True, sync_all=True, cmd=push, exception=True)
    assert [one for one in behind.mocks.pushed("fw1") if one.startswith("plant.")] == ours
    assert "No changes" in segctl("plan")


def test_templates_that_others_have_committed_do_not_go_out_with_our_push(
    segctl: Callable[..., str], other: Any, behind: Plant
) -> None:
    """Everybody's template gets another zone, committed and not pushed."""
    more = [zone(name) for name in ("SUPV", "CELL1", "CELL2", "GUESTS")]
    templates(behind.mocks.panorama, system(*more))
    segctl("apply", "--auto-approve")
    firewalls = [behind.mocks.firewalls[name].device for name in SERIALS]
    assert all(behind.mocks.pushed(name) for name in SERIALS)
    assert not any(b"GUESTS" in one.pushed.of_template() for one in firewalls)
    push = PanoramaCommitAll("device group", "OT", include_template=True)
    other.commit_all(sync=True, sync_all=True, cmd=push, exception=True)
    assert all(b"GUESTS" in one.pushed.of_template() for one in firewalls)
