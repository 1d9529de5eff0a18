// The pivot: Perspective on our WebSocket, layouts kept in this browser, exports and queries of what is shown.
const stage = document.querySelector("[data-stage]");
const root = document.querySelector("[data-pivot]");
const cube = JSON.parse(root.dataset.pivot);
const one = (name) => document.querySelector(`[data-testid="${name}"]`);
const [problem, answered, shown, explained, naming] = ["problem", "answered", "version", "explained", "naming"].map(one);
const layouts = document.querySelector("[data-layouts]");
const button = (name) => document.querySelector(`[data-act="${name}"]`);
const RETRY_MS = [500, 1000, 2000, 5000];
const MEDIA = { csv: "text/csv", arrow: "application/vnd.apache.arrow.stream" };

// What the node said is over when it says something else; what the page said stays until the reader does something.
let saidByNode = false;
const say = (text, act) => {
  problem.replaceChildren(text ?? "", ...(act ? [" ", act] : []));
  problem.hidden = !text;
  saidByNode = false;
};

// What the node says beside Perspective's messages: how large the view is now and how long that took, what is wrong, and
// the version of the data. After a commit it says so by itself; what is not in the message stays.
const told = ({ problem: sentence, rows, columns, elapsed_ms: elapsed, version }) => {
  if (sentence || (saidByNode && sentence === null)) say(sentence);
  if (sentence !== undefined) saidByNode = Boolean(sentence);
  if (sentence) answered.textContent = "";
  else if (rows !== undefined) answered.textContent = rows === 0 ? "No rows: nothing passes the filters" : `${rows.toLocaleString()} × ${columns.toLocaleString()} in ${elapsed.toLocaleString()} ms`;
  if (version) shown.textContent = `version ${version}`;
};

// ---- the connection -------------------------------------------------------------------------------------------------

const { ready } = await import(root.dataset.perspective);
await ready;
await customElements.whenDefined("perspective-viewer");
const { Client } = customElements.get("perspective-viewer").__wasm_module__;
const viewer = document.createElement("perspective-viewer");

const connect = () =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(new URL(cube.socket, location.href.replace(/^http/, "ws")));
    socket.binaryType = "arraybuffer";
    let client;
    socket.onopen = () => {
      client = new Client(async (bytes) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(bytes.slice());
      }, () => socket.close());
      resolve(client);
    };
    socket.onmessage = ({ data }) => (typeof data === "string" ? told(JSON.parse(data)) : client.handle_response(data));
    socket.onclose = ({ code, reason }) => (client ? lost(code, reason) : reject(new Error("no connection")));
  });

// A node that restarts is waited for, and its page loaded anew with the same layout; one that hangs up says why.
const LATEST = `app-framework/pivot/latest${location.pathname}`;
const lost = async (code, reason) => {
  if (leaving) return;
  if (![1001, 1006, 1012].includes(code)) return say(`The node ended this pivot: ${reason || code}.`, again());
  say("The node cannot be reached; what you see is what it said last. The page tries again.");
  for (let tries = 0; ; tries += 1) {
    await new Promise((wake) => setTimeout(wake, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]));
    const answer = await fetch(`${location.pathname}?format=json`, { cache: "no-store" }).catch(() => null);
    if (!answer?.ok) continue;
    if (latest) sessionStorage.setItem(LATEST, JSON.stringify(latest));
    return location.reload();
  }
};

const again = () => {
  const act = document.createElement("button");
  act.type = "button";
  act.textContent = "Load again";
  act.onclick = () => location.reload();
  return act;
};

let leaving = false;
let latest = null;
addEventListener("pagehide", () => (leaving = true));

// What the page does itself is left out of Perspective: its own reset would ask for every column at once, its colours
// follow the page's, and one page is one pivot. The rows' labels get room for the word TOTAL.
const sheet = (text) => {
  const made = new CSSStyleSheet();
  made.replaceSync(text);
  return made;
};
const [less, roomy] = [sheet("#reset, #theme_icon, #theme, #new_panel { display: none !important; }"), sheet("th.psp-tree-leaf { min-width: 52px !important; } th.psp-tree-label:last-of-type { min-width: 72px !important; }")];
const dress = (root, style) => {
  if (!root.adoptedStyleSheets.includes(style)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, style];
};
const dressed = () => {
  dress(viewer.shadowRoot, less);
  for (const grid of viewer.querySelectorAll("perspective-viewer-datagrid")) dress(grid.shadowRoot, roomy);
};

// ---- layouts --------------------------------------------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => (dark.matches ? "Pro Dark" : "Pro Light");
const first = { ...cube.layout, settings: innerWidth > 760, title: cube.caption };


// Perspective forgets the format of a column that is not shown; each one gets that of the model when it appears.
const formatted = (layout) => ({
  ...layout,
  columns_config: { ...Object.fromEntries((layout.columns ?? []).filter((name) => name in cube.formats).map((name) => [name, cube.formats[name]])), ...layout.columns_config },
});
const blank = { split_by: [], sort: [], filter: [], expressions: {}, aggregates: {}, group_rollup_mode: "rollup", split_rollup_mode: "flat", columns_config: {}, plugin_config: {} };
const complete = (layout) => formatted({ ...blank, ...layout, table: cube.cube, theme: theme() });

const show = async (client, layout) => {
  await viewer.load(client);
  await viewer.restore(complete(layout ?? first));
  dressed();
};

const restored = async (layout) => {
  try {
    await viewer.restore(layout);
  } catch {
    // The node has said what is wrong with it.
  }
};
const arrange = (layout) => restored(complete(layout));

