import { Semaphore } from '@sallyport/concurrency';
import type { IPublishPacket } from 'mqtt';
import { messageFrom } from './message-properties.js';
import type { MqttMessage } from './mqtt-session.js';

/** How the messages of one connection reach their handler. */
export interface Deliveries {
  /** @param next lets MQTT.js acknowledge the message and go on to the next packet */
  receive(packet: IPublishPacket, next: () => void): void;
  /** The connection has ended: nothing is acknowledged any more. */
  stop(): void;
  /** Resolves when no handler runs. */
  idle(): Promise<void>;
}

export interface DeliveryOptions {
  readonly onMessage: (message: MqttMessage) => void | Promise<void>;
  /** Called when a handler fails; its message is not acknowledged, and none after it. */
  readonly onFailure: (error: unknown) => void;
}

/** One message at a time: MQTT.js reads nothing more until its handler is done. Costs least. */
export class SerialDeliveries implements Deliveries {
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: DeliveryOptions) {}

  receive(packet: IPublishPacket, next: () => void): void {
    this.running = this.handle(packet, next);
  }

  stop(): void {}

  idle(): Promise<void> {
    return this.running;
  }

  private async handle(packet: IPublishPacket, next: () => void): Promise<void> {
    try {
      await this.options.onMessage(messageFrom(packet));
    } catch (error) {
      this.options.onFailure(error);
      return;
    }
    next();
  }
}

export interface WindowOptions extends DeliveryOptions {
  /** Messages handled at once. */
  readonly size: number;
  /** Sends the PUBACK of a message, which MQTT.js has written too early. */
  readonly acknowledge: (packetId: number) => void;
}

interface Delivery {
  /** Undefined for a message that needs no acknowledgement. */
  readonly packetId: number | undefined;
  isDone: boolean;
}

/** Several messages side by side, acknowledged in order [MQTT-4.6.0-2]. MQTT.js goes on reading meanwhile. */
export class WindowedDeliveries implements Deliveries {
  private readonly places: Semaphore;
  private readonly deliveries: Delivery[] = [];
  private readonly idleListeners: (() => void)[] = [];
  private running = 0;
  private isOver = false;

  constructor(private readonly options: WindowOptions) {
    this.places = new Semaphore(options.size);
  }

  receive(packet: IPublishPacket, next: () => void): void {
    // MQTT.js reads the next message only when this one has a place.
    void this.start(packet).then(next);
  }

  stop(): void {
    this.isOver = true;
  }

  idle(): Promise<void> {
    if (this.running === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleListeners.push(resolve));
  }

  private async start(packet: IPublishPacket): Promise<void> {
    if (!this.places.tryAcquire()) await this.places.acquire();
    if (this.isOver) {
      this.places.release();
      return;
    }
    void this.run(packet);
  }

  private async run(packet: IPublishPacket): Promise<void> {
    // At QoS 2, which we do not ask for, MQTT.js sends PUBCOMP by itself.
    const delivery: Delivery = { packetId: packet.qos === 1 ? packet.messageId : undefined, isDone: false };
    this.deliveries.push(delivery);
    this.running += 1;
    try {
      await this.options.onMessage(messageFrom(packet));
      delivery.isDone = true;
      this.acknowledgeDone();
    } catch (error) {
      if (!this.isOver) this.options.onFailure(error);
      this.isOver = true;
    }
    this.running -= 1;
    this.places.release();
    if (this.running > 0) return;
    for (const listener of this.idleListeners.splice(0)) listener();
  }

  private acknowledgeDone(): void {
    if (this.isOver) return;
    let count = 0;
    for (; this.deliveries[count]?.isDone === true; count++) {
      const { packetId } = this.deliveries[count] ?? {};
      if (packetId !== undefined) this.options.acknowledge(packetId);
    }
    this.deliveries.splice(0, count);
  }
}
