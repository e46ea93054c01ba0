// Elements, made and kept without ever making markup of text.

/** The element of that id. */
export const byId = (id) => document.getElementById(id);

/** A new element: `make("td", {class: "num"}, "12")`. Children are elements or text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** The same in SVG's namespace. */
export function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Set an element's text where it differs, so that nothing is laid out for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set or remove an attribute where it differs. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : value);
}

const kept = new WeakMap();

/**
 * Have `parent` hold one element for each item, in their order. An item keeps its element, and with it focus and place, as
 * long as its key is there; `update(element, item)` is called for each.
 */
export function keyed(parent, items, keyOf, create, update = () => {}) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const key = keyOf(item);
    after.set(key, before.get(key) ?? create(item));
    before.delete(key);
  }
  // What goes is taken out first: the rest then stands in its place mostly, and isn't moved.
  for (const element of before.values()) element.remove();
  let next = parent.firstElementChild;
  for (const item of items) {
    const element = after.get(keyOf(item));
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
    update(element, item);
  }
  kept.set(parent, after);
}

/** Name and value in a list of facts: `[name, value, remark]`, of which the value may be an element. */
export function facts(list, rows) {
  keyed(
    list,
    rows,
    (row) => row[0],
    (row) => make("div", {}, make("dt", {}, row[0]), make("dd", {})),
    (element, [, value, remark, tone]) => {
      const shown = element.lastElementChild;
      const wanted = remark ? `${value}\n${remark}` : String(value);
      setAttribute(shown, "data-tone", tone ?? null);
      if (shown.dataset.shown === wanted) return;
      shown.dataset.shown = wanted;
      shown.replaceChildren(make("span", {}, String(value)), ...(remark ? [make("small", { class: "muted" }, remark)] : []));
    },
  );
}
