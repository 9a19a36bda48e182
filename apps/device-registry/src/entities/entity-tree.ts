import { type Entity, type EntityFilter, mainDevice, type TopicId } from '@sallyport/protocol';

/** All entities in memory, by topic id and by parent. Children have the order of their topic ids. */
export class EntityTree {
  private readonly entities = new Map<TopicId, Entity>();
  private readonly children = new Map<TopicId, Set<TopicId>>();
  private readonly countByOwner = new Map<string, number>();

  constructor(entities: Iterable<Entity> = []) {
    for (const each of entities) this.put(each);
  }

  get size(): number {
    return this.entities.size;
  }

  get(id: TopicId): Entity | undefined {
    return this.entities.get(id);
  }

  has(id: TopicId): boolean {
    return this.entities.has(id);
  }

  put(entity: Entity): void {
    const id = entity['@topic-id'];
    this.delete(id);
    this.entities.set(id, entity);
    const owner = ownerOf(id);
    this.countByOwner.set(owner, this.countOf(owner) + 1);
    const parent = entity['@parent'];
    if (parent === undefined) return;
    const siblings = this.children.get(parent) ?? new Set();
    this.children.set(parent, siblings.add(id));
  }

  delete(id: TopicId): void {
    const entity = this.entities.get(id);
    if (entity === undefined) return;
    this.entities.delete(id);
    const owner = ownerOf(id);
    const rest = this.countOf(owner) - 1;
    if (rest > 0) this.countByOwner.set(owner, rest);
    else this.countByOwner.delete(owner);
    const parent = entity['@parent'];
    const siblings = parent && this.children.get(parent);
    if (parent === undefined || siblings === undefined) return;
    siblings.delete(id);
    if (siblings.size === 0) this.children.delete(parent);
  }

  /** How many entities one `device/<name>` has. */
  countOf(owner: string): number {
    return this.countByOwner.get(owner) ?? 0;
  }

  /** Breadth first, and in the order of their topic ids on each level. */
  list({ root, parent, type }: EntityFilter): Entity[] {
    const listed = parent === undefined ? this.subtree(root ?? mainDevice) : this.childrenOf(parent);
    return type === undefined ? listed : listed.filter((each) => each['@type'] === type);
  }

  /** The entity and all below it, breadth first; none if there is no such entity. */
  subtree(root: TopicId): Entity[] {
    const first = this.get(root);
    const found = first === undefined ? [] : [first];
    // The list grows while it is walked.
    for (const { '@topic-id': id } of found) found.push(...this.childrenOf(id));
    return found;
  }

  /** Whether an entity is below another one, or is that one. */
  isWithin(id: TopicId, ancestor: TopicId): boolean {
    for (let at: TopicId | undefined = id; at !== undefined; at = this.get(at)?.['@parent'])
      if (at === ancestor) return true;
    return false;
  }

  /** How many entities are above this one. */
  depthOf(id: TopicId): number {
    let depth = 0;
    for (let at = this.get(id)?.['@parent']; at !== undefined; at = this.get(at)?.['@parent']) depth += 1;
    return depth;
  }

  /** How many levels the entity and all below it have. */
  heightOf(id: TopicId): number {
    const depths = this.subtree(id).map((each) => this.depthOf(each['@topic-id']));
    return depths.length === 0 ? 1 : Math.max(...depths) - Math.min(...depths) + 1;
  }

  private childrenOf(id: TopicId): Entity[] {
    const ids = [...(this.children.get(id) ?? [])].sort();
    return ids.map((each) => this.entities.get(each)).filter((each) => each !== undefined);
  }
}

/** The first two levels, such as `device/child01`. At level mutual the broker gives them to that device alone. */
export function ownerOf(id: TopicId): string {
  return id.split('/', 2).join('/');
}
