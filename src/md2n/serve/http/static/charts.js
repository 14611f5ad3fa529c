// Pictures of numbers as SVG.  Colours are classes of page.css, so that they follow the reader's light or dark.

const SVG = "http://www.w3.org/2000/svg";
export const BAND = 1.645; // standard deviations to either side that hold 90 % of a normal distribution

export function element(name, attributes = {}, ...children) {
  const plain = !["svg", "path", "rect", "line", "text", "g", "title"].includes(name);
  const node = plain ? document.createElement(name) : document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

export function shown(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

// Drawn as wide as there is room, so that text has its size on a telephone, too.
const room = () => Math.max(260, Math.min(460, document.documentElement.clientWidth - 64));

function canvas(width, height, label) {
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  svg.style.width = `${width}px`;
  return svg;
}

const finite = (values) => values.filter((v) => v !== null && Number.isFinite(v));

function range(values, withZero) {
  const known = finite(values);
  let low = Math.min(...known, ...(withZero ? [0] : []));
  let high = Math.max(...known, ...(withZero ? [0] : []));
  if (!(high > low)) [low, high] = [low - 1, high + 1];
  const margin = (high - low) * 0.06;
  return [low - (withZero && low === 0 ? 0 : margin), high + margin];
}

function plot(width, height, low, high, label) {
  const left = 46, bottom = 18;
  const y = (v) => 6 + (height - bottom - 6) * (1 - (v - low) / (high - low));
  const svg = canvas(width, height, label);
  for (const v of [low, (low + high) / 2, high]) {
    svg.append(
      element("line", { x1: left, x2: width, y1: y(v), y2: y(v), class: "axis" }),
      element("text", { x: left - 5, y: y(v) + 4, "text-anchor": "end" }, shown(v)),
    );
  }
  return { svg, left, y, bottom: height - 4 };
}

// One value per feature: bars of the truth and of what was recovered, with a whisker.
export function bars(name, value, std, truth) {
  const count = value.length, slot = Math.max(6, Math.min(34, (room() - 50) / count));
  const ends = value.flatMap((v, i) => [v - BAND * (std ? std[i] : 0), v + BAND * (std ? std[i] : 0)]);
  const [low, high] = range([...ends, ...(truth || [])], true);
  const width = 48 + slot * count;
  const { svg, left, y, bottom } = plot(width, 190, low, high, `${name}: ${count} recovered features`);
  const thick = slot * 0.36;
  value.forEach((v, i) => {
    const x = left + slot * i + slot * 0.14;
    const title = `feature ${i}: recovered ${shown(v)}${std ? ` ± ${shown(BAND * std[i])}` : ""}` +
      (truth && truth[i] !== null ? `, truth ${shown(truth[i])}` : "");
    const group = element("g", {}, element("title", {}, title));
    const bar = (at, end, kind) =>
      element("rect", { x: at, width: thick, y: Math.min(y(0), y(end)), height: Math.abs(y(end) - y(0)), class: kind });
    if (truth && truth[i] !== null) group.append(bar(x, truth[i], "truth"));
    group.append(bar(x + thick, v, "model"));
    if (std) {
      const middle = x + 1.5 * thick;
      group.append(element("line",
        { x1: middle, x2: middle, y1: y(v - BAND * std[i]), y2: y(v + BAND * std[i]), class: "whisker" }));
    }
    svg.append(group);
    if (count <= 12 || i % 8 === 0) {
      svg.append(element("text", { x: x + thick, y: bottom, "text-anchor": "middle" }, String(i)));
    }
  });
  svg.style.maxWidth = "none";
  return element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": `${name}, feature by feature` }, svg);
}

// One feature over frames: the truth as a dashed line, what was recovered with its band.
export function lines(name, value, std, truth) {
  const low = value.map((v, i) => v - BAND * (std ? std[i] : 0));
  const high = value.map((v, i) => v + BAND * (std ? std[i] : 0));
  const [from, to] = range([...low, ...high, ...(truth || [])], false);
  const width = room();
  const { svg, left, y, bottom } = plot(width, 190, from, to, `${name} over ${value.length} frames`);
  const last = Math.max(value.length, truth ? truth.length : 0) - 1;
  const x = (i) => left + 6 + (width - left - 12) * (last > 0 ? i / last : 0.5);
  const path = (values) => values
    .map((v, i) => (v === null ? "" : `${i && values[i - 1] !== null ? "L" : "M"}${x(i)} ${y(v)}`)).join(" ");
  if (std) {
    const back = low.map((v, i) => `L${x(i)} ${y(v)}`).reverse().join(" ");
    svg.append(element("path", { d: `${path(high)} ${back} Z`, class: "band" }));
  }
  if (truth) svg.append(element("path", { d: path(truth), class: "truth-line" }));
  svg.append(
    element("path", { d: path(value), class: "model-line" }),
    element("text", { x: left, y: bottom }, "frame 0"),
    element("text", { x: width, y: bottom, "text-anchor": "end" }, String(last)),
  );
  return svg;
}

// Numbers as the pixels that they are; the more, the stronger.
export function picture(caption, values, [rows, columns], low, high) {
  const svg = element("svg", { viewBox: `0 0 ${columns} ${rows}`, role: "img", "aria-label": caption });
  values.forEach((v, i) => {
    if (v === null) return;
    const strength = Math.max(0, Math.min(1, (v - low) / (high - low || 1)));
    svg.append(element("rect", {
      x: i % columns, y: Math.floor(i / columns), width: 1.02, height: 1.02, class: "cell", "fill-opacity": strength,
    }));
  });
  svg.append(element("rect", { width: columns, height: rows, class: "frame", "stroke-width": 0.08 }));
  return element("figure", {}, svg, element("figcaption", {}, caption));
}

// Probabilities of classes, the largest first.
export function probabilities(classes, values, std, truth) {
  const order = classes.map((_, i) => i).sort((a, b) => values[b] - values[a]).slice(0, 8);
  const names = Math.min(150, 12 + 8 * Math.max(...order.map((i) => classes[i].length)));
  const width = room(), end = width - (std ? 92 : 56);
  const svg = canvas(width, order.length * 24 + 4, "Probabilities of the classes");
  const x = (p) => names + (end - names) * p;
  order.forEach((c, row) => {
    const y = row * 24 + 4;
    const name = classes[c].length > 18 ? `${classes[c].slice(0, 17)}…` : classes[c];
    svg.append(
      element("text", { x: names - 8, y: y + 13, "text-anchor": "end" }, classes[c] === truth ? `✓ ${name}` : name),
      element("rect", { x: x(0), y, width: Math.max(1, x(values[c]) - x(0)), height: 17, class: "model" }),
    );
    if (std) {
      const ends = [Math.max(0, values[c] - std[c]), Math.min(1, values[c] + std[c])];
      svg.append(element("line", { x1: x(ends[0]), x2: x(ends[1]), y1: y + 8.5, y2: y + 8.5, class: "whisker" }));
    }
    const deviation = std ? ` ± ${(100 * std[c]).toFixed(1)}` : "";
    svg.append(element("text", { x: end + 8, y: y + 13 }, `${(100 * values[c]).toFixed(1)}${deviation} %`));
  });
  return svg;
}

// What each of some names adds to a value or takes from it, as bars to the right or the left of nothing.
export function contributions(adds) {
  const names = Math.min(150, 12 + 8 * Math.max(...adds.map(([name]) => name.length)));
  const values = adds.map(([, v]) => v);
  const low = Math.min(0, ...values), high = Math.max(0, ...values);
  const width = room(), end = width - 60;
  const svg = canvas(width, adds.length * 24 + 4, "What each modality adds");
  const x = (v) => names + (end - names) * (v - low) / (high - low || 1);
  adds.forEach(([full, v], row) => {
    const y = row * 24 + 4;
    const name = full.length > 18 ? `${full.slice(0, 17)}…` : full;
    svg.append(
      element("text", { x: names - 8, y: y + 13, "text-anchor": "end" }, name),
      element("rect", { x: Math.min(x(0), x(v)), y, width: Math.max(1, Math.abs(x(v) - x(0))), height: 17, class: v < 0 ? "less" : "model" }),
      element("text", { x: end + 8, y: y + 13 }, `${v < 0 ? "−" : "+"}${shown(Math.abs(v))}`),
    );
  });
  svg.append(element("line", { x1: x(0), x2: x(0), y1: 2, y2: adds.length * 24 + 2, class: "axis" }));
  return svg;
}

// A value with its intervals, one in another, and the truth.
export function intervals(value, levels, truth) {
  const ends = Object.values(levels).flat();
  const [low, high] = range([value, ...ends, ...(truth === null ? [] : [truth])], false);
  const width = room();
  const svg = canvas(width, 84, "The value with its intervals");
  const x = (v) => 20 + (width - 40) * (v - low) / (high - low);
  for (const level of Object.keys(levels).sort((a, b) => b - a)) {
    const [from, to] = levels[level];
    const band = element("rect", { x: x(from), width: Math.max(1, x(to) - x(from)), y: 24, height: 26, class: "band" });
    band.append(element("title", {}, `${level} % of labels: ${shown(from)} to ${shown(to)}`));
    svg.append(band);
  }
  svg.append(element("line", { x1: 20, x2: width - 20, y1: 58, y2: 58, class: "axis" }));
  for (const [v, anchor] of [[low, "start"], [high, "end"]]) {
    svg.append(element("text", { x: x(v), y: 74, "text-anchor": anchor }, shown(v)));
  }
  svg.append(element("rect", { x: x(value) - 2, y: 20, width: 4, height: 34, class: "model" }));
  if (truth !== null) {
    svg.append(
      element("rect", { x: x(truth) - 1, y: 14, width: 2, height: 44, class: "truth" }),
      element("text", { x: x(truth), y: 10, "text-anchor": "middle" }, "truth"),
    );
  }
  return svg;
}
