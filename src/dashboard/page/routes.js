// The table of routes: filter, order and numbers. Also the legend and the short lists above the table.

import { ago, count, duration, element, percent, rate, setText, table } from "./numbers.js";

const SIDES = ["old", "new"];
// With at least this many routes, each prefix has a table of its own, which is closed at first.
const FOLDED_FROM = 100;
// Rates of errors and response times are compared only if there are at least this many requests.
const ENOUGH = 20;
const TIMES = [["p50", ENOUGH], ["p99", 100]];
// The new application is too slow if it takes this many times as long, and this many seconds longer.
const SLOWER = 1.5;
const NOTABLE = 0.005;
// The symbol and the meaning of each status. `rsgi routes` shows the same.
const STATUSES = {
  "migrated": ["✓", "both applications have it, and the new one serves it"],
  "only old": ["○", "only the old application has it: not moved yet"],
  "kept": ["=", "both applications have it, and a rule or a setting leaves it with the old one"],
  "method missing": ["◐", "the new application has the path, but not this method"],
  "type differs": ["≠", "the new route takes only some paths of the old one"],
  "hidden": ["!", "an earlier rule, mount or route takes its requests"],
  "only new": ["+", "only the new application has it"],
  "built in": ["·", "a page that the framework adds; not counted"],
  "opaque": ["?", "rsgi cannot read the routes below it"],
};

const COLUMNS = [
  ["path", "Route", null],
  ["status", "Status", null],
  ["served", "Served by", null],
  ["share", "Share of clients", null],
  ["rate", "Requests", "number"],
  ["errors", "5xx", "number"],
  ["p50old", "p50 old", "number wide-only"],
  ["p50new", "p50 new", "number wide-only"],
  ["p99old", "p99 old", "number"],
  ["p99new", "p99 new", "number"],
  ["match", "Match", "number"],
  ["seen", "Last on old", "number wide-only"],
];

export class Route {
  constructor(entry) {
    Object.assign(this, entry);
    this.served = entry.then ? `${entry.served_by}, then ${entry.then}` : entry.served_by ?? "nobody";
    this.text = [entry.path, entry.methods.join(" "), this.served, entry.status, entry.note, entry.old?.defined,
      entry.new?.defined, entry.host].join(" ").toLowerCase();
    this.shadow = null;
  }

  // The numbers to show: of the last minutes, or since the start.
  of(side, view) {
    const numbers = this[side];
    return numbers && (view.total ? numbers : numbers.recent);
  }

  sum(name, view) {
    return SIDES.reduce((sum, side) => sum + (this.of(side, view)?.[name] ?? 0), 0);
  }

  rate(view) {
    return this.sum("requests", view) / (view.total ? view.uptime : view.seconds);
  }

  rolledBack() {
    return this.share?.rollback?.state === "rolled back";
  }

  // Describes a problem of the last minutes. `null` if there is none.
  trouble() {
    if (this.rolledBack()) return `stopped by rollback: ${this.share.rollback.reason ?? ""}`;
    for (const side of ["new", "old"]) {
      const recent = this[side]?.recent;
      if (recent && recent.requests >= ENOUGH && recent.errors >= recent.requests / 100) {
        return `${percent(recent.errors, recent.requests)} errors in the ${side} one`;
      }
    }
    const old = this.old?.recent, newer = this.new?.recent;
    for (const [time, enough] of TIMES) {
      if (old?.[time] && newer?.[time] && Math.min(old.requests, newer.requests) >= enough && isSlower(newer[time], old[time])) {
        return `the new one takes ${(newer[time] / old[time]).toFixed(1)} times as long (${time})`;
      }
    }
    return null;
  }
}

function isSlower(time, before) {
  return time > before * SLOWER && time > before + NOTABLE;
}

function sortKey(route, key, view) {
  switch (key) {
    case "path": return route.path;
    case "status": return route.status;
    case "served": return route.served;
    case "share": return route.share ? parseFloat(route.share.share) : -1;
    case "rate": return route.rate(view);
    case "errors": return route.sum("errors", view);
    case "match": return route.shadow?.match ?? -1;
    case "seen": return route.old?.last_seen ?? 0;
    default: return route.of(key.slice(3), view)?.[key.slice(0, 3)] ?? -1;
  }
}

export class RouteTables {
  constructor(root, changeShare) {
    this.root = root;
    this.changeShare = changeShare;
    this.routes = [];
    this.rows = new Map();
    this.sorted = ["path", 1];
    this.filter = { words: [], only: "" };
  }

