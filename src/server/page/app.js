// The playground: plain modules, no build, nothing from elsewhere.

const $ = (id) => document.getElementById(id);
const LONG_LINK = 8000;
const state = { request: null, answer: null, chosen: new Map() };

/** An element with attributes and children; text is never markup. */
function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
    else if (value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
}

const percent = (share) => `${Math.round(share * 100)}\u00a0%`;
const stanceOf = (stance) => (stance.abstained ? "unsure" : stance.stance);
const said = (stance) => (stance.abstained ? "not sure" : stance.stance);

class Refused extends Error {}

async function ask(path, body) {
  const headers = {};
  const key = $("key").value.trim();
  if (key) headers.authorization = `Bearer ${key}`;
  if (body) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Refused("The service cannot be reached.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  const wait = answer?.retry_after ? ` Try again in ${answer.retry_after} s.` : "";
  throw new Refused(answer ? `${answer.detail} [${answer.code}]${wait}` : `The service answered ${response.status}.`);
}

function requestOf(texts) {
  const options = { offset_unit: "utf16", sentence_scores: true };
  if ($("html").checked) options.input = "html";
  const request = { documents: texts.map((text, at) => ({ id: at ? "second" : "first", text })), options };
  if ($("model").value) request.model = $("model").value;
  return request;
}

/** Both texts on the same actors: those that either of them names. */
async function onSameActors(request, answer) {
  const ids = new Set(answer.results.flatMap((result) => (result.stances ?? []).map((stance) => stance.actor.id)));
  if (ids.size === 0) return { request, answer };
  const actors = [...ids].map((id) => ({ id }));
  const again = { ...request, documents: request.documents.map((document) => ({ ...document, actors })) };
  return { request: again, answer: await ask("/v1/classify", again) };
}

async function judge() {
  const texts = [$("text-a").value];
  if ($("compare").checked) texts.push($("text-b").value);
  $("error").hidden = true;
  $("submit").disabled = true;
  $("status").textContent = "Reading …";
  try {
    let request = requestOf(texts);
    let answer = await ask("/v1/classify", request);
    if (texts.length > 1) ({ request, answer } = await onSameActors(request, answer));
    Object.assign(state, { request, answer, chosen: new Map() });
    show();
    const found = answer.results.reduce((sum, result) => sum + (result.stances?.length ?? 0), 0);
    $("status").textContent = `Done: ${found} ${found === 1 ? "actor" : "actors"} judged by ${answer.model.name} ${answer.model.version}.`;
    await remember();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    $("status").textContent = "";
    fail(error.message);
  } finally {
    $("submit").disabled = false;
  }
}

function fail(message) {
  $("error").textContent = message;
  $("error").hidden = false;
}

// What is shown

function show() {
  const { request, answer } = state;
  $("documents").replaceChildren(...answer.results.map((result, at) => documentView(result, request.documents[at].text, at)));
  const pair = answer.results.length === 2 && answer.results.every((result) => result.stances);
  $("comparison").hidden = !pair;
  $("comparison").replaceChildren(...(pair ? [comparison(...answer.results)] : []));
  $("result").hidden = false;
}

function documentView(result, given, at) {
  const title = state.answer.results.length > 1 ? (at ? "Second text" : "First text") : "The text";
  if (result.error) {
    return element("section", {}, element("h2", {}, title),
      element("p", { class: "against tag" }, `${result.error.message} [${result.error.code}]`));
  }
  const text = result.text ?? given;
  const chosen = result.stances.find((stance) => stance.actor.id === state.chosen.get(at));
  const paragraphs = paragraphsOf(text);
  const leanings = paragraphs.map((paragraph) => leaning(paragraph, chosen));
  return element("section", {},
    element("h2", {}, title),
    element("p", {}, `Language: ${result.language.code} (${percent(result.language.confidence)}). `,
      result.topics.length ? "Topics: " : "No topic above the threshold.",
      ...result.topics.flatMap((topic) => [element("span", { class: "tag neutral" }, `${topic.label} ${percent(topic.probability)}`), " "])),
    warnings(result),
    element("div", { class: "document" },
      element("div", {},
        chosen && paragraphs.length > 1 ? strip(leanings, chosen, at, text) : null,
        element("div", { class: "text", dir: "auto", lang: result.language.code },
          ...paragraphs.map((paragraph, number) => paragraphView(text, paragraph, result, chosen, leanings[number], at, number)))),
      element("div", {},
        element("h3", {}, "Actors"),
        result.stances.length
          ? element("ul", { class: "actors" }, ...result.stances.map((stance) => actorView(stance, chosen, at, result.language.code)))
          : element("p", {}, "The text names no actor of the registry."))));
}

function warnings(result) {
  if (!result.warnings.length) return null;
  return element("ul", { class: "warnings" }, ...result.warnings.map((warning) => element("li", {}, warning.message)));
}

function paragraphsOf(text) {
  const paragraphs = [];
  const line = /[^\n]+/g;
  for (let match = line.exec(text); match; match = line.exec(text)) {
    if (match[0].trim()) paragraphs.push({ start: match.index, end: match.index + match[0].length });
  }
  return paragraphs;
}

/** The stance that a paragraph's sentences show toward the actor, weighed by probability. */
function leaning(paragraph, stance) {
  const sums = { favor: 0, against: 0, neutral: 0 };
  for (const sentence of stance?.sentences ?? []) {
    if (sentence.start < paragraph.end && sentence.end > paragraph.start) sums[sentence.stance] += sentence.probability;
  }
  const [name, weight] = Object.entries(sums).sort((a, b) => b[1] - a[1])[0];
  return weight > 0 ? name : null;
}

/** Whether the first letter is of a script that runs from right to left. */
const rightToLeft = (text) => /^\P{L}*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(text);

function strip(leanings, stance, at, text) {
  const cells = leanings.map((name, number) => element("button", {
    type: "button", class: name ?? "",
    "aria-label": `Paragraph ${number + 1}: ${name ?? "does not mention"} ${stance.actor.name}`,
    on: { click: () => $(`p-${at}-${number}`).scrollIntoView({ block: "center" }) },
  }));
  return element("div", { class: "strip", dir: rightToLeft(text) ? "rtl" : "ltr", role: "group", "aria-label": `Paragraphs and ${stance.actor.name}` }, ...cells);
}

/** Cuts a paragraph where a mention or an evidence sentence begins or ends. */
function paragraphView(text, paragraph, result, chosen, name, at, number) {
  const inside = (span) => span.start < paragraph.end && span.end > paragraph.start;
  const mentions = result.stances.flatMap((stance) => stance.mentions.filter(inside).map((mention) => ({ ...mention, stance })));
  const evidence = (chosen?.evidence ?? []).filter(inside);
  const cuts = new Set([paragraph.start, paragraph.end]);
  for (const span of [...mentions, ...evidence]) {
    cuts.add(Math.max(span.start, paragraph.start)).add(Math.min(span.end, paragraph.end));
  }
  const places = [...cuts].sort((a, b) => a - b);
  const pieces = places.slice(1).map((end, at) => {
    const start = places[at];
    const covers = (span) => span.start <= start && span.end >= end;
    let piece = text.slice(start, end);
    const here = mentions.filter(covers);
    const mention = here.find((mention) => mention.stance === chosen) ?? here[0];
    if (mention) {
      const dimmed = chosen && mention.stance !== chosen ? " dimmed" : "";
      piece = element("mark", { class: stanceOf(mention.stance) + dimmed, title: `${mention.stance.actor.name}: ${said(mention.stance)}` }, piece);
    }
    const sentence = evidence.find(covers);
    return sentence
      ? element("span", { class: `evidence ${sentence.stance}`, title: `${sentence.stance} ${percent(sentence.probability)}` }, piece)
      : piece;
  });
  return element("p", { id: `p-${at}-${number}`, dir: "auto", class: chosen && name ? `s-${name}` : undefined }, ...pieces);
}

function actorView(stance, chosen, at, lang) {
  const p = stance.probabilities;
  const open = stance === chosen;
  const choose = () => {
    state.chosen.set(at, open ? undefined : stance.actor.id);
    show();
    document.querySelector(`[data-actor="${CSS.escape(`${at}-${stance.actor.id}`)}"]`)?.focus();
  };
  const button = element("button", {
    type: "button", class: "actor", "aria-pressed": String(open), "data-actor": `${at}-${stance.actor.id}`, on: { click: choose },
  },
    element("bdi", { class: "name" }, stance.actor.name), " ",
    element("span", { class: `tag ${stanceOf(stance)}` }, said(stance)), " ",
    element("span", { class: "count" }, `${stance.mentions.length} ${stance.mentions.length === 1 ? "mention" : "mentions"}`),
    element("span", { class: "bars", "aria-hidden": "true" },
      ...["favor", "neutral", "against"].map((name) => element("span", { class: name, style: `width:${p[name] * 100}%` }))),
    element("span", { class: "numbers" }, `favor ${percent(p.favor)}, neutral ${percent(p.neutral)}, against ${percent(p.against)}`));
  button.addEventListener("mouseenter", () => light(stance, at, true));
  button.addEventListener("mouseleave", () => light(stance, at, false));
  const quotes = open && stance.evidence.length
    ? element("ul", { class: "quotes", "aria-label": "Evidence" }, ...stance.evidence.map((sentence) =>
      element("li", { dir: "auto", lang }, element("q", {}, sentence.text), " ",
        element("span", { class: `tag ${sentence.stance}`, lang: "en" }, `${sentence.stance} ${percent(sentence.probability)}`))))
    : null;
  return element("li", {}, button, quotes);
}

/** While the pointer is on an actor, the others step back. */
function light(stance, at, on) {
  const section = $("documents").children[at];
  for (const mark of section?.querySelectorAll("mark") ?? []) {
    const other = !mark.title.startsWith(`${stance.actor.name}: `);
    if (state.chosen.get(at) === undefined) mark.classList.toggle("dimmed", on && other);
  }
}

function comparison(first, second) {
  const cell = (stance) => stance
    ? element("td", {}, element("span", { class: `tag ${stanceOf(stance)}` }, said(stance)), ` ${percent(stance.probabilities[stance.stance])}`)
    : element("td", {}, "–");
  const of = (result, id) => result.stances.find((stance) => stance.actor.id === id);
  const actors = new Map([...first.stances, ...second.stances].map((stance) => [stance.actor.id, stance.actor.name]));
  return element("table", {},
    element("caption", {}, "Both texts on the same actors"),
    element("thead", {}, element("tr", {}, ...["Actor", "First text", "Second text"].map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...[...actors].map(([id, name]) =>
      element("tr", {}, element("th", { scope: "row" }, element("bdi", {}, name)), cell(of(first, id)), cell(of(second, id))))));
}

// Links: the text stands behind the #, which is never sent to the server.

async function squeeze(bytes, stream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

async function linkOf() {
  const content = { a: $("text-a").value, b: $("compare").checked ? $("text-b").value : undefined, h: $("html").checked || undefined, m: $("model").value || undefined };
  const bytes = await squeeze(new TextEncoder().encode(JSON.stringify(content)), new CompressionStream("deflate-raw"));
  const text = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return text.length <= LONG_LINK ? `${location.origin}/#${text}` : null;
}

async function remember() {
  const link = await linkOf();
  history.replaceState(null, "", link ?? "/");
}

async function restore() {
  if (location.hash.length < 2) return;
  try {
    const packed = atob(location.hash.slice(1).replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = await squeeze(Uint8Array.from(packed, (char) => char.charCodeAt(0)), new DecompressionStream("deflate-raw"));
    const content = JSON.parse(new TextDecoder().decode(bytes));
    $("text-a").value = String(content.a ?? "");
    $("text-b").value = String(content.b ?? "");
    $("html").checked = Boolean(content.h);
    $("compare").checked = content.b !== undefined;
    if (content.m) $("model").value = content.m;
    toggleSecond();
    await judge();
  } catch {
    fail("The link cannot be read.");
  }
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    $("status").textContent = `${what} copied.`;
  } catch {
    fail("The browser does not allow copying here.");
  }
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl() {
  const key = $("key").value.trim() ? ` -H "authorization: Bearer $STANCE_KEY"` : "";
  return `curl -fsS ${location.origin}/v1/classify -H 'content-type: application/json'${key} -d ${quoted(JSON.stringify(state.request))}`;
}

// Input

function toggleSecond() {
  $("second").hidden = !$("compare").checked;
}

async function take(file, side) {
  if (!file) return;
  try {
    $(`text-${side}`).value = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    fail(`${file.name} is not text in UTF-8.`);
    return;
  }
  $("html").checked = /\.html?$/i.test(file.name);
}

for (const side of ["a", "b"]) {
  const box = $(`text-${side}`).parentElement;
  $(`file-${side}`).addEventListener("change", (event) => take(event.target.files[0], side));
  box.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("over"); });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    box.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files[0], side);
  });
  $(`text-${side}`).addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
  });
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); judge().then(() => $("result").hidden || $("result").focus()); });
$("compare").addEventListener("change", toggleSecond);
$("copy-json").addEventListener("click", () => copy(JSON.stringify(state.answer, null, 2), "JSON"));
$("copy-curl").addEventListener("click", () => copy(curl(), "Command"));
$("copy-link").addEventListener("click", async () => {
  const link = await linkOf();
  if (link) copy(link, "Link"); else fail("The text is too long for a link.");
});
$("key").value = sessionStorage.getItem("stance-key") ?? "";
$("key").addEventListener("change", () => { sessionStorage.setItem("stance-key", $("key").value.trim()); fillModels(); });
$("sample").addEventListener("change", () => {
  const sample = samples.find((sample) => sample.language === $("sample").value);
  if (!sample) return;
  $("text-a").value = sample.text;
  $("html").checked = false;
});

async function fillModels() {
  const { models } = await ask("/v1/models").catch(() => ({ models: [] }));
  $("model").replaceChildren(...models.map((model) => element("option", { value: model.id }, model.name)));
}

const samples = await fetch("/assets/samples.json").then((response) => response.json()).catch(() => []);
const names = new Intl.DisplayNames(["en"], { type: "language" });
$("sample").append(...samples.map((sample) => element("option", { value: sample.language }, names.of(sample.language))));
await fillModels();
await restore();
