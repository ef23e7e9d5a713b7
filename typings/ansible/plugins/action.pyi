from collections.abc import Mapping
from typing import Any

class ActionBase:
    TRANSFERS_FILES: bool
    _requires_connection: bool
    _task: Any
    _loader: Any
    _play_context: Any
    _templar: Any
    def run(self, tmp: None = ..., task_vars: Mapping[str, Any] | None = ...) -> dict[str, Any]: ...
    def validate_argument_spec(
        self, argument_spec: Mapping[str, Mapping[str, Any]]
    ) -> tuple[object, dict[str, Any]]: ...
