"""Kinds of teachers that give soft labels, by name, one module each. The registry is in `base`."""

from tfctc.distill.teacher_kinds.base import TEACHER_KINDS, Opinion, TeacherKind, TeachingCells

__all__ = ["TEACHER_KINDS", "Opinion", "TeacherKind", "TeachingCells"]
