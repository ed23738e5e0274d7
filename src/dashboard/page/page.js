// The page. It loads the data, keeps it up to date, and calls the other files to show it.

import { count, duration, percent, rate, setText, span, when } from "./numbers.js";
import { Route, RouteTables, writeLegend, writeList } from "./routes.js";
import { appRows, appTable, drawChart, pointsOf, workerRows, workerTable } from "./server.js";
import { ShareDialog } from "./shares.js";

const MOST_LISTED = 3;
const find = (id) => document.getElementById(id);

// Only in memory, so a reload of the page needs it again.
let token = null;
let data = null;
let history = null;
let problem = "";
const view = { total: false, writable: false, seconds: 1, uptime: 1, now: 0 };
const shares = new ShareDialog(ask, async (warning) => {
  problem = warning;
  await load();
});
const tables = new RouteTables(find("tables"), (share) => shares.open(share));
const workers = workerTable(find("worker-table"));
const apps = appTable(find("app-table"));

function ask(path, options = {}) {
  const headers = { ...options.headers, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
  return fetch(path, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error" });
}

async function optional(path) {
  const response = await ask(path);
  return response.ok ? response.json() : null;
}

// Loads everything. Returns false if the token is missing or wrong.
async function load() {
  const response = await ask("routes.json");
  if (response.status === 401) return false;
  if (!response.ok) throw new Error((await response.text()).trim());
  const [fresh, saved, shadow] = [await response.json(), await optional("history.json"), await shadowed()];
  const same = data !== null && fresh.revision === data.revision && fresh.routes.length === data.routes.length;
  const hadShadow = data?.routes.some((route) => route.shadow) ?? false;
  // If the routes are the same, their rows stay, so that nothing on the page moves.
  fresh.routes = fresh.routes.map((entry, at) => (same ? Object.assign(data.routes[at], entry) : new Route(entry)));
  data = fresh;
  history = saved?.traffic ? saved : null;
  for (const route of data.routes) {
    const labels = new Set([route.path, ...(route.old?.routes ?? []), ...(route.new?.routes ?? [])]);
    route.shadow = shadow?.routes?.find((each) => labels.has(each.route)) ?? null;
  }
  // Without a token, the server refuses changes from a page.
  view.writable = token !== null;
  setText(find("read-only"), view.writable || !data.server.shares.length ? ""
    : "Read-only: to change shares here, start the server with --admin-token.");
  readTimes(data);
  if (same && hadShadow === data.routes.some((route) => route.shadow)) tables.update(view);
  else tables.fill(data.routes, view);
  writeLegend(find("legend"), data.routes);
  show();
  return true;
}

let noShadow = false;
async function shadowed() {
  if (noShadow) return null;
  const found = await optional("shadow.json");
  noShadow = found === null;
  return found;
}

function readTimes(message) {
  view.now = message.now;
  view.seconds = Math.max(1, message.recent_seconds);
  view.uptime = Math.max(1, message.server.uptime_seconds);
}

// Applies a message of the stream, which has the numbers of the routes with requests.
function applyMessage(message) {
  if (data === null || message.revision !== data.revision) return load();
  Object.assign(data, { server: message.server, apps: message.apps, traffic: message.traffic });
  readTimes(message);
  const known = new Map(message.server.shares.map((share) => [share.rule, share]));
  for (const route of data.routes) if (route.share) route.share = known.get(route.share.rule) ?? route.share;
  for (const [at, side, all, recent, last] of message.numbers) {
    const numbers = data.routes[at]?.[side];
    if (!numbers) continue;
    [numbers.requests, numbers.errors, numbers.p50, numbers.p99] = all;
    const [requests, errors, p50, p99] = recent;
    numbers.recent = { requests, errors, p50, p99 };
    numbers.last_seen = Math.max(last ?? 0, numbers.last_seen ?? 0) || null;
  }
  tables.update(view);
  show();
  return undefined;
}

function show() {
  const { server } = data;
  const badge = find("state");
  setText(badge, server.state);
  badge.className = `badge ${server.state}`;
  setText(find("about"), `${server.version}, up ${span(server.uptime_seconds)}, ${server.addresses.join(" ")}`);
  document.title = `${data.ready ? data.summary : server.state}: rsgi`;
  showProgress();
  showLists();
  workers.write(workerRows(server.workers));
  apps.write(appRows(data.apps, view));
  const found = tables.found === data.routes.length ? "" : `${tables.found} of ${data.routes.length} shown`;
  setText(find("found"), found);
  const rest = data.rest.filter((each) => each.requests > 0).map((each) =>
    `${count(each.requests)} ${each.app === "none" ? "without an application" : `of ${each.app} (${each.route})`}`);
  setText(find("rest"), rest.length ? `Requests that belong to no route here: ${rest.join(", ")}.` : "");
  setText(find("since"), data.history
    ? `The numbers are since ${when(data.counting_since)}. The history covers ${data.history.counted_days.toFixed(1)} days since ${when(data.history.since)}.`
    : `All numbers are since ${when(data.counting_since)}. With --history-folder, they also survive a restart.`);
}

function bar(name, part, whole, words) {
  const box = find(`${name}-bar`);
  const text = percent(part, whole);
  setText(find(name), whole ? text : "–");
  box.firstElementChild.style.width = `${whole ? (100 * part) / whole : 0}%`;
  if (box.getAttribute("aria-label") !== text) box.setAttribute("aria-label", text);
  setText(find(`${name}-words`), words);
}

function showProgress() {
  if (!data.ready) bar("moved", 0, 0, "rsgi is still listing the routes.");
  else if (data.by_protocol || !data.old) bar("moved", 0, 0, data.summary);
  else bar("moved", data.migrated, data.old, `${data.migrated} of ${data.old} routes of the old application migrated`);
  const traffic = view.total ? data.traffic : data.traffic.recent;
  const all = traffic.old + traffic.new;
  const time = view.total ? "since the start"
    : view.seconds < 270 ? `in the ${span(view.seconds)} since the start` : "in the last 5 minutes";
  bar("traffic", traffic.new, all, `of ${count(all)} requests went to the new application ${time}`);
  const days = history ? pointsOf(history.traffic.day, data.apps) : [];
  const hours = history ? pointsOf(history.traffic.hour, data.apps) : [];
  const [points, name] = days.length > 2 ? [days, "by day"] : hours.length > 2 ? [hours, "by hour"]
    : [data.traffic.minutes, "by minute"];
  drawChart(find("chart"), points);
  const known = points.filter(([, old, newer]) => old + newer > 0);
  const part = ([, old, newer]) => percent(newer, old + newer);
  setText(find("chart-words"), known.length > 1
    ? `from ${part(known[0])} to ${part(known.at(-1))}, ${name}, since ${when(known[0][0])}` : "");
}

function showLists() {
  const routes = data.routes.filter((route) => route.status !== "built in");
  const top = (value, filter) => routes.filter(filter).map((route) => [value(route), route])
    .sort((one, other) => other[0] - one[0]).slice(0, MOST_LISTED).map(([, route]) => route);
  const p99 = (route) => Math.max(route.of("old", view)?.p99 ?? 0, route.of("new", view)?.p99 ?? 0);
  const errors = (route) => route.sum("errors", view);
  const part = (route) => percent(errors(route), route.sum("requests", view));
  writeList(find("trouble"), routes.filter((route) => route.trouble() !== null).slice(0, MOST_LISTED),
    (route) => route.trouble(), "No route fails or is slower than before.");
  writeList(find("next"), top((route) => route.rate(view), moveNext), nextStep, "Nothing is left to move.");
  writeList(find("safe"), routes.filter((route) => route.safe_to_delete).slice(0, MOST_LISTED),
    (route) => `no requests on the old application for ${Math.floor(route.old.quiet_days)} days`, safeWords());
  writeList(find("slowest"), top(p99, (route) => p99(route) > 0), (route) => duration(p99(route)), "No requests yet.");
  writeList(find("failing"), top(errors, (route) => errors(route) > 0),
    (route) => `${count(errors(route))} errors, ${part(route)}`, "No route failed.");
}

// Whether a route is still with the old application, and has no problem.
function moveNext(route) {
  if (route.trouble() !== null || !route.old) return false;
  const isPart = route.share && parseFloat(route.share.share) < 100;
  return Boolean(isPart) || ["only old", "method missing", "type differs", "kept", "hidden"].includes(route.status);
}

function nextStep(route) {
  const traffic = route.rate(view) ? rate(route.rate(view)) : "no requests";
  if (route.share && route.new) return `${traffic}, share ${route.share.share}: raise it`;
  if (!route.new) return `${traffic}, not written yet`;
  return `${traffic}, ${route.status === "type differs" ? "the new one takes only some of it" : "ready: add a rule with a share"}`;
}

function safeWords() {
  if (!data.history) return "Set --history-folder: rsgi then sees which routes get no requests for many days.";
  const { counted_days: days, quiet_days: enough } = data.history;
  return days < enough ? `The history covers ${days.toFixed(1)} of ${enough} days.` : "Every route of the old application had requests.";
}

// Reads the stream until it ends.
async function listen() {
  const response = await ask("events");
  if (!response.ok) throw new Error(response.status === 503 ? "too many pages are open" : `status ${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  setText(find("live"), problem || "live");
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the server ended the stream");
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    const last = parts.filter((part) => part.startsWith("data: ")).at(-1);
    if (last) await applyMessage(JSON.parse(last.slice(6)));
  }
}

const pause = (seconds) => new Promise((resume) => setTimeout(resume, seconds * 1000));

async function run() {
  find("entry").hidden = true;
  find("board").hidden = false;
  for (;;) {
    try {
      await listen();
    } catch (error) {
      setText(find("live"), `not live (${error.message}); trying again`);
    }
    await pause(2);
    try {
      if (!await load()) return enter("The token is not valid any more.");
    } catch (error) {
      setText(find("live"), `the server cannot be reached (${error.message}); trying again`);
    }
  }
}

function enter(why) {
  token = null;
  find("board").hidden = true;
  find("entry").hidden = false;
  setText(find("entry-error"), why);
  find("token").focus();
}

async function begin(wrong) {
  try {
    if (!await load()) return enter(wrong);
    return run();
  } catch (error) {
    setText(find("live"), `the dashboard cannot be loaded: ${error.message}`);
    await pause(2);
    return begin(wrong);
  }
}

find("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  token = find("token").value.trim();
  find("token").value = "";
  begin("This is not the token of the server.");
});
for (const name of ["recent", "total"]) {
  find(name).addEventListener("click", () => {
    view.total = name === "total";
    for (const other of ["recent", "total"]) find(other).setAttribute("aria-pressed", String(other === name));
    if (data === null) return;
    tables.update(view);
    show();
  });
}
find("filter").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["words", "only"]) {
  find(id).addEventListener("input", () => {
    tables.search(find("words").value, find("only").value);
    show();
  });
}
// Quiet days, shadow traffic and the history change slowly, so they are loaded again once a minute.
setInterval(() => {
  if (data !== null && !find("board").hidden && !shares.dialog.open) load().catch(() => undefined);
}, 60000);
begin("");
