import type { ConnectorDocument, DeviceId } from '@sallyport/protocol';

/** A device that came to a connector without a certificate, and has a name by now. */
export interface SecretContact {
  readonly origin: { readonly entrance: string; readonly remoteAddress: string };
  readonly connector: ConnectorDocument;
  readonly identity: DeviceId;
  readonly now: Date;
}
