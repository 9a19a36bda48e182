import type { OcfUuid } from '@sallyport/protocol';
import type { Entry, Store } from '@sallyport/store';
import { type CodeRecord, codePrefix, codeRecord, digestOf, newSecret } from './site-records.js';

/** Codes for one sign-up each. The store holds their digests, so nobody can read a code there. */
export class SiteCodes {
  constructor(private readonly store: Store) {}

  /** The operations that make a code, so that the audit log can hold a row in the same transaction. */
  make(record: CodeRecord, validitySeconds: number) {
    const code = newSecret();
    const operations = [{ put: codePrefix + digestOf(code), value: record, ttlSeconds: validitySeconds }];
    return { code, operations };
  }

  /** The entry of a code that can be used now. To use it, delete it in the same transaction. */
  async find(code: string, now: Date): Promise<{ readonly entry: Entry; readonly record: CodeRecord } | undefined> {
    const entry = await this.store.get(codePrefix + digestOf(code));
    const record = codeRecord.safeParse(entry?.value).data;
    if (entry === undefined || record === undefined || !(new Date(record.expiresAt) > now)) return undefined;
    return { entry, record };
  }
}

/** Of whom a code, or a grant, speaks. */
export interface DeviceUser {
  readonly device: OcfUuid;
  readonly owner: string;
}
