// The tables of workers and applications, and the chart.

import { bytes, count, duration, element, percent, setText, span, table } from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";

const WORKERS = [
  ["worker", "Worker"], ["state", "State"], ["pid", "Process"], ["up", "Up", "number"], ["memory", "Memory", "number"],
  ["calls", "Calls", "number"], ["busy", "Threads busy", "number"], ["idle", "Threads idle", "number"],
  ["stuck", "Threads stuck", "number"], ["queue", "Queue", "number"], ["lag", "Loop lag", "number"],
];

const APPS = [
  ["name", "Application"], ["interface", "Interface"], ["framework", "Framework"], ["requests", "Requests", "number"],
  ["errors", "5xx", "number"], ["p50", "p50", "number"], ["p99", "p99", "number"],
];

// A table that keeps its rows, and makes new ones only if their number changes.
export class SmallTable {
  constructor(root, caption, columns) {
    this.columns = columns;
    this.made = table(caption, columns);
    root.append(this.made.root);
  }

  write(rows) {
    const body = this.made.body;
    while (body.children.length > rows.length) body.lastChild.remove();
    while (body.children.length < rows.length) {
      const cells = this.columns.map(([, , kind], at) =>
        at ? element("td", { class: kind }) : element("th", { scope: "row" }));
      body.append(element("tr", {}, ...cells));
    }
    rows.forEach((row, at) => row.forEach((text, cell) => setText(body.children[at].children[cell], text)));
  }
}

export const workerTable = (root) => new SmallTable(root, "Processes that serve", WORKERS);
export const appTable = (root) => new SmallTable(root, "Applications that are served", APPS);

export function workerRows(workers) {
  return workers.map((worker) => {
    const pool = worker.wsgi_threads;
    const threads = pool
      ? [`${pool.busy}`, `${pool.idle}`, `${pool.orphaned + pool.stalled}`, `${pool.queue_length}`]
      : ["–", "–", "–", "–"];
    const state = worker.answered ? worker.state : `${worker.state}, not answering`;
    const lag = duration(worker.event_loop_lag_seconds);
    return [`${worker.worker}`, state, `${worker.pid}`, span(worker.uptime_seconds),
      bytes(worker.resident_memory_bytes), count(worker.calls_running), ...threads, lag];
  });
}

export function appRows(apps, view) {
  return apps.map((app) => {
    const numbers = view.total ? app : app.recent;
    const framework = app.complete ? app.framework : `${app.framework ?? "unknown"}: ${app.why}`;
    const errors = numbers.errors ? `${count(numbers.errors)} (${percent(numbers.errors, numbers.requests)})` : "–";
    return [app.name, app.prefix ? `${app.interface} at ${app.prefix}` : app.interface, framework,
      count(numbers.requests), errors, duration(numbers.p50), duration(numbers.p99)];
  });
}

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

// Draws how many of the requests the new applications served. A point is [time, old, new].
export function drawChart(root, points) {
  const known = points.filter(([, old, young]) => old + young > 0);
  const shown = JSON.stringify(known);
  if (root.dataset.shown === shown) return;
  root.dataset.shown = shown;
  if (known.length < 2) {
    root.replaceChildren(element("p", { class: "dim" }, "The chart begins after two minutes with requests."));
    return;
  }
  const [begin, end] = [known[0][0], known.at(-1)[0]];
  const part = ([, old, young]) => young / (old + young);
  const x = (time) => (600 * (time - begin)) / Math.max(1, end - begin);
  const y = (value) => 90 - 80 * value;
  const line = known.map((point) => `${x(point[0]).toFixed(1)},${y(part(point)).toFixed(1)}`).join(" ");
  const last = Math.round(100 * part(known.at(-1)));
  const first = Math.round(100 * part(known[0]));
  const label = `From ${first} % to ${last} % of the requests`;
  const svg = shape("svg", { viewBox: "0 0 600 100", preserveAspectRatio: "none", role: "img", "aria-label": label });
  svg.append(shape("line", { class: "axis", x1: 0, x2: 600, y1: 90, y2: 90 }));
  svg.append(shape("line", { class: "axis", x1: 0, x2: 600, y1: 10, y2: 10 }));
  svg.append(shape("polygon", { class: "area", points: `0,90 ${line} 600,90` }));
  svg.append(shape("polyline", { class: "edge", points: line, "vector-effect": "non-scaling-stroke" }));
  root.replaceChildren(svg);
}

// Makes points of the steps of the history, which are [time, application, requests, errors].
export function pointsOf(steps, apps) {
  const interfaces = new Map(apps.map((app) => [app.name, app.interface]));
  const points = new Map();
  for (const [time, app, requests] of steps) {
    const point = points.get(time) ?? [time, 0, 0];
    if (interfaces.get(app) === "wsgi") point[1] += requests;
    if (interfaces.get(app) === "asgi") point[2] += requests;
    points.set(time, point);
  }
  return [...points.values()];
}
