import { Injectable } from '@nestjs/common';
import type { AuthorityId, DeviceAuthority } from '@sallyport/protocol';
import { Store } from '@sallyport/store';
import { z } from 'zod';

/** A CA outside this site, by key and name. */
export interface NamedAuthority {
  readonly id: AuthorityId;
  /** Its subject, printable. */
  readonly name: string;
}

const storedAuthority = z.object({ name: z.string() });
const mostRemembered = 10_000;

/** Names of the CAs outside this site that vouch for devices. Keys: `authority/<id>`. */
@Injectable()
export class Authorities {
  private readonly kept = new Map<AuthorityId, Promise<void>>();

  constructor(private readonly store: Store) {}

  /**
   * Stores the name of a CA once, before its first device is stored. It has a transaction of its own: otherwise many
   * devices that come at the same time would all write this key, and wait for each other.
   *
   * @throws Problem `unavailable`, `storage-full`: it could not be stored
   */
  keepName(authority: NamedAuthority): Promise<void> {
    const known = this.kept.get(authority.id);
    if (known !== undefined) return known;
    if (this.kept.size >= mostRemembered) this.kept.clear();
    const keeping = this.write(authority);
    this.kept.set(authority.id, keeping);
    // The next device tries again. The caller that waits now gets the error.
    keeping.catch(() => this.kept.delete(authority.id));
    return keeping;
  }

  private async write({ id, name }: NamedAuthority): Promise<void> {
    if ((await this.store.get(keyOf(id))) === undefined) await this.store.put(keyOf(id), { name });
  }

  /** The name of a CA; undefined for a CA of this site or an unknown one. */
  async nameOf(authority: DeviceAuthority): Promise<string | undefined> {
    if (authority === 'site' || authority === 'none') return undefined;
    const entry = await this.store.get(keyOf(authority));
    return storedAuthority.safeParse(entry?.value).data?.name;
  }
}

function keyOf(authority: DeviceAuthority): string {
  return `authority/${authority}`;
}
