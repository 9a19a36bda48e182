/** An object of the tenant's inventory: a device, a child device or a service. */
export interface ManagedObject {
  readonly id: string;
  readonly [fragment: string]: unknown;
}

export interface CloudEvent {
  readonly id: string;
  readonly [fragment: string]: unknown;
}

/** A file that was attached to an event. */
export interface EventBinary {
  readonly eventId: string;
  readonly name: string;
  readonly type: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** What the tenant keeps. */
export class Tenant {
  readonly managedObjects = new Map<string, ManagedObject>();
  /** By `<type>/<external id>`. */
  readonly objectIdByExternalId = new Map<string, string>();
  readonly events: CloudEvent[] = [];
  readonly binaries: EventBinary[] = [];
  /** One-time passwords of devices that are registered but have no certificate yet. */
  readonly oneTimePasswordByDevice = new Map<string, string>();
  private nextId = 1001;

  newId(): string {
    return String(this.nextId++);
  }

  addObject(fragments: Readonly<Record<string, unknown>>): ManagedObject {
    const object = { ...fragments, id: this.newId() };
    this.managedObjects.set(object.id, object);
    return object;
  }

  /** The object of this external id, made when there is none yet. */
  ensure(externalId: string, fragments: Readonly<Record<string, unknown>>): ManagedObject {
    const key = `c8y_Serial/${externalId}`;
    const known = this.managedObjects.get(this.objectIdByExternalId.get(key) ?? '');
    if (known !== undefined) return known;
    const made = this.addObject(fragments);
    this.objectIdByExternalId.set(key, made.id);
    return made;
  }
}