// Each plugin keeps of a column's format what it knows, so it is given again to the next one; a reader may then change it.
let given = "";
viewer.addEventListener("perspective-config-update", async () => {
  dressed();
  latest = await viewer.save();
  const wanted = formatted(latest);
  const key = JSON.stringify([latest.plugin, Object.keys(wanted.columns_config).sort()]);
  if (key === given) return;
  given = key;
  const config = Object.fromEntries(Object.entries(wanted.columns_config).map(([name, its]) => [name, { ...cube.formats[name], ...its }]));
  await restored({ columns_config: config });
});

const current = async () => {
  const { table, theme: _, ...layout } = await viewer.save();
  return layout;
};

// Kept by application and cube: two nodes on one address do not show each other's.
const KEY = `app-framework/pivot/${cube.application}/${cube.cube}`;
const kept = () => {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
};
const keep = (all) => {
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
  } catch {
    say("This browser keeps nothing: copy the link instead.");
  }
};

const list = (chosen = "") => {
  const names = Object.keys(kept()).sort((a, b) => a.localeCompare(b));
  layouts.replaceChildren(new Option("Layouts", ""), ...names.map((name) => new Option(name, name)));
  layouts.value = names.includes(chosen) ? chosen : "";
  button("forget").hidden = !layouts.value;
};

const interrupted = () => {
  const found = sessionStorage.getItem(LATEST);
  sessionStorage.removeItem(LATEST);
  return found && JSON.parse(found);
};

const encode = (layout) => btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(layout))));
const decode = (text) => JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(text), (each) => each.charCodeAt(0))));
const linked = () => {
  const found = location.hash.match(/^#layout=(.+)$/);
  if (!found) return null;
  try {
    return decode(decodeURIComponent(found[1]));
  } catch {
    say("The layout in this link cannot be read; this is the first one.");
    return null;
  }
};

// ---- what is asked --------------------------------------------------------------------------------------------------

const post = async (url, body, accept = "application/json") => {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", Accept: accept } });
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer;
};
const asked = async () => (await (await post(cube.queries, await current())).json()).queries;
const door = (what) => `/cubes/${encodeURIComponent(cube.cube)}/${what}`;

const download = async (kind) => {
  const [query] = await asked();
  const file = URL.createObjectURL(await (await post(door("query"), query, MEDIA[kind])).blob());
  const link = document.createElement("a");
  link.href = file;
  link.download = `${cube.cube}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(file), 60_000);
};

const part = (heading, text) => {
  const title = document.createElement("h3");
  title.textContent = heading;
  const block = document.createElement("pre");
  const code = block.appendChild(document.createElement("code"));
  code.textContent = text;
  return [title, block];
};

const written = (query) => `{${Object.entries(query).map(([name, value]) => `"${name}": ${JSON.stringify(value)}`).join(",\n ")}}`;

const explain = async () => {
  const queries = await asked();
  const answers = await Promise.all(queries.map(async (query) => (await post(door("explain"), query)).json()));
  const parts = queries.flatMap((query, i) => [
    ...part(queries.length > 1 ? `Query ${i + 1} of ${queries.length}` : "Query", written(query)),
    ...part(`Plan · ${answers[i].elapsed_ms.toFixed(1)} ms`, answers[i].plan),
    ...part("SQL", answers[i].sql),
    ...(answers[i].parameters.length ? part("Bound values", JSON.stringify(answers[i].parameters)) : []),
    ...part("On the command line", `curl ${location.origin}${door("query")} -d '${JSON.stringify(query).replaceAll("'", "\\u0027")}'`),
  ]);
  explained.querySelector("[data-told]").replaceChildren(...parts);
  explained.showModal();
};

// ---- the tools ------------------------------------------------------------------------------------------------------

const acts = {
  csv: () => download("csv"),
  arrow: () => download("arrow"),
  explain,
  reset: () => arrange(first),
  save: async () => {
    naming.querySelector("input").value = layouts.value;
    naming.returnValue = "";
    naming.showModal();
  },
  forget: () => {
    const { [layouts.value]: _, ...others } = kept();
    keep(others);
    list();
  },
  link: async () => {
    history.replaceState(null, "", `#layout=${encodeURIComponent(encode(await current()))}`);
    await navigator.clipboard?.writeText(location.href).catch(() => {});
    answered.textContent = "The address of this page has the layout now.";
  },
};

document.addEventListener("click", async ({ target }) => {
  const name = target.closest?.("[data-act]")?.dataset.act;
  if (!name) return;
  say();
  try {
    await acts[name]();
  } catch (error) {
    say(error.message);
  }
});
naming.addEventListener("close", async () => {
  const name = naming.querySelector("input").value.trim();
  if (naming.returnValue !== "save" || !name) return;
  keep({ ...kept(), [name]: await current() });
  list(name);
});
layouts.addEventListener("change", async () => {
  const layout = kept()[layouts.value];
  button("forget").hidden = !layouts.value;
  if (layout) await arrange(layout);
});
document.querySelector("[data-cubes]")?.addEventListener("change", ({ target }) => location.assign(target.value));
dark.addEventListener("change", () => restored({ theme: theme() }));
addEventListener("hashchange", () => linked() && arrange(linked()));

try {
  const client = await connect();
  stage.replaceChildren(viewer);
  const layout = interrupted() ?? linked();
  await show(client, layout).catch(() => {});
  for (const each of document.querySelectorAll("[data-act], [data-layouts]")) each.disabled = false;
  list();
  root.dataset.ready = "";
} catch {
  say("The node does not open a pivot: it may be too busy, or you may not look at it.", again());
}
