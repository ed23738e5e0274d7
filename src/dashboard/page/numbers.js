// Formats numbers, and makes elements. Text is set as text, never as markup.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// Sets a text only if it differs, because screen readers read every change aloud.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function count(value) {
  return value.toLocaleString("en");
}

export function percent(part, whole) {
  if (!whole) return "0 %";
  const value = (100 * part) / whole;
  return value > 0 && value < 1 ? "<1 %" : `${Math.floor(value)} %`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  const milliseconds = seconds * 1000;
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

export function rate(value) {
  if (!value) return "–";
  return `${value.toFixed(value >= 100 ? 0 : value >= 1 ? 1 : 2)}/s`;
}

export function bytes(value) {
  return value === null || value === undefined ? "–" : `${Math.round(value / 1048576)} MiB`;
}

export function span(seconds) {
  const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

export function ago(time, now) {
  if (!time) return "never";
  const seconds = Math.max(0, now - time);
  return seconds < 5 ? "now" : `${span(seconds)} ago`;
}

export function when(time) {
  return new Date(time * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC";
}

// A table with a caption, and a header for every column: [key, text, class].
export function table(caption, columns, sort) {
  const head = element("tr");
  for (const [key, text, kind] of columns) {
    const cell = element("th", { scope: "col", class: kind, "data-key": key });
    if (sort) {
      const button = element("button", { type: "button" }, text);
      button.addEventListener("click", () => sort(key));
      cell.append(button);
    } else {
      cell.append(text);
    }
    head.append(cell);
  }
  const body = element("tbody");
  return { root: element("table", {}, element("caption", {}, caption), element("thead", {}, head), body), head, body };
}
