"""Draw the curves of growth: reads them as JSON, writes an SVG that is the same for the same curves."""

from __future__ import annotations

import json
import sys
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

mpl.rcParams["svg.hashsalt"] = "growth"
mpl.rcParams["svg.fonttype"] = "path"
mpl.rcParams["font.size"] = 8
COLOURS = ("#1f5f99", "#b3541e", "#3a7d44", "#7a4a9c", "#8a6d00")
MARKS = "os^Dv"

curves: dict[str, list[dict[str, Any]]] = json.load(sys.stdin)
figure, axes = plt.subplots(2, len(curves), figsize=(4 * len(curves), 6.4), squeeze=False, facecolor="white")
for column, (kind, found) in enumerate(curves.items()):
    times, memory = axes[0][column], axes[1][column]
    for number, curve in enumerate(found):
        sizes, seconds, megabytes = zip(*curve["points"], strict=True)
        look = {
            "color": COLOURS[number % len(COLOURS)],
            "marker": MARKS[number % len(MARKS)],
            "linewidth": 1.2,
        }
        label = f"{curve['name']} (n^{curve['exponent']:.2f})"
        times.loglog(sizes, [each * 1e3 for each in seconds], label=label, **look)
        memory.semilogx(sizes, megabytes, **look)
    times.set_title(f"by {kind}")
    times.legend(fontsize=6, frameon=False, loc="upper left")
    # Room above for the names.
    low, high = times.get_ylim()
    times.set_ylim(low, high * (high / low) ** 0.45)
    memory.set_ylim(bottom=0)
    memory.set_xlabel(kind)
    plain = max((curve["points"] for curve in found), key=len)
    for each in (times, memory):
        each.set_xticks([size for size, _, _ in plain], [f"{size:,}" for size, _, _ in plain])
        each.minorticks_off()
        each.set_facecolor("white")
        each.grid(visible=True, color="#dddddd", linewidth=0.5)
axes[0][0].set_ylabel("processor time, ms")
axes[1][0].set_ylabel("memory, MB more")
figure.tight_layout()
figure.savefig(sys.argv[1], metadata={"Date": None, "Creator": None})
