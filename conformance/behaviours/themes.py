"""The whole list: every theme is imported here, and puts its behaviours into it.

Apart from `behaviour.py`, which the themes need themselves.
"""

from behaviours import environment, leaving, living, reading, responding
from behaviours.behaviour import BEHAVIOURS

__all__ = ["BEHAVIOURS", "THEMES"]

THEMES = (reading, responding, leaving, environment, living)
