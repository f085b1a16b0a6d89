// The playground as a person uses it, in a headless Chromium, against a running service.
//
//   STANCE_URL=http://127.0.0.1:8080 npm test
//
// $CHROMIUM is the browser, /usr/bin/chromium when absent. $SCREENSHOTS is a folder for pictures of
// the page; none are made when absent.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { chromium } from "playwright-core";

const url = process.env.STANCE_URL;
const shots = process.env.SCREENSHOTS;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TEXT = "Spain has never been a better neighbour.\n\nFrance broke every promise it made to us, and nobody there is ashamed of it.";

let browser;
let context;
let page;
let complaints;

before(async () => {
  assert.ok(url, "STANCE_URL names no service");
  if (shots) await mkdir(shots, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
});
after(() => browser?.close());
beforeEach(() => open());
afterEach(async () => {
  await context.close();
  assert.deepEqual(complaints, [], "the page complained, or asked somebody else");
});

/** A fresh page; whatever it complains about is an error of the test. */
async function open(options = {}, path = "/") {
  await context?.close();
  complaints = [];
  context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // A status of 4xx or 5xx is one that a test asks for.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) complaints.push(request.url());
  });
  await page.goto(url + path);
  // The script fills the list of samples last but one.
  await page.waitForFunction(() => document.querySelectorAll("#model option").length > 0);
}

async function judge(text) {
  if (text !== undefined) await page.fill("#text-a", text);
  await page.click("#submit");
  await page.waitForFunction(() => /^Done/.test(document.querySelector("#status").textContent));
}

const sample = (language) => page.selectOption("#sample", language);
const shoot = (name) => shots && page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
const actor = (name) => page.locator("button.actor", { hasText: name });
const mark = (name) => page.locator("mark", { hasText: new RegExp(`^${name}$`) });

