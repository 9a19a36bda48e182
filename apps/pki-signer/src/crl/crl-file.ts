import { replaceTextFile } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { type Clock, FaultLog, type Log } from '@sallyport/runtime';
import type { Store } from '@sallyport/store';
import { pemFromDer } from '@sallyport/x509';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { Inventory } from '../inventory/inventory.js';
import { type RevocationRecord, revocationPrefix, revocationRecord } from '../inventory/revocation.js';
import type { PublishedCrl } from './crl-publisher.js';

export interface CrlFileOptions {
  /** Setting `pki.crl.file`. */
  readonly path: string;
  readonly store: Store;
  readonly hierarchy: Hierarchy;
  readonly inventory: Inventory;
  readonly clock: Clock;
  readonly log: Log;
}

// Long enough for a machine that was off over a weekend, and short enough that the list stays small.
const recentMs = 7 * 24 * 3_600_000;

const pageSize = 250;

/**
 * Writes the CRLs of all CAs of the site into one PEM file, for a program on this machine that takes CRLs from files,
 * such as Mosquitto (`crlfile`).
 *
 * Beside it, `FILE.revoked` has a line `SERIAL NAME` for each certificate that was revoked in the last seven days. It
 * changes only when a certificate is revoked: then live sessions of these names have to end.
 */
export class CrlFile {
  private readonly faults: FaultLog;
  private readonly written = new Map<string, string>();

  constructor(private readonly options: CrlFileOptions) {
    const { log, clock, path } = options;
    this.faults = new FaultLog(log, clock, 'the file of the CRLs could not be written, will be tried again', { path });
  }

  /** Writes what has changed. Never rejects: the next call tries again. */
  async write(crls: Iterable<PublishedCrl>): Promise<void> {
    const { path } = this.options;
    try {
      await this.replace(path, [...crls].map(({ der }) => pemFromDer('X509 CRL', der)).join(''));
      // After the CRLs: nobody whose session was ended may come back.
      await this.replace(`${path}.revoked`, (await this.recentlyRevoked()).join(''));
    } catch (error) {
      this.faults.note(error);
    }
  }

  private async replace(path: string, text: string): Promise<void> {
    if (this.written.get(path) === text) return;
    await replaceTextFile(path, text);
    this.written.set(path, text);
  }

  private async recentlyRevoked(): Promise<string[]> {
    const { store, hierarchy, clock } = this.options;
    const since = clock.now().getTime() - recentMs;
    const lines: string[] = [];
    for (const { record } of hierarchy.all)
      for await (const entries of store.listPages(revocationPrefix(record.id), { pageSize })) {
        const revocations = entries.map(({ value }) => revocationRecord.parse(value));
        for (const recent of revocations.filter(({ revokedAt }) => Date.parse(revokedAt) >= since))
          lines.push(...(await this.lineOf(recent)));
      }
    return lines.toSorted();
  }

  private async lineOf({ serialNumber }: RevocationRecord): Promise<string[]> {
    try {
      const { record } = await this.options.inventory.find(serialNumber);
      return [`${serialNumber} ${record.deviceId}\n`];
    } catch (error) {
      // The record of the certificate has ended, and so has the certificate.
      if (error instanceof Problem && error.type === 'not-found') return [];
      throw error;
    }
  }
}
