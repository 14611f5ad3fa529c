// The tab with tables and figures of a report, and the tab about the API.

import { element } from "./charts.js";

const GOOD = /^\*\*(.*)\*\*$/;

function table(content) {
  const cell = (text, i, name) => {
    const best = GOOD.exec(text);
    const kinds = [content.numeric[i] ? "number" : "", best ? "best" : ""].join(" ").trim();
    return element(name, kinds ? { class: kinds } : {}, best ? best[1] : text);
  };
  const head = element("tr", {}, ...content.columns.map((c, i) => cell(c, i, "th")));
  const rows = content.rows.map((row) => element("tr", {}, ...row.map((c, i) => cell(c, i, i ? "td" : "th"))));
  const notes = content.notes.map((note) => element("li", {}, note));
  return element("section", { class: "block" },
    element("h2", {}, content.title),
    element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": content.title },
      element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))),
    notes.length ? element("ul", { class: "soft" }, ...notes) : null);
}

export async function showReport(place, ask, shows) {
  if (!shows) {
    place.replaceChildren(element("p", {},
      "This server shows no report. Start it with one: ", element("code", {}, "md2n serve RUN --report FOLDER")));
    return;
  }
  const report = await (await ask("api/report")).json();
  const figures = await Promise.all(report.figures.map(async (name) => {
    const image = element("img", { alt: name.replace(/\.\w+$/, "").replaceAll("-", " "), loading: "lazy" });
    image.src = URL.createObjectURL(await (await ask(`api/report/figures/${encodeURIComponent(name)}`)).blob());
    return element("figure", { class: "block" }, image, element("figcaption", {}, image.alt));
  }));
  const first = report.tables.filter((t) => /compare|patterns-(accuracy|mae|acc2)/.test(t.name));
  const others = report.tables.filter((t) => !first.includes(t));
  place.replaceChildren(
    ...first.map(table), ...figures,
    others.length ? element("details", {},
      element("summary", {}, `${others.length} more tables`), ...others.map(table)) : "",
  );
}

export async function showApi(place, ask, sample) {
  const description = await (await ask("openapi.json")).json();
  const rows = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, route]) => element("li", {},
      element("code", {}, `${method.toUpperCase()} ${path}`), route.summary || "")));
  const features = sample ? Object.fromEntries(
    Object.entries(sample.features).filter(([, v]) => v !== null).slice(0, 1).map(([k, v]) => [k, [v]])) : {};
  place.replaceChildren(
    element("p", {}, "The description for programs is ",
      element("a", { href: "openapi.json" }, "openapi.json"), ". A request that works here:"),
    element("pre", { tabindex: "0" }, `curl ${new URL("api/predict", location.href)} -H 'content-type: application/json' \\\n` +
      `  -d '${JSON.stringify({ features })}'`),
    element("ul", { class: "paths" }, ...rows),
  );
}
