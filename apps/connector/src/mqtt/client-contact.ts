import type {
  ActivationDecision,
  AuthenticationDecision,
  ConnectorName,
  DeviceId,
  PresentedCredential,
} from '@sallyport/protocol';

/** A client at the entrance: what its connection proves, and whom to ask for more. */
export interface ClientContact {
  /** Named by the certificate of the connection; undefined when it has none. */
  readonly deviceId: DeviceId | undefined;
  /** The connector of the host it asked for. */
  readonly connector: ConnectorName;
  readonly remoteAddress: string;
  /** The part of the address that the client cannot choose. */
  readonly network: string;
  /** Aborted when the entrance is about to end the connection. */
  readonly draining: AbortSignal;
  /** Asks for the device of a token or a password. From then on the connection is that of the device. */
  authenticate(credential: PresentedCredential): Promise<AuthenticationDecision>;
  /** Asks for the token of a new device. */
  activate(identity: string): Promise<ActivationDecision>;
}
