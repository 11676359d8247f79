"""What architectures take for each choice, in words."""

from __future__ import annotations

from nagevo.spaces import create_space


def test_an_unused_layer_of_mobilenetv3_takes_nothing():
    space = create_space("mobilenetv3", resolutions=[192, 224], widths=[0.5, 1.0])
    shallow = "2,2,2,2,2:" + ",".join(["3,3,0,0"] * 5) + ":" + ",".join(["3,3,0,0"] * 5)
    deeper = "2,2,2,2,3:" + ",".join([*["3,3,0,0"] * 4, "3,3,7,0"]) + ":" + ",".join([*["3,3,0,0"] * 4, "3,3,6,0"])
    before, after = space.from_text([shallow, f"{deeper}@r192@w0.5"])
    assert space.differences(before, after) == [
        "depth of stage 5: 2 → 3",
        "kernel of layer 3 in stage 5: – → 7",
        "expansion of layer 3 in stage 5: – → 6",
        "resolution: 224 pixels → 192 pixels",
        "width: 1 → 0.5",
    ]


def test_windows_are_told_by_their_numbers():
    space = create_space("conv1d")
    smallest, largest = space.extremes()
    names = [phrase.split(": ")[0] for phrase in space.differences(smallest, largest)]
    assert names[0] == space.choice_names[0]
    assert all("→" in phrase for phrase in space.differences(smallest, largest))


def test_networks_of_a_catalog_are_told_by_name():
    space = create_space("catalog", build="resnets:named", networks=["resnet-4", "resnet-8"], input_shape=[3, 8, 8])
    assert space.differences(*space.enumerate()) == ["network: resnet-4 → resnet-8"]


def test_a_slimmed_network_is_told_by_shares_and_blocks():
    space = create_space("slimmed", model="resnets:resnet", input_shape=[3, 8, 8], round_to=4)
    smallest, largest = space.extremes()
    differences = space.differences(smallest, largest)
    assert any(phrase.endswith("→ 1") and phrase.startswith("share of") for phrase in differences)
    assert any(phrase.endswith("stays: no → yes") for phrase in differences)
