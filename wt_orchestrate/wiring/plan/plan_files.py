"""Plans and settings from files, as checked values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wt_orchestrate.domain.replace import replace
from wt_orchestrate.errors import PlanInvalid, Refused
from wt_orchestrate.wiring.plan.roles import roles_in_force
from wt_orchestrate.wiring.site import Site, find_site, repository, users_folder

if TYPE_CHECKING:
    from wt_orchestrate.adapters.planfile import LoadedPlan
    from wt_orchestrate.domain.plan.model import Plan, Workstream
    from wt_orchestrate.domain.plan.settings import Settings, UserSettings
    from wt_orchestrate.domain.state.run import RunState
    from wt_orchestrate.ports.git.repository import RepositoryFacts


def settings_path(facts: RepositoryFacts) -> str:
    """The path of a repository's settings."""
    return f"{facts.main_worktree or facts.common_dir}/.wto/config.yaml"


def load_settings(site: Site) -> Settings:
    """The repository's settings, including its roles, to go by; the defaults if it has none. Raises Untrusted for what the user
    neither wrote nor trusted."""
    from wt_orchestrate.wiring.plan.trust import require_trust

    facts = repository(site).facts()
    settings = read_settings(facts)
    require_trust(site, facts, settings)
    return settings


def read_settings(facts: RepositoryFacts) -> Settings:
    """The same to be looked at only: nothing may run because of them. Raises PlanInvalid with every problem."""
    from wt_orchestrate.adapters.planfile import read_settings as read

    settings = read(settings_path(facts), _content(facts.main_worktree or facts.common_dir))
    return replace(settings, roles=roles_in_force(facts.main_worktree or facts.common_dir))


def _content(root: str) -> bytes | None:
    """What is in a repository's settings file, which may be anything."""
    from wt_orchestrate.adapters.planfile import MAX_BYTES
    from wt_orchestrate.osfiles.no_follow import NotRegular, below, read_regular

    try:
        with below(root, ".wto") as folder:
            return read_regular("config.yaml", folder=folder, limit=MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except NotRegular as error:
        raise PlanInvalid([f"{root}/.wto/config.yaml: it is not a regular file; put a regular file there"]) from error
    except OSError as error:
        why = error.strerror or "unknown error"
        raise PlanInvalid([f"{root}/.wto/config.yaml: it cannot be read ({why}); check the file"]) from error


def user_settings() -> UserSettings:
    """The user's own settings: config.yaml in WTO_CONFIG_DIR, else in the user's configuration folder."""
    from wt_orchestrate.adapters.planfile import load_user_settings

    folder = os.environ.get("WTO_CONFIG_DIR")
    if not folder:
        from platformdirs import user_config_dir

        folder = users_folder(user_config_dir)
    return load_user_settings(os.path.join(folder, "config.yaml"))


def account_environments() -> Mapping[str, Mapping[str, str]]:
    """The environment of each account, with the user's own variables expanded."""
    return {
        name: {key: os.path.expandvars(os.path.expanduser(value)) for key, value in account.env.items()}
        for name, account in user_settings().accounts.items()
    }


def load_plan(path: str, settings: Settings) -> LoadedPlan:
    """A checked plan; `-` is standard input. Raises PlanInvalid with every problem."""
    from wt_orchestrate.adapters.planfile import load_plan as load

    return load(path, settings)


def checked_plan(plan: Plan, settings: Settings) -> LoadedPlan:
    """A plan that was not read from a file. Raises PlanInvalid."""
    from wt_orchestrate.adapters.planfile import LoadedPlan
    from wt_orchestrate.domain.plan.validation import problems
    from wt_orchestrate.errors import PlanInvalid

    found = [f"{problem.message} ({problem.hint})" for problem in problems(plan, settings) if not problem.warning]
    if found:
        raise PlanInvalid(found)
    return LoadedPlan(plan=plan, warnings=())


def load_further(path: str, state: RunState) -> Mapping[str, Workstream]:
    """Workstreams from a file that fit a run. Raises PlanInvalid with every problem."""
    from wt_orchestrate.adapters.planfile import load_further as load
    from wt_orchestrate.domain.schedule.expansion import misfits

    return load(path, lambda further: misfits(state, further))


def workstream_text(name: str, spec: Workstream) -> str:
    """A workstream as YAML for a person to edit."""
    from wt_orchestrate.adapters.planfile import render_workstream

    return render_workstream(name, spec)


def plan_text(state: RunState) -> str:
    """The plan of a run as it is now, including what was added, as YAML."""
    from wt_orchestrate.adapters.planfile import render_plan
    from wt_orchestrate.domain.text.secrets import without_secrets

    specs = {ws.id: ws.spec for ws in state.workstreams.values()}
    return without_secrets(render_plan(replace(state.plan, workstreams=specs)))


def edited_workstream(path: str, name: str) -> Workstream:
    """The workstream in an edited file. Raises PlanInvalid."""
    from wt_orchestrate.adapters.planfile import load_further as load

    found = load(path, lambda further: ())
    if list(found) != [name]:
        raise Refused(f"{path} must contain only {name}", hint=f"wto edit {name}")
    return found[name]


def plan_schema() -> dict[str, object]:
    """The JSON Schema of plan.yaml."""
    from wt_orchestrate.adapters.planfile import plan_schema as schema

    return schema()


def settings_schema() -> dict[str, object]:
    """The JSON Schema of .wto/config.yaml."""
    from wt_orchestrate.adapters.planfile import settings_schema as schema

    return schema()


def settings_around(start: str) -> Settings:
    """The settings of the repository around a folder, to be looked at only; the defaults outside of one."""
    try:
        return read_settings(repository(find_site(start)).facts())
    except Refused:
        return default_settings()


def default_settings() -> Settings:
    """The settings without a repository."""
    from wt_orchestrate.domain.plan.settings import Settings

    return Settings(roles=roles_in_force(None))
