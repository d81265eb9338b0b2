"""Starting and ending ROS 2 nodes as processes: nothing is left over, and a node that fails is named."""

import os
import time

import pytest

from sim2real.commands.nodes import DOMAINS, Domain, Nodes
from sim2real.errors import BridgeError


def test_open_domains_are_all_different():
    domains = [Domain() for _ in range(20)]
    try:
        assert len({d.id for d in domains}) == 20
        assert all(d.id in DOMAINS for d in domains)
    finally:
        for domain in domains:
            domain.close()


def test_a_node_that_refuses_its_input_is_named_with_its_last_line(tmp_path):
    with Nodes(tmp_path) as nodes:
        policy = nodes.start("policy", str(tmp_path / "nothing"))
        with pytest.raises(BridgeError, match=r"node 'policy' ended with status 2: .*no such policy folder"):
            nodes.wait(policy, timeout=30)


def test_leaving_ends_what_was_started_and_waiting_has_an_end(tmp_path):
    with Nodes(tmp_path) as nodes:
        stand_in = nodes.start("stand_in", "--robot", "cartpole")
        with pytest.raises(BridgeError, match="not done after"):
            nodes.wait(stand_in, timeout=1.0)
        started = time.monotonic()
    assert time.monotonic() - started < 10
    with pytest.raises(ProcessLookupError):
        os.kill(stand_in.pid, 0)
