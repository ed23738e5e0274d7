"""How far a migration is: every URL of all applications, with who answers it.

Serving does not need this package. In reading order: `template` (when two paths are the same), `survey` (who answers),
`map` (the join), `document` (JSON, and what was lost since), `terminal` and `page` (for people).
"""

from rsgi.routing.coverage.map import CoverageMap, Row, Status, draw_map
from rsgi.routing.coverage.survey import Survey, survey_plan

__all__ = ["CoverageMap", "Row", "Status", "Survey", "draw_map", "survey_plan"]