  // Shows a new list of routes.
  fill(routes, view) {
    const open = new Set((this.groups ?? []).filter(({ details }) => details?.open).map(({ prefix }) => prefix));
    this.routes = routes;
    this.rows.clear();
    this.root.replaceChildren();
    this.groups = [];
    const columns = COLUMNS.filter(([key]) => key !== "match" || routes.some((route) => route.shadow));
    const parts = routes.length >= FOLDED_FROM ? byPrefix(routes) : new Map([["", routes]]);
    for (const [prefix, members] of parts) {
      const made = table(prefix ? `Routes below ${prefix}` : "All routes", columns, (key) => this.sort(key));
      const label = prefix ? `Table of the routes below ${prefix}` : "Table of the routes";
      let place = element("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, made.root);
      const group = { prefix, members, ...made, words: null, details: null };
      if (prefix) {
        group.words = element("span", { class: "dim" });
        group.details = element("details", {}, element("summary", {}, element("code", {}, prefix), group.words), place);
        group.details.open = open.has(prefix);
        place = group.details;
      }
      this.groups.push(group);
      this.root.append(place);
      for (const route of members) this.rows.set(route, this.row(route, columns));
    }
    this.order(view);
    this.update(view);
  }

  row(route, columns) {
    const cells = {};
    const row = element("tr");
    for (const [key, , kind] of columns) {
      cells[key] = key === "path" ? element("th", { scope: "row" }) : element("td", { class: kind });
      row.append(cells[key]);
    }
    cells.path.append(element("span", { class: "methods" }, route.methods.join(",")));
    cells.path.append(element("span", { class: "path" }, `${route.host ?? ""}${route.path}`));
    if (route.note) cells.path.append(element("span", { class: "note" }, route.note));
    const [symbol, meaning] = STATUSES[route.status] ?? ["", ""];
    cells.status.append(`${symbol} ${route.status}`);
    cells.status.title = meaning;
    cells.served.append(route.served);
    cells.words = element("span");
    cells.share.className = "share";
    cells.share.append(cells.words);
    cells.row = row;
    return cells;
  }

  sort(key) {
    const [before, direction] = this.sorted;
    const first = ["path", "status", "served"].includes(key) ? 1 : -1;
    this.sorted = [key, key === before ? -direction : first];
    this.order(this.view);
  }

  order(view) {
    this.view = view;
    const [key, direction] = this.sorted;
    for (const group of this.groups) {
      const compare = (one, other) => {
        const [left, right] = [sortKey(one, key, view), sortKey(other, key, view)];
        return direction * (left < right ? -1 : left > right ? 1 : 0);
      };
      group.body.replaceChildren(...[...group.members].sort(compare).map((route) => this.rows.get(route).row));
      for (const cell of group.head.children) {
        if (cell.dataset.key === key) cell.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        else cell.removeAttribute("aria-sort");
      }
    }
  }

  // Writes the current numbers.
  update(view) {
    this.view = view;
    for (const [route, cells] of this.rows) {
      const { old, new: newer } = { old: route.of("old", view), new: route.of("new", view) };
      setText(cells.rate, rate(route.rate(view)));
      cells.rate.title = `${count(route.sum("requests", { total: true }))} since the start`;
      const errors = route.sum("errors", view);
      setText(cells.errors, errors ? `${count(errors)} (${percent(errors, route.sum("requests", view))})` : "–");
      cells.errors.classList.toggle("red", errors > 0);
      setText(cells.p50old, duration(old?.p50));
      setText(cells.p50new, duration(newer?.p50));
      setText(cells.p99old, duration(old?.p99));
      setText(cells.p99new, duration(newer?.p99));
      cells.p99new.classList.toggle("red", Boolean(old?.p99 && newer?.p99 && isSlower(newer.p99, old.p99)));
      setText(cells.seen, route.old ? seen(route, view) : "–");
      if (cells.match) setText(cells.match, route.shadow?.n ? `${percent(route.shadow.match, 1)} of ${route.shadow.n}` : "–");
      this.writeShare(route, cells, view);
    }
    this.show();
    for (const group of this.groups) if (group.words) setText(group.words, words(group.members, view));
  }

  writeShare(route, cells, view) {
    const share = route.share;
    setText(cells.words, route.rolledBack() ? "stopped by rollback" : share ? share.share : "–");
    cells.words.classList.toggle("red", route.rolledBack());
    if (share && view.writable && !cells.button) {
      cells.button = element("button", { type: "button" }, "Change");
      cells.button.setAttribute("aria-label", `Change the share of ${share.rule}`);
      cells.button.addEventListener("click", () => this.changeShare(route.share));
      cells.share.append(cells.button);
    }
  }

  search(words, only) {
    this.filter = { words: words.toLowerCase().split(/\s+/).filter(Boolean), only };
    this.show();
    for (const { details } of this.groups) {
      if (details && (this.filter.words.length || only)) details.open = !details.hidden;
    }
  }

  fits(route) {
    const { words, only } = this.filter;
    if (!words.every((word) => route.text.includes(word))) return false;
    switch (only) {
      case "traffic": return route.sum("requests", this.view) > 0;
      case "old": return (route.of("old", this.view)?.requests ?? 0) > 0;
      case "new": return (route.of("new", this.view)?.requests ?? 0) > 0;
      case "share": return Boolean(route.share);
      case "trouble": return route.trouble() !== null;
      case "safe": return route.safe_to_delete;
      default: return true;
    }
  }

  show() {
    this.found = 0;
    for (const group of this.groups) {
      let found = 0;
      for (const route of group.members) {
        const fits = this.fits(route);
        const row = this.rows.get(route).row;
        if (row.hidden === fits) row.hidden = !fits;
        found += fits;
      }
      if (group.details) group.details.hidden = !found;
      this.found += found;
    }
  }
}

// Explains the symbols of the routes that are there.
export function writeLegend(root, routes) {
  const found = new Set(routes.map((route) => route.status));
  root.replaceChildren(...Object.entries(STATUSES).filter(([status]) => found.has(status)).flatMap(
    ([status, [symbol, meaning]]) => [element("dt", {}, `${symbol} ${status}`), element("dd", {}, meaning)]),
  element("dt", {}, "–"), element("dd", {}, "no such route, or no requests"),
  element("dt", {}, "Share of clients"),
  element("dd", {}, "the part of the clients that the rule of this route is for, such as 5 % with `--route '/x=new:5%'`"),
  element("dt", {}, "p50, p99"),
  element("dd", {}, "the time that half of the requests, or 99 of 100, took at most"));
}

function seen(route, view) {
  const { last_seen: last, quiet_days: quiet } = route.old;
  if (route.safe_to_delete) return `${Math.floor(quiet)} days quiet`;
  return last ? ago(last, view.now) : "–";
}

function words(routes, view) {
  const moved = routes.filter((route) => route.status === "migrated").length;
  const requests = routes.reduce((sum, route) => sum + route.rate(view), 0);
  const errors = routes.reduce((sum, route) => sum + route.sum("errors", view), 0);
  const said = [routes.length === 1 ? "1 route" : `${routes.length} routes`, `${moved} migrated`];
  if (requests) said.push(rate(requests));
  if (errors) said.push(`${count(errors)} errors`);
  return said.join(", ");
}

// Groups routes by the first segment of their path. A group with many routes is divided by the second segment.
function byPrefix(routes) {
  const parts = new Map();
  for (const [prefix, members] of grouped(routes, (route) => prefixOf(route.path, 1))) {
    const inner = grouped(members, (route) => prefixOf(route.path, 2));
    const divided = members.length >= FOLDED_FROM && inner.size <= members.length / 5;
    for (const [name, some] of divided ? inner : [[prefix, members]]) parts.set(name, some);
  }
  return parts;
}

function grouped(routes, key) {
  const parts = new Map();
  for (const route of routes) {
    if (!parts.has(key(route))) parts.set(key(route), []);
    parts.get(key(route)).push(route);
  }
  return parts;
}

function prefixOf(path, depth) {
  return path.split("/").slice(0, depth + 1).join("/") || "/";
}

// Fills one of the short lists above the table. `words` describes a route.
export function writeList(node, routes, words, empty) {
  const items = routes.map((route) => {
    const methods = element("span", { class: "methods" }, route.methods.join(","));
    const path = element("span", { class: "path" }, `${route.host ?? ""}${route.path}`);
    return element("li", {}, methods, path, element("span", { class: "dim" }, words(route)));
  });
  const text = items.map((item) => item.textContent).join("\n") || empty;
  if (node.dataset.shown === text) return;
  node.dataset.shown = text;
  node.replaceChildren(...(items.length ? items : [element("li", { class: "dim" }, empty)]));
}
