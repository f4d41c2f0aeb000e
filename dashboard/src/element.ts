const SVG = 'http://www.w3.org/2000/svg';

export type Child = Node | string | number | null | undefined | false | readonly Child[];
export type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** An HTML element. Texts become text nodes, so nothing that came from the mesh is ever markup. */
export function h(name: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  return filled(document.createElement(name), attributes, children);
}

/** An SVG element. */
export function s(name: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  return filled(document.createElementNS(SVG, name) as SVGElement, attributes, children);
}

function filled<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child as readonly Child[]);
    else element.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Makes what stands below `target` equal to `fresh` by changing as little as possible, so that focus, selections, scroll
 * positions and transitions survive an update. Elements with `data-key` keep their identity when others come or go.
 */
export function update(target: Element, ...fresh: Child[]): void {
  const holder = document.createElement('div');
  append(holder, fresh);
  matchChildren(target, holder);
}

function matchChildren(target: Element, fresh: Element): void {
  const keyed = new Map<string, Element>();
  for (const child of target.children) {
    const key = child.getAttribute('data-key');
    if (key !== null) keyed.set(key, child);
  }
  let current: ChildNode | null = target.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = wanted instanceof Element ? wanted.getAttribute('data-key') : null;
    const found: ChildNode | null = key === null ? current : (keyed.get(key) ?? null);
    if (found !== null && isSameKind(found, wanted, key)) {
      if (found === current) current = current.nextSibling;
      else target.insertBefore(found, current);
      matchNode(found, wanted);
    } else {
      target.insertBefore(wanted, current);
    }
  }
  while (current !== null) {
    const next: ChildNode | null = current.nextSibling;
    current.remove();
    current = next;
  }
}

function isSameKind(found: ChildNode, wanted: ChildNode, key: string | null): boolean {
  if (found.nodeName !== wanted.nodeName) return false;
  return !(found instanceof Element) || found.getAttribute('data-key') === key;
}

function matchNode(found: ChildNode, wanted: ChildNode): void {
  if (!(found instanceof Element) || !(wanted instanceof Element)) {
    if (found.nodeValue !== wanted.nodeValue) found.nodeValue = wanted.nodeValue;
    return;
  }
  for (const name of found.getAttributeNames()) {
    // What a person opened or typed is theirs.
    if (name !== 'open' && !wanted.hasAttribute(name)) found.removeAttribute(name);
  }
  for (const name of wanted.getAttributeNames()) {
    const value = wanted.getAttribute(name) as string;
    if (found.getAttribute(name) !== value) found.setAttribute(name, value);
  }
  matchChildren(found, wanted);
}
