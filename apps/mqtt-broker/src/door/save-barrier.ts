import type { Duplex } from 'node:stream';
import { encodePing, PacketReader } from '@sallyport/mqtt-wire';
import type { Gate, Held } from './relay.js';

/** A PINGRESP has 2 bytes, and nothing else is asked for. */
const largestBytes = 1024;

/**
 * Holds what the broker behind the door sends, until the broker has saved what it did before it sent that.
 *
 * Mosquitto writes an acknowledgement while it handles a packet. It saves its state at the end of the same turn of its
 * loop (`autosave_on_changes`). If it is killed between the two, a message that was acknowledged is lost. It handles one
 * packet of a connection in a turn. So the answer to a ping that we send after the acknowledgement has come belongs to a
 * later turn, and the state is saved then. All connections share one connection for these pings. What comes while a ping
 * is not answered shares the next one: more pings than turns of a busy broker would only queue there.
 *
 * When the broker goes before it answers, what is held is never passed on.
 */
export class SaveBarrier implements Gate {
  private due: Held[] = [];
  /** What waits for the answer to a ping; undefined while none is under way. */
  private asked: readonly Held[] | undefined;
  private control: Duplex | undefined;
  private isOpening = false;

  /** @param open opens a session of our own with the broker */
  constructor(private readonly open: () => Promise<Duplex>) {}

  hold(held: Held): void {
    if (this.due.length === 0) queueMicrotask(() => this.ask());
    this.due.push(held);
  }

  private ask(): void {
    if (this.control === undefined) {
      void this.openControl();
      return;
    }
    if (this.due.length === 0 || this.asked !== undefined) return;
    this.asked = this.due;
    this.due = [];
    this.control.write(encodePing({ type: 'pingreq' }));
  }

  private answered(): void {
    const { asked = [] } = this;
    this.asked = undefined;
    for (const held of asked) held.pass();
    this.ask();
  }

  private async openControl(): Promise<void> {
    if (this.isOpening) return;
    this.isOpening = true;
    try {
      const control = await this.open();
      control.on('error', () => control.destroy());
      control.once('end', () => control.destroy());
      control.once('close', () => this.lose());
      this.readFrom(control);
      this.control = control;
      this.ask();
    } catch {
      // The session of each client finds out why, and says so.
      this.lose();
    } finally {
      this.isOpening = false;
    }
  }

  private readFrom(control: Duplex): void {
    const reader = new PacketReader({ sender: 'server', version: 4, largestBytes });
    control.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
        for (let packet = reader.next(); packet !== undefined; packet = reader.next())
          if (packet.type === 'pingresp') this.answered();
      } catch {
        control.destroy();
      }
    });
    control.resume();
  }

  private lose(): void {
    const lost = [...(this.asked ?? []), ...this.due];
    this.asked = undefined;
    this.due = [];
    this.control = undefined;
    for (const held of lost) held.drop();
  }
}
