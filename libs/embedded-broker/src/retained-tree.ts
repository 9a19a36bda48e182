interface Node<Value> {
  children: Map<string, Node<Value>> | undefined;
  value: Value | undefined;
}

/** An index of topics: finds those that a filter matches without looking at all of them. */
export class RetainedTree<Value> {
  private readonly root: Node<Value> = { children: undefined, value: undefined };

  get(topic: string): Value | undefined {
    return this.path(topic).at(-1)?.value;
  }

  set(topic: string, value: Value): void {
    let node = this.root;
    for (const level of topic.split('/')) {
      node.children ??= new Map();
      let next = node.children.get(level);
      if (next === undefined) {
        next = { children: undefined, value: undefined };
        node.children.set(level, next);
      }
      node = next;
    }
    node.value = value;
  }

  delete(topic: string): void {
    const path = this.path(topic);
    const last = path.at(-1);
    if (last === undefined) return;
    last.value = undefined;
    const levels = topic.split('/');
    for (let depth = levels.length; depth > 0; depth--) {
      const node = path[depth];
      if (node === undefined || node.value !== undefined || (node.children?.size ?? 0) > 0) return;
      path[depth - 1]?.children?.delete(levels[depth - 1] ?? '');
    }
  }

  /** The values of all topics that the filter matches. */
  matching(filter: string): Value[] {
    const found: Value[] = [];
    search(this.root, { levels: filter.split('/'), found }, 0);
    return found;
  }

  /** From the root to the topic; empty when the topic is not there. */
  private path(topic: string): Node<Value>[] {
    const path = [this.root];
    for (const level of topic.split('/')) {
      const next = path.at(-1)?.children?.get(level);
      if (next === undefined) return [];
      path.push(next);
    }
    return path;
  }
}

interface Search<Value> {
  readonly levels: readonly string[];
  readonly found: Value[];
}

function search<Value>(node: Node<Value>, wanted: Search<Value>, depth: number): void {
  const level = wanted.levels[depth];
  if (level === undefined) {
    if (node.value !== undefined) wanted.found.push(node.value);
    return;
  }
  if (level === '#') {
    takeAll(node, wanted.found, depth === 0);
    return;
  }
  if (level !== '+') {
    const child = node.children?.get(level);
    if (child !== undefined) search(child, wanted, depth + 1);
    return;
  }
  for (const [name, child] of node.children ?? []) {
    // [MQTT-4.7.2-1]: a leading wildcard does not match topics that start with "$".
    if (depth > 0 || !name.startsWith('$')) search(child, wanted, depth + 1);
  }
}

/** "a/#" matches "a" too (MQTT 3.1.1 §4.7.1.2). */
function takeAll<Value>(node: Node<Value>, found: Value[], isRoot: boolean): void {
  if (node.value !== undefined) found.push(node.value);
  for (const [name, child] of node.children ?? []) if (!isRoot || !name.startsWith('$')) takeAll(child, found, false);
}
