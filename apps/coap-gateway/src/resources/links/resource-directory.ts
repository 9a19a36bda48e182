import { Injectable } from '@nestjs/common';
import { CoapError, type CoapRequest, type CoapResponse } from '@sallyport/coap-wire';
import { canonicalUuid, type ResourceLink } from '@sallyport/protocol';
import { decodeCbor } from '../../cbor/cbor.js';
import type { DeviceSession } from '../../sessions/device-session.js';
import { representationFor } from '../../sessions/representation.js';
import { LinkDirectory } from './link-directory.js';
import { readPublication } from './publication.js';
import { readUnpublication } from './unpublication.js';

/** What a device has published, or taken back. */
export interface DirectoryChange {
  readonly published?: readonly ResourceLink[];
  readonly unpublished?: readonly ResourceLink[];
}

export interface DirectoryAnswer extends DirectoryChange {
  readonly response: CoapResponse;
}

/** `/oic/rd`: devices publish their resources here (OCF Cloud §6.2). */
@Injectable()
export class ResourceDirectory {
  constructor(private readonly links: LinkDirectory) {}

  /** @throws CoapError as plgd's gateway answers; `4.03`: a device publishes for another one */
  async answer(session: DeviceSession, request: CoapRequest): Promise<DirectoryAnswer> {
    switch (request.method) {
      case 'POST':
        return this.publish(session, request);
      case 'DELETE':
        return this.unpublish(session, request);
      case 'GET':
        // OCF Core §11.3.6: a directory says how much it would like to be chosen, 0 to 100.
        return { response: representationFor(request)('2.05', { sel: 0 }) };
      default:
        throw new CoapError('4.04', `unsupported method ${request.method}`);
    }
  }

  private async publish({ device }: DeviceSession, request: CoapRequest): Promise<DirectoryAnswer> {
    const represent = representationFor(request);
    const { di, links, ttlSeconds, echoed } = readPublication(decodeCbor(request.payload));
    if (canonicalUuid(di) !== device)
      throw new CoapError('4.03', 'cannot publish resources: di is not the device that is signed in');
    await this.links.publish(device, links, ttlSeconds);
    const response = represent('2.04', { di, links: echoed, ttl: ttlSeconds, lt: ttlSeconds });
    return { response, published: links };
  }

  private async unpublish({ device }: DeviceSession, { query }: CoapRequest): Promise<DirectoryAnswer> {
    const { di, ins } = readUnpublication(query);
    if (canonicalUuid(di) !== device)
      throw new CoapError('4.00', 'cannot unpublish resources: di is not the device that is signed in');
    const unpublished = await this.links.unpublish(device, (link) => ins.size === 0 || ins.has(link.ins));
    if (unpublished.length === 0)
      throw new CoapError('4.00', 'cannot unpublish resources: cannot find observed resources with these ins');
    return { response: { code: '2.02' }, unpublished };
  }
}
