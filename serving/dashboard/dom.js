/** Building page elements. Children given as strings become text nodes: nothing is ever parsed as markup. */

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An HTML element, e.g. `el("p", {class: "note"}, "text", otherNode)`; null attributes and children are left out. */
export const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** An SVG element, same manners as `el`. */
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** The address if it leads to a web page, else null: a post may carry `javascript:` or worse. */
export function webAddress(address) {
  if (!address) return null;
  try {
    const url = new URL(address, location.href);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

/** A link that opens in a new tab, or plain text where the address is not a web page. */
export function outsideLink(address, text, attributes = {}) {
  const href = webAddress(address);
  if (!href) return el("span", attributes, text);
  return el("a", { href, target: "_blank", rel: "noopener noreferrer", ...attributes }, text);
}
