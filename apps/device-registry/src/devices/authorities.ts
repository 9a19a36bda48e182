import { Injectable } from '@nestjs/common';
import type { AuthorityId, DeviceAuthority } from '@sallyport/protocol';
import { type Operation, Store } from '@sallyport/store';
import { z } from 'zod';

/** A CA outside this site, by key and name. */
export interface NamedAuthority {
  readonly id: AuthorityId;
  /** Its subject, printable. */
  readonly name: string;
}

const storedAuthority = z.object({ name: z.string() });
const mostRemembered = 10_000;

/** The names of the CAs outside this site that vouch for devices. Keys: `authority/<id>`. */
@Injectable()
export class Authorities {
  private readonly written = new Set<AuthorityId>();

  constructor(private readonly store: Store) {}

  /** What keeps the name of a CA; nothing when it is kept already, so that devices of one CA share no key they write. */
  async recording({ id, name }: NamedAuthority): Promise<Operation[]> {
    if (this.written.has(id)) return [];
    if ((await this.store.get(keyOf(id))) === undefined) return [{ put: keyOf(id), value: { name } }];
    if (this.written.size >= mostRemembered) this.written.clear();
    this.written.add(id);
    return [];
  }

  /** Its name; undefined for a CA of this site, or one that has not been seen. */
  async nameOf(authority: DeviceAuthority): Promise<string | undefined> {
    if (authority === 'site') return undefined;
    const entry = await this.store.get(keyOf(authority));
    return storedAuthority.safeParse(entry?.value).data?.name;
  }
}

function keyOf(authority: DeviceAuthority): string {
  return `authority/${authority}`;
}