/** What axe finds wrong, in a line each. */
async function violations() {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("; ")}`);
}

test("the page that is served is what its sources say", async () => {
  const files = { "/": "index.html", "/assets/app.js": "app.js", "/assets/style.css": "style.css" };
  for (const [path, file] of Object.entries(files)) {
    const served = await (await fetch(url + path)).text();
    const source = await readFile(new URL(`../../src/server/page/${file}`, import.meta.url), "utf8");
    assert.equal(served, source, `${file}: build the program anew`);
  }
});

test("a text is typed, judged and shown with its actors", async () => {
  await page.type("#text-a", TEXT);
  await judge();
  assert.match(await page.textContent("#status"), /^Done: 2 actors judged by /);
  for (const name of ["Spain", "France"]) {
    assert.match(await mark(name).getAttribute("title"), new RegExp(`^${name}: (favor|against|neutral|not sure)$`));
    assert.match(await actor(name).textContent(), /favor \d+\s%, neutral \d+\s%, against \d+\s%/);
    const widths = await actor(name).locator(".bars span").evaluateAll((bars) => bars.map((bar) => Number.parseFloat(bar.style.width)));
    assert.equal(Math.round(widths.reduce((sum, width) => sum + width)), 100);
  }
  assert.equal(await page.locator(".text").innerText(), TEXT);
  assert.equal(await page.evaluate(() => document.activeElement.id), "result");
  await shoot("light");
});

test("the others step back while the pointer is on an actor", async () => {
  await judge(TEXT);
  await actor("Spain").hover();
  assert.match(await mark("France").getAttribute("class"), /dimmed/);
  assert.doesNotMatch(await mark("Spain").getAttribute("class"), /dimmed/);
  await page.mouse.move(0, 0);
  assert.doesNotMatch(await mark("France").getAttribute("class"), /dimmed/);
});

test("an actor shows its evidence and the paragraphs that speak of it", async () => {
  await judge(TEXT);
  await actor("France").click();
  assert.equal(await actor("France").getAttribute("aria-pressed"), "true");
  const sentence = await page.locator("ul.quotes q").first().textContent();
  assert.match(sentence, /^France broke/);
  const evidence = page.locator(".text .evidence");
  assert.equal((await evidence.allTextContents()).join(""), sentence);
  assert.match(await evidence.first().getAttribute("title"), /^(favor|against|neutral) \d+\s%$/);
  const strip = page.locator(".strip button");
  assert.equal(await strip.count(), 2);
  assert.match(await strip.nth(0).getAttribute("aria-label"), /^Paragraph 1: does not mention France$/);
  assert.match(await strip.nth(1).getAttribute("aria-label"), /^Paragraph 2: (favor|against|neutral) France$/);
  await shoot("chosen");
  await actor("France").click();
  assert.equal(await page.locator(".strip").count(), 0);
});

test("texts that run from right to left do so, names of the left among them", async () => {
  const texts = {
    he: "צרפת מעולם לא הייתה שכנה טובה יותר, וספרד הפרה כל הבטחה שנתנה לנו.",
    fa: "فرانسه همیشه همسایه خوبی بوده است و اسپانیا به هیچ وعده‌ای عمل نکرد.",
    ur: "اسپین نے Geneva میں فرانس کے ساتھ معاہدہ کیا۔ یہ ایک اچھا فیصلہ تھا۔",
  };
  for (const language of ["ar", "he", "fa", "ur"]) {
    if (language === "ar") await sample(language);
    await judge(texts[language]);
    const order = await page.evaluate(() => {
      // The x of each letter on the first line of the first long paragraph.
      const paragraph = [...document.querySelectorAll(".text p")].find((p) => p.textContent.length > 40);
      const walker = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT);
      const letters = [];
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        for (let at = 0; at < node.length; at += 1) {
          const range = document.createRange();
          range.setStart(node, at);
          range.setEnd(node, at + 1);
          const box = range.getBoundingClientRect();
          if (box.width > 0) letters.push({ letter: node.data[at], x: box.x, y: box.y });
        }
      }
      const line = letters.filter(({ y }) => Math.abs(y - letters[0].y) < 4);
      const written = (pattern) => line.filter(({ letter }) => pattern.test(letter)).map(({ x }) => x);
      return {
        direction: getComputedStyle(paragraph).direction,
        typed: getComputedStyle(document.querySelector("#text-a")).direction,
        right: written(/[\p{Script=Arabic}\p{Script=Hebrew}]/u),
        left: written(/[A-Za-z]/),
      };
    });
    assert.equal(order.direction, "rtl", language);
    assert.equal(order.typed, "rtl", language);
    assert.ok(order.right.length > 20, language);
    const falls = (xs) => xs.slice(1).filter((x, at) => x > xs[at]).length;
    assert.equal(falls(order.right), 0, `${language}: a letter stands to the right of the one before`);
    if (language === "ur") {
      assert.equal(order.left.length, 6);
      assert.equal(falls([...order.left].reverse()), 0, "Geneva is read from the left");
    }
    assert.ok((await page.locator("mark").count()) > 0, language);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), `${language}: something stands over the edge`);
    if (language === "ar") {
      await page.locator("button.actor").first().click();
      await shoot("arabic");
      const cells = await page.locator(".strip button").evaluateAll((cells) => cells.map((cell) => cell.getBoundingClientRect().x));
      assert.equal(falls(cells), 0, "the first paragraph stands at the right");
      const tag = await page.locator(".quotes .tag").first().evaluate((tag) => {
        const range = document.createRange();
        const text = tag.firstChild;
        return [0, text.length - 1].map((at) => {
          range.setStart(text, at);
          range.setEnd(text, at + 1);
          return range.getBoundingClientRect().x;
        });
      });
      assert.ok(tag[0] < tag[1], "a number in an Arabic line is read from the left");
    }
  }
});

test("what goes wrong is said", async () => {
  await page.fill("#text-a", "");
  await judge();
  assert.match(await page.textContent("#documents"), /\[empty_text\]/);

  const problem = { status: 429, code: "queue_full", detail: "the queue is full", retry_after: 7 };
  await page.route("**/v1/classify", (route) => route.fulfill({ status: 429, contentType: "application/problem+json", body: JSON.stringify(problem) }), { times: 1 });
  await page.fill("#text-a", TEXT);
  await page.click("#submit");
  await page.locator("#error").waitFor();
  assert.equal(await page.textContent("#error"), "the queue is full [queue_full] Try again in 7 s.");
  assert.equal(await page.getAttribute("#error", "role"), "alert");

  await page.route("**/v1/classify", (route) => route.abort(), { times: 1 });
  await page.click("#submit");
  await page.waitForFunction(() => /cannot be reached/.test(document.querySelector("#error").textContent));
  await judge();
  assert.equal(await page.locator("#error").isVisible(), false, "it goes away");
  await open({}, "/#no-link");
  assert.match(await page.textContent("#error"), /link/);
});

test("axe finds nothing wrong, in light and dark, before and after", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await open({ colorScheme });
    assert.deepEqual(await violations(), [], colorScheme);
    await page.check("#compare");
    await page.fill("#text-b", "France has always helped us. Spain is a disgrace.");
    await judge(TEXT);
    await page.locator("button.actor").first().click();
    assert.deepEqual(await violations(), [], `${colorScheme}, with a result`);
    await shoot(`compare-${colorScheme}`);
    await page.uncheck("#compare");
    await judge("فرنسا لم تكن يوما جارة أفضل.");
    assert.deepEqual(await violations(), [], `${colorScheme}, Arabic`);
  }
});

test("the keyboard is enough", async () => {
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  for (let presses = 0; presses < 10 && (await page.evaluate(() => document.activeElement.id)) !== "text-a"; presses += 1) {
    await page.keyboard.press("Tab");
  }
  await page.keyboard.type("Spain is a good neighbour.");
  await page.keyboard.press("Control+Enter");
  await page.waitForFunction(() => document.activeElement.id === "result");
  for (let presses = 0; presses < 10; presses += 1) {
    if (await page.evaluate(() => document.activeElement.classList.contains("actor"))) break;
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  assert.equal(await actor("Spain").getAttribute("aria-pressed"), "true");
  assert.ok(await page.evaluate(() => document.activeElement.classList.contains("actor")), "focus stays");
});

test("a link leads to the result, and never to the server", async () => {
  await judge(TEXT);
  await page.waitForFunction(() => location.hash.length > 10);
  const { hash } = new URL(page.url());
  await open({}, `/${hash}`);
  await page.locator("#result").waitFor();
  assert.equal(await page.inputValue("#text-a"), TEXT);
  assert.equal(await actor("Spain").count(), 1);
});

test("two texts are compared on the same actors", async () => {
  assert.equal(await page.isVisible("#text-b"), false);
  await page.check("#compare");
  await page.fill("#text-b", "Italy has always helped us.");
  await judge(TEXT);
  const rows = await page.locator("#comparison tbody tr").evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.deepEqual(rows.map(([name]) => name).sort(), ["France", "Italy", "Spain"]);
  for (const row of rows) for (const cell of row.slice(1)) assert.match(cell, /^(favor|against|neutral|not sure) \d+\s%$/);
});

test("the answer is copied as JSON and as a command", async () => {
  await open({ permissions: ["clipboard-read", "clipboard-write"] });
  await judge("Spain's neighbours are \"fine\".");
  const copied = async (button, said) => {
    await page.click(button);
    await page.waitForFunction((said) => document.querySelector("#status").textContent === said, said);
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const answer = JSON.parse(await copied("#copy-json", "JSON copied."));
  assert.equal(answer.results[0].stances[0].actor.id, "spain");
  const command = await copied("#copy-curl", "Command copied.");
  const { execFileSync } = await import("node:child_process");
  // The command is run as it stands.
  const again = JSON.parse(execFileSync("bash", ["-c", command], { encoding: "utf8" }));
  assert.equal(again.results[0].stances[0].actor.id, "spain");
  assert.match(await copied("#copy-link", "Link copied."), new RegExp(`^${url}/#.{10,}`));
});

