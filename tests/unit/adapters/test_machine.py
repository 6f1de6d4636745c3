"""What the machine has: ports for checks."""

from __future__ import annotations

import socket

from wt_orchestrate.adapters.machine import SystemMachine
from wt_orchestrate.ports.engine import PORTS


def test_checks_of_different_slots_get_ports_of_their_own() -> None:
    """No two slots share a port, and a row in which somebody listens is not given out."""
    machine = SystemMachine({})
    rows = {slot: set(range(machine.ports(slot), machine.ports(slot) + PORTS)) for slot in range(1, 17)}
    assert len(set.union(*rows.values())) == 16 * PORTS
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", max(rows[1])))
        assert machine.ports(1) not in rows[1]
