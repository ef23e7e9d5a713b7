"""The drawing of a plant: zones in rows by Purdue level, firewalls between them, conduits."""

from __future__ import annotations

from segctl.report.drawing.document import graph_json
from segctl.report.drawing.dot import dot
from segctl.report.drawing.drawio import drawio
from segctl.report.drawing.live import overlaid
from segctl.report.drawing.mermaid import mermaid
from segctl.report.drawing.page import page
from segctl.report.drawing.picture import FOLDS, Arrow, Fold, Picture, highlighted, picture_of
from segctl.report.drawing.placing import Cells, Layout, cells_of, place
from segctl.report.drawing.svg import svg
from segctl.report.drawing.table import table_of, table_page, table_svg
from segctl.report.drawing.touched import touched

__all__ = [
    "FOLDS",
    "Arrow",
    "Cells",
    "Fold",
    "Layout",
    "Picture",
    "cells_of",
    "dot",
    "drawio",
    "graph_json",
    "highlighted",
    "mermaid",
    "overlaid",
    "page",
    "picture_of",
    "place",
    "svg",
    "table_of",
    "table_page",
    "table_svg",
    "touched",
]
