import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import {
  type DeviceId,
  type ForeignAuthority,
  Problem,
  type TakeoverRequest,
  type TakeoverResponse,
} from '@sallyport/protocol';
import { Authorities, type NamedAuthority } from './authorities.js';
import { type DeviceChangeSet, Devices, type StoredDevice } from './devices.js';

const devicesAtOnce = 200;

/** A request to move devices from one CA to another. */
interface Takeover {
  readonly from: ForeignAuthority;
  readonly to: NamedAuthority;
  readonly actor: string;
}

/**
 * Moves devices from one CA outside this site to another, because the CA of their owner got a new key. Known
 * certificates of the old CA stay valid while an entrance trusts that CA. New certificates are accepted from the new CA
 * only.
 */
@Injectable()
export class AuthorityTakeover {
  constructor(
    private readonly devices: Devices,
    private readonly authorities: Authorities,
  ) {}

  /**
   * Reads one page of devices, or one device. Moves those of `from` if the request says so.
   *
   * @throws Problem `not-found`: no such device
   * @throws Problem `conflict`: another CA vouches for that device
   * @throws Problem `invalid-request`: both are the same CA, or the new one is unknown
   */
  async apply(request: TakeoverRequest, actor: string): Promise<TakeoverResponse> {
    const { from, mode } = request;
    if (from === request.to) throw new Problem('invalid-request', 'Both are the same CA: same key, same name.');
    const to = { id: request.to, name: await this.nameOf(request) };
    const { found, cursor } = await this.page(request);
    if (mode === 'move' && found.length > 0) await this.move(found, { from, to, actor });
    const fromName = await this.authorities.nameOf(from);
    return {
      devices: found.length,
      toName: to.name,
      ...(fromName === undefined ? {} : { fromName }),
      ...(cursor === undefined ? {} : { cursor }),
    };
  }

  private async nameOf({ to, toName }: TakeoverRequest): Promise<string> {
    const name = toName ?? (await this.authorities.nameOf(to));
    if (name !== undefined) return name;
    throw new Problem(
      'invalid-request',
      `No entrance has seen the CA ${to} yet. Name the file with its certificate instead.`,
    );
  }

  /** The devices of `from` on the next page. */
  private async page({ from, to, deviceId, cursor }: TakeoverRequest) {
    if (deviceId !== undefined) return { found: await this.one({ from, to }, deviceId), cursor: undefined };
    const page = await this.devices.page({ limit: devicesAtOnce, ...(cursor === undefined ? {} : { cursor }) });
    return { found: page.devices.filter(({ record }) => record.authority === from), cursor: page.cursor };
  }

  private async one({ from, to }: Pick<TakeoverRequest, 'from' | 'to'>, deviceId: DeviceId) {
    const device = await this.devices.require(deviceId);
    const { authority } = device.record;
    if (authority === from) return [device];
    if (authority === to) return [];
    const holder = authority === 'site' ? 'This site' : `The CA ${authority}`;
    throw new Problem('conflict', `${holder} vouches for device "${device.record.deviceId}", not ${from}.`);
  }

  /** All in one transaction. If one of them was changed in the meantime, one by one. */
  private async move(found: readonly StoredDevice[], takeover: Takeover): Promise<void> {
    await this.authorities.keepName(takeover.to);
    const changes = found.map((before) => changeOf(before, takeover));
    if (await this.devices.commitAll(changes, [entryOf(takeover, found)])) return;
    for (const { record } of found) await this.moveOne(record.deviceId, takeover);
  }

  private async moveOne(name: DeviceId, takeover: Takeover): Promise<void> {
    await this.devices.change(name, async (before) => {
      if (before === undefined || before.record.authority !== takeover.from) return { result: undefined };
      return { result: undefined, change: { ...changeOf(before, takeover), audit: [entryOf(takeover, [before])] } };
    });
  }
}

function changeOf(before: StoredDevice, { to }: Takeover): DeviceChangeSet & { readonly before: StoredDevice } {
  return { before, after: { ...before.record, authority: to.id }, audit: [] };
}

/** One row for all that moved in one request. A fleet of 100,000 devices causes some hundred rows. */
function entryOf({ from, to, actor }: Takeover, moved: readonly StoredDevice[]): AuditEntry {
  const [only] = moved;
  const subject = moved.length === 1 && only !== undefined ? only.record.deviceId : to.id;
  const details = { from, to: to.id, toName: to.name, count: moved.length };
  return { actor, action: 'devices-taken-over', subject, outcome: 'succeeded', details };
}
