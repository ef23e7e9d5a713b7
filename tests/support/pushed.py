"""What a Panorama pushed, as a managed firewall answers it, for tests to put together."""

from __future__ import annotations

from dataclasses import dataclass

_DEFAULTS = "<default-security-rules><rules>{}</rules></default-security-rules>"


def entry(name: str, inside: str, loc: str = "OT") -> str:
    """Return an entry that a device group pushed."""
    return f'<entry name="{name}" loc="{loc}">{inside}</entry>'


def address(name: str, value: str, loc: str = "OT") -> str:
    """Return an address."""
    return entry(name, f"<ip-netmask>{value}</ip-netmask>", loc)


def rule(
    name: str,
    *,
    enter: str = "any",
    leave: str = "any",
    source: str = "any",
    destination: str = "any",
    service: str = "any",
    action: str = "allow",
    more: str = "",
    loc: str = "OT",
) -> str:
    """Return a security rule, of any application."""
    lists = {"from": enter, "to": leave, "source": source, "destination": destination}
    lists |= {"application": "any", "service": service}
    text = "".join(f"<{tag}><member>{word}</member></{tag}>" for tag, word in lists.items())
    return entry(name, f"{text}<action>{action}</action>{more}", loc)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """An answer to ``show config pushed-shared-policy``."""

    pre: str = ""
    post: str = ""
    defaults: str = ""
    objects: str = ""
    shared: str = ""
    more: str = ""  # beside the security rules that come first

    def answer(self) -> bytes:
        """Return the answer, of the form recorded on 11.1.6."""
        bases = "".join(
            f"<{base}><security><rules>{rules}</rules></security>{more}</{base}>"
            for base, rules, more in (
                ("pre-rulebase", self.pre, self.more),
                (
                    "post-rulebase",
                    self.post,
                    _DEFAULTS.format(self.defaults),
                ),
            )
        )
        return (
            '<response status="success"><result><policy cfg-version="11.1.0" dg-ctxt="11">'
            f"<shared>{self.shared}</shared><panorama>{self.objects}{bases}</panorama></policy>"
            "</result></response>"
        ).encode()


def template(*zones: tuple[str, str], more: str = "", settings: str = "") -> bytes:
    """Return an answer to ``show config pushed-template`` with zones of vsys1 and their ports."""
    made = "".join(
        f'<entry name="{name}" ptpl="T"><network><layer3><member>{port}</member></layer3></network>'
        "</entry>"
        for name, port in zones
    )
    return (
        '<response status="success"><result><config><devices><entry name="localhost.localdomain">'
        f"<deviceconfig><system>{settings}</system></deviceconfig>"
        f'<vsys><entry name="vsys1"><zone>{made}</zone>{more}</entry></vsys></entry></devices>'
        "</config></result></response>"
    ).encode()