test("a file of HTML is read as such", async () => {
  const page_of_html = "<html><body><nav>Home</nav><p>Spain has never been a better neighbour.</p></body></html>";
  await page.setInputFiles("#file-a", { name: "article.html", mimeType: "text/html", buffer: Buffer.from(page_of_html) });
  await page.waitForFunction(() => document.querySelector("#html").checked);
  await judge();
  assert.equal(await mark("Spain").count(), 1);
});

test("a file that is dropped is read, and one that is no text refused", async () => {
  const drop = (name, type, content) =>
    page.evaluate(({ name, type, content }) => {
      const data = new DataTransfer();
      data.items.add(new File([typeof content === "string" ? content : new Uint8Array(content)], name, { type }));
      const box = document.querySelector("#text-a");
      const fire = (kind) => box.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
      fire("dragover");
      const over = document.querySelectorAll(".over").length;
      // A page that leaves the event to the browser would be replaced by the file.
      return { over, taken: !fire("drop"), left: document.querySelectorAll(".over").length };
    }, { name, type, content });
  assert.deepEqual(await drop("column.txt", "text/plain", TEXT), { over: 1, taken: true, left: 0 });
  await page.waitForFunction((text) => document.querySelector("#text-a").value === text, TEXT);
  assert.equal(await page.isChecked("#html"), false);
  await judge();
  assert.equal(await mark("Spain").count(), 1);
  await drop("article.html", "text/html", "<html><body><p>Italy has always helped us.</p></body></html>");
  await page.waitForFunction(() => document.querySelector("#html").checked);
  await judge();
  assert.equal(await mark("Italy").count(), 1);
  await drop("plain.txt", "text/plain", TEXT);
  await page.waitForFunction(() => !document.querySelector("#html").checked);
  // Windows-1256, in which old Arabic files are.
  await drop("old.txt", "text/plain", [0xd3, 0xe6, 0xd1, 0xed, 0xc9]);
  await page.locator("#error").waitFor();
  assert.equal(await page.textContent("#error"), "old.txt is not text in UTF-8.");
  assert.equal(await page.inputValue("#text-a"), TEXT, "what stood there stays");
});

test("topics are shown with their probabilities", async () => {
  await judge("The striker scored twice in the second half and the club won the league, its first title in ten years. Spain's national team has called him up.");
  const answer = await page.evaluate(async () => {
    const request = { documents: [{ text: document.querySelector("#text-a").value }] };
    const response = await fetch("/v1/classify", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request) });
    return response.json();
  });
  const topics = answer.results[0].topics;
  assert.ok(topics.length > 0, "the text has a topic");
  const shown = await page.locator("#documents .tag.neutral").allTextContents();
  for (const { label, probability } of topics) {
    assert.ok(shown.some((tag) => tag.startsWith(`${label} `) && tag.includes(String(Math.round(probability * 100)))), `${label} in ${shown}`);
  }
  await judge("Spain.");
  assert.match(await page.textContent("#documents"), /Topics: |No topic above the threshold\./);
});
