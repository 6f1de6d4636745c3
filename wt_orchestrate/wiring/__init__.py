"""The only place that picks adapters and hands them to the engine, and the only reader of the process's environment.

Imports of adapters stand inside the functions here, and only here: a command pays at start only for what it uses (see
docs/decisions/0005-lazy-imports-in-wiring.md). Faces import this package alone; its rooms, from the bottom: site, plans,
remembering, then beginning, running, looking, foreseeing, reviewing, guarding, forging, installing, diagnosing, then queueing
and drafting.
"""

from __future__ import annotations

from wt_orchestrate.wiring.beginning import begin_run as begin_run
from wt_orchestrate.wiring.beginning import planned_effects as planned_effects
from wt_orchestrate.wiring.beginning import queued_branches as queued_branches
from wt_orchestrate.wiring.beginning import require_free as require_free
from wt_orchestrate.wiring.diagnosing import agent_version as agent_version
from wt_orchestrate.wiring.diagnosing import diagnosis as diagnosis
from wt_orchestrate.wiring.drafting import DraftResult as DraftResult
from wt_orchestrate.wiring.drafting import begin_draft as begin_draft
from wt_orchestrate.wiring.drafting import cancel_draft as cancel_draft
from wt_orchestrate.wiring.drafting import draft_id as draft_id
from wt_orchestrate.wiring.drafting import draft_on as draft_on
from wt_orchestrate.wiring.drafting import draft_result as draft_result
from wt_orchestrate.wiring.drafting import draft_state as draft_state
from wt_orchestrate.wiring.drafting import draft_words as draft_words
from wt_orchestrate.wiring.drafting import leave_draft as leave_draft
from wt_orchestrate.wiring.drafting import newest_draft as newest_draft
from wt_orchestrate.wiring.drafting import take_up_draft as take_up_draft
from wt_orchestrate.wiring.foreseeing import Foresight as Foresight
from wt_orchestrate.wiring.foreseeing import advise_plan as advise_plan
from wt_orchestrate.wiring.foreseeing import foresee_branches as foresee_branches
from wt_orchestrate.wiring.foreseeing import foresee_plan as foresee_plan
from wt_orchestrate.wiring.foreseeing import foresee_run as foresee_run
from wt_orchestrate.wiring.forging import desk as desk
from wt_orchestrate.wiring.forging import pull_request_template as pull_request_template
from wt_orchestrate.wiring.guarding import install_hooks as install_hooks
from wt_orchestrate.wiring.guarding import newest_run as newest_run
from wt_orchestrate.wiring.guarding import own_hooks as own_hooks
from wt_orchestrate.wiring.guarding import staged_work as staged_work
from wt_orchestrate.wiring.guarding import uninstall_hooks as uninstall_hooks
from wt_orchestrate.wiring.installing import access_token as access_token
from wt_orchestrate.wiring.installing import apply_edit as apply_edit
from wt_orchestrate.wiring.installing import client_edit as client_edit
from wt_orchestrate.wiring.installing import token_path as token_path
from wt_orchestrate.wiring.looking import attempt_lines as attempt_lines
from wt_orchestrate.wiring.looking import changed_files as changed_files
from wt_orchestrate.wiring.looking import explained as explained
from wt_orchestrate.wiring.looking import living_processes as living_processes
from wt_orchestrate.wiring.looking import passed_on as passed_on
from wt_orchestrate.wiring.looking import stored_view as stored_view
from wt_orchestrate.wiring.looking import uncommitted as uncommitted
from wt_orchestrate.wiring.plans import account_environments as account_environments
from wt_orchestrate.wiring.plans import checked_plan as checked_plan
from wt_orchestrate.wiring.plans import edited_workstream as edited_workstream
from wt_orchestrate.wiring.plans import load_further as load_further
from wt_orchestrate.wiring.plans import load_plan as load_plan
from wt_orchestrate.wiring.plans import load_settings as load_settings
from wt_orchestrate.wiring.plans import plan_schema as plan_schema
from wt_orchestrate.wiring.plans import plan_text as plan_text
from wt_orchestrate.wiring.plans import settings_around as settings_around
from wt_orchestrate.wiring.plans import settings_path as settings_path
from wt_orchestrate.wiring.plans import settings_schema as settings_schema
from wt_orchestrate.wiring.plans import user_settings as user_settings
from wt_orchestrate.wiring.plans import workstream_text as workstream_text
from wt_orchestrate.wiring.queueing import QueueWish as QueueWish
from wt_orchestrate.wiring.queueing import asked_names as asked_names
from wt_orchestrate.wiring.queueing import queue_up as queue_up
from wt_orchestrate.wiring.queueing import unfinished_run as unfinished_run
from wt_orchestrate.wiring.remembering import aged as aged
from wt_orchestrate.wiring.remembering import looked_from as looked_from
from wt_orchestrate.wiring.remembering import memories as memories
from wt_orchestrate.wiring.remembering import named_entry as named_entry
from wt_orchestrate.wiring.remembering import recall as recall
from wt_orchestrate.wiring.remembering import remember as remember
from wt_orchestrate.wiring.remembering import share_finding as share_finding
from wt_orchestrate.wiring.reviewing import Reviewed as Reviewed
from wt_orchestrate.wiring.reviewing import file_diffs as file_diffs
from wt_orchestrate.wiring.reviewing import file_lines as file_lines
from wt_orchestrate.wiring.reviewing import places as places
from wt_orchestrate.wiring.reviewing import resolution_of as resolution_of
from wt_orchestrate.wiring.reviewing import reviewed as reviewed
from wt_orchestrate.wiring.reviewing import reviewed_state as reviewed_state
from wt_orchestrate.wiring.reviewing import unchanged_lockfiles as unchanged_lockfiles
from wt_orchestrate.wiring.running import command_environment as command_environment
from wt_orchestrate.wiring.running import leave_supervisor as leave_supervisor
from wt_orchestrate.wiring.running import rebuild_log as rebuild_log
from wt_orchestrate.wiring.running import supervise as supervise
from wt_orchestrate.wiring.running import sweep_trash as sweep_trash
from wt_orchestrate.wiring.site import Site as Site
from wt_orchestrate.wiring.site import clock as clock
from wt_orchestrate.wiring.site import find_site as find_site
from wt_orchestrate.wiring.site import open_log as open_log
from wt_orchestrate.wiring.site import repository as repository
from wt_orchestrate.wiring.site import state_root as state_root
from wt_orchestrate.wiring.site import supervised as supervised
from wt_orchestrate.wiring.site import supervisor_pid as supervisor_pid
from wt_orchestrate.wiring.site import vault as vault
