"""What agents changed in the repository's own settings and refs, and left: it waits for the user's word, like settings of others.

A run's supervisor notes each such change, and its landing stops (`domain/state/changes.py`). The next run must not take it for
the user's own, and nothing of ours may run git under it.
"""

from __future__ import annotations

import json

from wt_orchestrate.domain.plan.trust import Power
from wt_orchestrate.wiring.plan.trust import unknown
from wt_orchestrate.wiring.site import Site, repository

_SIGN = '"stops":true'


def agent_changes(site: Site) -> dict[Power, str]:
    """Each change that is still in place and not trusted, with what puts it back."""
    from wt_orchestrate.adapters.store.views import views_with
    from wt_orchestrate.domain.state.changes import mark_of

    noted = [
        (run, each)
        for run, body in views_with(site.path("log.db"), _SIGN)
        for each in json.loads(body)["run"].get("repository_changes", ())
        if each["stops"] and "mark" in each
    ]
    if not noted:
        return {}
    now = repository(site).marks()
    found = {
        Power(key=f"{', '.join(each['during'])} of {run}", value=f"{each['what']} ({each['mark'] or 'gone'})"): str(
            each["put_back"]
        )
        for run, each in noted
        if mark_of(now.get(each["name"])) == each["mark"]
    }
    asked = unknown(site, tuple(found))
    return {each: found[each] for each in asked}
