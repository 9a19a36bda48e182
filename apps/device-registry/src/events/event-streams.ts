import type { ServerResponse } from 'node:http';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { Mqtt, subscribeEvent } from '@sallyport/mqtt';
import { type DeviceEvent, deviceEvent, deviceEventRoot, type EventStreamQuery, Problem } from '@sallyport/protocol';
import { EventRing } from './event-ring.js';

const mostStreams = 50;
const mostUnsentBytes = 1024 * 1024;
// Shorter than the time after which proxies and NAT devices forget an idle connection.
const pingMs = 15_000;

/** A stream somebody asked for. */
export interface StreamRequest {
  readonly wanted: EventStreamQuery;
  /** The header `Last-Event-ID`, of a client that comes back. */
  readonly lastId: string | undefined;
  /** Called before the first byte, when nothing can be refused any more. */
  readonly begin: () => void;
}

interface Stream {
  readonly wanted: EventStreamQuery;
  readonly response: ServerResponse;
}

/**
 * Server-sent events (HTML Standard §9.2): the events of devices as they happen. A client that comes back says which event
 * was its last, and gets those after it. If they are not kept any more, it first gets an event `gap`.
 */
@Injectable()
export class EventStreams implements BeforeApplicationShutdown {
  private readonly streams = new Set<Stream>();
  private readonly recent = new EventRing();
  private listening: Promise<unknown> | undefined;
  private pings: NodeJS.Timeout | undefined;

  constructor(private readonly mqtt: Mqtt) {}

  beforeApplicationShutdown(): void {
    clearInterval(this.pings);
    for (const { response } of this.streams) response.end();
    // An event may still come while the connections close.
    this.streams.clear();
  }

  /**
   * Answers with a stream that ends with the connection, or with the service.
   *
   * @throws Problem `rate-limited`: too many are open
   * @throws Problem `unavailable`: the broker cannot be reached
   */
  async open(response: ServerResponse, { wanted, lastId, begin }: StreamRequest): Promise<void> {
    if (this.streams.size >= mostStreams)
      throw new Problem('rate-limited', `${mostStreams} event streams are open. Close one, or use a webhook.`, {
        retryAfterSeconds: 60,
      });
    await this.listen();
    // The client did not wait.
    if (response.destroyed) return;
    begin();
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.write(': events of devices\n\n');
    if (lastId !== undefined) this.catchUp({ wanted, response }, lastId);
    const stream = { wanted, response };
    this.streams.add(stream);
    response.once('close', () => this.streams.delete(stream));
  }

  private catchUp(stream: Stream, lastId: string): void {
    const missed = this.recent.after(lastId);
    if (missed === undefined) stream.response.write('event: gap\ndata: {}\n\n');
    for (const event of missed ?? []) send(stream, event);
  }

  /** From the first stream on, so that a client that comes back finds what it has missed. */
  private async listen(): Promise<void> {
    this.listening ??= subscribeEvent(
      this.mqtt,
      // Another filter than that of the webhooks, because the filter names the session at the broker.
      { topic: `${deviceEventRoot}/+/+`, payload: deviceEvent },
      async (event) => this.take(event),
      { isDurable: false },
    );
    try {
      await this.listening;
    } catch (error) {
      this.listening = undefined;
      throw error;
    }
    this.pings ??= setInterval(() => this.ping(), pingMs).unref();
  }

  private take(event: DeviceEvent): void {
    if (!this.recent.add(event)) return;
    for (const stream of this.streams) send(stream, event);
  }

  private ping(): void {
    for (const { response } of this.streams) response.write(': \n\n');
  }
}

/** @see HTML Standard §9.2.5: a message ends with an empty line. JSON on one line holds no line break. */
function send({ wanted, response }: Stream, event: DeviceEvent): void {
  if (!isWanted(wanted, event)) return;
  // A client that does not read comes back with the id of its last event.
  if (response.writableLength > mostUnsentBytes) response.destroy();
  else response.write(`id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

function isWanted({ device, connector, type }: EventStreamQuery, event: DeviceEvent): boolean {
  const isDevice = device === undefined || device.toLowerCase() === event.device.toLowerCase();
  return isDevice && (connector ?? event.connector) === event.connector && (type ?? event.type) === event.type;
}
