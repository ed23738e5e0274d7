"""What `rsgi doctor` finds: facts about the machine, and settings that do not go together.

The command line prints it. Nothing here imports an application or binds an address.
"""

from __future__ import annotations

from rsgi.doctor.findings import Finding, Level
from rsgi.doctor.machine import look_at_machine
from rsgi.doctor.settings import look_at_settings

__all__ = ["Finding", "Level", "look_at_machine", "look_at_settings"]
