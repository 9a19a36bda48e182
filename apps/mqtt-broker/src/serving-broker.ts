import type { EmbeddedBroker } from '@sallyport/embedded-broker';
import type { BrokerStatus, MqttAccess } from '@sallyport/protocol';
import type { BrokerPlace, ConnectedContext } from '@sallyport/runtime';
import { type Connection, networkOf } from '@sallyport/tls';
import { registerBrokerMetrics } from './broker-metrics.js';
import { BackSide } from './door/back-side.js';
import { Door } from './door/door.js';
import { DoorMetrics } from './door/door-metrics.js';

/** Which broker serves behind the entrance. */
export type BrokerChoice =
  | {
      readonly kind: 'embedded';
      readonly broker: EmbeddedBroker;
      /** Where it serves the services of other processes. */
      readonly socket?: string;
    }
  | { readonly kind: 'other'; readonly place: BrokerPlace; readonly access: MqttAccess };

/** The broker as the entrance uses it. */
export abstract class ServingBroker {
  /** Takes the connection of an admitted client, and looks after it until its end. */
  abstract serve(connection: Connection): void;

  /** Clients without an identity may connect from now on, or may not. */
  abstract admitAnonymous(isAdmitted: boolean): void;

  /** Forgets what clients without an identity left. */
  abstract endAnonymous(): void;

  abstract readonly status: BrokerStatus;
}

/** @throws never; what is wrong with a broker behind the door shows when it is used */
export function servingBroker(choice: BrokerChoice, context: ConnectedContext): ServingBroker {
  return choice.kind === 'embedded'
    ? new EmbeddedServing(choice.broker, choice.socket, context)
    : new DoorServing(choice, context);
}

/** The embedded broker behind the entrance. */
export class EmbeddedServing extends ServingBroker {
  private opened = 0;

  constructor(
    private readonly broker: EmbeddedBroker,
    private readonly socket: string | undefined,
    { metrics, readiness }: Pick<ConnectedContext, 'metrics' | 'readiness'>,
  ) {
    super();
    registerBrokerMetrics(metrics, broker);
    readiness.add('broker', () =>
      broker.figures.journalFailing === 0 ? undefined : 'The journal of the broker cannot be written.',
    );
  }

  override serve(connection: Connection): void {
    this.opened += 1;
    const { socket, peer, remoteAddress, draining } = connection;
    this.broker.accept(socket, peer, { network: networkOf(remoteAddress), draining });
    // The client comes back by itself.
    draining.addEventListener('abort', () => connection.close());
  }

  override admitAnonymous(isAdmitted: boolean): void {
    this.broker.admitAnonymous(isAdmitted);
  }

  override endAnonymous(): void {
    this.broker.endAnonymous();
  }

  override get status(): BrokerStatus {
    const { sessions, queuedBytes, retainedMessages, journalBytes } = this.broker.figures;
    return {
      behind: 'embedded',
      ...(this.socket === undefined ? {} : { socket: this.socket }),
      isReachable: true,
      sessions: this.broker.clients,
      opened: this.opened,
      refusals: Object.fromEntries(this.broker.counters.refusals),
      holds: { sessions, queuedBytes, retainedMessages, journalBytes },
    };
  }
}

class DoorServing extends ServingBroker {
  private readonly door: Door;

  constructor({ place, access }: Extract<BrokerChoice, { kind: 'other' }>, context: ConnectedContext) {
    super();
    const { log, clock, metrics, readiness, mqtt } = context;
    this.door = new Door({
      backSide: new BackSide(place),
      access,
      metrics: new DoorMetrics(metrics),
      log,
      clock,
      waitsForSave: context.settings.get('mqtt.broker.waits_for_save'),
    });
    readiness.add('broker', () => this.door.fault);
    // When no client comes, our own session finds out that the broker is back.
    mqtt.onReconnect(() => this.door.noteReachable());
  }

  override serve(connection: Connection): void {
    void this.door.serve(connection);
  }

  // The broker behind has the sessions, and no means for us to end them. docs/mosquitto.md says what to do.
  override admitAnonymous(): void {}

  override endAnonymous(): void {}

  override get status(): BrokerStatus {
    return this.door.status;
  }
}
