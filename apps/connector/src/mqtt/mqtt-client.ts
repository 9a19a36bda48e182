import {
  type ActivationDecision,
  type AuthenticationDecision,
  type AuthenticationRequest,
  type ConnectorName,
  type DeviceId,
  type PresentedCredential,
} from '@sallyport/protocol';
import { type Connection, networkOf } from '@sallyport/tls';
import type { DeviceCredentials } from '../front/device-credentials.js';
import type { ClientContact } from './client-contact.js';

const entrance = 'connector.mqtt';
/** Of what the registry is asked about, in characters. */
const mostLength = 256;

export interface MqttClientOptions {
  readonly connection: Connection;
  readonly connector: ConnectorName;
  readonly credentials: DeviceCredentials;
}

/** An admitted connection of the MQTT entrance, and the questions about it to the registry. */
export class MqttClient implements ClientContact {
  readonly remoteAddress: string;
  readonly network: string;
  readonly draining: AbortSignal;
  /** How the device has proved itself, when not by a certificate. */
  private proof: { readonly device: DeviceId; readonly request: AuthenticationRequest } | undefined;

  constructor(private readonly options: MqttClientOptions) {
    const { remoteAddress, draining } = options.connection;
    this.remoteAddress = remoteAddress;
    this.network = networkOf(remoteAddress);
    this.draining = draining;
  }

  get deviceId(): DeviceId | undefined {
    return this.options.connection.peer?.deviceId;
  }

  get connector(): ConnectorName {
    return this.options.connector;
  }

  async authenticate(credential: PresentedCredential): Promise<AuthenticationDecision> {
    const { credentials, connector } = this.options;
    const { remoteAddress } = this;
    const request = { connector, credential, entrance, remoteAddress };
    const decision = isShort(credential) ? await credentials.authenticate(request) : wrong;
    if (decision.outcome === 'admitted') this.proof = { device: decision.deviceId, request };
    return decision;
  }

  async activate(identity: string): Promise<ActivationDecision> {
    const { credentials, connector } = this.options;
    const { remoteAddress } = this;
    const isName = identity.length <= mostLength;
    return isName
      ? credentials.activate({ connector, identity, entrance, remoteAddress })
      : { outcome: 'refused', reason: 'identity-format' };
  }

  /**
   * Whether a change of this device, or of any, may be one of the token or the password of this connection. The listener
   * looks after certificates itself.
   */
  isConcerned(changed: DeviceId | undefined): boolean {
    return this.proof !== undefined && (changed === undefined || this.proof.device === changed);
  }

  /** Asks again, and ends the connection when its credential is not good any more. */
  async recheck(): Promise<void> {
    const { proof } = this;
    if (proof === undefined) return;
    const decision = await this.options.credentials.recheck(proof.request);
    if (decision.outcome === 'refused') this.options.connection.close(decision.reason);
    else if (decision.deviceId !== proof.device) this.options.connection.close('credential-unknown');
  }
}

const wrong = { outcome: 'refused', reason: 'credential-unknown' } as const;

/** Nothing longer is kept, so nothing longer is right. */
function isShort(credential: PresentedCredential): boolean {
  const texts = credential.kind === 'token' ? [credential.token] : [credential.identity, credential.password];
  return texts.every((text) => text.length <= mostLength);
}
