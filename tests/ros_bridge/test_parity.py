"""Another robot is refused before the first command, with both sides in a table."""

import pytest

from robots import load_robot
from robots.urdf.reader import urdf_text
from ros_bridge import parity
from sim2real.errors import BridgeError


@pytest.fixture(scope="module")
def contract(policy):
    return policy.contract


@pytest.fixture(scope="module")
def text():
    return urdf_text(load_robot("cartpole").model)


def test_the_order_of_the_joints_does_not_matter(contract):
    parity.check_joints(contract, contract.robot.joints[::-1])


def table(error):
    return [row.split() for row in error.value.__notes__[0].splitlines()]


def test_other_joints_are_shown_side_by_side(contract):
    with pytest.raises(BridgeError) as error:
        parity.check_joints(contract, ["slider_to_cart", "cart_to_pol"])
    assert str(error.value) == (
        "this is not robot 'cartpole': joint_states has other joints: "
        "missing 'cart_to_pole'; unknown 'cart_to_pol' (did you mean 'cart_to_pol'?)"
    )
    assert table(error) == [
        ["joint", "policy", "robot"],
        ["slider_to_cart", "yes", "1"],
        ["cart_to_pole", "yes", "-"],
        ["cart_to_pol", "-", "1"],
    ]


@pytest.mark.parametrize(("rate", "well"), [(100.0, True), (40.0, True), (39.0, False)])
def test_the_rate(contract, rate, well):
    assert (parity.rate_trouble(contract, rate) == "") == well


def test_the_same_description_leaves_nothing_to_say(contract, text):
    assert parity.check_description(contract, text) == ""


def test_another_text_of_the_same_robot_is_a_warning(contract, text):
    foreign = text.replace('mass value="1.0"', 'mass value="1.5"')
    foreign = foreign.replace("</robot>", '<gazebo/><ros2_control name="x"/></robot>')
    assert "joints and limits agree" in parity.check_description(contract, foreign)


def test_meshes_that_only_the_robot_has_are_no_obstacle(contract, text):
    vendor = '<visual><geometry><mesh filename="package://vendor/pole.dae"/></geometry></visual></link>'
    assert "joints and limits agree" in parity.check_description(contract, text.replace("</link>", vendor))


def test_other_limits_are_shown_side_by_side(contract, text):
    assert 'lower="-15.0"' in text
    with pytest.raises(BridgeError) as error:
        parity.check_description(contract, text.replace('lower="-15.0"', 'lower="-3.0"'))
    assert "slider_to_cart: lower is -15 in the policy, -3 on the robot" in str(error.value)
    assert table(error)[1:] == [["slider_to_cart:", "lower", "-15", "-3"]]


def test_a_description_without_a_joint(contract, text):
    with pytest.raises(BridgeError, match="no joint 'cart_to_pole'"):
        parity.check_description(contract, text.replace("cart_to_pole", "other"))


@pytest.mark.parametrize("text", ["", "<robot", "hello", "<!DOCTYPE x [<!ENTITY a 'b'>]><robot/>"])
def test_a_description_that_is_none_is_a_warning(contract, text):
    assert "cannot be read" in parity.check_description(contract, text)


@pytest.mark.parametrize("wrong", ["", "<robot", "<robot/>", '<robot><link name="a"/><link name="b"/></robot>'])
def test_the_root_link(text, wrong):
    assert parity.root_link(text) == load_robot("cartpole").model.root.name
    assert parity.root_link(wrong) == ""
