import numpy as np
import pandas as pd
import pytest
import yaml

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.measure.latency.block_table import read_block_table
from nagevo.measure.latency.lookup import (
    BlockSums,
    LookupDevice,
    block_name,
    end_names,
)
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space

SPACE = MobileNetV3Space()


def tables(space):
    """Return a table in which every entry costs 1 ms."""
    names = [name for _, layout in space.ends() for name in end_names(layout)]
    names += [block_name(block, size) for _, _, block, size in space.slot_blocks()]
    return dict.fromkeys(names, 1.0)


def added_up(space, costs, row):
    """Return the costs of the layers of one network, followed through its layout."""
    layout = space.layout(row)
    blocks = zip(layout.blocks[1:], layout.sizes[1:], strict=False)
    return sum(costs[name] for name in (*end_names(layout), *(block_name(*each) for each in blocks)))


def test_the_sum_counts_every_used_layer_and_what_all_networks_share():
    # The smallest architecture uses 5 × 2 layers, the largest 5 × 4; six entries are shared by all.
    ones = tables(SPACE)
    assert BlockSums([ones], SPACE).of(SPACE.extremes()).tolist() == [16.0, 26.0]
    assert BlockSums([ones | {"overhead": 0.5}], SPACE).of(SPACE.extremes()).tolist() == [16.5, 26.5]


def test_the_sum_equals_that_over_the_layers_of_each_network():
    rng = np.random.default_rng(0)
    costs = {name: rng.random() for name in tables(SPACE)}
    choices = SPACE.sample(20, rng=rng)
    expected = [added_up(SPACE, costs, row) for row in choices]
    np.testing.assert_allclose(BlockSums([costs], SPACE).of(choices), expected)


@pytest.mark.parametrize("widths_by", ["network", "stage"])
def test_one_table_may_have_the_blocks_of_all_resolutions_and_widths(tmp_path, widths_by):
    space = MobileNetV3Space(resolutions=[96, 128], widths=[0.5, 1], widths_by=widths_by)
    rng = np.random.default_rng(0)
    costs = {name: rng.random() for name in tables(space)}
    (tmp_path / "t.yaml").write_text(yaml.safe_dump({name: {"mean": cost} for name, cost in costs.items()}))
    choices = space.sample(20, rng=rng)
    rows = LookupDevice(tmp_path / "t.yaml").measure(space, choices)
    np.testing.assert_allclose(rows["latency_ms"], [added_up(space, costs, row) for row in choices])


def test_each_resolution_has_the_latencies_of_its_own_table(shared_data):
    space = MobileNetV3Space(resolutions=[160, 192, 224])
    folder = shared_data / "ofa_mobilenetv3"
    paths = {pixels: folder / f"note10_{pixels}_lookup_table.yaml" for pixels in (160, 192, 224)}
    choices = space.sample(30, rng=np.random.default_rng(0))
    rows = LookupDevice({str(pixels): path for pixels, path in paths.items()}).measure(space, choices)
    for pixels, path in paths.items():
        fixed = MobileNetV3Space(resolution=pixels)
        chosen = [space.input_shape_of(row)[-1] == pixels for row in choices]
        texts = [text.partition("@")[0] for text in space.to_text(choices[chosen])]
        expected = LookupDevice(path).measure(fixed, fixed.from_text(texts))["latency_ms"]
        np.testing.assert_allclose(rows["latency_ms"][chosen], expected)


def test_a_resolution_without_a_table_is_named(tmp_path):
    (tmp_path / "t.yaml").write_text(yaml.safe_dump({name: {"mean": 1.0} for name in tables(SPACE)}))
    space = MobileNetV3Space(resolutions=[192, 224])
    with pytest.raises(ConfigError, match="path has tables for 224 pixels, but the space has 192"):
        LookupDevice({224: tmp_path / "t.yaml"}).measure(space, space.extremes())
    with pytest.raises(ConfigError, match="resolution is for spaces of one"):
        LookupDevice(tmp_path / "t.yaml", resolution=224).measure(space, space.extremes())


def test_a_device_may_get_images_of_another_size_than_the_space(tmp_path):
    small, path = MobileNetV3Space(resolution=160), tmp_path / "t.yaml"
    costs = {name: {"mean": 0.1 * number} for number, name in enumerate(tables(small))}
    path.write_text(yaml.safe_dump(costs))
    choices = SPACE.sample(5, rng=np.random.default_rng(0))
    rows = LookupDevice(path, resolution=160).measure(SPACE, choices)
    pd.testing.assert_frame_equal(rows, LookupDevice(path).measure(small, choices))
    assert SPACE.input_shape == (3, 224, 224)


def test_the_published_table_gives_the_latencies_of_the_best_known_frontier(shared_data):
    folder = shared_data / "ofa_mobilenetv3"
    frontier = pd.read_csv(folder / "note10_best_known_frontier.csv")
    device = LookupDevice(folder / "note10_224_lookup_table.yaml")
    rows = device.measure(SPACE, SPACE.from_text(frontier["architecture"].tolist()))
    np.testing.assert_allclose(rows["latency_ms"], frontier["latency_ms"], atol=1e-5)
    assert (rows["status"] == "ok").all()


