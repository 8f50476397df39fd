// What tests ask of the page, beside its own scripts in every document. What lists something lists
// what is wrong: nothing, where all is well.

window.look = (() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const named = (element) => `${element.cloneNode().outerHTML.slice(0, 120)} ${JSON.stringify((element.textContent || element.value || "").trim().slice(0, 40))}`;
  const panel = (label) => document.querySelector(`article[aria-label="${label}"]`);
  /** The plot that an element holds. */
  const plotted = (element) => (element ? all("*", element).find(({ plot }) => plot?.uplot)?.plot.uplot : undefined);

  /** The values of a panel's plot, line by line; its places come first. */
  const lines = (label) => (plotted(panel(label))?.data ?? [[]]).map((values) => [...values]);
  const total = (values) => values.reduce((sum, value) => sum + (value ?? 0), 0);
  const some = (values) => values.filter((value) => value > 0).length;

  const refused = [];
  document.addEventListener("securitypolicyviolation", ({ violatedDirective, sample }) => refused.push(`${violatedDirective} ${sample}`));

  /** These ask no saved question. */
  const LIVE = ["Events a second, live", "Event browser", "Send a test event"];
  /** Nothing to tell is good news there. */
  const MAY_BE_EMPTY = ["Checks that did not pass"];

  function ofPanel(element) {
    const { ariaLabel: label, dataset } = element;
    const state = dataset.state ?? "not asked for";
    const fine = LIVE.includes(label) || state === "filled" || (MAY_BE_EMPTY.includes(label) && state === "empty");
    const wrong = fine ? [] : [`${label} is ${state}`];
    const numbers = element.querySelector(".numbers");
    if (numbers && !numbers.hidden && state !== "empty") {
      numbers.open = true;
      if (!numbers.querySelector("tbody td")) wrong.push(`${label} has no numbers`);
    }
    for (const plot of all(".plot", element)) {
      const canvas = plot.querySelector("canvas");
      if (!canvas || !seen(canvas) || canvas.offsetWidth < 200) wrong.push(`${label} is not drawn`);
      if (!lines(label).slice(1).some(some)) wrong.push(`${label} draws nothing`);
    }
    return wrong;
  }

  /** What a page is still lacking over two weeks of play. */
  function lacking() {
    const wrong = all("article.panel").flatMap(ofPanel);
    const need = (fine, words) => fine || wrong.push(words);
    // Of players, of who came back a day later, and of revenue, the first line is the one.
    const days = (label, least) => need(some(lines(label)[1] ?? []) >= least, `${label} has no ${least} days`);
    need(all("article.panel").length >= 10, "panels");
    need(all(".lines tbody tr", panel("The hardest levels") ?? document.createElement("i")).length >= 10, "no ten levels");
    need(lines("Funnel").length > 2 && lines("Funnel").slice(1).every((values) => some(values) >= 20), "no funnel");
    days("Active players", 14);
    days("Retention", 10);
    days("Revenue", 10);
    need(all("article[aria-label=Steps] .step[data-state=done]").length > 0, "no step of a run is done");
    for (const label of ["The hardest levels", "Funnel", "Active players", "Revenue"]) {
      const told = panel(label)?.querySelector(".provisional");
      need(told && seen(told), `${label} does not mark today`);
    }
    need(all('#filters [name="app"] option').some(({ value }) => value === "local"), "no app to choose");
    const words = all(".word, #broken").filter((word) => seen(word) && /not to be|not answer|broken off|has failed/i.test(word.textContent));
    return [...wrong, ...words.map(named)];
  }

  /** What makes the page wider than the screen. */
  function sideways(width) {
    const wide = document.documentElement.scrollWidth;
    if (wide <= width) return [];
    const held = (element) => element && (getComputedStyle(element).overflowX !== "visible" || held(element.parentElement));
    const out = all("main *, header *, footer *").filter((element) => seen(element) && element.getBoundingClientRect().right > width && !held(element.parentElement));
    return [`${wide} px on ${width}`, ...out.slice(0, 8).map(named)];
  }

  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const colours = new Map();

  /** A colour as styles have it, as red, green, blue and alpha: who paints knows every notation. */
  function rgba(colour) {
    if (!colours.has(colour)) {
      pixel.clearRect(0, 0, 1, 1);
      pixel.fillStyle = colour;
      pixel.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = pixel.getImageData(0, 0, 1, 1).data;
      colours.set(colour, [red, green, blue, alpha / 255]);
    }
    return colours.get(colour);
  }
  const over = ([red, green, blue, alpha], under) => [red, green, blue].map((part, at) => part * alpha + under[at] * (1 - alpha));

  /** What a text stands on, down to the first ground that nothing shines through. */
  function ground(element) {
    const layers = [];
    for (let at = element; at && layers.at(-1)?.[3] !== 1; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
    }
    return layers.reduceRight((under, layer) => over(layer, under), [255, 255, 255]);
  }

  /** Relative luminance, as WCAG defines it. */
  function luminance(rgb) {
    const parts = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  }

  function inSight(element) {
    const { width, height, right, left } = element.getBoundingClientRect();
    return seen(element) && width > 1 && height > 1 && right > 0 && left < innerWidth;
  }

  /** Everything that is read, the faintest first: its contrast, and what it is. */
  function contrasts() {
    const found = new Set(all("input, select, textarea"));
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      if (texts.currentNode.data.trim()) found.add(texts.currentNode.parentElement);
    }
    const read = [...found].filter((element) => !element.closest("option") && inSight(element));
    const told = read.flatMap((element) => {
      const [colour, under] = [rgba(getComputedStyle(element).color), ground(element)];
      // What is not painted is no text: a mark that only a title tells.
      if (colour[3] === 0) return [];
      const [dark, light] = [luminance(over(colour, under)), luminance(under)].sort((a, b) => a - b);
      return [[Math.round((100 * (light + 0.05)) / (dark + 0.05)) / 100, named(element)]];
    });
    return told.sort(([one], [other]) => one - other);
  }

  /** Whether a panel's plot has painted something in a colour of the page. */
  function painted(label, colour) {
    const canvas = panel(label)?.querySelector("canvas");
    if (!canvas?.width || !canvas.height) return false;
    const wanted = rgba(getComputedStyle(document.documentElement).getPropertyValue(colour));
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const dots = Array.from({ length: data.length / 4 }, (_, at) => 4 * at);
    return dots.some((at) => data[at + 3] === 255 && [0, 1, 2].every((part) => data[at + part] === wanted[part]));
  }

  /** How light the page and its text are. */
  function lightness() {
    const { backgroundColor, color } = getComputedStyle(document.body);
    return [backgroundColor, color].map((colour) => luminance(rgba(colour)));
  }

  const CONTROLS = "a[href], button, input, select, textarea, summary";
  const controls = () => all(`${CONTROLS}, .plot[tabindex], .plot [tabindex]`).filter(seen);

  /** Tables without a name, or with a header that does not say what it heads. uPlot's legends are drawings. */
  function tables() {
    return all("table:not(.u-legend)").filter(seen).flatMap((table) => {
      const heads = all("th", table);
      const headed = heads.length > 0 && heads.every(({ scope }) => ["col", "row"].includes(scope));
      return [headed ? [] : [`no header: ${named(table)}`], table.caption?.textContent.trim() ? [] : [`no caption: ${named(table)}`]].flat();
    });
  }

  let [wanted, reached] = [[], []];

  /** Notes from now on where the focus comes; gives the number of places where it has to. */
  function follow() {
    wanted = all(`${CONTROLS}, [tabindex="0"]`).filter((element) => seen(element) && !element.disabled);
    addEventListener("focusin", ({ target }) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(target);
      const marked = target.matches(":focus-visible") && outlineStyle !== "none" && parseFloat(outlineWidth) >= 1;
      reached.push({ target, shown: marked && inSight(target) });
    });
    return wanted.length;
  }

  /** Where the focus did not come, or not in the order of the page, or was not seen. */
  function astray() {
    const met = [...new Set(reached.map(({ target }) => target))].filter((element) => wanted.includes(element));
    const missed = wanted.filter((element) => !met.includes(element));
    const order = wanted.filter((element) => met.includes(element));
    const turned = met.filter((element, at) => element !== order[at]);
    const unseen = reached.filter(({ shown }) => !shown).map(({ target }) => target);
    const told = [[missed, "not reached"], [turned.slice(0, 1), "not in its order"], [[...new Set(unseen)], "not seen"]];
    return told.flatMap(([elements, words]) => elements.slice(0, 5).map((element) => `${words}: ${named(element)}`));
  }

  /** The field of a filter, wherever it stands. */
  const field = (name) => document.querySelector(`form.filters [name="${name}"]`);

  /** Chooses what a filter is, as a person does. */
  function choose(name, value) {
    field(name).value = value;
    for (const kind of ["input", "change"]) field(name).dispatchEvent(new Event(kind, { bubbles: true }));
  }

  /** What a field shows of what it holds. */
  const told = (name) => (field(name)?.selectedOptions ? field(name).selectedOptions[0]?.textContent : field(name)?.value) ?? "";

  /** What is asked for, by the address and by the fields, and what is shown of it. */
  function shown() {
    const said = ([name, value]) => value && !(name === "range" && value === "14d");
    const address = Object.fromEntries([...new URLSearchParams(location.search)].filter(said));
    const fields = Object.fromEntries(all("form.filters [name]").map(({ name, value }) => [name, value]).filter(said));
    const events = all(".event").map(({ dataset }) => dataset.id || dataset.verdict).sort();
    const filled = panel("Events by type")?.dataset.state === "filled";
    return { address, fields, events, counted: filled ? total(lines("Events by type").slice(1).map(total)) : 0 };
  }

  /** Fields of CSV, row by row. */
  function parsed(text) {
    const rows = [[]];
    for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/g)) {
      rows.at(-1).push(quoted?.replaceAll('""', '"') ?? plain);
      if (end === "\n") rows.push([]);
      if (end === "") break;
    }
    return rows.filter((row) => row.join(""));
  }
  const same = (cell, value) => cell === value || (cell === "–" ? value === "" : value !== "" && Number(cell) === Number(value));

  async function ofCsv(element) {
    const link = element.querySelector(".numbers a[download]");
    const rows = all(".numbers tr", element).map((row) => [...row.cells].map((cell) => cell.textContent));
    const answer = await fetch(link.href);
    const [head, ...values] = parsed(await answer.text());
    const fits = rows.length > 1 && rows.length === values.length + 1 && head.map((name) => name.replaceAll("_", " ")).join() === rows[0].join() && values.every((row, at) => row.length === rows[at + 1].length && row.every((value, place) => same(rows[at + 1][place], value)));
    if (answer.headers.get("content-type")?.startsWith("text/csv") && fits) return [];
    return [`${element.ariaLabel}: ${answer.headers.get("content-type")}, ${JSON.stringify(rows.slice(0, 2))} and ${JSON.stringify([head, values[0]])}`];
  }

  /** Tables that are not what their CSV says. */
  async function csv() {
    const filled = all("article.panel[data-state=filled]").filter(({ ariaLabel }) => !LIVE.includes(ariaLabel));
    filled.forEach((element) => (element.querySelector(".numbers").open = true));
    // Whoever opens one hears of it a moment later.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const wrong = await Promise.all(filled.map(ofCsv));
    return [filled.length < 6 ? [`only ${filled.length} tables`] : [], ...wrong].flat();
  }

  return { astray, choose, contrasts, controls, csv, field, follow, lacking, lightness, painted, refused, seen, shown, sideways, tables, told };
})();
