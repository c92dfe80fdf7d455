"""Tables to damage, and what is told of it."""

import warnings

import numpy as np

from hitpredict.errors import HitpredictError
from hitpredict.frontends import MfccStats

ROWS = 40
COLUMNS = MfccStats().columns


def told(action):
    """Run what may raise an error for people, of one line; anything else fails the test. Numbers must not warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            action()
        except HitpredictError as error:
            assert "\n" not in str(error)
            return error
    return None


def damaged(data, number, random):
    """Bytes cut, changed, repeated or replaced."""
    changed, place = bytearray(data), int(random.integers(len(data)))
    if number % 4 == 0:
        return bytes(changed[:place])
    if number % 4 == 1:
        for each in random.integers(len(data), size=20):
            changed[each] = int(random.integers(256))
    elif number % 4 == 2:
        changed[place : place + 50] = changed[: int(random.integers(200))]
    else:
        end = min(len(data), 1000)
        changed[-int(random.integers(1, end)) :] = bytes(random.integers(0, 256, 40, dtype=np.uint8))
    return bytes(changed)
