// The page: a sample, switches for its modalities, and at once what the model says without those that are off.

import { bars, contributions, element, intervals, lines, picture, probabilities, shown } from "./charts.js";
import { showApi, showReport } from "./report.js";

const $ = (id) => document.getElementById(id);
const MIB = 2 ** 20;
const EXPLAINED = 6; // modalities up to which every set of them is looked at
const TYPES = { csv: "text/csv", json: "application/json", npz: "application/x-npz" };
const state = { model: null, sample: null, uploads: null, row: 0, off: new Set(), asked: 0, feature: {} };

async function ask(path, options = {}) {
  const token = sessionStorage.getItem("md2n-token");
  const headers = { ...options.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("The server does not answer.\nIs it still running?");
  }
  if (response.ok) return response;
  const refusal = await response.json().catch(() => ({ error: response.statusText, next: "" }));
  if (refusal.kind === "token") {
    $("login").hidden = false;
    $("token").focus();
  }
  throw new Error([refusal.error, refusal.next].filter(Boolean).join("\n"));
}

const post = async (path, content) => (await ask(path, {
  method: "POST", headers: { "content-type": TYPES.json }, body: JSON.stringify(content),
})).json();

function complain(error) {
  $("alert").textContent = error ? error.message : "";
  $("alert").hidden = !error;
}

// An action of a person: whatever goes wrong is shown.
const act = (work) => async (event) => {
  try {
    complain(null);
    await work(event);
  } catch (error) {
    complain(error);
  }
};

// --- samples -------------------------------------------------------------------------------------------------------

const count = () => (state.uploads ? state.uploads.length : state.model.samples);

async function choose(row) {
  if (!count()) return;
  state.row = Math.max(0, Math.min(count() - 1, row));
  state.sample = state.uploads ? state.uploads[state.row] : await (await ask(`api/samples/${state.row}`)).json();
  $("row").value = state.row + 1;
  $("row").max = count();
  $("count").textContent = `of ${count()}`;
  $("source").textContent = state.uploads ? "Sample of your file" : "Sample of the test split";
  $("back").hidden = !(state.uploads && state.model.samples);
  const label = state.sample.label;
  const truth = label === null ? "" : ` · true ${state.model.task.label}: ${typeof label === "number" ? shown(label) : label}`;
  $("sample-line").textContent = `${state.sample.id}${truth}`;
  const present = state.model.modalities.filter((m) => state.sample.features[m.name]).map((m) => m.name);
  if (present.every((name) => state.off.has(name))) state.off.clear();
  drawSwitches();
  await answer();
}

async function upload(event) {
  const file = event.target.files[0];
  if (!file) return;
  const ending = file.name.split(".").pop().toLowerCase();
  event.target.value = "";
  if (!TYPES[ending]) throw new Error(`'${file.name}' is no .csv, .json or .npz.\nSave this sample shows what a file looks like.`);
  const most = state.model.limits.body_bytes;
  if (file.size > most) throw new Error(`'${file.name}' is larger than ${most / MIB} MiB.\nCut it into smaller files.`);
  const held = await (await ask("api/read", { method: "POST", headers: { "content-type": TYPES[ending] }, body: file })).json();
  state.uploads = Array.from({ length: held.rows }, (_, i) => ({
    id: `${file.name}, sample ${i + 1}`,
    label: null,
    group: held.groups ? held.groups[i] : null,
    features: Object.fromEntries(state.model.modalities.map((m) => [m.name, held.features[m.name][i]])),
  }));
  state.off.clear();
  await choose(0);
}

function save() {
  if (!state.sample) return;
  const features = Object.fromEntries(Object.entries(state.sample.features).map(([k, v]) => [k, [v]]));
  const link = element("a", { download: "sample.json" });
  link.href = URL.createObjectURL(new Blob([JSON.stringify({ features })], { type: TYPES.json }));
  link.click();
  URL.revokeObjectURL(link.href);
}

// --- switches ------------------------------------------------------------------------------------------------------

function drawSwitches() {
  const buttons = state.model.modalities.map((m) => {
    const here = Boolean(state.sample.features[m.name]);
    const button = element("button", { type: "button", "aria-pressed": String(here && !state.off.has(m.name)) }, m.name);
    button.disabled = !here;
    if (!here) button.title = "The sample does not have it.";
    button.addEventListener("click", act(() => toggle(m.name, button)));
    return button;
  });
  $("switches").replaceChildren(...buttons);
}

