"""The plant on one page: drawing, table, register and what was found, each with an address."""

from __future__ import annotations

from segctl.report.plant_page.document import site_json
from segctl.report.plant_page.page import plant_page
from segctl.report.plant_page.parts import Part, Plant, parts_of

__all__ = ["Part", "Plant", "parts_of", "plant_page", "site_json"]