def test_the_published_table_names_no_block_that_the_space_does_not_have(shared_data):
    assert set(read_block_table(shared_data / "ofa_mobilenetv3/note10_224_lookup_table.yaml")) == set(tables(SPACE))


def test_a_table_for_another_resolution_is_refused(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump({name: {"mean": mean} for name, mean in tables(SPACE).items()}))
    other = MobileNetV3Space(resolution=192)
    with pytest.raises(DataError, match=r"t\.yaml has no entry Conv-input:192x192x3-output:96x96x24"):
        LookupDevice(path).measure(other, other.extremes())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Conv: [1, 2", "is not YAML"),
        ("\x00", "is not YAML"),
        ("- 1\n- 2\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("Conv: {mean: fast}", "expected a mean in ms, not negative, for Conv"),
        ("Conv: {mean: -1.0}", "expected a mean"),
        ("Conv: {mean: .inf}", "expected a mean"),
        ("Conv: {mean: .nan}", "expected a mean"),
        ("Conv: {mean: true}", "expected a mean"),
        ("Conv: 3.0", "expected a mean"),
        ("Conv: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_a_damaged_table_is_an_error_that_names_the_file(tmp_path, content, message):
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    with pytest.raises(DataError, match=rf"broken\.yaml.*{message}"):
        LookupDevice(path).measure(SPACE, SPACE.extremes())


@pytest.mark.parametrize("mean", [0.0, 1e308])
def test_sums_that_are_no_latency_are_rows_with_a_status(tmp_path, mean):
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump({name: {"mean": mean} for name in tables(SPACE)}))
    rows = LookupDevice(path).measure(SPACE, SPACE.extremes())
    assert rows["latency_ms"].isna().all()
    assert (rows["status"] == "not a number from 1e-12 to 1e+12").all()


def test_an_absent_table_is_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        LookupDevice(tmp_path / "none.yaml").measure(SPACE, SPACE.extremes())


def test_a_space_without_blocks_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="expected the space mobilenetv3"):
        LookupDevice(tmp_path / "t.yaml").measure(object(), np.zeros((1, 45), dtype=np.int8))


MODULES = {"Conv": "first_conv", "Conv_1": "final_expand_layer", "Conv_2": "feature_mix_layer", "Logits": "classifier"}


def respelled(entries: dict) -> dict:
    """Return a table that names modules, factors of expansion instead of channels, and no pooling."""
    spelled = {}
    for name, entry in entries.items():
        word, rest = name.split("-", 1)
        if word == "expanded_conv":
            fields = dict(field.split(":") for field in rest.split("-"))
            ratio = int(fields["expand"]) / int(fields["input"].split("x")[2])
            rest = "-".join(f"{key}:{round(ratio) if key == 'expand' else value}" for key, value in fields.items())
            word = "MBConv"
        elif word == "AvgPool2D":
            continue
        spelled[f"{MODULES.get(word, word)}-{rest}"] = entry
    return spelled


def published(shared_data, resolution: int) -> dict:
    """Return a published table; the entries that are the same layer at each resolution are those of 224 pixels."""
    folder = shared_data / "ofa_mobilenetv3"
    entries, of_224 = (
        yaml.safe_load((folder / f"note10_{r}_lookup_table.yaml").read_text()) for r in (resolution, 224)
    )
    return entries | {name: of_224[name] for name in entries if "input:1x1x" in name}


@pytest.fixture
def several(tmp_path, shared_data):
    """Return a table in the other spelling that holds two resolutions in one file."""
    path = tmp_path / "several.yaml"
    path.write_text(yaml.safe_dump(respelled(published(shared_data, 160)) | respelled(published(shared_data, 224))))
    return path


@pytest.mark.parametrize("resolution", [160, 224])
def test_another_spelling_of_the_same_blocks_gives_the_same_sums(several, tmp_path, shared_data, resolution):
    space, entries = MobileNetV3Space(resolution=resolution), published(shared_data, resolution)
    unpooled = {name: {"mean": 0.0} if name.startswith("AvgPool") else entry for name, entry in entries.items()}
    (tmp_path / "published.yaml").write_text(yaml.safe_dump(unpooled))
    choices = space.sample(20, rng=np.random.default_rng(0))
    expected = LookupDevice(tmp_path / "published.yaml").measure(space, choices)["latency_ms"]
    np.testing.assert_allclose(LookupDevice(several).measure(space, choices)["latency_ms"], expected)


def test_a_resolution_that_such_a_table_lacks_is_named_by_its_entry(several):
    other = MobileNetV3Space(resolution=192)
    with pytest.raises(DataError, match=r"several\.yaml has no entry Conv-input:192x192x3-output:96x96x24"):
        LookupDevice(several).measure(other, other.extremes())


@pytest.mark.parametrize("word", ["AvgPool2D", "Conv_2", "Logits", "expanded_conv-input:14x14"])
def test_an_entry_that_a_published_table_lacks_is_named(tmp_path, shared_data, word):
    entries = yaml.safe_load((shared_data / "ofa_mobilenetv3/note10_224_lookup_table.yaml").read_text())
    missing = next(name for name in entries if name.startswith(word))
    del entries[missing]
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(entries))
    with pytest.raises(DataError, match=rf"has no entry {missing}"):
        LookupDevice(tmp_path / "t.yaml").measure(SPACE, SPACE.extremes())
