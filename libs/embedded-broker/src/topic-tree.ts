interface Node<Value> {
  children: Map<string, Node<Value>> | undefined;
  values: Set<Value> | undefined;
}

/**
 * An index of subscriptions: finds those that match a topic without looking at all of them. Gives what `filterMatches`
 * gives, for filters without the name of a share.
 */
export class TopicTree<Value> {
  private readonly root: Node<Value> = emptyNode();

  add(filter: string, value: Value): void {
    let node = this.root;
    for (const level of filter.split('/')) {
      node.children ??= new Map();
      let next = node.children.get(level);
      if (next === undefined) {
        next = emptyNode();
        node.children.set(level, next);
      }
      node = next;
    }
    node.values ??= new Set();
    node.values.add(value);
  }

  delete(filter: string, value: Value): void {
    const path = [this.root];
    const levels = filter.split('/');
    for (const level of levels) {
      const next = path.at(-1)?.children?.get(level);
      if (next === undefined) return;
      path.push(next);
    }
    path.at(-1)?.values?.delete(value);
    this.prune(path, levels);
  }

  /** The values of all filters that match, in no order. */
  match(topic: string): Value[] {
    const found: Value[] = [];
    collect(this.root, { levels: topic.split('/'), found }, 0);
    return found;
  }

  private prune(path: readonly Node<Value>[], levels: readonly string[]): void {
    for (let depth = levels.length; depth > 0; depth--) {
      const node = path[depth];
      if (node === undefined || (node.values?.size ?? 0) > 0 || (node.children?.size ?? 0) > 0) return;
      path[depth - 1]?.children?.delete(levels[depth - 1] ?? '');
    }
  }
}

interface Search<Value> {
  readonly levels: readonly string[];
  readonly found: Value[];
}

function emptyNode<Value>(): Node<Value> {
  return { children: undefined, values: undefined };
}

function collect<Value>(node: Node<Value>, search: Search<Value>, depth: number): void {
  const { levels } = search;
  // [MQTT-4.7.2-1]: a leading wildcard does not match topics that start with "$".
  const wildcardsSee = depth > 0 || !levels[0]?.startsWith('$');
  if (wildcardsSee) take(node.children?.get('#'), search);
  const level = levels[depth];
  if (level === undefined) {
    take(node, search);
    return;
  }
  const exact = node.children?.get(level);
  if (exact !== undefined) collect(exact, search, depth + 1);
  const any = wildcardsSee ? node.children?.get('+') : undefined;
  if (any !== undefined) collect(any, search, depth + 1);
}

function take<Value>(node: Node<Value> | undefined, { found }: Search<Value>): void {
  if (node?.values !== undefined) for (const value of node.values) found.push(value);
}
