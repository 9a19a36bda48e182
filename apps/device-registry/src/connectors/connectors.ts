import { Injectable } from '@nestjs/common';
import { type AuditEntry, AuditLog } from '@sallyport/audit';
import {
  type ConnectorDocument,
  type ConnectorName,
  connectorDocument,
  connectorsChanged,
  defaultConnector,
  initialConnectorSettings,
  Problem,
} from '@sallyport/protocol';
import { type Compare, type Entry, type Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { DeviceAnnouncements } from '../devices/device-announcements.js';

/** A connector, and the revision of the store it was read at; 0: it is not stored. */
export interface StoredConnector {
  readonly document: ConnectorDocument;
  readonly revision: number;
}

/** Every connector as it is in force. */
export interface ConnectorsInForce {
  /** One more with each change. */
  readonly version: number;
  /** The default connector is always among them. */
  readonly byName: ReadonlyMap<ConnectorName, ConnectorDocument>;
}

/** A change of what is in force. */
export interface ConnectorsChange {
  readonly compares: readonly Compare[];
  readonly operations: readonly Operation[];
  readonly audit: readonly AuditEntry[];
  /** The version of all connectors together that the change was checked against, if it was. */
  readonly seen?: number;
}

const prefix = 'connector/';
const headKey = 'connectors-head';
const head = z.object({ version: z.int().min(0) });
const mostTries = 20;

/** What stands in the store for the default connector until somebody changes it. */
const untouched: ConnectorDocument = {
  name: defaultConnector,
  version: 1,
  settings: initialConnectorSettings,
  clientCas: [],
};

/**
 * The connectors in the store. Keys: `connector/<name>` a document, `connectors-head` the version of all together. Each
 * change raises the version, and announces it in the same transaction.
 */
@Injectable()
export class Connectors {
  private known: { readonly revision: number; readonly inForce: ConnectorsInForce } | undefined;

  constructor(
    private readonly store: Store,
    private readonly audit: AuditLog,
    private readonly announcements: DeviceAnnouncements,
  ) {}

  async find(name: ConnectorName): Promise<StoredConnector | undefined> {
    const entry = await this.store.get(`${prefix}${name}`);
    if (entry !== undefined) return { document: documentOf(entry), revision: entry.revision };
    return name === defaultConnector ? { document: untouched, revision: 0 } : undefined;
  }

  /** @throws Problem `not-found` */
  async require(name: ConnectorName): Promise<StoredConnector> {
    const found = await this.find(name);
    if (found !== undefined) return found;
    throw new Problem('not-found', `No connector is called "${name}". See which there are: sallyport connector list`);
  }

  /**
   * Every connector as it is in force now. It costs one read of the store while nothing has changed, so it may be asked
   * for each device.
   */
  async inForce(): Promise<ConnectorsInForce> {
    const entry = await this.store.get(headKey);
    const revision = entry?.revision ?? 0;
    if (this.known?.revision === revision) return this.known.inForce;
    const inForce = { version: versionOf(entry), byName: await this.readAll() };
    // What changed while the documents were read has a newer head, and is read the next time.
    this.known = { revision, inForce };
    return inForce;
  }

  /**
   * Makes a change with its audit rows, the next version and its announcement: all or nothing.
   *
   * @returns the new version; undefined if one of the conditions does not hold, or another version than `seen` is in force
   */
  async commit(change: ConnectorsChange): Promise<number | undefined> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const entry = await this.store.get(headKey);
      if (change.seen !== undefined && change.seen !== versionOf(entry)) return undefined;
      const version = versionOf(entry) + 1;
      const isCommitted = await this.audit.commit({
        compares: [...change.compares, { key: headKey, revision: entry?.revision ?? 0 }],
        operations: [
          ...change.operations,
          { put: headKey, value: { version } },
          this.announcements.announce(connectorsChanged, { version }),
        ],
        entries: change.audit,
      });
      if (isCommitted) return version;
      const isOvertaken = (await this.store.get(headKey))?.revision !== entry?.revision;
      if (!isOvertaken || !(await this.holds(change.compares))) return undefined;
    }
    throw new Problem('unavailable', 'The connectors change too often at the moment. Try again.', {
      retryAfterSeconds: 1,
    });
  }

  /** Condition that a connector is still as it was read. */
  unchanged({ document, revision }: StoredConnector): Compare {
    return { key: `${prefix}${document.name}`, revision };
  }

  /** The operation that puts a document into force. */
  written(document: ConnectorDocument): Operation {
    return { put: `${prefix}${document.name}`, value: document };
  }

  removed(name: ConnectorName): Operation {
    return { delete: `${prefix}${name}` };
  }

  private async holds(compares: readonly Compare[]): Promise<boolean> {
    const entries = await Promise.all(compares.map(({ key }) => this.store.get(key)));
    return compares.every(({ revision }, index) => (entries[index]?.revision ?? 0) === revision);
  }

  private async readAll(): Promise<Map<ConnectorName, ConnectorDocument>> {
    const byName = new Map([[defaultConnector, untouched]]);
    for await (const entry of this.store.listAll(prefix)) {
      const document = documentOf(entry);
      byName.set(document.name, document);
    }
    return byName;
  }
}

function versionOf(entry: Entry | undefined): number {
  return head.safeParse(entry?.value).data?.version ?? 0;
}

/** @throws Problem `internal` */
function documentOf({ key, value }: Entry): ConnectorDocument {
  const { data: document, error } = connectorDocument.safeParse(value);
  if (document !== undefined) return document;
  const name = key.slice(prefix.length);
  throw new Problem('internal', `What the store holds of connector "${name}" is not readable. Restore a backup.`, {
    cause: error,
  });
}
