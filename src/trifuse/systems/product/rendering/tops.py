"""Garments of the upper body: T-shirt, shirt, long-sleeve top, jacket and dress."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trifuse.systems.product.rendering.bottoms import flared, pleats
from trifuse.systems.product.rendering.canvas import mirrored, points, rectangle, rounded, symmetric, turned
from trifuse.systems.product.rendering.garment import Garment, loop


@dataclass(frozen=True)
class _Torso:
    """Half widths and heights of an upper body."""

    top: float
    neck: float
    neck_depth: float
    shoulder: float
    chest: float
    armpit: float
    waist: tuple[float, float]
    hem: tuple[float, float]

    def garment(self) -> Garment:
        half = points(
            (0.0, self.top + self.neck_depth),
            (self.neck * 0.75, self.top + self.neck_depth * 0.75),
            (self.neck, self.top),
            (self.neck, self.top),
            (self.shoulder, self.top + 0.12),
            (self.chest * 0.97, (self.top + 0.12 + self.armpit) / 2),
            (self.chest, self.armpit),
            self.waist,
            self.hem,
            self.hem,
            (0.0, self.hem[1] + 0.02),
        )
        outline = rounded(symmetric(half))
        neckline = rounded(np.concatenate([mirrored(half[:3]), half[1:3]]), closed=False)
        hem = rounded(points((-self.hem[0], self.hem[1]), (0.0, self.hem[1] + 0.02), self.hem), closed=False)
        side = rounded(half[6:9], closed=False)
        back = np.concatenate(
            [neckline, points((self.neck * 0.5, self.top - 0.03), (-self.neck * 0.5, self.top - 0.03))]
        )
        return Garment(
            [outline],
            behind=[back],
            hems=[hem],
            edges=[neckline],
            sides=[side, mirrored(side)],
            fronts=[points((0.0, self.top + self.neck_depth + 0.05), (0.0, self.hem[1]))],
            belts=[points((-self.waist[0], self.waist[1]), (0.0, self.waist[1] + 0.02), self.waist)],
            necklines=[neckline],
            prints=[(0.0, self.armpit + 0.22, 0.3)],
            bows=[(0.0, self.top + self.neck_depth + 0.06, 0.24)],
            hangers=[(0.0, self.top, self.shoulder)],
        )

    def add_sleeves(self, garment: Garment, length: float, angle_rad: float, cuff: float) -> None:
        """Put a pair of sleeves under the body; the angle is measured from hanging straight down."""
        along = np.array([math.sin(angle_rad), math.cos(angle_rad)])
        across = np.array([-math.cos(angle_rad), math.sin(angle_rad)])
        shoulder = np.array([self.shoulder, self.top + 0.12])
        armpit = np.array([self.chest - 0.04, self.armpit + 0.03])
        outer = shoulder + along * length
        inner = outer + across * cuff
        bulge = (shoulder + outer) / 2 - across * 0.03
        sleeve = np.stack(
            [shoulder - np.array([0.14, 0.04]), shoulder, bulge, outer, outer, inner, inner, armpit]
        )
        outline, wrist = rounded(sleeve), np.linspace(outer, inner, 6)
        stripe = np.linspace(shoulder, outer, 6) + across * cuff * 0.3
        seam = rounded(
            np.stack([shoulder, (shoulder + armpit) / 2 - np.array([0.04, 0.0]), armpit]), closed=False
        )
        garment.parts[:0] = [outline, mirrored(outline)]
        garment.edges += [wrist, mirrored(wrist)]
        garment.sides += [stripe, mirrored(stripe)]
        garment.seams += [seam, mirrored(seam)]


def _top(rng: np.random.Generator, neck_depth: float, width: float = 0.0) -> _Torso:
    chest = rng.uniform(0.42, 0.5) + width
    bottom = rng.uniform(0.62, 0.82)
    return _Torso(
        top=-0.82,
        neck=rng.uniform(0.17, 0.23),
        neck_depth=neck_depth,
        shoulder=chest + rng.uniform(-0.02, 0.05),
        chest=chest,
        armpit=rng.uniform(-0.34, -0.26),
        waist=(chest - rng.uniform(0.0, 0.06), 0.2),
        hem=(chest + rng.uniform(-0.02, 0.05), bottom),
    )


def t_shirt(rng: np.random.Generator) -> Garment:
    """Cut a T-shirt."""
    torso = _top(rng, rng.uniform(0.12, 0.3))
    garment = torso.garment()
    torso.add_sleeves(garment, rng.uniform(0.36, 0.48), rng.uniform(0.6, 0.95), rng.uniform(0.28, 0.34))
    return garment


def long_sleeve(rng: np.random.Generator) -> Garment:
    """Cut a plain top with long sleeves."""
    torso = _top(rng, rng.uniform(0.1, 0.2))
    garment = torso.garment()
    torso.add_sleeves(garment, rng.uniform(1.15, 1.35), rng.uniform(0.2, 0.42), rng.uniform(0.17, 0.21))
    return garment


def shirt(rng: np.random.Generator) -> Garment:
    """Cut a shirt: collar, button placket, chest pocket."""
    torso = _top(rng, rng.uniform(0.16, 0.24))
    garment = torso.garment()
    torso.add_sleeves(garment, rng.uniform(1.1, 1.25), rng.uniform(0.18, 0.4), rng.uniform(0.17, 0.2))
    low, neck = torso.top + torso.neck_depth, torso.neck
    wing = points(
        (0.01, low), (neck * 0.8, torso.top - 0.05), (neck + 0.07, torso.top + 0.01), (neck * 0.75, low + 0.1)
    )
    garment.panels += [(wing, 0.3), (mirrored(wing), 0.3), (rectangle(-0.05, low, 0.05, torso.hem[1]), 0.16)]
    garment.seams += [loop(wing), loop(mirrored(wing))]
    garment.seams += [
        points((x, low), (x, (low + torso.hem[1]) / 2), (x, torso.hem[1])) for x in (-0.05, 0.05)
    ]
    pocket = rectangle(0.14, -0.26, 0.34, -0.02)
    garment.seams.append(loop(pocket))
    garment.buttons.append(points((0.0, low + 0.08), (0.0, torso.hem[1] - 0.08)))
    garment.prints = [(0.0, 0.12, 0.3)]
    return garment


def jacket(rng: np.random.Generator) -> Garment:
    """Cut an open jacket with lapels, its dark lining showing in front."""
    torso = _top(rng, rng.uniform(0.1, 0.16), width=0.05)
    garment = torso.garment()
    torso.add_sleeves(garment, rng.uniform(1.1, 1.25), rng.uniform(0.16, 0.34), rng.uniform(0.2, 0.24))
    top, bottom, gap = torso.top, torso.hem[1], rng.uniform(0.1, 0.2)
    opening = points(
        (-torso.neck * 0.8, top),
        (torso.neck * 0.8, top),
        (0.07, 0.05),
        (gap, bottom + 0.03),
        (-gap, bottom + 0.03),
        (-0.07, 0.05),
    )
    lapel = points(
        (torso.neck * 0.7, top - 0.04),
        (torso.neck + 0.14, top + 0.16),
        (torso.neck + 0.1, top + 0.34),
        (0.07, 0.05),
    )
    pocket = turned(rectangle(-0.13, -0.025, 0.13, 0.025), 0.25, (0.3, 0.32))
    garment.panels += [
        (opening, -0.62),
        (lapel, 0.2),
        (mirrored(lapel), 0.2),
        (pocket, -0.35),
        (mirrored(pocket), -0.35),
    ]
    garment.seams += [loop(lapel), loop(mirrored(lapel))]
    line = points((0.11, 0.05), (gap + 0.06, bottom))
    garment.fronts, garment.bows, garment.prints = (
        [line],
        [(-0.28, -0.45, 0.22)],
        [(-0.3, 0.0, 0.2), (0.34, 0.0, 0.14)],
    )
    garment.necklines = [
        points((0.07, 0.05), (torso.neck + 0.05, top + 0.05)),
        points((-0.07, 0.05), (-torso.neck - 0.05, top + 0.05)),
    ]
    garment.edges[0] = points((gap, bottom), (0.07, 0.05), (torso.neck * 0.8, top))
    garment.edges.append(mirrored(garment.edges[0]))
    return garment


def dress(rng: np.random.Generator) -> Garment:
    """Cut a dress with a flared skirt, with or without short sleeves."""
    waist, flare = rng.uniform(0.25, 0.3), rng.uniform(0.5, 0.72)
    waist_y, bottom = rng.uniform(-0.28, -0.14), rng.uniform(0.72, 0.92)
    torso = _Torso(
        -0.92,
        rng.uniform(0.14, 0.2),
        rng.uniform(0.14, 0.3),
        0.3,
        0.32,
        -0.58,
        (waist, waist_y),
        (waist + 0.02, waist_y + 0.06),
    )
    garment = torso.garment()
    if rng.random() < 0.6:
        torso.add_sleeves(garment, rng.uniform(0.2, 0.42), rng.uniform(0.5, 0.9), rng.uniform(0.2, 0.26))
    skirt, hem, side = flared(waist, waist_y, flare, bottom, rng.uniform(-0.04, 0.06))
    garment.parts.append(skirt)
    garment.seams += pleats(rng, waist, waist_y, flare, bottom)
    garment.hems, garment.sides = [hem], [*garment.sides[2:], side, mirrored(side)]
    garment.fronts = [points((0.0, -0.92 + torso.neck_depth + 0.05), (0.0, bottom - 0.2))]
    garment.belts = [
        points((-waist - 0.015, waist_y + 0.02), (0.0, waist_y + 0.04), (waist + 0.015, waist_y + 0.02))
    ]
    garment.prints, garment.bows = [(0.0, (waist_y + bottom) / 2 + 0.02, 0.32)], [(0.0, waist_y, 0.26)]
    return garment
