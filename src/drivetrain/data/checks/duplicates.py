"""Pictures that are the same: byte for byte, or nearly, as copies in another size, format or quality.

Two pictures are nearly the same when their perceptual hashes share one of four 16-bit bands and differ in at
most 10 of 64 bits (every pair within 3 bits shares a band), and when then their 16 x 16 RGB reductions, each
channel less its mean, correlate by 0.998 or more. The second condition decides: simple pictures such as
digits often have nearly the same hash. A picture with hardly any contrast is compared by its bytes only. A
cut-out, a mirrored picture and a grey copy are not found, and a lossy copy of a picture under 64 pixels often not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from drivetrain.data.checks.scan import SIDE
from drivetrain.types import Array

CORRELATION = 0.998
HASH_DISTANCE = 10
LEAST_CONTRAST = 4.0
"""Standard deviation, in grey levels of 255, of the reduced picture."""
_NEIGHBOURS = 128
_BLOCK = 4096


def exact_groups(seen: Array, rows: Array) -> list[list[int]]:
    """Groups of two or more of `rows` whose files have the same bytes, by first row."""
    groups: dict[bytes, list[int]] = {}
    for row, content in zip(rows.tolist(), seen["content"][rows]):
        groups.setdefault(content.tobytes(), []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def near_groups(seen: Array, rows: Array) -> list[list[int]]:
    """Groups of two or more of `rows` that look the same and differ in their bytes, each sorted, by first row.

    Of rows with the same bytes only the first is compared. What is nearly the same as one of a group belongs to
    it. In a crowd of more than 128 with a band in common only neighbours by hash are compared.
    """
    if len(rows) < 2:
        return []
    _, first = np.unique(seen["content"][rows], return_index=True)
    rows = rows[np.sort(first)]
    rows = rows[_contrasts(seen["thumb"], rows) >= LEAST_CONTRAST]
    leader = np.arange(len(rows))
    alike: dict[bytes, int] = {}
    for position, row in enumerate(rows.tolist()):
        leader[position] = alike.setdefault(seen["thumb"][row].tobytes(), position)
    coarse = _coarse(seen["thumb"], rows)
    for pairs in _candidates(seen["hash"][rows]):
        # What is in one group already need not be compared: a film of one scene takes n steps, not n * n.
        pairs = pairs[leader[pairs[:, 0]] != leader[pairs[:, 1]]]
        for start in range(0, len(pairs), _BLOCK):
            block = pairs[start : start + _BLOCK]
            apart = np.square(coarse[block[:, 0]] - coarse[block[:, 1]]).sum(axis=1)
            block = block[apart <= 2 * (1 - CORRELATION) + 1e-5]
            _join(leader, block[_correlations(seen["thumb"], rows[block]) >= CORRELATION])
    groups: dict[int, list[int]] = {}
    for row, group in zip(rows.tolist(), leader.tolist()):
        groups.setdefault(group, []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def _join(leader: Array, pairs: Array) -> None:
    """Make one group, led by its first member, of the groups that each pair connects."""
    if not len(pairs):
        return
    for one, other in pairs.tolist():
        while leader[one] != one:
            one = int(leader[one])
        while leader[other] != other:
            other = int(leader[other])
        leader[max(one, other)] = min(one, other)
    while (leader[leader] != leader).any():
        leader[:] = leader[leader]


def _candidates(hashes: Array) -> Iterator[Array]:
    """Pairs (k, 2) of positions whose hashes share a band and differ in few bits, in blocks."""
    for band in range(4):
        # Turned so that the band is on top: sorted, those that share it lie side by side.
        turned = (hashes << np.uint64(16 * band)) | (hashes >> np.uint64((64 - 16 * band) % 64))
        order = np.argsort(turned, kind="stable")
        ordered = turned[order]
        bands = ordered >> np.uint64(48)
        at = np.arange(len(ordered) - 1)
        for step in range(1, _NEIGHBOURS + 1):
            at = at[at + step < len(ordered)]
            at = at[bands[at] == bands[at + step]]
            if not len(at):
                break
            close = at[np.bitwise_count(ordered[at] ^ ordered[at + step]) <= HASH_DISTANCE]
            if len(close):
                yield np.stack([order[close], order[close + step]], axis=1)


def _centred(thumbs: Array) -> Array:
    """Pixels (n, 768), each channel less its mean."""
    pixels = thumbs.astype(np.float32)
    pixels -= pixels.mean(axis=(1, 2), keepdims=True)
    return pixels.reshape(len(thumbs), 3 * SIDE * SIDE)


def _coarse(thumbs: Array, rows: Array) -> Array:
    """The centred pictures as unit vectors, projected on 4 x 4 blocks (n, 48).

    Unit vectors that correlate by r are sqrt(2 - 2 r) apart, and no projection moves them apart: a pair that
    is farther apart here can't correlate by r, and need not be compared in full.
    """
    coarse = np.empty((len(rows), 48), np.float32)
    for start in range(0, len(rows), _BLOCK):
        pixels = _centred(thumbs[rows[start : start + _BLOCK]])
        pixels /= np.linalg.norm(pixels, axis=1, keepdims=True)
        coarse[start : start + _BLOCK] = (
            pixels.reshape(-1, 4, 4, 4, 4, 3).sum(axis=(2, 4)).reshape(-1, 48) / 4
        )
    return coarse


def _contrasts(thumbs: Array, rows: Array) -> Array:
    starts = range(0, len(rows), _BLOCK)
    return np.concatenate([_centred(thumbs[rows[start : start + _BLOCK]]).std(axis=1) for start in starts])


def _correlations(thumbs: Array, pairs: Array) -> Array:
    one, other = _centred(thumbs[pairs[:, 0]]), _centred(thumbs[pairs[:, 1]])
    together = np.einsum("ij,ij->i", one, other)
    return together / np.sqrt(np.einsum("ij,ij->i", one, one) * np.einsum("ij,ij->i", other, other))
