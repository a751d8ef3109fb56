"""The processor, as it describes itself."""

import platform


def processor_name() -> str:
    """Model name of the processor, or what Python knows of it."""
    return _cpuinfo("model name") or platform.processor()


def processor_flags() -> frozenset[str]:
    """Instruction sets of the processor as Linux names them ("avx2", "amx_bf16"); empty on other systems."""
    return frozenset(_cpuinfo("flags").split())


def _cpuinfo(key: str) -> str:
    """The first value of `key` in Linux's description of the processor, or an empty text."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            return next(line.partition(":")[2].strip() for line in file if line.partition(":")[0].strip() == key)
    except (OSError, StopIteration):
        return ""
