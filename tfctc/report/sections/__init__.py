"""Sections of the page of a run: one class a module, with one line of registration."""

from tfctc.report.sections.base import SECTIONS, Material, RunSection

__all__ = ["SECTIONS", "Material", "RunSection"]
