"""Name and instruction sets of the processor."""

import platform


def processor_name() -> str:
    """Model name of the processor on Linux; on other systems, the name that Python gives."""
    return _cpuinfo("model name") or platform.processor()


def processor_flags() -> frozenset[str]:
    """Instruction sets of the processor as Linux names them ("avx2", "amx_bf16"); empty on other systems."""
    return frozenset(_cpuinfo("flags").split())


def _cpuinfo(key: str) -> str:
    """First value of `key` in Linux's /proc/cpuinfo; empty if there is none."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            return next(line.partition(":")[2].strip() for line in file if line.partition(":")[0].strip() == key)
    except (OSError, StopIteration):
        return ""
