"""Grey is luminance, by hand."""

import numpy as np

from sim2real.pixels import grey


def test_grey_is_luminance():
    colours = np.array(
        [[[0, 0, 0], [255, 255, 255], [255, 0, 0]], [[0, 255, 0], [0, 0, 255], [100, 100, 100]]], np.uint8
    )
    assert grey(colours).tolist() == [[0, 255, 76], [149, 28, 100]]
    assert grey(colours).dtype == np.uint8


def test_pictures_of_several_worlds_are_turned_grey_each_by_itself():
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    assert grey(rgb).shape == (4, 5, 6)
    np.testing.assert_array_equal(grey(rgb)[2], grey(rgb[2]))
    np.testing.assert_allclose(grey(rgb), rgb @ [0.299, 0.587, 0.114], atol=1.5)
