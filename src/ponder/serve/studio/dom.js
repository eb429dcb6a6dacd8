// Elements from data. Everything a model wrote goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const number = (value) => (value === null || value === undefined ? "unknown" : Math.round(value).toLocaleString("en"));
export const dollars = (value) => (value === null || value === undefined ? "price unknown" : `$${value.toFixed(value < 0.01 ? 5 : 3)}`);
export const percent = (value) => `${(100 * value).toFixed(1)} %`;
