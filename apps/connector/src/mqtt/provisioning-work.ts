import { encodePublish, type PublishPacket, reasonCodes, wholeFrame } from '@sallyport/mqtt-wire';
import type { ClientContact } from './client-contact.js';
import { uplinkTopicOf } from './device-topics.js';
import type { SessionLink, SessionWork } from './session-work.js';

/**
 * The session of a client without a credential. It may only ask for one: it publishes to `$provision/<identity>`, and
 * gets the token as a message on the same topic. Nobody else gets it.
 */
export class ProvisioningWork implements SessionWork {
  private attempts = 0;
  private isAsking = false;

  constructor(
    private readonly link: SessionLink,
    private readonly contact: ClientContact,
  ) {}

  get isIdle(): boolean {
    return !this.isAsking;
  }

  publish(packet: PublishPacket): void {
    const { link } = this;
    const topic = uplinkTopicOf(packet.topic);
    if (topic?.kind !== 'provision') {
      link.refusePublication(packet, reasonCodes.notAuthorized, 'the client has no credential');
      return;
    }
    this.attempts += 1;
    if (this.attempts > link.limits.activations)
      link.cut('a client asked too often for a token', reasonCodes.messageRateTooHigh);
    else void this.activate(topic.identity, { ...packet, payload: Buffer.alloc(0) });
  }

  acknowledge(): void {}

  end(): void {}

  /** The client is not read while the registry is asked. */
  private async activate(identity: string, packet: PublishPacket): Promise<void> {
    const { link } = this;
    this.isAsking = true;
    link.hold();
    const decision = await this.contact.activate(identity).catch(() => undefined);
    this.isAsking = false;
    if (decision === undefined) link.cut('the registry does not answer', reasonCodes.serverBusy);
    // Whether an identity is expected, or has its token already, is not for everybody to know.
    else if (decision.outcome === 'refused') link.refusePublication(packet, reasonCodes.notAuthorized, decision.reason);
    else this.deliver(packet, decision.token);
    link.resume();
    link.idle();
  }

  private deliver(packet: PublishPacket, token: string): void {
    const { link } = this;
    if (packet.qos === 1) link.send(link.answers.ack('puback', packet.packetId, reasonCodes.success), packet.packetId);
    const { topic } = packet;
    const flags = { qos: 0, retain: false, isDuplicate: false, packetId: 0, properties: undefined } as const;
    link.send(
      wholeFrame(encodePublish({ type: 'publish', topic, payload: Buffer.from(token), ...flags }, link.terms.version)),
      0,
    );
  }
}
