import { describe, expect, it } from 'vitest';
import { type BufferShare, TransferBuffers } from './transfer-buffers.js';

const sizes = { largeBytes: 1000, mostLarge: 4, mostLargeEach: 2, smallBytes: 10, mostIdle: 2 };
const lengths = (share: BufferShare, count: number) => Array.from({ length: count }, () => share.take().length);

describe('the buffers of transfers', () => {
  it('are large for another peer when one has taken all it may', () => {
    const buffers = new TransferBuffers(sizes);
    expect(lengths(buffers.shareOf('device:a'), 200)).toEqual([1000, 1000, ...Array(198).fill(10)]);
    expect(lengths(buffers.shareOf('device:b'), 3)).toEqual([1000, 1000, 10]);
  });

  it('are never more than so many large ones, however many peers there are', () => {
    const buffers = new TransferBuffers(sizes);
    expect(['a', 'b', 'c'].flatMap((peer) => lengths(buffers.shareOf(peer), 2))).toEqual([
      ...[1000, 1000, 1000, 1000, 10, 10],
    ]);
  });

  it.each(['giveBack', 'abandon', 'free'] as const)('are large again for a peer after %s', (release) => {
    const share = new TransferBuffers(sizes).shareOf('device:a');
    const taken = [share.take(), share.take(), share.take()];
    for (const buffer of taken) share[release](buffer);
    expect(lengths(share, 3)).toEqual([1000, 1000, 10]);
  });

  it('are empty after they were freed, large or small', () => {
    const share = new TransferBuffers(sizes).shareOf('device:a');
    const freed = [share.take(), share.takeSmall()];
    for (const buffer of freed) share.free(buffer);
    expect(freed.map(({ length }) => length)).toEqual([0, 0]);
  });

  it('are small on demand, and do not count then', () => {
    const share = new TransferBuffers(sizes).shareOf('device:a');
    expect(share.takeSmall()).toHaveLength(10);
    expect(lengths(share, 3)).toEqual([1000, 1000, 10]);
  });

  it('are plenty until a peer has half of what it may', () => {
    const buffers = new TransferBuffers(sizes);
    const share = buffers.shareOf('device:a');
    expect(share.isPlenty).toBe(true);
    share.take();
    expect(share.isPlenty).toBe(false);
    expect(buffers.shareOf('device:b').isPlenty).toBe(true);
  });
});
