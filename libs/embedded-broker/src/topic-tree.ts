interface Node<Value> {
  readonly children: Map<string, Node<Value>>;
  /** By owner: an owner has one value for one filter. */
  readonly values: Map<string, Value>;
}

/**
 * An index of subscriptions: finds those that match a topic without looking at all of them. Gives what `filterMatches`
 * gives. Shared subscriptions are not supported; the broker refuses them.
 */
export class TopicTree<Value> {
  private readonly root: Node<Value> = emptyNode();

  set(filter: string, owner: string, value: Value): void {
    let node = this.root;
    for (const level of filter.split('/')) {
      const next = node.children.get(level) ?? emptyNode<Value>();
      node.children.set(level, next);
      node = next;
    }
    node.values.set(owner, value);
  }

  delete(filter: string, owner: string): void {
    const path = [this.root];
    const levels = filter.split('/');
    for (const level of levels) {
      const next = path.at(-1)?.children.get(level);
      if (next === undefined) return;
      path.push(next);
    }
    path.at(-1)?.values.delete(owner);
    this.prune(path, levels);
  }

  /** One value for each owner, although several of its filters may match. */
  match(topic: string): Map<string, Value> {
    const found = new Map<string, Value>();
    collect(this.root, topic.split('/'), 0, found);
    return found;
  }

  private prune(path: readonly Node<Value>[], levels: readonly string[]): void {
    for (let depth = levels.length; depth > 0; depth--) {
      const node = path[depth];
      if (node === undefined || node.values.size > 0 || node.children.size > 0) return;
      path[depth - 1]?.children.delete(levels[depth - 1] ?? '');
    }
  }
}

function emptyNode<Value>(): Node<Value> {
  return { children: new Map(), values: new Map() };
}

function collect<Value>(node: Node<Value>, levels: readonly string[], depth: number, found: Map<string, Value>): void {
  // [MQTT-4.7.2-1]: a leading wildcard does not match topics that start with "$".
  const wildcardsSee = depth > 0 || !levels[0]?.startsWith('$');
  if (wildcardsSee) take(node.children.get('#'), found);
  const level = levels[depth];
  if (level === undefined) {
    take(node, found);
    return;
  }
  const exact = node.children.get(level);
  if (exact !== undefined) collect(exact, levels, depth + 1, found);
  const any = wildcardsSee ? node.children.get('+') : undefined;
  if (any !== undefined) collect(any, levels, depth + 1, found);
}

function take<Value>(node: Node<Value> | undefined, found: Map<string, Value>): void {
  for (const [owner, value] of node?.values ?? []) found.set(owner, value);
}
