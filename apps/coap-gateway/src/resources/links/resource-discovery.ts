import { Injectable } from '@nestjs/common';
import { CoapError, type CoapRequest, type CoapResponse, contentFormats } from '@sallyport/coap-wire';
import { RpcClient } from '@sallyport/mqtt';
import {
  canonicalUuid,
  listOwnedDevices,
  type OcfUuid,
  ocfDeviceId,
  ocfUuidOf,
  type ResourceLink,
} from '@sallyport/protocol';
import { ServiceContext } from '@sallyport/runtime';
import { DeviceOwners } from '../../sessions/device-owners.js';
import type { DeviceSession } from '../../sessions/device-session.js';
import { representationFor } from '../../sessions/representation.js';
import { LinkDirectory } from './link-directory.js';

const deadlineMs = 5_000;

/** What one request may name, and what one answer may hold. */
const mostFilters = 32;
const mostLinks = 1_000;

interface DeviceLinks {
  readonly device: OcfUuid;
  readonly links: readonly ResourceLink[];
}

/** `/oic/res`: what other devices of the same owner have published. */
@Injectable()
export class ResourceDiscovery {
  constructor(
    private readonly links: LinkDirectory,
    private readonly owners: DeviceOwners,
    private readonly rpc: RpcClient,
    private readonly context: ServiceContext,
  ) {}

  /** @throws CoapError `4.00`: too many filters; `4.13`: the answer would be too large */
  async answer(session: DeviceSession, request: CoapRequest): Promise<CoapResponse> {
    if (request.method !== 'GET') throw new CoapError('4.04', `unsupported method ${request.method}`);
    const represent = representationFor(request);
    const query = new URLSearchParams(request.query.join('&'));
    const [ids, types] = [query.getAll('di'), new Set(query.getAll('rt'))];
    if (ids.length + types.size > mostFilters) throw new CoapError('4.00', 'too many filters in the query');
    const devices = ids.length === 0 ? await this.devicesOf(session.owner) : await this.owned(session.owner, ids);
    const found = await this.linksOf(devices, types);
    return represent('2.05', request.accept === contentFormats.cbor ? found.map(nested) : this.flat(found));
  }

  private async devicesOf(owner: string): Promise<OcfUuid[]> {
    const { devices } = await this.rpc.call(listOwnedDevices, { owner }, { deadlineMs });
    return devices.flatMap((name) => ocfUuidOf(name) ?? []);
  }

  /** Those of the named devices that the owner has. Others are not told apart from those that do not exist. */
  private async owned(owner: string, ids: readonly string[]): Promise<OcfUuid[]> {
    const owned: OcfUuid[] = [];
    for (const device of new Set(ids.flatMap((id) => canonicalUuid(id) ?? [])))
      if (await this.owners.isOwner({ deviceId: ocfDeviceId(device), owner })) owned.push(device);
    return owned;
  }

  private async linksOf(devices: readonly OcfUuid[], types: ReadonlySet<string>): Promise<DeviceLinks[]> {
    const found: DeviceLinks[] = [];
    let count = 0;
    for (const device of devices) {
      const all = await this.links.linksOf(device);
      const links = types.size === 0 ? all : all.filter(({ rt }) => rt.some((type) => types.has(type)));
      count += links.length;
      if (count > mostLinks) throw new CoapError('4.13', `more than ${mostLinks} resources: ask with di or rt`);
      if (links.length > 0) found.push({ device, links });
    }
    return found;
  }

  private flat(found: readonly DeviceLinks[]): object[] {
    const eps = [{ ep: `coaps+tcp://${this.address}`, pri: 1 }];
    return found.flatMap(({ device, links }) => links.map((link) => ({ ...written(device, link), eps })));
  }

  private get address(): string {
    const { settings } = this.context;
    return settings.get('coap.external_address') ?? `localhost:${settings.get('coap.bind.port')}`;
  }
}

function nested({ device, links }: DeviceLinks): object {
  return { di: device, links: links.map((link) => written(device, link)), ttl: -1, lt: -1 };
}

/** A link as other devices use it: its path leads through this gateway. */
function written(device: OcfUuid, { href, rt, if: interfaces, bm }: ResourceLink): object {
  return {
    anchor: `ocf://${device}`,
    href: `/api/v1/devices/${device}${href}`,
    rt,
    if: interfaces,
    p: { bm },
  };
}
