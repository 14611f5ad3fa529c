"""docs/pictures/method.svg: the method in one picture, read from left to right as recovery runs, from t = T to t = 0.

Dark text on a white sheet, so that it is legible on a light and on a dark page.
"""

import re

INDEX = re.compile(r"([_^])(\(\w\)|\w)")
RAISED = {"^": -6, "_": 4}
STYLE = """
  text { font: 15px sans-serif; fill: #1b1f24; text-anchor: middle }
  .small { font-size: 12.5px; fill: #40464d } .head { font-weight: bold } .it { font-style: italic }
  rect { stroke: #4a5560; stroke-width: 1.2; fill: #ffffff } .hidden { stroke-dasharray: 5 4 }
  .a { fill: #dcebfa } .m { fill: #fde8cf } .out { fill: #e3f1e1 }
  path { fill: none; stroke-width: 2.4; marker-end: url(#tip) } .pa { stroke: #2467a8 } .pm { stroke: #c26a00 }
  .plain { stroke: #4a5560; stroke-width: 1.6 } .train { stroke-dasharray: 6 4 }
"""
TOP, BOTTOM = 118, 272  # heights of the two chains
COLUMNS = ((296, 430), (430, 564), (564, 698))
STAGES = (
    ("1 structure", "partner, in noise", "#eef2f6"),
    ("2 transfer", "from partner to target", "#e2e8ee"),
    ("3 refinement", "target, ever less noise", "#eef2f6"),
)


def page() -> str:
    """The picture as SVG."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1040 430" role="img" aria-label="MD2N: encoders, duplex '
        'diffusion in three stages, decoder, fusion Transformer and prediction">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" orient="auto" '
        'markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" style="fill:#4a5560;stroke:none;marker-end:none"/>'
        "</marker></defs>",
        '<rect x="1" y="1" width="1038" height="428" rx="8" style="stroke:#c8d0d8"/>',
    ]
    for (left, right), (name, says, colour) in zip(COLUMNS, STAGES):
        parts.append(f'<rect x="{left}" y="62" width="{right - left}" height="262" style="fill:{colour};stroke:none"/>')
        middle = (left + right) / 2
        parts += [text(middle, 82, name, "head"), text(middle, 312, says, "small")]
    for x, name in zip((296, 430, 564, 698), ("T", "t_2", "t_1", "0")):
        parts.append(text(x, 344, name, "it"))
    parts.append(text(497, 362, "diffusion step t, in the direction of recovery", "small"))
    for y, kind, name, note in ((TOP, "a", "available", "text"), (BOTTOM, "m", "missing", "audio")):
        hidden = " hidden" if kind == "m" else ""
        parts += [
            box(14, y - 24, 84, 48, f"{kind}{hidden}", name, note),
            box(126, y - 24, 84, 48, kind, "encoder", f"E_{kind}"),
            box(236, y - 20, 44, 40, f"{kind}{hidden}", f"x^{kind}"),
            arrow(f"M98 {y}H126", f"plain{' train' if hidden else ''}"),
            arrow(f"M210 {y}H236", f"plain{' train' if hidden else ''}"),
        ]
    parts += [
        # What recovers x^m from x^a, and the other direction, which is only trained.
        arrow(f"M280 {BOTTOM}H430C500 {BOTTOM} 494 {TOP} 564 {TOP}H722", "pm train"),
        arrow(f"M280 {TOP}H430C500 {TOP} 494 {BOTTOM} 564 {BOTTOM}H722", "pa"),
        text(363, 150, "+ noise", "small"),
        text(363, 250, "+ noise", "small"),
        text(497, 104, "networks s^(m), s^(a)", "small"),
        text(497, 292, "condition y", "small"),
        box(722, TOP - 20, 48, 40, "a hidden", "x̂^a"),
        box(722, BOTTOM - 20, 48, 40, "m", "x̂^m"),
        box(826, 160, 96, 70, "out", "fusion", "Transformer"),
        box(948, 171, 80, 48, "out", "prediction"),
        box(722, 370, 96, 44, "m", "decoder D_m"),
        box(866, 370, 150, 44, "out", "recovered features"),
        arrow(f"M258 {TOP - 20}V38H874V160", "pa"),
        arrow(f"M770 {BOTTOM}H874V230", "pm"),
        arrow("M922 195H948", "plain"),
        arrow(f"M746 {BOTTOM + 20}V370", "pm"),
        arrow("M818 392H866", "plain"),
        text(566, 30, "what is available goes to fusion as it is", "small"),
        text(150, 396, "dashed: in training only", "small"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def box(x: int, y: int, width: int, height: int, kind: str, *lines: str) -> str:
    """A rectangle with one or two lines of text in its middle."""
    first = y + height / 2 + 5 - 9 * (len(lines) - 1)
    words = [text(x + width / 2, first + 18 * k, line, "small" if k else "") for k, line in enumerate(lines)]
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" class="{kind}"/>' + "".join(words)


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """Text around x; ``x^a`` and ``t_2`` are raised and lowered."""
    marked = INDEX.sub(
        lambda m: (
            f'<tspan dy="{RAISED[m[1]]}" font-size="80%">{m[2]}</tspan><tspan dy="{-RAISED[m[1]]}">&#8203;</tspan>'
        ),
        words,
    )
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{marked}</text>'


def arrow(way: str, kind: str) -> str:
    """A line with a tip."""
    return f'<path d="{way}" class="{kind}"/>'
