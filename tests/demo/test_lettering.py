import string

import numpy as np
import pytest

from clankvox.demo import lettering


def a_drawing(text, scale=1):
    picture = np.zeros((lettering.HEIGHT * scale, lettering.width(text, scale), 3), np.uint8)
    lettering.write(picture, text, 0, 0, (255, 128, 1), scale)
    return picture


def test_a_letter_has_its_shape_and_colour():
    drawn = a_drawing("L")

    assert drawn[:, 0].tolist() == [[255, 128, 1]] * 7
    assert (drawn[6, :5] != 0).all()
    assert not drawn[:6, 1:].any()


def test_all_letters_differ():
    letters = string.ascii_letters + string.digits + ".,:-+/()"

    assert len({a_drawing(letter).tobytes() for letter in letters}) == len(letters)


def test_an_unknown_letter_is_blank_and_keeps_its_place():
    assert not a_drawing("\N{SNOWMAN}").any()
    assert (a_drawing("\N{SNOWMAN}A")[:, lettering.ADVANCE :] == a_drawing("A")).all()


@pytest.mark.parametrize("scale", [2, 3])
def test_scale_makes_every_pixel_a_square(scale):
    assert (a_drawing("Rk", scale) == a_drawing("Rk").repeat(scale, 0).repeat(scale, 1)).all()


def test_what_does_not_fit_is_cut_off():
    picture = np.zeros((4, 8, 3), np.uint8)

    lettering.write(picture, "WWWW", 2, 2, (9, 9, 9))

    assert picture[2:].any()
