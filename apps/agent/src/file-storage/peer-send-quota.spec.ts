import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { PeerSendQuota } from './peer-send-quota.js';

const kibibyte = 1024;

/** Asks to send this number of pieces; returns those that may be sent now. */
function ask(sendQuota: PeerSendQuota, { peer, pieces, bytes }: { peer: string; pieces: number; bytes: number }) {
  const gone: number[] = [];
  for (let piece = 0; piece < pieces; piece += 1) {
    const wait = sendQuota.take(peer, bytes);
    if (wait === undefined) gone.push(piece);
    else void wait.then(() => gone.push(piece));
  }
  return gone;
}

describe('the downloads of a peer', () => {
  it('send one large piece in a turn of the event loop, in order', async () => {
    const gone = ask(new PeerSendQuota(), { peer: 'device:a', pieces: 3, bytes: 1024 * kibibyte });
    expect(gone).toEqual([0]);
    await nextTurn();
    expect(gone).toEqual([0, 1]);
    await nextTurn();
    expect(gone).toEqual([0, 1, 2]);
  });

  it('send as many small pieces as fit', () => {
    const gone = ask(new PeerSendQuota(), { peer: 'device:a', pieces: 200, bytes: 16 * kibibyte });
    expect(gone).toHaveLength(16);
  });

  it('take no turn from another peer', () => {
    const sendQuota = new PeerSendQuota();
    ask(sendQuota, { peer: 'device:a', pieces: 200, bytes: 1024 * kibibyte });
    expect(ask(sendQuota, { peer: 'device:b', pieces: 1, bytes: 1024 * kibibyte })).toEqual([0]);
  });
});
