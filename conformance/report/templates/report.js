"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const rules = JSON.parse(byId("requirements").textContent);
  const dialog = byId("cell");
  let unpacked = null;

  /** The rows with operations and bytes: unpacked when they are first asked for. */
  function rows() {
    unpacked ??= (async () => {
      const text = atob(byId("payload").textContent.trim());
      const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      return JSON.parse(await new Response(stream).text());
    })();
    return unpacked;
  }

  /** An element with attributes and children; text is always text, never markup. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== ""));
    return element;
  }

  function dump(bytes) {
    const lines = [];
    for (let start = 0; start < bytes.hex.length; start += 32) {
      const pairs = bytes.hex.slice(start, start + 32).match(/../g);
      const letters = pairs.map((pair) => {
        const code = parseInt(pair, 16);
        return code >= 32 && code < 127 ? String.fromCharCode(code) : ".";
      });
      lines.push(`${(start / 2).toString(16).padStart(8, "0")}  ${pairs.join(" ").padEnd(47)}  ${letters.join("")}`);
    }
    const hidden = bytes.length - bytes.hex.length / 2;
    if (hidden > 0) lines.push(`... ${hidden} more bytes`);
    return lines.join("\n");
  }

  function half(title, text, bytes) {
    return make("div", {}, make("h4", {}, title), text ? make("pre", {}, text) : null,
      bytes ? make("pre", { tabindex: "0", "aria-label": `${title}: bytes` }, dump(bytes)) : null);
  }

  function list(title, kind, lines) {
    return make("div", { class: "rules" }, make("h4", {}, title),
      make("ul", { class: kind }, ...lines.map((line) => make("li", {}, line))));
  }

  function stepOf(step, id, open) {
    const wrong = step.wrong.length > 0;
    const kind = step.wrong.some((each) => each.requirement === id) ? "broken" : wrong ? "other" : "";
    const made = make("details", { class: `step ${kind}`, open },
      make("summary", {}, make("span", { class: "number" }, String(step.number)),
        make("span", { class: "operation" }, step.operation)));
    const fill = () => {
      if (made.childElementCount > 1) return;
      made.append(make("div", { class: "halves" }, half("Sent", step.request, step.sent),
        half("Came back", step.answer, step.received)));
      if (wrong) made.append(list("Wrong", "wrong", step.wrong.map((each) => each.text)));
      if (step.allowed?.length) made.append(list("Allowed", "", step.allowed));
    };
    if (open) fill();
    made.addEventListener("toggle", fill);
    return made;
  }

  function caseOf(run, id, open) {
    const word = run.verdict.replace("_", " ");
    const made = make("details", { class: "case", open },
      make("summary", {}, make("code", {}, `${run.id}[${run.versions}]`),
        make("span", { class: `badge v-${run.verdict}` }, word), make("small", {}, `${run.seconds.toFixed(2)} s`)));
    if (run.about) made.append(make("p", { class: "about" }, run.about));
    if (run.detail) made.append(make("p", { class: `detail v-${run.verdict}` }, run.detail));
    const first = run.steps.length ? run.steps[0].number : 1;
    if (first > 1) made.append(make("p", { class: "note" }, `${first - 1} steps before are left out`));
    run.steps.forEach((step, index) => {
      made.append(stepOf(step, id, open && run.verdict === "fail" && index === run.steps.length - 1));
    });
    const after = run.steps_in_all - first + 1 - run.steps.length;
    if (after > 0) made.append(make("p", { class: "note" }, `${after} steps after are left out`));
    return made;
  }

  function facts(row, rule) {
    const made = make("dl", { class: "facts" });
    const add = (name, value) => value && made.append(make("dt", {}, name), make("dd", {}, value));
    add("Why it matters", rule.intent);
    add("Source", rule.source.join("; "));
    if (row.deviation) {
      const isLink = /^https?:\/\//.test(row.deviation_link ?? "");
      const link = isLink ? make("a", { href: row.deviation_link, rel: "noreferrer" }, row.deviation_link) : "";
      add("Known deviation", make("span", {}, `${row.deviation} `, link));
      add("Seen by hand", row.deviation_seen);
    }
    if (!row.cases?.length) add("Detail", row.detail);
    return made;
  }

  async function show(id, column) {
    const rule = rules[id];
    const button = document.querySelector(`button.cell[data-id="${id}"][data-column="${column}"]`);
    if (!rule || !button) return;
    const target = document.querySelectorAll("thead .target span")[column].textContent;
    byId("cell-title").replaceChildren(make("code", {}, id), ` on ${target}: ${button.textContent.trim().slice(1)}`);
    byId("cell-sentence").textContent = rule.sentence;
    const body = byId("cell-body");
    body.replaceChildren("Unpacking …");
    if (!dialog.open) dialog.showModal();
    history.replaceState(null, "", `#${id}@${column}`);
    const row = (await rows())[column][id];
    const cases = row.cases ?? [];
    const worst = cases.findIndex((run) => run.verdict === "fail");
    body.replaceChildren(facts(row, rule), ...cases.map((run, index) => caseOf(run, id, index === Math.max(worst, 0))));
    if (!cases.length) body.append(make("p", { class: "note" }, "This result carries no operations."));
    dialog.scrollTop = 0;
  }

  function filter() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const family = byId("family").value;
    const wanted = [...document.querySelectorAll("input[name=verdict]:checked")].map((box) => box.value);
    const differs = byId("differs")?.checked ?? false;
    let shown = 0;
    for (const body of document.querySelectorAll("tbody")) {
      let some = false;
      for (const line of body.querySelectorAll("tr.line")) {
        const verdicts = line.dataset.verdicts.split(" ");
        const fits = (!family || body.dataset.family === family) &&
          words.every((word) => line.dataset.text.includes(word)) &&
          (!wanted.length || wanted.some((verdict) => verdicts.includes(verdict))) &&
          (!differs || "differs" in line.dataset);
        line.hidden = !fits;
        some ||= fits;
        shown += fits;
      }
      body.hidden = !some;
    }
    byId("shown").textContent = `${shown} shown`;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-id]");
    if (button) show(button.dataset.id, button.dataset.column);
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
  byId("tools").addEventListener("input", filter);
  const head = document.querySelector("thead");
  new ResizeObserver(() => head.parentElement.style.setProperty("--head", `${head.offsetHeight}px`)).observe(head);
  filter();
  const asked = /^#([A-Z]{3}-\d+)@(\d+)$/.exec(location.hash);
  if (asked) show(asked[1], asked[2]);
})();
