"""Files that people write, as checked values: plans, settings and roles. The only importer of YAML and pydantic.

Belongs here: reading text into the domain's values, with file, line and column of every problem; writing plans.
Does not: rules that need no file (`domain/plan/validation`).
"""

from wt_orchestrate.adapters.planfile.plans import MAX_BYTES as MAX_BYTES
from wt_orchestrate.adapters.planfile.plans import DraftRead as DraftRead
from wt_orchestrate.adapters.planfile.plans import LoadedPlan as LoadedPlan
from wt_orchestrate.adapters.planfile.plans import PlanTexts as PlanTexts
from wt_orchestrate.adapters.planfile.plans import load_further as load_further
from wt_orchestrate.adapters.planfile.plans import load_plan as load_plan
from wt_orchestrate.adapters.planfile.plans import load_user_settings as load_user_settings
from wt_orchestrate.adapters.planfile.plans import plan_schema as plan_schema
from wt_orchestrate.adapters.planfile.plans import read_draft as read_draft
from wt_orchestrate.adapters.planfile.plans import read_settings as read_settings
from wt_orchestrate.adapters.planfile.plans import render_plan as render_plan
from wt_orchestrate.adapters.planfile.plans import render_workstream as render_workstream
from wt_orchestrate.adapters.planfile.plans import settings_schema as settings_schema
from wt_orchestrate.adapters.planfile.roles import MAX_ROLE as MAX_ROLE
from wt_orchestrate.adapters.planfile.roles import RoleText as RoleText
from wt_orchestrate.adapters.planfile.roles import load_roles as load_roles
