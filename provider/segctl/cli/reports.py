"""The report files that `plan`, `show`, `drift` and `validate` write besides what they print."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.model.errors import SegctlError
from segctl.operations.files import check, save
from segctl.operations.loading import provenance
from segctl.system.inert import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from segctl.cli.arguments import Settings
    from segctl.model.site import Site
    from segctl.report import Places, Report
    from segctl.report.document import Kind

Environment = Annotated[
    str,
    typer.Option(
        "--env", metavar="NAME", help="Name of the environment in reports, history and notices"
    ),
]
MarkdownOption = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="Report for a pull request")
]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Report as one HTML page")
]
#: The report files by their option's name, with its help.
FORMS = {
    "markdown": "Report for a pull request",
    "sarif": "Findings as SARIF, with file:line",
    "junit": "Checks as JUnit XML",
    "gitlab": "Report for a GitLab merge request",
    "html": "Report as one HTML page",
}


#: Kinds of reports that say what they are evidence of.
_EVIDENCE = frozenset({"drift", "validate", "check", "traffic", "replay", "discover"})


def reporting(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of reports, in the place of its parameter `files`."""

    @wraps(command)
    def given(**options: Any) -> int:
        files = ReportFiles(
            environment=options.pop("env"), **{name: options.pop(name) for name in FORMS}
        )
        return command(files=files, **options)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        parameters += _options() if parameter.name == "files" else [parameter]
    # where Typer looks for the parameters of what it is given, and for their types
    given.__dict__["__signature__"] = inspect.Signature(parameters, return_annotation=int)
    given.__annotations__ = {one.name: one.annotation for one in parameters}
    return given


def _options() -> list[inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    options = [inspect.Parameter("env", kind, default="default", annotation=Environment)]
    for name, words in FORMS.items():
        option = typer.Option(f"--{name}", metavar="FILE", help=words)
        annotation = Annotated[Path | None, option]
        options.append(inspect.Parameter(name, kind, default=None, annotation=annotation))
    return options


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """Which reports a run is to write, and what they call their environment."""

    environment: str = "default"
    markdown: Path | None = None
    sarif: Path | None = None
    junit: Path | None = None
    gitlab: Path | None = None
    html: Path | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is any."""
        return any(self._paths())

    def _paths(self) -> Iterable[Path]:
        found = (self.markdown, self.sarif, self.junit, self.gitlab, self.html)
        return [path for path in found if path is not None]

    def check(self) -> None:
        """Refuse what cannot be written, before any device is read.

        Raises:
            UsageError: a folder does not exist, or the environment has no proper name.
        """
        from segctl.report.document import environment_name

        environment_name(self.environment)
        for path in self._paths():
            check(path)

    def write(self, report: Report) -> None:
        """Write the reports.

        Raises:
            PlanError: a file cannot be written.
        """
        from segctl import report as forms

        root = repository_top()
        writers: tuple[tuple[Path | None, Callable[[], str]], ...] = (
            (self.markdown, lambda: forms.markdown(report)),
            (self.sarif, lambda: json_text(forms.sarif(report, root)) + "\n"),
            (self.junit, lambda: forms.junit(report)),
            (self.gitlab, lambda: json_text(forms.gitlab(report, root)) + "\n"),
            (self.html, lambda: forms.webpage(report)),
        )
        for path, written in writers:
            if path is not None:
                save(path, written())

    @contextmanager
    def refusals(self, kind: Kind, settings: Settings) -> Generator[None]:
        """Report also a run that ends with an error: nobody is to read the report before it."""
        self.check()
        try:
            yield
        except SegctlError as error:
            if self.wanted:
                from segctl.report import Places, refusal_report

                places = Places(anywhere=str(settings.sources[0]))
                evidence = provenance(settings) if kind in _EVIDENCE else None
                report = refusal_report(
                    kind,
                    error,
                    environment=self.environment,
                    places=places,
                    provenance=evidence,
                )
                self.write(report)
            raise


def places_of(site: Site, settings: Settings) -> Places:
    """Return where an inventory declares its firewalls and conduits."""
    from segctl.compiler.naming import label
    from segctl.report import Places

    return Places(
        anywhere=str(settings.sources[0]),
        devices={device.name: device.declared for device in site.devices},
        conduits={label(conduit): conduit.declared for conduit in site.conduits},
    )


def repository_top() -> Path:
    """Return the top of the repository this runs in, else the working directory."""
    here = Path.cwd()
    return next((top for top in (here, *here.parents) if (top / ".git").exists()), here)