async function toggle(name, button) {
  const on = state.model.modalities.filter((m) => state.sample.features[m.name] && !state.off.has(m.name));
  if (!state.off.has(name) && on.length === 1) throw new Error("The model has to read one modality at least.");
  state.off.has(name) ? state.off.delete(name) : state.off.add(name);
  button.setAttribute("aria-pressed", String(!state.off.has(name)));
  await answer();
}

// --- answers -------------------------------------------------------------------------------------------------------

async function answer() {
  const asked = ++state.asked;
  const { sample, model } = state;
  const read = model.modalities.filter((m) => sample.features[m.name] && !state.off.has(m.name));
  const features = Object.fromEntries(read.map((m) => [m.name, [sample.features[m.name]]]));
  const content = { features, ...(sample.group ? { groups: [sample.group] } : {}) };
  const some = read.length < model.modalities.length && model.abilities.includes("recover");
  const explained = read.length > 1 && read.length <= EXPLAINED;
  const [prediction, recovery, explanation] = await Promise.all([
    post("api/predict", content), some ? post("api/recover", content) : null, explained ? post("api/explain", content) : null,
  ]);
  if (asked !== state.asked) return; // a later click was quicker
  drawPrediction(prediction, read);
  drawExplanation(explanation, read);
  drawRecovery(recovery, read);
  const notes = [...new Set([...prediction.notes, ...(recovery ? recovery.notes : [])])];
  $("notes").replaceChildren(...notes.map((note) => element("li", {}, note)));
}

function drawPrediction(prediction, read) {
  const { model, sample } = state;
  const [label] = prediction.labels;
  const std = prediction.std ? prediction.std[0] : null;
  const words = [], classes = prediction.classes.length > 0;
  if (classes && sample.label !== null) {
    const right = label === sample.label;
    words.push(element("p", { class: right ? "right" : "wrong" }, right ? "✓ as it is" : `✗ it is ${sample.label}`));
  }
  if (!classes && std !== null) words.push(element("p", { class: "soft" }, `± ${shown(std)} over draws of what is missing`));
  const complete = read.length === model.modalities.length;
  const pattern = complete ? "complete" : read.map((m) => m.name).join("+");
  const scores = model.accuracy && model.accuracy.patterns[pattern];
  if (scores) {
    const value = model.accuracy.percent ? (100 * scores.value).toFixed(1) : shown(scores.value);
    words.push(element("p", { class: "soft" }, `${model.accuracy.measure} with ${complete ? "everything" : pattern}: `,
      element("b", {}, value), ` on ${scores.n} test samples`));
  }
  const chart = classes
    ? probabilities(prediction.classes, prediction.output[0], std, sample.label)
    : intervals(label, Object.fromEntries(Object.entries(prediction.intervals).map(([k, v]) => [k, v[0]])), sample.label);
  const key = classes
    ? `Probabilities${model.calibrated ? ", calibrated" : ""}${std ? " ± standard deviation over draws of what is missing" : ""}`
    : "Intervals that hold 50, 80 and 90 % of labels like the validation samples'";
  $("result").replaceChildren(element("div", { class: "card answer" },
    element("div", {}, element("h2", {}, model.task.label),
      element("strong", {}, classes ? label : shown(label)), ...words),
    element("div", {}, chart, element("p", { class: "key" }, key))));
}

function drawExplanation(explanation, read) {
  if (!explanation) {
    $("explained").replaceChildren();
    return;
  }
  const adds = read.map((m) => [m.name, explanation.adds[m.name][0]]);
  const of = state.model.task.classes ? `the probability of ${explanation.labels[0]}` : "the value";
  $("explained").replaceChildren(element("div", { class: "card" },
    element("h2", {}, "What each modality adds"),
    contributions(adds),
    element("p", { class: "key" }, `To ${of}: ${shown(explanation.baseline[0])} from nothing, and these make ` +
      `${shown(explanation.value[0])}. The mean over all orders in which they could arrive.`)));
}

