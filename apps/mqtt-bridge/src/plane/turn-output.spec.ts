import { Writable } from 'node:stream';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { TurnOutput } from './turn-output.js';

/** Takes what is written, and remembers each call. */
class Sink extends Writable {
  readonly writes: Buffer[] = [];
  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)));
    done();
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.writes.push(Buffer.from(chunk));
    done();
  }
}

describe('the output of a connection', () => {
  it('writes what a turn brings with one call', async () => {
    const sink = new Sink();
    const output = new TurnOutput(sink);
    for (const text of ['one ', 'two ', 'three']) output.add(Buffer.from(text));
    expect(sink.writes).toEqual([]);
    expect(output.unsentBytes).toBe(13);
    await waitFor(() => sink.writes.length > 0);
    expect(sink.writes.map(String)).toEqual(['one two three']);
    expect([output.unsentBytes, output.sentBytes]).toEqual([0, 13]);
  });

  it('keeps the order over pages and large packets, still with one call', async () => {
    const sink = new Sink();
    const output = new TurnOutput(sink);
    const packets = [10_000, 60_000, 10, 200_000, 1, 16_000, 60_000].map((size, index) => Buffer.alloc(size, index));
    for (const packet of packets) output.add(packet);
    await waitFor(() => sink.writes.length > 0);
    expect(sink.writes).toHaveLength(1);
    expect(sink.writes[0]?.equals(Buffer.concat(packets))).toBe(true);
  });

  it('sends appended bytes in their place, without a copy', async () => {
    const sink = new Sink();
    const output = new TurnOutput(sink);
    output.add(Buffer.from('head '));
    output.append(Buffer.from('payload '));
    output.add(Buffer.from('next'));
    expect(output.unsentBytes).toBe(17);
    await waitFor(() => sink.writes.length > 0);
    expect(sink.writes.map(String)).toEqual(['head payload next']);
    expect([output.unsentBytes, output.sentBytes]).toEqual([0, 17]);
  });

  it('does not change what it has written', async () => {
    const sink = new Sink();
    const output = new TurnOutput(sink);
    output.add(Buffer.from('first'));
    const { page } = output;
    await waitFor(() => sink.writes.length === 1);
    output.add(Buffer.from('second'));
    await waitFor(() => sink.writes.length === 2);
    expect(page.toString('latin1', 0, 11)).toBe('firstsecond');
  });
});
