import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from torch import Tensor, nn

from hitpredict import recipes
from hitpredict.errors import UsageError
from hitpredict.frontends import to_json
from hitpredict.frontends.image import SpectrogramImage
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.networks.cs230 import Cs230
from hitpredict.tables.join import load
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train
from tests.helpers.learning import check_export, cross_entropy, squared, trained

PUBLISHED = [(50, 77), (24, 36), (11, 17), (5, 8), (3, 6), (1, 1)]


def activations(network: Cs230, images: Tensor) -> tuple[list[torch.Size], Tensor]:
    """The shapes after each pooling and before the classes, and the result."""
    shapes: list[torch.Size] = []
    for layer in [*network.convolutions, *network.dense]:
        if isinstance(layer, nn.MaxPool2d | nn.Dropout):
            layer.register_forward_hook(lambda _layer, _inputs, output: shapes.append(output.shape[1:]))
    return shapes, network(images)


def pictures(count: int = 48, shape: tuple[int, ...] = (40, 60)) -> tuple[Tensor, Tensor]:
    """Images with a bright bar in the upper, middle or lower third, and which third it is."""
    classes = torch.arange(count) % 3
    images = 80 * torch.rand(count, *shape)
    for image, third in zip(images, classes, strict=True):
        image[int(third) * 13 : int(third) * 13 + 12] += 150
    return images / 255, classes


@pytest.mark.parametrize("colour", [(), (3,)])
def test_the_six_convolutions_have_the_published_activations(colour):
    with torch.device("meta"):
        shapes, result = activations(Cs230([(102, 159, *colour)], 3), torch.empty(2, 102, 159, *colour))
    filters = (32, 64, 128, 256, 512, 1024)
    assert shapes == [*((f, *size) for f, size in zip(filters, PUBLISHED, strict=True)), (512,)]
    assert result.shape == (2, 3)


@pytest.mark.parametrize(("layout", "count"), [("2conv", 2), ("4conv", 4)])
def test_the_shorter_layouts_are_the_first_stages(layout, count):
    with torch.device("meta"):
        shapes, result = activations(Cs230([(102, 159)], 3, layout=layout), torch.empty(2, 102, 159))
    assert [tuple(shape[1:]) for shape in shapes[:-1]] == PUBLISHED[:count]
    assert result.shape == (2, 3)


def table(path, dtype, pictures, kind):
    """Pictures as `featurize` writes them, with or without what made them."""
    columns = {"path": [str(i) for i in range(len(pictures))], "track_id": [str(i) for i in range(len(pictures))]}
    columns["values"] = pyarrow.array([list(each.ravel()) for each in pictures], pyarrow.list_(dtype))
    columns["shape"] = [list(each.shape) for each in pictures]
    metadata = {"hitpredict.kind": json.dumps(kind)} if kind else {}
    pyarrow.parquet.write_table(pyarrow.table(columns).replace_schema_metadata(metadata), path)


@pytest.mark.slow
def test_the_scale_of_a_table_of_pictures_is_its_own(tmp_path):
    """Pictures of bytes and of numbers up to 1 make the same model, whoever wrote them and in whichever type."""
    random = np.random.default_rng(0)
    levels = random.integers(0, 256, (40, 40, 60), dtype=np.uint8)
    kinds = {name: to_json(SpectrogramImage(height=40, width=60, dtype=name)) for name in ("uint8", "float32")}
    table(tmp_path / "bytes.parquet", pyarrow.uint8(), levels, kinds["uint8"])
    table(tmp_path / "wide.parquet", pyarrow.float32(), levels.astype(np.float32), kinds["uint8"])
    table(tmp_path / "floats.parquet", pyarrow.float32(), (levels / 255).astype(np.float32), kinds["float32"])
    table(tmp_path / "nobodys.parquet", pyarrow.uint8(), levels, None)
    rows = "".join(f"{i},{random.random()},a{i}\n" for i in range(40))
    (tmp_path / "labels.csv").write_text(f"track_id,plays,artist\n{rows}")
    small = {"network.width": 0.1, "network.hidden": 16, "training.epochs": 2, "training.patience": 2}
    recipe = recipes.load("cs230-2conv").changed(small)
    found = {}
    for name in ("bytes", "wide", "floats", "nobodys"):
        data = load([tmp_path / f"{name}.parquet"], tmp_path / "labels.csv", ["plays"], "artist")
        train(TrainingRun(recipe, data), tmp_path / name)
        model = ModelFolder(tmp_path / name)
        inputs = [torch.as_tensor(np.stack([data.inputs[0].values[row] for row in range(40)]).astype(np.float32))]
        (prepared,) = model.network.prepared(*inputs)
        assert (prepared.min(), prepared.max()) == (0, 1)
        found[name] = model.predict(data).probabilities
    for name in ("wide", "floats", "nobodys"):
        np.testing.assert_allclose(found[name], found["bytes"], atol=1e-3)


def test_colours_and_pixels_are_kept_apart():
    torch.manual_seed(0)
    network = Cs230([(40, 60, 3)], 1, layout="2conv", width=0.2).eval()
    red, blue = torch.zeros(2, 1, 40, 60, 3)
    red[..., 0] = blue[..., 2] = 1
    assert not torch.allclose(network(red), network(blue))
    assert network.convolutions[0].weight.shape[1] == 3


@pytest.mark.parametrize("layout", ["2conv", "4conv"])
@pytest.mark.slow
def test_it_learns_where_the_bar_is(layout):
    torch.manual_seed(0)
    images, classes = pictures()
    network = Cs230([(40, 60)], 3, layout=layout, hidden=32, width=0.125)
    assert trained(network, (images,), classes, loss=cross_entropy, steps=40) < 0.3 * torch.log(torch.tensor(3.0))


@pytest.mark.slow
def test_all_six_convolutions_learn_a_number():
    torch.manual_seed(0)
    images, _ = pictures(24, (102, 159))
    bright = torch.linspace(-1.5, 1.5, 24)
    network = Cs230([(102, 159)], 1, hidden=32, width=0.0625)
    loss = trained(network, (images * (2 + bright[:, None, None]) / 4,), bright, steps=50)
    assert loss < 0.3 * float(squared(torch.zeros(24, 1), bright).mean())


def test_it_exports():
    torch.manual_seed(0)
    shapes = [(102, 159, 3)]
    check_export(Cs230(shapes, 3, hidden=16, width=0.0625), shapes)


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        ([(102, 159)], {"layout": "3conv"}, "layout 3conv: unknown; did you mean "),
        ([(40, 60)], {}, "40 × 60 is too small for 6conv"),
        ([(102, 159, 4)], {}, "takes one image"),
        ([(102, 159), (40,)], {}, "takes one image"),
    ],
)
def test_it_says_what_it_cannot_take(shapes, options, message):
    with pytest.raises(UsageError, match=message):
        Cs230(shapes, 3, **options)