function drawRecovery(recovery, read) {
  if (!recovery) {
    $("recovered").replaceChildren();
    return;
  }
  const missing = state.model.modalities.filter((m) => !read.includes(m));
  $("recovered").replaceChildren(
    element("h2", {}, "Recovered"),
    element("p", { class: "key" }, element("b", { class: "truth" }, "truth"), " beside ",
      element("b", { class: "model" }, "recovered"), ", with the band that should hold the truth 90 % of the time"),
    element("div", { class: "grid" }, ...missing.map((m) => recoveredCard(m, recovery))));
}

function recoveredCard(modality, recovery) {
  const value = recovery.features[modality.name][0];
  const std = recovery.std[modality.name] ? recovery.std[modality.name][0] : null;
  const truth = state.sample.features[modality.name];
  const card = element("div", { class: "card" }, element("h2", {}, modality.name));
  if (modality.picture && value.flat().length === modality.picture[0] * modality.picture[1]) {
    const known = [...value.flat(), ...(truth ? truth.flat() : [])].filter((v) => v !== null);
    const ends = [Math.min(...known), Math.max(...known)];
    card.append(element("div", { class: "pictures" },
      truth ? picture("truth", truth.flat(), modality.picture, ...ends) : null,
      picture("recovered", value.flat(), modality.picture, ...ends),
      std ? picture(`deviation, up to ${shown(Math.max(...std.flat()))}`, std.flat(), modality.picture, 0, Math.max(...std.flat())) : null));
  } else if (modality.vector) {
    card.append(bars(modality.name, value[0], std && std[0], truth && truth[0]));
  } else {
    card.append(sequence(modality, value, std, truth));
  }
  return card;
}

// One feature of a sequence, and a field to choose which.
function sequence(modality, value, std, truth) {
  const place = element("div");
  const field = element("input", { type: "number", min: 0, max: modality.features - 1, id: `feature-${modality.name}` });
  field.value = state.feature[modality.name] || 0;
  const draw = () => {
    const k = Math.max(0, Math.min(modality.features - 1, Number(field.value) || 0));
    state.feature[modality.name] = k;
    const of = (frames) => frames && frames.map((frame) => frame[k]);
    place.replaceChildren(lines(`feature ${k} of ${modality.name}`, of(value), of(std), of(truth)));
  };
  field.addEventListener("input", draw);
  draw();
  const label = element("label", { for: field.id }, "feature ");
  return element("div", {}, place, element("p", { class: "key" }, label, field, ` of 0 to ${modality.features - 1}`));
}

// --- tabs and start ------------------------------------------------------------------------------------------------

const tabs = [...document.querySelectorAll("[role=tab]")];

async function open(tab) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (tab.id === "tab-report") await showReport($("report"), ask, state.model.report);
  if (tab.id === "tab-api") await showApi($("api"), ask, state.sample);
}

for (const tab of tabs) {
  tab.addEventListener("click", act(() => open(tab)));
  tab.addEventListener("keydown", act(async (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    next.focus();
    await open(next);
  }));
}

async function start() {
  state.model = await (await ask("api/model")).json();
  const { model } = state;
  document.title = `${model.run} · md2n`;
  $("title").textContent = `${model.method} on ${model.data}`;
  $("facts").textContent = `run ${model.run} · predicts '${model.task.label}' from ` +
    model.modalities.map((m) => m.name).join(", ");
  $("chooser").hidden = !model.samples;
  if (model.samples) await choose(0);
  else $("sample-line").textContent = "Give a file of your own, or start the server with --data to look at its test split.";
}

$("previous").addEventListener("click", act(() => choose(state.row - 1)));
$("next").addEventListener("click", act(() => choose(state.row + 1)));
$("random").addEventListener("click", act(() => choose(Math.floor(Math.random() * count()))));
$("row").addEventListener("change", act(() => choose(Number($("row").value) - 1)));
$("file").addEventListener("change", act(upload));
$("save").addEventListener("click", save);
$("back").addEventListener("click", act(() => {
  state.uploads = null;
  return choose(0);
}));
$("login").addEventListener("submit", act(async (event) => {
  event.preventDefault();
  sessionStorage.setItem("md2n-token", $("token").value);
  $("login").hidden = true;
  await start();
}));
act(start)();
